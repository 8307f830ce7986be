"""A picture of a digit, as a camera or a mouse makes it, becomes what MNIST's pictures are.

MNIST: white on black; the digit fits into 20x20 pixels; its centre of mass is the middle of 28x28.
Source: http://yann.lecun.com/exdb/mnist/.
"""

import io

import numpy as np
from PIL import Image, ImageOps

from serving.served import NoAnswer

MOST_PIXELS = {"PNG": 4_000_000, "JPEG": 16_000_000}  # a JPEG can be decoded smaller than it is
LONGEST_SIDE = 500  # pixels that are looked at
FAINT = 0.2  # of the strongest ink: below is paper
DUST = 8  # of 255, in a pixel of the digit: below are specks; a thin line in 25x25 pixels makes 10
Image.MAX_IMAGE_PIXELS = None  # more than ours are refused before anything is decoded


def as_digit(data: bytes) -> np.ndarray:
    """Turn a PNG or JPEG file into a digit.

    Returns:
        uint8 of shape (28, 28), 0 is paper.

    Raises:
        NoAnswer: if it is no picture, too large, or empty.
    """
    try:
        picture = Image.open(io.BytesIO(data), formats=list(MOST_PIXELS))
        most = MOST_PIXELS[picture.format]
        if picture.width * picture.height <= most:
            picture.draft(None, (LONGEST_SIDE, LONGEST_SIDE))
            picture = ImageOps.exif_transpose(picture)
            if picture.mode.startswith("I"):  # 16 bits: Pillow would clip them
                picture = Image.fromarray((np.asarray(picture) // 257).astype("uint8"))
            picture = picture.convert("RGBA")
            picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.BOX)
            most = None
    except Exception:  # Pillow raises many kinds for damaged files
        raise NoAnswer("the file is no PNG or JPEG picture, or is damaged") from None
    if most:
        raise NoAnswer(f"a {picture.format} picture has at most {most:,} pixels here", 413)
    for ground in ("white", "black"):  # what a transparent picture lies on: its ink may be white
        paper = Image.new("RGBA", picture.size, ground)
        ink = ink_of(np.asarray(Image.alpha_composite(paper, picture))[..., :3].astype("int16"))
        if ink is not None and (digit := centre(ink)) is not None:
            return digit
    raise NoAnswer("the picture is empty: no digit differs from its background")


def ink_of(pixels: np.ndarray) -> np.ndarray | None:
    """Turn colours into ink from 0 to 1: what is darker than the picture's border, or brighter.

    That of red, green and blue counts that differs most: yellow ink is as bright as paper, but not
    as blue.

    Returns:
        shape (height, width); None if nothing differs.
    """
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = np.median(border, axis=0)
    ink = max((paper - pixels).max(axis=-1), (pixels - paper).max(axis=-1), key=np.max)
    if ink.max() < 30:
        return None
    ink = ink / ink.max()
    return np.where(ink < FAINT, 0, ink)


def centre(ink: np.ndarray) -> np.ndarray | None:
    """Scale ink to fit into 20x20 pixels, and put its centre of mass into the middle of 28x28.

    Returns:
        uint8 of shape (28, 28); None if it is so little that nothing is left of it, as of dust.
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
