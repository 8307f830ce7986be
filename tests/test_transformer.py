"""Lesson 28: masks and order in a Transformer encoder, with and without attention."""

import re

import keras
import numpy as np
import pytest
from conftest import TRANSFORMER, run_and_capture

FEW = ["--data", "sample", "--limit", "100", "--epochs", "1"]


@pytest.fixture(scope="module")
def without_attention(tmp_path_factory):
    return run_and_capture(TRANSFORMER, tmp_path_factory.mktemp("none"), *FEW, "--heads", "0")


def probabilities(run, numbers) -> np.ndarray:
    return run.names["model"].predict(numbers, verbose=0)[:, 0]


def test_reviews_are_cut_at_the_front_and_padded_at_the_end(smoke_runs):
    to_numbers = smoke_runs[TRANSFORMER].names["to_numbers"]
    long, short = to_numbers([np.arange(1, 301), np.array([20_000, 5])])
    assert long.tolist() == list(range(102, 302))
    assert short[:3].tolist() == [1, 6, 0] and not short[2:].any()


def test_no_word_looks_at_the_padding(smoke_runs):
    names = smoke_runs[TRANSFORMER].names
    numbers = names["test_numbers"][:20]
    weights = keras.Model(names["inputs"], names["scores"][0]).predict(numbers, verbose=0)
    assert weights.shape == (20, 2, 200, 200)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-4)
    for row, of_review in zip(numbers, weights, strict=True):
        count = np.count_nonzero(row)
        assert 0 < count < 200
        assert of_review[:, :count, count:].max() < 1e-6


def test_padding_does_not_change_the_answer(smoke_runs):
    run = smoke_runs[TRANSFORMER]
    numbers = run.names["test_numbers"][:20]
    expected = probabilities(run, numbers)
    table = next(one for one in run.names["model"].weights if one.shape == (10_000, 32))
    before = table.numpy()
    table.assign(np.concatenate([np.full((1, 32), 5, "float32"), before[1:]]))
    try:
        np.testing.assert_allclose(probabilities(run, numbers), expected, atol=1e-5)
    finally:
        table.assign(before)


def test_words_influence_each_other_only_with_attention(smoke_runs, without_attention):
    first, second = np.array([[5, 9, 40, 8], [60, 9, 40, 70]])
    rows = [first, second, [*first[:2], *second[2:]], [*second[:2], *first[2:]]]
    for run, apart in ((smoke_runs[TRANSFORMER], False), (without_attention, True)):
        p = probabilities(run, run.names["to_numbers"](map(np.array, rows)))
        one, other, *mixed = np.log(p / (1 - p))  # logits
        # If each word adds its own part to the logit, the halves can be exchanged.
        assert np.isclose(one + other, sum(mixed), atol=1e-5) == apart


def test_places_of_words_count(smoke_runs):
    run = smoke_runs[TRANSFORMER]
    rows = [np.array([5, 9, 40, 8]), np.array([40, 8, 5, 9])]
    before, after = probabilities(run, run.names["to_numbers"](rows))
    assert not np.isclose(before, after, atol=1e-5)


def test_dropped_words_are_left_out(smoke_runs):
    names = smoke_runs[TRANSFORMER].names
    look = keras.Model(names["inputs"], names["seen"])
    numbers = names["test_numbers"][:20]
    np.testing.assert_array_equal(look(numbers), numbers)
    seen = np.asarray(look(numbers, training=True))
    dropped = (seen != numbers)[numbers > 0]
    assert (seen[seen != numbers] == 0).all() and (seen[:, 0] == numbers[:, 0]).all()
    assert 0.3 < dropped.mean() < 0.5


def test_blocks_are_stacked(without_attention, tmp_path):
    two = run_and_capture(TRANSFORMER, tmp_path, *FEW, "--blocks", "2", "--text", "_")  # no words
    attention = 4 * (32 * 32 + 32)
    added = 2 * attention + (32 * 64 + 64) + (64 * 32 + 32) + 2 * 64
    assert two.record["parameters"] == without_attention.record["parameters"] + added
    assert two.record["variant"] == "blocks-2" and len(two.names["scores"]) == 2
    assert two.noise == without_attention.noise == []
    assert "nan" not in two.printed


def test_transformer_judges_user_text(smoke_runs):
    printed = smoke_runs[TRANSFORMER].printed
    assert 0 < float(re.search(r"^your text: probability (0\.\d+) of", printed, re.M)[1]) < 1
