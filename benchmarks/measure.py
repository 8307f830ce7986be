"""What the benchmarks share: run a command and measure it, describe this computer, write tables."""

import csv
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from common import flags
from common.errors import fail
from common.files import atomic_write, read_text
from common.flags import ROOT
from common.runs import finished_runs
from mnist.precision import CPUINFO, INSTRUCTIONS

RESULTS = ROOT / "benchmarks" / "results"
COMPUTE_THEIR_DATA = {"07_autodiff.py", "10_time_series_rnn.py", "xor.py"}
TRIAL = "a trial: benchmarks/results/ stays as it is"


class Parser(flags.Parser):
    """Shows the script's docstring as its help, and knows `--seeds`."""

    def __init__(self, doc: str):
        super().__init__(description=doc)

    def add_seeds(self, default: str):
        """Add `--seeds`, for trials; the tables are made with the default."""
        self.add_argument(
            "--seeds",
            nargs="+",
            type=int,
            metavar="N",
            help=f"for a trial: its figures are shown, not kept (default {default})",
        )


def run(script: str, *flags, backend: str = "tensorflow") -> tuple[float, str]:
    """Run a script of the project on the real data.

    Args:
        script: its path from the project's folder.
        flags: its flags, of any type.
        backend: Keras' back-end, whatever `$KERAS_BACKEND` says.

    Returns:
        The seconds from its start to its end, and what it printed.

    Raises:
        SystemExit: if it fails; its last lines of stderr are shown.
    """
    command = [sys.executable, str(ROOT / script), *map(str, flags)]
    began = time.perf_counter()
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - began
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-5:])
        fail(f"{' '.join(command[1:])}: ended with code {done.returncode}\n{last}", 1)
    return seconds, done.stdout


def run_lesson(script: str, *flags, backend="tensorflow", out: Path | None = None) -> dict:
    """Run a lesson on the real data.

    Args:
        script: its path from the project's folder.
        flags: its flags, of any type.
        backend: as in `run`.
        out: where the run is kept; if left out, in a folder that is thrown away.

    Returns:
        Its record (`run.json`), and `process_seconds`, those of the whole process.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = out or Path(temporary)
        words = [*flags, *no_data_or_real(script, *flags), "--out", folder]
        seconds, _ = run(script, *words, backend=backend)
        newest = finished_runs(folder, Path(script).stem)[-1]
        return {**newest, "process_seconds": seconds}


def no_data_or_real(*words) -> list[str]:
    """Spell the flag for real data, unless the script computes its data and so has none."""
    names = {Path(str(word)).name for word in words}
    return [] if names & COMPUTE_THEIR_DATA else ["--data", "real"]


def run_plain(task: str, *flags) -> dict:
    """Run a task of plain.py.

    Returns:
        What it printed, and `process_seconds`, those of the whole process.
    """
    seconds, printed = run("benchmarks/plain.py", task, *flags)
    return {**json.loads(printed.splitlines()[-1]), "process_seconds": seconds}


def machine() -> str:
    """Describe this computer in one line: cores, processor, its 16-bit instructions, versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    name = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    abilities = sorted(INSTRUCTIONS & set(" ".join(lines).split()))
    packages = ["keras", "tensorflow", "numpy", "scikit-learn"]
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"{cores} cores of {name} ({' '.join(abilities) or 'no bfloat16 instructions'}); "
        f"{platform.system()}, Python {platform.python_version()}, {versions}"
    )


def read_table(path: Path) -> list[dict]:
    """Read a table; an empty list if there is none."""
    if not path.exists():
        return []
    return list(csv.DictReader(io.StringIO(read_text(path), newline="")))


def write_table(path: Path, rows: list[dict]) -> None:
    """Write a table whole."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"table: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")


def replace_rows(path: Path, rows: list[dict], key: str, order: list[str] | None = None):
    """Write a table anew: rows of a kind that was measured now replace the earlier ones.

    Args:
        path: the table.
        rows: those measured now.
        key: the column that names the kind.
        order: the kinds in the order in which the table is to have them; if left out, those
            measured now come last. A kind that it lacks, an earlier name perhaps, comes last too.
    """
    measured = {str(row[key]) for row in rows}
    table = [row for row in read_table(path) if row[key] not in measured] + rows
    if order:
        table.sort(key=lambda row: [*order, row[key]].index(row[key]))
    write_table(path, table)
