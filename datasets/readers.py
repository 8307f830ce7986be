"""Read and validate the files of the data sets.

No pickle is ever loaded, because loading a pickle can execute code.
"""

import contextlib
import io
import json
import warnings
import zipfile
from pathlib import Path

import numpy as np

from common.files import read_text

AUTO_MPG_COLUMNS = (
    "mpg cylinders displacement horsepower weight acceleration model_year origin car_name".split()
)
CHURN_COLUMNS = """RowNumber CustomerId Surname CreditScore Geography Gender Age Tenure Balance
NumOfProducts HasCrCard IsActiveMember EstimatedSalary Exited""".split()
HOUSING_COLUMNS = """longitude latitude housing_median_age total_rooms total_bedrooms population
households median_income""".split()
LARGEST = 2**30  # bytes: ten times the largest data set, uncompressed


# The first training labels of two data sets that have the same form: so one can pass for the other.
FIRST_LABELS = {"mnist": "50419213143536172869", "fashion_mnist": "90030272550955791064"}


class DamagedFileError(Exception):
    """A data file is missing, truncated, in another format, or has unexpected content."""


def check(condition: bool, path: Path, expected: str) -> None:
    """Raise `DamagedFileError` unless `condition` holds."""
    if not condition:
        raise DamagedFileError(f"{path.name} is damaged or not the right file: expected {expected}")


def check_size(size: int, path: Path) -> None:
    """Raise `DamagedFileError` if a size, compressed or not, exceeds that of any data set."""
    check(size <= LARGEST, path, f"at most {LARGEST:,} bytes, not {size:,}")


@contextlib.contextmanager
def reading(path: Path, *errors: type[Exception]):
    """Check a file's size, and convert `errors` in the block to `DamagedFileError`."""
    try:
        check_size(path.stat().st_size, path)
        yield
    except DamagedFileError:
        raise
    except errors as error:
        raise DamagedFileError(f"{path.name} cannot be read ({error})") from error


def read_npz(path: Path, names: list[str]) -> list[np.ndarray]:
    """Return the named arrays of an `.npz` file, without loading pickles."""
    with reading(path, Exception):  # zipfile, zlib, NumPy and the OS each raise their own
        with zipfile.ZipFile(path) as archive:  # a small file can decompress to a huge one
            check_size(sum(member.file_size for member in archive.infolist()), path)
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]


def is_between(array: np.ndarray, low: float, high: float) -> bool:
    """Return whether an array is not empty and all its values are in [`low`, `high`]."""
    return array.size > 0 and low <= array.min() and array.max() <= high


def is_complete(table, text_columns: list[str], optional: list[str] = ()) -> bool:
    """Return whether a table has finite numbers and texts and no missing required field."""
    from pandas.api.types import is_numeric_dtype

    numbers = table.drop(columns=text_columns)
    return (
        all(map(is_numeric_dtype, numbers.dtypes))
        and not np.isinf(numbers).any(axis=None)
        and table.drop(columns=list(optional)).notna().all(axis=None)
    )


def read_images(path: Path):
    """Load a data set of 28x28 grayscale images.

    Returns:
        `(train_images, train_labels), (test_images, test_labels)`: images uint8 of shape
        (n, 28, 28) with values 0 to 255, labels uint8 of shape (n,) with values 0 to 9.
    """
    parts = []
    for part in ("train", "test"):
        images, labels = read_npz(path, [f"x_{part}", f"y_{part}"])
        expected = "images as uint8 of shape (n, 28, 28)"
        check(images.dtype == np.uint8 and images.shape[1:] == (28, 28), path, expected)
        valid = labels.dtype.kind in "iu" and labels.shape == images.shape[:1]
        check(valid and is_between(labels, 0, 9), path, "a label from 0 to 9 for every image")
        parts.append((images, labels.astype(np.uint8)))
    first = "".join(map(str, parts[0][1][:20]))
    for name, labels in FIRST_LABELS.items():
        if first == labels and path.stem in FIRST_LABELS.keys() - {name}:
            raise DamagedFileError(f"{path.name} is another file: it holds {name}")
    return tuple(parts)


