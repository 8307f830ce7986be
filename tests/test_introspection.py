"""common/introspection.py: gradients against finite differences; diagrams."""

import keras
import numpy as np
import pytest
from keras import layers

from common.introspection import arrange, diagram, input_gradients, parents_of, with_waypoints


def test_input_gradients_match_finite_differences():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([
        keras.Input((3,)),
        layers.Dense(5, activation="tanh"),
        layers.Dropout(0.5),
        layers.BatchNormalization(),
        layers.Dense(4),
    ])
    x = np.random.default_rng(1).normal(size=(2, 3)).astype("float32")
    before, chosen = [w.copy() for w in model.get_weights()], np.array([1, 3])
    found = input_gradients(model, x, chosen)
    assert found.shape == x.shape and found.dtype == np.float32
    step = 1e-2
    for column in range(3):
        nudge = step * np.eye(3, dtype="float32")[column]
        up, down = (model.predict(x + sign * nudge, verbose=0) for sign in (1, -1))
        difference = (up - down)[[0, 1], chosen] / (2 * step)
        np.testing.assert_allclose(found[:, column], difference, atol=1e-3)
    np.testing.assert_allclose(input_gradients(model, x).shape, x.shape)
    assert model.trainable and len(model.trainable_weights) == 6
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_tiny_gradients_do_not_underflow():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    model.layers[0].set_weights([np.array([[1e-20]])])
    np.testing.assert_allclose(input_gradients(model, np.ones((1, 1))), [[1e-20]], rtol=1e-5)


@pytest.fixture
def branched():
    """A model with two inputs, two outputs and a skip connection across two rows."""
    wide, deep = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
    hidden = layers.Dense(3)(layers.Normalization()(deep))
    hidden = layers.Dense(3)(hidden)
    both = layers.Concatenate(name="both")([layers.Normalization()(wide), hidden])
    value, alone = layers.Dense(1, name="value")(both), layers.Dense(1, name="alone")(hidden)
    return keras.Model([wide, deep], [value, alone])


def test_diagram_shows_layers_and_parents(branched):
    parents = parents_of(branched)
    assert set(parents) == {layer.name for layer in branched.layers}
    assert parents["wide"] == parents["deep"] == []
    assert parents["value"] == ["both"] and len(parents["both"]) == 2
    texts = [text.get_text() for text in diagram(branched, "title").axes[0].texts]
    assert any(text.startswith("value\nDense\n(None, 1)") for text in texts)


def test_diagram_arrows_avoid_boxes(branched):
    found = parents_of(branched)
    row_of = {name: number for number, row in enumerate(arrange(found)) for name in row}
    arrows = with_waypoints(found)
    assert any(isinstance(name, tuple) for name in arrows)  # the skip connection skips rows
    for name, parents in arrows.items():
        assert all(row_of[name] == row_of[parent] + 1 for parent in parents)


def test_diagram_of_sequential_model():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3), layers.Dense(1)])
    rows = arrange(parents_of(model))
    assert [len(row) for row in rows] == [1, 1, 1]
    assert len(diagram(model, "chain").axes[0].texts) == 3 + 2  # boxes, and arrows between them
