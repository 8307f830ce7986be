"""What happens beside training: the time of each epoch, whole files, progress on one line."""

import shutil
import sys
import time
from pathlib import Path

import keras

from common.files import fsync, temporary_path


class EpochTimer(keras.callbacks.Callback):
    """Measures the wall time of every epoch, validation included, and of the whole fit.

    Attributes:
        seconds: list of floats, one an epoch.
        total: seconds from `start` to `stop`, and of the epochs of a resumed run before it was
            stopped.
    """

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []
        self.total = 0.0
        self._began = self._earlier = None

    def start(self) -> None:
        """Start the clock of the whole: call it right before `fit`, which has work to do before it
        calls its callbacks."""
        self._began = time.perf_counter()

    def stop(self) -> None:
        """Stop the clock of the whole: let it be the last thing that `fit` calls."""
        earlier = sum(self.seconds) if self._earlier is None else self._earlier
        self.total = earlier + time.perf_counter() - self._began

    def on_epoch_begin(self, epoch, logs=None):
        if self._earlier is None:
            self._earlier = sum(self.seconds)
        self._epoch_began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._epoch_began)

    def on_train_end(self, logs=None):
        self.set_model(None)  # its model may go, while the figures stay


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """Keras' callback of this name, but a file is replaced only when the new one is whole."""

    def on_epoch_end(self, epoch, logs=None):
        named = Path(self.filepath)  # with such parts as {epoch:02d}, which Keras fills in
        temporary = temporary_path(named)
        begin = temporary.name.removesuffix(named.name)
        self.filepath = str(temporary)
        try:
            super().on_epoch_end(epoch, logs)
            for path in named.parent.glob(f"{begin}*"):
                fsync(path)
                path.replace(path.with_name(path.name.removeprefix(begin)))
        finally:
            self.filepath = str(named)
            for path in named.parent.glob(f"{begin}*"):
                path.unlink()


class OneLineProgress(keras.callbacks.Callback):
    """Shows many short epochs on one line that is written over, not on a line each.

    Use it with `fit(..., verbose=0)`. Where standard output is a file, only the last state is
    written.

    Args:
        pause: seconds between two updates, so that printing does not slow training down.
    """

    def __init__(self, pause: float = 0.2):
        super().__init__()
        self.pause = pause
        self._shown_at, self._line, self._hidden = 0.0, "", None

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        if now - self._shown_at < self.pause:
            self._hidden = epoch, logs
        else:
            self._shown_at, self._hidden = now, None
            self.show(epoch, logs)

    def on_train_end(self, logs=None):
        if self._hidden:
            self.show(*self._hidden)
        print("" if sys.stdout.isatty() else self._line, flush=True)

    def show(self, epoch, logs):
        """Write the state after `epoch` over the line before."""
        values = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        self._line = f"epoch {epoch + 1} of at most {self.params['epochs']}  {values}"
        if sys.stdout.isatty():
            width = (
                shutil.get_terminal_size().columns - 1
            )  # a longer line could not be written over
            print(f"\r{self._line[:width]:<{width}}", end="", flush=True)
