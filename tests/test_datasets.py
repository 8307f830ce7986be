"""Samples, downloads from a local server, the cache, and --export."""

import contextlib
import gzip
import hashlib
import http.server
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from data_files import pack

from common.files import WRITING
from datasets import (
    FILES,
    NAMES,
    REAL,
    SAMPLE,
    __main__,
    download,
    find_dataset,
    load_dataset,
    readers,
    split_review,
    split_words,
)
from datasets.samples import MAKERS


def equal(one, other) -> bool:
    """Compare two data sets: nested tuples and lists of arrays, dicts, or tables."""
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one.equals(other) if hasattr(one, "equals") else np.array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_reproducible(name):
    assert equal(MAKERS[name](), MAKERS[name]())


def test_samples_contain_every_class():
    for name in ("fashion_mnist", "mnist"):
        for images, labels in MAKERS[name]():
            assert set(labels) == set(range(10)) and images.dtype == np.uint8
            assert images.shape[1:] == (28, 28) and images.max() > 200 and images.min() == 0
    (_, labels), *_ = MAKERS["imdb"]()
    assert 0.4 < labels.mean() < 0.6
    assert 0.15 < MAKERS["churn"]().Exited.mean() < 0.3
    assert MAKERS["auto_mpg"]().horsepower.isna().sum() == 6


@pytest.mark.parametrize("name", NAMES)
def test_limit_applies_to_training_examples_only(name):
    whole = MAKERS[name]()
    data, origin, _ = load_dataset(name, SimpleNamespace(data="sample", data_dir=None, limit=60))
    assert origin == SAMPLE
    if isinstance(whole, tuple):
        assert len(data[0][0]) == len(data[0][1]) == 60 and len(data[1][0]) == len(whole[1][0])
    else:
        assert len(data) == 60


def test_split_words():
    words = split_words("It's GREAT -- isn't it?\n<br />10/10")
    assert words == ["it's", "great", "isn't", "it", "br", "10", "10"]


def test_split_words_knows_typographic_signs():
    plain = split_words("I don't say \"not good\" - it's café fare, really ...")
    text = "I don\u2019t say \u201cnot good\u201d \u2013 it\u2019s cafe\u0301\xa0fare,\rre\xadally"
    assert split_words(f"{text}\u2026\u202f") == plain
    assert split_words("\u2018good\u2019 \xabbad\xbb") == ["good", "bad"]


def test_split_review_leaves_other_signs():
    assert split_review("don\u2019t\xa0 £5 -- 10/10") == ["don\u2019t\xa0", "£5", "10", "10"]


