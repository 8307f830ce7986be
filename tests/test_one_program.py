"""Epochs of many small steps run as one compiled program, with the same result."""

import contextlib

import keras
import numpy as np
import pytest
from conftest import CHURN, FASHION, SAVING, run_lesson

from common import one_program
from common.batches import EpochCounter, shuffled_batches
from common.checkpoints import Checkpoints
from common.one_program import COMPILED, PLAIN, OneProgram

EXAMPLES, BATCH = 102, 4  # 26 steps, the last with two examples


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(one_program, "FEWEST", 20)


def build(*more):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([
        keras.Input((5,)),
        *more,
        keras.layers.Dense(7, activation="tanh", kernel_regularizer="l2"),
        keras.layers.Dense(1),
    ])
    model.compile("adam", "mse", metrics=["mae"], steps_per_execution=-(-EXAMPLES // BATCH))
    return model


def train(model, folder, epochs=2, repeat=False, program=None, weights=None):
    """Train from the checkpoint in `folder`, if there is one; return the way and the history."""
    random = np.random.default_rng(0)
    features = random.normal(size=(EXAMPLES, 5)).astype("float32")
    targets = features.sum(axis=1, keepdims=True)
    counter, watched = EpochCounter(), OneProgram()
    callbacks = [watched] if program is None else program
    folder.mkdir(exist_ok=True)
    history = model.fit(
        shuffled_batches(features, targets, BATCH, 7, counter, repeat, weights),
        steps_per_epoch=-(-EXAMPLES // BATCH) if repeat else None,
        validation_data=(features[:10], targets[:10]),
        epochs=epochs,
        verbose=0,
        callbacks=[Checkpoints(folder / "c.npz", 1, counter=counter), *callbacks],
    )
    return watched.way, history.history


@pytest.mark.parametrize(("repeat", "weighted"), [(False, True), (True, False)])
def test_it_comes_to_the_result_of_the_usual_way(tmp_path, repeat, weighted):
    weights = np.linspace(0, 2, EXAMPLES, dtype="float32") if weighted else None
    one, other = build(), build()
    way, history = train(one, tmp_path / "one", repeat=repeat, weights=weights)
    assert way == COMPILED
    _, usual = train(other, tmp_path / "other", repeat=repeat, program=[], weights=weights)
    assert history.keys() == usual.keys()
    for name, values in history.items():
        np.testing.assert_allclose(values, usual[name], rtol=1e-4, err_msg=name)
    for ours, its in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(ours, its, rtol=1e-3, atol=1e-5)
    assert one.optimizer.iterations == 52


def test_model_that_fit_has_to_build_is_trained_as_usual(tmp_path):
    class Subclass(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = build()

        def call(self, inputs):
            return self.inner(inputs)

    model = Subclass()
    model.compile("adam", "mse", metrics=["mae"], steps_per_execution=26)
    way, history = train(model, tmp_path / "run")
    assert way == PLAIN and len(history["loss"]) == 2


def test_resumed_it_is_equal_to_the_bit(tmp_path):
    whole, stopped, resumed = build(), build(), build()
    _, history = train(whole, tmp_path / "whole", 3)
    train(stopped, tmp_path / "parts", 2)
    way, continued = train(resumed, tmp_path / "parts", 3)
    assert way == COMPILED
    assert continued == history
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_models_that_do_not_suit_it_are_trained_as_usual(tmp_path, monkeypatch):
    assert train(build(keras.layers.Dropout(0.1)), tmp_path / "random")[0] == PLAIN
    stepwise = build()
    stepwise.steps_per_execution = 1
    assert train(stepwise, tmp_path / "stepwise")[0] == PLAIN
    monkeypatch.setattr(one_program, "LARGEST", 100)
    assert train(build(), tmp_path / "large")[0] == PLAIN
    monkeypatch.setattr(one_program, "FEWEST", 27)
    assert train(build(), tmp_path / "few")[0] == PLAIN


def test_it_goes_on_after_an_interruption(tmp_path):
    def stop(epoch, logs):
        raise KeyboardInterrupt

    model, program = build(), OneProgram()
    stopping = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    for callbacks in ([program, stopping], [program]):
        with contextlib.suppress(KeyboardInterrupt):
            train(model, tmp_path / "first", 1, program=callbacks)
    assert program.way == COMPILED and model.optimizer.iterations == 26


def test_fit_on_arrays_after_it_is_keras_own(tmp_path):
    model = build()
    train(model, tmp_path / "first", 1)
    model.fit(np.ones((8, 5), "float32"), np.ones((8, 1), "float32"), epochs=1, verbose=0)
    assert model.optimizer.iterations == 27


@pytest.mark.parametrize(
    ("script", "way"), [(FASHION, COMPILED), (CHURN, COMPILED), (SAVING, PLAIN)]
)
def test_lessons_with_many_steps_say_how_they_were_trained(tmp_path, monkeypatch, script, way):
    monkeypatch.setattr(one_program, "FEWEST", 1)
    flags = ["--data", "sample", "--limit", "200", "--epochs", "1"]
    record = run_lesson(script, tmp_path, *flags).record
    assert record["execution"]["flawed" if script == CHURN else ""] == way
