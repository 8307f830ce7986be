"""Train lesson 13 on two simulated computers, kill one of them, and resume.

    python tools/computers.py               once killed on each computer: some minutes
    python tools/computers.py --victims 1   only the second

Needs Linux and root, and JAX. A computer is a network namespace with an address, a name and a
/etc/hosts of its own, connected to the other by a virtual cable; both share this one's processors.
The data are the built-in sample. "Equal" means that weights, optimizer state and history agree to
the bit with those of a run that nobody has killed. Writes benchmarks/results/computers.csv, one row
per kill.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, write_table
from common.errors import fail
from common.flags import whole_number
from tools.kill import contents, run_folder

COMPUTERS = {"lesson13-a": "10.213.0.1", "lesson13-b": "10.213.0.2"}  # names and addresses
EPOCHS = 100  # enough for several checkpoints, which are five seconds apart
FLAGS = ["--data", "sample", "--batch-size", "100"]


def ip(*words: str) -> None:
    """Call the program `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextlib.contextmanager
def network() -> Iterator[None]:
    """Connect the two computers while the block runs."""
    hosts = "127.0.0.1 localhost\n" + "".join(f"{a} {name}\n" for name, a in COMPUTERS.items())
    first, second = COMPUTERS
    try:
        for name in COMPUTERS:
            ip("netns", "add", name)
            folder = Path("/etc/netns", name)  # `ip netns exec` shows its files as those of /etc
            folder.mkdir(parents=True)
            (folder / "hosts").write_text(hosts, encoding="utf-8")
        ip("link", "add", "cable", "netns", first, "type", "veth", "peer", "cable", "netns", second)
        for name, address in COMPUTERS.items():
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in COMPUTERS:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "delete", name)
            shutil.rmtree(Path("/etc/netns", name), ignore_errors=True)


@contextlib.contextmanager
def lesson(out: Path, epochs: int, *more: str) -> Iterator[list[subprocess.Popen]]:
    """Run the lesson on both computers while the block runs; process 0 keeps its run in `out`."""
    addresses = [f"{name}:7000" for name in COMPUTERS]
    command = [sys.executable, str(ROOT / "13_distributed_training.py"), *FLAGS, *more]
    command += ["--epochs", str(epochs), "--out", str(out), "--addresses", *addresses, "--process"]
    named = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"']
    processes = [
        subprocess.Popen(
            ["ip", "netns", "exec", name, *named, name, *command, str(number)],
            env={**os.environ, "KERAS_BACKEND": "jax"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        for number, name in enumerate(COMPUTERS)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def finish(processes: list[subprocess.Popen]) -> None:
    """Wait until both processes have ended, and exit with an error if one failed."""
    errors = [process.communicate()[1] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("\n".join(errors))


def one_kill(victim: int, epochs: int, undisturbed: dict) -> dict:
    """Kill the process of one computer, wait for the other, resume, and return a row."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        with lesson(out, epochs) as processes:
            while not list(out.glob("*/*/checkpoint-together.npz")):
                if any(process.poll() is not None for process in processes):
                    finish(processes)
                time.sleep(0.05)
            processes[victim].kill()
            began = time.perf_counter()
            other = processes[1 - victim]
            other.communicate()
            seconds = time.perf_counter() - began
        row = {
            "killed": list(COMPUTERS)[victim],
            "other_ended_after_seconds": round(seconds, 1),
            "exit_code": other.returncode,
        }
        with lesson(out, epochs, "--resume") as processes:
            finish(processes)
        return {**row, "equal": contents(run_folder(out)) == undisturbed}


def main() -> None:
    """Train undisturbed, then kill each computer once, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--victims", type=int, nargs="+", choices=[0, 1], default=[0, 1])
    parser.add_argument("--epochs", type=whole_number(), default=EPOCHS, metavar="N")
    flags = parser.parse_args()
    if not hasattr(os, "geteuid") or os.geteuid() or not shutil.which("ip"):
        fail("tools/computers.py needs Linux, root and the program ip")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the network is removed
    with network(), tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with lesson(Path(folder), flags.epochs) as processes:
            finish(processes)
        print(f"undisturbed: {time.perf_counter() - began:.1f} s", flush=True)
        undisturbed, rows = contents(run_folder(Path(folder))), []
        for victim in flags.victims:
            rows.append(one_kill(victim, flags.epochs, undisturbed))
            print(*rows[-1].values(), sep="  ", flush=True)
    if flags.victims == [0, 1] and flags.epochs == EPOCHS:
        write_table(RESULTS / "computers.csv", rows)
    else:
        print(TRIAL)
    raise SystemExit(not all(row["equal"] for row in rows))


if __name__ == "__main__":
    main()
