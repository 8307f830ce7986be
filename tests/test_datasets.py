"""Samples, downloads from a small server on this computer, the cache, and --export."""

import contextlib
import gzip
import hashlib
import http.server
import shutil
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from data_files import pack

from common.datasets import (
    NAMES,
    REAL,
    SAMPLE,
    __main__,
    download,
    find_dataset,
    load_dataset,
    readers,
    split_words,
)
from common.datasets.samples import MAKERS


def equal(one, other) -> bool:
    """Compare two data sets: nested tuples and lists of arrays, dicts, or tables."""
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one.equals(other) if hasattr(one, "equals") else np.array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_the_same_every_time(name):
    assert equal(MAKERS[name](), MAKERS[name]())


def test_samples_hold_every_class_and_both_answers():
    for name in ("fashion_mnist", "mnist"):
        for images, labels in MAKERS[name]():
            assert set(labels) == set(range(10)) and images.dtype == np.uint8
            assert images.shape[1:] == (28, 28) and images.max() > 200 and images.min() == 0
    (_, labels), *_ = MAKERS["imdb"]()
    assert 0.4 < labels.mean() < 0.6
    assert 0.15 < MAKERS["churn"]().Exited.mean() < 0.3
    assert MAKERS["auto_mpg"]().horsepower.isna().sum() == 6


@pytest.mark.parametrize("name", NAMES)
def test_limit_keeps_training_examples_only(name):
    whole = MAKERS[name]()
    flags = SimpleNamespace(data="sample", data_dir=None, limit=60)
    data, kind, _ = load_dataset(name, flags)
    assert kind == SAMPLE
    if isinstance(whole, tuple):
        assert len(data[0][0]) == len(data[0][1]) == 60 and len(data[1][0]) == len(whole[1][0])
    else:
        assert len(data) == 60


