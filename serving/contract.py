"""What a request may say and what the answer looks like: TensorFlow Serving's REST interface.

Source: https://www.tensorflow.org/tfx/serving/api_rest. A client sends rows, `{"instances":
[...]}`, and gets `{"predictions": [...]}`; or columns, `{"inputs": ...}`, and gets `{"outputs":
...}`.
"""

import json

import numpy as np

from serving.served import BadRequest, Field, ServedModel

MOST_ROWS = 1024  # in one request
DTYPES = {
    "uint8": "DT_UINT8",
    "int32": "DT_INT32",
    "int64": "DT_INT64",
    "float16": "DT_HALF",
    "float32": "DT_FLOAT",
    "bfloat16": "DT_BFLOAT16",
    "string": "DT_STRING",
}


def read_json(body: bytes):
    """Read a body as JSON. NaN and infinity are no JSON."""

    def refuse(word):
        raise BadRequest(f"{word} is not JSON; send numbers only")

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None


def read_rows(body: bytes, model: ServedModel) -> tuple[dict[str, np.ndarray], bool]:
    """Read a request for predictions.

    Returns:
        For each input an array of shape (n, ...) of its dtype, and whether the request has columns.

    Raises:
        BadRequest: says what is wrong.
    """
    request = read_json(body)
    if not isinstance(request, dict):
        raise BadRequest('the body must be an object, {"instances": [...]} or {"inputs": ...}')
    unknown = set(request) - {"instances", "inputs", "signature_name"}
    if unknown:
        raise BadRequest(
            f"unknown key {sorted(unknown)[0][:40]!r}; "
            'known: "instances", "inputs", "signature_name"'
        )
    if request.get("signature_name", "serving_default") != "serving_default":
        raise BadRequest('the only signature is "serving_default"')
    if ("instances" in request) == ("inputs" in request):
        raise BadRequest('give either "instances" or "inputs"')
    by_column = "inputs" in request
    columns = (by_columns if by_column else by_rows)(
        request["inputs" if by_column else "instances"], model.inputs
    )
    arrays = {field.name: as_array(columns[field.name], field) for field in model.inputs}
    counts = {len(array) for array in arrays.values()}
    if len(counts) > 1:
        raise BadRequest("the inputs have different numbers of rows")
    return arrays, by_column


def by_rows(instances, inputs: list[Field]) -> dict:
    """Turn a list of rows into a list for each input."""
    if not isinstance(instances, list) or not instances:
        raise BadRequest('"instances" must be a list with at least one row')
    if not any(isinstance(row, dict) for row in instances):
        if len(inputs) > 1:
            raise BadRequest(f"each row must be an object with {names(inputs)}")
        return {inputs[0].name: instances}
    for row in instances:
        if not isinstance(row, dict):
            raise BadRequest("either all rows are objects, or none is")
        check_names(row, inputs)
    return {field.name: [row[field.name] for row in instances] for field in inputs}


def by_columns(columns, inputs: list[Field]) -> dict:
    """Read an object of columns; if there is one input only, it may come alone."""
    if not isinstance(columns, dict):
        if len(inputs) > 1:
            raise BadRequest(f'"inputs" must be an object with {names(inputs)}')
        columns = {inputs[0].name: columns}
    check_names(columns, inputs)
    for name, values in columns.items():
        if not isinstance(values, list) or not values:
            raise BadRequest(f"{name}: must be a list with at least one row")
    return columns


def names(inputs: list[Field]) -> str:
    """List the inputs' names."""
    return ", ".join(field.name for field in inputs)


def check_names(given: dict, inputs: list[Field]) -> None:
    """Refuse missing and unknown inputs."""
    wanted = [field.name for field in inputs]
    for name in wanted:
        if name not in given:
            raise BadRequest(f"{name} is missing; give {names(inputs)}")
    for name in given:
        if name not in wanted:
            raise BadRequest(f"unknown input {name[:40]!r}; give {names(inputs)}")


def as_array(values: list, field: Field) -> np.ndarray:
    """Turn the rows of one input into an array of its dtype and shape."""
    if len(values) > MOST_ROWS:
        raise BadRequest(f"at most {MOST_ROWS} rows in one request, not {len(values)}", 413)
    try:
        array = np.array(values)
    except (ValueError, OverflowError, RecursionError):
        raise BadRequest(f"{field.name}: the rows have different shapes") from None
    expected = (*field.shape,)
    if array.shape[1:] == expected[:-1] and expected[-1:] == (1,):
        array = array[
            ..., np.newaxis
        ]  # grey pictures and single values may come without the last 1
    if array.shape[1:] != expected:
        raise BadRequest(
            f"{field.name}: a row must have the shape {list(expected)}, not {list(array.shape[1:])}"
        )
    if field.dtype == "string":
        if array.dtype.kind != "U":
            raise BadRequest(f"{field.name}: must be text")
        return array
    if array.dtype.kind not in "iuf":
        raise BadRequest(f"{field.name}: must be numbers")
    return fit(array, field)


def fit(array: np.ndarray, field: Field) -> np.ndarray:
    """Convert numbers to the dtype of an input; refuse those that it cannot hold."""
    if field.dtype.startswith(("int", "uint")):
        limits = np.iinfo(field.dtype)
        whole = array.dtype.kind in "iu" or (array == np.floor(array)).all()
        if not whole or array.min() < limits.min or array.max() > limits.max:
            raise BadRequest(
                f"{field.name}: must be whole numbers from {limits.min} to {limits.max}"
            )
        return array.astype(field.dtype)
    with np.errstate(over="ignore"):
        array = array.astype(field.dtype)
    if not np.isfinite(array).all():
        raise BadRequest(f"{field.name}: a number is too large")
    return array


def spell(answers: dict[str, np.ndarray], by_column: bool) -> dict:
    """Make the answer to a request of rows or of columns."""
    lists = {name: values.astype("float64").tolist() for name, values in answers.items()}
    if by_column:
        return {"outputs": lists if len(lists) > 1 else next(iter(lists.values()))}
    if len(lists) == 1:
        return {"predictions": next(iter(lists.values()))}
    rows = zip(*lists.values(), strict=True)
    return {"predictions": [dict(zip(lists, row, strict=True)) for row in rows]}


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
                "dtype": DTYPES.get(field.dtype, "DT_INVALID"),
                "tensor_shape": {
                    "dim": [{"size": str(size), "name": ""} for size in (-1, *field.shape)],
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
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }
