"""Errors that end a lesson with one line naming the remedy."""

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

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk or an exhausted quota
# Set in a child process, whose parent prints how to continue after Ctrl-C.
CHILD_PROCESS = "KERAS_LESSON_CHILD_PROCESS"


def debugging() -> bool:
    """Return whether `--debug` was given, so that errors show a traceback."""
    return "--debug" in sys.argv


def fail(message: str, code: int = 2) -> NoReturn:
    """Print `message` as one line on standard error and exit.

    Raises:
        SystemExit: always, with `code`: 2 for invalid input, 1 for a failure of the environment,
            such as a full disk.
    """
    if debugging():
        if sys.exc_info()[0]:
            traceback.print_exc()
        else:
            traceback.print_stack()
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def on_interrupt(message: Callable[[], str]) -> None:
    """Print one line instead of a traceback after Ctrl-C, an I/O error or a lack of memory.

    Any other error is a bug and shows its full traceback.

    Args:
        message: called at that moment; returns how to continue.
    """

    def show(kind, error, trace):
        interrupted, known = was_interrupted(error), None
        if interrupted:
            known = "\nstopped"
        elif isinstance(error, OSError):
            known = f"error: {describe(error)}"
        elif is_lack_of_memory(error):
            known = "error: out of memory: close other programs, or give smaller numbers"
            if "No space left" in str(error):
                known = "error: the disk is full"
        elif isinstance(error, ImportError | AttributeError) and (hides := hiding_file()):
            known = f"error: {hides}"
        elif isinstance(error, ImportError) and "`pip install" in str(error):
            # A layer of Keras says what it needs besides the back-end.
            known = f"error: {' '.join(str(error).split()).removesuffix('.')}"
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
    """Return whether an error is Ctrl-C or was raised while handling it, as happens on JAX."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def end_as_interrupted() -> None:
    """End this process as Python does after Ctrl-C: the shell sees exit code 130."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)


def is_lack_of_memory(error: BaseException) -> bool:
    """Return whether Python, TensorFlow, JAX or PyTorch failed to allocate memory."""
    if isinstance(error, MemoryError):
        return True
    kinds = ("ResourceExhaustedError", "OutOfMemoryError")
    texts = ("RESOURCE_EXHAUSTED", "can't allocate memory")
    return type(error).__name__ in kinds or any(text in str(error) for text in texts)


def describe(error: OSError) -> str:
    """Return in one line what the operating system refused, with the file if known."""
    reason = error.strerror if error.filename else error.errno and os.strerror(error.errno)
    reason = reason or " ".join(str(error).split())
    return f"{error.filename}: {reason}" if error.filename else reason


@contextlib.contextmanager
def needs_to_write(out) -> Iterator[None]:
    """Exit with one line if the block cannot write into the folder of runs, `--out`.

    Raises:
        SystemExit: with code 1 if the disk is full, else 2.
    """
    try:
        yield
    except OSError as error:
        remedy = "copy that folder to where you can write, and give the copy"
        problem = f"--out {out}: cannot write there ({error.strerror or error})"
        fail(f"{problem}; {remedy}", 1 if error.errno in FULL else 2)


@contextlib.contextmanager
def finish_first() -> Iterator[None]:
    """Defer Ctrl-C until the block has ended."""
    if threading.current_thread() is not threading.main_thread():  # receives no signals
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
