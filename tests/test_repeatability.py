"""Reproducibility: the same seed gives bit-identical weights, and resume is exact."""

import csv
import functools
import hashlib
import io
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import (
    ATTENTION,
    AUTO_MPG,
    AUTOENCODER,
    DIFFUSION,
    FINE_TUNING,
    LANGUAGE_MODEL,
    LESSONS,
    MNIST,
    PRETRAINED,
    SUBWORDS,
    TENSORS,
    TRAINING_LOOP,
    TRANSFORMER,
    XOR,
    error_of,
    run_lesson,
    run_script,
    stop_in_epoch,
)

from common import checkpoints
from common.batches import EpochCounter, shuffled_batches
from common.callbacks import EpochTimer
from common.checkpoints import Checkpoints, next_epoch
from datasets.samples import make_cars
from frame.run import Run, spell_command


def weights(run) -> list[np.ndarray]:
    return run.names["model"].get_weights()


def equal(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# 06 is trained twice below, and 05 trains an epoch twice itself.
@pytest.mark.parametrize(
    "script",
    [
        AUTO_MPG,
        *(pytest.param(s, marks=pytest.mark.release) for s in (*LESSONS[:2], TRAINING_LOOP)),
    ],
)
def test_weights_are_determined_by_seed(smoke_runs, tmp_path, script):
    flags = ["--data", "sample", "--epochs", "2"]
    again = run_lesson(script, tmp_path, *flags)
    assert equal(weights(again), weights(smoke_runs[script]))
    if script != TRAINING_LOOP:
        other = run_lesson(script, tmp_path, *flags, "--seed", "43")
        assert not equal(weights(other), weights(again))


class StopAfter(keras.callbacks.Callback):
    """Simulates a power failure in the epoch after `epochs` complete ones."""

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epochs:
            raise KeyboardInterrupt


def train_with_everything(path, epochs=12, stop_after=None, patience=4, sign=1):
    """Train a network with dropout, batch normalization, schedules and early stopping.

    With `sign` -1 the validation targets are negated: the first epochs are the best.
    """
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(0)
    features = random.normal(size=(90, 5)).astype("float32")
    targets = features.sum(axis=1) + random.normal(size=90)
    model = keras.Sequential([
        keras.Input((5,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
        keras.layers.GaussianNoise(0.1),
        keras.layers.Dense(1),
    ])
    counter = EpochCounter()
    train = shuffled_batches(features[:64], targets[:64], 16, 1, counter)
    model.compile("adam", "mse", metrics=["mae"], steps_per_execution=len(train))
    own = [
        EpochTimer(),
        keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.5),
    ]
    history = model.fit(
        train,
        validation_data=(features[64:], sign * targets[64:]),
        epochs=epochs,
        callbacks=[*own, Checkpoints(path, 1, own, counter), StopAfter(stop_after)],
        verbose=0,
    )
    return model.get_weights(), history.history, len(history.epoch)


@pytest.fixture(scope="module")
def whole_training(tmp_path_factory):
    """A function that trains without interruption and returns the checkpoint and the results."""
    out = tmp_path_factory.mktemp("whole")

    @functools.cache
    def train(sign, patience):
        path = out / f"{sign}-{patience}.npz"
        return path, train_with_everything(path, sign=sign, patience=patience)

    return train


@pytest.mark.parametrize(
    ("sign", "patience", "stop_after"),
    [
        (-1, 7, 5),  # early stopping is already counting at the stop
        *(
            pytest.param(*task, marks=pytest.mark.release)
            for task in ((1, 4, 1), (1, 4, 5), (1, 4, 11), (-1, 20, 9))
        ),
    ],
)
def test_resumed_training_is_exact(
    whole_training, tmp_path, monkeypatch, sign, patience, stop_after
):
    _, whole = whole_training(sign, patience)
    if sign == -1:  # the best weights are from before the stop
        assert np.argmin(whole[1]["val_loss"]) < stop_after < whole[2]
        assert (whole[2] < 12) == (patience < 12)
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    path = tmp_path / "stopped.npz"
    task = {"sign": sign, "patience": patience}
    with pytest.raises(KeyboardInterrupt):
        train_with_everything(path, stop_after=stop_after, **task)
    assert next_epoch(path) == stop_after
    resumed = train_with_everything(path, **task)
    assert equal(resumed[0], whole[0])
    assert resumed[1] == whole[1] and resumed[2] == whole[2]


def test_finished_training_is_not_repeated(whole_training, tmp_path):
    ended, whole = whole_training(-1, 7)
    path = Path(shutil.copy(ended, tmp_path))
    assert next_epoch(path) == 12
    again = train_with_everything(path, sign=-1, patience=7)
    assert equal(again[0], whole[0]) and again[1:] == whole[1:]


def without_times(metrics: dict) -> dict:
    return {name: value for name, value in metrics.items() if not name.startswith(("ms_", "sec"))}


FEW = ["--data", "sample", "--epochs", "3", "--limit", "300"]


@pytest.mark.release  # lesson 03 covers these, below
@pytest.mark.parametrize(
    ("script", "flags", "count", "files"),
    [
        # 3 epochs each: the 5th is in the second training.
        (TENSORS, FEW, 3, []),  # a loop of its own instead of `fit`
        (MNIST, [*FEW, "-m", "conv_net_augmented"], 3, ["classification_report.txt"]),
        (MNIST, [*FEW, "-m", "conv_net_fast"], 3, []),  # a schedule and averaged weights
        (XOR, ["--epochs", "3", "--seeds", "3"], 5, ["starts.csv", "decision.gif"]),
        (XOR, ["--epochs", "3"], 2, ["decision.gif"]),
        (ATTENTION, ["--epochs", "3", "--longest", "5", "--lists", "500"], 5, ["scores.csv"]),
        (TRANSFORMER, FEW, 3, []),  # dropout of words and within the block, warmup
        (LANGUAGE_MODEL, FEW, 3, ["written.txt"]),  # epochs that are parts of a pass
        (FINE_TUNING, [*FEW, "--labels", "20", "--pretraining", "2"], 4, []),
        (PRETRAINED, [*FEW[:4], "--pretraining", "3", "--examples", "3"], 14, ["ways.csv"]),
        (DIFFUSION, [*FEW, "--steps", "2", "--judge-epochs", "2"], 3, ["scores.csv"]),
        (DIFFUSION, [*FEW, "--steps", "2", "--judge-epochs", "2"], 5, ["scores.csv"]),  # the judge
        (AUTOENCODER, FEW, 5, ["results.csv"]),  # noise
        (SUBWORDS, FEW, 5, ["scores.csv"]),
    ],
)
def test_resumed_lesson_is_exact(tmp_path, monkeypatch, script, flags, count, files):
    whole = run_lesson(script, tmp_path / "whole", *flags)
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, count)
        with pytest.raises(KeyboardInterrupt):
            run_lesson(script, tmp_path / "stopped", *flags)
    resumed = run_lesson(script, tmp_path / "stopped", *flags, "--resume")
    assert equal(weights(resumed), weights(whole)) and columns(resumed.folder) == columns(
        whole.folder
    )
    assert without_times(resumed.record["metrics"]) == without_times(whole.record["metrics"])
    assert not list(resumed.folder.glob("checkpoint*"))
    for name in files:
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_checkpoint_holds_long_history(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.history = SimpleNamespace(history={"loss": [1 / 3] * 20_000})
    path = tmp_path / "long.npz"
    stopping = keras.callbacks.EarlyStopping()
    stopping.best = np.float32(0.5)
    checkpoint = Checkpoints(path, 1, [stopping])
    checkpoint.set_model(model)
    checkpoint.save(20_001, {"loss": 0.25})
    saved = checkpoints.read(path)
    assert saved.history["loss"] == [1 / 3] * 20_000 + [0.25]
    assert saved.callbacks[0]["best"] == 0.5 and next_epoch(path) == 20_001


def test_checkpoint_is_saved_without_model_copy(tmp_path):
    model = keras.Sequential([keras.Input((200,)), *[keras.layers.Dense(200) for _ in range(20)]])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.history = SimpleNamespace(history={})
    checkpoint = Checkpoints(tmp_path / "large.npz", 1)
    checkpoint.set_model(model)
    tracemalloc.start()
    try:
        checkpoint.save(1, {})
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The 60 arrays of weights and optimizer state, 160 kB each, are written one at a time.
    assert (tmp_path / "large.npz").stat().st_size > 9_600_000 > 5 * most


def test_dropout_masks_differ_between_epochs_and_layers():
    model = keras.Sequential([
        keras.Input((50,)),
        keras.layers.Dropout(0.5),
        keras.layers.Dropout(0.5),
    ])
    masks = []
    for epoch in (0, 1, 0):
        checkpoints.seed_generators(checkpoints.random_generators(model), 1, epoch)
        masks += [np.asarray(layer(np.ones((1, 50)), training=True)) for layer in model.layers]
    assert not equal([masks[0]], [masks[1]]) and not equal([masks[0]], [masks[2]])
    assert equal(masks[:2], masks[4:])


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory):
    """An output folder with a run of lesson 03, interrupted in the second of two epochs."""
    out = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        stop_in_epoch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run_lesson(AUTO_MPG, out, "--data", "sample", "--epochs", "2")
    return out


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """The folder of that run, in a copy of its output folder."""
    shutil.copytree(stopped_once, tmp_path, dirs_exist_ok=True)
    (folder,) = (tmp_path / "03_autompg_regression").iterdir()
    assert not json.loads((folder / "run.json").read_text())["finished"]
    assert (folder / "checkpoint.npz").exists()
    return folder


def columns(folder) -> list[dict]:
    with (folder / "history.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_resume_continues_newest_unfinished_run(smoke_runs, stopped, tmp_path, capsys):
    for source in (["--data-dir", tmp_path], ["--data", "real"]):
        with pytest.raises(SystemExit):
            run_script(AUTO_MPG, "--out", tmp_path, *source)
    # Runs that could not start leave no folder.
    assert list(stopped.parent.iterdir()) == [stopped]
    whole = smoke_runs[AUTO_MPG]
    capsys.readouterr()
    resumed = run_lesson(AUTO_MPG, tmp_path, "--data", "sample", "--epochs", "2", "--resume")
    assert "after epoch 1" in capsys.readouterr().out
    assert resumed.folder == stopped and resumed.names["lesson"].first_epoch == 1
    assert equal(weights(resumed), weights(whole))
    assert resumed.record["metrics"] == whole.record["metrics"]
    assert columns(resumed.folder) == columns(whole.folder) and len(columns(stopped)) == 2
    assert not (stopped / "checkpoint.npz").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "3", "--resume"], "was started with --epochs 2, not 3"),
        (["--epochs", "2", "--seed", "1", "--resume"], "was started with --seed 42, not 1"),
        (["--epochs", "2", "--hidden", "8", "--resume"], "no unfinished run of this variant"),
        (["--epochs", "2", "--resume", "nowhere"], "contains no run.json"),
    ],
)
def test_resume_flag_errors(stopped, tmp_path, capsys, flags, message):
    before = sorted((path, path.read_bytes()) for path in stopped.iterdir())
    with pytest.raises(SystemExit) as stop:
        run_script(AUTO_MPG, "--out", tmp_path, "--data", "sample", *flags)
    printed, error = capsys.readouterr()
    assert stop.value.code == 2 and len(error.splitlines()) == 1 and message in error
    assert not printed  # it is said before Keras starts
    assert sorted((path, path.read_bytes()) for path in stopped.iterdir()) == before


