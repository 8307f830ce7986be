"""Data sets from their publishers into the Keras cache, `~/.keras/datasets` by default.

Every file is checked by its SHA-256. Files in another format are converted once, in the cache,
to the formats that a `--data-dir` holds.
"""

import contextlib
import gzip
import json
import os
import re
import socket
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np

from common.files import whole_file
from common.start import start_keras
from common.words import split_words

SILENCE = 20  # seconds without a byte after which a server counts as silent
STORAGE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
# The files to fetch: data set -> name in the cache -> (address, SHA-256).
SOURCES = {
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": (
            f"{STORAGE}train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "train-labels-idx1-ubyte.gz": (
            f"{STORAGE}train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "t10k-images-idx3-ubyte.gz": (
            f"{STORAGE}t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            f"{STORAGE}t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    },
    "mnist": {
        "mnist.npz": (
            f"{STORAGE}mnist.npz",
            "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        ),
    },
    "imdb": {
        "aclImdb_v1.tar.gz": (
            "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
            "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
        ),
    },
    "auto_mpg": {
        "auto-mpg.data": (
            "https://archive.ics.uci.edu/ml/machine-learning-databases/auto-mpg/auto-mpg.data",
            "48b830e11feee5572525f8f1691ddb9d38d3d7b7063edcd8fca672c2a5e17d8d",
        ),
    },
    # No publisher offers this file at an address that needs no account.
    "churn": {},
}
BY_HAND = {
    "churn": "Churn_Modelling.csv cannot be downloaded without an account; fetch it by hand from "
    "kaggle.com/datasets/shantanudhakadd/bank-customer-churn-prediction",
}
# Where keras.datasets keeps the same files.
KERAS_FOLDERS = {"mnist": "datasets", "fashion_mnist": "datasets/fashion-mnist"}


class DownloadError(Exception):
    """A data set is not in the cache and could not be fetched; the text says why."""


def cache_root() -> Path:
    """Name the folder that Keras keeps downloads in: `$KERAS_HOME`, or `~/.keras`."""
    return Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())


def cache_folder(name: str) -> Path:
    """Name the folder of the cache that holds a data set in the formats of a `--data-dir`."""
    return cache_root() / "datasets" / ("" if name == "mnist" else "keras-lessons")


def fetch(name: str) -> Path:
    """Download a data set into the cache. What Keras itself has downloaded before is used.

    Returns:
        The folder that now holds its files, in the formats of a `--data-dir`.

    Raises:
        DownloadError: if a file cannot be fetched whole.
    """
    if not SOURCES[name]:
        raise DownloadError(BY_HAND[name])
    folder = cache_folder(name)
    download_folder = KERAS_FOLDERS.get(name, "datasets/keras-lessons")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):  # Keras would use a temporary folder and not say so
            raise PermissionError("no permission to write there")
        files = [
            fetch_file(file, *source, download_folder) for file, source in SOURCES[name].items()
        ]
        if name in CONVERTERS:
            CONVERTERS[name](files, folder)
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError) as error:
        raise DownloadError(f"nothing can be downloaded into {folder} ({error})") from error
    return folder


def fetch_file(name: str, address: str, sha256: str, folder: str) -> Path:
    """Download one file into a folder of the cache, with a progress bar and a time limit."""
    start_keras()  # only now: what is in a folder or the cache is read without it
    import keras

    try:
        with socket_timeout(SILENCE):
            path = keras.utils.get_file(
                name,
                address,
                file_hash=sha256,
                hash_algorithm="sha256",
                cache_dir=str(cache_root()),
                cache_subdir=folder,
            )
    except Exception as error:  # get_file raises plain Exception
        (cache_root() / folder / name).unlink(missing_ok=True)
        raise DownloadError(f"{address} could not be downloaded ({reason(error)})") from error
    return Path(path)


def reason(error: Exception) -> str:
    """Say in a few words why a download failed."""
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return f"the server was silent for {SILENCE} s"
    if "hash" in str(error):
        return "the file that came is not the published one"
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error).rpartition(" -- ")[2])


@contextlib.contextmanager
def socket_timeout(seconds: float):
    """Set the time limit of every connection made in the block: Keras sets none of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def save_npz(path: Path, **arrays) -> None:
    """Write a compressed `.npz` file."""
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def convert_idx(files: list[Path], folder: Path) -> None:
    """Turn the four published idx files of Fashion-MNIST into `fashion_mnist.npz`."""
    arrays = {}
    for part, (images, labels) in {"train": files[:2], "test": files[2:]}.items():
        with gzip.open(images) as file:
            arrays[f"x_{part}"] = np.frombuffer(file.read(), np.uint8, offset=16).reshape(
                -1, 28, 28
            )
        with gzip.open(labels) as file:
            arrays[f"y_{part}"] = np.frombuffer(file.read(), np.uint8, offset=8)
    save_npz(folder / "fashion_mnist.npz", **arrays)


def convert_imdb(files: list[Path], folder: Path) -> None:
    """Turn the 50,000 published review texts into `imdb.npz` and `imdb_word_index.json`.

    Words are ranked by how often the training reviews have them, the first seen first in a tie.
    Words that only the test reviews have are left out.
    """
    texts = {"train": [], "test": []}
    with tarfile.open(files[0]) as archive:
        for member in archive:
            _, *place = Path(member.name).parts
            if len(place) == 3 and place[0] in texts and place[1] in ("pos", "neg"):
                text = archive.extractfile(member).read().decode("utf-8")
                texts[place[0]].append((place[2], split_words(text), place[1] == "pos"))
    # In the archive all of one kind come first; the file's name says nothing about the kind.
    for part in texts.values():
        part.sort(key=lambda review: review[0])
    counts = Counter(word for _, words, _ in texts["train"] for word in words)
    word_index = {word: rank for rank, (word, _) in enumerate(counts.most_common(), 1)}
    arrays = {}
    for part, reviews in texts.items():
        ranks = [
            [word_index[word] for word in words if word in word_index] for _, words, _ in reviews
        ]
        arrays[f"{part}_words"] = np.array([rank for review in ranks for rank in review], np.int32)
        arrays[f"{part}_lengths"] = np.array([len(review) for review in ranks], np.int32)
        arrays[f"{part}_labels"] = np.array([positive for *_, positive in reviews], np.uint8)
    with whole_file(folder / "imdb_word_index.json") as temporary:
        temporary.write_text(json.dumps(word_index), encoding="utf-8")
    save_npz(folder / "imdb.npz", **arrays)
    files[0].unlink()  # 84 MB that are not needed again


CONVERTERS = {"fashion_mnist": convert_idx, "imdb": convert_imdb}
