"""Measure lessons on a GPU and, for comparison, on the processor of the same computer.

    KERAS_BACKEND=jax python benchmarks/gpu.py
    KERAS_BACKEND=torch python benchmarks/gpu.py --only 01 conv_net_fast

Without a GPU, to try the script: --data sample --limit 300 --epochs 1 --cpu-epochs 0

Takes the real data. Lessons 01 and 13 and two networks of mnist/ are trained at full length, the
others shortened, first all of them on the GPU, then all on the processor for two epochs. The column
"speedup" is the seconds per epoch on the processor divided by those on the GPU, both without the
first epoch, which includes compilation. Needs no TensorFlow on the other back-ends. The results are
written to a JSON file after every run, so that those measured so far are not lost.
"""

import json
import runpy
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import ROOT, Parser, machine, run
from common.errors import fail
from common.files import write_json
from common.flags import home_path, whole_number
from common.runs import finished_runs, read_history
from common.startup import BACKENDS, chosen_backend

LESSONS = {
    "01": ["01_fashion_mnist_classification.py"],
    "conv_net_fast": ["mnist/mnist.py", "-m", "conv_net_fast"],
    "conv_net": ["mnist/mnist.py", "-m", "conv_net"],
    "28": ["28_transformer.py", "--epochs", "2"],
    "37": ["37_diffusion.py", "--epochs", "1"],
    "13": ["13_distributed_training.py"],
}
NOT_ON_TORCH = {"13"}
SHOWN = ["lesson", "device", "precision", "epochs", "fit_seconds", "epoch_seconds", "speedup"]
SHOWN += ["accuracy", "peak_memory_mb", "peak_gpu_memory_mb"]


def describe_gpus(backend: str) -> dict:
    """Return the GPUs that a back-end uses in this process, and the most memory used on one.

    It is the memory of arrays, not what the back-end reserves.
    """
    if backend == "torch":
        import torch

        gpus = range(torch.cuda.device_count())
        names = list(map(torch.cuda.get_device_name, gpus))
        peaks = list(map(torch.cuda.max_memory_allocated, gpus))
    elif backend == "jax":
        import jax

        gpus = [device for device in jax.local_devices() if device.platform != "cpu"]
        names = [gpu.device_kind for gpu in gpus]
        peaks = [(gpu.memory_stats() or {}).get("peak_bytes_in_use", 0) for gpu in gpus]
    else:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = map(tf.config.experimental.get_device_details, gpus)
        names = [one.get("device_name", "GPU") for one in details]
        peaks = [
            tf.config.experimental.get_memory_info(f"GPU:{number}")["peak"]
            for number in range(len(gpus))
        ]
    return {"gpus": names, "peak_gpu_memory_mb": round(max(peaks) / 1e6, 1) if peaks else None}


def be_the_lesson(report: str, script: str, *flags: str) -> None:
    """Run a lesson in this process, and write to the file `report` what it used."""
    sys.argv = [str(ROOT / script), *flags]
    runpy.run_path(sys.argv[0], run_name="__main__")
    write_json(Path(report), describe_gpus(chosen_backend()[0]))


def measure(name: str, backend: str, words: list[str]) -> dict:
    """Run a lesson in its own process.

    Args:
        name: its key in `LESSONS`.
        backend: Keras' back-end.
        words: more flags.

    Returns:
        A row of the table.

    Raises:
        SystemExit: if it fails, after printing why.
    """
    command = [*LESSONS[name], *words]  # the last of two equal flags counts
    with tempfile.TemporaryDirectory() as folder:
        out, report = Path(folder, "runs"), Path(folder, "report.json")
        child = ["--child", report, *command, "--out", out]
        seconds, _ = run("benchmarks/gpu.py", *child, backend=backend)
        record = finished_runs(out)[-1]
        epochs = read_history(record["folder"])["seconds"]
        used = json.loads(report.read_text(encoding="utf-8"))
    return {
        "lesson": name,
        "command": f"KERAS_BACKEND={backend} python {' '.join(command)}",
        "backend": backend,
        "device": ", ".join(dict.fromkeys(used["gpus"])) or record["device"],
        "data": record["data"],
        "precision": record["flags"].get("precision", "float32"),
        "epochs": record["epochs"],
        "load_seconds": round(record["seconds"]["load"], 2),
        "fit_seconds": round(record["seconds"]["fit"], 2),
        "epoch_seconds": round(statistics.median(epochs[1:] or epochs), 3),
        "process_seconds": round(seconds, 2),
        "peak_memory_mb": record["peak_memory_mb"],
        **used,
        "accuracy": record["metrics"].get("test_accuracy"),
        "metrics": record["metrics"],
        "versions": record["versions"],
    }


