"""Checkpoints from which an interrupted run resumes as if it had never stopped.

Keras' own `BackupAndRestore` saves the weights, the optimizer state and the epoch. A run also
depends on the order of the batches, the random numbers of layers such as `Dropout`, the state of
callbacks such as `EarlyStopping`, and its record depends on the history. Here the first two are
derived from (seed, epoch) at the start of every epoch; the rest is saved in the checkpoint.

The last two checkpoints are kept. Each ends with a checksum, so a truncated or corrupted one is
detected and the previous one is used instead. Checkpoints are `.npz` files because NumPy reports a
full disk cleanly, while HDF5 can crash.
"""

import errno
import hashlib
import io
import json
import sys
import time
import weakref
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from common.batches import EpochCounter
from common.errors import fail, finish_first
from common.files import atomic_write, fsync, replace

SUM = 32  # bytes of SHA-256 appended to the `.npz` file
EVERY = 5.0  # seconds between two checkpoints: at most this much work is lost
PLAIN = (bool, int, float, str, type(None), np.generic)


class Checkpoints(keras.callbacks.Callback):
    """Seeds every epoch, restores a checkpoint at the start, and saves them during training.

    Must come after the callbacks whose state it saves.

    Args:
        path: the checkpoint, an `.npz` file. If it or the previous one exists, training resumes
            from there and ignores `initial_epoch`. A checkpoint that this object wrote itself is
            not restored: calling `fit` again in a notebook trains the current model.
        seed: seed of the random numbers of every epoch.
        others: the callbacks whose state is saved.
        counter: the `EpochCounter` to update at the start of every epoch; it determines the order
            of the batches.

    Attributes:
        written: whether this object has saved a checkpoint.
    """

    def __init__(self, path: Path, seed: int, others=(), counter: EpochCounter | None = None):
        super().__init__()
        self.path, self.seed, self.others = Path(path), seed, list(others)
        self.counter = counter or EpochCounter()
        self.restored_history, self.written = {}, False
        self.earlier = None, {}  # of the previous `fit`: weak reference to its model, and history

    def on_train_begin(self, logs=None):
        self.saved_at, self.restored_history = time.perf_counter(), {}
        self.generators = random_generators(self.model)
        # By default TensorFlow creates the optimizer's variables while it traces the training step
        # and never frees the graphs involved, so memory grows with every model. Besides, values
        # can only be restored into variables that exist.
        self.model.optimizer.build(self.model.trainable_variables)
        self.model._initial_epoch = None
        if not self.written and (saved := read(self.path)):
            try:
                self.restore(saved)
            except (ValueError, TypeError, IndexError) as error:
                remedy = "was the lesson changed? Start a new run without --resume"
                fail(f"--resume: {self.path} does not fit this model ({error}); {remedy}")

    def restore(self, saved: "Saved") -> None:
        """Restore a checkpoint, except for the history, which follows in the first epoch."""
        self.model.set_weights(saved.weights)
        for variable, value in zip(self.model.optimizer.variables, saved.optimizer, strict=True):
            variable.assign(value)
        for callback, state in zip(self.others, saved.callbacks, strict=True):
            vars(callback).update(state)  # callbacks have already reset themselves
        self.restored_history = saved.history
        self.model._initial_epoch = saved.epoch  # every Keras trainer reads it next

    def on_epoch_begin(self, epoch, logs=None):
        (model, history), self.earlier = self.earlier, (None, {})
        if epoch and model and model() is self.model and not self.restored_history:
            self.restored_history = {name: values[:epoch] for name, values in history.items()}
        self.restore_history()  # only now, since Keras' History callback resets itself last
        seed_generators(self.generators, self.seed, epoch)
        self.counter.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        # No checkpoint after the epoch that stops training: a resumed run repeats it, then stops.
        if time.perf_counter() - self.saved_at >= EVERY and not self.model.stop_training:
            with finish_first():
                self.save(epoch + 1, logs or {})
            self.saved_at = time.perf_counter()

    def on_train_end(self, logs=None):
        # What is drawn later must not depend on whether the run was resumed.
        seed_generators(self.generators, self.seed, self.params["epochs"])
        self.model._initial_epoch = None  # the next `fit` obeys its own `initial_epoch`
        if self.restored_history:  # training had already ended
            self.restore_history()
        elif self.model.history.history:  # at least one epoch has run
            self.save(self.params["epochs"], {})
        if self.model.history.history:
            self.earlier = weakref.ref(self.model), self.model.history.history
        self.others, self.generators = [], None
        self.set_model(None)  # free the model, also referenced by the callbacks

    def restore_history(self) -> None:
        """Restore the history of the epochs before the interruption."""
        if self.restored_history:
            history = self.model.history
            history.history.update(self.restored_history)
            history.epoch[:] = range(max(map(len, history.history.values())))
            self.restored_history = {}

    def save(self, next_epoch: int, logs: dict) -> None:
        """Save weights, optimizer state, history and callbacks.

        Args:
            next_epoch: the epoch to resume at, counted from 0; the total number of epochs if
                training has ended.
            logs: the last epoch's values, which Keras adds to the history only afterwards.
        """
        history = {name: list(values) for name, values in self.model.history.history.items()}
        for name, value in logs.items():
            history.setdefault(name, []).append(float(value))
        # `savez` converts one variable at a time to an array. Arrays of all variables plus a copy
        # of the file would take 185 MB for a model with 5 million weights.
        parts = {f"weights/{number}": one for number, one in enumerate(self.model.weights)}
        for number, variable in enumerate(self.model.optimizer.variables):
            parts[f"optimizer/{number}"] = variable
        callbacks = [{} for _ in self.others]
        for number, callback in enumerate(self.others):
            for name, value in vars(callback).items():
                if is_plain(name, value):
                    callbacks[number][name] = value
                elif is_arrays(value):
                    for place, array in enumerate(value):
                        parts[f"callbacks/{number}/{name}/{place}"] = array
        state = {"epoch": next_epoch, "history": history, "callbacks": callbacks}
        text = json.dumps(state, default=lambda number: number.item())
        parts["state"] = np.frombuffer(text.encode(), np.uint8)
        with atomic_write(self.path) as temporary:
            with temporary.open("wb+") as file:
                np.savez(file, **parts)
                file.seek(0)
                file.write(hashlib.file_digest(file, "sha256").digest())
            fsync(temporary)  # on disk before the previous one is replaced
            if self.path.exists():
                replace(self.path, before(self.path))
        self.written = True


