"""`--tensorboard`: the curves of every training, each epoch once, and the same weights."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import (
    AUTO_MPG,
    MNIST,
    QUICK_JAX,
    ROOT,
    SHORTER,
    TENSORS,
    TRANSFER,
    TUNING,
    XOR,
    on_sample,
    run_and_capture,
    run_lesson,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from common import callbacks, checkpoints
from common.runs import read_history


def read(folder: Path) -> EventAccumulator:
    """Read the files in a folder as TensorBoard does, without leaving any event out."""
    everything = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    return everything.Reload()


def curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    """Return the steps and values of a curve."""
    return [(one.step, make_ndarray(one.tensor_proto).item()) for one in read(folder).Tensors(tag)]


def as_curve(values: list[float]) -> list[tuple[int, float]]:
    return [(step, pytest.approx(value)) for step, value in enumerate(values)]


def equal(one, other) -> bool:
    pairs = zip(one.names["model"].get_weights(), other.names["model"].get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


FLAGS = ["--data", "sample", "--epochs", "2"]


def test_curves_are_those_of_the_history_and_weights_the_same(smoke_runs, tmp_path):
    run = run_and_capture(AUTO_MPG, tmp_path, *FLAGS, "--tensorboard")
    assert equal(run, smoke_runs[AUTO_MPG]) and not run.noise
    assert run.record["flags"] == smoke_runs[AUTO_MPG].record["flags"] and not run.record["variant"]
    assert f"tensorboard --logdir {run.folder}" in run.printed
    history = read_history(run.folder)
    board = run.folder / "tensorboard"
    assert {path.name for path in board.iterdir()} == {"train", "validation"}
    assert curve(board / "train", "epoch_loss") == as_curve(history["loss"])
    assert curve(board / "validation", "epoch_mae") == as_curve(history["val_mae"])
    assert curve(board / "train", "epoch_learning_rate") == as_curve([0.001, 0.001])
    tags = read(board / "train").Tags()["tensors"]
    weights = run.names["model"].weights
    assert {f"{one.path}/histogram" for one in weights} | {"keras"} < set(tags)


def test_resumed_run_writes_every_epoch_once(smoke_runs, tmp_path, monkeypatch):
    saved = checkpoints.Checkpoints.save

    def save_only_the_first(self, next_epoch, logs):
        if next_epoch == 1:
            saved(self, next_epoch, logs)

    def stop_after_the_second(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "EVERY", 0)
        patch.setattr(checkpoints.Checkpoints, "save", save_only_the_first)
        patch.setattr(callbacks.InterruptBetweenSteps, "on_epoch_end", stop_after_the_second)
        run_lesson(AUTO_MPG, tmp_path, *FLAGS, "--tensorboard")
    (train,) = tmp_path.glob("*/*/tensorboard/train")
    (earlier,) = train.glob("*tfevents*")
    assert len(curve(train, "epoch_loss")) == 2
    earlier.write_bytes(earlier.read_bytes()[:-5])  # as if killed while it wrote
    run = run_lesson(AUTO_MPG, tmp_path, *FLAGS, "--tensorboard", "--resume")
    assert equal(run, smoke_runs[AUTO_MPG])
    history = read_history(run.folder)
    assert curve(train, "epoch_loss") == as_curve(history["loss"])
    assert curve(train.with_name("validation"), "epoch_loss") == as_curve(history["val_loss"])
    assert all("tfevents" in path.name for path in train.iterdir())


def test_training_again_begins_new_curves(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    for epochs in (100, 2):
        board = callbacks.TensorBoard(tmp_path / "a")
        model.fit(np.ones((4, 1)), np.zeros((4, 1)), epochs=epochs, callbacks=[board], verbose=0)
        assert len(curve(tmp_path / "a" / "train", "epoch_loss")) == epochs
        kernel = f"{model.layers[0].kernel.path}/histogram"
        assert len(read(tmp_path / "a" / "train").Tensors(kernel)) == min(epochs, 20)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "trainings"),
    [
        (TENSORS, [""]),  # a loop of its own
        (TRANSFER, ["", "*-[0-9]*"]),
        (TUNING, ["", *(f"search-{name}/0*/*" for name in ("random", "Hyperband"))]),
        (MNIST, [""]),
        (XOR, ["seed-42"]),
    ],
)
def test_every_training_is_written(smoke_runs, tmp_path, script, trainings):
    flags = [*on_sample(script), "--epochs", "2", *SHORTER.get(script, [])]
    run = run_and_capture(script, tmp_path, *flags, "--tensorboard")
    assert equal(run, smoke_runs[script]) and not run.noise
    for training in trainings:
        (train, *_) = (run.folder / "tensorboard").glob(f"{training}/train".lstrip("/"))
        assert len(curve(train, "epoch_loss")) >= 2, training


@pytest.mark.slow
@pytest.mark.parametrize("package", ["", "tensorflow", "tensorboard"])
def test_other_back_end_needs_both_packages(tmp_path, package):
    pytest.importorskip("jax")
    code = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({[package]}))\n"
        "sys.argv = sys.argv[1:]\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    words = [ROOT / AUTO_MPG, *FLAGS, "--out", tmp_path, "--tensorboard"]
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        env={**callbacks.os.environ, **QUICK_JAX},
        capture_output=True,
        text=True,
    )
    folders = list(tmp_path.glob("*/*/tensorboard/train"))
    if package:
        assert (result.returncode, folders) == (2, [])
        assert result.stderr == (
            "error: --tensorboard needs the packages tensorflow and tensorboard; "
            "run: pip install -r requirements.txt\n"
        )
    else:
        assert (result.returncode, result.stderr) == (0, "")
        history = read_history(folders[0].parents[1])
        assert curve(folders[0], "epoch_loss") == as_curve(history["loss"])
