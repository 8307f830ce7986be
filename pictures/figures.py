"""The figures of lessons 33 and 34."""

import numpy as np
from PIL import Image

from common.plots import new_figure, no_math

COLUMNS = 8


def picture_grid(images, titles):
    """Show color pictures in a grid, each below its title.

    Args:
        images: array of shape (n, height, width, 3), 0 to 255.
        titles: n strings.
    """
    rows = -(-len(images) // COLUMNS)
    figure, axes = new_figure(1.3 * COLUMNS, 1.55 * rows, rows, COLUMNS)
    for panel in axes.flat:
        panel.axis("off")
    for panel, image, title in zip(axes.flat, images, titles, strict=False):
        panel.imshow(image)
        panel.set_title(no_math(title), fontsize=8)
    return figure


def heat_over(picture, heat):
    """Darken a picture where a map is low.

    Args:
        picture: uint8 array of shape (side, side, 3).
        heat: float array of shape (rows, columns), at least 0; enlarged to the picture's size.
    """
    heat = Image.fromarray((heat / max(heat.max(), 1e-9)).astype("float32"))
    heat = np.clip(heat.resize(picture.shape[:2], Image.Resampling.BICUBIC), 0, 1)
    return (picture * (0.2 + 0.8 * heat[..., np.newaxis])).astype("uint8")
