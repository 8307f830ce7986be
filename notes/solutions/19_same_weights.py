"""What if all weights start at the same value?"""

import math

import keras
import numpy as np
from keras import layers

random = np.random.default_rng(0)
labels = np.arange(2000) % 10
images = random.random((2000, 64)) * 0.2
images[np.arange(2000), labels * 6] += 1  # easy: one bright pixel says which
starts = {
    "zero": keras.initializers.Constant(0),
    "0.05": keras.initializers.Constant(0.05),
    "random": "glorot_uniform",
}
losses, units = {}, {}
for name, start in starts.items():
    keras.utils.set_random_seed(42)
    model = keras.Sequential([
        keras.Input((64,)),
        layers.Dense(32, activation="relu", kernel_initializer=start),
        layers.Dense(10, activation="softmax", kernel_initializer=start),
    ])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(images, labels, epochs=5, verbose=0).history
    losses[name] = history["loss"][-1]
    weights = model.layers[0].get_weights()[0]  # (64, 32): a column for each unit
    units[name] = len(np.unique(weights.round(5), axis=1).T)
    print(
        f"{name}: loss {losses[name]:.3f}, accuracy {history['accuracy'][-1]:.2f}, "
        f"{units[name]} different units in the first layer"
    )
assert abs(losses["zero"] - math.log(10)) < 0.01
assert units == {"zero": 1, "0.05": 1, "random": 32}
assert losses["random"] < losses["0.05"]
