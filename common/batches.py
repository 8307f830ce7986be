"""Reproducible batches, reshuffled for every epoch, identical on every back-end.

Once a seed is set, `fit(arrays)` on the TensorFlow back-end uses the same order in every epoch.
Here the order of epoch e depends only on the pair (seed, e). So every epoch has a new order, two
runs with the same seed agree to the bit, and a resumed run sees exactly the batches it would have
seen without the interruption.
"""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from scipy.sparse import issparse

LARGE = 2**24  # bytes: smaller arrays are copied into TensorFlow, which gathers from them faster


class EpochCounter:
    """The epoch whose order is drawn next: set by callbacks, incremented by a plain loop."""

    epoch = 0


class Epochs(NamedTuple):
    """What a pipeline of `shuffled_batches` draws its epochs from, for `common.one_program`."""

    arrays: Any  # (features, targets), each an array or a tuple or dict of arrays
    examples: int  # per epoch
    batch_size: int
    draw: Callable[[], np.ndarray]  # returns the order of the next epoch, and counts on


def epoch_order(examples: int, seed: int, epoch: int, parts: int = 1) -> np.ndarray:
    """Return the order of an epoch: a permutation of 0 to examples - 1, int64, or a part of one."""
    number, part = divmod(epoch, parts)
    size = examples // parts
    order = np.random.default_rng([seed, number]).permutation(examples)
    return order if parts == 1 else order[part * size : (part + 1) * size]


