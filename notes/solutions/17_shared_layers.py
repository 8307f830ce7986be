"""A model that reads two digits with one set of convolutions: shared layers, called twice."""

import keras
import numpy as np
from keras import layers

reader = keras.Sequential(
    [
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ],
    name="reader",
)

image = keras.Input((28, 56, 1), dtype="uint8")
scaled = layers.Rescaling(1 / 255)(image)
left = reader(layers.Cropping2D(((0, 0), (0, 28)))(scaled))
right = reader(layers.Cropping2D(((0, 0), (28, 0)))(scaled))
model = keras.Model(image, {"left": left, "right": right})
model.summary()

digit = np.random.default_rng(0).integers(256, size=(1, 28, 28, 1), dtype="uint8")
answers = model.predict(np.concatenate([digit, digit], axis=2), verbose=0)
# The same image on both sides must give the same answer twice.
assert np.allclose(answers["left"], answers["right"], atol=1e-6)
print("called twice, counted once:", f"{model.count_params():,} parameters")
