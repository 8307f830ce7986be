"""Shared fixtures. Lessons run in this process, on the built-in sample, in temporary folders.

Tests have no network access and write nothing outside temporary folders.
"""

import contextlib
import gc
import io
import json
import os
import runpy
import shutil
import socket
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALL_LESSONS = sorted(path.name for path in ROOT.glob("[0-9][0-9]_*.py"))
NEURON, *LESSONS = ALL_LESSONS  # 00 has no Keras in it: test_neuron.py
# In the order of their numbers. A new lesson needs a name here.
FASHION, IMDB, AUTO_MPG, REGULARIZATION, SAVING, TENSORS, AUTODIFF = LESSONS[:7]
FUNCTIONAL, TUNING, TIME_SERIES, TRANSFER, LOOK_INSIDE, DISTRIBUTED = LESSONS[7:13]
NGRAMS, TRAINING_LOOP, LEARNING_RATE, MULTIPLE_OUTPUTS, LSTM_REVIEWS = LESSONS[13:18]
DEBUGGING, DEPTH_AND_WIDTH, OUTPUTS, UNCERTAINTY, LOCATE, IMBALANCE = LESSONS[18:24]
ENSEMBLES, RAW_TEXT, ATTENTION, TRANSFORMER, LANGUAGE_MODEL, FINE_TUNING = LESSONS[24:30]
AUTOENCODER, VAE, OWN_PICTURES, PRETRAINED, SUBWORDS, SMALL_AND_FAST, DIFFUSION = LESSONS[30:]
CHURN, MNIST, XOR = PROJECTS = ["churn/churn.py", "mnist/mnist.py", "xor/xor.py"]
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
# They generate their data, or have flags of their own for it.
NO_DATA_SET = [NEURON, AUTODIFF, TIME_SERIES, ATTENTION, OWN_PICTURES, XOR]
NO_LIMIT = [*NO_DATA_SET, PRETRAINED]  # nor --data-dir
SHORTER = {  # fewer trainings, where a lesson has many
    REGULARIZATION: ["--models", "baseline", "L2_dropout", "a_fifth"],
    TUNING: ["--trials", "2"],
    TIME_SERIES: ["--series", "500", "--models", "gru"],
    TRANSFER: ["--limit", "1000", "--steps", "10"],
    LOOK_INSIDE: ["--limit", "1000"],
    LEARNING_RATE: ["--limit", "300", "--parts", "range", "--repeats", "1"],
    LSTM_REVIEWS: ["--limit", "500"],
    DEBUGGING: ["--limit", "1000", "--mistakes", "unscaled_inputs"],
    DEPTH_AND_WIDTH: ["--limit", "300", "--depths", "1", "2", "--repeats", "2"],
    OUTPUTS: ["--limit", "500"],
    UNCERTAINTY: ["--limit", "100", "--folds", "3"],
    ENSEMBLES: ["--limit", "100", "--members", "6"],
    LOCATE: ["--limit", "300"],
    IMBALANCE: ["--limit", "1000"],
    RAW_TEXT: ["--limit", "500"],
    SUBWORDS: ["--limit", "500"],
    TRANSFORMER: ["--limit", "1000"],
    ATTENTION: ["--longest", "5", "--lists", "2000"],
    LANGUAGE_MODEL: ["--limit", "300"],
    FINE_TUNING: ["--limit", "300", "--labels", "20", "20", "--pretraining", "1"],
    AUTOENCODER: ["--limit", "500"],
    VAE: ["--limit", "500"],
    PRETRAINED: ["--pretraining", "3", "--examples", "5"],
    SMALL_AND_FAST: ["--limit", "1000"],
    DIFFUSION: ["--limit", "300", "--steps", "2", "--judge-epochs", "1"],
}
OWN_FILE = {  # the main test file of a lesson
    **{script: f"test_{script[3:]}" for script in LESSONS},
    **{script: f"test_{Path(script).name}" for script in PROJECTS},
    NEURON: "test_neuron.py",
    **dict.fromkeys([FASHION, IMDB, AUTO_MPG, NGRAMS, LSTM_REVIEWS], "test_lessons.py"),
    REGULARIZATION: "test_regularization.py",
    **dict.fromkeys([TENSORS, AUTODIFF, TRAINING_LOOP], "test_tensors_and_gradients.py"),
    TIME_SERIES: "test_time_series.py",
    TRANSFER: "test_transfer.py",
    DISTRIBUTED: "test_distributed.py",
}
QUICK_JAX = {  # for a process that trains little: optimized compilation would take longest
    "KERAS_BACKEND": "jax",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
}
# Tests set their own data and folders. The worker processes of pytest-xdist inherit the first
# process's environment, so that process saves the user's values there.
CHANGED = ["KERAS_TUTORIAL_DATA", "KERAS_HOME"]
BEGAN_WITH = json.loads(
    os.environ.setdefault("TESTS_BEGAN_WITH", json.dumps({n: os.environ.get(n) for n in CHANGED}))
)
ENVIRONMENT = {n: v for n, v in {**os.environ, **BEGAN_WITH}.items() if v}  # the user's
REAL_DATA = BEGAN_WITH["KERAS_TUTORIAL_DATA"]
os.environ.pop("KERAS_TUTORIAL_DATA", None)
collect_ignore = [] if REAL_DATA else ["test_real_data.py"]
HOME = tempfile.TemporaryDirectory(prefix="keras-home-")  # removed when the process ends
os.environ["KERAS_HOME"] = HOME.name

