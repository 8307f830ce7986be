"""common/gradients.py: against finite differences, and it leaves the model as it was."""

import keras
import numpy as np

from common.gradients import input_gradients


def test_the_slopes_are_those_of_finite_differences():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([
        keras.Input((3,)),
        keras.layers.Dense(5, activation="tanh"),
        keras.layers.Dropout(0.5),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(4),
    ])
    x = np.random.default_rng(1).normal(size=(2, 3)).astype("float32")
    before, chosen = [w.copy() for w in model.get_weights()], np.array([1, 3])
    found = input_gradients(model, x, chosen)
    assert found.shape == x.shape and found.dtype == np.float32
    step = 1e-2
    for column in range(3):
        nudge = step * np.eye(3, dtype="float32")[column]
        up, down = (model.predict(x + sign * nudge, verbose=0) for sign in (1, -1))
        slope = (up - down)[[0, 1], chosen] / (2 * step)
        np.testing.assert_allclose(found[:, column], slope, atol=1e-3)
    np.testing.assert_allclose(input_gradients(model, x).shape, x.shape)
    assert model.trainable and len(model.trainable_weights) == 6
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_tiny_slopes_are_not_lost():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].set_weights([np.array([[1e-20]])])
    np.testing.assert_allclose(input_gradients(model, np.ones((1, 1))), [[1e-20]], rtol=1e-5)
