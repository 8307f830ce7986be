"""Batches in an order that is new every epoch, the same for every back-end, and repeatable.

`fit(arrays)` on the TensorFlow back-end repeats one order in every epoch once a seed is set.
Here the order of epoch e is drawn from the pair (seed, e) alone. So the epochs differ, two runs
with one seed agree to the bit, and a run that was stopped goes on with the very batches that
it would have had.
"""

import weakref

import keras
import numpy as np
from scipy.sparse import issparse

LARGE = 2**24  # bytes: TensorFlow keeps a copy of a smaller array, which is faster to gather from


class EpochCounter:
    """Knows the epoch whose order is drawn next: callbacks set it, a plain loop counts on."""

    epoch = 0


def epoch_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    """Draw the order of an epoch: the numbers 0 to examples - 1, int64 of shape (examples,)."""
    return np.random.default_rng([seed, epoch]).permutation(examples)


def shuffled_batches(features, targets, batch_size: int, seed: int, counter=None, repeat=False):
    """Cut arrays into batches that are reshuffled for every epoch.

    A batch is gathered from the arrays when it is needed: they keep their dtype, and a sparse array
    stays sparse as a whole. The last batch of an epoch may be smaller.

    Args:
        features: array of shape (examples, ...), a table of numbers, or a sparse array of SciPy
            in CSR form, of shape (examples, columns); its batches are ordinary arrays. For a model
            of several inputs a tuple or a dict of such.
        targets: array of shape (examples,) or (examples, outputs); for several outputs likewise.
        batch_size: examples in a batch.
        seed: what the orders are drawn from.
        counter: an `EpochCounter`: tells the epoch when an order is drawn, and is set to the next
            one. If left out, the first pass is epoch 0.
        repeat: go on without end, for `fit(..., steps_per_epoch=...)`: an epoch then needs no new
            iterator, which takes TensorFlow about 20 ms.

    Returns:
        A `tf.data.Dataset` on the TensorFlow back-end, a `keras.utils.PyDataset` on the others.
    """
    features, targets = as_arrays(features), as_arrays(targets)
    counter = counter or EpochCounter()
    examples = count(targets)
    batch_size = min(batch_size, examples)
    if keras.backend.backend() != "tensorflow":
        return ShuffledBatches(features, targets, batch_size, seed, counter)
    import tensorflow as tf

    # Each call back into Python waits for the training loop to let go of it, so the orders of many
    # short epochs are drawn in one call.
    epochs = max(1, min(64, 2**14 // examples)) if repeat else 1
    full, rest = divmod(examples, batch_size)
    first_epoch = 0

    def orders(start):
        nonlocal first_epoch
        if start == 0:  # a new iterator
            first_epoch = counter.epoch
        numbers = range(first_epoch + start, first_epoch + start + epochs)
        if counter.epoch == numbers[0]:  # else another training has set it since
            counter.epoch = numbers[-1] + 1
        return np.concatenate([epoch_order(examples, seed, number) for number in numbers])

    def rows_of_batches(start):
        rows = tf.numpy_function(orders, [start], tf.int64)
        rows = tf.ensure_shape(rows, [epochs * examples])
        if rest:
            lengths = ([batch_size] * full + [rest]) * epochs
            rows = tf.RaggedTensor.from_row_lengths(rows, lengths, validate=False)
        else:  # faster by a tenth where steps are short
            rows = tf.reshape(rows, [-1, batch_size])
        return tf.data.Dataset.from_tensor_slices(rows)

    starts = tf.data.Dataset.range(0, 2**62 if repeat else 1, epochs)
    steps = None if repeat else full + bool(rest)
    return gather_rows(starts.flat_map(rows_of_batches), features, targets, 4, steps)


def ordered_batches(features, targets, batch_size: int):
    """Cut arrays into batches in their own order, once: for validation and evaluation.

    Keras rebuilds the pipeline of `validation_data=(x, y)` after every epoch, and converts a sparse
    array anew for every model; this pipeline is built once.

    It takes and returns what `shuffled_batches` does.
    """
    features, targets = as_arrays(features), as_arrays(targets)
    if keras.backend.backend() != "tensorflow":
        return OrderedBatches(features, targets, batch_size)
    import tensorflow as tf

    examples = count(targets)
    sparse = any(map(issparse, keras.tree.flatten((features, targets))))
    if batch_size >= examples and not sparse:  # 3 ms an epoch instead of 20
        return untuned(tf.data.Dataset.from_tensors((features, targets)))
    rows = tf.data.Dataset.range(examples).batch(batch_size)
    return gather_rows(rows, features, targets, 2, -(-examples // batch_size))


def untuned(dataset):
    """Keep a `tf.data` pipeline from tuning itself.

    The thread that tunes it sleeps 10 ms, 20, 40 and so on, twice as long every time; and often a
    pipeline ends only when that thread wakes up. So one that takes 6 s can end after 10.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def gather_rows(rows, features, targets, ahead: int, steps: int | None):
    """Turn a `tf.data` pipeline of row numbers into one of batches, made up to `ahead` in advance.

    The arrays go when the pipeline goes. TensorFlow never lets go of a function that it calls back,
    so the function finds them in a dictionary, which is emptied then.
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

    readers = keras.tree.map_structure(reader, (features, targets))
    batches = rows.map(lambda rows: keras.tree.map_structure(lambda read: read(rows), readers))
    dataset = untuned(batches.prefetch(ahead))
    if steps:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    weakref.finalize(dataset, held.clear)  # an iterator keeps its dataset
    return dataset


class OrderedBatches(keras.utils.PyDataset):
    """Batches in their own order, for JAX and PyTorch."""

    def __init__(self, features, targets, batch_size: int):
        super().__init__()
        self.features, self.targets, self.batch_size = features, targets, batch_size

    def __len__(self):
        return -(-count(self.targets) // self.batch_size)

    def __getitem__(self, index: int):
        """Gather batch `index`."""
        return self.gather(slice(index * self.batch_size, (index + 1) * self.batch_size))

    def gather(self, rows):
        """Gather some rows of features and targets."""
        return dense_rows(self.features, rows), dense_rows(self.targets, rows)


class ShuffledBatches(OrderedBatches):
    """The batches of `shuffled_batches` for JAX and PyTorch.

    `fit` asks for them in an order of its own, so they are handed out one after the other instead.
    """

    def __init__(self, features, targets, batch_size: int, seed: int, counter: EpochCounter):
        super().__init__(features, targets, batch_size)
        self.seed, self.counter = seed, counter
        self.on_epoch_begin()

    def on_epoch_begin(self):
        """Start over with a new order."""
        self.step = 0

    def __getitem__(self, index: int):
        """Gather the next batch."""
        if self.step == 0:
            self.order = epoch_order(count(self.targets), self.seed, self.counter.epoch)
        rows = self.order[self.step * self.batch_size : (self.step + 1) * self.batch_size]
        self.step = (self.step + 1) % len(self)
        self.counter.epoch += self.step == 0  # Keras may look at one batch before it trains
        return self.gather(rows)


def as_arrays(values):
    """Turn a table, a list or a tensor into an array; in a tuple or a dict, each of its parts."""
    if isinstance(values, tuple):
        return tuple(map(as_arrays, values))
    if isinstance(values, dict):
        return {name: as_arrays(part) for name, part in values.items()}
    return values if issparse(values) else np.asarray(values)


def count(values) -> int:
    """Count the examples: the rows of the first array."""
    return keras.tree.flatten(values)[0].shape[0]


def dense_rows(values, rows):
    """Gather rows of each array; those of a sparse one become an ordinary array."""

    def gather(array):
        gathered = array[rows]
        return gathered.toarray() if issparse(gathered) else gathered

    return keras.tree.map_structure(gather, values)
