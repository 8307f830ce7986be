"""Download data sets from their publishers into the Keras cache, `~/.keras/datasets` by default.

Every file of a data set is verified by its SHA-256. Files in other formats are converted once, in
the cache, to the formats expected in a `--data-dir`.
"""

import functools
import gzip
import http.client
import json
import os
import socket
import ssl
import sys
import tarfile
import time
import urllib.error
import urllib.request
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from common.errors import FULL
from common.files import atomic_write, remove_leftovers
from common.startup import keras_home
from datasets import split_review

TIMEOUT = 20  # seconds to wait for a server that sends no data
SLOWEST = 2_000  # bytes per second on average: a slower download is aborted
LARGEST = 2**30  # bytes: every file is far smaller
TRIES = 3
PAUSE = 1.0  # seconds before the second try; twice that before the third
STORAGE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
SHA256 = dict(
    line.split()
    for line in """\
train-images-idx3-ubyte.gz 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
train-labels-idx1-ubyte.gz a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
t10k-images-idx3-ubyte.gz  346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
t10k-labels-idx1-ubyte.gz  67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
mnist.npz                  731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1
aclImdb_v1.tar.gz          c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe
auto-mpg.data              48b830e11feee5572525f8f1691ddb9d38d3d7b7063edcd8fca672c2a5e17d8d
california_housing.npz     1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f
""".splitlines()
)
ADDRESSES = {  # the URLs of each data set's files
    "fashion_mnist": [f"{STORAGE}/{file}" for file in SHA256 if file.endswith("-ubyte.gz")],
    "mnist": [f"{STORAGE}/mnist.npz"],
    "imdb": ["https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"],
    "auto_mpg": [f"{UCI}/auto-mpg/auto-mpg.data"],
    "california_housing": [f"{STORAGE}/california_housing.npz"],
}
BY_HAND = {  # data sets that can only be downloaded with an account
    "churn": "Churn_Modelling.csv cannot be downloaded without an account; fetch it by hand from "
    "kaggle.com/datasets/shantanudhakadd/bank-customer-churn-prediction"
}
OWN_FOLDER = "keras-lessons"
# Where keras.datasets stores the same files, so that they are not downloaded twice.
KERAS_FOLDERS = {"mnist": "", "california_housing": "", "fashion_mnist": "fashion-mnist"}


class DownloadError(Exception):
    """A data set is not in the cache and could not be downloaded; the message says why."""


def cache_folder(name: str, published: bool = False) -> Path:
    """Return a data set's cache folder, for the converted files or for those `published`.

    Like Keras' own cache, it is inside `$KERAS_HOME` or `~/.keras`.
    """
    own = name in CONVERTERS and not published
    return keras_home() / "datasets" / (OWN_FOLDER if own else KERAS_FOLDERS.get(name, OWN_FOLDER))


def fetch(name: str) -> None:
    """Download a data set into its `cache_folder`, unless Keras has already downloaded it.

    Raises:
        DownloadError: if a file cannot be downloaded completely.
    """
    if name in BY_HAND:
        raise DownloadError(BY_HAND[name])
    folder, downloads = cache_folder(name), cache_folder(name, published=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("no write permission")
        files = [fetch_file(address, downloads) for address in ADDRESSES[name]]
        if name in CONVERTERS:
            CONVERTERS[name](files, folder)
    except DownloadError as error:
        raise DownloadError(f"{error}. {by_hand(name, downloads, str(error))}") from error
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError) as error:
        raise DownloadError(f"cannot download into {folder} ({error})") from error


def by_hand(name: str, folder: Path, failed: str) -> str:
    """Say which files of a data set to fetch with a browser: `failed` names one of them."""
    paths = {address: folder / address.rpartition("/")[2] for address in ADDRESSES[name]}
    missing = {a: path for a, path in paths.items() if a in failed or not path.exists()}
    if len(missing) == 1:
        (path,) = missing.values()
        return f"To fetch it by hand, open that address in a browser and save the file as {path}"
    all_of_them = " and ".join(missing)
    return f"To fetch it by hand, open {all_of_them} in a browser and save the files in {folder}"


def fetch_file(address: str, folder: Path) -> Path:
    """Return the path of a file in a cache folder, downloading it if necessary.

    It is verified if its SHA-256 is listed above.

    Raises:
        DownloadError: if all `TRIES` attempts fail. No partial file is left behind.
    """
    with warnings.catch_warnings(action="ignore"):  # tqdm warns about missing notebook widgets
        import pooch

    pooch.get_logger().setLevel("ERROR")  # or it would report every download on stderr
    path = folder / address.rpartition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    # pooch's own retries include permanent errors and do not report the reason.
    for attempt in range(1, TRIES + 1):
        try:
            known = SHA256.get(path.name)
            pooch.retrieve(address, known, path.name, folder, downloader=receive)
            return path
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason, permanent = explain(error)
            if permanent or attempt == TRIES:
                break
            print(f"{address}: {reason}; trying again", file=sys.stderr, flush=True)
            time.sleep(PAUSE * attempt)
    raise DownloadError(f"{address} could not be downloaded ({reason})")


