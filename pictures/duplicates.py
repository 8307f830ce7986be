"""Find pictures that belong together: nearly the same, by a difference hash, or of one series."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from common.errors import fail

CLOSE = 8  # of 64 bits may differ
FEWEST = 3  # groups of a class, so that two parts of a split can have some


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


def group_series(groups, files: list[str], labels, classes: list[str]):
    """Join groups of pictures that are in folders of the same name within their classes' folders.

    Args:
        groups, labels: int arrays of shape (n,).
        files: the names of the n files, such as "cat/in the garden/1.jpg".
        classes: the names of the classes.

    Returns:
        The group of each picture, as from `group_near_duplicates`.

    Raises:
        SystemExit: with code 2, if a class has too few groups to split.
    """
    inside = [Path(file).parts[1:-1] for file in files]
    series = {name: number for number, name in enumerate(dict.fromkeys(filter(None, inside)))}
    size = len(files) + len(series)  # the nodes of a graph: pictures, then series
    pictures = np.arange(len(files))
    firsts = np.unique(groups, return_index=True)[1]  # a picture of each group
    among = np.array([series.get(name, -1) for name in inside])
    named = pictures[among >= 0]
    ends = (
        np.concatenate([pictures, named]),
        np.concatenate([firsts[groups], len(files) + among[named]]),
    )
    graph = coo_array((np.ones(len(ends[0])), ends), (size, size))
    _, joined = connected_components(graph, directed=False)
    joined = np.unique(joined[: len(files)], return_inverse=True)[1]
    for label, name in enumerate(classes):
        if (count := len(set(joined[labels == label]))) < FEWEST:
            why = f"{count} groups of pictures that belong together"
            fail(f"--pictures: the class {name} has only {why}; give at least {FEWEST}")
    return joined