def test_download_libraries_are_imported_lazily(data_folder):
    """Because parsing the flags must not import NumPy."""
    code = (
        "import sys, common.flags; print('numpy' in sys.modules)\n"
        "from datasets import find_dataset\n"
        "for data, folder in (('sample', None), ('real', sys.argv[1])):\n"
        "    find_dataset('imdb', data, folder)\n"
        "print(*{'pooch', 'requests', 'tqdm'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, data_folder], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "False\n\n", done.stderr


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `files`, lists the requests in `asked`, and simulates a `fault`."""

    files: dict = {}  # noqa: RUF012
    asked: list = []  # noqa: RUF012
    fault = ""

    def do_GET(self):
        self.asked.append(self.path)
        content = self.files.get(self.path.lstrip("/"), b"<html>log in first</html>")
        if self.fault == "missing":
            return self.send_error(404)
        if self.fault == "silent":
            return time.sleep(1)
        self.send_response(302 if self.fault == "login" and self.path != "/login" else 200)
        self.send_header("Location", "/login")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.fault == "cut" or (self.fault == "once cut" and len(self.asked) == 1):
            content = content[: len(content) // 2]
        step = 1 if self.fault == "slow" else len(content)
        with contextlib.suppress(OSError):  # the client has given up
            for place in range(0, len(content), step):
                self.wfile.write(content[place : place + step])
                time.sleep(0.01)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A function that publishes files on a local server; the download cache is empty."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "PAUSE", 0)
    Server.files, Server.asked, Server.fault = {}, [], ""
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()

    def publish(dataset: str, files: dict[str, bytes]) -> None:
        Server.files.update(files)
        address = f"http://127.0.0.1:{service.server_port}"
        monkeypatch.setitem(download.ADDRESSES, dataset, [f"{address}/{name}" for name in files])
        for name, content in files.items():
            monkeypatch.setitem(download.SHA256, name, hashlib.sha256(content).hexdigest())

    yield publish
    service.shutdown()
    service.server_close()


def cached_files(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


OWN_FOLDER = Path("cache", "datasets", "keras-lessons")


@pytest.fixture
def cars(server, data_folder, tmp_path):
    """The cache path of a small file that the server publishes."""
    server("auto_mpg", {"auto-mpg.data": (data_folder / "auto-mpg.data").read_bytes()})
    (tmp_path / OWN_FOLDER).mkdir(parents=True)
    return tmp_path / OWN_FOLDER / "auto-mpg.data"


def test_file_is_downloaded_once(server, data_folder, tmp_path, capfd):
    server("mnist", {"mnist.npz": (data_folder / "mnist.npz").read_bytes()})
    for _ in range(2):
        data, origin, _ = find_dataset("mnist", "auto", None)
        assert origin == REAL and equal(data, MAKERS["mnist"]())
    assert Server.asked == ["/mnist.npz"] and cached_files(tmp_path) == ["mnist.npz"]
    assert capfd.readouterr() == ("", "")  # a progress bar is for terminals only


def test_download_has_default_permissions(cars, tmp_path):
    """So that users can share a cache."""
    (tmp_path / "other").touch()
    download.fetch("auto_mpg")
    assert cars.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_progress_bar_in_terminal(cars, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    download.fetch("auto_mpg")
    assert "auto-mpg.data: 100%" in capsys.readouterr().err


def test_damaged_cache_file_is_downloaded_again(cars):
    cars.write_text("<html>")
    assert find_dataset("auto_mpg", "real", None)[1] == REAL


def test_damaged_cache_file_is_kept_offline(cars):
    cars.write_text("<html>")
    Server.fault = "missing"
    _, origin, source = find_dataset("auto_mpg", "auto", None)
    assert origin == SAMPLE and "auto-mpg.data is damaged" in source
    assert cars.read_text() == "<html>"


def test_leftovers_of_killed_downloads_are_removed(cars):
    code = (
        "import sys; from datasets import download\n"
        "download.ADDRESSES['auto_mpg'] = [sys.argv[1]]; download.fetch('auto_mpg')"
    )
    Server.fault = "slow"
    command = [sys.executable, "-c", code, download.ADDRESSES["auto_mpg"][0]]
    process = subprocess.Popen(command, cwd=ROOT)
    while not list(cars.parent.glob(f"{WRITING}*")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    (left,) = cars.parent.iterdir()
    assert left.name.startswith(WRITING)
    Server.fault = ""
    download.fetch("auto_mpg")
    assert list(cars.parent.iterdir()) == [cars]


def test_fashion_mnist_is_converted_from_idx(server, tmp_path):
    data = MAKERS["fashion_mnist"]()
    files = {}
    for part, (images, labels) in zip(("train", "t10k"), data, strict=True):
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(bytes(16) + images.tobytes())
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(bytes(8) + labels.tobytes())
    server("fashion_mnist", files)
    keras_folder = tmp_path / "cache" / "datasets" / "fashion-mnist"
    keras_folder.mkdir(parents=True)
    name, content = files.popitem()  # Keras has downloaded this one
    (keras_folder / name).write_bytes(content)
    found, origin, _ = find_dataset("fashion_mnist", "real", None)
    assert origin == REAL and equal(found, data)
    assert Server.asked == [f"/{name}" for name in files]


def test_every_missing_file_is_named(server):
    names = [f"{part}-ubyte.gz" for part in ("images", "labels", "more-images", "more-labels")]
    server("fashion_mnist", dict.fromkeys(names, b"x"))
    folder = download.cache_folder("fashion_mnist", published=True)
    folder.mkdir(parents=True)
    (folder / names[0]).write_bytes(b"x")
    Server.fault = "missing"
    with pytest.raises(download.DownloadError) as error:
        download.fetch("fashion_mnist")
    said = str(error.value).partition("by hand")[2]
    assert all(address in said for address in download.ADDRESSES["fashion_mnist"][1:])
    assert download.ADDRESSES["fashion_mnist"][0] not in said and str(folder) in said


def test_imdb_words_are_ranked_by_frequency(server, tmp_path):
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
    (train, test, word_index), origin, _ = find_dataset("imdb", "real", None)
    assert origin == REAL
    assert [word_index[word] for word in ("the", "don't", "film")] == [1, 2, 3]
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
        ("missing", "the server responded 404 Not Found", 1),
        ("disk full", "No space left on device", 1),
        ("silent", "silent for 0.1 s", 3),
        ("slow", "bytes received in", 3),
        ("cut", "the connection broke after", 3),
        ("large", "more than 1,000 bytes", 3),
        ("wrong bytes", "not the published one", 3),
        ("login", "not the published one", 6),  # each asks twice
    ],
)
def test_failed_download_is_explained_and_cleaned_up(
    cars, tmp_path, monkeypatch, fault, message, tries
):
    Server.fault = fault
    if fault in ("silent", "slow"):
        monkeypatch.setattr(download, "TIMEOUT", 0.1)
    elif fault == "large":
        monkeypatch.setattr(download, "LARGEST", 1000)
    elif fault == "wrong bytes":
        monkeypatch.setitem(download.SHA256, cars.name, "0" * 64)
    elif fault in ("refused", "no name"):
        host = "127.0.0.1:1" if fault == "refused" else "nowhere.example"
        monkeypatch.setitem(download.ADDRESSES, "auto_mpg", [f"http://{host}/{cars.name}"])
    elif fault == "disk full":
        full = contextlib.nullcontext(Path("/dev/full"))
        monkeypatch.setattr(download, "atomic_write", lambda path: full)
    with pytest.raises(download.DownloadError, match=message) as error:
        download.fetch("auto_mpg")
    assert len(Server.asked) == tries and cached_files(tmp_path) == []
    assert "fetch it by hand" in str(error.value) and str(cars) in str(error.value)
    data, origin, source = find_dataset("auto_mpg", "auto", None)
    assert origin == SAMPLE and message in source and equal(data, MAKERS["auto_mpg"]())
    with pytest.raises(SystemExit) as stop:
        find_dataset("auto_mpg", "real", None)
    assert stop.value.code == 1  # not a user error


def test_broken_download_is_retried(cars, tmp_path, capsys):
    Server.fault = "once cut"
    assert find_dataset("auto_mpg", "real", None)[1] == REAL
    assert len(Server.asked) == 2 and cached_files(tmp_path) == [cars.name]
    assert "trying again" in capsys.readouterr().err


def test_home_of_keras_may_begin_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "~/keras")
    assert download.cache_folder("mnist") == tmp_path / "keras" / "datasets"


def test_file_from_concurrent_download_is_used(data_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    folder = download.cache_folder("imdb")

    def lose_the_race(name):
        folder.mkdir(parents=True)
        for file in FILES[name]:
            shutil.copy(data_folder / file, folder)
        raise download.DownloadError("the archive is gone")

    monkeypatch.setattr(download, "fetch", lose_the_race)
    assert find_dataset("imdb", "real", None)[1] == REAL


def test_unwritable_cache_is_refused(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(download.DownloadError, match="cannot download into"):
        download.fetch("mnist")
    assert (tmp_path / "file").read_text() == "mine"


def export(monkeypatch, *words) -> None:
    monkeypatch.setattr(sys, "argv", ["datasets", *map(str, words)])
    __main__.main()


def test_exported_folder_can_be_read(data_folder, tmp_path, monkeypatch):
    target = tmp_path / "class"
    export(monkeypatch, "--export", target, "--data-dir", data_folder)
    assert {path.name for path in target.iterdir()} == {
        file for files in FILES.values() for file in files
    }
    for name in NAMES:
        assert equal(readers.READERS[name](target), readers.READERS[name](data_folder))


def test_export_knows_the_home_folder(data_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))  # on Windows
    monkeypatch.chdir(tmp_path)
    export(monkeypatch, "--export=~/class", "--data-dir", data_folder, "auto_mpg")
    assert (tmp_path / "home" / "class" / "auto-mpg.data").exists()


def test_export_continues_after_failed_download(server, data_folder, tmp_path, monkeypatch, capsys):
    server("mnist", {"mnist.npz": (data_folder / "mnist.npz").read_bytes()})
    with pytest.raises(SystemExit) as stop:
        export(monkeypatch, "--export", tmp_path / "class", "churn", "mnist")
    assert stop.value.code == 1
    assert [path.name for path in (tmp_path / "class").iterdir()] == ["mnist.npz"]
    assert "fetch it by hand" in capsys.readouterr().err


def test_export_defaults_to_all_data_sets(server, data_folder, tmp_path, monkeypatch, capsys):
    for name in ("mnist", "auto_mpg"):
        (file,) = FILES[name]
        server(name, {file: (data_folder / file).read_bytes()})
    monkeypatch.setattr("datasets.NAMES", ["mnist", "auto_mpg", "churn"])
    export(monkeypatch, "--export", tmp_path / "class")
    printed = capsys.readouterr()
    assert printed.out.endswith("class: wrote mnist, auto_mpg\n")
    assert printed.err.startswith("left out: churn")


def test_export_refuses_unknown_name(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        export(monkeypatch, "--export", tmp_path / "class", "minst")
    assert stop.value.code == 2 and "minst: no such data set" in capsys.readouterr().err
