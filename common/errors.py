"""Errors that end a lesson, in one line that names the remedy."""

import contextlib
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from typing import NoReturn

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a full disk, or share of it, is told by
# Set in a process that another one started, which tells how to go on after Ctrl-C.
CHILD_PROCESS = "KERAS_LESSON_CHILD_PROCESS"


def debugging() -> bool:
    """Tell whether `--debug` was given: then errors show where they came from."""
    return "--debug" in sys.argv


def fail(message: str, code: int = 2) -> NoReturn:
    """Print `message` as one line on standard error and leave with exit code `code`.

    Raises:
        SystemExit: always. 2 is for wrong input, 1 for a fault of the surroundings.
    """
    if debugging():
        if sys.exc_info()[0]:
            traceback.print_exc()
        else:
            traceback.print_stack()
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def on_interrupt(message: Callable[[], str]) -> None:
    """Print one line instead of a traceback after Ctrl-C, a full disk, too little memory and such.

    Any other error is a mistake in the code and is shown whole.

    Args:
        message: called when it happens; tells how to go on.
    """

    def show(kind, error, trace):
        interrupted, known = was_interrupted(error), None
        if interrupted:
            known = "\nstopped"
        elif isinstance(error, OSError):
            known = f"error: {describe(error)}"
        elif is_lack_of_memory(error):
            known = "error: memory ran out: close other programs, or give smaller numbers"
            if "No space left" in str(error):
                known = "error: the disk is full"
        elif isinstance(error, ImportError | AttributeError) and (hides := hiding_file()):
            known = f"error: {hides}"
        if known is None or debugging():
            sys.__excepthook__(kind, error, trace)
        if known and not (interrupted and CHILD_PROCESS in os.environ):
            print(f"{known}; {message()}", file=sys.stderr)
        if interrupted and not isinstance(error, KeyboardInterrupt):
            end_as_interrupted()

    sys.excepthook = show


def hiding_file(also: tuple[str, ...] = ()) -> str:
    """Say which file was imported instead of an installed package, as a `numpy.py` of the reader's.

    Args:
        also: packages that no file can stand for, installed or not.

    Returns:
        The remedy; empty if there is no such file.
    """
    folders = [os.path.realpath(folder) for folder in sys.path]
    for name in [*sys.modules.keys() - sys.stdlib_module_names]:
        module = sys.modules[name]
        file = os.path.realpath(getattr(module, "__file__", None) or "")
        folder = os.path.dirname(file)
        # An installed package is a folder or lies in site-packages.
        installed = hasattr(module, "__path__") or folder.endswith("-packages") or "." in name
        if installed or folder not in folders:
            continue
        further = [one for one in folders[folders.index(folder) :] if one != folder]
        found = PathFinder.find_spec(name, further)
        if name in also or (found and found.origin):  # without an origin it is any folder
            return f"rename {file}, which hides the package {name}"
    return ""


def was_interrupted(error: BaseException | None) -> bool:
    """Tell whether an error is Ctrl-C, or came up while that was dealt with, as some do on JAX."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def end_as_interrupted() -> None:
    """End this process as Python does after Ctrl-C: a shell shows 130."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)


def is_lack_of_memory(error: BaseException) -> bool:
    """Tell whether Python, TensorFlow, JAX or PyTorch could not get the memory it asked for."""
    if isinstance(error, MemoryError):
        return True
    kinds = ("ResourceExhaustedError", "OutOfMemoryError")
    texts = ("RESOURCE_EXHAUSTED", "can't allocate memory")
    return type(error).__name__ in kinds or any(text in str(error) for text in texts)


def describe(error: OSError) -> str:
    """Say in one line what the system refused, and for which file if it tells."""
    reason = error.strerror if error.filename else error.errno and os.strerror(error.errno)
    reason = reason or " ".join(str(error).split())
    return f"{error.filename}: {reason}" if error.filename else reason


@contextlib.contextmanager
def finish_first() -> Iterator[None]:
    """Let the block end before Ctrl-C takes effect."""
    if threading.current_thread() is not threading.main_thread():  # only that one gets it
        yield
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
