"""Find the run that `--resume` refers to, and check that it can be resumed."""

import errno
import os
import platform
import shutil
from pathlib import Path

from common import runs
from common.errors import fail
from common.files import is_another_running
from common.flags import in_notebook
from common.startup import chosen_backend
from frame.parser import NEWEST

CLAIMED = {}  # open lock files, by run folder


def find_unfinished(lesson, backends: tuple[str, ...]) -> dict:
    """Find the run to resume and check that the flags equal those it was started with.

    Works without Keras, which takes seconds to start, so that a mistake is reported immediately.

    Args:
        lesson: the `frame.lesson.Lesson` to run, with its flags.
        backends: the back-ends that the lesson supports, the preferred one first.

    Returns:
        The record of the earlier run, with its `folder`.

    Raises:
        SystemExit: if there is no such run, or it cannot be resumed.
    """
    folder = newest(lesson) if lesson.resume == NEWEST else Path(lesson.resume)
    if not os.path.isfile(folder / "run.json"):
        fail(f"--resume {folder}: contains no run.json; give the folder of a run")
    if not claim(folder):
        fail(f"--resume: {folder} is still being trained, by another process; wait until it ends")
    try:
        record = runs.read_record(folder)
    except runs.DamagedRecordError as error:
        fail(f"--resume: {error}")
    if record["lesson"] != lesson.name:
        fail(f"--resume {folder}: this is a run of {record['lesson']}, not of {lesson.name}")
    if record["finished"]:
        release(folder)
        fail(f"--resume {folder}: that run is finished; start a new one without --resume")
    backend = chosen_backend(*backends[:1])[0] if lesson.keras else None
    if backend not in [None, *record["versions"]]:
        begun = f"{folder} was started on another back-end than {backend}"
        fail(f"--resume: {begun} ({', '.join(record['versions'])}); set KERAS_BACKEND as it was")
    for name, value in lesson.flags(record["data"]).items():
        then = record["flags"].get(name)
        if value != then:
            begun = f"{folder} was started with --{name.replace('_', '-')} {then}"
            remedy = "give the same flags, or name another run's folder"
            fail(f"--resume: {begun}, not {value}; {remedy}")
    return {**record, "folder": folder}


def newest(lesson) -> Path:
    """Return the newest unfinished run of this variant that no process is training."""
    wanted = {"lesson": lesson.name, "variant": lesson.variant(), "finished": False}.items()
    unfinished = [record for record in runs.all_runs(lesson.out) if wanted <= record.items()]
    found = [record for record in unfinished if not is_live(record)]
    if unfinished and not found:
        folder, number = unfinished[-1]["folder"], unfinished[-1]["process"]["number"]
        live = f"{folder} is still being trained, by process {number}; wait until it ends"
        fail(f"--resume: {live}. If that is another program, give --resume {folder}")
    if not found:
        where = lesson.out / lesson.name
        fail(f"--resume: no unfinished run of this variant in {where}; start it without --resume")
    same = [record for record in found if record["flags"] == lesson.flags(record["data"])]
    same = same or found
    while len(same) > 1 and not claim(most_advanced(same)["folder"]):
        same.remove(most_advanced(same))  # another process was faster
    return most_advanced(same)["folder"]


def claim(folder: Path) -> bool:
    """Lock a run's folder until `release` or exit; return False if another process locked it.

    Raises:
        SystemExit: if the folder is not writable.
    """
    if folder.resolve() in CLAIMED:
        return True
    try:
        file = (folder / "checkpoint.lock").open("a")  # the OS unlocks it if this process is killed
    except OSError as error:
        remedy = "copy it to where you can write, and give --resume the copy"
        fail(f"{folder}: cannot write there ({error.strerror or error}); {remedy}")
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            file.close()
            return False
        # otherwise the file system does not support locks
    CLAIMED[folder.resolve()] = file
    return True


def release(folder: Path) -> bool:
    """Unlock a run's folder; return whether this process had locked it.

    Windows neither moves nor removes a folder with an open file, such as the lock.
    """
    if file := CLAIMED.pop(folder.resolve(), None):
        file.close()
        Path(file.name).unlink(missing_ok=True)
    return file is not None


def abandon(lesson) -> None:
    """Remove the folder of a run that could not start, except in a notebook, which tries again."""
    if not lesson.resume and not in_notebook():
        release(lesson.folder)
        shutil.rmtree(lesson.folder)


def is_live(record: dict) -> bool:
    """Return whether another process on this computer trains a run; always False on Windows."""
    process = record.get("process")
    return (
        os.name != "nt"
        and isinstance(process, dict)
        and process.get("computer") == platform.node()
        and isinstance(process.get("number"), int)
        and is_another_running(process["number"])
    )


def most_advanced(records: list[dict]) -> dict:
    """Return the newest of the runs that have a checkpoint, or of all runs if none has one."""
    trained = [record for record in records if any(record["folder"].glob(runs.CHECKPOINT))]
    return (trained or records)[-1]


def tell_changes(record: dict, versions: dict, code: str | None) -> None:
    """Print a note if versions or the code have changed since the run started."""
    if record.get("code", code) != code:
        print("note: the code has changed since this run was started: its result may differ")
    for name, now in versions.items():
        then = record["versions"].get(name)
        if then != now:
            print(f"note: started with {name} {then}, resumed with {now}: last digits may differ")
