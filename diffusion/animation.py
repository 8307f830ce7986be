"""Save images that change as an animated GIF."""

from pathlib import Path

import numpy as np
from PIL import Image

from common.files import atomic_write

MILLISECONDS, LAST = 150, 2000  # how long a frame is shown, and the last one
SCALE = 3  # pixels of the file for each pixel of an image


def save_animation(path: Path, frames) -> None:
    """Save frames, uint8 of shape (frames, images, height, width), with the images in a row."""
    rows = [np.concatenate(list(frame), axis=1) for frame in frames]
    pages = [Image.fromarray(np.kron(255 - row, np.ones((SCALE, SCALE), "uint8"))) for row in rows]
    pauses = [MILLISECONDS] * (len(pages) - 1) + [LAST]
    with atomic_write(path) as file:
        pages[0].save(file, "GIF", save_all=True, append_images=pages[1:], duration=pauses, loop=0)
