"""common/callbacks.py: the clock of a training."""

import keras
import numpy as np

from common import callbacks
from common.run import Training


class Slow(keras.callbacks.Callback):
    """Takes seconds, by a clock of its own, whenever `fit` calls it."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def set_params(self, params):  # before training begins, when fit prepares
        self.clock[0] += 1

    def on_epoch_end(self, epoch, logs=None):
        self.clock[0] += 10

    def on_train_end(self, logs=None):
        self.clock[0] += 100


def test_the_seconds_of_a_training_are_those_of_the_whole_fit(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: clock[0])
    training = Training(tmp_path / "checkpoint.weights.h5", seed=1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    clock[0] = 5000.0  # what comes before fit does not count
    model.fit(np.zeros((4, 1)), np.zeros((4, 1)), epochs=2, verbose=0,
              callbacks=training.callbacks(Slow(clock)))  # fmt: skip
    assert training.timer.total == 1 + 2 * 10 + 100
    assert len(training.timer.seconds) == 2
