"""What global max pooling and `Flatten` return for one digit at two places of a canvas."""

import keras
import numpy as np
from keras import layers

image = keras.Input((64, 64, 1))
x = layers.Conv2D(16, 5, strides=2, padding="same", activation="relu")(image)
x = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
pooled = keras.Model(image, layers.GlobalMaxPooling2D()(x))
flattened = keras.Model(image, layers.Flatten()(x))

digit = np.random.default_rng(0).uniform(size=(20, 20, 1))  # anything with strokes will do
places = np.zeros((2, 64, 64, 1), "float32")
places[0, 8:28, 8:28] = digit
places[1, 32:52, 24:44] = digit  # 24 pixels lower, 16 further right

for name, model in {"pooled": pooled, "flattened": flattened}.items():
    first, second = model.predict(places, verbose=0)
    print(f"{name}: {len(first):,} numbers, largest difference {abs(first - second).max():.6f}")
    # Equal, but for rounding, where the place is lost.
    assert np.allclose(first, second, atol=1e-5) == (name == "pooled")
