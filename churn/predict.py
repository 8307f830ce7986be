"""`--predict FILE`: ask the newest saved model about one customer."""

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
TEXTS = {"Geography": "country", "Gender": "gender"}  # column -> the layer that knows its values
YES_OR_NO = ["HasCrCard", "IsActiveMember"]
LARGEST = 10**9
NOT_USED = ["RowNumber", "CustomerId", "Surname", "Exited"]  # the table has them; no need to delete


def answer_if_asked(lesson) -> None:
    """Answer for the customer in the file that `--predict` names, and exit; else do nothing.

    Args:
        lesson: has `predict`, the file: a JSON object of raw columns, such as customer.json beside
            this file; and `out`, where the runs are.

    Raises:
        SystemExit: if it has answered; or if the file or a field of it is not what it should be, or
            there is no model.
    """
    if lesson.predict:
        answer(lesson.predict, lesson)
        raise SystemExit


def answer(path: Path, lesson) -> None:
    """Print the probability that the customer in a JSON file leaves."""
    customer = read_customer(path)
    records = [
        run
        for run in runs.finished_runs(lesson.out, "churn")
        if "tensorflow" in run["versions"] and lesson.data in ("auto", run["data"])
    ]
    if not records:
        kind = "" if lesson.data == "auto" else f" on {lesson.data} data"
        fail(
            f"--predict: {lesson.out} holds no finished run of churn on TensorFlow{kind}; "
            "first train: python churn/churn.py"
        )
    record = records[-1]
    print("churn: starting Keras ...", flush=True)
    start_keras(("tensorflow",), device=lesson.device)  # the model reads texts
    import keras

    model_file = record["folder"] / "model.keras"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is raised, or seen below
            model = keras.models.load_model(model_file)
        vocabularies = {
            name: model.get_layer(layer).get_vocabulary() for name, layer in TEXTS.items()
        }
    except Exception as error:  # a damaged file makes Keras raise any kind
        fail(
            f"--predict: {model_file}: is no model of this lesson ({error}); "
            "remove that folder, or train again: python churn/churn.py"
        )
    for name, vocabulary in vocabularies.items():
        known = sorted(map(str, vocabulary))
        if customer[name] not in known:
            fail(
                f"--predict {path}: {name} {customer[name]!r} is unknown; "
                f"the model knows {', '.join(known)}"
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
    print(
        f"answer: {'leaves' if probability >= threshold else 'stays'} (threshold {threshold:.3f})"
    )


def read_customer(path: Path) -> dict:
    """Read and check the fields of a customer."""
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
        fail(f"--predict {path}: must hold one customer, {{...}}; see churn/customer.json")
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
            fail(f"--predict {path}: {name} must be a text, not {json.dumps(customer[name])}")
    return customer


def check_number(path: Path, name: str, value) -> None:
    """Fail unless a field is a number that a customer can have."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        fail(f"--predict {path}: {name} must be a number, not {json.dumps(value)}")
    if name in YES_OR_NO and value not in (0, 1):
        fail(f"--predict {path}: {name} must be 0 or 1, not {value}")
    if not 0 <= value <= LARGEST:
        fail(
            f"--predict {path}: {name} must be from 0 to {LARGEST:,}, not {json.dumps(value)[:20]}"
        )
