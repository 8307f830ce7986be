"""Real data files, from the folder that $KERAS_TUTORIAL_DATA names; see conftest.py."""

from pathlib import Path

import numpy as np
import pytest
from conftest import FASHION, REAL_DATA, run_lesson
from data_files import pack

from datasets import NAMES, REAL, download, find_dataset, readers


@pytest.mark.parametrize("name", NAMES)
def test_real_files_are_read(monkeypatch, name):
    monkeypatch.setenv("KERAS_TUTORIAL_DATA", REAL_DATA)
    data, kind, source = find_dataset(name, "auto", None)
    assert (kind, source) == (REAL, REAL_DATA)
    sizes = {
        "fashion_mnist": 60_000,
        "mnist": 60_000,
        "imdb": 25_000,
        "auto_mpg": 398,
        "churn": 10_000,
        "california_housing": 20_433,
    }
    assert len(data[0][0] if isinstance(data, tuple) else data) == sizes[name]


def test_imdb_ranking_is_rebuilt_from_texts(tmp_path):
    """Ranking the words of 500 real reviews, written as text files, keeps their order."""
    (train, labels), _, word_index = readers.read_imdb(Path(REAL_DATA))
    words = {rank: word for word, rank in word_index.items()}
    texts = {}
    for part in ("train", "test"):
        for number in range(500):
            kind = "pos" if labels[number] else "neg"
            text = " ".join(words[rank] for rank in train[number])
            texts[f"{part}/{kind}/{number:05d}_0.txt"] = text
    (tmp_path / "a.tar.gz").write_bytes(pack(texts))
    download.convert_imdb([tmp_path / "a.tar.gz"], tmp_path)
    (again, again_labels), _, ranks = readers.read_imdb(tmp_path)
    new_words = {rank: word for word, rank in ranks.items()}
    for before, after in zip(train[:500], again, strict=True):
        assert [words[rank] for rank in before] == [new_words[rank] for rank in after]
    assert np.array_equal(again_labels, labels[:500])
    counts = np.bincount(np.concatenate(again))[1:]
    assert (np.diff(counts) <= 0).all()


def test_lesson_runs_on_real_data(tmp_path):
    flags = ["--data-dir", REAL_DATA, "--limit", "500", "--epochs", "1"]
    run = run_lesson(FASHION, tmp_path, *flags)
    assert run.record["data"] == "real"
    assert len(run.names["train_images"]) + len(run.names["val_images"]) == 500
    assert len(run.names["test_images"]) == 10_000


def test_churn_rates_match_notes():
    customers = readers.read_churn(Path(REAL_DATA))
    shares = customers.groupby("NumOfProducts").Exited.mean()
    assert shares[[1, 2, 3]].round(2).tolist() == [0.28, 0.08, 0.83]
    assert round(1 - customers.Exited.mean(), 3) == 0.796
