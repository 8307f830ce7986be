"""Measure the cost of checkpoints: the same training with and without them.

    python benchmarks/resume_cost.py                  five turns: five minutes
    python benchmarks/resume_cost.py --only xor

Trains conv_net for 5 epochs and xor for 500, with and without checkpoints in turn, each in its own
process. "Without" means that nothing is saved and no random generator is seeded again. In both
cases the optimizer's variables are created before the first step, which saves TensorFlow some time.
Run nothing else in the meantime. Writes results/resume_cost.csv, one row per run.
"""

import runpy
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, ROOT, Parser, machine, replace_rows, run_lesson

TASKS = {"conv_net": ["mnist/mnist.py", "-m", "conv_net", "--epochs", "5"], "xor": ["xor/xor.py"]}


def train(side: str, script: str, *flags: str) -> None:
    """Run a lesson in this process, with or without checkpoints."""
    from common.startup import start_keras

    start_keras()
    if side == "without":
        import keras

        from common import checkpoints

        class Nothing(keras.callbacks.Callback):
            written = False

            def __init__(self, *_, **__):
                super().__init__()

            def on_train_begin(self, logs=None):  # as with checkpoints, since it saves time
                self.model.optimizer.build(self.model.trainable_variables)

        checkpoints.Checkpoints = Nothing
    sys.argv = [str(ROOT / script), *flags]
    runpy.run_path(sys.argv[0], run_name="__main__")


def main() -> None:
    """Run all turns and write the table."""
    parser = Parser(__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(TASKS),
        default=list(TASKS),
        metavar="TASK",
        help="conv_net or xor",
    )
    flags = parser.parse_args()
    print(machine())
    for task in flags.only:
        rows = []
        for seed in range(42, 47):
            for side in ("with", "without"):
                record = run_lesson(
                    "benchmarks/resume_cost.py", "--train", side, *TASKS[task], "--seed", seed
                )
                seconds = round(record["seconds"]["fit"], 3)
                rows.append({
                    "task": task,
                    "checkpoints": side,
                    "seed": seed,
                    "fit_seconds": seconds,
                    "machine": machine(),
                })
                print(task, side, seed, seconds, sep="  ", flush=True)
        replace_rows(RESULTS / "resume_cost.csv", rows, "task")
        with_, without = (
            statistics.median(row["fit_seconds"] for row in rows if row["checkpoints"] == side)
            for side in ("with", "without")
        )
        print(f"{task}: {with_ / without - 1:+.1%}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(*sys.argv[2:])
    else:
        main()
