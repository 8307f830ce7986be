"""Convert a photo or drawing of a digit to the format of MNIST.

MNIST's digits are white on black, fit into 20x20 pixels, and have their center of mass in the
middle of 28x28 pixels.
Source: http://yann.lecun.com/exdb/mnist/.
"""

import io

import numpy as np
from PIL import Image, ImageOps

from serving.served import NoAnswer

MOST_PIXELS = {"PNG": 4_000_000, "JPEG": 16_000_000}  # a JPEG can be decoded at a reduced size
LONGEST_SIDE = 500  # pixels to which pictures are reduced
FAINT = 0.2  # of the strongest ink: fainter pixels count as paper
DUST = 8  # of 255: if no pixel of the digit is brighter, it is dust; a thin line reaches 10
Image.MAX_IMAGE_PIXELS = None  # our own limits apply before anything is decoded


def as_digit(data: bytes) -> np.ndarray:
    """Convert a PNG or JPEG file to a digit.

    Returns:
        uint8 array of shape (28, 28), where 0 is the background.

    Raises:
        NoAnswer: if the file is not a picture, too large, or empty.
    """
    try:
        picture = Image.open(io.BytesIO(data), formats=list(MOST_PIXELS))
        most = MOST_PIXELS[picture.format]
        if picture.width * picture.height <= most:
            picture.draft(None, (LONGEST_SIDE, LONGEST_SIDE))
            picture = ImageOps.exif_transpose(picture)
            if picture.mode.startswith("I"):  # 16-bit values, which Pillow would clip
                picture = Image.fromarray((np.asarray(picture) // 257).astype("uint8"))
            picture = picture.convert("RGBA")
            picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.BOX)
            most = None
    except Exception:  # for damaged files Pillow raises many types
        raise NoAnswer("the file is not a PNG or JPEG picture, or is damaged") from None
    if most:
        raise NoAnswer(f"a {picture.format} picture may have at most {most:,} pixels", 413)
    for ground in ("white", "black"):  # behind transparent pixels: the ink may be white
        paper = Image.new("RGBA", picture.size, ground)
        ink = ink_of(np.asarray(Image.alpha_composite(paper, picture))[..., :3].astype("int16"))
        if ink is not None and (digit := centre(ink)) is not None:
            return digit
    raise NoAnswer("the picture is empty: no digit differs from its background")


def ink_of(pixels: np.ndarray) -> np.ndarray | None:
    """Compute the amount of ink, from 0 to 1, from the difference to the color of the border.

    Of red, green and blue, the one that differs most counts: yellow ink is as bright as paper, but
    less blue.

    Args:
        pixels: int16 array of shape (height, width, 3).

    Returns:
        float array of shape (height, width), or None if all pixels are alike.
    """
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = np.median(border, axis=0)
    ink = max((paper - pixels).max(axis=-1), (pixels - paper).max(axis=-1), key=np.max)
    if ink.max() < 30:
        return None
    ink = ink / ink.max()
    return np.where(ink < FAINT, 0, ink)


def centre(ink: np.ndarray) -> np.ndarray | None:
    """Scale ink to fit into 20x20 pixels, with its center of mass in the middle of 28x28.

    Returns:
        uint8 array of shape (28, 28), or None if there is too little ink, such as dust.
    """
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(20 * side / max(cut.shape))) for side in cut.shape)
    small = Image.fromarray((cut * 255).astype("uint8")).resize((width, height), Image.BOX)
    digit = np.asarray(small, np.float32)
    if digit.max() < DUST:
        return None
    digit *= 255 / digit.max()
    down, right = (
        round(13.5 - (digit.sum(axis=1 - axis) * np.arange(digit.shape[axis])).sum() / digit.sum())
        for axis in (0, 1)
    )
    down, right = np.clip(down, 0, 28 - height), np.clip(right, 0, 28 - width)
    framed = np.zeros((28, 28), "uint8")
    framed[down : down + height, right : right + width] = digit.round().astype("uint8")
    return framed


def covered(digit: np.ndarray, size: int = 5, step: int = 2):
    """Return copies of a digit, each with a different square covered.

    Returns:
        uint8 array of shape (n, 28, 28), and n pairs (row, column), the squares' top left corners.
    """
    places = [
        (row, column) for row in range(0, 29 - size, step) for column in range(0, 29 - size, step)
    ]
    pictures = np.repeat(digit[np.newaxis], len(places), axis=0)
    for picture, (row, column) in zip(pictures, places, strict=True):
        picture[row : row + size, column : column + size] = 0
    return pictures, places


def importance(losses: np.ndarray, places, size: int = 5) -> np.ndarray:
    """Average, for each pixel, the losses in probability of the squares that cover it.

    Args:
        losses: array of shape (n,).
        places: the n corners that `covered` returned.
        size: the side of a square in pixels.

    Returns:
        float32 array of shape (28, 28) with values from 0 to 1.
    """
    total, times = np.zeros((28, 28), np.float32), np.zeros((28, 28), np.float32)
    for loss, (row, column) in zip(losses, places, strict=True):
        total[row : row + size, column : column + size] += max(loss, 0)
        times[row : row + size, column : column + size] += 1
    mean = total / np.maximum(times, 1)
    return mean / max(mean.max(), 1e-9)
