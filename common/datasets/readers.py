"""Files on disk to arrays and tables. Whatever is wrong with a file, it is named.

No pickle is ever loaded: a pickle can run code while it is read.
"""

import json
import warnings
import zipfile
from pathlib import Path

import numpy as np

FILES = {
    "fashion_mnist": ["fashion_mnist.npz"],
    "mnist": ["mnist.npz"],
    "imdb": ["imdb.npz", "imdb_word_index.json"],
    "auto_mpg": ["auto-mpg.data"],
    "churn": ["Churn_Modelling.csv"],
    "california_housing": ["california_housing.npz"],
}
AUTO_MPG_COLUMNS = [
    "mpg",
    "cylinders",
    "displacement",
    "horsepower",
    "weight",
    "acceleration",
    "model_year",
    "origin",
    "car_name",
]
CHURN_COLUMNS = [
    "RowNumber",
    "CustomerId",
    "Surname",
    "CreditScore",
    "Geography",
    "Gender",
    "Age",
    "Tenure",
    "Balance",
    "NumOfProducts",
    "HasCrCard",
    "IsActiveMember",
    "EstimatedSalary",
    "Exited",
]
HOUSING_COLUMNS = [
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
]


LARGEST = 2**30  # bytes: the largest data set, unpacked, has a tenth of this


class DamagedFileError(Exception):
    """A data file is cut short, of another format, or holds what it should not."""


def check(condition: bool, path: Path, expected: str) -> None:
    """Raise `DamagedFileError` unless `condition` holds."""
    if not condition:
        raise DamagedFileError(f"{path.name} is damaged or another file: expected {expected}")


def check_size(path: Path, size: int | None = None) -> None:
    """Raise `DamagedFileError` if a file is, or unpacks to, more than a data set can hold."""
    size = path.stat().st_size if size is None else size
    check(size <= LARGEST, path, f"at most {LARGEST:,} bytes, not {size:,}")


def read_npz(path: Path, names: list[str]) -> list[np.ndarray]:
    """Read the named arrays of an `.npz` file, without pickles."""
    try:
        with zipfile.ZipFile(path) as archive:  # a small file can unpack to a huge one
            check_size(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except DamagedFileError:
        raise
    except KeyError as error:
        raise DamagedFileError(f"{path.name} holds no array {error}") from error
    except Exception as error:  # zip, zlib, NumPy and the file system each raise their own kinds
        raise DamagedFileError(f"{path.name} cannot be read ({error})") from error


def read_images(path: Path):
    """Read a set of 28x28 grey images.

    Returns:
        `(train_images, train_labels), (test_images, test_labels)`: images uint8 of shape
        (n, 28, 28) with values 0 to 255, labels uint8 of shape (n,) with values 0 to 9.
    """
    arrays = read_npz(path, ["x_train", "y_train", "x_test", "y_test"])
    for images, labels in (arrays[:2], arrays[2:]):
        check(
            images.dtype == np.uint8 and images.ndim == 3 and images.shape[1:] == (28, 28),
            path,
            "images as uint8 of shape (n, 28, 28)",
        )
        check(
            labels.dtype.kind in "iu"
            and labels.shape == images.shape[:1]
            and len(labels) > 0
            and 0 <= labels.min()
            and labels.max() <= 9,
            path,
            "a label from 0 to 9 for every image",
        )
    train_images, train_labels, test_images, test_labels = arrays
    return (
        (train_images, train_labels.astype(np.uint8)),
        (test_images, test_labels.astype(np.uint8)),
    )


def read_imdb(folder: Path):
    """Read the film reviews.

    Returns:
        `(train_reviews, train_labels), (test_reviews, test_labels), word_index`. A review is an
        int32 array of word ranks, 1 being the commonest word of the training reviews. Labels are
        uint8 of shape (n,): 1 is a positive review. `word_index` maps a word to its rank.
    """
    path = folder / "imdb.npz"
    parts = []
    for part in ("train", "test"):
        words, lengths, labels = read_npz(
            path, [f"{part}_words", f"{part}_lengths", f"{part}_labels"]
        )
        whole = all(
            array.ndim == 1 and array.dtype.kind in "iu" for array in (words, lengths, labels)
        )
        check(
            whole
            and len(lengths) == len(labels) > 0
            and lengths.min() > 0
            and lengths.sum(dtype=np.int64) == len(words)
            and words.min() > 0
            and words.max() < 2**31
            and 0 <= labels.min()
            and labels.max() <= 1,
            path,
            "word ranks, review lengths that add up to them, and labels 0 or 1",
        )
        ends = np.cumsum(lengths, dtype=np.int64)
        reviews = np.split(words.astype(np.int32, copy=False), ends[:-1])
        parts.append((reviews, labels.astype(np.uint8)))
    return *parts, read_word_index(folder / "imdb_word_index.json")


def read_word_index(path: Path) -> dict[str, int]:
    """Read the ranks of the words, 1 being the commonest."""
    check_size(path)
    try:
        word_index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path.name} cannot be read ({error})") from error
    check(
        isinstance(word_index, dict)
        and len(word_index) > 0
        and all(isinstance(rank, int) and rank > 0 for rank in word_index.values()),
        path,
        "a rank for every word",
    )
    return word_index


