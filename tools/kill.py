"""Kill lessons at random moments, resume them, and compare the results with an undisturbed run.

    python tools/kill.py               30 kills of each of three lessons: half an hour
    python tools/kill.py --kills 2     a few, as in the tests

Every kill comes after the first checkpoint; every second one waits until a file is being written.
The data are the built-in samples, and a checkpoint is written after every epoch. "Equal" means that
weights and optimizer state agree to the bit, and so do history and figures. Every remaining file
must be readable. Writes benchmarks/results/kills.csv, one row per kill.
"""

import argparse
import contextlib
import csv
import io
import json
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, replace_rows
from common.flags import whole_number

KILLS = 30
KILLED = (
    -signal.SIGKILL if hasattr(signal, "SIGKILL") else 1
)  # the exit code; Windows has no signals

SMALL = ["--data", "sample", "--limit", "600"]
LESSONS = {
    "conv_net_dropout": ["mnist/mnist.py", "-m", "conv_net_dropout", "--epochs", "10", *SMALL],
    "conv_net_augmented": ["mnist/mnist.py", "-m", "conv_net_augmented", "--epochs", "10", *SMALL],
    "auto_mpg": ["03_autompg_regression.py", "--epochs", "100", *SMALL],
}


def load_checkpoints():
    """Start Keras quietly and return the module `common.checkpoints`."""
    from common.startup import start_keras

    start_keras()
    from common import checkpoints

    return checkpoints


def be_the_lesson(script: str, *flags: str) -> None:
    """Run a lesson in this process, with a checkpoint after every epoch."""
    load_checkpoints().EVERY = 0
    sys.argv = [str(ROOT / script), *flags]
    runpy.run_path(sys.argv[0], run_name="__main__")


def epochs_of(lesson: str) -> int:
    """Return the number of epochs for which a lesson is trained here."""
    return int(LESSONS[lesson][LESSONS[lesson].index("--epochs") + 1])


def start(lesson: str, out: Path, *more: str) -> subprocess.Popen:
    """Start a lesson in its own process."""
    command = [sys.executable, __file__, "--child", *LESSONS[lesson], "--out", str(out), *more]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, errors="replace", **options)


def check_end(process: subprocess.Popen, lesson: str) -> None:
    """Wait until a lesson has ended, and exit with an error if it failed."""
    error = process.communicate()[1]
    if process.returncode:
        raise SystemExit(f"{lesson}: ended with {process.returncode}\n{error}")


def temporary_files(out: Path) -> set[tuple[Path, int]]:
    """Return the temporary files in `out` with their inodes, as names are reused."""
    found = set()
    for path in [path for depth in ("", "*/", "*/*/") for path in out.glob(f"{depth}.writing-*")]:
        with contextlib.suppress(OSError):  # complete and renamed in the meantime
            found.add((path, path.stat().st_ino))
    return found


def wait_for(name: str, process: subprocess.Popen, out: Path) -> float:
    """Wait until a lesson has written a file with this name; return the time in seconds."""
    while process.poll() is None and not list(out.glob(f"*/*/{name}")):
        time.sleep(0.005)
    return time.perf_counter()


def kill_after(process: subprocess.Popen, seconds: float) -> None:
    """Kill a process after some seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def kill_in_a_write(process: subprocess.Popen, out: Path, number: int) -> bool:
    """Kill a process while it writes its `number`-th file; return whether this succeeded."""
    seen, before = 0, set()
    while process.poll() is None:
        now = temporary_files(out)
        seen += len(now - before)
        before = now
        if seen >= number:
            process.kill()
            break
        time.sleep(0.0002)
    process.communicate()
    return bool(temporary_files(out))


def contents(run: Path) -> dict:
    """Read the results of a finished run: weights, optimizer state, history, figures.

    Raises:
        Exception: if a file cannot be read.
    """
    import h5py
    from PIL import Image

    found = {}
    for path in run.glob("*.keras"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
                file.visititems(
                    lambda name, item, path=path: (
                        found.update({f"{path.name}/{name}": item[()].tobytes()})
                        if isinstance(item, h5py.Dataset)
                        else None
                    )
                )
    for path in run.glob("*.png"):
        Image.open(path).verify()
    found["metrics"] = json.loads((run / "run.json").read_text(encoding="utf-8"))["metrics"]
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        found["history"] = [{**row, "seconds": None} for row in csv.DictReader(file)]
    return found


def run_folder(out: Path) -> Path:
    """Return the folder of the only run."""
    (record,) = out.glob("*/*/run.json")
    return record.parent


def one_kill(lesson: str, whole: dict, seconds: float, in_a_write: bool, chance) -> dict:
    """Kill a lesson once, resume it, and compare its results with the undisturbed run.

    Args:
        lesson: its key in `LESSONS`.
        whole: the `contents` of the undisturbed run.
        seconds: duration of that run after its first checkpoint.
        in_a_write: whether to kill the lesson while it writes a file.
        chance: a `random.Random`.

    Returns:
        A row of the table.
    """
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        process = start(lesson, out)
        wait_for("checkpoint*", process, out)
        caught = False
        if in_a_write:
            caught = kill_in_a_write(process, out, chance.randint(1, epochs_of(lesson)))
        else:
            kill_after(process, chance.uniform(0, 1.25 * seconds))
        killed = process.returncode == KILLED
        folder = run_folder(out)
        epoch = None  # if the run had already finished
        if not json.loads((folder / "run.json").read_text(encoding="utf-8"))["finished"]:
            epoch = load_checkpoints().next_epoch(folder / "checkpoint.npz")
            check_end(start(lesson, out, "--resume"), lesson)
            assert not list(folder.glob(".*")) and not list(folder.glob("checkpoint*")), "leftovers"
        equal = contents(folder) == whole
        return {
            "lesson": lesson,
            "killed": killed,
            "in a write": caught,
            "went on with epoch": epoch,
            "equal": equal,
        }


def main() -> None:
    """Kill all lessons and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kills",
        type=whole_number(),
        default=KILLS,
        metavar="N",
        help=f"kills per lesson; other than {KILLS}, a trial run that saves nothing",
    )
    parser.add_argument("--only", nargs="+", choices=LESSONS, default=list(LESSONS))
    flags = parser.parse_args()
    chance = random.Random(42)
    equal = 0
    for lesson in flags.only:
        rows = []
        with tempfile.TemporaryDirectory() as temporary:
            process = start(lesson, Path(temporary))
            began = wait_for("checkpoint*", process, Path(temporary))
            seconds = wait_for("model.keras", process, Path(temporary)) - began
            check_end(process, lesson)
            whole = contents(run_folder(Path(temporary)))
        done = 0
        while done < flags.kills:
            row = one_kill(lesson, whole, seconds, bool(done % 2), chance)
            if row["killed"] and row["in a write"] >= bool(done % 2):  # otherwise it ended before
                done += 1
                rows.append({"kill": done, **row})
                print(*rows[-1].values(), sep="  ", flush=True)
        equal += sum(row["equal"] for row in rows)
        if flags.kills == KILLS:
            replace_rows(RESULTS / "kills.csv", rows, "lesson", order=list(LESSONS))
    if flags.kills != KILLS:
        print(TRIAL)
    kills = flags.kills * len(flags.only)
    print(f"equal to the undisturbed run: {equal} of {kills} runs")
    raise SystemExit(equal < kills)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        be_the_lesson(*sys.argv[2:])
    else:
        main()
