"""Transfers the first Dense layer of the newest model of lesson 05 to another model."""

from saved import newest_run

folder = newest_run("05_save_restore")

import keras
import numpy as np
from keras import layers

old = keras.models.load_model(folder / "model.keras")
first = next(layer for layer in old.layers if isinstance(layer, layers.Dense))
before = old.layers[: old.layers.index(first)]  # what comes before has no weights
new = keras.Sequential([
    keras.Input(old.input_shape[1:]),
    *before,
    layers.Dense(first.units, activation="relu", name="transferred"),
    layers.Dense(26, activation="softmax", name="letters"),
])
new.get_layer("transferred").set_weights(first.get_weights())
for one, other in zip(first.get_weights(), new.get_layer("transferred").get_weights(), strict=True):
    assert np.array_equal(one, other)
new.summary()
print("transferred:", *[weights.shape for weights in first.get_weights()])
