"""Lesson 20: widths that meet a budget, the same seeds for each shape, the best shape tested."""

import numpy as np
import pandas as pd
import pytest
from conftest import DEPTH_AND_WIDTH, error_of


@pytest.mark.parametrize("budget", [5_000, 10_000])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 6, 40])
def test_width_is_the_closest_to_the_budget(run, depth, budget):
    def parameters(width):
        model = run.names["build_model"](depth, width, 1)
        return sum(np.prod(weights.shape) for weights in model.trainable_weights)

    width = run.names["width_of"](depth, budget)
    if budget == 5_000 and depth < 40:
        assert width == {1: 500, 2: 65, 3: 47, 4: 39, 6: 30}[depth]
        assert parameters(width) == pytest.approx(budget, rel=0.03)
    missed = {other: abs(parameters(other) - budget) for other in (width - 1, width, width + 1)}
    assert min(missed, key=missed.get) == width


def test_smallest_budget_leaves_one_unit(run):
    assert [run.names["width_of"](depth, 1) for depth in (1, 2, 6)] == [1, 1, 1]


def test_each_shape_is_trained_with_every_seed(run):
    assert {name: len(ends) for name, ends in run.names["ends"].items()} == {
        "1 x 500": 2,
        "2 x 65": 2,
    }
    table = pd.read_csv(run.folder / "shapes.csv")
    assert list(table.layers) == [1, 2] and list(table.parameters) == [5_001, 4_941]
    assert (table.lowest < table.highest).all()  # two seeds
    middle = (table.lowest + table.highest) / 2
    assert table.val_mse.tolist() == pytest.approx(middle.tolist(), abs=1e-4)


def test_folds_double_with_each_layer(run):
    folded = run.names["folded"]
    assert folded.min() == 0 and folded.max() == 1
    rises = np.sign(np.diff(folded))
    assert 1 + sum(rises[1:] != rises[:-1]) == 2**3


def test_best_shape_is_tested(run):
    names, metrics = run.names, run.record["metrics"]
    medians = {name: np.median(ends) for name, ends in names["ends"].items()}
    assert names["best"] == min(medians, key=medians.get)
    assert metrics["val_mse"] == pytest.approx(names["ends"][names["best"]][0])  # the first seed
    predicted = names["model"].predict(names["test_features"], verbose=0)[:, 0]
    mse = np.mean((predicted - names["test_values"]) ** 2)
    assert metrics["test_mse"] == pytest.approx(mse, rel=1e-3)


def test_depths_need_a_number(capsys):
    error = error_of(capsys, DEPTH_AND_WIDTH, "--depths")
    assert error.startswith("error: --depths: ")
