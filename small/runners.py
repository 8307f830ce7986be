"""Run a model in Keras, LiteRT and ONNX Runtime, one image at a time, and measure the time."""

import contextlib
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from common.startup import quiet_stderr

PROGRAM = Path(__file__).with_name("classify.py")  # the one without Keras


@contextlib.contextmanager
def quiet():
    """Hide log lines and warnings of the block; errors, and all of it with `--debug`, are shown.

    The converter logs each of its steps. TensorFlow's interpreter warns that it will move to the
    package `ai-edge-litert`.
    """
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def timed(predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray):
    """Classify images one by one.

    Args:
        predict: a function from a batch of one image to its probabilities (1, classes).
        images: the images (n, height, width, channels).

    Returns:
        The classes (n,), and the median time per image in milliseconds.
    """
    classes, seconds = [], []
    for image in images:
        began = time.perf_counter()
        probabilities = predict(image[None])
        seconds.append(time.perf_counter() - began)
        classes.append(probabilities.argmax())
    return np.array(classes), 1000 * np.median(seconds)


def run_keras(model, images: np.ndarray):
    """Return classes and time like `timed`; the time is that of the first 20 images only."""
    _, milliseconds = timed(lambda one: model.predict(one, verbose=0), images[:20])
    return model.predict(images, batch_size=1000, verbose=0).argmax(axis=1), milliseconds


def load_litert(path: Path):
    """Return the interpreter of a .tflite file, on one thread."""
    import tensorflow as tf

    with quiet():
        interpreter = tf.lite.Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


def run_litert(path: Path, images: np.ndarray):
    """Run a .tflite file on one thread; return classes and time like `timed`."""
    interpreter = load_litert(path)
    image, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def predict(one):
        interpreter.set_tensor(image["index"], one)
        interpreter.invoke()
        return interpreter.get_tensor(answer["index"])

    return timed(predict, images)


def has_onnx() -> bool:
    """Return whether the packages that write and run ONNX files are installed; if not, say so."""
    missing = [name for name in ("tf2onnx", "onnxruntime") if not find_spec(name)]
    if missing:
        print(f"no ONNX file was written; to get one: pip install {' '.join(missing)}")
    return not missing


def run_onnx(path: Path, images: np.ndarray):
    """Run an .onnx file on one thread; return classes and time like `timed`."""
    import onnxruntime

    one_thread = onnxruntime.SessionOptions()
    one_thread.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, one_thread, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return timed(lambda one: session.run(None, {name: one})[0], images)


def measure(model, folder: Path, images: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Run each exported file of a folder, and compare it with the model it was made of.

    Args:
        model: the model in Keras.
        folder: contains `original.keras`, the same model, and files .tflite and .onnx.
        images: test images (n, height, width, channels).
        labels: their classes (n,).

    Returns:
        Columns `file`, `bytes`, `ms` (per image), `test_accuracy`, and `agreement`: the fraction of
        images to which the file gives the same class as the model.
    """
    measured = {"original.keras": run_keras(model, images)}
    for ending, run in {".tflite": run_litert, ".onnx": run_onnx}.items():
        for path in sorted(folder.glob(f"*{ending}"), key=lambda file: -file.stat().st_size):
            measured[path.name] = run(path, images)
    in_keras, _ = measured["original.keras"]
    return pd.DataFrame([
        {
            "file": name,
            "bytes": (folder / name).stat().st_size,
            "ms": round(milliseconds, 4),
            "test_accuracy": round(np.mean(classes == labels), 4),
            "agreement": round(np.mean(classes == in_keras), 4),
        }
        for name, (classes, milliseconds) in measured.items()
    ])
