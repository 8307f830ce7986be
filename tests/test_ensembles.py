"""Lesson 25: held-out rows do not count, networks do not see each other, the mean gains."""

import math

import keras
import numpy as np
import pandas as pd
import pytest


def test_weights_describe_splits_and_bootstrap_samples(run):
    names = run.names
    averaged, bagged = names["sample_weights"].T.reshape(2, 10, 6, names["rows"])
    for (train_rows, test_rows), plain, drawn in zip(
        names["splits"], averaged, bagged, strict=True
    ):
        assert (plain[:, train_rows] == 1).all()
        assert (plain[:, test_rows] == 0).all() and (drawn[:, test_rows] == 0).all()
        assert (drawn.sum(axis=1) == len(train_rows)).all() and drawn.max() > 1
    assert len({row.tobytes() for row in bagged[0]}) == 6


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
    train_rows, _ = names["splits"][2]
    network = 2 * 6  # the first of the third split
    rows = names["features"][train_rows].astype("float64")
    np.testing.assert_allclose(names["means"][network], rows.mean(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(names["variances"][network], rows.var(axis=0), rtol=1e-2, atol=1e-3)


def test_mean_of_networks_gains_their_variance(run):
    names = run.names
    members = names["predicted"][names["splits"][0][1], :6]
    expected = names["error_of_members"] - members.var(axis=1).mean()
    assert names["error_of_mean"] == pytest.approx(expected, rel=1e-3)


def test_table_holds_all_models(run):
    names = run.names
    table = pd.read_csv(run.folder / "results.csv", index_col="model")
    scores = names["scores"]
    assert list(table.index) == list(scores) and scores.shape == (10, 5)
    assert (table["min"] <= table["mean"]).all() and (table["mean"] <= table["max"]).all()
    assert (scores["ensemble of 6"] <= scores["one network"] + 1e-4).all()  # rounding
    won = (scores["ensemble of 6"] < scores["random forest"]).sum()
    assert table.better_than_forest["ensemble of 6"] == run.record["metrics"]["splits_won"] == won
    mean = scores["ensemble of 6"].mean()
    assert run.record["metrics"]["test_mae"] == pytest.approx(mean, rel=1e-6)


def test_score_is_the_mean_absolute_error(run):
    names = run.names
    rows = np.array([0, 3])
    assert names["score"](names["targets"][rows] + [1, -2], rows) == pytest.approx(1.5)
