"""The data sets: a folder, the Keras cache or a download first, the built-in sample last.

| name | a folder given by --data-dir holds | what `load_dataset` returns |
|---|---|---|
| fashion_mnist, mnist | `fashion_mnist.npz`, `mnist.npz` | `(train_images, train_labels), (test_images, test_labels)` |
| imdb | `imdb.npz`, `imdb_word_index.json` | `(train_reviews, train_labels), (test_reviews, test_labels), word_index` |
| auto_mpg | `auto-mpg.data` | a table of 398 cars |
| churn | `Churn_Modelling.csv` | a table of 10,000 customers |
| california_housing | `california_housing.npz` | a table of about 20,000 districts |
"""

import contextlib
import os
from pathlib import Path

from common.datasets import download, readers, samples
from common.errors import fail

REAL, SAMPLE = "real", "sample"
ENVIRONMENT = "KERAS_TUTORIAL_DATA"
NAMES = list(readers.READERS)


def load_dataset(name: str, flags):
    """Load a data set from the first source that `--data` allows and that has it.

    Args:
        name: one of `NAMES`.
        flags: has `data` ("auto", "real" or "sample"), `data_dir` (a path or None) and `limit`
            (how many training examples, or rows of a table, to keep; or None).

    Returns:
        The arrays or the table (see `common.datasets.readers`), `REAL` or `SAMPLE`, and where
        they came from.

    Raises:
        SystemExit: if a folder was named that lacks the data set or holds a damaged one, or if
            only real data will do and there is none.
    """
    data, kind, source = find_dataset(name, flags.data, flags.data_dir)
    return keep_first(data, flags.limit), kind, source


def find_dataset(name: str, wanted: str, data_dir: Path | None):
    """Find a whole data set; see `load_dataset`."""
    if wanted == SAMPLE:
        return samples.MAKERS[name](), SAMPLE, "made by common/datasets/samples.py"
    try:
        data, folder = read_real(name, data_dir)
        return data, REAL, str(folder)
    except download.DownloadError as error:
        if wanted == REAL:
            fail(
                f"{name}: {error}. Go online, or give --data-dir DIR with "
                f"{' and '.join(readers.FILES[name])}, or use --data sample",
                1,
            )
        return samples.MAKERS[name](), SAMPLE, f"since there is no real data here: {error}"


def read_real(name: str, data_dir: Path | None):
    """Read a real data set: from the folder that the user named, else from the cache, else fetch it.

    Returns:
        The data and the folder that holds its files.

    Raises:
        SystemExit: if the named folder lacks a file or holds a damaged one.
        download.DownloadError: if no folder was named and the download failed.
    """
    if data_dir is not None:
        return read_named(name, data_dir, "--data-dir"), data_dir
    if os.environ.get(ENVIRONMENT):
        folder = Path(os.environ[ENVIRONMENT])
        return read_named(name, folder, f"${ENVIRONMENT}"), folder
    folder = download.cache_folder(name)
    if has_files(folder, name):
        with contextlib.suppress(readers.DamagedFileError):  # a damaged one is fetched again
            return readers.READERS[name](folder), folder
    try:
        folder = download.fetch(name)
    except download.DownloadError as error:
        if not has_files(folder, name):
            raise
        try:  # another run, that began at the same time, may have fetched it
            return readers.READERS[name](folder), folder
        except readers.DamagedFileError as damaged:
            raise download.DownloadError(f"{folder}: {damaged}, and {error}") from error
    return readers.READERS[name](folder), folder


def has_files(folder: Path, name: str) -> bool:
    """Tell whether a folder has the files of a data set. One that may not be entered has none."""
    return all(os.path.isfile(folder / file) for file in readers.FILES[name])


def read_named(name: str, folder: Path, origin: str):
    """Read a data set from a folder that the user named by `origin`; see `read_real`."""
    export = f"on a connected computer, 'python -m common.datasets --export DIR {name}' writes it"
    if not os.path.isdir(folder):
        fail(f"{origin} {folder}: no such folder; name one that holds {readers.FILES[name][0]}")
    for file in readers.FILES[name]:
        if not os.path.isfile(folder / file):
            fail(f"{origin} {folder}: holds no {file}; {export}")
    try:
        return readers.READERS[name](folder)
    except readers.DamagedFileError as error:
        fail(f"{origin} {folder}: {error}; replace that file: {export}")


def keep_first(data, limit: int | None):
    """Keep the first `limit` training examples, or the first rows of a table."""
    if limit is None:
        return data
    if isinstance(data, tuple):
        (examples, labels), *others = data
        return ((examples[:limit], labels[:limit]), *others)
    return data.head(limit)
