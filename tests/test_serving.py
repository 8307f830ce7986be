"""serving/: TensorFlow Serving's REST API, pictures, invalid and concurrent requests."""

import base64
import contextlib
import gzip
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import ENVIRONMENT, ROOT
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from serving import batching, bodies, connections, contract, pictures
from serving.app import create_app
from serving.describe import example_row
from serving.serve import is_loopback, listen, read_flags, url
from serving.served import NoAnswer, ServedModel
from tools import ask


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory):
    """A saved network for digits, in the format of mnist/."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    model = keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ])
    path = tmp_path_factory.mktemp("served") / "model.keras"
    model.save(path)
    (path.parent / "run.json").write_text(json.dumps({"classes": list("0123456789")}))
    return path


@pytest.fixture(scope="module")
def model(digits_file):
    return ServedModel(digits_file, "mnist")


@pytest.fixture(scope="module")
def digits():
    """Random pictures and labels."""
    random = np.random.default_rng(1)
    return random.integers(256, size=(20, 28, 28), dtype="uint8"), random.integers(10, size=20)


@pytest.fixture(scope="module")
def client(model, digits):
    with TestClient(create_app(model, digits), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def live(model):
    """The address of a running service, started as in serve.py."""
    server = connections.make_server(create_app(model))
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


def saved(folder, outputs, *inputs, classes=None) -> ServedModel:
    """Save a model and its class names, and load it for serving."""
    import keras

    keras.Model(inputs, outputs).save(folder / "model.keras")
    (folder / "run.json").write_text(json.dumps({"classes": classes}))
    return ServedModel(folder / "model.keras", "mine")


@contextlib.contextmanager
def client_of(model, *args, **kwargs):
    """A client with its own service."""
    app = create_app(model, *args)
    with TestClient(app, raise_server_exceptions=False, **kwargs) as client:
        yield client


def ask_for(model, **body):
    """Request predictions from a service that runs only for this request."""
    with client_of(model) as client:
        return client.post("/v1/models/mine:predict", **body)


@pytest.fixture(scope="module")
def customers(tmp_path_factory):
    """A model of raw text and number columns, as in churn/, and its client."""
    import keras
    from keras import layers

    country = layers.StringLookup(vocabulary=["France", "Spain"], output_mode="one_hot")
    inputs = {
        "Geography": keras.Input((1,), name="Geography", dtype="string"),
        "Age": keras.Input((1,), name="Age"),
    }
    both = layers.Concatenate()([country(inputs["Geography"]), inputs["Age"]])
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(both))
    path = tmp_path_factory.mktemp("served") / "model.keras"
    model.save(path)
    served = ServedModel(path, "churn")
    with TestClient(create_app(served), raise_server_exceptions=False) as client:
        yield model, client


PREDICT = "/v1/models/mnist:predict"


def test_predict_row_and_column_formats(client, model, digits):
    images = digits[0][:3, ..., None]
    expected = model.model.predict(images, verbose=0)
    rows = client.post(PREDICT, json={"instances": images.tolist()})
    assert rows.status_code == 200 and list(rows.json()) == ["predictions"]
    assert np.allclose(rows.json()["predictions"], expected, atol=1e-5)
    named = [{model.inputs[0].name: image} for image in images.tolist()]
    named = client.post(PREDICT, json={"instances": named, "signature_name": "serving_default"})
    assert named.json() == rows.json()
    columns = client.post(PREDICT, json={"inputs": images.tolist()})
    assert columns.json() == {"outputs": rows.json()["predictions"]}
    versioned = client.post(
        "/v1/models/mnist/versions/1:predict",
        json={"inputs": {model.inputs[0].name: images.tolist()}},
    )
    assert versioned.json() == columns.json()


def test_channel_axis_is_optional(client, digits):
    flat = client.post(PREDICT, json={"instances": digits[0][:1].tolist()})
    assert (
        flat.json()
        == client.post(PREDICT, json={"instances": digits[0][:1, ..., None].tolist()}).json()
    )


def test_model_status_and_metadata(client, model):
    state = client.get("/v1/models/mnist").json()["model_version_status"]
    assert state == [
        {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    ]
    told = client.get("/v1/models/mnist/metadata").json()
    assert told["model_spec"]["name"] == "mnist"
    signature = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
    taken = signature["inputs"][model.inputs[0].name]
    assert taken["dtype"] == "DT_UINT8"
    assert [one["size"] for one in taken["tensor_shape"]["dim"]] == ["-1", "28", "28", "1"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "path",
    ["/v1/models/other", "/v1/models/other/metadata", "/v1/models/mnist/versions/7", "/nowhere"],
)
def test_unknown_path_is_404(client, path):
    answer = client.get(path)
    assert answer.status_code == 404 and answer.json()["error"]


def test_predict_raw_columns(customers):
    model, client = customers
    rows = [{"Geography": "Spain", "Age": 40}, {"Geography": "Nowhere", "Age": 20.5}]
    answer = client.post("/v1/models/churn:predict", json={"instances": rows})
    import keras

    columns = {
        "Geography": keras.ops.convert_to_tensor([["Spain"], ["Nowhere"]]),
        "Age": keras.ops.convert_to_tensor([[40], [20.5]]),
    }
    assert np.allclose(answer.json()["predictions"], np.array(model(columns)), atol=1e-5)
    by_column = {"Geography": [["Spain"], ["Nowhere"]], "Age": [[40], [20.5]]}
    answer_2 = client.post("/v1/models/churn:predict", json={"inputs": by_column})
    assert answer_2.json()["outputs"] == answer.json()["predictions"]
    for row in (
        {"Geography": 3, "Age": 40},
        {"Geography": "Spain"},
        {"Geography": "Spain", "Age": "x"},
        {"Geography": "Spain", "Age": 1e300},
        {"Geography": "Spain", "Age": 1, "b": 2},
    ):
        assert client.post("/v1/models/churn:predict", json={"instances": [row]}).status_code == 400
    assert client.get("/").status_code == 404  # it has no drawing page


PICTURE = [[0] * 28] * 28
WRONG_BODIES = [
    b"",
    b"x",
    b"[]",
    b"{}",
    b"null",
    b"\xff",
    b'{"instances": []}',
    b'{"instances": 3}',
    b'{"instances": [[1, 2]]}',
    b'{"instances": [[[1], [2, 3]]]}',
    b'{"instances": ["text"]}',
    b'{"instances": [null]}',
    b'{"instances": [{}]}',
    b'{"instances": [{"no": 1}]}',
    b'{"instances": [1], "inputs": [1]}',
    b'{"instances": [1], "other": 1}',
    b"[" * 100_000,
    b'{"inputs": {}}',
    b'{"inputs": {"no": [1]}}',
    b'{"inputs": "text"}',
    b'{"signature_name": "other", "instances": [1]}',
    b'{"signature_name": [], "instances": [1]}',
    b'{"instances": [' + b"9" * 5000 + b"]}",
    json.dumps({"instances": [[[300] * 28] * 28]}).encode(),
    json.dumps({"instances": [[[-1] * 28] * 28]}).encode(),
    json.dumps({"instances": [[[0.5] * 28] * 28]}).encode(),
    json.dumps({"instances": [[[True] * 28] * 28]}).encode(),
    json.dumps({"instances": [[[float("nan")] * 28] * 28]}).encode(),
    json.dumps({"instances": [[[float("inf")] * 28] * 28]}).encode(),
    json.dumps({"instances": [[["1"] * 28] * 28]}).encode(),
    json.dumps({"instances": [PICTURE, [[0] * 27] * 28]}).encode(),
]


@pytest.mark.parametrize("body", WRONG_BODIES, ids=lambda body: body[:40].decode("latin-1"))
def test_invalid_body_is_400_with_message(client, body):
    answer = client.post(PREDICT, content=body)
    assert answer.status_code == 400
    (message,) = answer.json().values()
    assert 5 < len(message) < 300 and "/" not in message and "Traceback" not in message


def test_oversized_request_is_413(client, monkeypatch):
    many = {"instances": [PICTURE] * 1025}
    assert client.post(PREDICT, json=many).status_code == 413
    monkeypatch.setattr(bodies, "LARGEST_BODY", 1000)
    assert client.post(PREDICT, content=b" " * 1001).status_code == 413
    parts = (b" " * 600 for _ in range(2))  # no Content-Length
    assert client.post(PREDICT, content=parts).status_code == 413


def test_rows_of_different_shapes_are_called_that(model):
    body = json.dumps({"instances": [PICTURE, [[0] * 27] * 28]}).encode()
    with pytest.raises(NoAnswer, match="different shapes"):
        contract.read_rows(body, model)


def test_text_beside_numbers_takes_no_memory(model):
    body = json.dumps({"instances": ["x" * 300_000] + [""] * 1023}).encode()
    tracemalloc.start()
    with pytest.raises(NoAnswer, match="shape"):
        contract.read_rows(body, model)
    mixed = [[["x" * 300_000, *[0] * 27], *[[0] * 28] * 27]]
    with pytest.raises(NoAnswer, match="must be numbers"):
        contract.read_rows(json.dumps({"instances": mixed}).encode(), model)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("country", "status"),
    [
        ({"b64": base64.b64encode(b"Spain").decode()}, 200),
        ("Österreich \0", 200),
        ("x" * 65_537, 413),
        ("\ud800", 400),  # half of a pair: has no UTF-8
        ({"b64": "!"}, 400),
        ({"b64": 1}, 400),
        ({"b64": "", "other": 1}, 400),
        ({}, 400),
        (["Spain", "France"], 400),
    ],
)
def test_text_input(customers, country, status):
    _, client = customers
    row = {"Geography": country, "Age": 40}
    body = json.dumps({"instances": [row]}).encode()
    answer = client.post("/v1/models/churn:predict", content=body)
    assert answer.status_code == status
    if "b64" in str(country) and status == 200:
        row["Geography"] = "Spain"
        plain = client.post("/v1/models/churn:predict", json={"instances": [row]})
        assert answer.json() == plain.json()


def test_text_output_and_single_text_input(tmp_path):
    import keras
    from keras import layers

    given = keras.Input((1,), dtype="string", name="word")
    known = layers.StringLookup(vocabulary=["a", "b"])(given)
    named = layers.StringLookup(vocabulary=["a", "b"], invert=True, name="out")(known)
    model = saved(tmp_path, named, given)
    answer = ask_for(model, json={"instances": ["a", {"b64": base64.b64encode(b"b").decode()}]})
    assert answer.json() == {"predictions": [["a"], ["b"]]}
    assert contract.as_list("image_bytes", np.array([b"a"], object)) == [{"b64": "YQ=="}]
    assert contract.as_list("text", np.array([b"\xff"], object)) == [{"b64": "/w=="}]


@pytest.mark.parametrize(
    ("dtype", "name", "right", "wrong"),
    [
        ("bool", "DT_BOOL", [True, False], [1, "true", None]),
        ("int8", "DT_INT8", [-128, 127, 2.0], [128, True, 0.5]),
        ("uint16", "DT_UINT16", [65_535], [65_536, -1]),
        ("int64", "DT_INT64", [2**63 - 1, -(2**63), 2**53 + 1], [2**63, 10**400]),
        ("uint64", "DT_UINT64", [2**64 - 1, 0], [2**64, -1]),
        ("float16", "DT_HALF", [0.5, 65_504], [1e6]),
        ("float64", "DT_DOUBLE", [10**30, 1e300], [10**400, False]),
        ("bfloat16", "DT_BFLOAT16", [0.5, 10**30], [1e300]),
    ],
)
def test_numbers_of_every_dtype(tmp_path, dtype, name, right, wrong):
    import keras
    from keras import layers

    given = keras.Input((1,), dtype=dtype, name="x")
    policy = {"dtype": dtype} if "float" in dtype else {}  # whole numbers stay what they are
    model = saved(tmp_path, layers.Identity(name="out", **policy)(given), given)
    with client_of(model) as client:
        told = client.get("/v1/models/mine/metadata").json()["metadata"]
        (signature,) = told["signature_def"]["signature_def"].values()
        assert signature["inputs"]["x"]["dtype"] == signature["outputs"]["out"]["dtype"] == name
        answer = client.post("/v1/models/mine:predict", json={"instances": right})
        assert [value for (value,) in answer.json()["predictions"]] == (
            pytest.approx(right, rel=0.01) if "float" in dtype else right
        )
        example = {"instances": [example_row(model)]}
        assert client.post("/v1/models/mine:predict", json=example).status_code == 200
        for value in wrong:
            answer = client.post("/v1/models/mine:predict", json={"instances": [value]})
            assert answer.status_code == 400, value


def test_rows_of_any_length(tmp_path):
    import keras
    from keras import layers

    given = keras.Input((None, 2), name="x")
    model = saved(tmp_path, layers.GlobalMaxPooling1D()(given), given)
    model.warm_up()
    with client_of(model) as client:
        told = client.get("/v1/models/mine/metadata").text
        assert '"-1"' in told and "None" not in told
        lengths = [{"instances": [[[1, 2]] * length]} for length in range(1, 9)]
        with ThreadPoolExecutor(8) as threads:
            answers = threads.map(
                lambda body: client.post("/v1/models/mine:predict", json=body).json(), lengths
            )
        assert all(answer == {"predictions": [[1, 2]]} for answer in answers)
        assert client.post("/v1/models/mine:predict", json={"instances": [[]]}).status_code == 400


def test_gzip_body(client):
    body = json.dumps({"instances": [PICTURE]}).encode()

    def status(content, encoding="gzip"):
        headers = {"Content-Encoding": encoding, "Content-Type": "Application/JSON"}
        return client.post(PREDICT, content=content, headers=headers).status_code

    assert status(gzip.compress(body)) == status(gzip.compress(body), "GZIP") == 200
    assert status(body) == status(gzip.compress(body)[:50]) == 400
    assert status(gzip.compress(bytes(8_000_001))) == 413
    assert status(body, "br") == 415


def test_head_is_get_without_body(client):
    for path in ("/", "/health", "/v1/models/mnist", "/v1/models/mnist/metadata", "/docs"):
        answer = client.head(path)
        assert answer.status_code == 200 and answer.content == b""
        assert answer.headers["content-type"] == client.get(path).headers["content-type"]
    assert client.head("/nowhere").status_code == 404


def test_embedding_outside_its_words_is_400(tmp_path):
    import keras
    from keras import layers

    given = keras.Input((3,), dtype="int32")
    model = saved(tmp_path, layers.Embedding(10, 2)(given), given)
    assert ask_for(model, json={"instances": [[1, 2, 3]]}).status_code == 200
    assert ask_for(model, json={"instances": [[1, 2, 30]]}).status_code == 400


def test_answer_that_is_not_finite_is_500_with_one_line(tmp_path, caplog):
    import keras
    from keras import layers

    given = keras.Input((1,))
    model = saved(tmp_path, layers.Rescaling(1e38)(given), given)
    answer = ask_for(model, json={"instances": [1e38]})
    assert answer.status_code == 500 and "finite" in answer.json()["error"]
    (line,) = caplog.messages
    assert "\n" not in line and "finite" in line and not caplog.records[0].exc_info


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["instances", "inputs", "signature_name", "x"]), inner)
    ),
    max_leaves=20,
)


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(JSON)
def test_arbitrary_json_body_is_refused(client, body):
    answer = client.post(PREDICT, content=json.dumps(body).encode())
    assert answer.status_code in (400, 413) and answer.json()["error"]


def stroke(paper="white", ink="black", size=(200, 300), kind="PNG", at=(60, 80, 100, 220)):
    """Return an image file with a thick line."""
    picture = Image.new("RGB", size, paper)
    ImageDraw.Draw(picture).line(at, fill=ink, width=20)
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def test_picture_is_converted_to_mnist_format():
    digit = pictures.as_digit(stroke())
    assert digit.shape == (28, 28) and digit.dtype == np.uint8 and digit.max() == 255
    rows, columns = np.nonzero(digit)
    assert max(np.ptp(rows), np.ptp(columns)) == 19  # fits into 20x20
    weights = digit.astype(float)
    for axis in (0, 1):
        middle = (weights.sum(axis=1 - axis) * np.arange(28)).sum() / weights.sum()
        assert abs(middle - 13.5) <= 0.5
    moved = pictures.as_digit(stroke(at=(10, 120, 50, 260)))
    inverted = pictures.as_digit(stroke("black", "white"))
    jpeg = pictures.as_digit(stroke(kind="JPEG"))
    for other in (moved, inverted):
        assert np.abs(other.astype(int) - digit).max() <= 2
    assert np.abs(jpeg.astype(int) - digit).mean() < 5


def test_transparent_background_is_white():
    picture = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    ImageDraw.Draw(picture).line((50, 10, 50, 90), fill="black", width=10)
    file = io.BytesIO()
    picture.save(file, "PNG")
    assert pictures.as_digit(file.getvalue()).max() == 255


def png(pixels) -> bytes:
    """Encode an array as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_16_bit_picture_is_scaled():
    grey = np.asarray(Image.open(io.BytesIO(stroke("#f0f0f0", "#404040"))).convert("L"))
    digit = pictures.as_digit(png(grey.astype("uint16") * 257))
    assert np.array_equal(digit, pictures.as_digit(png(grey)))


