"""Find pictures that are nearly the same, with a difference hash."""

import numpy as np
from PIL import Image
from scipy.sparse.csgraph import connected_components

CLOSE = 8  # of 64 bits may differ


def difference_hash(images):
    """Return the 64 bits of each picture: is a pixel brighter than its left neighbor?

    The picture is gray and has 8 rows of 9 pixels by then, so that small changes of light, size and
    sharpness turn few bits.

    Args:
        images: uint8 array of shape (n, height, width, 3).

    Returns:
        A bool array of shape (n, 64).
    """
    small = [Image.fromarray(image).convert("L").resize((9, 8)) for image in images]
    small = np.array([np.asarray(image, "int16") for image in small])
    return (np.diff(small) > 0).reshape(len(images), 64)


def group_near_duplicates(images, close: int = CLOSE):
    """Put near-duplicates into the same group.

    If A is close to B and B to C, all three are in one group, even if A and C are not close.

    Args:
        images: uint8 array of shape (n, height, width, 3).
        close: the maximum number of bits in which close pictures differ.

    Returns:
        The group of each picture: an int array of shape (n,), counted from 0.
    """
    signs = 2 * difference_hash(images).astype("float32") - 1
    different = (64 - signs @ signs.T) / 2  # bits, for each pair
    _, groups = connected_components(different <= close, directed=False)
    return groups


def describe_groups(groups, labels, files: list[str]) -> str:
    """Return a sentence about the groups, and a line for each that belongs to several classes.

    Args:
        groups, labels: int arrays of shape (n,).
        files: the names of the n files.
    """
    sizes = np.bincount(groups)
    lines = [f"{len(groups)} pictures in {len(sizes)} groups, the largest of {sizes.max()}"]
    for group in np.flatnonzero(sizes > 1):
        members = np.flatnonzero(groups == group)
        if len(set(labels[members])) > 1:
            names = [
                files[np.flatnonzero((groups == group) & (labels == label))[0]]
                for label in sorted(set(labels[members]))
            ]
            lines.append(f"look at these, alike but of different classes: {', '.join(names)}")
    return "\n".join(lines)