def read_auto_mpg(folder: Path):
    """Read UCI's table of cars.

    Returns:
        A DataFrame with the columns `AUTO_MPG_COLUMNS`. All but `car_name` are numbers;
        an unknown horsepower is NaN.
    """
    import pandas as pd

    path = folder / "auto-mpg.data"
    check_size(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row has too many fields
            cars = pd.read_csv(
                path, sep=r"\s+", names=AUTO_MPG_COLUMNS, na_values="?", index_col=False
            )
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise DamagedFileError(f"{path.name} cannot be read ({error})") from error
    numbers = cars[AUTO_MPG_COLUMNS[:-1]]
    check(
        all(pd.api.types.is_numeric_dtype(kind) for kind in numbers.dtypes)
        and np.isfinite(numbers.fillna({"horsepower": 0})).all(axis=None)
        and cars.car_name.notna().all()
        and len(cars) == 398,
        path,
        "398 cars with 8 numbers and a name each",
    )
    return cars


def read_churn(folder: Path):
    """Read the table of a bank's customers.

    Returns:
        A DataFrame with the columns `CHURN_COLUMNS`; `Exited` is 1 for a customer who left.
    """
    import pandas as pd

    path = folder / "Churn_Modelling.csv"
    check_size(path)
    try:
        customers = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise DamagedFileError(f"{path.name} cannot be read ({error})") from error
    check(list(customers.columns) == CHURN_COLUMNS, path, f"the columns {', '.join(CHURN_COLUMNS)}")
    numbers = customers.drop(columns=["Surname", "Geography", "Gender"])
    check(
        all(pd.api.types.is_numeric_dtype(kind) for kind in numbers.dtypes)
        and np.isfinite(numbers).all(axis=None)
        and customers.notna().all(axis=None)
        and len(customers) == 10_000
        and customers.Exited.isin([0, 1]).all(),
        path,
        "10,000 customers with no empty field",
    )
    return customers


def read_housing(folder: Path):
    """Read the table of Californian districts, of the census of 1990.

    Returns:
        A DataFrame of float32 with the columns `HOUSING_COLUMNS` and `median_house_value`, in
        dollars. `median_income` is in units of 10,000 dollars a year.
    """
    import pandas as pd

    path = folder / "california_housing.npz"
    x, y = read_npz(path, ["x", "y"])
    check(
        x.dtype.kind == y.dtype.kind == "f"
        and x.ndim == 2
        and x.shape == (len(y), 8)
        and len(y) > 0
        and np.isfinite(x).all()
        and np.isfinite(y).all()
        and (x[:, 6] > 0).all()
        and (abs(x[:, 0] + 119.5) < 6).all()
        and (abs(x[:, 1] - 37) < 6).all(),
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