@pytest.mark.parametrize("ink", ["white", "#fafafa", "yellow", "black"])
def test_ink_on_transparent_ground(ink):
    picture = Image.new("RGBA", (200, 300), (0, 0, 0, 0))
    ImageDraw.Draw(picture).line((60, 80, 100, 220), fill=ink, width=20)
    digit = pictures.as_digit(png(np.asarray(picture)))
    assert np.abs(digit.astype(int) - pictures.as_digit(stroke())).max() <= 2


@pytest.mark.parametrize(
    ("paper", "ink"),
    [("#008200", "#ff0000"), ("white", "yellow"), ("red", "black"), ("#c83232", "#327dc8")],
)
def test_coloured_ink_as_bright_as_its_paper(paper, ink):
    digit = pictures.as_digit(stroke(paper, ink))
    assert np.abs(digit.astype(int) - pictures.as_digit(stroke())).max() <= 2


@pytest.mark.parametrize("side", [300, 2000])
def test_dust_is_no_digit(client, side):
    page = np.full((side, side), 255, "uint8")
    page[10, 10] = page[-10, -20] = 0
    answer = client.post("/predict", content=png(page))
    assert answer.status_code == 400 and "empty" in answer.json()["error"]


def test_large_photo_is_looked_at_smaller():
    photo = stroke(size=(4000, 3000), kind="JPEG", at=(1200, 800, 1500, 2200))
    small = stroke(size=(400, 300), kind="JPEG", at=(120, 80, 150, 220))
    assert pictures.as_digit(photo).any() and pictures.as_digit(small).any()
    for kind, size in (("PNG", (5000, 1000)), ("JPEG", (5000, 4000))):
        with pytest.raises(NoAnswer) as refused:
            pictures.as_digit(stroke(size=size, kind=kind))
        assert refused.value.status == 413


