"""Lesson 08: the model graphs, and the data for each input and output."""

import re

import keras
import numpy as np
import pytest


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("sequential", 8 * 30 + 30 + 30 + 1),
        ("deep", 8 * 30 + 30 + 30 * 30 + 30 + 30 + 1),
        ("wide_deep", 8 * 30 + 30 + 30 * 30 + 30 + 38 + 1),
        ("two_inputs", 6 * 30 + 30 + 30 * 30 + 30 + 35 + 1),
        ("two_outputs", 6 * 30 + 30 + 30 * 30 + 30 + 35 + 1 + 30 + 1),
    ],
)
def test_parameter_counts(names, name, trained):
    assert sum(np.prod(weight.shape) for weight in names[name].trainable_weights) == trained


def test_functional_chain_equals_sequential(run):
    both = re.findall(r"^predictions before training: (.+)$", run.printed, re.M)
    assert len(both) == 2 and both[0] == both[1]


def test_shared_layer_has_one_set_of_weights(names):
    deep, comparison = names["deep"], names["comparison"]
    assert [id(weight) for weight in comparison.weights] == [id(weight) for weight in deep.weights]
    a, b = names["test_features"][:20], names["test_features"][20:40]
    expected = deep.predict(a, verbose=0) - deep.predict(b, verbose=0)
    np.testing.assert_allclose(comparison.predict((a, b), verbose=0), expected, atol=1e-5)


def test_inner_output_feeds_last_layer(names):
    wide_deep, hidden_output = names["wide_deep"], names["hidden_output"]
    features = names["test_features"]
    hidden = hidden_output.predict(features, verbose=0)
    assert hidden.shape == (len(features), 30) and (hidden >= 0).all()
    both = np.concatenate([np.asarray(names["normalization"](features)), hidden], axis=1)
    *_, weights, bias = wide_deep.get_weights()
    expected = wide_deep.predict(features, verbose=0)
    np.testing.assert_allclose(both @ weights + bias, expected, atol=1e-4)


def test_inputs_are_normalized_separately(names):
    model = names["two_outputs"]
    features = names["train_features"]
    wide, deep = names["train_parts"]
    np.testing.assert_array_equal(wide, features[:, :5])
    np.testing.assert_array_equal(deep, features[:, 2:])
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Normalization)]
    means = sorted((np.ravel(layer.mean) for layer in layers), key=len)
    np.testing.assert_allclose(means[0], wide.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(means[1], deep.mean(axis=0), rtol=1e-3)


def test_loss_weights_are_applied(names):
    model, values, inputs = names["two_outputs"], names["test_values"], names["test_parts"]
    loss = model.evaluate(inputs, (values, values), verbose=0, return_dict=True)["loss"]
    value, alone = (np.ravel(answer) for answer in model.predict(inputs, verbose=0))
    expected = 0.9 * np.mean((value - values) ** 2) + 0.1 * np.mean((alone - values) ** 2)
    assert loss == pytest.approx(expected, rel=1e-3)
    assert names["scores"]["test_mse_two_outputs"] == pytest.approx(np.mean((value - values) ** 2))
