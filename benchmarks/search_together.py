"""Measure what it saves to train two networks of a search at a time.

    pip install -r requirements-ray.txt
    python benchmarks/search_together.py

A turn is two searches with tuning/ray_search.py, for 6 networks and 5 epochs: one network at a
time, then two. Each network has one core of this computer. Run nothing else in the meantime. Writes
results/search_together.csv, one row per turn; the efficiency is the first time divided by twice the
second.
"""

import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, run, write_table
from common.flags import whole_number

TURNS = 3
FLAGS = ["--trials", 6, "--epochs", 5, "--data", "real"]


def search_seconds(at_once: int) -> float:
    """Search with so many trainings at a time; return the seconds of the search."""
    with tempfile.TemporaryDirectory() as out:
        _, printed = run("tuning/ray_search.py", *FLAGS, "--at-once", at_once, "--out", out)
    return float(re.search(r"trials in (\d+) s, 0 of them failed", printed)[1])


def main() -> None:
    """Measure all turns and write the table."""
    parser = Parser(__doc__)
    parser.add_argument("--turns", type=whole_number(), default=TURNS, metavar="N")
    flags = parser.parse_args()
    rows = []
    for turn in range(1, flags.turns + 1):
        one, two = search_seconds(1), search_seconds(2)
        row = {"turn": turn, "seconds": one, "seconds_two_at_a_time": two}
        rows.append({**row, "efficiency": round(one / (2 * two), 3), "machine": machine()})
        print(*list(rows[-1].values())[:-1], sep="  ", flush=True)
    if flags.turns == TURNS:
        write_table(RESULTS / "search_together.csv", rows)
    else:
        print(TRIAL)


if __name__ == "__main__":
    main()
