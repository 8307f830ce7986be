"""Grad-CAM: which region of the 7 speaks for the newest model of lesson 12's answer?"""

from saved import load_data_of, newest_run

folder = newest_run("12_look_inside")

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

from common.introspection import input_gradients

_, (images, labels) = load_data_of(folder, "mnist")
picture = images[labels == 7][:1, :, :, np.newaxis].astype("float32")

model = keras.models.load_model(folder / "model.keras")
conv_2 = model.get_layer("conv_2")
maps = keras.Model(model.inputs, conv_2.output).predict(picture, verbose=0)  # (1, 11, 11, 32)
guess = int(model.predict(picture, verbose=0).argmax())

# The rest of the network, from the maps to the scores: its last layer again without softmax.
rest = model.layers[model.layers.index(conv_2) + 1 : -1]
scores = keras.Sequential([keras.Input(maps.shape[1:]), *rest, layers.Dense(10, name="scores")])
scores.layers[-1].set_weights(model.layers[-1].get_weights())
importance = input_gradients(scores, maps, [guess])[0].mean(axis=(0, 1))  # one number for each map
cam = np.maximum((maps[0] * importance).sum(axis=-1), 0)

# Number i of a row of the maps depends on the pixels 2i to 2i + 7, whose middle is at 2i + 3.5.
row, column = np.unravel_index(cam.argmax(), cam.shape)
print(f"classified as {guess}; brightest around row {2 * row + 3.5}, column {2 * column + 3.5}")
figure, axes = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
axes[0].imshow(picture[0, :, :, 0], cmap="gray_r")
axes[1].imshow(cam, cmap="magma", extent=(2.5, 24.5, 24.5, 2.5))
axes[1].contour(picture[0, :, :, 0], [127], colors="white", linewidths=1)  # around the ink
axes[1].set(xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim(), title=f"Grad-CAM for {guess}")
for panel in axes:
    panel.axis("off")
figure.savefig(folder / "grad_cam.png")
print(f"figure: {folder / 'grad_cam.png'}")
