"""Command-line flags, derived from a lesson's default values.

Imports no large library, so that `--help` and a mistyped flag are answered immediately.
"""

import argparse
import os
import re
import sys
import time
from pathlib import Path

from common.errors import fail

STARTED = time.perf_counter()  # start of the lesson's "total" seconds
ROOT = Path(__file__).resolve().parent.parent


def whole_number(at_least: int = 1, at_most: int = 10**9):
    """Return an argparse type for integers from `at_least` to `at_most`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = at_least - 1
        if number < at_least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {at_least}, not {text!r}"
            )
        if number > at_most:
            raise argparse.ArgumentTypeError(f"must be at most {at_most}, not {text!r}")
        return number

    return parse


def real_number(at_least: float | None = None, below: float = float("inf")):
    """Return an argparse type for numbers above 0, or of at least `at_least`."""
    limit = "above 0" if at_least is None else f"of at least {at_least:g}"
    limit += f" and below {below:g}" * (below < float("inf"))

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        low_enough = number > 0 if at_least is None else number >= at_least
        if not (low_enough and number < below):
            raise argparse.ArgumentTypeError(f"must be a number {limit}, not {text!r}")
        return number

    return parse


def some_text(text: str) -> str:
    """Return the text if it contains at least one word."""
    if not re.search(r"\w", text):
        raise argparse.ArgumentTypeError("must contain at least one word")
    return text


def home_path(text: str) -> Path:
    """Parse a path and expand `~`, which the shell leaves alone in `--out=~/runs`.

    An empty path, as from an unset variable, is an error and not the working folder.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must be a path, not {text!r}")
    return Path(os.path.expanduser(text))


def in_notebook() -> bool:
    """Return whether the code runs in a notebook kernel."""
    return "ipykernel" in sys.modules


class Parser(argparse.ArgumentParser):
    """An argument parser that has `--debug` and reports errors in one line."""

    def __init__(self, **options):
        super().__init__(
            # As wide as the docstrings, so that most flags fit on one line.
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100),
            allow_abbrev=False,
            **options,
        )
        self.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def error(self, message: str):
        """Report an invalid flag in one line and exit with code 2."""
        fail(f"{message.removeprefix('argument ')} (see {self.prog} --help)")
