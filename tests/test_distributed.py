"""Lesson 13: results equal to those of one device, killed processes, invalid flags."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import DISTRIBUTED, ENVIRONMENT, QUICK_JAX, ROOT

from common import checkpoints
from common.runs import all_runs, finished_runs, read_history
from distributed.workers import (
    check_own_address,
    devices_for,
    free_addresses,
    said_by_launcher,
    share_file,
    start_and_wait,
)


def test_two_devices_match_one(run):
    assert run.names["devices"] == 2 and run.record["metrics"]["equal"] == 1
    assert run.record["metrics"]["loss_difference"] < 1e-4
    assert run.record["metrics"]["weight_difference"] < 1e-2
    alone, together = run.names["alone"]["loss"], run.names["together"]["loss"]
    np.testing.assert_allclose(alone, together, rtol=1e-4)
    assert together[-1] < together[0]


def test_shares_partition_each_batch(run):
    batches = [(np.arange(10), np.arange(10) * 2)]
    shares = [run.names["Share"](batches, process, 3)[0] for process in range(3)]
    assert sorted(np.concatenate([images for images, _ in shares])) == list(range(10))
    assert all((labels == 2 * images).all() for images, labels in shares)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--process", "1"], "belong together"),
        (["--addresses", "a:1", "b:2"], "belong together"),
        (["--addresses", "a:1", "b:2", "--process", "2"], "there are 2 addresses"),
        (["--launched"], "srun"),
        (["--launched", "--process", "1"], "--launched takes"),
    ],
)
def test_flag_errors(flags, message):
    done = subprocess.run(
        [sys.executable, ROOT / DISTRIBUTED, *flags],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("pc1", "pc1"),
        ("pc1,pc2", "pc1"),
        ("node[07-09,12],gpu3", "node07"),
        ("node-a[3,5]", "node-a3"),
        ("rack[1-2]node[3-4],pc1", "rack1node3"),
    ],
)
def test_slurm_says_the_first_address(nodes, first):
    variables = {"SLURM_STEP_NODELIST": nodes, "SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "2"}
    addresses, process = said_by_launcher({**variables, "SLURM_JOB_ID": "5001"})
    assert process == 2 and addresses == [f"{first}:{61440 + 5001 - 4096}"] * 3


def test_torchrun_says_the_first_address():
    variables = {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "pc1", "MASTER_PORT": "29400"}
    found = said_by_launcher({**variables, "WORLD_SIZE": "2", "RANK": "0"})
    assert found == (["pc1:29401"] * 2, 0)


@pytest.mark.parametrize(
    ("first", "own", "refused"),
    [
        ("10.0.0.1", "127.0.1.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("127.0.0.1", "127.0.1.1", False),  # all on this computer
        (None, "127.0.1.1", False),
    ],
)
def test_own_name_must_not_be_local(monkeypatch, capsys, first, own, refused):
    def look_up(name):
        address = {"pc1": first, "pc2": own}[name]
        if address is None:
            raise socket.gaierror(-2, "Name or service not known")
        return address

    monkeypatch.setattr(socket, "gethostname", lambda: "pc2")
    monkeypatch.setattr(socket, "gethostbyname", look_up)
    try:
        check_own_address(["pc1:7000", "pc2:7000"])
    except SystemExit as stop:
        assert refused and stop.code == 2 and "pc2" in capsys.readouterr().err
    else:
        assert not refused


@pytest.mark.parametrize(
    ("damaged", "epochs"), [((), (2, 2)), ((0,), (1, 1)), ((0, 1), (0, 0)), ((1,), (2, 2))]
)
def test_processes_go_on_from_the_same_checkpoint(tmp_path, monkeypatch, damaged, epochs):
    sent, received = [], []
    first, second = (tmp_path / name / "checkpoint-a.npz" for name in "ab")
    for number, path in enumerate([first, checkpoints.before(first)]):
        path.parent.mkdir(exist_ok=True)
        with path.open("wb+") as file:
            state = json.dumps({"epoch": 2 - number, "history": {}, "callbacks": []})
            np.savez(file, state=np.frombuffer(state.encode(), np.uint8))
            file.seek(0)
            file.write(hashlib.sha256(file.read()).digest() if number not in damaged else b"!")
    second.parent.mkdir()
    before = first.stat().st_ino
    network = SimpleNamespace(broadcast_one_to_all=lambda value: sent.append(value) or value)
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "jax.experimental", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "jax.experimental.multihost_utils", network)
    share_file(first)
    received[:] = sent
    network.broadcast_one_to_all = lambda value: received.pop(0)
    share_file(second)
    assert tuple(map(checkpoints.next_epoch, (first, second))) == epochs
    assert 0 in damaged or first.stat().st_ino == before


@pytest.mark.parametrize(
    ("found", "visible", "numbers"),
    [
        (["cpu:0"], None, [None, None]),
        (["gpu:0", "gpu:1", "gpu:2"], None, ["0", "1"]),
        (["gpu:0", "gpu:1"], "5,3", ["5", "3"]),
    ],
)
def test_every_process_gets_its_own_gpu(monkeypatch, found, visible, numbers):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [one.get("CUDA_VISIBLE_DEVICES") for one in devices_for(2, found)] == numbers


def test_processes_do_not_share_a_gpu(capsys):
    assert [one["JAX_PLATFORMS"] for one in devices_for(2, ["gpu:0"])] == ["cpu", "cpu"]
    assert "CPU" in capsys.readouterr().out


def test_process_sees_its_device(tmp_path, monkeypatch):
    source = "import os, sys; open(sys.argv[0] + sys.argv[-1], 'w').write(os.environ['GIVEN'])"
    (tmp_path / "lesson.py").write_text(source)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "lesson.py")])
    start_and_wait(2, [], "", [{"GIVEN": "a"}, {"GIVEN": "b"}])
    assert [(tmp_path / f"lesson.py{number}").read_text() for number in (0, 1)] == ["a", "b"]


PROCESS = """
import os, sys, time
from types import SimpleNamespace
from distributed import workers
lesson = SimpleNamespace(
    name="13", addresses=["127.0.0.1:1"] * 2, process=int(sys.argv[-1]), launched=False
)
workers.take_part(lesson)
if lesson.process:
    print(lesson.out)
    if "--kill" in sys.argv:
        os.kill(os.getpid(), 9)
