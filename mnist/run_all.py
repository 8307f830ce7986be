"""`-m all`: train all models in turn, each in its own process.

The time and memory in each run's record are then those of one model.
"""

import copy
import os
import signal
import subprocess
import sys
from pathlib import Path

from common import runs
from common.errors import CHILD_PROCESS, fail, on_interrupt
from common.startup import chosen_backend
from datasets import ENVIRONMENT, REAL
from frame import resume
from frame.parser import NEWEST
from mnist.recipes import fill_in

SCRIPT = Path(__file__).with_name("mnist.py")


def run_all(names: list[str], lesson) -> int:
    """Train all models; with `--resume`, only those without a finished run with these flags.

    Args:
        names: the names of the models.
        lesson: the `frame.lesson.Lesson` of mnist.py, before a recipe is applied to its flags.

    Returns:
        The exit code: 0, or that of the first model that failed.
    """
    if lesson.resume not in (None, NEWEST):
        fail("--resume FOLDER resumes a single run; with -m all, give --resume without a folder")
    on_interrupt(lambda: "to continue, run the same command with --resume")
    for number, name in enumerate(names, 1):
        own = copy.copy(lesson)
        own.model = name
        fill_in(own)
        print(f"\n== {number} of {len(names)}: {name}", flush=True)
        command = [sys.executable, str(SCRIPT), *words(own)]
        if lesson.resume:
            same = [record for record in runs.all_runs(lesson.out) if is_same(record, own)]
            same = [record for record in same if record["finished"] or not resume.is_live(record)]
            finished = [record for record in same if record["finished"]]
            if finished:
                print(f"already finished on {finished[-1]['data']} data: {finished[-1]['folder']}")
                continue
            if same:
                command += ["--resume", str(resume.most_advanced(same)["folder"])]
        code = run_to_the_end(command)
        if code < 0:
            fail(
                f"{name}: ended by signal {-code}; if memory ran out, close other programs, "
                "then run the same command with --resume",
                1,
            )
        if code:
            return code
    return 0


def run_to_the_end(command: list[str]) -> int:
    """Run a command and wait for it, even after Ctrl-C: it may be writing a checkpoint.

    Returns:
        Its exit code.

    Raises:
        KeyboardInterrupt: after the command has ended, if Ctrl-C was pressed.
    """
    process = subprocess.Popen(command, env={**os.environ, CHILD_PROCESS: "1"})
    interrupted = False
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:  # the process has received it too
            interrupted = True
    if interrupted or code == -signal.SIGINT:
        raise KeyboardInterrupt
    return code


def words(lesson) -> list[str]:
    """Return the command-line flags of one model's process."""
    others = {name: getattr(lesson, name) for name in ("data", "data_dir", "device", "out")}
    return [
        word
        for name, value in {**lesson.flags(), **others}.items()
        if value is not None
        for word in ("--" + name.replace("_", "-"), str(value))
    ] + [f"--{name}" for name in ("tensorboard", "debug") if getattr(lesson, name)]


def is_same(record: dict, lesson) -> bool:
    """Return whether a run has these flags, this back-end, and data that `--data` allows."""
    wanted = lesson.data
    if wanted == "auto" and (lesson.data_dir or os.environ.get(ENVIRONMENT)):
        wanted = REAL  # with a folder named, the sample is never used
    return (
        record["lesson"] == lesson.name
        and record["flags"] == lesson.flags()
        and chosen_backend()[0] in record["versions"]
        and wanted in ("auto", record["data"])
    )
