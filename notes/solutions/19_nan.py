"""What does a single `nan` in the inputs do?"""

import keras
import numpy as np
from keras import layers

random = np.random.default_rng(0)
x = random.normal(size=(2000, 8)).astype("float32")
y = (x[:, 0] > x[:, 1]).astype("float32")
x[1234, 5] = np.nan
bad = np.isnan(x).any(axis=1)
print(f"{np.isnan(x).sum()} nan, in row {np.flatnonzero(bad)}")

for name, rows in (("with that row", bad | True), ("without it", ~bad)):
    keras.utils.set_random_seed(42)
    model = keras.Sequential([
        keras.Input((8,)),
        layers.Dense(16, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ])
    model.compile("adam", "binary_crossentropy")
    losses = model.fit(x[rows], y[rows], epochs=5, verbose=0).history["loss"]
    lost = sum(np.isnan(weights).sum() for weights in model.get_weights())
    print(f"{name}: losses {np.round(losses, 3)}; {lost} of {model.count_params()} weights are nan")
    assert (lost > 0) == (name == "with that row")
