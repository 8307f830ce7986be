"""Lesson 35: byte-pair encoding, spelling, rows of numbers, words and pieces compared."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from conftest import SUBWORDS, run_lesson
from test_raw_text import write_texts


def test_byte_pairs_merge_the_most_frequent_first(names):
    merges = names["learn_merges"]({"hug": 10, "pug": 6, "hugs": 4}, 2)
    assert merges == [("u", "g_"), ("h", "ug_")]
    counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    assert names["learn_merges"](counts, 3) == [("e", "s"), ("es", "t_"), ("l", "o")]
    assert names["learn_merges"]({"a": 3}, 5) == []  # nothing to merge
    assert names["learn_merges"]({}, 5) == names["learn_merges"](counts, -3) == []


def test_byte_pairs_of_repeated_letters(names):
    merge, learn = names["merge"], names["learn_merges"]
    assert merge(["a", "a", "a"], ("a", "a")) == ["aa", "a"]
    merges = learn({"aaaaa": 7, "aab": 2}, 50)
    pieces = ["a", "a", "a", "a", "a_"]
    for pair in merges:
        pieces = merge(pieces, pair)
    assert pieces == ["aaaaa_"]


def test_counts_of_pairs_stay_exact(names):
    counts = {"banana": 3, "bandana": 2, "nanny": 4, "ananas": 1, "an": 5}
    merges = names["learn_merges"](counts, 8)
    spelled = {word: names["letters_of"](word) for word in counts}
    for pair in merges:  # each is the most frequent pair when counted anew
        pairs = {}
        for word, pieces in spelled.items():
            for found in pairwise(pieces):
                pairs[found] = pairs.get(found, 0) + counts[word]
        assert pairs[pair] == max(pairs.values())
        spelled = {word: names["merge"](pieces, pair) for word, pieces in spelled.items()}


def test_pieces_spell_every_word(names):
    for word in ["film", "wonderful", "yawnworthy", "x", "\u00fcber"]:
        for number in (0, 20, 10_000):
            assert "".join(names["spell"](word, number)) == word + "_"
        assert names["spell"](word, 0) == names["letters_of"](word)
    assert len(set(names["merges"])) == len(names["merges"]) > 50


def test_words_that_were_learned_are_one_piece(names):
    word, _ = names["counts"].most_common(1)[0]
    assert names["spell"](word) == [word + "_"]


def test_vocabularies(names):
    for kind in ("words", "pieces"):
        tokens, numbers = names["tokens_of"][kind], names["numbers_of"][kind]
        assert len(set(tokens)) == len(tokens) == len(numbers)
        assert sorted(numbers.values()) == list(range(2, len(tokens) + 2))


def test_rows_are_padded_and_truncated(names):
    word, other = (word for word, _ in names["counts"].most_common(2))
    short, long, strange = names["to_numbers"](
        [[word], [word] * 10 + [other] * 300, ["\u4e2d"]], "words"
    )
    assert short.tolist() == [2] + [0] * 255
    assert long.tolist() == [3] * 256  # the end is kept
    assert strange[0] == 1
    pieces = names["to_numbers"]([["filmfilm"], ["\u4e2d"]], "pieces")
    assert pieces.dtype == np.int32 and pieces[0, 0] > 1 and pieces[1, 0] == 1


def test_tables(run):
    sizes = pd.read_csv(run.folder / "sizes.csv")
    assert sizes.vocabulary.tolist() == [500, 1000, 2000, 4000]
    assert sizes.unknown_words.is_monotonic_decreasing
    assert sizes.pieces_per_word.is_monotonic_decreasing and sizes.pieces_per_word.min() >= 1
    scores = pd.read_csv(run.folder / "scores.csv").set_index("tokens")
    assert list(scores.index) == ["words", "pieces"] and scores.test_accuracy.min() > 0.5
    assert run.record["metrics"]["test_accuracy"] == pytest.approx(
        scores.test_accuracy.pieces, abs=1e-4
    )


def test_both_networks_start_with_the_same_weights(names):
    one, other = names["build_model"](), names["build_model"]()
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_texts_of_a_folder(tmp_path):
    write_texts(tmp_path / "texts")
    signs = " ".join(chr(0x4E00 + i) for i in range(800))  # more letters than the vocabulary
    (tmp_path / "texts" / "bad" / "0.txt").write_text(signs, encoding="utf-8")
    flags = ["--texts", tmp_path / "texts", "--epochs", "1", "--vocabulary", "500"]
    run = run_lesson(SUBWORDS, tmp_path / "out", *flags)
    assert run.names["classes"] == ["bad", "good"] and run.record["data"] == "real"
    assert "caf\u00e9" in run.names["counts"]
    assert max(run.names["numbers_of"]["pieces"].values()) < 500
