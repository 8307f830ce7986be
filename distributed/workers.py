"""Train one model in several processes, on the JAX back-end.

Keras reads the addresses of the processes from the environment (`KERAS_DISTRIBUTION_...`); they
connect to the first address. On a single computer, one process starts and monitors the others. On
several, you start each by hand, or a launcher starts them: SLURM's `srun`, or `torchrun`.

Imports no large library before Keras starts, so that a mistyped flag is reported immediately.
"""

import atexit
import hashlib
import ipaddress
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from common.errors import CHILD_PROCESS, fail
from frame import Flag

# Set in a child process, whose parent holds its stdin open: a temporary folder for its files.
STARTED_HERE = "KERAS_LESSON_STARTED_HERE"


def take_part(lesson) -> None:
    """Configure Keras, before it starts, as one of several processes; see `FLAGS`.

    Only process 0 keeps its results.

    Args:
        lesson: its attribute `addresses` lists the HOST:PORT of every process; its attribute
            `process` is the index of this one, from 0. Both are None for a single process, and if
            `launched` is true: then the launcher's variables say the same, and replace them.

    Raises:
        SystemExit: if only one of them is given, the index is out of range, no launcher has started
            this process, or the others could not reach it.
    """
    help_line = f"(see {lesson.name}.py --help)"
    if lesson.launched:
        if lesson.addresses or lesson.process is not None:
            fail(f"--launched takes --addresses and --process from the launcher {help_line}")
        lesson.addresses, lesson.process = said_by_launcher(os.environ)
    addresses, process = lesson.addresses, lesson.process
    if (addresses is None) != (process is None):
        fail(f"--addresses and --process belong together {help_line}")
    if addresses is None:
        return
    if process >= len(addresses):
        fail(f"--process {process}: there are {len(addresses)} addresses {help_line}")
    check_own_address(addresses)
    os.environ["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = ",".join(addresses)
    os.environ["KERAS_DISTRIBUTION_NUM_PROCESSES"] = str(len(addresses))
    os.environ["KERAS_DISTRIBUTION_PROCESS_ID"] = str(process)
    if process > 0:
        lesson.tensorboard = False
        lesson.out, lesson.resume = Path(tempfile.mkdtemp(dir=os.environ.get(STARTED_HERE))), None
        atexit.register(shutil.rmtree, lesson.out, ignore_errors=True)
    if STARTED_HERE in os.environ:
        threading.Thread(target=end_with_parent, daemon=True).start()


FLAGS = {  # for `frame.lesson.Lesson`
    "addresses": Flag(
        [str], "on JAX: HOST:PORT of every process; the same list for all", role="free"
    ),
    "process": Flag(
        int, "with --addresses: index of this process, from 0", at_least=0, role="free"
    ),
    "launched": Flag(False, "instead: srun or torchrun has started this process"),
    "on_flags": take_part,
}


def said_by_launcher(variables) -> tuple[list[str], int]:
    """Return addresses, one for each process, and the index of this process.

    Only the first address is used, and the others equal it.

    Args:
        variables: the environment that `torchrun` or `srun` has set.

    Raises:
        SystemExit: if neither has.
    """
    if "TORCHELASTIC_RUN_ID" in variables:
        # torchrun itself listens on its port.
        host, port = variables["MASTER_ADDR"], int(variables["MASTER_PORT"]) + 1
        count, process = variables["WORLD_SIZE"], variables["RANK"]
    elif "SLURM_STEP_NODELIST" in variables:  # absent in a batch script outside of srun
        # The first computer of a list such as "node[07-09,12],gpu3".
        (first,) = re.match(r"((?:[^,\[]|\[[^\]]*\])+)", variables["SLURM_STEP_NODELIST"]).groups()
        host = re.sub(r"\[(\w+)[^\]]*\]", r"\1", first)  # rack[1-2]node[3-4]: rack1node3
        port = 61_440 + int(variables["SLURM_JOB_ID"]) % 4096
        count, process = variables["SLURM_STEP_NUM_TASKS"], variables["SLURM_PROCID"]
    else:
        fail("--launched: start this with srun or torchrun, or give --addresses and --process")
    return [f"{host}:{port}"] * int(count), int(process)


def check_own_address(addresses: list[str]) -> None:
    """Exit if this computer's name stands for an address that other computers cannot connect to.

    JAX tells the other processes that address. On many systems it is 127.0.1.1, by /etc/hosts.
    """
    name = socket.gethostname()
    try:
        first, own = map(socket.gethostbyname, (addresses[0].rpartition(":")[0], name))
    except OSError:  # one is not found: JAX says so
        return
    if ipaddress.ip_address(own).is_loopback and not ipaddress.ip_address(first).is_loopback:
        remedy = "give it the address that the others know, in /etc/hosts"
        fail(f"this computer's own name, {name}, stands for {own}; {remedy}")


def end_with_parent() -> None:
    """Exit when the parent process ends, which closes its end of the pipe."""
    os.read(0, 1)  # returns when the other end is closed
    shutil.rmtree(os.environ[STARTED_HERE], ignore_errors=True)
    os._exit(1)


def free_addresses(count: int) -> list[str]:
    """Return `count` addresses, "127.0.0.1:PORT", whose ports are free."""
    found = [socket.socket() for _ in range(count)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in found]
    for one in found:
        one.close()
    return addresses


def train_together(lesson, count: int) -> tuple:
    """Run this lesson in `count` processes that train one model together, and wait for them.

    Returns:
        The model, its history, whether all processes ended with equal weights, and the duration of
        `fit` in seconds.
    """
    import keras

    from common import runs

    folder = lesson.folder / "together"
    if not runs.finished_runs(folder):
        devices = devices_for(count, keras.distribution.list_devices())
        start_and_wait(count, flags_for(lesson, folder), lesson.run.how_to_go_on(), devices)
    record = runs.finished_runs(folder)[-1]
    history = runs.read_history(record["folder"])
    del history["epoch"]
    timer = lesson.training("together").timer  # for the record of this run
    timer.seconds, timer.total = history.pop("seconds"), record["metrics"]["fit_seconds"]
    model = keras.models.load_model(record["folder"] / "model.keras")
    return model, history, bool(record["metrics"]["equal"]), timer.total


def devices_for(count: int, found: list[str]) -> list[dict]:
    """Return, for each of `count` processes of this computer, variables that give it a device.

    Each process gets a GPU of its own. With fewer GPUs than processes all of them use the CPU,
    because two processes cannot share a GPU for an all-reduce.

    Args:
        count: the number of processes.
        found: the names of this computer's devices, such as "gpu:0".
    """
    gpus = sum(name.lower().startswith("gpu") for name in found)
    if not gpus:
        return [{}] * count
    if gpus < count:
        print(f"{gpus} of {count} GPUs found, so the processes use the CPU: see --device cpu")
        return [{"JAX_PLATFORMS": "cpu"}] * count
    numbers = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    numbers = numbers if all(numbers) else list(map(str, range(gpus)))
    # This process, which has trained alone, keeps the memory that JAX reserved on the first GPU.
    return [
        {"CUDA_VISIBLE_DEVICES": one, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        for one in numbers[:count]
    ]


def start_and_wait(
    count: int, flags: list[str], how_to_go_on: str, devices: list[dict] | None = None
) -> None:
    """Run this script in `count` processes that train one model together.

    Only the output of process 0 is shown. If a process fails or is killed, the others are stopped
    within seconds.

    Args:
        count: the number of processes.
        flags: command-line flags of every process.
        how_to_go_on: how to continue after a failure, for the error message.
        devices: further environment variables of each process, see `devices_for`.

    Raises:
        SystemExit: with code 1, if a process fails.
    """
    addresses = free_addresses(count)
    command = [sys.executable, sys.argv[0], *flags, "--addresses", *addresses, "--process"]
    scratch = tempfile.mkdtemp()
    environment = {**os.environ, STARTED_HERE: scratch, CHILD_PROCESS: "1"}
    processes = [
        subprocess.Popen(
            [*command, str(number)],
            env={**environment, **(devices[number] if devices else {})},
            stdin=subprocess.PIPE,
            stdout=None if number == 0 else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",  # a library may write in another encoding
        )
        for number in range(count)
    ]
    errors = [[] for _ in processes]
    readers = [
        threading.Thread(target=lambda p=process, e=lines: e.extend(p.stderr), daemon=True)
        for process, lines in zip(processes, errors, strict=True)
    ]
    for reader in readers:
        reader.start()
    try:
        while any(process.poll() is None for process in processes):
            failed = [number for number, process in enumerate(processes) if process.poll()]
            if failed:
                break
            time.sleep(0.1)
    finally:
        stop(processes)
        for reader in readers:
            reader.join(2)
        shutil.rmtree(scratch, ignore_errors=True)
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


def flags_for(lesson, out: Path) -> list[str]:
    """Return the flags for a lesson's child processes, which resume an earlier run if any."""
    words = ["--out", str(out), "--data", lesson.data]
    for name, value in lesson.flags().items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    if lesson.data_dir:
        words += ["--data-dir", str(lesson.data_dir)]
    words += ["--tensorboard"] * lesson.tensorboard
    return words + (["--resume"] if list(out.glob("*/*/run.json")) else [])


def stop(processes: list[subprocess.Popen]) -> None:
    """Terminate the processes still running, and kill them if they do not end within 2 s."""
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
    """Copy the intact checkpoint of process 0, if there is one, to `path` in every process.

    Only process 0 decides which checkpoint is intact, so that all resume at the same epoch.
    """
    import numpy as np
    from jax.experimental.multihost_utils import broadcast_one_to_all

    from common import checkpoints

    checkpoints.read(path)  # renames damaged ones
    whole = [one for one in (path, checkpoints.before(path)) if one.exists()]
    content = np.frombuffer(whole[0].read_bytes() if whole else b"", "uint8")
    size = int(broadcast_one_to_all(np.int32(len(content))))
    if size:
        padded = np.zeros(size, "uint8")
        padded[: len(content)] = content[:size]
        shared = np.asarray(broadcast_one_to_all(padded)).tobytes()
        if not whole:  # process 0 keeps its own file
            path.write_bytes(shared)


def all_equal(weights: list) -> bool:
    """Return whether the weights of all processes are equal to the bit.

    Args:
        weights: the arrays of this process.
    """
    import numpy as np
    from jax.experimental.multihost_utils import process_allgather

    summed = hashlib.sha256(b"".join(np.ascontiguousarray(one).tobytes() for one in weights))
    sums = process_allgather(np.frombuffer(summed.digest(), "uint8"))
    return bool((sums == sums[0]).all())
