"""Lesson 12: layer sizes and receptive fields, and what the visualizations show."""

import re
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import LOOK_INSIDE, ROOT


def test_sides_that_the_lesson_names(names):
    sides = {layer.name: layer.output.shape[1] for layer in names["model"].layers}
    assert (sides["conv_1"], sides["pool_1"], sides["conv_2"], sides["pool_2"]) == (26, 13, 11, 5)


@pytest.mark.parametrize(("layer", "side"), [("conv_1", 3), ("pool_1", 4), ("conv_2", 8)])
def test_receptive_fields_that_the_lesson_names(names, layer, side):
    model = keras.models.clone_model(names["model"])
    for convolution in ("conv_1", "conv_2"):
        weights, bias = model.get_layer(convolution).get_weights()
        model.get_layer(convolution).set_weights([np.ones_like(weights), bias])
    inner = keras.Model(model.inputs, model.get_layer(layer).output)
    pixels = np.zeros((28 * 28, 28, 28, 1))  # an image for each pixel, with ink only there
    pixels.reshape(28 * 28, -1)[np.diag_indices(28 * 28)] = 255
    reached = inner.predict(pixels, verbose=0)[:, 2, 2, 0] > 0
    rows, columns = np.nonzero(reached.reshape(28, 28))
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == side and reached.sum() == side**2


def test_picture_shows_requested_digit(names):
    place = np.flatnonzero(names["test_labels"] == 7)[0]
    np.testing.assert_array_equal(names["picture"][0], names["test_images"][place])


def test_feature_maps_match_manual_convolution(names):
    layer = names["model"].get_layer("conv_1")
    weights, bias = layer.get_weights()
    corner = names["picture"][0, 10:13, 12:15, 0] / 255
    expected = np.maximum((corner[..., None] * weights[:, :, 0]).sum(axis=(0, 1)) + bias, 0)
    np.testing.assert_allclose(names["maps_1"][0, 10, 12], expected, atol=1e-5)


def test_occlusion_map_position(names):
    image = names["picture"].copy()
    image[0, 9:14, 11:16] = 0
    expected = names["model"].predict(image, verbose=0)[0, names["guess"]]
    assert names["probabilities"][9, 11] == pytest.approx(expected, abs=1e-5)


def test_saliency_map(names):
    assert names["saliency"].shape == (28, 28) and names["saliency"].max() > 0


def test_saliency_by_tape_is_the_same(names):
    text = (ROOT / LOOK_INSIDE).read_text(encoding="utf-8")
    lines = re.search(r"^#     pixels = .*?\n#\n", text, re.M | re.S)[0].splitlines()
    known = {"tf": tf} | {name: names[name] for name in ("picture", "logits", "guess")}
    exec(textwrap.dedent("\n".join(line.removeprefix("#") for line in lines)), known)
    by_tape = np.abs(known["gradient"].numpy())[0, :, :, 0]
    np.testing.assert_allclose(names["saliency"], by_tape, atol=1e-6)
