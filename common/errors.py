"""Errors: those that end a lesson, in one line that names the remedy, and those that a lesson shows."""

import contextlib
import os
import signal
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn


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
    """Print one line instead of a traceback after Ctrl-C, a full disk, or too little memory.

    Any other error is a mistake in the code and is shown whole.

    Args:
        message: called when it happens; tells how to go on.
    """

    def show(kind, error, trace):
        known = None
        if issubclass(kind, KeyboardInterrupt):
            known = "\nstopped"
        elif issubclass(kind, OSError):
            known = f"error: {describe(error)}"
        elif issubclass(kind, MemoryError) or kind.__name__ == "ResourceExhaustedError":
            full = "No space left" in str(error)
            known = (
                f"error: {'the disk is full' if full else 'memory ran out: close other programs'}"
            )
        if known is None or debugging():
            sys.__excepthook__(kind, error, trace)
        if known:
            print(f"{known}; {message()}", file=sys.stderr)

    sys.excepthook = show


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


@contextlib.contextmanager
def shown_error(*kinds: type[Exception]):
    """Print the error that the block raises, in one line, and go on.

    Raises:
        AssertionError: if the block raises none of these kinds: the lesson promises one.
    """
    try:
        yield
    except kinds as error:
        text = textwrap.shorten(str(error), 200, placeholder=" ...")
        print(f"{type(error).__name__}: {text}")
    else:
        raise AssertionError(f"expected one of {kinds}, and nothing was raised")
