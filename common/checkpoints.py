"""Checkpoints from which a stopped run goes on as if it had never stopped.

Keras' own `BackupAndRestore` keeps weights, optimizer and epoch. A run also depends on the order
of the batches, on the random numbers of layers such as `Dropout`, on what callbacks such as
`EarlyStopping` remember, and its record on the history. Here the first two are drawn anew from
(seed, epoch) when an epoch begins, and the rest is kept in the checkpoint.

The last two checkpoints are kept. Each ends with its own checksum, so that one which a failing disk
has cut short or changed is noticed, and the one before it serves instead.
"""

import hashlib
import itertools
import json
import os
import sys
import time
from pathlib import Path

import h5py
import keras
import numpy as np

from common.errors import finish_first
from common.files import whole_file

STATE = "run_state"  # the group that is added to Keras' own weights file
SUM = 32  # bytes of SHA-256 behind the file that Keras and h5py wrote
EVERY = 5.0  # seconds between two checkpoints: at most this much work is lost
PLAIN = (bool, int, float, str, type(None), np.generic)


class Checkpoints(keras.callbacks.Callback):
    """Seeds every epoch, saves a checkpoint now and then and at the end, restores one at the start.

    Put it behind the callbacks whose state it keeps.

    Args:
        path: the checkpoint, a `.weights.h5` file. If it exists, or the one before it, training
            goes on from there.
        seed: what the random numbers of every epoch are drawn from.
        others: the callbacks whose state is kept.
    """

    def __init__(self, path: Path, seed: int, others=()):
        super().__init__()
        self.path, self.seed, self.others = Path(path), seed, list(others)
        self.restored_history = {}

    def on_train_begin(self, logs=None):
        self.saved_at = time.perf_counter()
        self.generators = random_generators(self.model)
        # Left to itself, TensorFlow makes the optimizer's variables while it traces the training step,
        # and keeps the graphs of that for good: memory that every further model adds to. Weights
        # cannot be loaded into variables not yet made either.
        self.model.optimizer.build(self.model.trainable_variables)
        if path := newest_whole(self.path):
            self.model.load_weights(path)
            state, arrays = read_state(path)
            for number, callback in enumerate(self.others):  # they have cleared themselves by now
                vars(callback).update(state["callbacks"][number])
                vars(callback).update(arrays.get(str(number), {}))
            self.restored_history = state["history"]

    def on_epoch_begin(self, epoch, logs=None):
        self.restore_history()  # only now, since Keras' history clears itself last
        seed_generators(self.generators, self.seed, epoch)

    def on_epoch_end(self, epoch, logs=None):
        # An epoch after which training stops is not kept: a resumed run repeats it and stops too.
        if time.perf_counter() - self.saved_at >= EVERY and not self.model.stop_training:
            with finish_first():
                self.save(epoch + 1, logs or {})
            self.saved_at = time.perf_counter()

    def on_train_end(self, logs=None):
        if self.restored_history:  # it had ended before
            self.restore_history()
        else:
            self.save(self.params["epochs"], {})

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
            logs: the figures of the last epoch, which Keras adds to the history only after the
                callbacks have run.
        """
        history = {name: list(values) for name, values in self.model.history.history.items()}
        for name, value in logs.items():
            history.setdefault(name, []).append(float(value))
        callbacks = [
            {name: value for name, value in vars(callback).items() if is_kept(name, value)}
            for callback in self.others
        ]
        state = {"epoch": next_epoch, "history": history, "callbacks": callbacks}
        with whole_file(self.path, lasting=True) as temporary:
            self.model.save_weights(temporary)
            with h5py.File(temporary, "a") as file:
                file[f"{STATE}/json"] = json.dumps(state, default=lambda number: number.item())
                arrays = file.create_group(f"{STATE}/arrays")
                for number, callback in enumerate(self.others):
                    for name, value in vars(callback).items():
                        if is_arrays(value):
                            for position, array in enumerate(value):
                                arrays[f"{number}/{name}/{position:06d}"] = array
            add_checksum(temporary)
            if self.path.exists():
                os.replace(self.path, before(self.path))


def before(path: Path) -> Path:
    """Name the checkpoint before the newest: `checkpoint.before.weights.h5`."""
    return path.with_name(path.name.removesuffix(".weights.h5") + ".before.weights.h5")


def add_checksum(path: Path) -> None:
    """Write the SHA-256 of a file behind it; HDF5 does not mind."""
    with path.open("r+b") as file:
        checksum = hashlib.file_digest(file, "sha256").digest()
        file.seek(0, os.SEEK_END)
        file.write(checksum)


def is_whole(path: Path) -> bool:
    """Tell whether a checkpoint ends with its own checksum."""
    try:
        content = path.read_bytes()
    except OSError:  # a failing disk says so when it is read
        return False
    return hashlib.sha256(content[:-SUM]).digest() == content[-SUM:]


def newest_whole(path: Path) -> Path | None:
    """Find the newest checkpoint that is whole. A damaged one is renamed, and one line says so.

    Returns:
        `path`, or the one before it, or None if neither is there and whole.
    """
    found = [candidate for candidate in (path, before(path)) if candidate.exists()]
    damaged = list(itertools.takewhile(lambda candidate: not is_whole(candidate), found))
    whole = next((candidate for candidate in found if candidate not in damaged), None)
    if damaged:
        for candidate in damaged:
            candidate.rename(candidate.with_name(candidate.name + ".damaged"))
        names = " and ".join(candidate.name for candidate in damaged)
        instead = f"with {whole.name}, the one before" if whole else "from the start"
        print(f"{names} in {path.parent}: damaged, so this goes on {instead}", file=sys.stderr)
    return whole


def is_kept(name: str, value) -> bool:
    """Tell whether a callback's attribute is public and plain: numbers, texts, lists of them."""
    items = value if isinstance(value, list) else [value]
    # A folder may have moved: where a callback writes is not its state.
    return (
        not name.startswith("_")
        and name != "filepath"
        and all(isinstance(item, PLAIN) for item in items)
    )


