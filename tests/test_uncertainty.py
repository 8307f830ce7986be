"""Lesson 22: folds, each row tested by a network that has not seen it, intervals, differences."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression


def test_each_row_is_tested_once(run):
    names = run.names
    tested = np.concatenate([test_rows for _, test_rows in names["folds"]])
    assert len(names["folds"]) == 3
    assert np.sort(tested).tolist() == list(range(names["rows"]))
    assert not any(set(train) & set(test) for train, test in names["folds"])


def test_starts_differ_and_the_first_one_is_a_fold(run):
    names = run.names
    starts, first_rows = names["by_start"], names["folds"][0][1]
    assert len({start.tobytes() for start in starts}) == len(starts) == 6
    assert names["predicted"]["network"][first_rows] == pytest.approx(starts[0])


def test_last_fold_is_predicted_by_a_network_that_has_not_seen_it(run):
    names = run.names
    train_rows, test_rows = names["folds"][-1]
    model, features = names["model"], names["features"]
    found = model.predict(features[test_rows], verbose=0)[:, 0]
    np.testing.assert_allclose(names["predicted"]["network"][test_rows], found, rtol=1e-5)
    mean = model.layers[0].mean
    np.testing.assert_allclose(np.ravel(mean), features[train_rows].mean(axis=0), rtol=1e-5)


def test_linear_model_is_trained_without_the_fold(run):
    names = run.names
    train_rows, test_rows = names["folds"][1]
    features, targets = names["features"], names["targets"]
    expected = LinearRegression().fit(features[train_rows], targets[train_rows])
    expected = expected.predict(features[test_rows])
    found = names["predicted"]["linear model"][test_rows]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_interval_of_known_values(run):
    middle, low, high = run.names["interval"]([1, 2, 3, 4])
    margin = 1.96 * np.std([1, 2, 3, 4], ddof=1) / 2
    assert (middle, low, high) == pytest.approx((2.5, 2.5 - margin, 2.5 + margin))


def test_differences_are_paired(run):
    names = run.names
    errors = names["row_errors"]
    difference = errors["random forest"] - errors["network"]
    expected = names["interval"](difference)
    assert names["differences"]["random forest - network"] == pytest.approx(expected)
    by_fold = [difference[test_rows].mean() for _, test_rows in names["folds"]]
    test = stats.ttest_1samp(by_fold, 0).confidence_interval()
    found = names["differences"]["random forest - network, by fold"]
    assert found == pytest.approx((np.mean(by_fold), *test))


def test_table_holds_all_comparisons(run):
    table = pd.read_csv(run.folder / "results.csv")
    assert table.groupby("kind").size().to_dict() == {"difference": 4, "luck": 2, "score": 3}
    assert (table.low <= table.value).all() and (table.value <= table.high).all()
    score = table[table.kind == "score"].set_index("name").value
    metrics = run.record["metrics"]
    assert metrics["test_mae"] == pytest.approx(score["network"], abs=1e-4)
    assert metrics["test_forest"] == pytest.approx(score["random forest"], abs=1e-4)


def test_single_errors_are_the_absolute_ones(run):
    names = run.names
    rows = np.array([0, 3])
    assert names["errors"](names["targets"][rows] + [1, -2], rows) == pytest.approx([1, 2])
