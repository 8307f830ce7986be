"""Measure what near-duplicates and augmentation do to the test accuracy of lesson 33.

    python benchmarks/split_by.py

The letters of lesson 33 are so easy that there are no mistakes to compare. So this draws a folder
of harder ones, two shots of each scene (pictures/cluttered.py), and runs the lesson on it: split by
groups of near-duplicates or file by file, with augmentation and without, with three seeds.
Writes results/33_splits.csv.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, run_lesson, write_table

LESSON = "33_own_pictures.py"


def main() -> None:
    """Run the lesson on the same pictures in all ways and write the table."""
    parser = Parser(__doc__)
    parser.add_seeds("42 43 44")
    flags = parser.parse_args()
    print(machine())
    from pictures.cluttered import draw_shots

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        draw_shots(Path(folder))
        for split in ("groups", "files"):
            for augmentation in ("yes", "no"):
                for seed in flags.seeds or (42, 43, 44):
                    ways = {"split": split, "augmentation": augmentation, "seed": seed}
                    words = [word for name, value in ways.items() for word in (f"--{name}", value)]
                    record = run_lesson(LESSON, "--pictures", folder, *words)
                    row = ways | {
                        "test_accuracy": round(record["metrics"]["test_accuracy"], 4),
                        "standard_error": round(record["metrics"]["standard_error"], 4),
                        "fit_seconds": round(record["seconds"]["fit"], 1),
                    }
                    print(row, flush=True)
                    rows.append(row)
    if flags.seeds:
        print(TRIAL)
    else:
        write_table(RESULTS / "33_splits.csv", rows)


if __name__ == "__main__":
    main()