def with_speedup(rows: list[dict]) -> list[dict]:
    """Add to each row of a GPU how much faster it is than the processor, if that was measured."""
    cpu = {row["lesson"]: row["epoch_seconds"] for row in rows if not row["gpus"]}
    return [
        row | {"speedup": round(cpu[row["lesson"]] / row["epoch_seconds"], 2)}
        if row["gpus"] and row["lesson"] in cpu
        else row
        for row in rows
    ]


def print_table(rows: list[dict]) -> None:
    """Print the columns `SHOWN`, one line per row."""
    lines = [SHOWN]
    for row in rows:
        values = [row.get(name) for name in SHOWN]
        lines.append([
            "-" if value is None else f"{value:.7}" if isinstance(value, float) else str(value)
            for value in values
        ])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


def read_flags():
    """Parse the flags."""
    parser = Parser(__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=LESSONS,
        default=list(LESSONS),
        metavar="NAME",
        help=f"of {', '.join(LESSONS)}",
    )
    parser.add_argument("--data", choices=["real", "sample"], default="real", help="(default real)")
    parser.add_argument(
        "--epochs", type=whole_number(), metavar="N", help="for a trial: epochs of every lesson"
    )
    parser.add_argument(
        "--limit", type=whole_number(100), metavar="N", help="for a trial: training examples"
    )
    parser.add_argument(
        "--cpu-epochs",
        type=whole_number(0),
        default=2,
        metavar="N",
        help="epochs on the processor (default 2; 0: do not compare with it)",
    )
    parser.add_argument(
        "--json",
        type=home_path,
        metavar="FILE",
        help="file for the results (default outputs/gpu-BACKEND.json)",
    )
    return parser.parse_args()


def main() -> None:
    """Measure all lessons on the GPU, then on the processor, and print a table."""
    flags = read_flags()
    backend, chosen = chosen_backend()
    if backend not in BACKENDS:
        fail(f"{chosen}: this needs {' or '.join(BACKENDS)}; set KERAS_BACKEND")
    names = [name for name in flags.only if backend != "torch" or name not in NOT_ON_TORCH]
    file = flags.json or ROOT / "outputs" / f"gpu-{backend}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    print(machine())
    data, rows, failed = ["--data", flags.data], [], []
    data += ["--limit", str(flags.limit)] if flags.limit else []
    shorter = ["--epochs", str(flags.epochs)] if flags.epochs else []
    on_cpu = ["--epochs", str(flags.cpu_epochs), "--device", "cpu"]
    turns = [(name, shorter) for name in names]
    turns += [(name, on_cpu) for name in names] if flags.cpu_epochs else []
    for name, more in turns:
        try:
            rows.append(measure(name, backend, [*data, *more]))
        except SystemExit:  # the others are measured all the same
            failed.append(name)
            continue
        if flags.cpu_epochs and len(rows) == 1 and not rows[0]["gpus"]:
            remedy = "see notes/setup.md; for a trial on the processor give --cpu-epochs 0"
            fail(f"{backend} found no GPU; {remedy}", 1)
        rows = with_speedup(rows)
        write_json(file, {"machine": machine(), "runs": rows})
        shown = {name: rows[-1][name] for name in ("device", "epochs", "fit_seconds", "accuracy")}
        print(name, *shown.values(), sep="  ", flush=True)
    print()
    print_table(rows)
    print(f"results: {file}")
    if failed:
        fail(f"not measured: {', '.join(failed)}", 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        be_the_lesson(*sys.argv[2:])
    else:
        main()