from common.startup import start_keras
from frame.parser import SMALLEST_LIMIT

os.fsync = lambda descriptor: None  # slow, and no test needs to survive a power failure


def pytest_sessionstart(session):
    """Start Keras, but not in the process that only distributes the tests."""
    if session.config.getoption("dist") == "no":
        start_keras(devices=2)  # lesson 13 needs two
        gc.set_threshold(20_000)  # Keras' many objects stay alive: collect less often


def pytest_xdist_make_scheduler(config, log):
    """Distribute the tests by lesson, so that each lesson runs in one process only."""
    from xdist.scheduler import LoadFileScheduling

    class ByLesson(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            """Group the tests of a file with the tests of its lesson in other files."""
            number = nodeid.partition("[")[2][:3]  # of a lesson, or of the script of a solution
            files = [file for script, file in OWN_FILE.items() if script.startswith(number)]
            place = f"tests/{files[0]}" if number and files else super()._split_scope(nodeid)
            return place.replace("test_runs.py", "test_lessons.py")  # it uses runs of 01 and 03

    return ByLesson(config, log)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse connections to other computers."""
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


@pytest.fixture(scope="session")
def intact_files(tmp_path_factory):
    """A folder with all data files, not to be modified; `data_folder` copies it."""
    from data_files import write_data_files

    folder = tmp_path_factory.mktemp("whole")
    write_data_files(folder)
    return folder


@pytest.fixture
def data_folder(intact_files, tmp_path):
    """A folder with all data files for --data-dir; a test may damage them."""
    return Path(shutil.copytree(intact_files, tmp_path / "data"))


def run_script(script: str, *flags: str) -> dict:
    """Run a script in this process as a shell would.

    Returns:
        The script's global variables at its end.
    """
    argv, path, hook = sys.argv, sys.path[:], sys.excepthook
    sys.argv = [str(ROOT / script), *map(str, flags)]
    try:
        return runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        sys.argv, sys.path[:], sys.excepthook = argv, path, hook
        sys.modules["keras"].config.set_dtype_policy("float32")  # mnist/ sets another


def error_of(capsys, script: str, *flags, code=2) -> str:
    """Run a lesson that must fail; return the single line that it prints on standard error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run_script(script, *flags)
    lines = capsys.readouterr().err.splitlines()
    assert stop.value.code == code
    assert len(lines) == 1 and lines[0].startswith("error: ")
    return lines[0]


def stop_in_epoch(monkeypatch, count: int):
    """Interrupt the next run of a lesson at the start of its `count`-th epoch."""
    from common import callbacks, checkpoints

    begun = []
    begin = callbacks.EpochTimer.on_epoch_begin

    def stop(self, epoch, logs=None):
        begun.append(epoch)
        if len(begun) == count:
            raise KeyboardInterrupt
        begin(self, epoch, logs)

    monkeypatch.setattr(checkpoints, "EVERY", 0)
    monkeypatch.setattr(callbacks.EpochTimer, "on_epoch_begin", stop)


def run_lesson(script: str, out: Path, *flags: str, figures: bool = False) -> SimpleNamespace:
    """Run a lesson and return its global `names`, and the `folder` and `record` of its run.

    Args:
        figures: whether to save the figures. Rendering one takes 0.1 s, so by default empty files
            are written instead.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not figures:
            patch.setattr("common.plots.save", save_empty)
            patch.setattr("pandas.plotting.scatter_matrix", lambda *_, **__: None)  # the slowest
        names = run_script(script, "--out", out, *flags)
    folder = names["lesson"].folder
    record = json.loads((folder / "run.json").read_text())
    return SimpleNamespace(names=names, folder=folder, record=record, out=out)


def save_empty(figure, path) -> None:
    """Replacement for `plots.save` that writes an empty file."""
    from matplotlib import pyplot as plt

    plt.close(figure)
    path.touch()


def run_and_capture(script: str, out: Path, *flags: str, figures: bool = False) -> SimpleNamespace:
    """Like `run_lesson`, but the result also has `printed` and `noise`.

    `noise` contains the lines on standard error, from Python or TensorFlow, and the warnings that
    would appear in a shell.
    """
    printed = io.StringIO()
    with (
        tempfile.TemporaryFile("w+") as errors,
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(errors),
    ):
        warnings.simplefilter("always")
        descriptor = os.dup(2)
        os.dup2(errors.fileno(), 2)
        try:
            run = run_lesson(script, out, *flags, figures=figures)
        except BaseException as error:
            errors.flush()
            errors.seek(0)
            error.add_note(f"{printed.getvalue()[-2000:]}\n{errors.read()}")
            raise
        finally:
            errors.flush()
            os.dup2(descriptor, 2)
            os.close(descriptor)
        errors.seek(0)
        run.printed, run.noise = printed.getvalue(), errors.read().splitlines()
    hidden = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
    run.noise += [str(one.message) for one in caught if not issubclass(one.category, hidden)]
    return run


class LessonRuns(dict):
    """The run of each script; a lesson runs when it is first accessed.

    Args:
        out: the output folder of all runs.
        flags: dict from script to flags.
        figures: see `run_lesson`.
    """

    def __init__(self, out: Path, flags: dict[str, list[str]], figures: bool):
        self.out, self.flags, self.figures = out, flags, figures

    def __missing__(self, script: str) -> SimpleNamespace:
        words = self.flags[script]
        self[script] = run_and_capture(script, self.out, *words, figures=self.figures)
        gc.collect()
        gc.freeze()  # it is kept to the end
        return self[script]


@pytest.fixture(scope="session")
def smoke_runs(tmp_path_factory):
    """A run of every lesson, for two epochs on the built-in sample, by script."""
    flags = {
        script: [*on_sample(script), "--epochs", "2", *SHORTER.get(script, [])]
        for script in ALL_LESSONS + PROJECTS
    }
    flags[IMDB] += ["--text", "A wonderful, moving film; never boring! Zyzzyva."]
    flags[NGRAMS] += ["--text", "A wonderful film. Zyzzyva!"]
    # Characters that a pattern or a format would take for its own.
    return LessonRuns(tmp_path_factory.mktemp("out[1]{a}%d"), flags, figures=True)


@pytest.fixture(scope="module")
def run(smoke_runs, request):
    """The run, in `smoke_runs`, of the lesson whose main test file asks for it."""
    scripts = [script for script, file in OWN_FILE.items() if file == request.path.name]
    assert len(scripts) == 1, f"{request.path.name} is the main test file of {scripts}, not of one"
    return smoke_runs[scripts[0]]


@pytest.fixture(scope="module")
def names(run):
    """The variables that this run ended with."""
    return run.names


@pytest.fixture(scope="session")
def small_runs(tmp_path_factory):
    """Runs of some lessons with other flags, for one epoch on as few examples as possible."""
    flags = {
        FASHION: ["--data", "sample", "--hidden", "300", "100", "--optimizer", "sgd"],
        IMDB: ["--data", "sample"],
        AUTO_MPG: ["--hidden"],  # no network and no folder: falls back to the sample
        CHURN: ["--data", "sample", "--hidden"],
        MNIST: "--data sample -m conv_net --dataset fashion_mnist --precision bfloat16".split(),
    }
    few = ["--limit", str(SMALLEST_LIMIT), "--epochs", "1"]
    flags = {script: [*few, *words] for script, words in flags.items()}
    return LessonRuns(tmp_path_factory.mktemp("small"), flags, figures=False)


def on_sample(script: str) -> list[str]:
    """Return the flags that select the sample, if the lesson loads a data set."""
    return [] if script in NO_DATA_SET else ["--data", "sample"]


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, f"install Chromium: none of {', '.join(BROWSERS)} is there"
    with sync_playwright() as play:
        found = play.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield found
        found.close()
