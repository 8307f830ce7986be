"""Checkpoints from which a stopped run goes on as if it had never stopped.

Keras' own `BackupAndRestore` keeps weights, optimizer and epoch. A run also depends on the order
of the batches, on the random numbers of layers such as `Dropout`, on what callbacks such as
`EarlyStopping` remember, and its record on the history. Here the first two are drawn anew from
(seed, epoch) when an epoch begins, and the rest is kept in the checkpoint.

The last two checkpoints are kept. Each ends with its own checksum, so that one which a failing disk
has cut short or changed is noticed, and the one before it serves instead. A checkpoint is an `.npz`
file, since NumPy says plainly that a disk is full; HDF5 can crash then.
"""

import errno
import hashlib
import io
import json
import os
import sys
import time
import weakref
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from common.batches import EpochCounter
from common.errors import fail, finish_first
from common.files import atomic_write, fsync

SUM = 32  # bytes of SHA-256 behind the file that NumPy wrote
EVERY = 5.0  # seconds between two checkpoints: at most this much work is lost
PLAIN = (bool, int, float, str, type(None), np.generic)


class Checkpoints(keras.callbacks.Callback):
    """Seeds every epoch, saves a checkpoint now and then and at the end, restores one at the start.

    Put it behind the callbacks whose state it keeps.

    Args:
        path: the checkpoint, an `.npz` file. If it exists, or the one before it, training
            goes on from there, whatever `initial_epoch` says; but not from what this very object
            has written: in a notebook, `fit` again is a new training, or goes on with its model.
        seed: what the random numbers of every epoch are drawn from.
        others: the callbacks whose state is kept.
        counter: is told the number of every epoch, for the order of its batches.

    Attributes:
        written: whether a checkpoint has been saved.
    """

    def __init__(self, path: Path, seed: int, others=(), counter: EpochCounter | None = None):
        super().__init__()
        self.path, self.seed, self.others = Path(path), seed, list(others)
        self.counter = counter or EpochCounter()
        self.restored_history, self.written = {}, False
        self.earlier = None, {}  # a weak reference to the model of the `fit` before; its history

    def on_train_begin(self, logs=None):
        self.saved_at, self.restored_history = time.perf_counter(), {}
        self.generators = random_generators(self.model)
        # Left to itself, TensorFlow makes the optimizer's variables while it traces the training
        # step, and keeps the graphs of that for good: memory that every further model adds to.
        # Nothing can be restored into variables not yet made either.
        self.model.optimizer.build(self.model.trainable_variables)
        self.model._initial_epoch = None
        if not self.written and (saved := read(self.path)):
            try:
                self.restore(saved)
            except (ValueError, TypeError, IndexError) as error:
                remedy = "was the lesson changed? Start a new run without --resume"
                fail(f"--resume: {self.path} does not fit this model ({error}); {remedy}")

    def restore(self, saved: "Saved") -> None:
        """Put back what a checkpoint holds; the history follows when the first epoch begins."""
        self.model.set_weights(saved.weights)
        for variable, value in zip(self.model.optimizer.variables, saved.optimizer, strict=True):
            variable.assign(value)
        for callback, state in zip(self.others, saved.callbacks, strict=True):
            vars(callback).update(state)  # callbacks have cleared themselves by now
        self.restored_history = saved.history
        self.model._initial_epoch = saved.epoch  # all trainers read it next

    def on_epoch_begin(self, epoch, logs=None):
        (model, history), self.earlier = self.earlier, (None, {})
        if epoch and model and model() is self.model and not self.restored_history:
            self.restored_history = {name: values[:epoch] for name, values in history.items()}
        self.restore_history()  # only now, since Keras' history clears itself last
        seed_generators(self.generators, self.seed, epoch)
        self.counter.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        # An epoch after which training stops is not kept: a resumed run repeats it and stops too.
        if time.perf_counter() - self.saved_at >= EVERY and not self.model.stop_training:
            with finish_first():
                self.save(epoch + 1, logs or {})
            self.saved_at = time.perf_counter()

    def on_train_end(self, logs=None):
        self.model._initial_epoch = None  # a further `fit` begins where it is told to
        if self.restored_history:  # it had ended before
            self.restore_history()
        elif self.model.history.history:  # there was an epoch
            self.save(self.params["epochs"], {})
        if self.model.history.history:
            self.earlier = weakref.ref(self.model), self.model.history.history
        self.others, self.generators = [], None
        self.set_model(None)  # let the model go, and the callbacks, which know it too

    def restore_history(self) -> None:
        """Put back the history of the epochs before the stop."""
        if self.restored_history:
            history = self.model.history
            history.history.update(self.restored_history)
            history.epoch[:] = range(max(map(len, history.history.values())))
            self.restored_history = {}

    def save(self, next_epoch: int, logs: dict) -> None:
        """Write weights, optimizer, history and callbacks, to go on with `next_epoch`.

        Args:
            next_epoch: counted from 0; the number of epochs if training has ended.
            logs: the last epoch's values: Keras adds them to the history only afterwards.
        """
        history = {name: list(values) for name, values in self.model.history.history.items()}
        for name, value in logs.items():
            history.setdefault(name, []).append(float(value))
        # `savez` makes an array of one variable at a time. Arrays of all of them, and a copy of the
        # file, would take 185 MB for a model of 5 million weights.
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
            fsync(temporary)  # the disk has it before the earlier one makes room
            if self.path.exists():
                os.replace(self.path, before(self.path))
        self.written = True


