"""Measure what it brings to keep freed memory: python benchmarks/kept_memory.py

Trains `conv_net_fast` of mnist/ for an epoch, in turn with and without `keep_memory` of
common/startup.py. Takes five minutes; run nothing else in the meantime. Writes
results/kept_memory.csv.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, write_table
from common.errors import fail
from common.flags import ROOT, whole_number
from common.runs import finished_runs

TURNS = 3
FLAGS = ["-m", "conv_net_fast", "--epochs", "1", "--data", "real"]
START = """
import runpy, sys
import common.startup
if sys.argv[1] == "no":
    common.startup.keep_memory = lambda: None
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def measure(kept: str) -> dict:
    """Train once, with freed memory kept ("yes") or not ("no"); return the row of the table."""
    with tempfile.TemporaryDirectory() as out:
        script = ROOT / "mnist" / "mnist.py"
        command = [sys.executable, "-c", START, kept, script, *FLAGS, "--out", out]
        import resource  # Windows has none

        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode:
            fail("the training failed", 1)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        (record,) = finished_runs(Path(out))
    return {
        "kept": kept,
        "fit_seconds": round(record["seconds"]["fit"], 2),
        "system_seconds": round(after.ru_stime - before.ru_stime, 2),
        "page_faults": after.ru_minflt - before.ru_minflt,
        "peak_memory_mb": record["peak_memory_mb"],
        "test_accuracy": record["metrics"]["test_accuracy"],
        "machine": machine(),
    }


def main() -> None:
    """Measure and write the table."""
    parser = Parser(__doc__)
    parser.add_argument("--turns", type=whole_number(1), default=TURNS)
    turns = parser.parse_args().turns
    rows = []
    for turn in range(turns):
        for kept in ("yes", "no"):
            rows.append({"turn": turn + 1, **measure(kept)})
            print(rows[-1], flush=True)
    if turns == TURNS:
        write_table(RESULTS / "kept_memory.csv", rows)
    else:
        print(TRIAL)


if __name__ == "__main__":
    main()
