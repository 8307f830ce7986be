"""Lesson 24: bands, class weights, thresholds chosen on validation data, scores."""

import numpy as np
import pytest
from conftest import IMBALANCE, run_lesson
from sklearn.metrics import f1_score, precision_score, recall_score


def test_bands_follow_from_values(names):
    values, bands = names["test_rows"].median_house_value.to_numpy(), names["band"]["test"]
    np.testing.assert_array_equal(bands == 0, values < 100_000)
    np.testing.assert_array_equal(bands == 2, values >= names["top"])
    assert 0 < np.mean(names["band"]["train"] == 2) < 0.1


def test_inputs_are_scaled_by_training_rows(names):
    train = names["places"]["train"]
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(train.std(axis=0), 1, rtol=1e-3)


def test_class_weights_balance_classes(names):
    bands = names["band"]["train"]
    expected = len(bands) / (3 * np.bincount(bands))  # the formula of the text
    np.testing.assert_allclose(names["balanced"], expected)
    plain, weighted = (names["probabilities"][name][:, 2] for name in ("plain", "weighted"))
    assert weighted.mean() > plain.mean()


def test_scores_agree_with_predictions(names):
    rules = names["rules"].set_index(["network", "rule", "band"])
    positive = names["true"] == 2
    for name, probabilities in names["probabilities"].items():
        threshold = rules.threshold[name, "threshold", "off the scale"]
        for rule, said in [
            ("most probable", probabilities.argmax(axis=1) == 2),
            ("threshold", probabilities[:, 2] > threshold),
        ]:
            row = rules.loc[(name, rule, "off the scale")]
            assert row.recall == pytest.approx(recall_score(positive, said), abs=0.03)
            precision = precision_score(positive, said, zero_division=0)
            assert row.precision == pytest.approx(precision, abs=0.03)
            assert row.f1 == pytest.approx(f1_score(positive, said), abs=0.03)


def test_thresholds_find_the_wanted_fraction_of_validation_positives(names):
    rules = names["rules"].query("rule == 'threshold'").set_index(["network", "band"])
    for name, model in names["models"].items():
        validation = model.predict(names["places"]["val"], verbose=0)
        for number, label in enumerate(names["BANDS"]):
            positives = validation[names["band"]["val"] == number, number]
            found = np.mean(positives > rules.threshold[name, label])
            assert found == pytest.approx(0.8, abs=0.21 if len(positives) < 20 else 0.03)


def test_few_examples_without_positives(tmp_path):
    flags = ["--data", "sample", "--limit", "100", "--epochs", "1", "--recall", "0.5"]
    run = run_lesson(IMBALANCE, tmp_path, *flags)
    assert run.record["variant"] == "recall-0.5" and len(run.names["rules"]) == 12
