"""Batches: reshuffled every epoch, equal on all back-ends, also in `fit`."""

import functools
import gc
import itertools
import json
import os
import subprocess
import sys
import weakref
from importlib.util import find_spec

import keras
import numpy as np
import pytest
from conftest import ROOT
from scipy.sparse import csr_array

from common import batches
from common.batches import LARGE, EpochCounter, OrderedBatches, ShuffledBatches, ordered_batches

# Trains a model that records and prints the examples it sees, in order.
WATCH = """
import json, sys
sys.path.insert(0, {root!r})
from common.startup import start_keras
start_keras()
import keras, numpy as np
from common.batches import EpochCounter, shuffled_batches

seen, counter = [], EpochCounter()

class Watch(keras.layers.Layer):
    def call(self, inputs):
        if "Tracer" not in type(inputs).__name__:  # JAX asks for shapes first, without numbers
            seen.extend(keras.ops.convert_to_numpy(inputs)[:, 0].astype(int).tolist())
        return inputs

class Tell(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        seen.clear()

    def on_epoch_begin(self, epoch, logs=None):
        counter.epoch = epoch

numbers = np.arange(10, dtype="float32")[:, None]
train = shuffled_batches(numbers, numbers, 4, 7, counter, repeat={repeat})
model = keras.Sequential([Watch(), keras.layers.Dense(1)])
model.build((None, 1))
model.compile("sgd", "mse", run_eagerly=True)
model.fit(train, epochs=4, verbose=0, callbacks=[Tell()], {options})
print(json.dumps(seen))
"""


def shuffled(features, targets, batch_size=4, seed=7, epoch=0, repeat=False, weights=None, parts=1):
    """Return shuffled batches, starting at an epoch."""
    counter = EpochCounter()
    counter.epoch = epoch
    return batches.shuffled_batches(
        features, targets, batch_size, seed, counter, repeat, weights, parts
    )


def on_jax(*arrays, epoch=0, parts=1):
    """Return the batches of the JAX and PyTorch back-ends."""
    counter = EpochCounter()
    counter.epoch = epoch
    return ShuffledBatches(arrays, 4, 7, counter, parts)


def orders(dataset, epochs: int, steps: int = 3) -> list[list[int]]:
    """Return, for each epoch, the first feature of every example in the order of the batches."""
    passes = itertools.chain.from_iterable(itertools.repeat(dataset))
    seen = [
        np.asarray(features)[:, 0].astype(int)
        for features, _ in itertools.islice(passes, epochs * steps)
    ]
    return [np.concatenate(seen[i : i + steps]).tolist() for i in range(0, len(seen), steps)]


def numbers(count: int = 10) -> np.ndarray:
    return np.arange(count, dtype="float32")[:, None]


@pytest.mark.parametrize("repeat", [False, True])
def test_shuffle_order_differs_between_epochs(repeat):
    train = shuffled(numbers(), numbers(), repeat=repeat)
    if not repeat:
        assert len(train) == 3
    epochs = orders(train, 5)
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5


@pytest.mark.parametrize("make", [shuffled, on_jax])
def test_multiple_inputs_and_outputs_stay_aligned(make):
    inputs, outputs = (numbers(), csr_array(numbers() * 2)), {"a": numbers() * 3, "b": numbers()}
    dataset = make(inputs, outputs)
    assert len(dataset) == 3
    for (one, two), answers in itertools.islice(dataset, 3):
        assert set(answers) == {"a", "b"} and len(np.asarray(one)) in (4, 2)
        for part, times in ((two, 2), (answers["a"], 3), (answers["b"], 1)):
            np.testing.assert_array_equal(np.asarray(one) * times, np.asarray(part))


def test_order_depends_only_on_seed_and_epoch():
    whole = orders(shuffled(numbers(), numbers()), 5)
    assert orders(shuffled(numbers(), numbers(), repeat=True), 5) == whole
    assert orders(on_jax(numbers(), numbers()), 5) == whole
    assert orders(shuffled(numbers(), numbers(), epoch=3), 2) == whole[3:]
    assert orders(shuffled(numbers(), numbers(), epoch=3, repeat=True), 2) == whole[3:]
    assert orders(on_jax(numbers(), numbers(), epoch=3), 2) == whole[3:]
    assert orders(shuffled(numbers(), numbers(), seed=8), 1) != whole[:1]


@pytest.mark.parametrize("make", [shuffled, on_jax])
def test_pass_may_take_several_epochs(make):
    epochs = orders(make(numbers(), numbers(), parts=3), 6, 1)
    assert [len(epoch) for epoch in epochs] == [3] * 6
    passes = [[*itertools.chain(*three)] for three in (epochs[:3], epochs[3:])]
    assert all(len(set(one)) == 9 for one in passes) and passes[0] != passes[1]
    assert orders(make(numbers(), numbers(), epoch=4, parts=3), 2, 1) == epochs[4:]


