"""A picture of a digit, as a camera or a mouse makes it, becomes what MNIST's pictures are.

MNIST: white on black; the digit fits into 20x20 pixels; its centre of mass is the middle of 28x28.
Source: http://yann.lecun.com/exdb/mnist/.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from serving.contract import BadRequest

MOST_PIXELS = 25_000_000
FAINT = 0.2  # of the strongest ink: below is paper


def as_digit(data: bytes) -> np.ndarray:
    """Turn a PNG or JPEG file into a digit.

    Returns:
        uint8 of shape (28, 28), 0 is paper.

    Raises:
        BadRequest: if it is no picture, too large, or empty.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])
            if picture.width * picture.height > MOST_PIXELS:
                raise BadRequest(f"the picture has more than {MOST_PIXELS:,} pixels", 413)
            picture = ImageOps.exif_transpose(picture).convert("RGBA")
    except BadRequest:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadRequest(f"the picture has more than {MOST_PIXELS:,} pixels", 413) from None
    except Exception:  # Pillow raises many kinds for damaged files
        raise BadRequest("the file is no PNG or JPEG picture, or is damaged") from None
    paper = Image.new("RGBA", picture.size, "white")
    grey = np.asarray(Image.alpha_composite(paper, picture).convert("L"), np.float32)
    return centre(ink_of(grey))


def ink_of(grey: np.ndarray) -> np.ndarray:
    """Turn grey values into ink from 0 to 1: whatever differs from the picture's border."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = grey - np.median(border) if np.median(border) < 128 else np.median(border) - grey
    ink = np.clip(ink, 0, None)
    if ink.max() < 30:
        raise BadRequest("the picture is empty: no digit differs from its background")
    ink /= ink.max()
    return np.where(ink < FAINT, 0, ink)


def centre(ink: np.ndarray) -> np.ndarray:
    """Scale ink to fit into 20x20 pixels, and put its centre of mass into the middle of 28x28."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(20 * side / max(cut.shape))) for side in cut.shape)
    small = Image.fromarray((cut * 255).astype("uint8")).resize((width, height), Image.BOX)
    digit = np.asarray(small, np.float32)
    digit *= 255 / max(digit.max(), 1)
    down, right = (
        round(13.5 - (digit.sum(axis=1 - axis) * np.arange(digit.shape[axis])).sum() / digit.sum())
        for axis in (0, 1)
    )
    down, right = np.clip(down, 0, 28 - height), np.clip(right, 0, 28 - width)
    framed = np.zeros((28, 28), "uint8")
    framed[down : down + height, right : right + width] = digit.round().astype("uint8")
    return framed


def covered(digit: np.ndarray, size: int = 5, step: int = 2):
    """Cover one square after the other.

    Returns:
        uint8 of shape (n, 28, 28), and where the squares are: n pairs of row and column.
    """
    places = [
        (row, column) for row in range(0, 29 - size, step) for column in range(0, 29 - size, step)
    ]
    pictures = np.repeat(digit[np.newaxis], len(places), axis=0)
    for picture, (row, column) in zip(pictures, places, strict=True):
        picture[row : row + size, column : column + size] = 0
    return pictures, places


def importance(losses: np.ndarray, places, size: int = 5) -> np.ndarray:
    """Spread how much each covered square costs over its pixels.

    Returns:
        float32 of shape (28, 28), 0 to 1.
    """
    total, times = np.zeros((28, 28), np.float32), np.zeros((28, 28), np.float32)
    for loss, (row, column) in zip(losses, places, strict=True):
        total[row : row + size, column : column + size] += max(loss, 0)
        times[row : row + size, column : column + size] += 1
    mean = total / np.maximum(times, 1)
    return mean / max(mean.max(), 1e-9)
