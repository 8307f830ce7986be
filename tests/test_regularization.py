"""Lesson 04: ten variants of one model, their input and their table."""

import numpy as np
import pandas as pd
import pytest
from conftest import REGULARIZATION, run_lesson


def build_all(names) -> dict:
    return {name: names["network"](**own) for name, own in names["ARGUMENTS"].items()}


def check_parameters(parameters: dict) -> None:
    expected = {"smaller": 40_029, "bigger": 5_383_681, "batch_norm": 160_305 + 4 * 32}
    for name, count in parameters.items():
        assert count == expected.get(name, 160_305), name


def test_parameter_counts(run, names):
    table = pd.read_csv(run.folder / "models.csv", index_col="model")
    assert list(table.index) == names["lesson"].models
    check_parameters(table.parameters.to_dict())
    assert list(names["ARGUMENTS"]) == list(names["NAMES"])
    check_parameters({name: model.count_params() for name, model in build_all(names).items()})


@pytest.fixture(scope="module")
def all_ten(tmp_path_factory):
    """A run with all ten models."""
    flags = ["--data", "sample", "--epochs", "2"]
    return run_lesson(REGULARIZATION, tmp_path_factory.mktemp("ten"), *flags, figures=True)


@pytest.mark.slow
def test_all_models_are_trained_and_compared(all_ten):
    run = all_ten
    table = pd.read_csv(run.folder / "models.csv", index_col="model")
    assert list(table.index) == list(run.names["NAMES"]) and len(table) == 10
    check_parameters(table.parameters.to_dict())
    for name, curve in run.names["curves"].items():
        assert np.isfinite(curve["loss"]).all() and curve["loss"][1] < curve["loss"][0], name
    for name in ("capacity", "remedies"):
        assert (run.folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_multi_hot_encoding(names):
    reviews = [np.array([3, 1, 3]), np.array([9_999, 10_000, 80_000]), np.array([20_000])]
    rows = names["multi_hot"](reviews)
    assert rows.shape == (3, 10_000) and rows.dtype == np.uint8
    assert [np.flatnonzero(row).tolist() for row in rows.toarray()] == [[1, 3], [9_999], []]
    assert rows.max() == 1


def test_table_matches_curves(names):
    check_table(names)


@pytest.mark.slow
def test_table_matches_curves_for_all_models(all_ten):
    check_table(all_ten.names)


def check_table(names) -> None:
    for row in names["table"].itertuples():
        curve = names["curves"][row.model]
        loss, val_loss = curve["binary_crossentropy"], curve["val_binary_crossentropy"]
        assert row.best_epoch == np.argmin(val_loss) + 1
        assert row.best_val_loss == pytest.approx(min(val_loss), abs=1e-4)
        assert row.end_gap == pytest.approx(val_loss[-1] - loss[-1], abs=1e-4)
    best = names["table"].best_val_loss.min()
    figures = names["model"].evaluate(names["val"], verbose=0, return_dict=True)
    assert figures["binary_crossentropy"] == pytest.approx(best, abs=1e-4)


def test_compared_loss_excludes_penalty(names):
    check_penalties(names)


@pytest.mark.slow
def test_compared_loss_excludes_penalty_for_all_models(all_ten):
    check_penalties(all_ten.names)


def check_penalties(names) -> None:
    for name, curve in names["curves"].items():
        penalty = np.subtract(curve["loss"], curve["binary_crossentropy"])
        assert (penalty > 0.01).all() if "L" in name else np.allclose(penalty, 0, atol=1e-4)


def test_a_fifth_differs_from_baseline(names):
    assert names["curves"]["baseline"] != names["curves"]["a_fifth"]


@pytest.mark.slow
def test_early_stopping_matches_baseline(all_ten):
    curves = all_ten.names["curves"]
    assert curves["early_stopping"] == curves["baseline"]


def test_dropout_and_batch_norm_placement(names):
    kinds = {
        name: [type(layer).__name__ for layer in model.layers]
        for name, model in build_all(names).items()
    }
    assert kinds["baseline"] == ["Dense"] * 3
    assert kinds["L2_dropout"] == ["Dense", "Dropout"] * 2 + ["Dense"]
    assert kinds["batch_norm"] == ["Dense", "BatchNormalization"] * 2 + ["Dense"]