class Server(http.server.BaseHTTPRequestHandler):
    """Serves what `files` holds; `asked` counts the requests; `fault` says what goes wrong."""

    files: dict = {}  # noqa: RUF012
    asked: list = []  # noqa: RUF012
    fault = ""

    def do_GET(self):
        self.asked.append(self.path)
        content = self.files.get(self.path.lstrip("/"))
        if self.fault == "login" and self.path != "/login":
            self.send_response(302)
            self.send_header("Location", "/login")
            self.end_headers()
            return
        if self.path == "/login":
            content = b"<html>log in first</html>"
        if content is None:
            self.send_error(404)
            return
        if self.fault == "silent":
            time.sleep(1)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.fault == "slow":
            with contextlib.suppress(OSError):  # the other side has given up
                for place in range(100):
                    self.wfile.write(content[place : place + 1])
                    time.sleep(0.01)
        elif self.fault == "cut":
            self.wfile.write(content[: len(content) // 2])
        elif self.fault == "once cut" and len(self.asked) == 1:
            self.wfile.write(content[: len(content) // 2])
        else:
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A publisher on this computer with an empty cache to download into."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(download, "PAUSE", 0)
    Server.files, Server.asked, Server.fault = {}, [], ""
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()

    def publish(dataset: str, files: dict[str, bytes]) -> None:
        Server.files.update(files)
        address = f"http://127.0.0.1:{service.server_port}"
        sources = {
            name: (f"{address}/{name}", hashlib.sha256(content).hexdigest())
            for name, content in files.items()
        }
        monkeypatch.setitem(download.SOURCES, dataset, sources)

    yield publish
    service.shutdown()
    service.server_close()


def cached_files(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


def test_a_download_is_kept_and_not_fetched_twice(server, data_folder, tmp_path):
    server("mnist", {"mnist.npz": (data_folder / "mnist.npz").read_bytes()})
    for _ in range(2):
        data, kind, _ = find_dataset("mnist", "auto", None)
        assert kind == REAL and equal(data, MAKERS["mnist"]())
    assert Server.asked == ["/mnist.npz"] and cached_files(tmp_path) == ["mnist.npz"]


def test_a_damaged_file_in_the_cache_is_fetched_again(server, data_folder, tmp_path):
    server("auto_mpg", {"auto-mpg.data": (data_folder / "auto-mpg.data").read_bytes()})
    folder = tmp_path / "cache" / "datasets" / "keras-lessons"
    folder.mkdir(parents=True)
    (folder / "auto-mpg.data").write_text("<html>")
    assert find_dataset("auto_mpg", "real", None)[1] == REAL


def test_a_damaged_file_in_the_cache_without_network(server, tmp_path, capsys):
    folder = tmp_path / "cache" / "datasets" / "keras-lessons"
    folder.mkdir(parents=True)
    (folder / "auto-mpg.data").write_text("<html>")
    _, kind, source = find_dataset("auto_mpg", "auto", None)
    assert kind == SAMPLE and "auto-mpg.data is damaged" in source
    assert (folder / "auto-mpg.data").read_text() == "<html>"


def test_fashion_mnist_is_converted_from_the_published_files(server, tmp_path):
    (train_images, train_labels), (test_images, test_labels) = MAKERS["fashion_mnist"]()
    server(
        "fashion_mnist",
        {
            "train-images-idx3-ubyte.gz": gzip.compress(bytes(16) + train_images.tobytes()),
            "train-labels-idx1-ubyte.gz": gzip.compress(bytes(8) + train_labels.tobytes()),
            "t10k-images-idx3-ubyte.gz": gzip.compress(bytes(16) + test_images.tobytes()),
            "t10k-labels-idx1-ubyte.gz": gzip.compress(bytes(8) + test_labels.tobytes()),
        },
    )
    data, kind, _ = find_dataset("fashion_mnist", "real", None)
    assert kind == REAL and equal(data, MAKERS["fashion_mnist"]())


def test_reviews_are_ranked_from_the_published_texts(server, tmp_path):
    archive = pack({
        "README": "the the the the",
        "imdb.vocab": "the",
        "train/unsup/0_0.txt": "the the the the",
        "train/pos/0_9.txt": "The film, the <br />music: don't miss it!",
        "train/neg/0_2.txt": "Don't see the film.",
        "test/pos/0_8.txt": "A film to see",
        "test/neg/0_1.txt": "the end",
    })
    server("imdb", {"aclImdb_v1.tar.gz": archive})
    (train, test, word_index), kind, _ = find_dataset("imdb", "real", None)
    assert kind == REAL
    assert word_index["the"] == 1 and word_index["don't"] == 2 and word_index["film"] == 4 - 1
    assert "end" not in word_index and "a" not in word_index
    by_rank = {rank: word for word, rank in word_index.items()}
    texts = [" ".join(by_rank[rank] for rank in review) for review in train[0]]
    assert texts == ["don't see the film", "the film the br music don't miss it"]
    assert train[1].tolist() == [0, 1] and test[1].tolist() == [0, 1]
    assert [len(review) for review in test[0]] == [1, 2]
    assert cached_files(tmp_path) == ["imdb.npz", "imdb_word_index.json"]


@pytest.mark.parametrize(
    ("fault", "message", "tries"),
    [
        ("no name", "Name or service not known", 0),
        ("refused", "refused", 0),
        ("missing", "the server answers 404 Not Found", 1),
        ("silent", "silent for 0.1 s", 3),
        ("slow", "bytes came in", 3),
        ("cut", "the connection broke after", 3),
        ("wrong bytes", "not the published one", 3),
        ("login", "not the published one", 6),  # each asks twice
    ],
)
def test_a_failed_download_says_why_and_leaves_nothing(
    server, data_folder, tmp_path, monkeypatch, fault, message, tries
):
    server("auto_mpg", {"auto-mpg.data": (data_folder / "auto-mpg.data").read_bytes()})
    if fault in ("silent", "slow"):
        monkeypatch.setattr(download, "SILENCE", 0.1)
    Server.fault = fault
    if fault == "missing":
        Server.files.clear()
    elif fault == "wrong bytes":
        Server.files["auto-mpg.data"] = b"other bytes"
    elif fault in ("refused", "no name"):
        host = "127.0.0.1:1" if fault == "refused" else "nowhere.example"
        source = {"auto-mpg.data": (f"http://{host}/auto-mpg.data", "0" * 64)}
        monkeypatch.setitem(download.SOURCES, "auto_mpg", source)
    with pytest.raises(download.DownloadError, match=message) as error:
        download.fetch("auto_mpg")
    assert len(Server.asked) == tries and cached_files(tmp_path) == []
    place = tmp_path / "cache" / "datasets" / "keras-lessons" / "auto-mpg.data"
    assert "fetch it by hand" in str(error.value) and str(place) in str(error.value)
    data, kind, source = find_dataset("auto_mpg", "auto", None)
    assert kind == SAMPLE and message in source and equal(data, MAKERS["auto_mpg"]())
    with pytest.raises(SystemExit) as stop:
        find_dataset("auto_mpg", "real", None)
    assert stop.value.code == 1  # no fault of the user's


def test_a_download_that_breaks_once_is_tried_again(server, data_folder, tmp_path, capsys):
    server("auto_mpg", {"auto-mpg.data": (data_folder / "auto-mpg.data").read_bytes()})
    Server.fault = "once cut"
    assert find_dataset("auto_mpg", "real", None)[1] == REAL
    assert len(Server.asked) == 2 and cached_files(tmp_path) == ["auto-mpg.data"]
    assert "trying again" in capsys.readouterr().err


def test_what_another_run_has_fetched_meanwhile_serves(data_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    folder = download.cache_folder("imdb")

    def lose_the_race(name):
        folder.mkdir(parents=True)
        for file in readers.FILES[name]:
            shutil.copy(data_folder / file, folder)
        raise download.DownloadError("the archive is gone")

    monkeypatch.setattr(download, "fetch", lose_the_race)
    assert find_dataset("imdb", "real", None)[1] == REAL


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(download.DownloadError, match="nothing can be downloaded into"):
        download.fetch("mnist")
    assert (tmp_path / "file").read_text() == "mine"


def export(monkeypatch, *words) -> None:
    monkeypatch.setattr(sys, "argv", ["common.datasets", *map(str, words)])
    __main__.main()


def test_export_writes_a_folder_that_can_be_read(data_folder, tmp_path, monkeypatch, capsys):
    target = tmp_path / "class"
    export(monkeypatch, "--export", target, "--data-dir", data_folder)
    assert sorted(p.name for p in target.iterdir()) == sorted(
        file for files in readers.FILES.values() for file in files
    )
    for name in NAMES:
        assert equal(readers.READERS[name](target), readers.READERS[name](data_folder))


def test_export_goes_on_after_a_failed_download(server, data_folder, tmp_path, monkeypatch, capsys):
    server("mnist", {"mnist.npz": (data_folder / "mnist.npz").read_bytes()})
    with pytest.raises(SystemExit) as stop:
        export(monkeypatch, "--export", tmp_path / "class", "churn", "mnist")
    assert stop.value.code == 1
    assert [path.name for path in (tmp_path / "class").iterdir()] == ["mnist.npz"]
    assert "fetch it by hand" in capsys.readouterr().err


def test_export_of_all_that_can_be_downloaded(server, data_folder, tmp_path, monkeypatch, capsys):
    for name in ("mnist", "auto_mpg"):
        (file,) = readers.FILES[name]
        server(name, {file: (data_folder / file).read_bytes()})
    monkeypatch.setattr("common.datasets.NAMES", ["mnist", "auto_mpg", "churn"])
    export(monkeypatch, "--export", tmp_path / "class")
    printed = capsys.readouterr()
    assert printed.out.endswith("class: wrote mnist, auto_mpg\n")
    assert printed.err.startswith("left out: churn")


def test_export_of_an_unknown_name(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        export(monkeypatch, "--export", tmp_path / "class", "minst")
    assert stop.value.code == 2 and "minst: no such data set" in capsys.readouterr().err


def test_words():
    assert split_words("It's GREAT -- isn't it?\n<br />10/10") == [
        "it's",
        "great",
        "isn't",
        "it",
        "br",
        "10",
        "10",
    ]
