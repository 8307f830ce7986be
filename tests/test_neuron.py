"""Lesson 00: its derivatives are right, its descent is repeatable, and it needs NumPy only."""

import csv
import json
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ENVIRONMENT, NEURON, ROOT, run_lesson

from common.runs import finished_runs, read_history
from neuron import descent, wave
from neuron.check import finite_differences


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """The names of a run of full length."""
    run = run_lesson(NEURON, tmp_path_factory.mktemp("neuron"))
    return SimpleNamespace(run=run, **run.names)


def network_after(lesson, seed: int, steps: int) -> list[np.ndarray]:
    network = lesson.new_network(seed)
    lesson.train(network, range(steps))
    return network


def test_run_without_keras_leaves_record_figures_and_parameters(smoke_runs):
    run = smoke_runs[NEURON]
    assert run.record["finished"] and run.record["data"] == "real" and run.record["epochs"] == 2
    assert run.record["parameters"] == 9 and set(run.record["versions"]) == {"python", "numpy"}
    assert run.record["seconds"]["total"] > run.record["seconds"]["fit"] > 0
    figures = {path.stem for path in run.folder.glob("*.png")}
    assert figures == {"unit", "network", "paths", "depth", "loss"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in run.folder.glob("*.png"))
    others = {path.name for path in run.folder.iterdir() if path.suffix != ".png"}
    assert others == {"run.json", "history.csv", "model.npz"}
    assert [one["folder"] for one in finished_runs(run.out, "00_neuron_to_backpropagation")] == [
        run.folder
    ]
    with (run.out / "runs.csv").open() as file:
        assert [row["lesson"] for row in csv.DictReader(file)].count(run.record["lesson"]) == 1
    with np.load(run.folder / "model.npz") as saved:
        for name, parameter in zip(run.names["names"], run.names["network"], strict=True):
            np.testing.assert_array_equal(saved[name], parameter)