class Saved(NamedTuple):
    """What a checkpoint holds."""

    epoch: int  # to go on with, counted from 0
    history: dict[str, list[float]]  # a value per epoch, for the loss and every metric
    weights: list[np.ndarray]  # of the model, as `set_weights` takes them
    optimizer: list[np.ndarray]  # the values of its variables
    callbacks: list[dict]  # for each the values of its public attributes


def before(path: Path) -> Path:
    """Name the checkpoint before the newest: `checkpoint.before.npz`."""
    return path.with_suffix(".before.npz")


def read(path: Path) -> Saved | None:
    """Read the newest checkpoint that is whole: `path`, or the one before it, or none.

    A damaged one is renamed, and one line on standard error says so.
    """
    saved, damaged = None, []
    for candidate in filter(Path.exists, [path, before(path)]):
        if saved := read_whole(candidate):
            break
        candidate.rename(f"{candidate}.damaged")
        damaged.append(candidate.name)
    if damaged:
        instead = f"with {candidate.name}, the one before" if saved else "from the start"
        found = f"{' and '.join(damaged)} in {path.parent}: damaged"
        print(f"{found}, so this goes on {instead}", file=sys.stderr)
    return saved


def read_whole(path: Path) -> Saved | None:
    """Read a checkpoint; None if it does not end with its own checksum."""
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        if error.errno != errno.EIO:  # so a failing disk says that it cannot be read
            raise
        return None
    if hashlib.sha256(content[:-SUM]).digest() != content[-SUM:]:
        return None
    parts = dict(np.load(io.BytesIO(content[:-SUM])))
    state = {"weights": [], "optimizer": [], **json.loads(parts.pop("state").tobytes())}
    for name, array in parts.items():  # in the order in which they were written
        kind, *place = name.split("/")
        if kind == "callbacks":
            number, attribute, _ = place
            state[kind][int(number)].setdefault(attribute, []).append(array)
        else:
            state[kind].append(array)
    return Saved(**state)


def next_epoch(path: Path) -> int:
    """Read which epoch a checkpoint goes on with; 0 if there is no whole checkpoint."""
    saved = read(Path(path))
    return saved.epoch if saved else 0


def is_plain(name: str, value) -> bool:
    """Tell whether a callback's attribute is public and plain: numbers, texts, lists of them."""
    items = value if isinstance(value, list) else [value]
    # A folder may have moved: where a callback writes is not its state. And Keras turns the sign of
    # `min_delta` when training begins, each time.
    return (
        not name.startswith("_")
        and name not in ("filepath", "min_delta")
        and all(isinstance(item, PLAIN) for item in items)
    )


def is_arrays(value) -> bool:
    """Tell whether a callback's attribute is a list of arrays, as the best weights so far are."""
    return isinstance(value, list) and any(isinstance(item, np.ndarray) for item in value)


def random_generators(model) -> list[tuple]:
    """Find the random generators of a model: place of the layer, number in it, generator."""
    found = []
    for place, layer in enumerate(model._flatten_layers()):
        values = vars(layer).values()
        own = [value for value in values if isinstance(value, keras.random.SeedGenerator)]
        found += [(place, number, generator) for number, generator in enumerate(own)]
    return found


def seed_generators(generators, seed: int, epoch: int) -> None:
    """Set the state of every random generator from (seed, epoch, layer, generator)."""
    for place, number, generator in generators:
        state = np.random.SeedSequence([seed, epoch, place, number]).generate_state(2)
        generator.state.assign(state.astype(generator.state.dtype))
