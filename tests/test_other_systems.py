"""What differs on Windows and macOS, simulated here."""

import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import pandas as pd
import pytest
from conftest import ROOT

import datasets
from common import checkpoints, files, runs, startup
from distributed.workers import start_and_wait
from frame import Lesson, resume
from frame import run as frame_run
from serving import serve
from tools import kill


@pytest.fixture
def like_windows(monkeypatch):
    """Let a folder with an open file not be removed, and `os.rename` not replace a file."""
    remove, rename = shutil.rmtree, os.rename

    def rmtree(folder, *args, **kwargs):
        opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/dev/fd")]
        if any(Path(path).is_relative_to(Path(folder).resolve()) for path in opened):
            raise PermissionError(13, "in use by another process", str(folder))
        remove(folder, *args, **kwargs)

    def rename_to_new(source, target):
        if os.path.exists(target):
            raise FileExistsError(17, "exists already", str(target))
        rename(source, target)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    monkeypatch.setattr(os, "rename", rename_to_new)


@pytest.mark.parametrize(("refusals", "replaced"), [(2, True), (3, False)])
def test_file_that_another_program_has_open_is_replaced_later(
    tmp_path, monkeypatch, refusals, replaced
):
    tries, replace = [], os.replace

    def refuse(source, target):
        tries.append(target)
        if len(tries) <= refusals:
            raise PermissionError(13, "in use by another process")
        replace(source, target)

    monkeypatch.setattr(files, "PAUSES", (0, 0))
    monkeypatch.setattr(os, "replace", refuse)
    (tmp_path / "runs.csv").write_text("old")
    try:
        with files.atomic_write(tmp_path / "runs.csv") as temporary:
            temporary.write_text("new")
    except PermissionError:
        assert not replaced
    assert len(tries) == 3 and len(list(tmp_path.iterdir())) == 1
    assert (tmp_path / "runs.csv").read_text() == ("new" if replaced else "old")


def test_second_damaged_checkpoint_replaces_the_first(tmp_path, like_windows, capsys):
    path = tmp_path / "checkpoint.npz"
    for content in ("once", "twice"):
        path.write_text(content * 20)
        assert checkpoints.read(path) is None
    (left,) = tmp_path.iterdir()
    assert left.read_text().startswith("twice")


def test_claimed_run_moves_with_its_claim(tmp_path, like_windows):
    earlier, new = tmp_path / "earlier", tmp_path / "new"
    for folder in (earlier, new):
        folder.mkdir()
    (earlier / "run.json").touch()
    assert resume.claim(earlier)
    run = SimpleNamespace(folder=earlier, make_folder=lambda: new)
    assert frame_run.Run.move(run, tmp_path) == new and not earlier.exists()
    assert sorted(path.name for path in new.iterdir()) == ["checkpoint.lock", "run.json"]
    assert resume.release(new) and not resume.release(earlier)
    assert not (new / "checkpoint.lock").exists()


def test_folder_is_removed_if_the_second_data_set_is_missing(tmp_path, like_windows, monkeypatch):
    def missing(name, flags):
        raise SystemExit(2)

    monkeypatch.setattr(datasets, "load_dataset", missing)
    folder = tmp_path / "run"
    folder.mkdir()
    resume.claim(folder)
    with pytest.raises(SystemExit):
        Lesson.load(SimpleNamespace(resume=None, folder=folder), "mnist")
    assert not folder.exists()


def test_tables_have_the_same_line_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "linesep", "\r\n")
    lesson = SimpleNamespace(folder=tmp_path, tell=lambda what, file: None)
    Lesson.save_table(lesson, "scores", pd.DataFrame({"model": ["a"], "score": [1]}))
    assert (tmp_path / "scores.csv").read_bytes() == b"model,score\na,1\n"


@pytest.mark.parametrize("windows", [False, True])
def test_port_is_not_shared(monkeypatch, windows):
    options = []

    class Listener(socket.socket):
        def setsockopt(self, level, option, value):
            options.append(option)

    monkeypatch.setattr(socket, "socket", Listener)
    if windows:
        monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)
    serve.listen("127.0.0.1", 0).close()
    assert options == [-5 if windows else socket.SO_REUSEADDR]


def test_curl_is_spelled_for_the_shell():
    words = ["-d", '{"instances": [[0]]}', "http://127.0.0.1:8000/"]
    assert serve.curl(*words, windows=False) == f"curl -d '{words[1]}' {words[2]}"
    spelled = r'curl.exe -d "{\"instances\": [[0]]}" http://127.0.0.1:8000/'
    assert serve.curl(*words, windows=True) == spelled


def test_errors_in_another_encoding_are_read(tmp_path, monkeypatch, capsys):
    source = (
        "import os, sys\nos.write(2, b'\\xff' * 200_000 + b'\\nerror: no data\\n')\nsys.exit(2)"
    )
    (tmp_path / "lesson.py").write_text(source)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "lesson.py")])
    with pytest.raises(SystemExit):
        start_and_wait(1, [], "go on")
    assert "no data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "described"), [("cuda", "GPU (2)"), ("mps", "GPU (1)"), ("cpu", "CPU (")]
)
def test_pytorch_trains_on_the_gpu_of_a_mac(monkeypatch, kind, described):
    cuda = SimpleNamespace(device_count=lambda: 2)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    tensor = SimpleNamespace(device=SimpleNamespace(type=kind))
    monkeypatch.setattr(keras.ops, "zeros", lambda shape: tensor)
    assert frame_run.describe_device("torch").startswith(described)


def test_memory_is_unknown_on_windows_in_kib_on_linux_and_in_bytes_on_a_mac(monkeypatch):
    usage = SimpleNamespace(ru_maxrss=2_000_000)
    unix = SimpleNamespace(getrusage=lambda who: usage, RUSAGE_SELF=0)
    for platform, module, expected in (
        ("linux", unix, 2048),
        ("darwin", unix, 2),
        ("win32", None, None),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setitem(sys.modules, "resource", module)
        assert runs.peak_memory_mb() == expected


def test_kill_without_signals(monkeypatch):
    monkeypatch.delattr(signal, "SIGKILL")
    assert importlib.reload(kill).KILLED == 1
    monkeypatch.undo()
    assert importlib.reload(kill).KILLED == -signal.SIGKILL


def test_gpu_errors_are_shown_where_a_driver_is(monkeypatch, tmp_path):
    line = "E0000 00:00:1 x.cc:1] failed call to cuInit: out of memory"
    monkeypatch.setattr(startup, "NVIDIA", (str(tmp_path / "driver"),))
    assert not startup.is_error(line)
    (tmp_path / "driver").touch()
    assert startup.is_error(line)


def test_no_file_has_a_name_that_windows_refuses():
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
    paths = [path for path in listed.split("\0") if path]
    assert len({path.lower() for path in paths}) == len(paths) > 100
    for part in {part for path in paths for part in path.split("/")}:
        assert not set('<>:"|?*\\') & set(part) and not part.endswith((" ", ".")), part
