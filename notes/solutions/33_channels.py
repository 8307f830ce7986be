"""Solution 1 of lesson 33: the shape of a batch in both orders, and the weights of a filter."""

import keras
import numpy as np
from keras import layers

batch = np.zeros((10, 4, 6, 3), "float32")
print("channels_last:", batch.shape)
print("channels_first:", np.transpose(batch, (0, 3, 1, 2)).shape)
for name, channels in {"color": 3, "gray": 1}.items():
    convolution = layers.Conv2D(8, 3)
    outputs = keras.Sequential([keras.Input((4, 6, channels)), convolution]).output_shape
    print(f"{name}: {convolution.count_params()} parameters, output {outputs}")
    assert convolution.count_params() == 8 * (9 * channels + 1)