def read_imdb(folder: Path):
    """Load the IMDB movie reviews.

    Returns:
        `(train_reviews, train_labels), (test_reviews, test_labels), word_index`. A review is an
        int32 array of word ranks, where 1 is the most frequent word of the training reviews.
        Labels are uint8 of shape (n,), 1 for a positive review. `word_index` maps words to ranks.
    """
    path = folder / "imdb.npz"
    parts = []
    for part in ("train", "test"):
        arrays = read_npz(path, [f"{part}_{name}" for name in ("words", "lengths", "labels")])
        words, lengths, labels = arrays
        check(
            all(array.ndim == 1 and array.dtype.kind in "iu" for array in arrays)
            and is_between(words, 1, 2**31 - 1)
            and is_between(lengths, 1, len(words))
            and lengths.sum(dtype=np.int64) == len(words)
            and is_between(labels, 0, 1)
            and len(lengths) == len(labels),
            path,
            "word ranks, review lengths that add up to them, and labels 0 or 1",
        )
        ends = np.cumsum(lengths, dtype=np.int64)
        reviews = np.split(words.astype(np.int32, copy=False), ends[:-1])
        parts.append((reviews, labels.astype(np.uint8)))
    path = folder / "imdb_word_index.json"
    with reading(path, OSError, ValueError, RecursionError):
        word_index = json.loads(read_text(path))
    ranks = list(word_index.values()) if isinstance(word_index, dict) else []
    valid = ranks and all(isinstance(rank, int) and rank > 0 for rank in ranks)
    check(valid, path, "a rank for every word")
    return *parts, word_index


def read_auto_mpg(folder: Path):
    """Load the Auto MPG data set from UCI.

    Returns:
        A DataFrame with the columns `AUTO_MPG_COLUMNS`. All but `car_name` are numeric;
        an unknown horsepower is NaN.
    """
    import pandas as pd

    path = folder / "auto-mpg.data"
    options = {"names": AUTO_MPG_COLUMNS, "na_values": "?", "index_col": False}
    with reading(path, OSError, ValueError, pd.errors.ParserWarning), warnings.catch_warnings():
        warnings.simplefilter(
            "error", pd.errors.ParserWarning
        )  # raised if a row has too many fields
        cars = pd.read_csv(io.StringIO(read_text(path)), sep=r"\s+", **options)
    valid = is_complete(cars, ["car_name"], optional=["horsepower"]) and len(cars) == 398
    check(valid, path, "398 cars with 8 numbers and a name each")
    return cars


def read_churn(folder: Path):
    """Load the table of a bank's customers.

    Returns:
        A DataFrame with the columns `CHURN_COLUMNS`; `Exited` is 1 for a customer who left.
    """
    import pandas as pd

    path = folder / "Churn_Modelling.csv"
    with reading(path, OSError, ValueError):
        customers = pd.read_csv(io.StringIO(read_text(path)))
    check(list(customers.columns) == CHURN_COLUMNS, path, f"the columns {', '.join(CHURN_COLUMNS)}")
    valid = is_complete(customers, ["Surname", "Geography", "Gender"])
    valid = valid and customers.Exited.isin([0, 1]).all() and len(customers) == 10_000
    check(valid, path, "10,000 customers with no empty field")
    return customers


def read_housing(folder: Path):
    """Load the table of Californian districts from the 1990 census.

    Returns:
        A float32 DataFrame with the columns `HOUSING_COLUMNS` and `median_house_value`, in
        dollars. `median_income` is in units of 10,000 dollars per year.
    """
    import pandas as pd

    path = folder / "california_housing.npz"
    x, y = read_npz(path, ["x", "y"])
    check(
        x.dtype.kind == y.dtype.kind == "f"
        and x.ndim == 2
        and x.shape == (*y.shape, 8)
        and np.isfinite(x).all()
        and np.isfinite(y).all()
        and is_between(x[:, 0], -125.5, -113.5)
        and is_between(x[:, 1], 31, 43)
        and (x[:, 6] > 0).all(),
        path,
        "x of shape (n, 8), a longitude in California first, and n house values y",
    )
    districts = pd.DataFrame(x.astype(np.float32), columns=HOUSING_COLUMNS)
    return districts.assign(median_house_value=y.astype(np.float32))


READERS = {
    "fashion_mnist": lambda folder: read_images(folder / "fashion_mnist.npz"),
    "mnist": lambda folder: read_images(folder / "mnist.npz"),
    "imdb": read_imdb,
    "auto_mpg": read_auto_mpg,
    "churn": read_churn,
    "california_housing": read_housing,
}
