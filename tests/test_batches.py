"""The batches: a new order every epoch, the same for every back-end, and what `fit` really sees."""

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

from common.batches import (
    LARGE,
    EndlessBatches,
    OrderedBatches,
    one_batch,
    ordered_batches,
    shuffled_batches,
)

# Trains a model that writes down the examples it is shown, epoch by epoch, and prints them.
WATCH = """
import json, sys
sys.path.insert(0, {root!r})
from common.start import start_keras
start_keras()
import keras, numpy as np
from common.batches import shuffled_batches

seen = []

class Watch(keras.layers.Layer):
    def call(self, inputs):
        if "Tracer" not in type(inputs).__name__:  # JAX asks for shapes first, without numbers
            seen.extend(keras.ops.convert_to_numpy(inputs)[:, 0].astype(int).tolist())
        return inputs

numbers = np.arange(10, dtype="float32")[:, None]
train = shuffled_batches(numbers, numbers, 4, seed=7)
model = keras.Sequential([Watch(), keras.layers.Dense(1)])
model.build((None, 1))
model.compile("sgd", "mse", run_eagerly=True)
model.fit(
    train.dataset, steps_per_epoch=train.steps_per_epoch, shuffle=False, epochs=4, verbose=0,
    callbacks=[keras.callbacks.LambdaCallback(on_train_begin=lambda logs: seen.clear())],
)
print(json.dumps(seen))
"""


def orders(dataset, epochs: int, steps: int) -> list[list[int]]:
    """Read the first feature of every example, in the order of the batches, by epoch."""
    batches = itertools.islice(iter(dataset), epochs * steps)
    seen = [np.asarray(features)[:, 0].astype(int) for features, _ in batches]
    return [np.concatenate(seen[i : i + steps]).tolist() for i in range(0, len(seen), steps)]


def numbers(count: int = 10) -> np.ndarray:
    return np.arange(count, dtype="float32")[:, None]


def test_every_epoch_is_another_permutation():
    train = shuffled_batches(numbers(), numbers(), 4, seed=7)
    assert train.steps_per_epoch == 3
    epochs = orders(train.dataset, 5, 3)
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_features_and_targets_stay_together():
    train = shuffled_batches(numbers(), numbers() * 2, 4, seed=7)
    for features, targets in itertools.islice(iter(train.dataset), 6):
        np.testing.assert_array_equal(np.asarray(features) * 2, np.asarray(targets))


@pytest.mark.parametrize("kind", ["tf.data", "PyDataset"])
def test_several_inputs_and_outputs_stay_together(kind):
    inputs, outputs = (numbers(), csr_array(numbers() * 2)), {"a": numbers() * 3, "b": numbers()}
    if kind == "tf.data":
        dataset = shuffled_batches(inputs, outputs, 4, seed=7).dataset
    else:
        dataset = EndlessBatches(inputs, outputs, 4, seed=7, first_epoch=0)
    for (one, two), answers in itertools.islice(iter(dataset), 6):
        assert set(answers) == {"a", "b"} and len(np.asarray(one)) in (4, 2)
        for part, times in ((two, 2), (answers["a"], 3), (answers["b"], 1)):
            np.testing.assert_array_equal(np.asarray(one) * times, np.asarray(part))


def test_a_resumed_run_gets_the_batches_it_would_have_had():
    whole = shuffled_batches(numbers(), numbers(), 4, seed=7).dataset
    resumed = shuffled_batches(numbers(), numbers(), 4, seed=7, first_epoch=3).dataset
    assert orders(resumed, 2, 3) == orders(whole, 5, 3)[3:]


def test_a_batch_may_be_larger_than_the_data():
    train = shuffled_batches(numbers(), numbers(), 10**9, seed=7)
    assert train.steps_per_epoch == 1
    assert sorted(orders(train.dataset, 1, 1)[0]) == list(range(10))


def test_another_seed_gives_another_order():
    one, other = (shuffled_batches(numbers(), numbers(), 4, seed=s).dataset for s in (1, 2))
    assert orders(one, 1, 3) != orders(other, 1, 3)