@pytest.mark.parametrize("steps", [0, 100, 500])
@pytest.mark.parametrize("seed", [42, 43, 50])
def test_backpropagation_agrees_with_tape_and_finite_differences(lesson, seed, steps):
    network = network_after(lesson, seed, steps)
    x, y = (tf.constant(array, tf.float64) for array in (lesson.x, lesson.y))
    variables = w1, b1, w2, b2 = [tf.Variable(parameter) for parameter in network]
    with tf.GradientTape() as tape:
        p = tf.sigmoid(tf.sigmoid(x @ w1 + b1) @ w2 + b2)
        loss = -tf.reduce_mean(y * tf.math.log(p) + (1 - y) * tf.math.log(1 - p))
    _, h, _, p = lesson.forward(lesson.x, *network)
    assert lesson.loss_of(p) == pytest.approx(float(loss), rel=1e-9)
    by_hand = lesson.backward(h, p, network[2])
    measured = finite_differences(
        lambda: lesson.loss_of(lesson.forward(lesson.x, *network)[-1]), network
    )
    for tapes, ours, other in zip(tape.gradient(loss, variables), by_hand, measured, strict=True):
        np.testing.assert_allclose(ours, tapes, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(ours, other, atol=1e-8)


@pytest.mark.parametrize("hidden", [[54], [8, 8, 8]])
def test_backpropagation_through_many_layers_agrees_with_tape(hidden):
    random, sizes = np.random.default_rng(1), [1, *hidden, 1]
    weights = [random.normal(size=shape) for shape in pairwise(sizes)]
    biases = [random.normal(size=size) for size in sizes[1:]]
    variables = [tf.Variable(parameter) for parameter in weights + biases]
    with tf.GradientTape() as tape:
        outputs = tf.constant(wave.X)
        layers = list(zip(variables[: len(weights)], variables[len(weights) :], strict=True))
        for w, b in layers[:-1]:
            outputs = tf.tanh(outputs @ w + b)
        outputs = outputs @ layers[-1][0] + layers[-1][1]
        loss = tf.reduce_mean((outputs - wave.WAVE) ** 2)
    predicted, derivatives = wave.both_passes(weights, biases)
    np.testing.assert_allclose(predicted, outputs, atol=1e-9)
    for tapes, ours in zip(tape.gradient(loss, variables), derivatives, strict=True):
        np.testing.assert_allclose(ours, tapes, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    ("update", "optimizer"),
    [
        (descent.plain, keras.optimizers.SGD(0.1)),
        (descent.momentum, keras.optimizers.SGD(0.02, momentum=0.9)),
        (descent.adam, keras.optimizers.Adam(0.3)),
    ],
)
def test_descent_is_that_of_keras(update, optimizer):
    path = descent.descend(update, float(optimizer.learning_rate))
    w, b = place = [keras.Variable(value, dtype="float64") for value in path[0]]
    optimizer.build(place)
    for expected in path[1:]:
        with tf.GradientTape() as tape:
            x = tf.constant(descent.POINTS)
            loss = tf.reduce_mean((w * x + b - (2 * x - 1)) ** 2)
        optimizer.apply(tape.gradient(loss, [one.value for one in place]))
        np.testing.assert_allclose([float(w), float(b)], expected, atol=1e-4)
    assert descent.loss(*path[-1]) < descent.loss(*path[0]) / 5
    assert descent.loss(*descent.descend(descent.plain, 0.3)[-1]) > 1e6


def test_default_run_learns_xor_as_the_text_says(lesson):
    *_, p = lesson.forward(lesson.x, *lesson.network)
    assert (p.round() == lesson.y).all() and lesson.final_loss < 0.1
    units = {}
    for seed in (42, 44):
        _, h, *_ = lesson.forward(lesson.x, *network_after(lesson, seed, 500))
        units[seed] = h.round().T.tolist()
    assert wave.learn([54], 42, steps=2000)[1][-1] < 0.002  # "the wide network fits, too"
    assert units == {42: [[1, 0, 1, 1], [1, 1, 0, 1]], 44: [[0, 1, 1, 1], [0, 0, 0, 1]]}
    middle = {
        seed: lesson.forward(np.full((1, 2), 0.5), *network_after(lesson, seed, 500))[-1]
        for seed in units
    }
    assert middle[42].item() < 0.1 and middle[44].item() > 0.9
    stuck, slow = (network_after(lesson, seed, 2000) for seed in (50, 71))
    assert lesson.loss_of(lesson.forward(lesson.x, *stuck)[-1]) > 0.4  # more steps do not help
    assert lesson.loss_of(lesson.forward(lesson.x, *slow)[-1]) < 0.1  # here they do
    losses = {rate: [] for rate in (0.2, 30)}
    for rate, found in losses.items():
        lesson.lesson.learning_rate = rate
        found += lesson.train(lesson.new_network(42), range(500))
    lesson.lesson.learning_rate = 2.0
    assert 0.6 < losses[0.2][-1] < 0.7 < losses[30][-1]


def test_run_is_determined_by_seed(lesson, tmp_path):
    again = run_lesson(NEURON, tmp_path)
    assert again.record["metrics"] == lesson.run.record["metrics"]
    for one, other in zip(again.names["network"], lesson.network, strict=True):
        np.testing.assert_array_equal(one, other)
    other = run_lesson(NEURON, tmp_path, "--seed", "43", "--epochs", "1")
    assert not np.array_equal(other.names["start"][0], lesson.start[0])
    assert read_history(again.folder)["loss"] == lesson.losses


def test_neither_keras_nor_tensorflow_is_imported(tmp_path):
    code = (
        f"import runpy, sys; sys.argv = ['{NEURON}', '--epochs', '2', '--out', {str(tmp_path)!r}]\n"
        f"runpy.run_path('{NEURON}', run_name='__main__')\n"
        "print({'keras', 'tensorflow', 'pandas', 'sklearn'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nset()\n")


def test_stopped_run_is_resumed(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("neuron.wave.learn", stop)
        run_lesson(NEURON, tmp_path, "--epochs", "2")
    (record,) = tmp_path.glob("*/*/run.json")
    assert not json.loads(record.read_text())["finished"]
    resumed = run_lesson(NEURON, tmp_path, "--epochs", "2", "--resume")
    assert resumed.folder == record.parent and resumed.record["finished"]
