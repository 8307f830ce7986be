"""Lesson 22: held-out rows do not count, networks do not see each other, intervals, comparisons."""

import math

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import UNCERTAINTY


@pytest.fixture(scope="module")
def run(smoke_runs):
    return smoke_runs[UNCERTAINTY]


def test_weights_describe_splits_bootstrap_samples_and_folds(run):
    names = run.names
    weights = names["sample_weights"]
    for (train_rows, test_rows), plain, bagged in zip(
        names["splits"], names["averaged"], names["bagged"], strict=True
    ):
        assert (weights[train_rows, plain] == 1).all()
        assert (weights[test_rows, plain] == 0).all() and (weights[test_rows, bagged] == 0).all()
        assert (weights[:, bagged].sum(axis=0) == len(train_rows)).all()
        assert weights[:, bagged].max() > 1
    tested = np.sort(np.concatenate([test_rows for _, test_rows in names["folds"]]))
    assert tested.tolist() == list(range(names["rows"]))
    assert len({column.tobytes() for column in weights[:, names["bagged"][0]].T}) == 6


def test_loss_ignores_held_out_rows(run):
    names = run.names
    model, features, targets = names["model"], names["features"], names["repeated"]
    weights = names["sample_weights"]

    def loss(targets):
        options = {"sample_weight": weights, "batch_size": len(features), "verbose": 0}
        return model.evaluate(features, targets, **options)

    wrong = np.where(weights[..., np.newaxis] == 0, 1e6, targets)
    assert loss(wrong) == pytest.approx(loss(targets), rel=1e-6)
    squares = (model.predict(features, verbose=0)[..., 0] - targets[..., 0]) ** 2
    assert loss(targets) == pytest.approx(np.mean(weights * squares), rel=1e-4)


def test_networks_are_independent(run):
    model = keras.models.clone_model(run.names["model"])
    row = run.names["features"][:1]
    before = model.predict(row, verbose=0)[0, :, 0]
    kernels = [weights.numpy() for weights in model.trainable_weights]
    for kernel in kernels:
        kernel[3] *= 2  # of the fourth network
    for variable, kernel in zip(model.trainable_weights, kernels, strict=True):
        variable.assign(kernel)
    changed = model.predict(row, verbose=0)[0, :, 0] != before
    assert np.flatnonzero(changed).tolist() == [3]


def test_initial_weights_are_drawn_as_by_dense(run):
    first = keras.models.clone_model(run.names["model"]).trainable_weights[0].numpy()
    _, inputs, units = first.shape
    limit = math.sqrt(6 / (inputs + units))
    assert 0.99 * limit < np.abs(first).max() <= limit


def test_each_network_normalizes_with_its_own_rows(run):
    names = run.names
    train_rows, _ = names["folds"][2]
    network = names["crossed"][2].start
    rows = names["features"][train_rows].astype("float64")
    np.testing.assert_allclose(names["means"][network], rows.mean(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(names["variances"][network], rows.var(axis=0), rtol=1e-2, atol=1e-3)


def test_interval_of_known_values(run):
    middle, low, high = run.names["interval"]([1, 2, 3, 4])
    margin = 1.96 * np.std([1, 2, 3, 4], ddof=1) / 2
    assert (middle, low, high) == pytest.approx((2.5, 2.5 - margin, 2.5 + margin))


def test_mean_of_networks_gains_their_variance(run):
    names = run.names
    members = names["predicted"][:, names["averaged"][0]]
    truth = names["targets"][:, np.newaxis]
    of_mean = (members.mean(axis=1) - names["targets"]) ** 2
    expected = ((members - truth) ** 2).mean(axis=1) - members.var(axis=1)
    np.testing.assert_allclose(of_mean, expected, rtol=1e-3, atol=1e-3)


def test_table_holds_all_comparisons(run):
    table = pd.read_csv(run.folder / "results.csv")
    assert table.groupby("kind").size().to_dict() == {
        "difference": 3, "interval": 2, "luck": 2, "splits": 5,
    }  # fmt: skip
    assert (table.low <= table.value).all() and (table.value <= table.high).all()
    scores = run.names["scores"]
    won = (scores["ensemble of 6"] < scores["random forest"]).sum()
    assert run.record["metrics"]["splits_won"] == won
    assert run.record["metrics"]["test_mae"] == pytest.approx(
        scores["ensemble of 6"].mean(), rel=1e-6
    )


def test_single_errors_are_the_absolute_ones(run):
    names = run.names
    rows = np.array([0, 3])
    assert names["errors"](names["targets"][rows] + [1, -2], rows) == pytest.approx([1, 2])
