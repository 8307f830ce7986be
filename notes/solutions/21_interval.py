"""Two units for an interval: the quantiles 0.1 and 0.9, learned with the pinball loss."""

import keras
import numpy as np
from keras import layers, ops

random = np.random.default_rng(0)
x = random.uniform(0, 1, size=(20_000, 1)).astype("float32")
y = (x + random.normal(0, 0.1 + x)).astype("float32")  # the larger x, the more y varies
QUANTILES = np.array([0.1, 0.9], "float32")  # one for each unit


def pinball(true, predicted):
    """Return the loss of each example: (batch, 1) compared with (batch, 2)."""
    missing = true - predicted
    return ops.mean(ops.maximum(QUANTILES * missing, (QUANTILES - 1) * missing), axis=-1)


keras.utils.set_random_seed(42)
model = keras.Sequential([
    keras.Input((1,)),
    layers.Dense(32, activation="relu"),
    layers.Dense(32, activation="relu"),
    layers.Dense(2),
])
model.compile("adam", pinball)
model.fit(x[:10_000], y[:10_000], batch_size=64, epochs=10, verbose=0)
low, high = model.predict(x[10_000:], batch_size=1000, verbose=0).T
held = np.mean((low <= y[10_000:, 0]) & (y[10_000:, 0] <= high))
print(f"the interval holds {held:.1%} of new values")
left, right = model.predict(np.array([[0.1], [0.9]], "float32"), verbose=0)
print(f"its width: {np.ptp(left):.2f} at x = 0.1, {np.ptp(right):.2f} at x = 0.9")
assert 0.75 < held < 0.85 and np.ptp(left) < np.ptp(right)
