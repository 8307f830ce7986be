"""Lesson 21: targets, the metrics and the loss of its own, what the wrong pairs answer."""

import numpy as np
import pytest
from keras import ops


def value_of(function, true, predicted):
    """Call a loss or a metric on lists of rows."""
    true, predicted = (np.array(rows, "float32") for rows in (true, predicted))
    return ops.convert_to_numpy(function(true, predicted)).tolist()


def test_targets_belong_to_examples(names):
    classes, attributes = names["which"]["test"], names["several"]["test"]
    coat = {tuple(row) for row in attributes[classes == 4].tolist()}
    assert coat == {(1, 0, 1, 1)} and not attributes[classes == 8].any()
    np.testing.assert_array_equal(names["shoe"]["test"][:, 0], np.isin(classes, [5, 7, 9]))
    np.testing.assert_array_equal(names["one_hot"]["test"].argmax(axis=1), classes)
    share = names["share"]["train"]
    assert 0 < share.min() and share.max() <= 1


def test_inputs_are_scaled_by_training_rows(names):
    train = names["places"]["train"]
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(train.std(axis=0), 1, rtol=1e-3)
    assert names["garments"]["test"].max() <= 1


def test_own_metrics_and_loss(names):
    right = value_of(
        names["exact_match"], [[1, 0], [1, 1], [0, 0]], [[0.9, 0.2], [0.9, 0.2], [0, 0]]
    )
    assert right == [1, 0, 1]
    assert value_of(names["nearest_class"], [[3], [3]], [[3.4], [3.6]]) == [[1], [0]]
    losses = value_of(names["pinball"], [[1], [1], [1]], [[0], [1], [2]])
    np.testing.assert_allclose(losses, [0.9, 0, 0.1], rtol=1e-6)


def test_networks_differ_in_last_layer_only(names):
    for name, model in names["models"].items():
        assert [layer.units for layer in model.layers[:-1]] == [64, 64]
        assert len(names["answers"][name][0]) == model.layers[-1].units


def test_last_layer_limits_answers(names):
    answers = names["answers"]
    # Some processors round the softmax of a single number to 0.99999994, the next float32.
    np.testing.assert_allclose(answers["shoe_wrong"], 1, rtol=1e-7)
    assert answers["value_wrong"].max() <= 1 < names["value"]["test"].max()
    np.testing.assert_allclose(answers["attributes_wrong"].sum(axis=1), 1, rtol=1e-4)
    assert answers["households"].min() > 0
    assert 0 <= answers["share"].min() <= answers["share"].max() <= 1


def test_both_forms_of_classes_train_alike(names):
    np.testing.assert_allclose(
        names["answers"]["garment"], names["answers"]["garment_one_hot"], atol=1e-3
    )


def test_three_pairs_are_refused(run):
    assert run.printed.count("\nValueError: Argument") == 3


def test_scores_agree_with_predictions(names):
    scores = names["scores"].set_index("network").test
    answers = names["answers"]
    accuracy = (answers["garment"].argmax(axis=1) == names["which"]["test"]).mean()
    assert scores["garment"] == pytest.approx(accuracy, abs=1e-3)
    right = ((answers["attributes"] > 0.5) == names["several"]["test"]).all(axis=1).mean()
    assert scores["attributes"] == pytest.approx(right, abs=1e-3)
    error = np.abs(answers["value"] - names["value"]["test"]).mean()
    assert scores["value"] == pytest.approx(error, abs=1e-3)
