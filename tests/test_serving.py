"""serving/: TensorFlow Serving's REST API, pictures, invalid and concurrent requests."""

import io
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import ENVIRONMENT, ROOT
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from serving import app as service
from serving import batching, pictures
from serving.app import create_app
from serving.serve import listen
from serving.served import ServedModel


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
    monkeypatch.setattr(service, "LARGEST_BODY", 1000)
    assert client.post(PREDICT, content=b" " * 1001).status_code == 413
    parts = (b" " * 600 for _ in range(2))  # no Content-Length
    assert client.post(PREDICT, content=parts).status_code == 413


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
    """Make an image file with a thick line."""
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
    """Make a small file that claims to have 60,000 x 60,000 pixels."""
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


def test_overload_is_429(model, digits, monkeypatch):
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


def test_model_error_hides_details(model, monkeypatch):
    def fail(columns):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(model, "predict", fail)
    with TestClient(create_app(model), raise_server_exceptions=False) as client:
        answer = client.post(PREDICT, json={"instances": [PICTURE]})
    assert (answer.status_code, answer.json()) == (500, {"error": "the service failed"})


SERVE = [sys.executable, str(ROOT / "serving" / "serve.py")]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--latest"),
        (["a.keras", "--latest", "mnist"], "--latest"),
        (["nowhere.keras"], "nowhere.keras"),
        (["--latest", "mnist", "--out", "nowhere"], "nowhere"),
        (["a.keras", "--port", "70000"], "--port"),
    ],
)
def test_flag_errors(flags, message, tmp_path):
    done = subprocess.run(
        [*SERVE, *flags], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_accepted_socket_allows_tcp_nodelay():
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:  # asyncio checks this before it sets TCP_NODELAY
            assert connection.proto == socket.IPPROTO_TCP


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
