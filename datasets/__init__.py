"""Data sets: from a folder, the Keras cache or a download, else the built-in sample.

| name | files in a folder given by --data-dir | what `load_dataset` returns |
|---|---|---|
| fashion_mnist, mnist | `fashion_mnist.npz`, `mnist.npz` | (training images, labels), (test ...) |
| imdb | `imdb.npz`, `imdb_word_index.json` | (training reviews, labels), (test ...), ranks |
| auto_mpg | `auto-mpg.data` | a table of 398 cars |
| churn | `Churn_Modelling.csv` | a table of 10,000 customers |
| california_housing | `california_housing.npz` | a table of about 20,000 districts |
"""

import contextlib
import os
import re
import string
import unicodedata
from pathlib import Path

from common.errors import fail

# The flags are parsed before NumPy is imported, and need `split_words`: so what reads data is
# imported by the functions that need it.

REAL, SAMPLE = "real", "sample"
ENVIRONMENT = "KERAS_TUTORIAL_DATA"
FILES = {
    "fashion_mnist": ["fashion_mnist.npz"],
    "mnist": ["mnist.npz"],
    "imdb": ["imdb.npz", "imdb_word_index.json"],
    "auto_mpg": ["auto-mpg.data"],
    "churn": ["Churn_Modelling.csv"],
    "california_housing": ["california_housing.npz"],
}
NAMES = list(FILES)
# The apostrophe stays, so that "don't" is one word.
PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation.replace("'", "") + "\t\n", " "))


def split_words(text: str) -> list[str]:
    """Split a reader's text into words as the reviews are; quotes and dashes may be curly, long."""
    text = re.sub("[\u00ad\u200b]", "", text)  # soft hyphens and others that nobody sees
    text = re.sub("(?<=\\w)[\u2019\u02bc](?=\\w)", "'", text)  # an apostrophe
    text = re.sub("[\u2010-\u203a\u00ab\u00bb]", " ", text)  # dashes, quotes, ellipsis
    return split_review(unicodedata.normalize("NFC", " ".join(text.split())))


def split_review(text: str) -> list[str]:
    """Split a review into words: in lower case, punctuation replaced by spaces."""
    return [word for word in text.lower().translate(PUNCTUATION).split(" ") if word]


def load_dataset(name: str, flags):
    """Load a data set from the first source that `--data` allows and that has it.

    Args:
        name: one of `NAMES`.
        flags: has `data` ("auto", "real" or "sample"), `data_dir` (a path or None) and `limit`
            (how many training examples, or rows of a table, to keep; or None).

    Returns:
        The arrays or the table (see `datasets.readers`), `REAL` or `SAMPLE`, and where
        they came from.

    Raises:
        SystemExit: if the user named a folder that lacks the data set or holds a damaged one, or
            if `data` is "real" and there is no real data.
    """
    data, origin, source = find_dataset(name, flags.data, flags.data_dir)
    if isinstance(data, tuple):
        (examples, labels), *others = data
        data = (examples[: flags.limit], labels[: flags.limit]), *others
    elif flags.limit is not None:
        data = data.head(flags.limit)
    return data, origin, source


def find_dataset(name: str, wanted: str, data_dir: Path | None):
    """Find a data set and return all of it; see `load_dataset`."""
    from datasets import download, samples

    if wanted == SAMPLE:
        return samples.MAKERS[name](), SAMPLE, "made by datasets/samples.py"
    try:
        data, folder = read_real(name, data_dir)
        return data, REAL, str(folder)
    except download.DownloadError as error:
        if wanted == REAL:
            files = " and ".join(FILES[name])
            remedy = f"Go online, or give --data-dir DIR with {files}, or use --data sample"
            fail(f"{name}: {error}. {remedy}", 1)
        return samples.MAKERS[name](), SAMPLE, f"since there is no real data here: {error}"


def read_real(name: str, data_dir: Path | None):
    """Read a real data set: from the folder the user named, else the cache, else a download.

    Returns:
        The data and the folder that holds its files.

    Raises:
        SystemExit: if the named folder lacks a file or holds a damaged one.
        download.DownloadError: if no folder was named and the download failed.
    """
    from datasets import download, readers

    named = {"--data-dir": data_dir, f"${ENVIRONMENT}": os.environ.get(ENVIRONMENT)}
    for origin, folder in named.items():
        if folder:
            folder = Path(folder).expanduser()
            return read_named(name, folder, origin), folder
    folder, read = download.cache_folder(name), readers.READERS[name]
    with contextlib.suppress(readers.DamagedFileError):  # a missing or damaged file is fetched
        return read(folder), folder
    try:
        download.fetch(name)
    except download.DownloadError as error:
        if not all(os.path.isfile(folder / file) for file in FILES[name]):
            raise
        try:  # another run, started at the same time, may have fetched it
            return read(folder), folder
        except readers.DamagedFileError as damaged:
            raise download.DownloadError(f"{folder}: {damaged}, and {error}") from error
    return read(folder), folder


def read_named(name: str, folder: Path, origin: str):
    """Read a data set from a folder that the user named by `origin`; see `read_real`."""
    from datasets import readers

    export = f"on a connected computer, 'python -m datasets --export DIR {name}' writes it"
    if not os.path.isdir(folder):
        fail(f"{origin} {folder}: no such folder; name one that holds {FILES[name][0]}")
    for file in FILES[name]:
        if not os.path.isfile(folder / file):
            fail(f"{origin} {folder}: holds no {file}; {export}")
    try:
        return readers.READERS[name](folder)
    except readers.DamagedFileError as error:
        fail(f"{origin} {folder}: {error}; replace that file: {export}")
