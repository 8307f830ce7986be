"""Class names and figures shared by mnist.py and clothing.py."""

from itertools import takewhile

import keras
import numpy as np
from keras import layers

from common import plots

CLASS_NAMES = {
    "mnist": list("0123456789"),
    "fashion_mnist": [
        "T-shirt", "trouser", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ],
}  # fmt: skip


def surest_mistakes(images, labels, probabilities, class_names: list[str]):
    """Draw the 25 mistakes in which the model was most confident.

    Args:
        images: array of shape (images, 28, 28, 1).
        labels: the true classes, shape (images,).
        probabilities: the predicted probabilities, shape (images, 10).
        class_names: the names of the ten classes.

    Returns:
        A Matplotlib figure, or None if all predictions are correct.
    """
    predicted_labels, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    mistakes = np.flatnonzero(predicted_labels != labels)
    surest = mistakes[np.argsort(-confidence[mistakes], kind="stable")][:25]
    titles = [
        f"{class_names[predicted_labels[i]]} {confidence[i]:.0%}\n(is {class_names[labels[i]]})"
        for i in surest
    ]
    return plots.image_grid(images[surest, ..., 0], titles) if titles else None


def variants(model, image):
    """Draw 16 variants of an image, as the model's augmentation layers make them in training.

    Args:
        model: one of models.py; its augmentation layers, if any, come before `Rescaling`.
        image: uint8 array of shape (28, 28, 1).

    Returns:
        A Matplotlib figure, or None if the model has no such layers.
    """
    moves = list(takewhile(lambda layer: not isinstance(layer, layers.Rescaling), model.layers))
    images = np.repeat(image[np.newaxis], 16, axis=0)
    for move in moves:
        images = move(images, training=True)
    images = keras.ops.convert_to_numpy(images)[..., 0]
    titles = [f"variant {number}" for number in range(1, 17)]
    return plots.image_grid(images, titles, columns=8) if moves else None
