"""Files that are whole, and what killed processes have left."""

import os
import subprocess
import sys

from common.files import WRITING, remove_leftovers


def test_what_killed_processes_have_left_goes_and_nothing_else(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    running = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / "saved").mkdir()
    # A killed process may have had the number that this one has now.
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
