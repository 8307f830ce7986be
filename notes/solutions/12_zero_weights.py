"""What if all weights start at 0?"""

import math

import keras
import numpy as np
from keras import layers

random = np.random.default_rng(0)
labels = np.arange(2000) % 10
images = random.random((2000, 64)) * 0.2
images[np.arange(2000), labels * 6] += 1  # easy: one bright pixel says which
for start in ("zeros", "glorot_uniform"):
    keras.utils.set_random_seed(42)
    model = keras.Sequential([
        keras.Input((64,)),
        layers.Dense(32, activation="relu", kernel_initializer=start),
        layers.Dense(10, activation="softmax", kernel_initializer=start),
    ])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(images, labels, epochs=5, verbose=0).history
    distinct = len(np.unique(model.layers[0].get_weights()[0]))
    print(
        f"{start}: loss {history['loss'][-1]:.3f}, accuracy {history['accuracy'][-1]:.2f}, "
        f"{distinct} different weights in the first layer"
    )
    if start == "zeros":
        assert distinct == 1 and abs(history["loss"][-1] - math.log(10)) < 0.01
