"""Batches in an order that is new every epoch, the same for every back-end, and repeatable.

`fit(arrays)` on the TensorFlow back-end repeats one order in every epoch once a seed is set.
Here the order of epoch e is drawn from the pair (seed, e) alone. So the epochs differ, two runs
with one seed agree to the bit, and a run that was stopped goes on with the very batches that
it would have had.
"""

import weakref
from typing import Any, NamedTuple

import keras
import numpy as np
from scipy.sparse import issparse

LARGE = 2**24  # bytes: TensorFlow keeps a copy of a smaller array, which is quicker to gather from


class Batches(NamedTuple):
    """Endless batches, with the two numbers that Keras needs to cut them into epochs."""

    dataset: Any  # for fit()
    steps_per_epoch: int  # for fit()
    steps_per_execution: int  # for compile()


def epoch_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    """Draw the order in which an epoch visits the examples.

    Returns:
        A permutation of 0 to examples - 1, of shape (examples,) and dtype int64.
    """
    return np.random.default_rng([seed, epoch]).permutation(examples)


def shuffled_batches(features, targets, batch_size: int, *, seed: int, first_epoch: int = 0):
    """Cut arrays into batches that are reshuffled for every epoch, without end.

    A batch is gathered from the arrays when it is needed: they keep their dtype, and a sparse array
    stays sparse as a whole. The last batch of an epoch may be smaller.

    Args:
        features: array of shape (examples, ...), a table of numbers, or a sparse array of SciPy
            in CSR form, of shape (examples, columns); its batches are ordinary arrays. For a model
            of several inputs a tuple or a dict of such.
        targets: array of shape (examples,) or (examples, outputs); for several outputs likewise.
        batch_size: examples in a batch.
        seed: what the orders are drawn from.
        first_epoch: the epoch that the first batch belongs to, above 0 when a run is resumed.

    Returns:
        `Batches`. Its dataset is a `tf.data.Dataset` on the TensorFlow back-end and a
        `keras.utils.PyDataset` on the others. Give `fit` `shuffle=False`.
    """
    features, targets = as_arrays(features), as_arrays(targets)
    examples = count(targets)
    batch_size = min(batch_size, examples)
    steps = -(-examples // batch_size)
    if keras.backend.backend() == "tensorflow":
        dataset = tensorflow_batches(features, targets, batch_size, seed, first_epoch)
    else:
        dataset = EndlessBatches(features, targets, batch_size, seed, first_epoch)
    # One call into TensorFlow does a whole epoch. To return to Python after every batch takes
    # about twice as long for small networks. PyTorch has no such call.
    steps_per_execution = 1 if keras.backend.backend() == "torch" else steps
    return Batches(dataset, steps, steps_per_execution)


def ordered_batches(features, targets, batch_size: int):
    """Cut arrays into batches in their own order, once: for validation and evaluation.

    Worth it for a sparse array, which Keras would convert anew for every model, and where much is
    validated. Others can go to `evaluate` as they are.

    Args:
        features: as in `shuffled_batches`.
        targets: as in `shuffled_batches`.
        batch_size: examples in a batch; the last may be smaller.

    Returns:
        A `tf.data.Dataset` on the TensorFlow back-end, a `keras.utils.PyDataset` on the others.
    """
    if keras.backend.backend() != "tensorflow":
        return OrderedBatches(features, targets, batch_size)
    import tensorflow as tf

    rows = tf.data.Dataset.range(count(targets)).batch(batch_size)
    return gather_rows(rows, features, targets, ahead=2)


def tensorflow_batches(features, targets, batch_size: int, seed: int, first_epoch: int):
    """Make the endless batches as a `tf.data.Dataset`."""
    import tensorflow as tf

    examples = count(targets)
    # Each call back into Python waits for the training loop to let go of it, so the orders of many
    # short epochs are drawn in one call.
    epochs = max(1, min(64, 2**14 // examples))
    full, rest = divmod(examples, batch_size)

    def orders(first):
        return np.concatenate([epoch_order(examples, seed, first + e) for e in range(epochs)])

    def rows_of_batches(first):
        rows = tf.numpy_function(orders, [first], tf.int64)
        rows = tf.ensure_shape(rows, [epochs * examples])
        if rest:
            lengths = ([batch_size] * full + [rest]) * epochs
            rows = tf.RaggedTensor.from_row_lengths(rows, lengths, validate=False)
        else:  # quicker by a tenth where steps are short
            rows = tf.reshape(rows, [-1, batch_size])
        return tf.data.Dataset.from_tensor_slices(rows)

    rows = tf.data.Dataset.range(first_epoch, 2**62, epochs).flat_map(rows_of_batches)
    return gather_rows(rows, features, targets, ahead=4)


def untuned(dataset):
    """Keep a `tf.data` pipeline from tuning itself.

    The thread that tunes it sleeps 10 ms, 20, 40 and so on, twice as long every time; and often a
    pipeline ends only when that thread wakes up. So one that takes 6 s can end after 10.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def gather_rows(rows, features, targets, ahead: int):
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
    weakref.finalize(dataset, held.clear)  # an iterator keeps its dataset
    return dataset


class EndlessBatches(keras.utils.PyDataset):
    """The same batches for JAX and PyTorch. Batch i belongs to epoch i // steps."""

    def __init__(self, features, targets, batch_size: int, seed: int, first_epoch: int):
        super().__init__()
        self.features, self.targets = features, targets
        self.batch_size, self.seed, self.first_epoch = batch_size, seed, first_epoch
        self.steps = -(-count(targets) // batch_size)
        self.epoch, self.order = None, None

    @property
    def num_batches(self):
        """None: there is no last batch."""
        return None

    def __getitem__(self, index: int):
        """Gather batch `index`, counted from the start of the first epoch."""
        epochs, step = divmod(index, self.steps)
        if self.epoch != self.first_epoch + epochs:
            self.epoch = self.first_epoch + epochs
            self.order = epoch_order(count(self.targets), self.seed, self.epoch)
        rows = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        return dense_rows(self.features, rows), dense_rows(self.targets, rows)


class OrderedBatches(keras.utils.PyDataset):
    """The batches in order for JAX and PyTorch."""

    def __init__(self, features, targets, batch_size: int):
        super().__init__()
        self.features, self.targets, self.batch_size = features, targets, batch_size

    def __len__(self):
        return -(-count(self.targets) // self.batch_size)

    def __getitem__(self, index: int):
        """Gather batch `index`."""
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return dense_rows(self.features, rows), dense_rows(self.targets, rows)


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


def one_batch(features, targets):
    """Make a small validation set into a single batch.

    Keras rebuilds the pipeline of `validation_data=(x, y)` after every epoch. On two CPU cores that
    takes about 20 ms, and an epoch of a few hundred rows 2 ms; for a single batch it takes 3 ms.

    Returns:
        A `tf.data.Dataset` of one batch on the TensorFlow back-end, the arrays on the others.
    """
    features, targets = as_arrays(features), as_arrays(targets)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return untuned(tf.data.Dataset.from_tensors((features, targets)))
    return features, targets
