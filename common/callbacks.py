"""Callbacks: epoch times, a progress bar, interruption, model checkpoints, and TensorBoard."""

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import keras

from common.files import atomic_write, fsync, remove_leftovers, replace, temporary_path
from common.flags import in_notebook


class EpochTimer(keras.callbacks.Callback):
    """Measures the wall time of every epoch, including validation, and of `fit` as a whole.

    Attributes:
        seconds: list of floats, one per epoch.
        total: seconds between `start` and `stop`, plus the epochs before a run was resumed.
        here: the seconds in this process alone.
    """

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []
        self.total = self.here = 0.0
        self._began = self._earlier = None

    def start(self) -> None:
        """Start the clock. Call it just before `fit`, which works before its first callback."""
        self._began, self._earlier, self._before = time.perf_counter(), None, self.here

    def stop(self) -> None:
        """Stop the clock. Make this the last callback that `fit` calls."""
        earlier = sum(self.seconds) if self._earlier is None else self._earlier
        elapsed = time.perf_counter() - self._began
        self.total, self.here = earlier + elapsed, self._before + elapsed

    def on_epoch_begin(self, epoch, logs=None):
        if self._earlier is None:
            del self.seconds[epoch:]  # left by an earlier `fit` in a notebook
            self._earlier = sum(self.seconds)
        self._epoch_began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._epoch_began)

    def on_train_end(self, logs=None):
        self.set_model(None)  # free the model but keep the times


class EpochBar(keras.callbacks.Callback):
    """Shows one progress bar over all epochs of `fit(..., verbose=0)`, or one line in a file."""

    def on_train_begin(self, logs=None):
        self.bar, self.latest = None, None
        self.alive = in_notebook() or sys.stdout.isatty()

    def on_epoch_end(self, epoch, logs=None):
        if self.params.get("verbose") != 0:  # `fit` reports progress itself
            return
        if self.bar is None:
            options = {"verbose": 1 if self.alive else 2, "width": 10, "interval": 0.2}
            options |= {"stateful_metrics": logs, "unit_name": "epoch"}
            self.bar = keras.utils.Progbar(self.params["epochs"], **options)
        self.latest = epoch + 1, self.fitting(logs)
        self.bar.update(*self.latest, finalize=False)

    def fitting(self, logs: dict) -> list[tuple[str, float]]:
        """Return the logs that fit on one terminal line, losses first: a longer line scrolls."""
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
    """Defers Ctrl-C until the current call of the training function has returned.

    Python raises `KeyboardInterrupt` at whatever point it has reached. Inside a Python function
    called from TensorFlow's C++ code, this can cause a `SystemError` or corrupt memory and abort
    the process. Waiting costs nothing, because such a call cannot be interrupted anyway. A second
    Ctrl-C takes effect immediately.
    """

    def __init__(self):
        super().__init__()
        self.handler = self.pressed = None

    def on_train_begin(self, logs=None):
        if threading.current_thread() is not threading.main_thread():  # receives no signals
            return
        current = signal.getsignal(signal.SIGINT)
        owner = getattr(current, "__self__", None)
        if isinstance(owner, InterruptBetweenSteps):  # left by a `fit` that raised an error
            current = owner.handler
        if callable(current):
            self.handler, self.pressed = current, None
            signal.signal(signal.SIGINT, self.note)

    def note(self, *pressed):
        """Handle the signal: remember it and restore the original handler for the next one."""
        self.pressed = pressed
        signal.signal(signal.SIGINT, self.handler)

    def interrupt(self):
        """Pass a deferred signal on to the original handler."""
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
    """Like Keras' `ModelCheckpoint`, but replaces each file atomically."""

    def on_epoch_end(self, epoch, logs=None):
        named = Path(self.filepath)  # may contain fields such as {epoch:02d}, which Keras fills in
        temporary = temporary_path(named)
        prefix = temporary.name.removesuffix(named.name)
        folder = str(named.parent).replace("{", "{{").replace("}", "}}")  # keep literal braces
        self.filepath = os.path.join(folder, temporary.name)
        try:
            super().on_epoch_end(epoch, logs)
            for path in named.parent.glob(f"{prefix}*"):
                fsync(path)
                replace(path, path.with_name(path.name.removeprefix(prefix)))
        finally:
            self.filepath = str(named)
            for path in named.parent.glob(f"{prefix}*"):
                path.unlink()


class TensorBoard(keras.callbacks.TensorBoard):
    """Like Keras' `TensorBoard`, but an interrupted training goes on where its checkpoint is.

    Writes the loss, the metrics and the learning rate of every epoch, the distribution of each
    weight in at most `HISTOGRAMS` epochs, and a diagram of the layers.

    Must come before the `Checkpoints`, so that no epoch of a checkpoint is lost. Epochs after the
    checkpoint are removed as soon as they are repeated.

    Args:
        log_dir: folder of this training alone; gets `train/` and `validation/`.
    """

    HISTOGRAMS = 20

    # Once per step, Keras' methods would write nothing but wait for the step's results; after
    # validation, they would write its results a second time.
    on_train_batch_begin = keras.callbacks.Callback.on_train_batch_begin
    on_train_batch_end = keras.callbacks.Callback.on_train_batch_end
    on_test_begin = keras.callbacks.Callback.on_test_begin
    on_test_end = keras.callbacks.Callback.on_test_end
    on_test_batch_begin = keras.callbacks.Callback.on_test_batch_begin

    def set_model(self, model):
        remove_leftovers(Path(self.log_dir))
        self.earlier = list(Path(self.log_dir).glob("*/*tfevents*"))
        super().set_model(model)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.histogram_freq = -(-self.params["epochs"] // self.HISTOGRAMS)

    def on_epoch_begin(self, epoch, logs=None):
        while self.earlier:  # only now is it known which epoch comes next
            keep_before(epoch, self.earlier.pop())

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        for writer in self._writers.values():
            writer.flush()


def keep_before(epoch: int, path: Path) -> None:
    """Remove the given epoch and all later ones from a file of TensorBoard."""
    import tensorflow as tf

    if epoch == 0:
        path.unlink()
        return
    with atomic_write(path) as temporary:
        with (
            tf.io.TFRecordWriter(str(temporary)) as writer,
            contextlib.suppress(tf.errors.DataLossError),  # its last record was cut short
        ):
            for record in tf.data.TFRecordDataset(str(path)):
                if tf.compat.v1.Event.FromString(record.numpy()).step < epoch:
                    writer.write(record.numpy())