def receive(address: str, path: str, _) -> None:
    """Download a file like `pooch.HTTPDownloader`, but with limits on time and size.

    HTTPDownloader waits for a full block however slowly it arrives, decompresses what the server
    declares compressed, and could fill the disk. A progress bar appears in terminals and notebooks.

    Raises:
        OSError: if the server is not found, refuses, is silent or too slow, or disconnects early.
    """
    from tqdm.auto import tqdm

    from common.flags import in_notebook

    os.unlink(path)  # created by pooch, and left behind if this process is killed
    request = urllib.request.Request(address, headers={"User-Agent": "keras-lessons"})
    hidden = not (sys.stderr.isatty() or in_notebook())
    started, received = time.monotonic(), 0
    with (
        urllib.request.urlopen(request, timeout=TIMEOUT, context=certificates()) as answer,
        atomic_write(Path(path)) as temporary,
        temporary.open("wb") as file,
    ):
        size = int(answer.headers.get("Content-Length") or 0)
        name = address.rpartition("/")[2]
        with tqdm(desc=name, total=size, unit="B", unit_scale=True, disable=hidden) as bar:
            while block := answer.read1(2**16):
                file.write(block)
                bar.update(len(block))
                received += len(block)
                seconds = time.monotonic() - started
                if seconds > TIMEOUT and received < SLOWEST * seconds:
                    raise ConnectionError(f"only {received:,} bytes received in {seconds:.0f} s")
                if received > LARGEST:
                    raise ConnectionError(f"the server sent more than {LARGEST:,} bytes")
    if received < size:
        raise ConnectionError(f"the connection broke after {received:,} of {size:,} bytes")


@functools.cache
def certificates() -> ssl.SSLContext:
    """Trust the system's certificates and certifi's, since Python on macOS may have none."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def explain(error: Exception) -> tuple[str, bool]:
    """Return a short reason why a download failed, and whether the failure is permanent."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server responded {error.code} {error.reason}", 400 <= error.code < 500
    if isinstance(error, ValueError):  # raised by pooch if the SHA-256 differs
        return "the downloaded file is not the published one", False
    cause = getattr(error, "reason", error)  # of a URLError
    if isinstance(cause, TimeoutError):
        return f"the server was silent for {TIMEOUT} s", False
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    disk = isinstance(cause, OSError) and (cause.errno in FULL or cause.filename is not None)
    return reason, disk or isinstance(cause, socket.gaierror | PermissionError)


def convert_idx(files: list[Path], folder: Path) -> None:
    """Convert the four published IDX files of Fashion-MNIST to `fashion_mnist.npz`."""
    arrays = {}
    for name, file in zip(["x_train", "y_train", "x_test", "y_test"], files, strict=True):
        header, shape = (16, (-1, 28, 28)) if name.startswith("x") else (8, -1)
        content = gzip.decompress(file.read_bytes())
        arrays[name] = np.frombuffer(content, np.uint8, offset=header).reshape(shape)
    with atomic_write(folder / "fashion_mnist.npz") as temporary:
        np.savez_compressed(temporary, **arrays)


def convert_imdb(files: list[Path], folder: Path) -> None:
    """Convert the 50,000 published reviews to `imdb.npz` and `imdb_word_index.json`.

    Words are ranked by their frequency in the training reviews; ties are ranked by first
    occurrence. Words that occur only in test reviews are left out.
    """
    texts = {"train": [], "test": []}
    with tarfile.open(files[0]) as archive:
        for member in archive:
            _, *place = Path(member.name).parts
            if len(place) == 3 and place[0] in texts and place[1] in ("pos", "neg"):
                text = archive.extractfile(member).read().decode("utf-8")
                texts[place[0]].append((place[2], split_review(text), place[1] == "pos"))
    # The archive is sorted by class; sorting by file name mixes the classes.
    for part in texts.values():
        part.sort(key=lambda review: review[0])
    counts = Counter(word for _, words, _ in texts["train"] for word in words)
    word_index = {word: rank for rank, (word, _) in enumerate(counts.most_common(), 1)}
    arrays = {}
    for part, reviews in texts.items():
        ranks = [[*filter(None, map(word_index.get, words))] for _, words, _ in reviews]
        arrays[f"{part}_words"] = np.array([rank for review in ranks for rank in review], np.int32)
        arrays[f"{part}_lengths"] = np.array([len(review) for review in ranks], np.int32)
        arrays[f"{part}_labels"] = np.array([positive for *_, positive in reviews], np.uint8)
    with atomic_write(folder / "imdb_word_index.json") as temporary:
        temporary.write_text(json.dumps(word_index), encoding="utf-8")
    with atomic_write(folder / "imdb.npz") as temporary:
        np.savez_compressed(temporary, **arrays)
    files[0].unlink(missing_ok=True)  # frees 84 MB


CONVERTERS = {"fashion_mnist": convert_idx, "imdb": convert_imdb}
