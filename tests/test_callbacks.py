"""common/callbacks.py: training time, atomic model checkpoints, Ctrl-C."""

import re
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from common import callbacks
from common.batches import EpochCounter
from frame.run import Training


class Slow(keras.callbacks.Callback):
    """Advances a fake clock whenever `fit` calls it."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def set_params(self, params):  # before training begins, when fit prepares
        self.clock[0] += 1

    def on_epoch_end(self, epoch, logs=None):
        self.clock[0] += 10

    def on_train_end(self, logs=None):
        self.clock[0] += 100


def test_timer_covers_whole_fit(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: clock[0])
    training = Training(tmp_path / "checkpoint.npz", 1, EpochCounter())
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    clock[0] = 5000.0  # what comes before fit does not count
    model.fit(
        np.zeros((4, 1)),
        np.zeros((4, 1)),
        epochs=2,
        verbose=0,
        callbacks=training.callbacks(Slow(clock)),
    )
    assert training.timer.total == 1 + 2 * 10 + 100
    assert len(training.timer.seconds) == 2


def test_model_checkpoint_is_atomic(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    folder = tmp_path / "{a}"  # its braces are not for Keras to fill in
    folder.mkdir()
    best = callbacks.ModelCheckpoint(folder / "best-{epoch:02d}.keras", "loss", mode="min")
    best.set_model(model)
    best.on_epoch_end(0, {"loss": 2.0})
    whole = (folder / "best-01.keras").read_bytes()

    def save_half(path, **options):
        path = Path(path)
        path.write_bytes(whole[:100])
        raise OSError("the disk is full")

    monkeypatch.setattr(model, "save", save_half)
    with pytest.raises(OSError, match="full"):
        best.on_epoch_end(0, {"loss": 1.0})
    assert [path.name for path in folder.iterdir()] == ["best-01.keras"]
    assert (folder / "best-01.keras").read_bytes() == whole


def fit_with_bar(capsys) -> str:
    """Train for three epochs with the progress bar; return the output."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae", "mse", "mape"])
    arrays = np.ones((4, 1)), np.zeros((4, 1))
    bar = callbacks.EpochBar()
    model.fit(*arrays, validation_data=arrays, epochs=3, verbose=0, callbacks=[bar])
    return capsys.readouterr().out


def test_bar_writes_one_line_to_a_file(capsys):
    (line,) = fit_with_bar(capsys).splitlines()
    assert line.startswith("3/3 ") and "val_mape" in line


def test_bar_fits_the_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    printed = re.sub(r"\x1b\[\d*m|\x08", "", fit_with_bar(capsys))
    lines = [line for line in re.split(r"[\r\n]", printed) if line.strip()]
    assert "3/3 " in lines[-1] and "val_loss" in lines[-1]
    assert max(map(len, lines)) < 80


def fit_and_press(times: int, epochs: int = 3):
    """Train and press Ctrl-C in the middle of the first epoch; return the epochs begun."""
    begun, pressed = [], []

    def press(batch, logs):  # runs after the callbacks that may interrupt, as TensorFlow would
        if not pressed:
            for _ in range(times):
                pressed.append(True)
                signal.raise_signal(signal.SIGINT)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    own = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: begun.append(epoch), on_train_batch_begin=press
    )
    ours = callbacks.InterruptBetweenSteps()
    data = np.ones((64, 1))
    try:
        model.fit(data, data, epochs=epochs, callbacks=[ours, own], verbose=0)
    except KeyboardInterrupt:
        pressed.append("interrupted")
    return begun, pressed


@pytest.fixture
def default_interrupt():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # was put back
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_for_end_of_step(default_interrupt):
    assert fit_and_press(1) == ([0], [True, "interrupted"])
    assert fit_and_press(0) == ([0, 1, 2], [])


def test_ctrl_c_in_last_step_is_not_lost(default_interrupt):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    last = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: signal.raise_signal(signal.SIGINT)
    )
    data = np.ones((8, 1))
    with pytest.raises(KeyboardInterrupt):
        model.fit(data, data, callbacks=[callbacks.InterruptBetweenSteps(), last], verbose=0)


def test_second_ctrl_c_works_at_once(default_interrupt):
    assert fit_and_press(2) == ([0], [True, True, "interrupted"])


def test_ctrl_c_after_fit_that_failed(default_interrupt):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")

    def fail(epoch, logs):
        raise ValueError

    ours = callbacks.InterruptBetweenSteps()
    data = np.ones((8, 1))
    with pytest.raises(ValueError):
        own = keras.callbacks.LambdaCallback(on_epoch_begin=fail)
        model.fit(data, data, callbacks=[ours, own], verbose=0)
    assert fit_and_press(1) == ([0], [True, "interrupted"])


def test_seconds_before_and_after_a_resume():
    timer = callbacks.EpochTimer()
    timer.start()
    timer.seconds = [5.0]  # restored from a checkpoint
    timer.on_epoch_begin(1)
    timer.stop()
    timer.stop()  # a search stops it after every trial
    assert timer.total > 5 and 0 < timer.here < 1
