"""Callbacks of every training: the time of each epoch, a progress bar; and whole model files."""

import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import keras

from common.files import fsync, temporary_path
from common.flags import in_notebook


class EpochTimer(keras.callbacks.Callback):
    """Measures the wall time of every epoch, validation included, and of the whole fit.

    Attributes:
        seconds: list of floats, one per epoch.
        total: seconds from `start` to `stop`, and of the epochs before a run was resumed.
    """

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []
        self.total = 0.0
        self._began = self._earlier = None

    def start(self) -> None:
        """Start the clock right before `fit`, which has work to do before it calls callbacks."""
        self._began, self._earlier = time.perf_counter(), None

    def stop(self) -> None:
        """Stop the clock; make this the last thing that `fit` calls."""
        earlier = sum(self.seconds) if self._earlier is None else self._earlier
        self.total = earlier + time.perf_counter() - self._began

    def on_epoch_begin(self, epoch, logs=None):
        if self._earlier is None:
            del self.seconds[epoch:]  # of an earlier `fit`, in a notebook
            self._earlier = sum(self.seconds)
        self._epoch_began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._epoch_began)

    def on_train_end(self, logs=None):
        self.set_model(None)  # let the model go, the seconds stay


class EpochBar(keras.callbacks.Callback):
    """Shows Keras' progress bar over the epochs of `fit(..., verbose=0)`; a file gets one line."""

    def on_train_begin(self, logs=None):
        self.bar, self.latest = None, None
        self.alive = in_notebook() or sys.stdout.isatty()

    def on_epoch_end(self, epoch, logs=None):
        if self.params.get("verbose") != 0:  # `fit` shows something itself
            return
        if self.bar is None:
            options = {"verbose": 1 if self.alive else 2, "width": 10, "interval": 0.2}
            options |= {"stateful_metrics": logs, "unit_name": "epoch"}
            self.bar = keras.utils.Progbar(self.params["epochs"], **options)
        self.latest = epoch + 1, self.fitting(logs)
        self.bar.update(*self.latest, finalize=False)

    def fitting(self, logs: dict) -> list[tuple[str, float]]:
        """Choose what fits on a line of the terminal, the losses first: a longer one scrolls."""
        if not self.alive:
            return list(logs.items())
        room, chosen = shutil.get_terminal_size().columns - 42, []
        for name in sorted(logs, key=lambda name: name not in ("loss", "val_loss")):
            room -= len(name) + 11
            if room < 0:
                break
            chosen.append((name, logs[name]))
        return chosen

    def on_train_end(self, logs=None):
        if self.bar:
            self.bar.update(*self.latest, finalize=True)
            sys.stdout.flush()


class InterruptBetweenSteps(keras.callbacks.Callback):
    """Lets Ctrl-C take effect between two calls of the training function, not within one.

    Python raises `KeyboardInterrupt` wherever it happens to be. Within TensorFlow's C++ code, which
    calls back into Python, that can end in a `SystemError`, or in a process that aborts because its
    memory is damaged. Nothing is lost by waiting: such a call cannot be cut short. Pressed a second
    time, Ctrl-C works at once.
    """

    def __init__(self):
        super().__init__()
        self.handler = self.pressed = None

    def on_train_begin(self, logs=None):
        if threading.current_thread() is not threading.main_thread():  # only that one gets it
            return
        current = signal.getsignal(signal.SIGINT)
        owner = getattr(current, "__self__", None)
        if isinstance(owner, InterruptBetweenSteps):  # left by a `fit` that ended in an error
            current = owner.handler
        if callable(current):
            self.handler, self.pressed = current, None
            signal.signal(signal.SIGINT, self.note)

    def note(self, *pressed):
        """Handle the signal: remember it, and give the next one to whom it belongs."""
        self.pressed = pressed
        signal.signal(signal.SIGINT, self.handler)

    def interrupt(self):
        """Hand on the signal that was noted, if there is one."""
        if self.pressed:
            pressed, self.pressed = self.pressed, None
            self.handler(*pressed)

    def on_epoch_begin(self, epoch, logs=None):
        self.interrupt()

    def on_train_batch_begin(self, batch, logs=None):
        self.interrupt()

    def on_test_batch_begin(self, batch, logs=None):
        self.interrupt()

    def on_train_end(self, logs=None):
        if self.handler and not self.pressed:
            signal.signal(signal.SIGINT, self.handler)
        self.interrupt()


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """Keras' callback of this name, but a file is replaced only when the new one is whole."""

    def on_epoch_end(self, epoch, logs=None):
        named = Path(self.filepath)  # with such parts as {epoch:02d}, which Keras fills in
        temporary = temporary_path(named)
        prefix = temporary.name.removesuffix(named.name)
        folder = str(named.parent).replace("{", "{{").replace("}", "}}")  # its braces stay
        self.filepath = os.path.join(folder, temporary.name)
        try:
            super().on_epoch_end(epoch, logs)
            for path in named.parent.glob(f"{prefix}*"):
                fsync(path)
                path.replace(path.with_name(path.name.removeprefix(prefix)))
        finally:
            self.filepath = str(named)
            for path in named.parent.glob(f"{prefix}*"):
                path.unlink()