def is_arrays(value) -> bool:
    """Tell whether a callback's attribute is a list of arrays, as `EarlyStopping`'s best weights."""
    return isinstance(value, list) and any(isinstance(item, np.ndarray) for item in value)


def read_state(path: Path) -> tuple[dict, dict]:
    """Read what `Checkpoints.save` added to the weights.

    Returns:
        The state (epoch, history, callbacks) and the callbacks' lists of arrays, by number and
        attribute.
    """
    with h5py.File(path) as file:
        arrays = {
            number: {name: [part[()] for part in parts.values()] for name, parts in names.items()}
            for number, names in file[f"{STATE}/arrays"].items()
        }
        return json.loads(file[f"{STATE}/json"][()]), arrays


def next_epoch(path: Path) -> int:
    """Read which epoch a checkpoint goes on with; 0 if there is no whole checkpoint."""
    whole = newest_whole(Path(path))
    return read_state(whole)[0]["epoch"] if whole else 0


def random_generators(model) -> list[tuple]:
    """Find the random generators of a model's layers.

    Returns:
        For each: the place of its layer, its number in that layer, and the generator.
    """
    return [
        (place, number, generator)
        for place, layer in enumerate(model._flatten_layers())
        for number, generator in enumerate(
            value for value in vars(layer).values() if isinstance(value, keras.random.SeedGenerator)
        )
    ]


def seed_generators(generators, seed: int, epoch: int) -> None:
    """Set the state of every random generator from (seed, epoch, layer, generator)."""
    for place, number, generator in generators:
        state = np.random.SeedSequence([seed, epoch, place, number]).generate_state(2)
        generator.state.assign(state.astype(generator.state.dtype))