def test_all_backends_get_the_same_batches():
    dataset = shuffled_batches(numbers(), numbers(), 4, seed=7).dataset
    endless = EndlessBatches(numbers(), numbers(), 4, seed=7, first_epoch=0)
    assert orders(endless, 4, 3) == orders(dataset, 4, 3)


def check_what_fit_saw(printed: str) -> None:
    seen = json.loads(printed.splitlines()[-1])
    epochs = [seen[i : i + 10] for i in range(0, 40, 10)]
    assert epochs == orders(EndlessBatches(numbers(), numbers(), 4, 7, 0), 4, 3)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_fit_sees_a_new_order_every_epoch(capsys):
    exec(WATCH.format(root=str(ROOT)), {})
    check_what_fit_saw(capsys.readouterr().out)


OTHERS = [name for name in ("jax", "torch") if find_spec(name)]
if OTHERS:

    @pytest.mark.slow
    @pytest.mark.parametrize("backend", OTHERS)
    def test_fit_sees_the_same_orders_on_other_backends(backend):
        result = subprocess.run(
            [sys.executable, "-c", WATCH.format(root=str(ROOT))],
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=True,
        )
        check_what_fit_saw(result.stdout)


def test_one_batch_is_evaluated_like_the_arrays():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    batch = one_batch(numbers(), numbers() + 1)
    expected = model.evaluate(numbers(), numbers() + 1, verbose=0)
    np.testing.assert_allclose(model.evaluate(batch, verbose=0), expected, rtol=1e-6)


def sparse_numbers() -> tuple[csr_array, np.ndarray]:
    """Ten rows in CSR form and in full: row i holds i + 1 in its first column, and some zeros."""
    full = np.zeros((10, 3), "uint8")
    full[:, 0] = np.arange(1, 11)
    full[::2, 2] = 7
    return csr_array(full), full


def test_large_arrays_go_with_their_batches_and_not_before():
    images = np.zeros((20, LARGE // 20 + 1), "uint8")
    images[:, 0] = range(20)
    alive = weakref.ref(images)
    for cut in (functools.partial(shuffled_batches, seed=1), ordered_batches):
        batches = cut(images, images[:, 0], 4)
        dataset = batches.dataset if hasattr(batches, "dataset") else batches
        iterator = iter(dataset.take(5))
        del batches, dataset
        seen = [features[:, 0].numpy() for features, _ in iterator]
        assert sorted(np.concatenate(seen)) == list(range(20))
        del iterator
    del images, seen
    gc.collect()
    assert alive() is None


def test_batches_of_a_sparse_array_are_those_of_the_full_one():
    sparse, full = sparse_numbers()
    expected = list(itertools.islice(shuffled_batches(full, full, 4, seed=7).dataset, 6))
    on_tensorflow = itertools.islice(shuffled_batches(sparse, full, 4, seed=7).dataset, 6)
    endless = EndlessBatches(sparse, full, 4, seed=7, first_epoch=0)
    elsewhere = [endless[index] for index in range(6)]
    for batches in (on_tensorflow, elsewhere):
        for (features, targets), (full_features, full_targets) in zip(
            batches, expected, strict=True
        ):
            np.testing.assert_array_equal(features, full_features)
            np.testing.assert_array_equal(targets, full_targets)
            assert np.asarray(features).dtype == np.uint8


def test_ordered_batches_cover_the_rows_once_and_in_order():
    sparse, full = sparse_numbers()
    for features in (sparse, full):
        pydataset = OrderedBatches(features, full, 4)
        for batches in (
            list(ordered_batches(features, full, 4)),
            [pydataset[index] for index in range(len(pydataset))],
        ):
            assert [len(targets) for _, targets in batches] == [4, 4, 2]
            np.testing.assert_array_equal(np.concatenate([rows for rows, _ in batches]), full)


def test_no_pipeline_tunes_itself():
    for dataset in (
        shuffled_batches(numbers(), numbers(), 4, seed=7).dataset,
        ordered_batches(numbers(), numbers(), 4),
        one_batch(numbers(), numbers()),
    ):
        assert dataset.options().autotune.enabled is False
