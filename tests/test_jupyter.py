"""Lessons under a real Jupyter kernel: what a reader sees below the cells of the notebook."""

import json
import os
import re
import shutil
import sys

import jupytext
import pytest
from conftest import (
    ALL_LESSONS,
    AUTO_MPG,
    ENVIRONMENT,
    FASHION,
    NO_DATA_SET,
    PROJECTS,
    ROOT,
    SHORTER,
)
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

MARKS = {script: [pytest.mark.release] for script in [*ALL_LESSONS, *PROJECTS]} | {FASHION: []}
LESSONS = [pytest.param(script, marks=marks) for script, marks in MARKS.items()]


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """A copy of the lessons and what they import, whose `outputs/` is a temporary folder."""
    for path in ROOT.glob("*.py"):
        shutil.copy2(path, tmp_path)
    for folder in {path.parent for path in ROOT.glob("*/*.py")}:
        shutil.copytree(folder, tmp_path / folder.name)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))  # not the user's kernels and settings
    yield tmp_path
    # To find the kernel, its client imports ipykernel, by which a lesson tells that it is in one.
    for name in [name for name in sys.modules if name.partition(".")[0] == "ipykernel"]:
        del sys.modules[name]


def open_notebook(script: str):
    """Convert a lesson; return the notebook and the index of the cell that makes `lesson`."""
    notebook = jupytext.read(ROOT / script)
    cells = enumerate(notebook.cells)
    return notebook, next(i for i, cell in cells if "\nlesson = Lesson(" in cell.source)


def as_code(flags: list[str]) -> str:
    """Return what one types in a notebook instead of flags: `lesson.trials = 2`."""
    lines = []
    for name, *words in map(str.split, " ".join(flags).split("--")[1:]):
        values = [int(word) if word.isdigit() else word for word in words]
        one_number = len(values) == 1 and isinstance(values[0], int)
        attribute = name.replace("-", "_")
        lines.append(f"lesson.{attribute} = {values[0] if one_number else values}")
    return "\n".join(lines)


def execute(notebook, folder) -> list:
    """Run all cells in order in a new kernel, started in the folder; return the code cells.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell raises an error.
    """
    environment = {**ENVIRONMENT, **{n: os.environ[n] for n in ("KERAS_HOME", "IPYTHONDIR")}}
    environment.pop("MPLBACKEND", None)  # a kernel sets its own, and `common` set it here
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources=place)
    client.execute(env=environment)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell, stream: str = "stdout") -> str:
    texts = [one for one in cell.outputs if one.output_type == "stream" and one.name == stream]
    return "".join(one.text for one in texts)


def check_outputs(cells) -> None:
    """Check that each saved figure is shown once below its cell, and that nothing warns."""
    for cell in cells:
        shown = [one.data.get("image/png") for one in cell.outputs if "data" in one]
        shown = [figure for figure in shown if figure]
        saved = re.findall(r"^[a-z ]+: .*\.png$", printed(cell), re.M)  # `figure: ...`
        assert len(set(shown)) == len(shown) == len(saved), cell.source
        assert printed(cell, "stderr") == "", cell.source


def read_records(folder) -> list[dict]:
    """Return the records of all runs, the oldest first."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("outputs/*/*/run.json"))]


@pytest.mark.parametrize("script", LESSONS)
def test_all_cells_in_order(collection, script):
    notebook, first = open_notebook(script)
    code = 'lesson.data, lesson.epochs = "sample", 1\n' + as_code(SHORTER.get(script, []))
    notebook.cells.insert(first + 1, new_code_cell(code))
    cells = execute(notebook, (collection / script).parent)
    check_outputs(cells)
    (record,) = read_records(collection)
    assert record["lesson"] == (ROOT / script).stem
    assert record["finished"] and record["flags"]["epochs"] == 1
    assert any("image/png" in one.get("data", ()) for one in cells[-1].outputs)  # its history
    loud = [cell for cell in cells if "*** BUILT-IN SAMPLE" in printed(cell)]
    assert len(loud) == (0 if script in NO_DATA_SET else 2)  # at the start and at the end


@pytest.mark.release
def test_what_readers_do(collection):
    """A flag set in the first cell, Fit and all below it once more, a whole lesson with flags."""
    notebook, first = open_notebook(AUTO_MPG)
    notebook.cells[first].source += '\nlesson.data, lesson.epochs = "sample", 1'
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    fit = next(i for i, source in enumerate(code) if "model.fit(" in source)
    again = ["lesson.epochs = 2", *code[fit:]]
    magic = f"%run {AUTO_MPG} --data sample --epochs 3 --hidden 8"
    notebook.cells += map(new_code_cell, [*again, magic])
    cells = execute(notebook, collection)
    check_outputs(cells)
    assert "trained for 1 epochs" in printed(cells[fit])
    record, of_magic = read_records(collection)
    assert record["epochs"] == 2 and record["flags"]["hidden"] == [64, 64]
    assert of_magic["epochs"] == 3 and of_magic["flags"]["hidden"] == [8]
