"""Compare the results and the speed of the same lessons on TensorFlow, JAX and PyTorch.

    pip install jax torch                  in addition to requirements.txt
    python benchmarks/backends.py          three seeds: half an hour on two cores
    python benchmarks/backends.py --only 01 xor --seeds 42

Each lesson runs unchanged on the real data, the last three for fewer epochs than usual; only
`KERAS_BACKEND` differs. The back-ends alternate. Run nothing else in the meantime. Writes
results/backends.csv, one row per run.
"""

import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, replace_rows, run_lesson
from common.errors import fail

BACKENDS = ["tensorflow", "jax", "torch"]
LESSONS = {  # name -> command, and the metric to compare
    "01": (["01_fashion_mnist_classification.py"], "test_accuracy"),
    "02": (["02_imdb_binary_classification.py"], "test_accuracy"),
    "03": (["03_autompg_regression.py"], "test_mae"),
    "xor": (["xor/xor.py"], "accuracy"),
    "churn": (["churn/churn.py", "--epochs", "2"], "test_auc"),
    "mlp_one_layer": (["mnist/mnist.py", "--epochs", "5"], "test_accuracy"),
    "conv_net": (["mnist/mnist.py", "-m", "conv_net", "--epochs", "1"], "test_accuracy"),
}


def main() -> None:
    """Run all lessons on each back-end in turn and write the table."""
    parser = Parser(__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=LESSONS,
        default=list(LESSONS),
        metavar="NAME",
        help=f"of {', '.join(LESSONS)}",
    )
    parser.add_seeds("42 43 44")
    flags = parser.parse_args()
    if missing := [name for name in BACKENDS if not find_spec(name)]:
        fail(f"not installed: {', '.join(missing)}; run: pip install {' '.join(missing)}")
    versions = ", ".join(f"{name} {version(name)}" for name in BACKENDS[1:])
    print(machine() + ", " + versions)
    rows = []
    for name in flags.only:
        command, metric = LESSONS[name]
        for seed in flags.seeds or (42, 43, 44):
            for backend in BACKENDS:
                record = run_lesson(*command, "--seed", seed, backend=backend)
                rows.append({
                    "lesson": name,
                    "backend": backend,
                    "seed": seed,
                    "command": f"python {' '.join(command)}",
                    "metric": metric,
                    "figure": round(record["metrics"][metric], 4),
                    "fit_seconds": round(record["seconds"]["fit"], 1),
                    "process_seconds": round(record["process_seconds"], 1),
                    "peak_memory_mb": round(record["peak_memory_mb"]),
                    "machine": f"{machine()}, {versions}",
                })
                print(*list(rows[-1].values())[:-1], sep="  ", flush=True)
    if flags.seeds:
        print(TRIAL)
    else:
        replace_rows(RESULTS / "backends.csv", rows, "lesson", order=list(LESSONS))


if __name__ == "__main__":
    main()
