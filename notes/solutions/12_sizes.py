"""The size of the output of a convolution, by the formula and by Keras."""

import math

import keras
from keras import layers

image = keras.Input((28, 28, 1))
for padding, expected in (("valid", (28 - 5) // 2 + 1), ("same", math.ceil(28 / 2))):
    output = layers.Conv2D(8, 5, strides=2, padding=padding)(image)
    print(f"{padding}: {output.shape[1]} by {output.shape[2]}, by the formula {expected}")
    assert output.shape[1] == output.shape[2] == expected
