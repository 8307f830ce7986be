"""Lesson 26: splitting, n-grams, the model, and texts from a folder."""

import numpy as np
import pytest
from conftest import RAW_TEXT, error_of, run_lesson
from numpy.testing import assert_allclose


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It ISN\u2019T <br />good!", ["it", "isn't", "good"]),
        ("cliche\u0301, clich\u00e9", ["clich\u00e9"] * 2),  # two characters, or one
        ("10/10 snake_case\n", ["10", "10", "snake", "case"]),
        (" ... <i>", []),
    ],
)
def test_split_text(names, text, words):
    assert names["split_text"](text) == words


def test_ngrams_have_numbers_of_their_own(names):
    vocabulary, kept = names["words_by_number"], names["kept"]
    assert len(set(kept)) == len(kept) and kept.min() > 0
    for number in [2, len(kept) // 2, len(kept) + 1]:
        words = names["name_of"](number).split(" ")
        assert 1 <= len(words) <= 3 and set(words) <= set(vocabulary)
        # A text of these words contains the n-gram.
        assert number in names["to_numbers"]([names["to_grams"](words)])[0]


def test_counts_come_from_training_texts(names):
    words = [word for words in names["train_words"] for word in words]
    assert names["counts"].total() == len(words)
    assert len(names["train_words"]) == 450
    for number in (2, 30):  # texts that contain an n-gram
        containing = (names["train_numbers"] == number).any(axis=1).sum()
        assert containing == names["negative"][number] + names["positive"][number] >= 2


def test_rows_are_padded_and_truncated(names):
    rows = names["to_numbers"]([np.array([], "int64"), names["kept"].to_numpy()[:3000]])
    assert rows.shape == (2, 1024) and rows.dtype == np.int32
    assert rows[0].tolist() == [1] + [0] * 1023  # 1: what is not in the list
    assert rows[1, 0] == 3001 - 1023 and rows[1, -1] == 3001  # rare ones are kept


def test_model_averages_ratio_times_factor(names):
    rows, model = names["test_numbers"][:20], names["model"]
    assert names["ratio"].get_weights()[0][:, 0] == pytest.approx(names["ratios"], rel=1e-5)
    values = [names["contributions"][row[row > 0]].mean() for row in rows]
    expected = 1 / (1 + np.exp(-300 * np.array(values)))
    assert_allclose(model.predict(rows, verbose=0)[:, 0], expected, rtol=1e-3)


def test_text_without_known_words_gets_an_answer(names):
    row = names["to_numbers"]([names["to_grams"](["zyzzyva"])])
    assert row.max() == 1 and 0 < names["model"].predict(row, verbose=0)[0, 0] < 1


def write_texts(folder, classes=("bad", "good"), count=30):
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            text = f"This film is {name}, number {i}: caf\u00e9."
            (folder / name / f"{i}.txt").write_text(text, encoding="utf-8")


def test_texts_of_a_folder(tmp_path):
    write_texts(tmp_path / "texts")
    flags = ["--texts", tmp_path / "texts", "--epochs", "2", "--ngrams", "2"]
    run = run_lesson(RAW_TEXT, tmp_path / "out", *flags)
    assert run.names["classes"] == ["bad", "good"] and run.record["data"] == "real"
    assert len(run.names["texts"]) == 48 and len(run.names["test_texts"]) == 12
    assert "caf\u00e9" in run.names["counts"]
    assert run.record["metrics"]["test_accuracy"] == 1


@pytest.mark.slow
def test_folder_with_a_test_set(tmp_path):
    write_texts(tmp_path / "texts" / "train", count=60)
    write_texts(tmp_path / "texts" / "test", count=20)
    flags = ["--texts", tmp_path / "texts", "--epochs", "1", "--limit", "100"]
    names = run_lesson(RAW_TEXT, tmp_path / "out", *flags).names
    assert len(names["texts"]) == 100 and len(names["test_texts"]) == 40
    assert set(names["labels"]) == {0, 1}


def damage(folder, how):
    if how == "one class":
        write_texts(folder, ["bad"])
    elif how == "three classes":
        write_texts(folder, ["bad", "good", "unsup"])
    elif how == "few":
        write_texts(folder, count=3)
    elif how == "encoding":
        write_texts(folder)
        (folder / "good" / "7.txt").write_bytes("caf\u00e9 noir".encode("latin-1"))
    elif how == "other classes":
        write_texts(folder / "train")
        write_texts(folder / "test", ["neg", "pos"])
    elif how == "a file":
        folder.write_text("a film")


def test_own_texts_need_no_folder_of_data(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_TUTORIAL_DATA", "nowhere")
    damage(tmp_path / "texts", "few")
    flags = ["--out", tmp_path / "out"]
    error = error_of(capsys, RAW_TEXT, *flags, "--texts", tmp_path / "texts")
    assert "3 texts" in error  # they were read
    assert "$KERAS_TUTORIAL_DATA nowhere: no such folder" in error_of(capsys, RAW_TEXT, *flags)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", ": no such folder"),
        ("a file", ": no such folder"),
        ("one class", "one per class: bad"),
        ("three classes", "one per class: bad, good, unsup"),
        ("few", "3 texts; give at least 20 per class"),
        ("encoding", "7.txt: not text in UTF-8"),
        ("other classes", "test/ has"),
    ],
)
def test_bad_folders_are_refused(tmp_path, capsys, how, message):
    damage(tmp_path / "texts", how)
    flags = ["--out", tmp_path / "out", "--texts", tmp_path / "texts"]
    error = error_of(capsys, RAW_TEXT, *flags)
    assert error.startswith("error: --texts ") and message in error
    assert not list(tmp_path.glob("out/*/*"))  # leaves no run
