"""Shared by the benchmarks: run and measure commands, describe this computer, write tables."""

import contextlib
import csv
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from common import flags
from common.errors import fail
from common.files import atomic_write, read_text
from common.flags import ROOT
from common.runs import finished_runs
from mnist.precision import CPUINFO, INSTRUCTIONS

RESULTS = ROOT / "benchmarks" / "results"
COMPUTE_THEIR_DATA = {
    "00_neuron_to_backpropagation.py",
    "07_autodiff.py",
    "10_time_series_rnn.py",
    "27_attention.py",
    "33_own_pictures.py",
    "xor.py",
}
TRIAL = "trial run: benchmarks/results/ was not changed"


class Parser(flags.Parser):
    """A parser that prints the script's docstring as help and can add `--seeds`."""

    def __init__(self, doc: str):
        super().__init__(description=doc)

    def add_seeds(self, default: str):
        """Add `--seeds`, for trial runs; the tables are made with the default."""
        self.add_argument(
            "--seeds",
            nargs="+",
            type=flags.whole_number(0),
            metavar="N",
            help=f"for a trial run, whose results are printed but not saved (default {default})",
        )


def run(script: str, *flags, backend: str = "tensorflow") -> tuple[float, str]:
    """Run a script of the project in a process of its own.

    Args:
        script: its path relative to the project's folder.
        *flags: its flags, of any type.
        backend: Keras' back-end; overrides `$KERAS_BACKEND`.

    Returns:
        Its duration in seconds, and its output.

    Raises:
        SystemExit: if it fails; the message contains its last lines of stderr.
    """
    command = [sys.executable, str(ROOT / script), *map(str, flags)]
    began = time.perf_counter()
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=environment
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-5:])
        fail(f"{' '.join(command[1:])}: ended with code {done.returncode}\n{last}", 1)
    return seconds, done.stdout


def run_lesson(script: str, *flags, backend="tensorflow", out: Path | None = None) -> dict:
    """Run a lesson on the real data.

    Args:
        script: its path relative to the project's folder.
        *flags: its flags, of any type.
        backend: as in `run`.
        out: folder for the run; by default a temporary one.

    Returns:
        Its record (`run.json`), plus `process_seconds`, the duration of the process.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = out or Path(temporary)
        words = [*flags, *no_data_or_real(script, *flags), "--out", folder]
        seconds, _ = run(script, *words, backend=backend)
        # Alone in a temporary folder, a run may have another name: mnist_tries.py runs mnist.py.
        newest = finished_runs(folder, Path(script).stem if out else None)[-1]
        return {**newest, "process_seconds": seconds}


def no_data_or_real(*words) -> list[str]:
    """Return the flag for real data, unless it is given, or the script has none."""
    names = {Path(str(word)).name for word in words}
    chosen = names & COMPUTE_THEIR_DATA or "--data" in words
    return [] if chosen else ["--data", "real"]


def run_plain(task: str, *flags) -> dict:
    """Run a task of plain.py.

    Returns:
        The results that it printed, plus `process_seconds`, the duration of the process.
    """
    seconds, printed = run("benchmarks/plain.py", task, *flags)
    return {**json.loads(printed.splitlines()[-1]), "process_seconds": seconds}


def machine() -> str:
    """Describe this computer in one line: cores, processor, bfloat16 instructions, versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    name = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    abilities = sorted(INSTRUCTIONS & set(" ".join(lines).split()))
    versions = []
    for package in ("keras", "tensorflow", "numpy", "scikit-learn"):
        with contextlib.suppress(PackageNotFoundError):  # lessons on JAX need no TensorFlow
            versions.append(f"{package} {version(package)}")
    return (
        f"{cores} cores of {name} ({' '.join(abilities) or 'no bfloat16 instructions'}); "
        f"{platform.system()}, Python {platform.python_version()}, {', '.join(versions)}"
    )


def read_table(path: Path) -> list[dict]:
    """Read a CSV file as a list of rows, empty if the file does not exist."""
    if not path.exists():
        return []
    return list(csv.DictReader(io.StringIO(read_text(path), newline="")))


def write_table(path: Path, rows: list[dict]) -> None:
    """Write a CSV file atomically and print its path."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"table: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")


def replace_rows(path: Path, rows: list[dict], key: str, order: list[str] | None = None):
    """Update a CSV file: new rows replace all earlier rows with the same key.

    Args:
        path: the CSV file.
        rows: the new rows.
        key: name of the column with the key.
        order: the keys in the desired order; other keys, such as earlier names, come last. By
            default the new rows come last.
    """
    measured = {str(row[key]) for row in rows}
    table = [row for row in read_table(path) if row[key] not in measured] + rows
    if order:
        table.sort(key=lambda row: [*order, row[key]].index(row[key]))
    write_table(path, table)
