"""Lessons as notebooks, executed in a Jupyter kernel with what they print and draw."""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.v4 import new_code_cell, new_markdown_cell

from benchmarks.measure import machine
from common.errors import fail
from common.files import atomic_write
from datasets import ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
COPIED = ["*.py", "*/*.py", "*/*.json", "*/*.jinja"]  # what lessons read
PACKAGES = ["common", "frame", "datasets"]  # every lesson imports them
DAMAGED = (ValueError, AttributeError, nbformat.ValidationError)

FIRST_CELL = """\
*This notebook needs the other files of the collection. Put it into their folder (for a project:
into the folder of its script). In Colab, upload the collection as a ZIP file, and run
`!unzip -q FILE.zip` and `%cd FOLDER` in a new cell above this one.*
"""


def scripts() -> list[Path]:
    """Return the paths of all lessons and projects, relative to the collection."""
    lessons = sorted(path.relative_to(ROOT) for path in ROOT.glob("[0-9][0-9]_*.py"))
    return [*lessons, *(Path(name) / f"{name}.py" for name in ("xor", "churn", "mnist"))]


def convert(script: Path, data: str) -> nbformat.NotebookNode:
    """Convert a lesson to a notebook that takes its data from this source: "sample" or "real"."""
    notebook = jupytext.read(ROOT / script)
    first = next(i for i, cell in enumerate(notebook.cells) if "\nlesson = Lesson(" in cell.source)
    comment = "the built-in sample; remove this cell for the real data" if data == "sample" else ""
    choice = f'lesson.data = "{data}"  # {comment}'.rstrip(" #")
    choice = new_code_cell(choice, metadata={"tags": ["remove-cell"]})  # not on the page
    notebook.cells.insert(first + 1, choice)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # the same in every build
    return notebook


def code(notebook) -> list[str]:
    """Return the sources of the code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def fingerprint(script: Path, notebook) -> str:
    """Return a hash of what a lesson computes: its code and that of its packages, no prose."""
    text = "\n".join(code(notebook))
    imported = {name for name in re.findall(r"^from (\w+)", text, re.M) if (ROOT / name).is_dir()}
    parts = [text]
    for package in sorted({*PACKAGES, *imported}):
        parts += [
            path.read_text(encoding="utf-8") for path in sorted((ROOT / package).glob("*.py"))
        ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def execute_all(chosen: list[Path], data: str, folder: Path) -> dict:
    """Execute lessons, one after the other; return the notebooks by path."""
    notebooks = {}
    for script in chosen:
        print(f"{script} ...", end=" ", flush=True)
        notebooks[script], now = executed(script, data, folder)
        seconds = f"{notebooks[script].metadata.collection.seconds:.0f} s"
        print(seconds if now else f"unchanged ({seconds})")
    return notebooks


def executed(script: Path, data: str, folder: Path) -> tuple[nbformat.NotebookNode, bool]:
    """Return a lesson as an executed notebook, and whether it was executed just now.

    An earlier execution is taken from the folder if the code has not changed since. The prose is
    always that of today. `metadata.collection` says on which machine it ran and for how long.

    Args:
        folder: keeps the executed notebooks, and the collection's copy in which they run.

    Raises:
        SystemExit: if a cell raises an error.
    """
    notebook = convert(script, data)
    key, kept = fingerprint(script, notebook), folder / data / script.with_suffix(".ipynb").name
    if kept.exists():
        with contextlib.suppress(*DAMAGED):  # then it is executed again
            earlier = nbformat.read(kept, as_version=4)
            if earlier.metadata.collection.key == key:
                take_outputs(notebook, earlier)
                return notebook, False
    began = time.perf_counter()
    run(notebook, script, folder / "collection")
    seconds = round(time.perf_counter() - began, 1)
    notebook.metadata.collection = {"key": key, "seconds": seconds, "machine": machine()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(kept) as temporary:  # a build that is stopped here leaves no half of one
        nbformat.write(notebook, temporary)
    return notebook, True


def take_outputs(notebook, earlier) -> None:
    """Give the code cells of a notebook the outputs of an earlier execution."""
    outputs = iter([cell for cell in earlier.cells if cell.cell_type == "code"])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = next(outputs).outputs
    notebook.metadata = earlier.metadata


def run(notebook, script: Path, collection: Path) -> None:
    """Execute a notebook in a copy of the collection, so that its runs are saved there."""
    for path in [path for pattern in COPIED for path in ROOT.glob(pattern)]:
        copy = collection / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    if data := environment.get(ENVIRONMENT):
        environment[ENVIRONMENT] = os.path.abspath(data)  # the kernel runs in another folder
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,  # of a line that was rewritten, keep what was last seen
        extra_arguments=["--log-level=ERROR"],  # nothing on how it is connected to this program
        resources={"metadata": {"path": str((collection / script).parent)}},
    )
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        said = "".join(printed(cell) for cell in notebook.cells if cell.cell_type == "code")
        found = re.findall("^error: (.*)", said, re.M)  # of a lesson that ended itself
        fail(f"{script}: {found[-1] if found else f'{error.ename}: {error.evalue}'}", 1)
    except DeadKernelError as error:
        fail(f"{script}: {error}: is there enough memory?", 1)
    except Exception as error:  # at Ctrl-C asyncio cancels its tasks, and nbclient fails
        while error and not isinstance(error, asyncio.CancelledError):
            error = error.__context__
        if error:
            raise KeyboardInterrupt from None
        raise


def printed(cell) -> str:
    """Return what a code cell printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def write_notebooks(notebooks: dict, folder: Path) -> set[Path]:
    """Write notebooks that say in their first cell what they need; return their paths."""
    paths = {script: folder / script.with_suffix(".ipynb").name for script in notebooks}
    for script, notebook in notebooks.items():
        notebook = nbformat.from_dict(notebook)
        notebook.cells = [new_markdown_cell(FIRST_CELL, id="needs"), *notebook.cells]
        write_if_changed(paths[script], nbformat.writes(notebook))
    return set(paths.values())


def write_if_changed(path: Path, content: str) -> None:
    """Write a text file, unless it has this content: Sphinx reads again what has been written."""
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
