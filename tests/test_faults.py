"""What goes wrong around a run: killed, two at once, a damaged checkpoint, a full disk, no home."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import AUTO_MPG, MNIST, ROOT, run_lesson, run_script

from common import checkpoints
from tests.faults import kill

resource = pytest.importorskip("resource", reason="Windows has no such limits and signals")
SMALL = ["--data", "sample", "--epochs", "2"]


@pytest.mark.faults
@pytest.mark.parametrize("lesson", kill.LESSONS)
def test_a_killed_lesson_goes_on_to_the_same_end(lesson, tmp_path, monkeypatch, capsys):
    table = tmp_path / "kills.csv"
    monkeypatch.setattr(
        sys, "argv", ["kill.py", "--kills", "2", "--only", lesson, "--table", str(table)]
    )
    with pytest.raises(SystemExit) as stop:
        kill.main()
    assert not stop.value.code, capsys.readouterr().out
    assert len(list(csv.DictReader(table.open()))) == 2


def shell(script, *flags, **options):
    """Run a script in a process of its own."""
    return subprocess.Popen([sys.executable, ROOT / script, *map(str, flags)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # fmt: skip


def test_two_runs_at_once_both_leave_their_records(tmp_path):
    both = [shell(AUTO_MPG, *SMALL, "--out", tmp_path) for _ in range(2)]
    for process in both:
        assert process.communicate()[1] == "" and process.returncode == 0
    with (tmp_path / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    folders = sorted(path.parent.name for path in tmp_path.glob("*/*/run.json"))
    assert len(folders) == 2 and sorted(row["run"] for row in rows) == folders


def limit_files() -> None:
    """Let the next program write no file of more than a megabyte, as if the disk were full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))


def test_a_full_disk_is_named_and_the_run_can_go_on(tmp_path):
    flags = [*SMALL, "--limit", "300", "--out", tmp_path]
    full = shell(MNIST, *flags, preexec_fn=limit_files)
    error = full.communicate()[1].splitlines()
    assert full.returncode == 1 and len(error) == 1, error
    assert error[0].startswith("error: ") and "go on with: python" in error[0]
    assert "File too large" in error[0]
    assert not list(tmp_path.glob("*/*/.*"))  # no half of a file
    after = shell(MNIST, *flags, "--resume")
    assert after.communicate()[1] == "" and after.returncode == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "both"])
def test_a_damaged_checkpoint_is_noticed(tmp_path, monkeypatch, capsys, damage):
    monkeypatch.setattr(checkpoints, "EVERY", 0)
    flags = ["--data", "sample", "--epochs", "4"]
    whole = run_lesson(AUTO_MPG, tmp_path / "whole", *flags)
    save = checkpoints.Checkpoints.save

    def save_and_stop(self, next_epoch, logs):
        save(self, next_epoch, logs)
        if next_epoch == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run_lesson(AUTO_MPG, tmp_path, *flags)
    (newest,) = tmp_path.glob("03*/*/checkpoint.npz")
    content = newest.read_bytes()
    middle = len(content) // 2
    newest.write_bytes({"cut": content[:middle], "empty": b""}.get(
        damage, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]))  # fmt: skip
    if damage == "both":
        checkpoints.before(newest).write_bytes(b"")
    capsys.readouterr()
    resumed = run_lesson(AUTO_MPG, tmp_path, *flags, "--resume")
    (line,) = capsys.readouterr().err.splitlines()
    assert newest.name in line and "damaged" in line
    assert ("from the start" if damage == "both" else "the one before") in line
    assert resumed.names["run"].first_epoch == (0 if damage == "both" else 2)
    assert resumed.record["metrics"] == whole.record["metrics"]


def test_after_ctrl_c_one_line_says_how_to_go_on(tmp_path):
    flags = ["--data", "sample", "--epochs", "100000", "--patience", "100000", "--out", tmp_path]
    run = shell(AUTO_MPG, *flags)
    while not list(tmp_path.glob("*/*/checkpoint*")):
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, error = run.communicate()
    assert run.returncode in (130, -signal.SIGINT)  # a shell makes 130 of the signal
    (line,) = error.strip().splitlines()
    assert line.startswith("stopped; go on with: python ") and line.endswith("--resume")
    (record,) = tmp_path.glob("*/*/run.json")
    assert not json.loads(record.read_text())["finished"]


def test_without_a_home_folder(tmp_path):
    environment = {**os.environ, "HOME": "/dev/null/none", "MPLCONFIGDIR": str(tmp_path / "plots")}
    environment.pop("KERAS_HOME", None)
    run = shell(AUTO_MPG, *SMALL, "--out", tmp_path, env=environment)
    assert run.communicate()[1] == "" and run.returncode == 0


def test_debug_shows_where_an_error_came_from(tmp_path, capsys):
    for more, traceback in (([], False), (["--debug"], True)):
        with pytest.raises(SystemExit) as stop:
            run_script(AUTO_MPG, "--out", tmp_path, "--data-dir", "nowhere", *more)
        error = capsys.readouterr().err
        assert stop.value.code == 2
        assert ("read_named" in error) == traceback
        assert error.splitlines()[-1].startswith("error: --data-dir nowhere: no such folder")


def test_a_damaged_record_stops_no_other_run(tmp_path, capsys):
    folder = tmp_path / "01_lesson" / "20260101-000000"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    run = run_lesson(AUTO_MPG, tmp_path, *SMALL)
    assert json.loads((run.folder / "run.json").read_text())["finished"]
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder / "run.json") in line and "remove that folder" in line