class Saved(NamedTuple):
    """The contents of a checkpoint."""

    epoch: int  # to resume at, counted from 0
    history: dict[str, list[float]]  # one value per epoch for the loss and each metric
    weights: list[np.ndarray]  # of the model, in the order of `set_weights`
    optimizer: list[np.ndarray]  # the values of its variables
    callbacks: list[dict]  # the public attributes of each


def before(path: Path) -> Path:
    """Return the path of the previous checkpoint, such as `checkpoint.before.npz`."""
    return path.with_suffix(".before.npz")


def read(path: Path) -> Saved | None:
    """Read the newest intact checkpoint: `path`, the previous one, or None.

    Rename damaged ones and report them in one line on standard error.
    """
    saved, damaged = None, []
    for candidate in filter(Path.exists, [path, before(path)]):
        if saved := read_whole(candidate):
            break
        replace(candidate, Path(f"{candidate}.damaged"))  # even if there is one already
        damaged.append(candidate.name)
    if damaged:
        instead = f"from {candidate.name}, the previous one" if saved else "from the beginning"
        found = f"{' and '.join(damaged)} in {path.parent}: damaged"
        print(f"{found}; training continues {instead}", file=sys.stderr)
    return saved


def read_whole(path: Path) -> Saved | None:
    """Read a checkpoint; return None if its checksum does not match."""
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        if error.errno != errno.EIO:  # what a failing disk reports
            raise
        return None
    if hashlib.sha256(content[:-SUM]).digest() != content[-SUM:]:
        return None
    parts = dict(np.load(io.BytesIO(content[:-SUM])))
    state = {"weights": [], "optimizer": [], **json.loads(parts.pop("state").tobytes())}
    for name, array in parts.items():  # in the order they were written
        kind, *place = name.split("/")
        if kind == "callbacks":
            number, attribute, _ = place
            state[kind][int(number)].setdefault(attribute, []).append(array)
        else:
            state[kind].append(array)
    return Saved(**state)


def next_epoch(path: Path) -> int:
    """Return the epoch at which a checkpoint resumes; 0 if there is no intact checkpoint."""
    saved = read(Path(path))
    return saved.epoch if saved else 0


def is_plain(name: str, value) -> bool:
    """Return whether an attribute is public and a number, a string, or a list of these."""
    items = value if isinstance(value, list) else [value]
    # `filepath` is not state, as the folder may have moved. And Keras flips the sign of `min_delta`
    # at the start of each training.
    return (
        not name.startswith("_")
        and name not in ("filepath", "min_delta")
        and all(isinstance(item, PLAIN) for item in items)
    )


def is_arrays(value) -> bool:
    """Return whether an attribute is a list of arrays, such as the best weights so far."""
    return isinstance(value, list) and any(isinstance(item, np.ndarray) for item in value)


def random_generators(model) -> list[tuple]:
    """Return a model's seed generators as (layer index, index within the layer, generator)."""
    found = []
    for place, layer in enumerate(model._flatten_layers()):
        values = vars(layer).values()
        own = [value for value in values if isinstance(value, keras.random.SeedGenerator)]
        found += [(place, number, generator) for number, generator in enumerate(own)]
    return found


def seed_generators(generators, seed: int, epoch: int) -> None:
    """Set the state of every generator from (seed, epoch, layer index, generator index)."""
    for place, number, generator in generators:
        state = np.random.SeedSequence([seed, epoch, place, number]).generate_state(2)
        generator.state.assign(state.astype(generator.state.dtype))
