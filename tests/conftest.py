"""What the tests share: lessons run in this process, on the built-in sample, in temporary folders.

Nothing reaches the network and nothing is written outside temporary folders.
"""

import json
import os
import runpy
import socket
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(path.name for path in ROOT.glob("[0-9][0-9]_*.py"))
CHURN, MNIST, XOR = PROJECTS = ["churn/churn.py", "mnist/mnist.py", "xor/xor.py"]
ENVIRONMENT = dict(os.environ)  # as the user has it
REAL_DATA = os.environ.pop("KERAS_TUTORIAL_DATA", None)  # tests name their source themselves
collect_ignore = [] if REAL_DATA else ["test_real_data.py"]
os.environ["KERAS_HOME"] = tempfile.mkdtemp(prefix="keras-home-")

from common.start import start_keras

start_keras()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse every connection that leaves this computer."""
    connect = socket.socket.connect

    def connect_here(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"no network in tests: {address}")
        return connect(self, address)

    def look_up(host, *args, **kwargs):
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise socket.gaierror(-2, "Name or service not known")
        return real_look_up(host, *args, **kwargs)

    real_look_up = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def data_folder(tmp_path):
    """A folder of whole files, as --data-dir names one."""
    from data_files import write_real_looking

    folder = tmp_path / "data"
    folder.mkdir()
    write_real_looking(folder)
    return folder


def run_script(script: str, *flags: str) -> dict:
    """Run a script as the shell would, in this process.

    Returns:
        The script's names when it has ended.
    """
    argv, path, hook = sys.argv, sys.path[:], sys.excepthook
    sys.argv = [str(ROOT / script), *map(str, flags)]
    try:
        return runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        sys.argv, sys.path[:], sys.excepthook = argv, path, hook


def run_lesson(script: str, out: Path, *flags: str) -> SimpleNamespace:
    """Run a lesson and collect what it left: `names`, `folder` and `record` of its newest run."""
    names = run_script(script, "--out", out, *flags)
    folder = names["run"].folder
    record = json.loads((folder / "run.json").read_text())
    return SimpleNamespace(names=names, folder=folder, record=record, out=out)


@pytest.fixture(scope="session")
def smoke_runs(tmp_path_factory):
    """Every lesson once, two epochs on the built-in sample: script -> run."""
    out = tmp_path_factory.mktemp("outputs")
    return {
        script: run_lesson(script, out, *on_sample(script), "--epochs", "2")
        for script in LESSONS + PROJECTS
    }


def on_sample(script: str) -> list[str]:
    """Give the flags that choose the sample; one lesson needs no data."""
    return [] if script == XOR else ["--data", "sample"]