def test_health_answers_while_a_picture_is_read(client, monkeypatch):
    reading = threading.Event()

    def slow(data):
        reading.set()
        time.sleep(1)
        raise NoAnswer("slow")

    monkeypatch.setattr(pictures, "as_digit", slow)
    with ThreadPoolExecutor(1) as thread:
        predicted = thread.submit(client.post, "/predict", content=b"x")
        assert reading.wait(10)
        began = time.perf_counter()
        assert client.get("/health").status_code == 200
        assert time.perf_counter() - began < 0.5
        assert predicted.result().status_code == 400


def test_all_bodies_together_are_limited(client, monkeypatch):
    monkeypatch.setattr(bodies, "MOST_HELD", 1000)
    assert client.post(PREDICT, content=b" " * 1001).status_code == 429
    assert client.post(PREDICT, content=b" " * 900).status_code == 400
    assert client.post(PREDICT, content=b" " * 900).status_code == 400  # the first is forgotten
    assert client.app.state.held == 0


def test_form_in_any_case(client):
    told = client.post("/predict", content=stroke()).json()
    body = (
        b'--Cut\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
        b'--Cut\r\ncontent-disposition: form-data; name=image; filename="a.png"\r\n\r\n'
        + stroke()
        + b"\r\n--Cut--\r\n"
    )
    headers = {"Content-Type": "Multipart/Form-Data; Boundary=Cut"}
    assert client.post("/predict", content=body, headers=headers).json() == told
    began = time.perf_counter()
    body = b"--Cut\r\n" + b"X: y\r\n" * 1_000_000
    assert client.post("/predict", content=body, headers=headers).status_code == 400
    assert time.perf_counter() - began < 2


