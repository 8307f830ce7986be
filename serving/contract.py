"""What a request may say and what the answer looks like: TensorFlow Serving's REST interface.

Source: https://www.tensorflow.org/tfx/serving/api_rest. A client sends rows, `{"instances":
[...]}`, and gets `{"predictions": [...]}`; or columns, `{"inputs": ...}`, and gets `{"outputs":
...}`.
"""

import base64
import json

import numpy as np

from serving.served import Field, NoAnswer, ServedModel

MOST_ROWS = 1024  # in one request
LONGEST_TEXT = 65_536  # bytes
DTYPES = {"float16": "HALF", "float32": "FLOAT", "float64": "DOUBLE"}  # others: as in Keras


def read_json(body: bytes):
    """Read a body as JSON. NaN and infinity are no JSON."""

    def refuse(word):
        raise NoAnswer(f"{word} is not JSON; send numbers only")

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise NoAnswer("the body is not JSON, or has a number of thousands of digits") from None


def read_rows(body: bytes, model: ServedModel) -> tuple[dict[str, np.ndarray], bool]:
    """Read a request for predictions.

    Returns:
        For each input an array of shape (n, ...) of its dtype, and whether the request has columns.

    Raises:
        NoAnswer: says what is wrong.
    """
    request = read_json(body)
    if not isinstance(request, dict):
        raise NoAnswer('the body must be an object, {"instances": [...]} or {"inputs": ...}')
    unknown = set(request) - {"instances", "inputs", "signature_name"}
    if unknown:
        raise NoAnswer(
            f"unknown key {sorted(unknown)[0][:40]!r}; "
            'known: "instances", "inputs", "signature_name"'
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
    """Turn a list of rows into a list for each input."""
    if not isinstance(instances, list) or not instances:
        raise NoAnswer('"instances" must be a list with at least one row')
    if not any(isinstance(row, dict) and set(row) != {"b64"} for row in instances):
        if len(inputs) > 1:
            raise NoAnswer(f"each row must be an object with {names(inputs)}")
        return {inputs[0].name: instances}
    for row in instances:
        if not isinstance(row, dict):
            raise NoAnswer("either all rows are objects, or none is")
        check_names(row, inputs)
    return {field.name: [row[field.name] for row in instances] for field in inputs}


def by_columns(columns, inputs: list[Field]) -> dict:
    """Read an object of columns; if there is one input only, it may come alone."""
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
    """List the inputs' names."""
    return ", ".join(field.name for field in inputs)


def check_names(given: dict, inputs: list[Field]) -> None:
    """Refuse missing and unknown inputs."""
    wanted = [field.name for field in inputs]
    for name in wanted:
        if name not in given:
            raise NoAnswer(f"{name} is missing; give {names(inputs)}")
    for name in given:
        if name not in wanted:
            raise NoAnswer(f"unknown input {name[:40]!r}; give {names(inputs)}")


def as_array(values: list, field: Field) -> np.ndarray:
    """Turn the rows of one input into an array of its dtype and shape."""
    if len(values) > MOST_ROWS:
        raise NoAnswer(f"at most {MOST_ROWS} rows in one request, not {len(values)}", 413)
    # As objects: beside a text NumPy would make texts of all numbers, each as long as the longest.
    array = np.array(values, dtype=object)
    if field.shape[-1:] == (1,) and array.ndim == len(field.shape):
        array = array[..., np.newaxis]  # grey pictures and single values may come without the 1
    shape = array.shape[1:]
    if not (array.size and field.takes(shape)):
        raise NoAnswer(
            f"{field.name}: a row must have the shape {list(field.shape)}, not {list(shape)}"
        )
    kinds = set(map(type, array.flat))
    if list in kinds:
        raise NoAnswer(f"{field.name}: the rows have different shapes")
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
    """Encode a text; what is not text comes as `{"b64": ...}`."""
    try:
        if isinstance(value, str):
            data = value.encode()
        elif isinstance(value.get("b64"), str) and len(value) == 1:
            data = base64.b64decode(value["b64"], validate=True)
        else:
            raise NoAnswer(f'{field.name}: must be text or {{"b64": ...}}')
    except ValueError:
        raise NoAnswer(f"{field.name}: a text is no UTF-8, or no base64") from None
    if len(data) > LONGEST_TEXT:
        raise NoAnswer(f"{field.name}: a text has more than {LONGEST_TEXT:,} bytes", 413)
    return data


def fit(array: np.ndarray, has_floats: bool, field: Field) -> np.ndarray:
    """Convert numbers to the dtype of an input; refuse those that it cannot hold."""
    if field.dtype.startswith(("int", "uint")):
        limits = np.iinfo(field.dtype)
        within = limits.min <= array.min() and array.max() <= limits.max
        if not within or (has_floats and (array % 1).any()):
            raise NoAnswer(f"{field.name}: must be whole numbers from {limits.min} to {limits.max}")
        return array.astype(field.dtype)
    try:
        with np.errstate(over="ignore"):
            array = array.astype("float64").astype(field.dtype)
    except OverflowError:  # a whole number beyond all floats
        array = np.array(np.inf)
    if not np.isfinite(array).all():
        raise NoAnswer(f"{field.name}: a number is too large")
    return array


def spell(answers: dict[str, np.ndarray], by_column: bool) -> dict:
    """Make the answer to a request of rows or of columns."""
    lists = {name: as_list(name, values) for name, values in answers.items()}
    if by_column:
        return {"outputs": lists if len(lists) > 1 else next(iter(lists.values()))}
    if len(lists) == 1:
        return {"predictions": next(iter(lists.values()))}
    rows = zip(*lists.values(), strict=True)
    return {"predictions": [dict(zip(lists, row, strict=True)) for row in rows]}


def as_list(name: str, values: np.ndarray) -> list:
    """Spell an output. 16-bit floats become Python's; text that is none becomes `{"b64": ...}`."""
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
        if spelled[place] is None or name.endswith("_bytes"):  # as TensorFlow Serving has it
            spelled[place] = {"b64": base64.b64encode(data).decode()}
    return spelled.tolist()


def status() -> dict:
    """Say that the one version of a model is there."""
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
    """Describe what a model takes and gives."""

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
