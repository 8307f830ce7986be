"""The flags that every lesson understands.

Imports nothing heavy: `--help` and a mistyped flag are answered at once.
"""

import argparse
import sys
import time
from pathlib import Path

from common.errors import fail, on_interrupt
from common.words import split_words

STARTED = time.perf_counter()  # the lesson's first import: what "total" seconds count from
ROOT = Path(__file__).resolve().parent.parent
SMALLEST_LIMIT = 100  # a tenth of fewer examples cannot hold all of ten kinds


def whole_number(at_least: int, at_most: int = 10**9):
    """Make an argparse type that takes a whole number from `at_least` to `at_most`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < at_least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {at_least}, not {text!r}"
            )
        if number > at_most:
            raise argparse.ArgumentTypeError(f"must be at most {at_most}, not {text!r}")
        return number

    return parse


def positive_number(text: str) -> float:
    """Be an argparse type for a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return number


def share(text: str) -> float:
    """Be an argparse type for a number above 0 and below 1."""
    number = positive_number(text)
    if number >= 1:
        raise argparse.ArgumentTypeError(f"must be a number below 1, not {text!r}")
    return number


def share_or_zero(text: str) -> float:
    """Be an argparse type for a number of at least 0 and below 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, not {text!r}")
    return number


def text_with_words(text: str) -> str:
    """Be an argparse type for a text that has at least one word in it."""
    if not split_words(text):
        raise argparse.ArgumentTypeError("must hold at least one word")
    return text


def in_notebook() -> bool:
    """Tell whether the code runs under a notebook kernel."""
    return "ipykernel" in sys.modules


class Parser(argparse.ArgumentParser):
    """An argument parser that reports an error in one line and knows `--debug`."""

    def __init__(self, **options):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options
        )
        self.add_argument("--debug", action="store_true", help="show where an error came from")

    def error(self, message: str):
        """Report a wrong flag in one line, with exit code 2."""
        fail(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


class LessonParser(Parser):
    """The parser of a lesson: it has the shared flags.

    Args:
        lesson: the script's name without `.py`; its runs are kept under that name.
        doc: the script's docstring, printed by `--help`.
        epochs: the default of `--epochs`.
        batch_size: the default of `--batch-size`.
        only: the back-ends that the lesson runs on, the usual one first; any if left out.
        devices: how many devices TensorFlow is to have at least.
        data: whether the lesson loads a data set; if not, it has no flags for that.
    """

    def __init__(
        self,
        lesson: str,
        doc: str | None,
        *,
        epochs: int,
        batch_size: int,
        only: tuple[str, ...] = (),
        devices: int = 1,
        data: bool = True,
    ):
        super().__init__(prog=f"{lesson}.py", description=doc)
        self.lesson, self.only, self.devices = lesson, only, devices
        self.training_flags: list[str] = []
        self.experiments: list[str] = []
        self.choice: str | None = None
        one_or_more = whole_number(1)
        self.add_training_flag(
            "--epochs",
            type=one_or_more,
            default=epochs,
            metavar="N",
            help=f"passes over the training data (default {epochs})",
        )
        self.add_training_flag(
            "--batch-size",
            type=one_or_more,
            default=batch_size,
            metavar="N",
            help=f"examples a step (default {batch_size})",
        )
        self.add_training_flag(
            "--seed",
            type=whole_number(0),
            default=42,
            metavar="N",
            help="same seed, same result (default 42)",
        )
        if data:
            self.add_data_flags()
        self.add_argument(
            "--device",
            choices=["auto", "cpu"],
            default="auto",
            help="cpu: leave GPUs alone (default auto)",
        )
        self.add_argument(
            "--out",
            type=Path,
            default=ROOT / "outputs",
            metavar="DIR",
            help="where runs are kept (default outputs/)",
        )
        self.add_argument(
            "--resume",
            nargs="?",
            const="newest",
            metavar="FOLDER",
            help="continue the newest unfinished run, or the one in FOLDER",
        )

    def add_data_flags(self) -> None:
        """Add the flags that say where the data come from and how much of it is used."""
        self.add_training_flag(
            "--limit",
            type=whole_number(SMALLEST_LIMIT),
            metavar="N",
            help="use only the first N training examples",
        )
        self.add_argument(
            "--data",
            choices=["auto", "real", "sample"],
            default="auto",
            help="real data, the built-in sample, or whichever works (default auto)",
        )
        self.add_argument(
            "--data-dir",
            type=Path,
            metavar="DIR",
            help="folder that holds the real data (default $KERAS_TUTORIAL_DATA)",
        )

    def add_training_flag(self, *names: str, **options) -> None:
        """Add a flag that changes what is trained: to resume, it must be the same again."""
        self.training_flags.append(self.add_argument(*names, **options).dest)

    def add_experiment(self, *names: str, **options) -> None:
        """Add a flag that makes a variant of the lesson: it names the run's folder too."""
        self.add_training_flag(*names, **options)
        self.experiments.append(self.training_flags[-1])

    def add_choice(self, *names: str, **options) -> None:
        """Add a flag whose value alone always begins the name of the run's folder."""
        self.add_training_flag(*names, **options)
        self.choice = self.training_flags[-1]

    def parse_args(self, args=None, namespace=None) -> argparse.Namespace:
        """Read the flags, then start Keras quietly.

        Returns:
            What `read_args` returns.
        """
        flags = self.read_args(args, namespace)
        self.start()
        return flags

    def start(self) -> None:
        """Start Keras quietly."""
        print(f"{self.lesson}: starting Keras ...", flush=True)

        from common.start import start_keras

        start_keras(self.only, self.devices, self.device)

    def read_args(self, args=None, namespace=None) -> argparse.Namespace:
        """Read the flags only.

        Under a notebook kernel the command line is the kernel's, so the defaults apply.

        Returns:
            The flags, and: `lesson` (its name), `training_flags` (the names of those that must
            not change when a run is resumed), `experiments` (name -> default of its own flags),
            `choice` (the name of the flag that was added by `add_choice`, or None).
        """
        if args is None and in_notebook():
            args = []
        flags = super().parse_args(args, namespace)
        if getattr(flags, "data", None) == "sample" and flags.data_dir:
            self.error("--data sample and --data-dir exclude each other: give one of them")
        self.device = flags.device
        flags.lesson = self.lesson
        flags.training_flags = self.training_flags
        flags.experiments = {name: self.get_default(name) for name in self.experiments}
        flags.choice = self.choice
        on_interrupt(
            lambda: "give the same command again" if flags.resume else "nothing was trained yet"
        )
        return flags


def training_values(flags: argparse.Namespace) -> dict:
    """Collect the flags that change what is trained."""
    return {name: getattr(flags, name) for name in flags.training_flags}


def variant(flags: argparse.Namespace) -> str:
    """Spell the experiments that differ from the lesson's defaults, for a folder's name.

    Returns:
        Such as `hidden-300-100_optimizer-sgd`; empty for the lesson as it stands, unless it has a
        flag that was added by `add_choice`: that one's value comes first.
    """
    parts = [getattr(flags, flags.choice)] if flags.choice else []
    for name, default in flags.experiments.items():
        value = getattr(flags, name)
        if value != default:
            values = value if isinstance(value, list) else [value]
            parts.append("-".join([name.replace("_", "-"), *map(str, values or ["none"])]))
    return "_".join(parts)
