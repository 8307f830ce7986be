"""The lists of lesson 27, and two baselines that answer them."""

from random import Random
from string import ascii_lowercase

import numpy as np


def make_lists(count: int, longest: int, draw: Random) -> tuple[list[list[str]], np.ndarray]:
    """Draw lists of 2 to `longest` assignments with a question at the end.

    Returns:
        `count` lists such as ["c=4", "a=1", "c=?"], and the digits asked for, shape (count,).
    """
    lists, answers = [], []
    for _ in range(count):
        size = draw.randint(2, longest)
        letters = draw.choices(ascii_lowercase, k=size)
        digits = draw.choices("0123456789", k=size)
        asked = draw.choice(letters)
        lines = [f"{letter}={digit}" for letter, digit in zip(letters, digits, strict=True)]
        lists.append([*lines, f"{asked}=?"])
        # If a key comes twice, a dictionary keeps the last value.
        answers.append(int(dict(zip(letters, digits, strict=True))[asked]))
    return lists, np.array(answers)


def to_numbers(lists: list[list[str]], longest: int) -> np.ndarray:
    """Convert lists of lines to letters (1 to 26) and digits, 10 for "?", padded with 0 in front.

    Returns:
        An int32 array of shape (lists, longest + 1, 2).
    """
    numbers = np.zeros((len(lists), longest + 1, 2), "int32")
    for row, lines in zip(numbers, lists, strict=True):
        pairs = [(ascii_lowercase.index(a) + 1, "0123456789?".index(b)) for a, _, b in lines]
        row[-len(lines) :] = pairs
    return numbers


def baselines(lines: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score two baselines: the list's most frequent digit, and a random line with the letter.

    Args:
        lines: letters and digits of shape (lists, longest + 1, 2), the question last, 0 is padding.
        answers: the right digits, shape (lists,).

    Returns:
        Two arrays of shape (lists,): whether the first is right, and the chance that the second is.
    """
    letters, digits = lines[:, :-1, 0], lines[:, :-1, 1]
    counts = [((digits == digit) & (letters > 0)).sum(axis=1) for digit in range(10)]
    matches = letters == lines[:, -1:, 0]
    hits = matches & (digits == answers[:, None])
    return np.argmax(counts, axis=0) == answers, hits.sum(axis=1) / matches.sum(axis=1)
