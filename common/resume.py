"""Finds the run that `--resume` means, and checks that it can go on."""

import errno
import os
import platform
from pathlib import Path

from common import runs
from common.errors import fail
from common.files import is_another_running
from common.flags import NEWEST

CLAIMED = {}  # the open lock files, by the folders of the runs


def find_unfinished(lesson, backend: str) -> dict:
    """Find the run to go on with and check that the flags are those it began with.

    Needs no Keras, which takes seconds to start: a mistake is answered at once.

    Args:
        lesson: the `common.lesson.Lesson` that is run; its flags are read.
        backend: the one that Keras will have.

    Returns:
        The record of the earlier run, with its `folder`.

    Raises:
        SystemExit: if there is none, or it cannot go on.
    """
    folder = newest(lesson) if lesson.resume == NEWEST else Path(lesson.resume)
    if not os.path.isfile(folder / "run.json"):
        fail(f"--resume {folder}: holds no run.json; give the folder of a run")
    if not claim(folder):
        fail(f"--resume: {folder} is still being trained, by another process; wait for its end")
    try:
        record = runs.read_record(folder)
    except runs.DamagedRecordError as error:
        fail(f"--resume: {error}")
    if record["lesson"] != lesson.name:
        fail(f"--resume {folder}: is a run of {record['lesson']}, not of {lesson.name}")
    if record["finished"]:
        release(folder)
        fail(f"--resume {folder}: that run is finished; start a new one without --resume")
    if backend not in record["versions"]:
        begun = f"{folder} was started on another back-end than {backend}"
        fail(f"--resume: {begun} ({', '.join(record['versions'])}); set KERAS_BACKEND as it was")
    for name, value in lesson.flags().items():
        then = record["flags"].get(name)
        if value != then:
            begun = f"{folder} was started with --{name.replace('_', '-')} {then}"
            remedy = "give the same flags, or name another run's folder"
            fail(f"--resume: {begun}, not {value}; {remedy}")
    return {**record, "folder": folder}


def newest(lesson) -> Path:
    """Find the newest unfinished run of this variant that no process is training."""
    wanted = {"lesson": lesson.name, "variant": lesson.variant(), "finished": False}.items()
    unfinished = [record for record in runs.all_runs(lesson.out) if wanted <= record.items()]
    found = [record for record in unfinished if not is_live(record)]
    if unfinished and not found:
        folder, number = unfinished[-1]["folder"], unfinished[-1]["process"]["number"]
        live = f"{folder} is still being trained, by process {number}; wait for its end"
        fail(f"--resume: {live}. If that is another program, give --resume {folder}")
    if not found:
        where = lesson.out / lesson.name
        fail(f"--resume: no unfinished run of this variant in {where}; start it without --resume")
    same = [record for record in found if record["flags"] == lesson.flags()] or found
    while len(same) > 1 and not claim(most_advanced(same)["folder"]):
        same.remove(most_advanced(same))  # another process was faster
    return most_advanced(same)["folder"]


def claim(folder: Path) -> bool:
    """Lock a run's folder for this process until it ends, or `release`; False if another has it."""
    if folder.resolve() in CLAIMED:
        return True
    file = (folder / "checkpoint.lock").open("a")  # the system unlocks it if this process is killed
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
        # else the file system knows no locks
    CLAIMED[folder.resolve()] = file
    return True


def release(folder: Path) -> None:
    """Unlock the folder of a run that is finished."""
    if file := CLAIMED.pop(folder.resolve(), None):
        file.close()
        Path(file.name).unlink(missing_ok=True)


def is_live(record: dict) -> bool:
    """Tell whether another process on this computer is training a run; never on Windows."""
    process = record.get("process")
    return (
        os.name != "nt"
        and isinstance(process, dict)
        and process.get("computer") == platform.node()
        and isinstance(process.get("number"), int)
        and is_another_running(process["number"])
    )


def most_advanced(records: list[dict]) -> dict:
    """Choose the newest of some runs, but one that has a checkpoint before one that has none."""
    trained = [record for record in records if any(record["folder"].glob(runs.CHECKPOINT))]
    return (trained or records)[-1]


def tell_new_versions(record: dict, versions: dict) -> None:
    """Say so if a resumed run was begun with other versions: its end may differ then."""
    for name, now in versions.items():
        then = record["versions"].get(name)
        if then != now:
            print(f"note: begun with {name} {then}, now it is {now}: the last digits may differ")
