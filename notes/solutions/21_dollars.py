"""Does the unit of the target matter? The same houses in dollars and in 100,000 dollars."""

import keras
import numpy as np
from keras import layers

random = np.random.default_rng(0)
x = random.normal(size=(5000, 4)).astype("float32")
dollars = (200_000 + 50_000 * x[:, :1] + 30_000 * np.abs(x[:, 1:2])).astype("float32")

for unit in (1, 100_000):
    keras.utils.set_random_seed(42)
    model = keras.Sequential([
        keras.Input((4,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(1),
    ])
    model.compile("adam", "mse")
    model.fit(x, dollars / unit, batch_size=128, epochs=10, verbose=0)
    error = np.abs(model.predict(x, verbose=0) * unit - dollars).mean()
    print(f"targets in units of {unit:,} dollars: mean absolute error {error:,.0f} dollars")
    assert (error > 50_000) == (unit == 1)