def test_predict_picture(client, model):
    answer = client.post("/predict", content=stroke())
    told = answer.json()
    assert answer.status_code == 200 and told["success"] is True
    assert np.array_equal(told["image"], pictures.as_digit(stroke()))
    shares = [one["probability"] for one in told["predictions"]]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-5)
    expected = model.model.predict(np.array(told["image"], "uint8")[None, ..., None], verbose=0)[0]
    for one in told["predictions"]:
        assert one["probability"] == pytest.approx(expected[int(one["label"])], abs=1e-5)
    form = client.post("/predict", files={"image": ("digit.png", stroke(), "image/png")})
    assert form.json() == told


def decompression_bomb():
    """Return a small file that claims to have 60,000 x 60,000 pixels."""
    picture = bytearray(stroke())
    picture[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    picture[29:33] = zlib.crc32(picture[12:29]).to_bytes(4, "big")
    return bytes(picture)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"text", 400),
        (stroke()[:200], 400),
        (stroke(kind="GIF"), 400),
        (stroke(ink="white"), 400),
        (decompression_bomb(), 413),
        (stroke(kind="JPEG")[:300], 400),
    ],
)
def test_invalid_picture_is_refused(client, body, status):
    answer = client.post("/predict", content=body)
    assert answer.status_code == status and "/" not in answer.json()["error"]


