"""Lesson 27: the lists, attention by hand and by Keras, masks, positions, and the scores."""

import keras
import numpy as np
import pytest
from conftest import ATTENTION, error_of, run_lesson

from attention.lists import to_numbers


def test_answer_is_last_digit_assigned(names):
    assert len(names["train_lists"]) == 2_000 and len(names["test_lists"]) == 10_000
    for lines, answer in zip(names["test_lists"], names["test_answers"], strict=True):
        *assignments, question = lines
        assert 2 <= len(assignments) <= 5 and question.endswith("=?")
        memory = {}
        for line in assignments:
            letter, digit = line.split("=")
            memory[letter] = int(digit)
        assert memory[question[0]] == answer


def test_lists_become_numbers_with_question_last(names):
    numbers = to_numbers([["a=0", "z=9", "a=?"]], 5)
    assert numbers.tolist() == [[[0, 0]] * 3 + [[1, 0], [26, 9], [1, 10]]]
    assert names["train_lines"].shape == (2_000, 6, 2)


def attend(names, *arrays):
    return map(keras.ops.convert_to_numpy, names["attend"](*arrays))


def test_attention_of_worked_example(names):
    query = np.array([[2, 0, 2, 0]], "float32")
    keys = np.array([[2, 0, 0, 0], [0, 1, 0, 1], [2, 0, 2, 0]], "float32")
    values = np.array([[10], [20], [30]], "float32")
    output, weights = attend(names, query, keys, values)
    expected = np.exp([2, 0, 4]) / np.exp([2, 0, 4]).sum()
    np.testing.assert_allclose(weights, [expected], rtol=1e-5)
    np.testing.assert_allclose(output, [[expected @ [10, 20, 30]]], rtol=1e-5)


def test_attention_matches_keras(names):
    steps = np.random.default_rng(0).normal(size=(3, 5, 8)).astype("float32")
    mask = np.random.default_rng(1).random((3, 5, 5)) < 0.7
    mask[..., 0] = True  # each query sees a key
    layer = keras.layers.MultiHeadAttention(1, 4)
    output, weights = layer(steps, steps, attention_mask=mask, return_attention_scores=True)
    q, q_bias, k, k_bias, v, v_bias, out, bias = layer.get_weights()
    heads = (steps @ q[:, 0] + q_bias, steps @ k[:, 0] + k_bias, steps @ v[:, 0] + v_bias)
    ours, our_weights = attend(names, *heads, mask)
    np.testing.assert_allclose(our_weights, weights[:, 0], atol=1e-6)
    np.testing.assert_allclose(ours @ out[0] + bias, output, atol=1e-5)
    assert (our_weights[~mask] == 0).all()


def test_padding_gets_no_weight(names):
    for model in (names["models"][name] for name in ("attention", "positions")):
        looker = keras.Model(model.input, model.get_layer("look").output[1])
        weights = looker.predict(names["test_lines"], batch_size=1000, verbose=0)[:, 0, 0]
        padding = names["test_lines"][:, :-1, 0] == 0
        assert padding.any() and (weights[padding] == 0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_only_positions_show_the_order(run):
    metrics = run.record["metrics"]
    assert metrics["moved_attention"] < 1e-4 < 0.01 < metrics["moved_positions"]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gru", 27 * 32 + 11 * 32 + 3 * ((32 + 64) * 64 + 2 * 64) + 64 * 10 + 10),
        ("attention", 27 * 32 + 11 * 32 + 4 * (32 * 32 + 32) + 32 * 10 + 10),
        ("positions", 27 * 32 + 11 * 32 + 6 * 32 + 4 * (32 * 32 + 32) + 32 * 10 + 10),
    ],
)
def test_parameter_counts(names, name, parameters):
    assert names["build_model"](name).count_params() == parameters


def test_scores_follow_from_predictions(run):
    names, metrics = run.names, run.record["metrics"]
    once, answers = names["once"], names["test_answers"]
    for name, model in names["models"].items():
        predicted = model.predict(names["test_lines"], batch_size=1000, verbose=0).argmax(axis=1)
        right = predicted == answers
        assert metrics[f"test_accuracy_once_{name}"] == pytest.approx(right[once].mean())
        assert metrics[f"test_accuracy_again_{name}"] == pytest.approx(right[~once].mean())
        assert metrics[f"test_accuracy_all_{name}"] == pytest.approx(right.mean())
    assert metrics["test_accuracy_once_picked"] == 1  # there is only one line to pick
    counts = [
        max(range(10), key=[int(line[2]) for line in lines[:-1]].count)
        for lines in names["test_lists"]
    ]
    frequent = metrics["test_accuracy_all_most_frequent"]
    assert frequent == pytest.approx(np.mean(counts == answers))


@pytest.mark.slow
def test_attention_alone_needs_positions_to_learn_order(tmp_path):
    flags = ["--longest", "5", "--lists", "20000", "--epochs", "3"]
    metrics = run_lesson(ATTENTION, tmp_path, *flags, "--models", "attention", "positions").record[
        "metrics"
    ]
    for name in ("attention", "positions"):
        assert metrics[f"test_accuracy_once_{name}"] > 0.95
    gain = metrics["test_accuracy_again_positions"] - metrics["test_accuracy_again_attention"]
    assert gain > 0.2
    assert metrics["weight_positions"] > metrics["weight_attention"] + 0.1


def test_too_short_lists_are_refused(capsys):
    assert "--longest" in error_of(capsys, ATTENTION, "--longest", "2")
