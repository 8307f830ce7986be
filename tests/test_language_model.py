"""Lesson 29: counting, windows, the causal mask, the key-value cache and the choice of words."""

import numpy as np
import pytest
from conftest import LANGUAGE_MODEL, run_and_capture

from language.ngrams import interpolation_weights, ngram_probabilities, perplexity


def test_ngrams_count_words_pairs_and_triples():
    train = [0, 1, 2, 0, 1, 3]
    unigram, bigram, trigram = ngram_probabilities(train, [0, 1, 2, 3], vocabulary=4)
    np.testing.assert_allclose(unigram, [2 / 10, 2 / 10])  # one more of each word
    np.testing.assert_allclose(bigram, [1 / 3, 0])  # 1 2, but never 2 3
    np.testing.assert_allclose(trigram, [1 / 2, 0])  # 0 1 2, but never 1 2 3


def test_perplexity_of_equally_likely_words():
    assert perplexity(np.full(5, 0.01)) == pytest.approx(100)


def test_interpolation_weights_are_the_best_mixture():
    probabilities = np.random.default_rng(0).random((3, 1_000)) * [[1], [0.5], [0.2]]
    weights = interpolation_weights(probabilities, rounds=500)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    best = perplexity(weights @ probabilities)
    for other in ([1, 0, 0], [0.5, 0.5, 0], [0.3, 0.3, 0.4], [0.8, 0.1, 0.1]):
        assert best <= perplexity(np.array(other) @ probabilities) + 1e-6


def test_targets_are_the_words_one_later(names):
    text = names["to_text"]([np.arange(1, 250), np.array([20_000, 3])])
    assert text[[0, 1, 249, 250, 251, 252, 253]].tolist() == [0, 2, 250, 0, 1, 4, 0]
    inputs, targets = names["to_windows"](text)
    assert inputs.shape == targets.shape == (1, 200)
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])


def test_no_word_sees_a_later_one(names):
    windows = np.random.default_rng(0).integers(2, 100, (2, 200))
    changed = windows.copy()
    changed[:, 120:] = 5
    before, after = (names["model"].predict(rows, verbose=0) for rows in (windows, changed))
    np.testing.assert_allclose(before[:, :120], after[:, :120], atol=1e-4)
    assert not np.allclose(before[:, 120], after[:, 120], atol=1e-4)


def test_cache_gives_the_vectors_of_the_whole_text(names):
    text = np.random.default_rng(0).integers(2, 100, 200).tolist()
    cached, whole = names["reader_with_cache"](), names["reader_without_cache"]()
    for length in (3, 4, 50, 200):
        expected = whole(text[:length])
        assert expected.shape == (128,)
        np.testing.assert_allclose(cached(text[:length]), expected, atol=1e-4)


def test_embedding_is_used_twice(run):
    block = 4 * (128 * 128 + 128) + (128 * 512 + 512) + (512 * 128 + 128) + 4 * 128
    assert run.record["parameters"] == 10_000 * 128 + 200 * 128 + 2 * block + 2 * 128


def chosen(names, **sampling) -> set:
    logits = np.log([0.05, 0.5, 0.3, 0.15])
    draw = np.random.default_rng(0)
    return {int(names["choose"](logits, draw, **sampling)) for _ in range(300)}


def test_choice_of_the_next_word(names):
    assert chosen(names) == {0, 1, 2, 3}
    assert chosen(names, top_k=1) == chosen(names, temperature=0.01) == {1}
    assert chosen(names, top_k=3) == {1, 2, 3}
    assert chosen(names, top_p=0.6) == {1, 2}
    assert chosen(names, top_p=0.5) == {1}


def test_temperature_changes_the_odds(names):
    draw, logits = np.random.default_rng(0), np.log([0.25, 0.75])
    cool = np.mean([names["choose"](logits, draw, temperature=0.5) for _ in range(2_000)])
    assert cool == pytest.approx(0.9, abs=0.03)  # odds of 3 to 1 become 9 to 1


def test_it_writes_known_words_only(names):
    written = names["write"]([0, 1], 30, names["reader_with_cache"]())
    assert written[:2] == [0, 1] and len(written) == 32
    assert set(written[2:]) <= set(names["word_of"])


def test_perplexities_are_recorded(run):
    metrics = run.record["metrics"]
    history = run.folder / "history.csv"
    assert history.exists()
    for name in ("", "_unigram", "_bigram", "_trigram"):
        assert 1 < metrics[f"test_perplexity{name}"] < 10_000
    assert metrics["ms_with_cache"] > 0 and metrics["ms_without_cache"] > 0
    assert "[top-p, p = 0.8]" in (run.folder / "written.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_prompt_may_be_long_and_unknown(tmp_path):
    few = ["--data", "sample", "--limit", "100", "--epochs", "1", "--blocks", "1"]
    run = run_and_capture(LANGUAGE_MODEL, tmp_path, *few, "--prompt", "zyzzyva " * 300)
    assert run.noise == [] and len(run.names["prompt"]) == 101
