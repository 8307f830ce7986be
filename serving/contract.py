"""The format of requests and responses: TensorFlow Serving's REST API.

Source: https://www.tensorflow.org/tfx/serving/api_rest. A client sends rows, `{"instances":
[...]}`, and receives `{"predictions": [...]}`; or it sends columns, `{"inputs": ...}`, and receives
`{"outputs": ...}`.
"""

import base64
import json

import numpy as np

from serving.served import Field, NoAnswer, ServedModel

MOST_ROWS = 1024  # in one request
LONGEST_TEXT = 65_536  # bytes
DTYPES = {"float16": "HALF", "float32": "FLOAT", "float64": "DOUBLE"}  # others: in capitals


def read_json(body: bytes):
    """Parse a body as JSON, rejecting NaN and infinity."""

    def refuse(word):
        raise NoAnswer(f"{word} is not valid JSON; send finite numbers only")

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise NoAnswer("the body is not JSON, or a number has thousands of digits") from None


def read_rows(body: bytes, model: ServedModel) -> tuple[dict[str, np.ndarray], bool]:
    """Parse and validate a request for predictions.

    Returns:
        For each input, an array of shape (n, ...) with its dtype; and whether the request is in
        columns.

    Raises:
        NoAnswer: if the request is invalid; the message says why.
    """
    request = read_json(body)
    if not isinstance(request, dict):
        raise NoAnswer('the body must be an object, {"instances": [...]} or {"inputs": ...}')
    unknown = set(request) - {"instances", "inputs", "signature_name"}
    if unknown:
        raise NoAnswer(
            f"unknown key {sorted(unknown)[0][:40]!r}; "
            'known keys: "instances", "inputs", "signature_name"'
        )
    if request.get("signature_name", "serving_default") not in ("serving_default", ""):
        raise NoAnswer('the only signature is "serving_default"')
    if ("instances" in request) == ("inputs" in request):
        raise NoAnswer('give either "instances" or "inputs"')
    by_column = "inputs" in request
    columns = (by_columns if by_column else by_rows)(
        request["inputs" if by_column else "instances"], model.inputs
    )
    arrays = {field.name: as_array(columns[field.name], field) for field in model.inputs}
    counts = {len(array) for array in arrays.values()}
    if len(counts) > 1:
        raise NoAnswer("the inputs have different numbers of rows")
    return arrays, by_column


def by_rows(instances, inputs: list[Field]) -> dict:
    """Convert a list of rows to a list of values per input."""
    if not isinstance(instances, list) or not instances:
        raise NoAnswer('"instances" must be a list with at least one row')
    if not any(isinstance(row, dict) and set(row) != {"b64"} for row in instances):
        if len(inputs) > 1:
            raise NoAnswer(f"each row must be an object with {names(inputs)}")
        return {inputs[0].name: instances}
    for row in instances:
        if not isinstance(row, dict):
            raise NoAnswer("either all rows or none must be objects")
        check_names(row, inputs)
    return {field.name: [row[field.name] for row in instances] for field in inputs}


def by_columns(columns, inputs: list[Field]) -> dict:
    """Return the columns of a request; a single input may be given without its name."""
    if not isinstance(columns, dict):
        if len(inputs) > 1:
            raise NoAnswer(f'"inputs" must be an object with {names(inputs)}')
        columns = {inputs[0].name: columns}
    check_names(columns, inputs)
    for name, values in columns.items():
        if not isinstance(values, list) or not values:
            raise NoAnswer(f"{name}: must be a list with at least one row")
    return columns


def names(inputs: list[Field]) -> str:
    """Return the names of the inputs, separated by commas."""
    return ", ".join(field.name for field in inputs)


def check_names(given: dict, inputs: list[Field]) -> None:
    """Raise `NoAnswer` if an input is missing or unknown."""
    wanted = [field.name for field in inputs]
    for name in wanted:
        if name not in given:
            raise NoAnswer(f"{name} is missing; give {names(inputs)}")
    for name in given:
        if name not in wanted:
            raise NoAnswer(f"unknown input {name[:40]!r}; give {names(inputs)}")