elif "--kill" in sys.argv:
    time.sleep(60)
"""


def test_process_removes_its_folder():
    command = [sys.executable, "-c", PROCESS, "1"]
    folder = subprocess.check_output(command, cwd=ROOT, text=True).strip()
    assert folder and not os.path.exists(folder)


def test_folder_of_killed_process_is_removed(tmp_path, monkeypatch):
    (tmp_path / "lesson.py").write_text(PROCESS)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "lesson.py")])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with pytest.raises(SystemExit):
        start_and_wait(2, ["--kill"], "")
    assert list((tmp_path / "tmp").iterdir()) == []


EPOCHS = 20  # enough for a checkpoint before the last one


def jax_lesson(out, *flags):
    """Start the lesson on JAX, with small data."""
    flags = ["--data", "sample", "--batch-size", "100", "--out", out, *map(str, flags)]
    return subprocess.Popen(
        [sys.executable, ROOT / DISTRIBUTED, *flags],
        env={**ENVIRONMENT, **QUICK_JAX},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def workers_of(process) -> list[int]:
    """Return the IDs of the child processes (Linux), the first worker first."""
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(children) as file:
        return sorted(map(int, file.read().split()))


def wait_for(out, name, process) -> None:
    """Wait until the workers have written a file with this name."""
    end = time.monotonic() + 120
    while not list(out.glob(f"*/*/together/*/*/{name}")):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)


def results_in(folder):
    """Return the record, weights and losses of a finished run."""
    (record,) = finished_runs(folder)
    model = keras.models.load_model(record["folder"] / "model.keras")
    return record, model.get_weights(), read_history(record["folder"])["loss"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The output of an undisturbed run of two processes on JAX."""
    assert find_spec("jax"), "pip install jax"
    out = tmp_path_factory.mktemp("jax")
    done = jax_lesson(out, "--epochs", EPOCHS)
    _, errors = done.communicate(timeout=200)
    assert done.returncode == 0, errors
    return out


@pytest.mark.slow
def test_two_processes_match_one(tmp_path):
    done = jax_lesson(tmp_path, "--epochs", 2)
    printed, errors = done.communicate(timeout=200)
    assert done.returncode == 0, errors
    record, _, loss = results_in(tmp_path)
    assert "the weights on all devices are equal to the bit" in printed
    assert record["metrics"]["equal"] == 1 and record["metrics"]["loss_difference"] < 1e-4
    assert loss[-1] < loss[0]


@pytest.mark.faults
@pytest.mark.parametrize("victim", [0, 1])
def test_resume_is_exact_after_killed_process(undisturbed, tmp_path, victim):
    process = jax_lesson(tmp_path, "--epochs", EPOCHS)
    try:
        wait_for(tmp_path, "checkpoint-together.npz", process)
        workers = workers_of(process)
        os.kill(workers[victim], signal.SIGKILL)
        began = time.monotonic()
        _, errors = process.communicate(timeout=30)
        assert time.monotonic() - began < 15
    finally:
        process.kill()
    assert process.returncode == 1
    (line,) = errors.splitlines()
    assert line.startswith(f"error: process {victim} of 2 was killed (signal 9)")
    assert "--resume" in line
    assert not any(os.path.exists(f"/proc/{number}") for number in workers)
    (record,) = all_runs(tmp_path)
    assert not record["finished"]

    resumed = jax_lesson(tmp_path, "--epochs", EPOCHS, "--resume")
    _, errors = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, errors
    (_, weights, loss), (_, expected, expected_loss) = results_in(tmp_path), results_in(undisturbed)
    assert loss == expected_loss
    assert all((a == b).all() for a, b in zip(weights, expected, strict=True))


@pytest.mark.faults
def test_workers_end_with_parent(tmp_path):
    process = jax_lesson(tmp_path, "--epochs", EPOCHS)
    wait_for(tmp_path, "run.json", process)
    workers = workers_of(process)
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{number}") for number in workers):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
def test_processes_connect_by_address(tmp_path):
    addresses = free_addresses(2)
    both = [
        jax_lesson(tmp_path, "--epochs", 1, "--addresses", *addresses, "--process", number)
        for number in (1, 0)
    ]
    for process in both:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    (record,) = finished_runs(tmp_path)
    assert record["metrics"]["equal"] == 1
