"""Measure what it brings to run an epoch as one program: python benchmarks/one_program.py

Trains lesson 01 and the first network of churn/ by one program per epoch (common/one_program.py)
and by the plain script of plain.py, in turn; lesson 01 also one step after the other. Compares the
arithmetic with what this computer can do at most: the rate of one large matrix product. Takes a
quarter of an hour; run nothing else in the meantime. Writes results/one_program.csv.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, run_plain, write_table
from common.errors import fail
from common.flags import ROOT, whole_number
from common.runs import finished_runs

TURNS = 3
TASKS = {  # script, the training to time, its metric, the function of plain.py
    "lesson 01": ("01_fashion_mnist_classification.py", "", "test_accuracy", "fashion_mnist"),
    "churn": ("churn/churn.py", "flawed", "flawed_accuracy", "churn"),
}
# Floating-point operations, in billions: for each weight and example a multiplication and an
# addition, once forward and twice backward (for the weights and for the layer before).
GFLOP = {
    "lesson 01": 6 * (784 * 128 + 128 * 10) * 54_000 * 10 / 1e9,
    "churn": 6 * (11 * 6 + 6 * 6 + 6) * 10_000 * 100 / 1e9,
}
MULTIPLY = """
import time
import tensorflow as tf

rates = []
for size in (1024, 2048, 4096):
    matrix = tf.random.normal((size, size))
    for compiled in (False, True):
        multiply = tf.function(lambda: tf.matmul(matrix, matrix), jit_compile=compiled)
        for _ in range(5):
            began = time.perf_counter()
            multiply().numpy()
            rates.append(2 * size**3 / (time.perf_counter() - began) / 1e9)
print(max(rates))
"""
COMPILED, PLAIN = "one program per epoch", "one step after the other"  # as in `run.json`
SCRIPT = "plain script"
WAYS = {"lesson 01": (COMPILED, PLAIN, SCRIPT), "churn": (COMPILED, SCRIPT)}
START = """
import runpy, sys
if sys.argv[1] == "0":
    import common.one_program
    common.one_program.FEWEST = float("inf")
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def matrix_product_rate() -> float:
    """Measure how many billion float32 operations per second a large matrix product reaches."""
    command = [sys.executable, "-c", MULTIPLY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure(task: str, way: str, seed: int, rate: float) -> dict:
    """Train once, in the given way; return the row of the table."""
    script, training, metric, plain = TASKS[task]
    if way == SCRIPT:
        result = run_plain(plain, "--seed", seed)
    else:
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-c", START, str(int(way == COMPILED)), ROOT / script]
            command += ["--data", "real", "--seed", str(seed), "--out", out]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            began = time.perf_counter()
            if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode:
                fail("the training failed", 1)
            seconds = time.perf_counter() - began
            (record,) = finished_runs(Path(out))
        if record["execution"][training] != way:
            fail(f"{script} did not train by {way}, but by {record['execution'][training]}", 1)
        result = {
            "fit_seconds": record["trainings"].get(training, record["seconds"]["fit"]),
            "process_seconds": seconds,
            "peak_memory_mb": record["peak_memory_mb"],
            "figure": record["metrics"][metric],
        }
    names = ["fit_seconds", "process_seconds", "peak_memory_mb", "figure"]
    row = {"task": task, "way": way, "seed": seed, **{n: round(result[n], 4) for n in names}}
    row["gflop"], row["gflops_at_most"] = round(GFLOP[task], 2), round(rate, 1)
    row["share"] = round(GFLOP[task] / result["fit_seconds"] / rate, 4)
    return row | {"machine": machine()}


def main() -> None:
    """Measure and write the table."""
    parser = Parser(__doc__)
    parser.add_argument("--turns", type=whole_number(1), default=TURNS)
    turns = parser.parse_args().turns
    rows, rate = [], matrix_product_rate()
    for task in TASKS:
        for turn in range(turns):
            for way in WAYS[task]:
                rows.append(measure(task, way, 42 + turn, rate))
                print(rows[-1], flush=True)
    if turns == TURNS:
        write_table(RESULTS / "one_program.csv", rows)
    else:
        print(TRIAL)


if __name__ == "__main__":
    main()
