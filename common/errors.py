"""Errors: those that end a lesson, in one line that names the remedy, and those that a lesson shows."""

import contextlib
import sys
import textwrap
from collections.abc import Callable
from typing import NoReturn


def fail(message: str, code: int = 2) -> NoReturn:
    """Print `message` as one line on standard error and leave with exit code `code`.

    Raises:
        SystemExit: always. 2 is for wrong input, 1 for a fault of the surroundings.
    """
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def on_interrupt(message: Callable[[], str]) -> None:
    """After Ctrl-C, print one line instead of a traceback. Other errors are shown as ever.

    Args:
        message: called when it happens; returns the line.
    """

    def show(kind, error, trace):
        if issubclass(kind, KeyboardInterrupt):
            print(f"\nstopped; {message()}", file=sys.stderr)
        else:
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = show


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
