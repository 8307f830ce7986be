"""Wide and deep with Add instead of Concatenate: two output layers, whose outputs are added."""

import keras
import numpy as np
from keras import layers

inputs = keras.Input((8,))
hidden = layers.Dense(30, activation="relu")(inputs)
hidden = layers.Dense(30, activation="relu")(hidden)
from_both = layers.Dense(1)
concatenated = keras.Model(inputs, from_both(layers.Concatenate()([inputs, hidden])))

from_wide, from_deep = layers.Dense(1, use_bias=False), layers.Dense(1)
added = keras.Model(inputs, layers.Add()([from_wide(inputs), from_deep(hidden)]))

# The first 8 of the 38 weights belong to the inputs, the other 30 to the hidden layer.
weights, bias = from_both.get_weights()
from_wide.set_weights([weights[:8]])
from_deep.set_weights([weights[8:], bias])

print("parameters:", concatenated.count_params(), "and", added.count_params())
rows = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
predictions = [model.predict(rows, verbose=0)[:, 0] for model in (concatenated, added)]
for predicted in predictions:
    print("predictions:", predicted)
assert np.allclose(*predictions, atol=1e-5)
