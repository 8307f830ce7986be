"""Faults around a run: kills, concurrent runs, damaged checkpoints, a full disk, no home."""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import AUTO_MPG, ROOT, run_lesson, run_script

from common import checkpoints
from frame import resume
from tools import ask, kill

resource = pytest.importorskip("resource", reason="needs POSIX limits and signals")
SMALL = ["--data", "sample", "--epochs", "2"]


@pytest.mark.faults
@pytest.mark.parametrize("lesson", kill.LESSONS)
def test_resume_is_exact_after_kill(lesson, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["kill.py", "--kills", "2", "--only", lesson])
    with pytest.raises(SystemExit) as stop:
        kill.main()
    printed = capsys.readouterr().out
    assert not stop.value.code, printed
    assert "equal to the undisturbed run: 2 of 2" in printed


def shell(script, *flags, **options):
    """Start a script in a separate process."""
    return subprocess.Popen(
        [sys.executable, ROOT / script, *map(str, flags)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.mark.slow
def test_concurrent_runs_are_both_recorded(tmp_path):
    both = [shell(AUTO_MPG, *SMALL, "--out", tmp_path) for _ in range(2)]
    for process in both:
        assert process.communicate()[1] == "" and process.returncode == 0
    with (tmp_path / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    folders = sorted(path.parent.name for path in tmp_path.glob("*/*/run.json"))
    assert len(folders) == 2 and sorted(row["run"] for row in rows) == folders


@contextlib.contextmanager
def limited_files(size: int):
    """Limit files to `size` bytes, as if the disk were full."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.slow
def test_full_disk_error(tmp_path):
    with limited_files(30_000):
        full = shell(AUTO_MPG, *SMALL, "--out", tmp_path)
    error = full.communicate()[1].splitlines()
    assert full.returncode == 1 and len(error) == 1, error
    assert error[0].startswith("error: ") and "continue with: python" in error[0]
    assert "File too large" in error[0]
    assert not list(tmp_path.glob("*/*/.*"))  # no partial file


def test_nearly_full_disk_is_refused_at_start(tmp_path, monkeypatch, capsys):
    usage = shutil.disk_usage(tmp_path)._replace(free=3_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(SystemExit) as stop:
        run_script(AUTO_MPG, *SMALL, "--out", tmp_path / "new")
    assert stop.value.code == 1 and list(tmp_path.iterdir()) == []
    assert "only 3.0 MB left; free at least 300 MB" in capsys.readouterr().err


FOUR_EPOCHS = ["--data", "sample", "--epochs", "4"]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """An undisturbed run of lesson 03."""
    return run_lesson(AUTO_MPG, tmp_path_factory.mktemp("whole"), *FOUR_EPOCHS)


@pytest.fixture(scope="module")
def stopped_by_a_full_disk(tmp_path_factory):
    """The output folder of that run, interrupted when its fourth checkpoint filled the disk."""
    out = tmp_path_factory.mktemp("stopped")
    save = checkpoints.Checkpoints.save

    def save_on_a_full_disk(self, next_epoch, logs):
        with limited_files(1000) if next_epoch == 4 else contextlib.nullcontext():
            save(self, next_epoch, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "EVERY", 0)
        patch.setattr(checkpoints.Checkpoints, "save", save_on_a_full_disk)
        with pytest.raises(OSError, match="too large"):
            run_lesson(AUTO_MPG, out, *FOUR_EPOCHS)
    return out


def test_checkpoint_survives_full_disk(stopped_by_a_full_disk, whole_run, tmp_path):
    shutil.copytree(stopped_by_a_full_disk, tmp_path, dirs_exist_ok=True)
    resumed = run_lesson(AUTO_MPG, tmp_path, *FOUR_EPOCHS, "--resume")
    assert resumed.names["lesson"].first_epoch == 3
    assert resumed.record["metrics"] == whole_run.record["metrics"]


@pytest.mark.parametrize(
    "damage",
    ["flipped", "both", *(pytest.param(d, marks=pytest.mark.slow) for d in ("cut", "empty"))],
)
def test_resume_falls_back_from_damaged_checkpoint(
    stopped_by_a_full_disk, whole_run, tmp_path, capsys, damage
):
    shutil.copytree(stopped_by_a_full_disk, tmp_path, dirs_exist_ok=True)
    (newest,) = tmp_path.glob("03*/*/checkpoint.npz")
    content = newest.read_bytes()
    middle = len(content) // 2
    newest.write_bytes(
        {"cut": content[:middle], "empty": b""}.get(
            damage, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        )
    )
    if damage == "both":
        checkpoints.before(newest).write_bytes(b"")
    capsys.readouterr()
    resumed = run_lesson(AUTO_MPG, tmp_path, *FOUR_EPOCHS, "--resume")
    (line,) = capsys.readouterr().err.splitlines()
    assert newest.name in line and "damaged" in line
    assert ("from the beginning" if damage == "both" else "the previous one") in line
    assert resumed.names["lesson"].first_epoch == (0 if damage == "both" else 2)
    assert resumed.record["metrics"] == whole_run.record["metrics"]


CLAIM = """
import sys, time
from pathlib import Path
from frame import resume
print(resume.claim(Path(sys.argv[1])), flush=True)
time.sleep(60)
"""


def test_resume_leaves_a_run_that_another_process_has_claimed(
    stopped_by_a_full_disk, whole_run, tmp_path, capsys
):
    shutil.copytree(stopped_by_a_full_disk, tmp_path, dirs_exist_ok=True)
    (folder,) = tmp_path.glob("03*/*")
    command = [sys.executable, "-c", CLAIM, folder]
    other = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == "True\n"
        for words in (["--resume"], ["--resume", folder]):
            with pytest.raises(SystemExit) as stop:
                run_script(AUTO_MPG, *FOUR_EPOCHS, "--out", tmp_path, *words)
            assert stop.value.code == 2 and "still being trained" in capsys.readouterr().err
    finally:
        other.kill()
        other.wait()
    resumed = run_lesson(AUTO_MPG, tmp_path, *FOUR_EPOCHS, "--resume", folder)
    assert resumed.record["metrics"] == whole_run.record["metrics"]
    assert not list(folder.glob("checkpoint*"))


def test_folder_to_resume_that_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / "checkpoint.lock").mkdir()
    with pytest.raises(SystemExit) as stop:
        resume.claim(tmp_path)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.startswith(f"error: {tmp_path}: cannot write there (")


@pytest.mark.slow
def test_lesson_runs_without_home_folder(tmp_path):
    environment = {**os.environ, "HOME": "/dev/null/none", "MPLCONFIGDIR": str(tmp_path / "plots")}
    environment.pop("KERAS_HOME", None)
    run = shell(AUTO_MPG, *SMALL, "--out", tmp_path, env=environment)
    assert run.communicate()[1] == "" and run.returncode == 0


def test_debug_flag_shows_traceback(tmp_path, capsys):
    for more, traceback in (([], False), (["--debug"], True)):
        with pytest.raises(SystemExit) as stop:
            run_script(AUTO_MPG, "--out", tmp_path, "--data-dir", "nowhere", *more)
        error = capsys.readouterr().err
        assert stop.value.code == 2
        assert ("named_folder" in error) == traceback
        assert error.splitlines()[-1].startswith("error: --data-dir nowhere: no such folder")


def test_damaged_record_does_not_stop_runs(tmp_path, capsys):
    folder = tmp_path / "01_lesson" / "20260101-000000"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    run = run_lesson(AUTO_MPG, tmp_path, *SMALL)
    assert json.loads((run.folder / "run.json").read_text())["finished"]
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder / "run.json") in line and "remove that folder" in line


@pytest.mark.faults
def test_service_survives_damaged_requests(monkeypatch, capsys):
    pytest.importorskip("schemathesis")  # not in requirements-dev.txt: see CONTRIBUTING.md
    monkeypatch.setattr(sys, "argv", ["ask.py", "--requests", "400"])
    ask.main()
    assert "trial run" in capsys.readouterr().out