@pytest.mark.parametrize(
    "form",
    [
        {"data": {"image": "text"}},
        {"files": {"other": b"x"}},
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=a"}},
    ],
)
def test_invalid_form_is_refused(client, form):
    assert client.post("/predict", **form).status_code == 400


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(st.sampled_from(["PNG", "JPEG"]), st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_damaged_picture_causes_no_server_error(client, kind, place, damage):
    body = bytearray(stroke(kind=kind))
    place %= len(body)
    body[place : place + len(damage)] = damage
    answer = client.post("/predict", content=bytes(body))
    assert answer.status_code in (200, 400, 413)


def test_explain_returns_pixel_importance(client):
    seen = client.post("/predict", content=stroke()).json()["image"]
    answer = client.post("/explain", json={"instances": [seen]})
    importance = np.array(answer.json()["importance"])
    assert importance.shape == (28, 28) and importance.min() == 0 and importance.max() <= 1
    assert importance[np.array(seen) > 0].mean() > importance[np.array(seen) == 0].mean()
    assert client.post("/explain", json={"instances": [seen, seen]}).status_code == 400


def test_digits_endpoint(client, digits):
    told = client.get("/digits/3").json()
    assert np.array_equal(told["image"], digits[0][3])
    assert (told["label"], told["count"]) == (digits[1][3], 20)
    assert client.get("/digits/20").status_code == 404
    assert client.get("/digits/x").status_code == 400


def test_pages_are_self_contained(client):
    for path, kind in (
        ("/", "text/html"),
        ("/page.js", "text/javascript"),
        ("/page.css", "text/css"),
        ("/docs", "text/html"),
    ):
        answer = client.get(path)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "://" not in answer.text and "style=" not in answer.text
        assert "server" not in answer.headers
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in client.get("/docs").text


def test_concurrent_requests_are_batched(client, model, digits, monkeypatch):
    predict, sizes = model.predict, []

    def slow(columns):
        sizes.append(len(next(iter(columns.values()))))
        time.sleep(0.02)
        return predict(columns)

    monkeypatch.setattr(model, "predict", slow)
    images = digits[0]
    with ThreadPoolExecutor(20) as threads:
        answers = list(
            threads.map(
                lambda image: client.post(PREDICT, json={"instances": [image.tolist()]}).json(),
                images,
            )
        )
    expected = model.model.predict(images[..., None], verbose=0)
    assert np.allclose([answer["predictions"][0] for answer in answers], expected, atol=1e-5)
    assert sum(sizes) == 20 and len(sizes) < 15


def test_overload_is_429(model, monkeypatch):
    monkeypatch.setattr(batching, "MOST_WAITING", 2)
    monkeypatch.setattr(batching, "LONGEST_WAIT", 0.5)
    monkeypatch.setattr(model, "predict", lambda columns: time.sleep(1))
    with TestClient(create_app(model), raise_server_exceptions=False) as client:
        body = {"instances": [PICTURE]}
        with ThreadPoolExecutor(8) as threads:
            codes = list(
                threads.map(lambda _: client.post(PREDICT, json=body).status_code, range(8))
            )
    assert set(codes) == {429}


def test_batcher_survives_a_model_that_answers_nonsense(model, monkeypatch):
    predict, answers = model.predict, [None, {"out": 3}]
    monkeypatch.setattr(
        model, "predict", lambda columns: answers.pop() if answers else predict(columns)
    )
    monkeypatch.setattr(batching, "LONGEST_WAIT", 5)
    with client_of(model) as client:
        codes = [client.post(PREDICT, json={"instances": [PICTURE]}).status_code for _ in range(3)]
    assert codes == [500, 500, 200]


def test_model_error_hides_details(model, monkeypatch, caplog):
    def fail(columns):
        raise RuntimeError("/secret/path\nmore")

    monkeypatch.setattr(model, "predict", fail)
    with TestClient(create_app(model), raise_server_exceptions=False) as client:
        answer = client.post(PREDICT, json={"instances": [PICTURE]})
    assert (answer.status_code, answer.json()) == (500, {"error": "the service failed"})
    (line,) = caplog.messages
    assert line == "POST '/v1/models/mnist:predict': RuntimeError: /secret/path more"
    assert not caplog.records[0].exc_info


CLOTHING = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker"]


@pytest.mark.parametrize(
    ("classes", "has_page"),
    [(list("56789"), True), (CLOTHING, False), (None, False), (["1", "2"], False)],
)
def test_page_and_names_are_those_of_the_classes(tmp_path, digits, classes, has_page):
    import keras
    from keras import layers

    given = keras.Input((28, 28), dtype="uint8")
    wide = 3 if classes == ["1", "2"] else len(classes or CLOTHING)  # a record of another model
    outputs = layers.Dense(wide, activation="softmax")(layers.Flatten()(given))
    model = saved(tmp_path, outputs, given, classes=classes)
    with client_of(model, digits) as client:
        told = client.get("/v1/models/mine/metadata").json()["metadata"]
        assert told.get("classes") == (classes if len(classes or "") == wide else None)
        page, answer = client.get("/"), client.post("/predict", content=stroke())
        if has_page:
            assert re.findall("<li><span>(.)<", page.text) == classes
            assert sorted(one["label"] for one in answer.json()["predictions"]) == classes
        else:
            assert page.status_code == answer.status_code == 404
        for linked in re.findall('href="(/[^"]*)"', client.get("/docs").text):
            assert client.get(linked).status_code == 200


def test_only_local_names_are_answered(model):
    hosts = ["localhost:8000", "LocalHost", "127.0.0.1:1", "[::1]:8000", "192.168.1.5"]
    with TestClient(create_app(model, only_local=True)) as client:
        for host in hosts:
            assert client.get("/health", headers={"Host": host}).status_code == 200
        for host in ("rebound.example", "localhost.example:8000", "127.0.0.1.example", "[x]"):
            assert client.get("/health", headers={"Host": host}).status_code == 403
    assert client.get("/docs", headers={"Host": "rebound.example"}).headers["referrer-policy"]
    assert is_loopback("127.0.0.1") and is_loopback("::1") and not is_loopback("0.0.0.0")


def test_address_of_ipv6_has_brackets():
    assert url("::1", 80) == "http://[::1]:80" and url("127.0.0.1", 80) == "http://127.0.0.1:80"


def knock(address, start=b""):
    """Open a connection and send the beginning of a request."""
    connection = socket.create_connection(address)
    connection.settimeout(10)
    connection.sendall(start)
    return connection


def health(address) -> int:
    """Return the status code of a running service's /health."""
    with urllib.request.urlopen(f"http://127.0.0.1:{address[1]}/health", timeout=10) as answer:
        return answer.status


def test_half_sent_requests_are_closed(live, monkeypatch):
    monkeypatch.setattr(connections, "SLOWEST_HEAD", 0.5)
    monkeypatch.setattr(connections, "SLOWEST_ANSWER", 0.5)
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    late = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"
    for start in (b"", b"GET", head, head + b"\r\n" + head, late):
        with knock(live, start) as connection:
            began, parts = time.monotonic(), []
            with contextlib.suppress(ConnectionResetError):
                while part := connection.recv(10_000):
                    parts.append(part)
                    with contextlib.suppress(OSError):
                        connection.sendall(b"X")  # occasional bytes must not help
            assert time.monotonic() - began < 5
            assert bool(parts) == (head + b"\r\n" in start)


@pytest.fixture
def few_connections(monkeypatch):
    """Limit services that start afterwards to five connections."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)


def test_idle_connections_keep_nobody_out(few_connections, live):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(knock(live))
        assert health(live) == 200


def test_connections_take_turns(live, monkeypatch):
    sizes, receive = [], connections.Connection.data_received
    monkeypatch.setattr(
        connections.Connection,
        "data_received",
        lambda self, data: sizes.append(len(data)) or receive(self, data),
    )
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(f"http://127.0.0.1:{live[1]}{PREDICT}", b" " * 1_000_000)
    assert sum(sizes) > 1_000_000 and max(sizes) <= connections.MOST_AT_ONCE


def test_aborted_upload_leaves_no_trace(live, caplog):
    with knock(live, b"POST /v1/models/mnist:predict HTTP/1.1\r\nHost: a\r\n") as connection:
        connection.sendall(b"Content-Length: 1000\r\n\r\nhalf")
        time.sleep(0.2)
    time.sleep(0.2)
    assert health(live) == 200 and not caplog.records


SERVE = [sys.executable, str(ROOT / "serving" / "serve.py")]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--latest"),
        (["a.keras", "--latest", "mnist"], "--latest"),
        (["nowhere.keras"], "nowhere.keras"),
        (["--latest", "mnist", "--out", "nowhere"], "nowhere"),
        (["a.keras", "--port", "70000"], "--port"),
        (["--latest", ""], "--latest"),
        (["a.keras", "--host", ""], "--host"),  # would be every address of this computer
        ([__file__, "--data-dir", "nowhere"], "nowhere"),
    ],
)
def test_flag_errors(flags, message, tmp_path):
    done = subprocess.run(
        [*SERVE, *flags], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not done.stdout  # Keras has not been started


@pytest.mark.parametrize(
    ("file", "name"),
    [("my model (2).keras", "my_model__2_"), ("a-b_1.keras", "a-b_1"), ("é.keras", "é")],
)
def test_file_of_any_name_is_served(file, name, tmp_path, monkeypatch):
    (tmp_path / file).touch()
    monkeypatch.setattr(sys, "argv", ["serve.py", str(tmp_path / file)])
    assert read_flags().name == name


def test_occupied_port_is_said_before_keras_starts(tmp_path):
    (tmp_path / "a.keras").touch()
    with listen("127.0.0.1", 0) as other:
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [*SERVE, "a.keras", "--port", port],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"--port {port}: cannot listen" in done.stderr and len(done.stderr.splitlines()) == 1


def test_host_of_another_computer_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        listen("192.0.2.1", 0)  # reserved for examples
    assert stop.value.code == 2 and "give another --host" in capsys.readouterr().err


def test_accepted_socket_allows_tcp_nodelay():
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:  # asyncio checks this before it sets TCP_NODELAY
            assert connection.proto == socket.IPPROTO_TCP


def test_model_without_rows_is_refused(tmp_path, capsys):
    import keras

    given = keras.Input((3,))
    for inputs, outputs in (
        (given, keras.ops.mean(given)),
        (fixed := keras.Input(batch_shape=(2, 3)), fixed + 1),
    ):
        with pytest.raises(SystemExit):
            saved(tmp_path, outputs, inputs)
        assert "batch axis" in capsys.readouterr().err


def test_damaged_model_file_is_refused(tmp_path, capsys):
    path = tmp_path / "model.keras"
    path.write_bytes(b"damaged")
    with pytest.raises(SystemExit) as stop:
        ServedModel(path, "mnist")
    assert stop.value.code == 2 and str(path) in capsys.readouterr().err


@pytest.mark.slow
def test_server_process_runs_until_ctrl_c(digits_file, intact_files, tmp_path):
    process = subprocess.Popen(
        [*SERVE, str(digits_file), "--port", "0", "--name", "mine"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "KERAS_HOME": str(tmp_path), "KERAS_TUTORIAL_DATA": str(intact_files)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = []
        while not said or "Ctrl-C" not in said[-1]:
            said.append(process.stdout.readline())
            assert said[-1], process.stderr.read()
        (curl,) = [line for line in said if "instances" in line]
        address = curl.split()[-1]
        assert address.endswith("/v1/models/mine:predict")
        body = json.dumps({"instances": [PICTURE]}).encode()
        with urllib.request.urlopen(urllib.request.Request(address, body)) as answer:
            assert len(json.load(answer)["predictions"][0]) == 10
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert process.stderr.read().split() == ["stopped"]
    finally:
        process.kill()


@pytest.mark.slow
def test_service_of_ask_ends_whatever_happens(
    digits_file, intact_files, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("KERAS_TUTORIAL_DATA", str(intact_files))
    with pytest.raises(ZeroDivisionError), ask.service(digits_file, "mnist") as address:
        assert urllib.request.urlopen(f"{address}/health").status == 200
        raise ZeroDivisionError
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{address}/health")
    with pytest.raises(AssertionError, match="start"), ask.service(tmp_path / "none", "mnist"):
        pass
    assert "no such file" in capsys.readouterr().err
