"""Files that appear whole or not at all: write beside, then put in place in one step."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

WRITING = f".writing-{platform.node()}-"  # begins the name of a file that this computer writes


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Lend a temporary path beside `path`; what is written there becomes `path` at the end.

    If the block raises, `path` stays as it was and the temporary file goes.
    """
    temporary = temporary_path(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """Name the temporary file of this process for `path`. The ending stays: Keras reads it."""
    return path.with_name(f"{WRITING}{os.getpid()}-{path.name}")


def read_text(path: Path) -> str:
    """Read a text file that a reader gives: UTF-8, or UTF-16, as some programs on Windows write.

    Raises:
        OSError, ValueError: if it cannot be read, or is no such text.
    """
    content = path.read_bytes()
    return content.decode(json.detect_encoding(content))  # knows them, and a byte-order mark


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote."""
    for path in [*folder.glob(f"{WRITING}*"), *folder.glob(f"*/{WRITING}*")]:
        number = path.name.removeprefix(WRITING).partition("-")[0]
        if number.isdigit() and not is_another_running(int(number)):
            with contextlib.suppress(OSError):
                path.unlink()


def fsync(path: Path) -> None:
    """Wait until the disk has a file, or every file of a folder: then they survive a power cut."""
    for file in [path] if path.is_file() else filter(Path.is_file, path.rglob("*")):
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())


def is_another_running(process: int) -> bool:
    """Tell whether another process of this number runs on this computer.

    On Windows, where asking may end it, say yes.
    """
    if process == os.getpid():  # a killed one had the same number
        return False
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it may not be asked, so it is there
        pass
    return True


def write_json(path: Path, content: dict) -> None:
    """Write `content` as readable JSON."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        fsync(temporary)
