"""Class names and figures shared by mnist.py and clothing.py."""

import numpy as np

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
