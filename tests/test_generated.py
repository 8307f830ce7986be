"""Thousands of generated flags and damaged files: each is accepted, or rejected in one line."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ALL_LESSONS as LESSONS
from conftest import PROJECTS, run_script
from data_files import DATA_FILES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import datasets
from churn.predict import read_customer
from common import runs
from datasets import readers
from frame.parser import LessonParser

pytestmark = pytest.mark.slow
MANY = settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


class Captured(Exception):
    """Raised to return a lesson's parser."""


@pytest.fixture(scope="module")
def parsers():
    """The parser of every lesson, captured before it parses."""
    found = {}

    def capture(self, *_):
        raise Captured(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LessonParser, "parse_args", capture)
        for script in LESSONS + PROJECTS:
            with pytest.raises(Captured) as captured:
                run_script(script)
            found[script] = captured.value.args[0]
    return found


def refusal_of(action, *values) -> str:
    """Call a function that may reject its input; return the error line, or an empty string.

    Rejecting means exit code 2 and one line; any other exception fails the test.
    """
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            action(*values)
    except SystemExit as stop:
        if stop.code == 0:  # --help
            return ""
        assert stop.code == 2
        lines = errors.getvalue().splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), lines
        return lines[0]
    return ""


NUMBERS = st.one_of(st.integers(), st.floats()).map(str)
ODD = st.sampled_from([
    "",
    "-",
    "--",
    "0",
    "-1",
    "1e9",
    "nan",
    "inf",
    "\uff11\uff12",
    "0x10",
    "1_000",
    "\x00",
    "é",
])
VALUES = st.one_of(NUMBERS, ODD, st.text(max_size=12))


@pytest.mark.parametrize("script", LESSONS + PROJECTS)
def test_arbitrary_flags_are_read_or_refused(parsers, script):
    parser = parsers[script]
    flags = st.sampled_from([*parser._option_string_actions, "--nonsense"])
    choices = st.sampled_from([
        str(choice) for action in parser._actions for choice in action.choices or ["sample"]
    ])
    word = st.one_of(flags, flags, VALUES, choices)

    @MANY
    @given(st.lists(word, max_size=8))
    def check(words):
        refusal_of(parser.parse_args, words)

    check()


def damaged(draw, content: bytes) -> bytes:
    """Truncate, change or extend the content of a file at random positions."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(["cut", "flip", "insert", "drop", "text"]))
        if kind == "cut":
            content = content[:place]
        elif kind == "flip":
            content = (
                content[:place]
                + bytes([content[place] ^ draw(st.integers(1, 255))])
                + content[place + 1 :]
                if content
                else b""
            )
        elif kind == "insert":
            content = content[:place] + draw(st.binary(max_size=40)) + content[place:]
        elif kind == "drop":
            content = content[:place] + content[place + draw(st.integers(1, 400)) :]
        else:
            odd = draw(
                st.sampled_from([b"NaN", b"-1", b"1e999", b"\xff\xfe", b",,", b"\n", b'"', b"x"])
            )
            content = content[:place] + odd + content[place + len(odd) :]
    return content


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "file"), DATA_FILES)
def test_damaged_files_are_read_or_refused(intact_files, tmp_path, name, file):
    for needed in datasets.FILES[name]:
        shutil.copy(intact_files / needed, tmp_path)
    whole = (tmp_path / file).read_bytes()

    @MANY
    @given(st.data())
    def check(data):
        (tmp_path / file).write_bytes(damaged(data.draw, whole))
        with contextlib.suppress(readers.DamagedFileError):
            readers.READERS[name](tmp_path)

    check()


ARRAYS = st.builds(
    lambda kind, shape, value: np.full(shape, value).astype(kind),
    st.sampled_from(["u1", "i8", "f4", "f8", "bool", "U3", "c8"]),
    st.lists(st.sampled_from([0, 1, 3, 28]), max_size=4),
    st.sampled_from([0, 1, 9, 255]),
)


@pytest.mark.filterwarnings("ignore")  # NumPy warns about invalid casts
@pytest.mark.parametrize("name", ["mnist", "imdb"])
def test_arbitrary_arrays_are_read_or_refused(intact_files, tmp_path, name):
    file = tmp_path / datasets.FILES[name][0]
    shutil.copytree(intact_files, tmp_path, dirs_exist_ok=True)
    with np.load(file) as whole:
        arrays = dict(whole)

    @MANY
    @given(st.dictionaries(st.sampled_from(list(arrays)), ARRAYS, min_size=1))
    def check(changed):
        np.savez(file, **{**arrays, **changed})
        with contextlib.suppress(readers.DamagedFileError):
            readers.READERS[name](tmp_path)

    check()


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def test_arbitrary_customers_are_read_or_refused(tmp_path):
    path = tmp_path / "customer.json"
    customer = json.loads((Path(__file__).parent.parent / "churn" / "customer.json").read_text())

    @MANY
    @given(
        st.one_of(
            JSON,
            st.dictionaries(st.sampled_from([*customer, "Extra"]), JSON, max_size=3).map(
                lambda odd: customer | odd
            ),
        )
    )
    def check(content):
        path.write_text(json.dumps(content))
        refusal_of(read_customer, path)

    check()


RECORD = {
    "lesson": "01_lesson",
    "variant": "",
    "finished": True,
    "data": "sample",
    "source": "a folder",
    "seed": 42,
    "flags": {},
    "epochs": 2,
    "parameters": 10,
    "metrics": {"test_loss": 0.5},
    "seconds": {"load": 0.1, "epoch": 0.2, "fit": 0.4, "total": 3.0},
    "trainings": {},
    "peak_memory_mb": 800.5,
    "versions": {"keras": "3.15"},
    "device": "CPU",
}


def test_arbitrary_records_are_read_or_skipped(tmp_path):
    folder = tmp_path / "01_lesson" / "20260101-000000"
    folder.mkdir(parents=True)

    def in_the_table(content: bytes) -> int:
        (folder / "run.json").write_bytes(content)
        with contextlib.redirect_stderr(io.StringIO()):
            runs.write_table(tmp_path)
        return len((tmp_path / "runs.csv").read_text().splitlines()) > 1

    assert in_the_table(json.dumps(RECORD).encode())

    @MANY
    @given(
        st.one_of(st.binary(max_size=60), JSON.map(lambda content: json.dumps(content).encode()))
    )
    def check(content):
        assert not in_the_table(content)

    @MANY
    @given(st.dictionaries(st.sampled_from(list(RECORD)), JSON, min_size=1, max_size=3))
    def check_fields(odd):
        in_the_table(json.dumps(RECORD | odd).encode())  # listed or skipped, it must not fail

    check()
    check_fields()