def change_record(folder, **changes) -> None:
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | changes))


def test_resume_refuses_active_run(stopped, tmp_path, capsys):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    change_record(stopped, process={"computer": platform.node(), "number": other.pid})
    flags = ["--data", "sample", "--epochs", "2", "--resume"]
    error = error_of(capsys, AUTO_MPG, "--out", tmp_path, *flags)
    assert f"still being trained, by process {other.pid}; wait" in error
    other.communicate(b"\n")  # now it has ended
    assert run_lesson(AUTO_MPG, tmp_path, *flags).folder == stopped


def test_resume_reports_version_and_model_mismatch(stopped, tmp_path, capsys):
    record = json.loads((stopped / "run.json").read_text())
    change_record(stopped, versions=record["versions"] | {"keras": "3.0.0"})
    content = dict(np.load(stopped / "checkpoint.npz"))
    content["weights/3"] = content["weights/3"][:, :-1]
    buffer = io.BytesIO()
    np.savez(buffer, **content)
    whole = buffer.getvalue()
    (stopped / "checkpoint.npz").write_bytes(whole + hashlib.sha256(whole).digest())
    with pytest.raises(SystemExit) as stop:
        run_script(AUTO_MPG, "--out", tmp_path, "--data", "sample", "--epochs", "2", "--resume")
    printed, error = capsys.readouterr()
    assert "started with keras 3.0.0, resumed with" in printed
    assert stop.value.code == 2 and "does not fit this model" in error
    assert len(error.splitlines()) == 1


