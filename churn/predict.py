"""`--predict FILE`: predict with the newest saved model whether a customer leaves."""

import difflib
import json
import warnings
from pathlib import Path

from common import runs
from common.errors import fail
from common.files import read_text
from common.startup import start_keras

NUMBERS = [
    "CreditScore",
    "Age",
    "Tenure",
    "Balance",
    "NumOfProducts",
    "HasCrCard",
    "IsActiveMember",
    "EstimatedSalary",
]
TEXTS = {"Geography": "country", "Gender": "gender"}  # column -> its lookup layer
YES_OR_NO = ["HasCrCard", "IsActiveMember"]
LARGEST = 10**9
NOT_USED = ["RowNumber", "CustomerId", "Surname", "Exited"]  # accepted, because the table has them


def answer_if_asked(lesson) -> None:
    """If `--predict` was given, print the prediction for that customer and exit.

    Args:
        lesson: the `frame.lesson.Lesson`. Its `predict` is the path of a JSON object of raw
            columns, such as customer.json in this folder, or None; its `out` is the runs' folder.

    Raises:
        SystemExit: after the prediction, or if the file is invalid or there is no trained model.
    """
    if lesson.predict:
        answer(lesson.predict, lesson)
        raise SystemExit


def answer(path: Path, lesson) -> None:
    """Print the predicted probability that the customer in a JSON file leaves."""
    customer = read_customer(path)
    records = [
        run
        for run in runs.finished_runs(lesson.out, "churn")
        if "tensorflow" in run["versions"] and lesson.data in ("auto", run["data"])
    ]
    if not records:
        kind = "" if lesson.data == "auto" else f" on {lesson.data} data"
        fail(
            f"--predict: {lesson.out} contains no finished run of churn on TensorFlow{kind}; "
            "first train: python churn/churn.py"
        )
    record = records[-1]
    print("churn: starting Keras ...", flush=True)
    start_keras(("tensorflow",), device=lesson.device)  # strings need TensorFlow
    import keras

    model_file = record["folder"] / "model.keras"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # real problems raise an error
            model = keras.models.load_model(model_file)
        vocabularies = {
            name: model.get_layer(layer).get_vocabulary() for name, layer in TEXTS.items()
        }
    except Exception as error:  # for a damaged file Keras may raise any type
        fail(
            f"--predict: {model_file}: not a model of this lesson ({error}); "
            "remove that folder, or train again: python churn/churn.py"
        )
    for name, vocabulary in vocabularies.items():
        known = sorted(map(str, vocabulary))
        if customer[name] not in known:
            fail(
                f"--predict {path}: {name} {customer[name]!r} is unknown; "
                f"known values: {', '.join(known)}"
            )
    columns = {
        name: keras.ops.convert_to_tensor(
            [[customer[name]]], "float32" if name in NUMBERS else "string"
        )
        for name in [*NUMBERS, *TEXTS]
    }
    probability = float(model(columns)[0, 0])
    threshold = record["metrics"]["threshold"]
    print(f"model: {model_file} ({record['data']} data, {record['epochs']} epochs)")
    print(f"probability of leaving: {probability:.3f}")
    prediction = "leaves" if probability >= threshold else "stays"
    print(f"prediction: {prediction} (threshold {threshold:.3f})")


def read_customer(path: Path) -> dict:
    """Read a customer from a JSON file and validate its fields."""
    try:
        customer = json.loads(read_text(path))
    except OSError as error:
        fail(
            f"--predict {path}: cannot be read ({error.strerror}); name a JSON file "
            "such as churn/customer.json"
        )
    except (ValueError, RecursionError) as error:
        fail(f"--predict {path}: is not JSON ({error}); see churn/customer.json")
    if not isinstance(customer, dict):
        fail(f"--predict {path}: must contain one JSON object, {{...}}; see churn/customer.json")
    wanted = [*NUMBERS, *TEXTS]
    for name in customer:
        if name not in [*wanted, *NOT_USED]:
            close = difflib.get_close_matches(name, wanted, 1)
            fail(
                f"--predict {path}: unknown field {name!r}; "
                + (f"did you mean {close[0]!r}?" if close else f"fields: {', '.join(wanted)}")
            )
    missing = [name for name in wanted if name not in customer]
    if missing:
        fail(f"--predict {path}: the field {', '.join(missing)} is missing; add it")
    for name in NUMBERS:
        check_number(path, name, customer[name])
    for name in TEXTS:
        if not isinstance(customer[name], str):
            fail(f"--predict {path}: {name} must be a string, not {json.dumps(customer[name])}")
    return customer


def check_number(path: Path, name: str, value) -> None:
    """Exit with an error unless a field is a number in its valid range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        fail(f"--predict {path}: {name} must be a number, not {json.dumps(value)}")
    if name in YES_OR_NO and value not in (0, 1):
        fail(f"--predict {path}: {name} must be 0 or 1, not {value}")
    if not 0 <= value <= LARGEST:
        fail(
            f"--predict {path}: {name} must be from 0 to {LARGEST:,}, not {json.dumps(value)[:20]}"
        )
