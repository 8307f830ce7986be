"""Data sets from their publishers into the Keras cache, `~/.keras/datasets` by default.

Every file is checked by its SHA-256. Files in another format are converted once, in the cache,
to the formats that a `--data-dir` holds.
"""

import errno
import gzip
import hashlib
import http.client
import json
import os
import re
import socket
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np

from common.datasets import split_words
from common.errors import FULL
from common.files import atomic_write, remove_leftovers

SILENCE = 20  # seconds without a byte after which a server counts as silent
SLOWEST = 2_000  # bytes a second, on average: a slower server is given up
LARGEST = 2**30  # bytes: no file is nearly as large
TRIES = 3
PAUSE = 1.0  # seconds before the second try; twice that before the third
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
        )
    },
    "imdb": {
        "aclImdb_v1.tar.gz": (
            "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
            "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
        )
    },
    "auto_mpg": {
        "auto-mpg.data": (
            "https://archive.ics.uci.edu/ml/machine-learning-databases/auto-mpg/auto-mpg.data",
            "48b830e11feee5572525f8f1691ddb9d38d3d7b7063edcd8fca672c2a5e17d8d",
        )
    },
    "california_housing": {
        "california_housing.npz": (
            f"{STORAGE}california_housing.npz",
            "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
        )
    },
    # No publisher offers this file at an address that needs no account.
    "churn": {},
}
BY_HAND = {
    "churn": "Churn_Modelling.csv cannot be downloaded without an account; fetch it by hand from "
    "kaggle.com/datasets/shantanudhakadd/bank-customer-churn-prediction"
}
# Where keras.datasets keeps the same files.
KERAS_FOLDERS = {
    "mnist": "datasets",
    "fashion_mnist": "datasets/fashion-mnist",
    "california_housing": "datasets",
}


class DownloadError(Exception):
    """A data set is not in the cache and could not be fetched; the text says why."""


def cache_root() -> Path:
    """Name the folder that Keras keeps downloads in: `$KERAS_HOME`, or `~/.keras`."""
    return Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))


def cache_folder(name: str) -> Path:
    """Name the folder of the cache that holds a data set in the formats of a `--data-dir`."""
    as_keras_has_it = name in ("mnist", "california_housing")
    return cache_root() / "datasets" / ("" if as_keras_has_it else "keras-lessons")


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
    """Download one file into a folder of the cache, unless it is there already.

    Raises:
        DownloadError: if it does not come whole in `TRIES` tries. It leaves nothing behind.
    """
    path = cache_root() / folder / name
    if path.is_file() and checksum(path) == sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    for attempt in range(1, TRIES + 1):
        try:
            with atomic_write(path) as temporary:
                receive(address, temporary, name)
                if checksum(temporary) != sha256:
                    raise ConnectionError("the file that came is not the published one")
            return path
        except (OSError, http.client.HTTPException) as error:
            why = reason(error)
            if attempt == TRIES or is_final(error):
                break
            print(f"{address}: {why}; trying again", file=sys.stderr, flush=True)
            time.sleep(PAUSE * attempt)
    raise DownloadError(
        f"{address} could not be downloaded ({why}). To fetch it by hand, open that address in a "
        f"browser and save the file as {path}"
    )


def receive(address: str, path: Path, name: str) -> None:
    """Write what an address answers into a file, and show how much has come under its name.

    Raises:
        OSError: if the server cannot be found, refuses, is silent or slow, or stops half way.
    """
    request = urllib.request.Request(address, headers={"User-Agent": "keras-lessons"})
    began, received = time.monotonic(), 0
    with urllib.request.urlopen(request, timeout=SILENCE) as answer, path.open("wb") as file:
        size = int(answer.headers.get("Content-Length") or 0)
        while block := answer.read1(2**16):
            file.write(block)
            received += len(block)
            seconds = time.monotonic() - began
            if seconds > SILENCE and received < SLOWEST * seconds:
                raise TimeoutError(f"only {received:,} bytes came in {seconds:.0f} s")
            if received > LARGEST:
                raise ConnectionError(f"the file that came has more than {LARGEST:,} bytes")
            show_progress(name, received, size)
    if received < size:
        raise ConnectionError(f"the connection broke after {received:,} of {size:,} bytes")


def show_progress(name: str, received: int, size: int) -> None:
    """Write how much has come over the line before, in a terminal."""
    if sys.stdout.isatty():
        end = "\n" if received == size else ""
        print(f"\r{name}: {received / 1e6:.1f} of {size / 1e6:.1f} MB", end=end, flush=True)


def checksum(path: Path) -> str:
    """Compute a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_final(error: Exception) -> bool:
    """Tell whether a second try would end as the first: no such name or address, a full disk."""
    if isinstance(error, urllib.error.HTTPError):
        return 400 <= error.code < 500
    cause = getattr(error, "reason", error)
    full = getattr(error, "errno", None) in (*FULL, errno.EROFS)
    return (
        isinstance(cause, socket.gaierror) or full or getattr(error, "filename", None) is not None
    )


def reason(error: Exception) -> str:
    """Say in a few words why a download failed."""
    cause = getattr(error, "reason", error)
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(cause, TimeoutError) and not str(cause).startswith("only"):
        return f"the server was silent for {SILENCE} s"
    return re.sub(r"^\[Errno -?\d+\] ", "", str(cause)) or type(cause).__name__


def save_npz(path: Path, **arrays) -> None:
    """Write a compressed `.npz` file."""
    with atomic_write(path) as temporary:
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
    with atomic_write(folder / "imdb_word_index.json") as temporary:
        temporary.write_text(json.dumps(word_index), encoding="utf-8")
    save_npz(folder / "imdb.npz", **arrays)
    files[0].unlink(missing_ok=True)  # 84 MB that are not needed again


CONVERTERS = {"fashion_mnist": convert_idx, "imdb": convert_imdb}