def shuffled_batches(
    features,
    targets,
    batch_size: int,
    seed: int,
    counter=None,
    repeat=False,
    sample_weight=None,
    parts: int = 1,
):
    """Split arrays into batches, reshuffled for every epoch.

    Each batch is gathered on demand: the arrays keep their dtype, and a sparse array is never
    converted as a whole. The last batch of an epoch may be smaller.

    Args:
        features: array of shape (examples, ...), a numeric DataFrame, or a SciPy sparse array in
            CSR format of shape (examples, columns), whose batches are dense. For a model with
            several inputs, a tuple or dict of these.
        targets: array of shape (examples,) or (examples, outputs). For a model with several
            outputs, a tuple or dict of these.
        batch_size: examples per batch.
        seed: seed of the orders.
        counter: an `EpochCounter`, read when an order is drawn and then advanced to the next
            epoch. By default the first pass is epoch 0.
        repeat: repeat the batches endlessly, for `fit(..., steps_per_epoch=...)`. This saves the
            new iterator per epoch, about 20 ms on TensorFlow.
        sample_weight: weight of each example in the loss, array of shape (examples,) or (examples,
            outputs); 1 by default.
        parts: with more than 1, an epoch takes only that part of the examples, and the next one
            takes other examples, until all have been used and are reshuffled. Up to `parts` - 1
            examples are left out.

    Returns:
        A `tf.data.Dataset` on the TensorFlow back-end, with an attribute `epochs`, its
        `Epochs`, unless an array is sparse; a `keras.utils.PyDataset` on the others.
    """
    arrays = as_arrays(
        (features, targets) if sample_weight is None else (features, targets, sample_weight)
    )
    counter = counter or EpochCounter()
    available = count(arrays[1])
    examples = available // parts
    batch_size = min(batch_size, examples)
    if keras.backend.backend() != "tensorflow":
        return ShuffledBatches(arrays, batch_size, seed, counter, parts)
    import tensorflow as tf

    # Every call back into Python waits until the training loop releases the interpreter lock, so
    # one call draws the orders of many short epochs.
    epochs = max(1, min(64, 2**14 // examples)) if repeat else 1
    full, rest = divmod(examples, batch_size)
    first_epoch = 0

    def orders(start):
        nonlocal first_epoch
        if start == 0:  # a new iterator
            first_epoch = counter.epoch
        numbers = range(first_epoch + start, first_epoch + start + epochs)
        if counter.epoch == numbers[0]:  # otherwise another training has set it since
            counter.epoch = numbers[-1] + 1
        return np.concatenate([epoch_order(available, seed, number, parts) for number in numbers])

    def rows_of_batches(start):
        rows = tf.numpy_function(orders, [start], tf.int64)
        rows = tf.ensure_shape(rows, [epochs * examples])
        if rest:
            lengths = ([batch_size] * full + [rest]) * epochs
            rows = tf.RaggedTensor.from_row_lengths(rows, lengths, validate=False)
        else:  # 10 % faster if steps are short
            rows = tf.reshape(rows, [-1, batch_size])
        return tf.data.Dataset.from_tensor_slices(rows)

    def next_order():
        counter.epoch += 1
        return epoch_order(available, seed, counter.epoch - 1, parts)

    starts = tf.data.Dataset.range(0, 2**62 if repeat else 1, epochs)
    steps = full + bool(rest)
    rows = starts.flat_map(rows_of_batches)
    dataset = gather_rows(rows, arrays, 4, None if repeat else steps)
    if not any(map(issparse, keras.tree.flatten(arrays))):
        dataset.epochs = Epochs(arrays, examples, batch_size, next_order)
    return dataset


def ordered_batches(features, targets, batch_size: int):
    """Split arrays into batches without shuffling, for validation and evaluation.

    Keras rebuilds the pipeline of `validation_data=(x, y)` after every epoch and converts a sparse
    array again for every model. This pipeline is built only once.

    Arguments and return value are like those of `shuffled_batches`.
    """
    arrays = as_arrays((features, targets))
    if keras.backend.backend() != "tensorflow":
        return OrderedBatches(arrays, batch_size)
    import tensorflow as tf

    examples = count(arrays[1])
    sparse = any(map(issparse, keras.tree.flatten(arrays)))
    if batch_size >= examples and not sparse:  # 3 ms per epoch instead of 20
        return untuned(tf.data.Dataset.from_tensors(arrays))
    rows = tf.data.Dataset.range(examples).batch(batch_size)
    return gather_rows(rows, arrays, 2, -(-examples // batch_size))


def untuned(dataset):
    """Disable autotuning in a `tf.data` pipeline.

    The autotuning thread sleeps for 10 ms, then 20, 40 and so on, doubling each time, and the
    pipeline often cannot finish until that thread wakes up: 6 s of work can take 10.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def gather_rows(rows, arrays, ahead: int, steps: int | None):
    """Map a `tf.data` pipeline of row numbers to batches, prefetching up to `ahead` of them.

    TensorFlow never frees a Python function passed to `tf.numpy_function`. So the function looks
    the arrays up in a dictionary, which is cleared when the pipeline is garbage-collected.
    """
    import tensorflow as tf

    held = {}

    def reader(array):
        if not issparse(array) and array.nbytes < LARGE:
            constant = tf.constant(array)
            return lambda rows: tf.gather(constant, rows)
        number, dtype, shape = len(held), array.dtype, [None, *array.shape[1:]]
        held[number] = array

        def read(rows):
            batch = tf.numpy_function(lambda rows: dense_rows(held[number], rows), [rows], dtype)
            return tf.ensure_shape(batch, shape)

        return read

    readers = keras.tree.map_structure(reader, arrays)
    batches = rows.map(lambda rows: keras.tree.map_structure(lambda read: read(rows), readers))
    dataset = untuned(batches.prefetch(ahead))
    if steps:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    weakref.finalize(dataset, held.clear)  # an iterator holds a reference to its dataset
    return dataset


class OrderedBatches(keras.utils.PyDataset):
    """Batches of `ordered_batches` for JAX and PyTorch."""

    def __init__(self, arrays: tuple, batch_size: int):
        super().__init__()
        self.arrays, self.batch_size = arrays, batch_size
        self.examples = count(arrays[1])

    def __len__(self):
        return -(-self.examples // self.batch_size)

    def __getitem__(self, index: int):
        """Return batch `index`."""
        return self.gather(slice(index * self.batch_size, (index + 1) * self.batch_size))

    def gather(self, rows):
        """Return the given rows of features, targets and, if given, sample weights."""
        return dense_rows(self.arrays, rows)


class ShuffledBatches(OrderedBatches):
    """Batches of `shuffled_batches` for JAX and PyTorch.

    `fit` requests batches in its own shuffled order, so the index is ignored.
    """

    def __init__(
        self, arrays: tuple, batch_size: int, seed: int, counter: EpochCounter, parts: int
    ):
        super().__init__(arrays, batch_size)
        self.seed, self.counter, self.parts = seed, counter, parts
        self.available = self.examples
        self.examples //= parts
        self.on_epoch_begin()

    def on_epoch_begin(self):
        """Start again with a new order."""
        self.step = 0

    def __getitem__(self, index: int):
        """Return the next batch, whatever the index."""
        if self.step == 0:
            self.order = epoch_order(self.available, self.seed, self.counter.epoch, self.parts)
        rows = self.order[self.step * self.batch_size : (self.step + 1) * self.batch_size]
        self.step = (self.step + 1) % len(self)
        self.counter.epoch += self.step == 0  # Keras may read one batch before training
        return self.gather(rows)


def as_arrays(values):
    """Convert a DataFrame, list or tensor, or each item of a tuple or dict, to an array."""
    if isinstance(values, tuple):
        return tuple(map(as_arrays, values))
    if isinstance(values, dict):
        return {name: as_arrays(part) for name, part in values.items()}
    return values if issparse(values) else np.asarray(values)


def count(values) -> int:
    """Return the number of examples: the rows of the first array."""
    return keras.tree.flatten(values)[0].shape[0]


def dense_rows(values, rows):
    """Return the given rows of each array; those of a sparse array become dense."""

    def gather(array):
        gathered = array[rows]
        return gathered.toarray() if issparse(gathered) else gathered

    return keras.tree.map_structure(gather, values)
