"""Several processes that train one model together, on the JAX back-end.

Keras reads from the environment who takes part (`KERAS_DISTRIBUTION_...`); the processes meet at
the first address. On this computer one process starts the others, and watches them.
"""

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from common.errors import CHILD_PROCESS, fail

STARTED_HERE = "KERAS_LESSON_STARTED_HERE"  # set: the process that started this one holds its stdin


def take_part(addresses: list[str] | None, process: int | None) -> None:
    """Tell Keras, before it starts, that this is one process of several; nothing if it is not.

    Args:
        addresses: HOST:PORT of every process.
        process: which of them this is, counted from 0.
    """
    if addresses is None:
        return
    os.environ["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = ",".join(addresses)
    os.environ["KERAS_DISTRIBUTION_NUM_PROCESSES"] = str(len(addresses))
    os.environ["KERAS_DISTRIBUTION_PROCESS_ID"] = str(process)
    if STARTED_HERE in os.environ:
        threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this process when the one that started it has gone: its end of the pipe closes then."""
    os.read(0, 1)  # returns when nobody can write any more
    os._exit(1)


def free_addresses(count: int) -> list[str]:
    """Find ports on this computer that nobody listens on."""
    found = [socket.socket() for _ in range(count)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in found]
    for one in found:
        one.close()
    return addresses


def start_and_wait(count: int, flags: list[str], how_to_go_on: str) -> None:
    """Run this script `count` times at once, as processes that train together.

    Only the first one's output is shown. If one of them ends with an error or is killed, the
    others are stopped within seconds.

    Args:
        count: processes.
        flags: those of all.
        how_to_go_on: what the reader is told if it fails.

    Raises:
        SystemExit: with code 1, if one fails.
    """
    addresses = free_addresses(count)
    command = [sys.executable, sys.argv[0], *flags, "--addresses", *addresses, "--process"]
    environment = {**os.environ, STARTED_HERE: "1", CHILD_PROCESS: "1"}
    processes = [
        subprocess.Popen(
            [*command, str(number)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=None if number == 0 else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    errors = [[] for _ in processes]
    for process, lines in zip(processes, errors, strict=True):
        threading.Thread(target=lambda p=process, e=lines: e.extend(p.stderr), daemon=True).start()
    try:
        while any(process.poll() is None for process in processes):
            failed = [number for number, process in enumerate(processes) if process.poll()]
            if failed:
                break
            time.sleep(0.1)
    finally:
        stop(processes)
    failed = failed or [number for number, process in enumerate(processes) if process.returncode]
    if failed:
        number = failed[0]
        code = processes[number].returncode
        why = f"was killed (signal {-code})" if code < 0 else f"ended with exit code {code}"
        said = [line.strip() for line in errors[number] if line.startswith("error:")]
        fail(
            f"process {number} of {count} {why}, so the others were stopped; "
            f"{' '.join(said)} {how_to_go_on}",
            1,
        )


def finished(folder: Path) -> Path | None:
    """Find the finished run that processes started here have left in a folder."""
    from common.runs import finished_runs

    found = finished_runs(folder)
    return found[-1]["folder"] if found else None


def flags_for(flags, out: Path) -> list[str]:
    """Spell the flags of a lesson for the processes that it starts; they go on where they stopped."""
    words = ["--out", str(out), "--data", flags.data]
    for name in flags.training_flags:
        if getattr(flags, name) is not None:
            words += [f"--{name.replace('_', '-')}", str(getattr(flags, name))]
    if flags.data_dir:
        words += ["--data-dir", str(flags.data_dir)]
    return words + (["--resume"] if list(out.glob("*/*/run.json")) else [])


def stop(processes: list[subprocess.Popen]) -> None:
    """End those that still run: politely, then after two seconds for good."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def share_file(path: Path) -> None:
    """Give all processes the first one's file, if it has one: each writes it to its own `path`."""
    import numpy as np
    from jax.experimental.multihost_utils import broadcast_one_to_all

    content = np.frombuffer(path.read_bytes() if path.exists() else b"", "uint8")
    size = int(broadcast_one_to_all(np.int32(len(content))))
    if size:
        padded = np.zeros(size, "uint8")
        padded[: len(content)] = content[:size]
        path.write_bytes(np.asarray(broadcast_one_to_all(padded)).tobytes())


def all_equal(weights: list) -> bool:
    """Tell whether all processes hold the same weights, to the bit.

    Args:
        weights: this process's arrays.
    """
    import numpy as np
    from jax.experimental.multihost_utils import process_allgather

    summed = hashlib.sha256(b"".join(np.ascontiguousarray(one).tobytes() for one in weights))
    sums = process_allgather(np.frombuffer(summed.digest(), "uint8"))
    return bool((sums == sums[0]).all())