def as_array(values: list, field: Field) -> np.ndarray:
    """Convert the rows of one input to an array of its dtype and shape."""
    if len(values) > MOST_ROWS:
        raise NoAnswer(f"at most {MOST_ROWS} rows per request, not {len(values)}", 413)
    # As objects: if one value is a string, NumPy would convert all numbers to strings of its size.
    array = np.array(values, dtype=object)
    if field.shape[-1:] == (1,) and array.ndim == len(field.shape):
        array = array[..., np.newaxis]  # the last axis of size 1 is optional
    kinds = set(map(type, array.flat))
    if list in kinds:
        raise NoAnswer(f"{field.name}: the rows have different shapes")
    shape = array.shape[1:]
    if not (array.size and field.takes(shape)):
        raise NoAnswer(
            f"{field.name}: a row must have the shape {list(field.shape)}, not {list(shape)}"
        )
    if field.dtype == "string":
        if not kinds <= {str, dict}:
            raise NoAnswer(f"{field.name}: must be text")
        texts = [as_bytes(value, field) for value in array.flat]
        return np.array(texts, dtype=object).reshape(array.shape)
    if field.dtype == "bool":
        if kinds != {bool}:
            raise NoAnswer(f"{field.name}: must be true or false")
        return array.astype(bool)
    if not kinds <= {int, float}:
        raise NoAnswer(f"{field.name}: must be numbers")
    return fit(array, float in kinds, field)


def as_bytes(value: str | dict, field: Field) -> bytes:
    """Encode a string as UTF-8, or decode `{"b64": ...}`, which holds binary data."""
    try:
        if isinstance(value, str):
            data = value.encode()
        elif isinstance(value.get("b64"), str) and len(value) == 1:
            data = base64.b64decode(value["b64"], validate=True)
        else:
            raise NoAnswer(f'{field.name}: must be text or {{"b64": ...}}')
    except ValueError:
        raise NoAnswer(f"{field.name}: a text is not valid UTF-8 or base64") from None
    if len(data) > LONGEST_TEXT:
        raise NoAnswer(f"{field.name}: a text has more than {LONGEST_TEXT:,} bytes", 413)
    return data


def fit(array: np.ndarray, has_floats: bool, field: Field) -> np.ndarray:
    """Convert numbers to the dtype of an input; reject those that do not fit."""
    if field.dtype.startswith(("int", "uint")):
        limits = np.iinfo(field.dtype)
        within = limits.min <= array.min() and array.max() <= limits.max
        if not within or (has_floats and (array % 1).any()):
            raise NoAnswer(f"{field.name}: must be whole numbers from {limits.min} to {limits.max}")
        return array.astype(field.dtype)
    try:
        with np.errstate(over="ignore"):
            array = array.astype("float64").astype(field.dtype)
    except OverflowError:  # an integer too large for a float
        array = np.array(np.inf)
    if not np.isfinite(array).all():
        raise NoAnswer(f"{field.name}: a number is too large")
    return array


def spell(answers: dict[str, np.ndarray], by_column: bool) -> dict:
    """Format the response to a request in rows or columns."""
    lists = {name: as_list(name, values) for name, values in answers.items()}
    if by_column:
        return {"outputs": lists if len(lists) > 1 else next(iter(lists.values()))}
    if len(lists) == 1:
        return {"predictions": next(iter(lists.values()))}
    rows = zip(*lists.values(), strict=True)
    return {"predictions": [dict(zip(lists, row, strict=True)) for row in rows]}


def as_list(name: str, values: np.ndarray) -> list:
    """Convert an output to lists. Binary strings become `{"b64": ...}`."""
    if values.dtype.kind in "biuc":
        return values.tolist()
    if values.dtype != object:
        return values.astype("float64").tolist()
    spelled = np.empty_like(values)
    for place, data in np.ndenumerate(values):
        try:
            spelled[place] = data.decode()
        except ValueError:
            spelled[place] = None
        if spelled[place] is None or name.endswith("_bytes"):  # as TensorFlow Serving does
            spelled[place] = {"b64": base64.b64encode(data).decode()}
    return spelled.tolist()


def status() -> dict:
    """Return the model's status: version 1 is available."""
    return {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def metadata(model: ServedModel) -> dict:
    """Describe a model's inputs and outputs in TensorFlow Serving's format."""

    def describe(fields):
        return {
            field.name: {
                "dtype": "DT_" + DTYPES.get(field.dtype, field.dtype.upper()),
                "tensor_shape": {
                    "dim": [
                        {"size": str(-1 if size is None else size), "name": ""}
                        for size in (None, *field.shape)
                    ],
                    "unknown_rank": False,
                },
                "name": f"serving_default_{field.name}:0",
            }
            for field in fields
        }

    signature = {
        "inputs": describe(model.inputs),
        "outputs": describe(model.outputs),
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": "1"},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}
        | ({"classes": model.classes} if model.classes else {}),
    }
