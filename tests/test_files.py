"""common/files.py: leftovers of killed processes."""

import os
import subprocess
import sys

from common.files import WRITING, remove_leftovers


def test_remove_leftovers_of_killed_processes_only(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    running = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / "saved").mkdir()
    # A killed process may have had this process's ID.
    left = [
        tmp_path / f"{WRITING}{ended.pid}-run.json",
        tmp_path / f"{WRITING}{os.getpid()}-x.npz",
        tmp_path / "saved" / f"{WRITING}{ended.pid}-a.keras",
    ]
    kept = [
        tmp_path / f"{WRITING}{running.pid}-run.json",
        tmp_path / "run.json",
        tmp_path / ".writing-another-computer-1-run.json",
    ]
    for path in left + kept:
        path.touch()
    remove_leftovers(tmp_path)
    running.communicate(b"\n")
    assert not any(path.exists() for path in left) and all(path.exists() for path in kept)
