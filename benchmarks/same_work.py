"""Compare this project's lessons with plain scripts for the same work: time, memory, result.

    python benchmarks/same_work.py                      all tasks
    python benchmarks/same_work.py --only xor churn

Data, split, model, epochs and batch size are the same. A turn is one run of the lesson and one of
the plain script with the same seed, each in its own process; every turn has another seed. Run
nothing else in the meantime. Writes results/same_work.csv, one row per run, and
results/same_work_ratios.csv: the median time of the lesson divided by that of the plain script.
Training time is measured from just before the call of `fit` to its last callback.

The mnist models compute in 16 bits if the processor has instructions for it, the plain script
always in 32. The tasks ending in 32_bits compare both in 32 bits.
"""

import statistics
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, replace_rows, run_lesson, run_plain
from common.flags import whole_number
from mnist.precision import fastest_precision


class Task(NamedTuple):
    """A task that the lesson and the plain script both perform."""

    name: str
    command: list  # the lesson's
    metric: str  # the metric to compare, in the lesson's record
    bar: float  # the largest acceptable ratio of training times
    training: str | None = None  # the one to compare in a lesson with several
    turns: int = 5
    memory_bar: float | None = None  # the largest acceptable ratio of memory
    plain: str | None = None  # the function in plain.py, if its name differs


FAST = fastest_precision("cpu") == "bfloat16"
TASKS = [
    Task("xor", ["xor/xor.py"], "accuracy", 0.15),
    Task("churn", ["churn/churn.py"], "flawed_accuracy", 0.45, training="flawed"),
    Task("auto_mpg", ["03_autompg_regression.py", "--patience", 1000], "test_mae", 0.2),
    Task("mlp_one_layer", ["mnist/mnist.py", "--epochs", 5], "test_accuracy", 0.7, memory_bar=0.7),
    Task(
        "conv_net",
        ["mnist/mnist.py", "-m", "conv_net", "--epochs", 5],
        "test_accuracy",
        0.6 if FAST else 1.0,
        turns=3,
        memory_bar=0.7,
    ),
    Task(
        "mlp_one_layer_32_bits",
        ["mnist/mnist.py", "--epochs", 5, "--precision", "float32"],
        "test_accuracy",
        1.0,
        plain="mlp_one_layer",
    ),
    Task(
        "conv_net_32_bits",
        ["mnist/mnist.py", "-m", "conv_net", "--epochs", 5, "--precision", "float32"],
        "test_accuracy",
        1.0,
        turns=3,
        plain="conv_net",
    ),
    Task("imdb", ["02_imdb_binary_classification.py", "--epochs", 10], "test_accuracy", 0.7),
]
MEASURES = ["fit_seconds", "process_seconds", "peak_memory_mb", "figure"]


def one_turn(task: Task, seed: int) -> list[dict]:
    """Run the lesson and the plain script with one seed; return one row for each."""
    record = run_lesson(*task.command, "--seed", seed)
    trainings = record["trainings"]
    ours = {
        "fit_seconds": trainings[task.training] if task.training else record["seconds"]["fit"],
        "process_seconds": record["process_seconds"],
        "peak_memory_mb": record["peak_memory_mb"],
        "figure": record["metrics"][task.metric],
    }
    plain = run_plain(task.plain or task.name, "--seed", seed)
    rows = []
    for side, values in (("project", ours), ("plain", plain)):
        row = {"task": task.name, "side": side, "seed": seed}
        row |= {name: round(values[name], 4) for name in MEASURES}
        print(*row.values(), sep="  ", flush=True)
        rows.append(row | {"machine": machine()})
    return rows


def compare(task: Task, rows: list[dict]) -> dict:
    """Return a row with a task's medians, ratios and results."""
    values = {
        (side, name): [float(row[name]) for row in rows if row["side"] == side]
        for side in ("project", "plain")
        for name in MEASURES
    }
    median = {key: statistics.median(numbers) for key, numbers in values.items()}
    ratio = {name: median["project", name] / median["plain", name] for name in MEASURES}
    met = ratio["fit_seconds"] <= task.bar
    if task.memory_bar:
        met = met and ratio["peak_memory_mb"] <= task.memory_bar
    row = {"task": task.name, "turns": len(values["plain", "figure"])}
    for name in MEASURES[:3]:
        row |= {f"{side}_{name}": round(median[side, name], 2) for side in ("project", "plain")}
        row[name.replace("_seconds", "").replace("_mb", "") + "_ratio"] = round(ratio[name], 3)
    for side in ("project", "plain"):
        figures = values[side, "figure"]
        row[f"{side}_figure"] = (
            f"{median[side, 'figure']:.4f} ({min(figures):.4f} to {max(figures):.4f})"
        )
    row |= {"fit_bar": task.bar, "memory_bar": task.memory_bar or ""}
    return row | {"met": "yes" if met else "no", "machine": machine()}


def main() -> None:
    """Run all tasks and write both tables."""
    names = [task.name for task in TASKS]
    parser = Parser(__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="TASK",
        help=f"of {', '.join(names)}",
    )
    parser.add_argument(
        "--turns",
        type=whole_number(1),
        metavar="N",
        help="for a trial run, whose results are printed but not saved (default 5; conv_net: 3)",
    )
    flags = parser.parse_args()
    print(machine())
    for task in TASKS:
        if task.name not in flags.only:
            continue
        rows = [
            row for turn in range(flags.turns or task.turns) for row in one_turn(task, 42 + turn)
        ]
        result = compare(task, rows)
        if not flags.turns:
            replace_rows(RESULTS / "same_work.csv", rows, "task", order=names)
            replace_rows(RESULTS / "same_work_ratios.csv", [result], "task", order=names)
        print(
            f"{task.name}: training {result['fit_ratio']} of plain (at most {task.bar}), process "
            f"{result['process_ratio']}, memory {result['peak_memory_ratio']}; "
            f"{result['project_figure']} against {result['plain_figure']}"
        )
    if flags.turns:
        print(TRIAL)


if __name__ == "__main__":
    main()
