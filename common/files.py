"""Atomic writes: write a temporary file in the same folder, then rename it."""

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

WRITING = f".writing-{platform.node()}-"  # prefix of this computer's temporary files
# Windows does not replace a file that another program has open, such as a virus scanner: `replace`
# tries again after these pauses, in seconds.
PAUSES = (0.05, 0.2, 1, 3) if os.name == "nt" else ()


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success, rename it to `path`.

    If the block raises, `path` is unchanged and the temporary file is removed.
    """
    temporary = temporary_path(path)
    try:
        yield temporary
        replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def replace(source: Path, target: Path) -> None:
    """Rename a file, replacing another; on Windows, wait until no program has it open.

    Raises:
        OSError: if it cannot be renamed.
    """
    for pause in PAUSES:
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(pause)
    os.replace(source, target)


def temporary_path(path: Path) -> Path:
    """Return this process's temporary path for `path`, with the suffix that Keras relies on."""
    return path.with_name(f"{WRITING}{os.getpid()}-{path.name}")


def read_text(path: Path) -> str:
    """Read a user's text file in UTF-8, or in UTF-16, which some Windows programs write.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not text in one of these encodings.
    """
    content = path.read_bytes()
    return content.decode(json.detect_encoding(content))  # knows both and the byte-order mark


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while writing."""
    for path in [*folder.glob(f"{WRITING}*"), *folder.glob(f"*/{WRITING}*")]:
        number = path.name.removeprefix(WRITING).partition("-")[0]
        if number.isdigit() and not is_another_running(int(number)):
            with contextlib.suppress(OSError):
                path.unlink()


def fsync(path: Path) -> None:
    """Flush a file, or every file in a folder, to disk, so that it survives a power failure."""
    for file in [path] if path.is_file() else filter(Path.is_file, path.rglob("*")):
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())


def is_another_running(process: int) -> bool:
    """Return whether another process with this ID runs on this computer.

    Always True on Windows, where checking could end the process.
    """
    if process == os.getpid():  # the ID of a killed process was reused
        return False
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # no permission to signal it, so it exists
        pass
    return True


def write_json(path: Path, content: dict) -> None:
    """Write `content` as indented JSON."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        fsync(temporary)