def test_batch_size_may_exceed_data_size():
    train = shuffled(numbers(), numbers(), 10**9)
    assert len(train) == 1
    assert sorted(orders(train, 1, 1)[0]) == list(range(10))


def check_order_in_fit(printed: str) -> None:
    seen = json.loads(printed.splitlines()[-1])
    epochs = [seen[i : i + 10] for i in range(0, 40, 10)]
    assert epochs == orders(on_jax(numbers(), numbers()), 4)
    assert len({tuple(epoch) for epoch in epochs}) == 4


@pytest.mark.parametrize(("repeat", "options"), [(False, ""), (True, "steps_per_epoch=3")])
def test_fit_reshuffles_every_epoch(capsys, repeat, options):
    exec(WATCH.format(root=str(ROOT), repeat=repeat, options=options), {})
    check_order_in_fit(capsys.readouterr().out)


OTHERS = [name for name in ("jax", "torch") if find_spec(name)]
if OTHERS:

    @pytest.mark.slow
    @pytest.mark.parametrize("options", ["", "steps_per_epoch=3"])
    @pytest.mark.parametrize("backend", OTHERS)
    def test_shuffle_order_is_equal_across_backends(backend, options):
        result = subprocess.run(
            [sys.executable, "-c", WATCH.format(root=str(ROOT), repeat=True, options=options)],
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        check_order_in_fit(result.stdout)


def test_single_batch_evaluates_like_arrays():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    batch = ordered_batches(numbers(), numbers() + 1, 10)
    assert len(batch) == 1
    expected = model.evaluate(numbers(), numbers() + 1, verbose=0)
    np.testing.assert_allclose(model.evaluate(batch, verbose=0), expected, rtol=1e-6)


def sparse_numbers() -> tuple[csr_array, np.ndarray]:
    """Ten rows, sparse (CSR) and dense: row i has i + 1 in its first column and some zeros."""
    full = np.zeros((10, 3), "uint8")
    full[:, 0] = np.arange(1, 11)
    full[::2, 2] = 7
    return csr_array(full), full


def test_large_arrays_are_released_with_batches():
    images = np.zeros((20, LARGE // 20 + 1), "uint8")
    images[:, 0] = range(20)
    alive = weakref.ref(images)
    for cut in (functools.partial(shuffled, repeat=True), shuffled, ordered_batches):
        dataset = cut(images, images[:, 0], 4)
        iterator = iter(dataset.take(5))
        del dataset
        seen = [features[:, 0].numpy() for features, _ in iterator]
        assert sorted(np.concatenate(seen)) == list(range(20))
        del iterator
    del images, seen
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("make", [shuffled, on_jax])
def test_sparse_and_dense_batches_are_equal(make):
    sparse, full = sparse_numbers()
    pairs = zip(make(sparse, full), shuffled(full, full), strict=True)
    for (features, targets), (full_features, full_targets) in itertools.islice(pairs, 3):
        np.testing.assert_array_equal(features, full_features)
        np.testing.assert_array_equal(targets, full_targets)
        assert np.asarray(features).dtype == np.uint8


@pytest.mark.parametrize("make", [lambda *three: shuffled(*three[:2], weights=three[2]), on_jax])
def test_sample_weights_follow_their_examples(make):
    for features, targets, weights in make(numbers(), numbers() + 1, numbers() * 10):
        np.testing.assert_array_equal(weights, np.asarray(features) * 10)
        np.testing.assert_array_equal(targets, np.asarray(features) + 1)


@pytest.mark.parametrize("make", [ordered_batches, OrderedBatches])
def test_ordered_batches_keep_row_order(make):
    for features in sparse_numbers():
        arrays = features, sparse_numbers()[1]
        if make is OrderedBatches:
            made = make(arrays, 4)
            found = [made[i] for i in range(3)]
        else:
            found = list(make(*arrays, 4))
        assert [len(targets) for _, targets in found] == [4, 4, 2]
        np.testing.assert_array_equal(
            np.concatenate([rows for rows, _ in found]), sparse_numbers()[1]
        )


@pytest.mark.parametrize("dataset", [
    lambda: shuffled(numbers(), numbers()), lambda: ordered_batches(numbers(), numbers(), 4),
    lambda: ordered_batches(numbers(), numbers(), 10),
])  # fmt: skip
def test_autotune_is_disabled(dataset):
    assert dataset().options().autotune.enabled is False