def test_early_stopping_min_delta_survives_resume(tmp_path):
    """Keras flips the sign of `min_delta` at the start of each training."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    arrays = np.ones((4, 1)), np.zeros((4, 1))
    for epochs in (1, 2, 3):
        stopping = keras.callbacks.EarlyStopping("loss", min_delta=0.1, patience=9)
        saving = Checkpoints(tmp_path / "checkpoint.npz", 1, [stopping])
        model.fit(*arrays, epochs=epochs, callbacks=[stopping, saving], verbose=0)
        assert stopping.min_delta == -0.1


@pytest.mark.parametrize("resume", [[], ["--resume"], ["--resume", "a folder"]])
def test_resume_command_after_interrupt(monkeypatch, resume):
    run = SimpleNamespace(finished=False, resumed=resume[-1] if resume else None)
    monkeypatch.setattr("sys.argv", ["lesson.py", "--epochs", "6", *resume])
    command = shlex.split(Run.how_to_go_on(run).removeprefix("continue with: "))
    assert command == ["python", "lesson.py", "--epochs", "6", *(resume or ["--resume"])]


AWKWARD = [
    "a b",
    "it's",
    "$HOME",
    "`id`",
    'say "x"',
    "",
    "C:\\new data\\",
    "\u201ex\u201c",
    "a&b;c",
    "\u00e4\n",
]


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell reads it")
def test_spelled_command_is_read_as_it_was():
    command = spell_command([sys.executable, "-c", "import sys; print(sys.argv[1:])", *AWKWARD])
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stdout == f"{AWKWARD}\n"


@pytest.mark.parametrize(
    ("word", "spelled"),
    [
        (r"C:\new\01.py", r"C:\new\01.py"),
        ("a b", '"a b"'),
        ("", '""'),
        ("it's", '"it\'s"'),  # PowerShell would wait for a second apostrophe
        ("a&b;c", '"a&b;c"'),
        ("C:\\my data\\", '"C:\\my data\\\\"'),  # a backslash must not take the quote away
        ('say "x"', r'"say \"x\""'),
        ("$HOME's", "'$HOME''s'"),
        ("`id`", "'`id`'"),
        ("\u201cgood\u201d, it\u2019s", "'\u201cgood\u201d, it\u2019\u2019s'"),
    ],
)
def test_word_is_spelled_for_windows(word, spelled):
    assert spell_command([word], windows=True) == spelled


def test_resume_refuses_other_data(stopped, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("datasets.load_dataset", lambda *_: (make_cars(), "real", "a folder"))
    error = error_of(capsys, AUTO_MPG, "--out", tmp_path, "--epochs", "2", "--resume")
    assert "was started on sample data" in error and stopped.exists()


def test_resume_refuses_finished_run(smoke_runs, capsys):
    run = smoke_runs[AUTO_MPG]
    flags = ["--data", "sample", "--epochs", "2", "--resume"]
    for folder in ([], [run.folder]):
        with pytest.raises(SystemExit) as stop:
            run_script(AUTO_MPG, "--out", run.out, *flags, *folder)
        printed, error = capsys.readouterr()
        assert stop.value.code == 2 and "finished" in error and not printed
