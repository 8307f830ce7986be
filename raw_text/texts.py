"""Texts with labels: a folder with one sub-folder of `.txt` files per class, or film reviews."""

import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from common.errors import fail
from common.files import read_text
from datasets import REAL
from frame.resume import abandon

FEWEST = 20  # texts per class, so that each part of a split has some of both


def load_texts(lesson):
    """Load the texts in the folder given by `--texts`, or without that flag IMDB's film reviews.

    The reviews come as ranks of words and are translated back to strings. Their capitals and most
    of their punctuation are lost.

    Returns:
        `(train_texts, train_labels), (test_texts, test_labels), classes`: lists of strings, arrays
        of labels 0 and 1, uint8, and the names of the two classes in alphabetical order. `--limit`
        shortens the training texts.

    Raises:
        SystemExit: with code 2, if the folder has not two classes with enough texts, or a file is
            not readable text in UTF-8 or UTF-16.
    """
    if lesson.texts:
        return load_folder(lesson)
    train, test, word_index = lesson.load("imdb")
    words_by_rank = {rank: word for word, rank in word_index.items()}
    parts = [
        ([" ".join(words_by_rank[rank] for rank in review) for review in reviews], labels)
        for reviews, labels in (train, test)
    ]
    return *parts, ["negative", "positive"]


def load_folder(lesson):
    """Load the texts in the folder given by `--texts`, and tell the run where they are from.

    A folder with the sub-folders `train` and `test`, each with the same two classes, has its own
    test set. Of any other folder a fifth of the texts is set aside, drawn at random.
    """
    began, folder = time.perf_counter(), lesson.texts
    try:
        parts = folder / "train", folder / "test"
        if all(part.is_dir() for part in parts):
            (*train, classes), (*test, others) = map(read_classes, parts)
            if classes != others:
                fail(f"--texts {folder}: train/ has the classes {classes}, test/ has {others}")
        else:
            texts, labels, classes = read_classes(folder)
            train, test = split(texts, labels, 0.2, lesson.seed)
        if lesson.limit and lesson.limit < len(train[0]):
            train, _ = split(*train, len(train[0]) - lesson.limit, lesson.seed)
    except SystemExit:
        abandon(lesson)
        raise
    lesson.run.loaded("texts", REAL, str(folder), time.perf_counter() - began)
    return train, test, classes


def split(texts, labels, size, seed):
    """Split texts and labels into two parts, the second of which has `size` texts or this share."""
    one, other, labels_of_one, labels_of_other = train_test_split(
        texts, labels, test_size=size, stratify=labels, random_state=seed
    )
    return (one, labels_of_one), (other, labels_of_other)


def read_classes(folder: Path):
    """Read all `.txt` files in the two sub-folders of a folder.

    Returns:
        The texts, a list of strings; their labels, uint8; and the names of the two classes.
    """
    if not folder.is_dir():
        fail(
            f"--texts {folder}: no such folder; give one with a sub-folder of .txt files per class"
        )
    files = {
        path.name: sorted(path.glob("*.txt")) for path in sorted(folder.iterdir()) if path.is_dir()
    }
    files = {name: found for name, found in files.items() if found}
    if len(files) != 2:
        found = ", ".join(files) or "none"
        fail(f"--texts {folder}: expected two sub-folders with .txt files, one per class: {found}")
    for name, found in files.items():
        if len(found) < FEWEST:
            fail(f"--texts {folder / name}: {len(found)} texts; give at least {FEWEST} per class")
    texts = [read(path) for found in files.values() for path in found]
    labels = np.repeat(np.arange(2, dtype="uint8"), list(map(len, files.values())))
    return texts, labels, list(files)


def read(path: Path) -> str:
    """Read one text.

    Raises:
        SystemExit: with code 2, if it is not readable or not text in UTF-8 or UTF-16.
    """
    try:
        return read_text(path)
    except ValueError:
        fail(f"--texts {path}: not text in UTF-8; convert it, for example with iconv -t utf-8")
    except OSError as error:
        fail(f"--texts {path}: cannot be read ({error.strerror})")
