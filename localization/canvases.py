"""The canvases of lesson 23: a digit at a random place, and fragments of others around it."""

import numpy as np
from scipy import ndimage

SIZE = 64  # height and width of a canvas [pixels]
INK = 64  # gray level: pixels of a digit above it count as ink when its box is computed


def make_canvases(digits, labels, most: int, random):
    """Put digits on canvases with clutter, up to five times each.

    Args:
        digits: images, uint8 (n, 28, 28), 0 to 255.
        labels: array of shape (n,).
        most: number of canvases, unless 5 n are fewer.
        random: the NumPy generator that draws digits, sizes, places, clutter and noise.

    Returns:
        Images, uint8 (count, 64, 64, 1); labels (count,); boxes, float32 (count, 4): left, top,
        right and bottom edge as fractions of the canvas.
    """
    count = min(most, 5 * len(digits))
    chosen = random.permutation(np.resize(np.arange(len(digits)), count))  # as evenly as possible
    canvases = random.integers(0, 32, (count, SIZE, SIZE), dtype="uint8")  # noise
    boxes = np.empty((count, 4), "float32")

    # Clutter: which digit, the corner of the fragment in it, and where it goes on the canvas. One
    # range for each of the five numbers, its upper end excluded.
    lowest, highest = [0, 4, 4, 0, 0], [len(digits), 19, 19, SIZE - 5, SIZE - 5]
    for canvas, four in zip(canvases, random.integers(lowest, highest, (count, 4, 5)), strict=True):
        for other, y, x, top, left in four:
            draw(canvas, digits[other, y : y + 6, x : x + 6], top, left)

    sides = random.integers(17, 46, count)  # 0.6 to 1.6 times 28 pixels
    for side in np.unique(sides):  # resize all digits of one size together: faster
        places = np.flatnonzero(sides == side)
        resized = ndimage.zoom(digits[chosen[places]], (1, side / 28, side / 28), order=1)
        for place, digit in zip(places, resized, strict=True):
            top, left = random.integers(0, SIZE - side + 1, 2)
            draw(canvases[place], digit, top, left)
            rows = np.flatnonzero((digit > INK).any(axis=1))  # the rows that have ink
            columns = np.flatnonzero((digit > INK).any(axis=0))
            # pixel i goes from i to i + 1
            boxes[place] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            boxes[place] += left, top, left, top
    return canvases[..., np.newaxis], labels[chosen], boxes / SIZE


def draw(canvas, piece, top: int, left: int) -> None:
    """Draw a piece on a canvas, in place; where both have ink, the larger value stays."""
    part = canvas[top : top + len(piece), left : left + len(piece)]
    np.maximum(part, piece, out=part)
