"""The command-line flags of a lesson, derived from its default values."""

import argparse
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from common.flags import ROOT, Parser, home_path, in_notebook, real_number, some_text, whole_number

NEWEST = "newest"  # the value of `--resume` without a folder
SMALLEST_LIMIT = 100  # with fewer, a tenth could not contain all ten classes
HELP = {  # of flags that give none
    "activation": "activation function of the hidden layers",
    "epochs": "passes over the training data",
    "batch_size": "training examples per step",
    "hidden": "units in each hidden layer; no value: no hidden layer",
    "learning_rate": "step size of the optimizer",
    "models": "train only these models",
    "optimizer": "algorithm that updates the parameters",
    "patience": "stop after this many epochs without a lower validation loss",
    "seed": "random seed: the same seed gives the same result",
    "text": "your own sentence or review, classified after training",
}


class Flag(NamedTuple):
    """A lesson's flag that needs more than a default value.

    Attributes:
        default: as in `frame.lesson.Lesson`.
        help: a line for `--help`.
        at_least, at_most, below: limits of a number. Without them a whole number is at least 1,
            any other number above 0.
        choices: what it may be, if the default does not say.
        short: a second, short name, such as "-m".
        sample: the default if the data turn out to be the built-in sample: usually a smaller
            number, in a lesson that would take minutes.
        role: "variant", if a value other than the default is part of the name of the run's folder;
            "name", if its value always begins that name; "training", if it must be the same again
            to resume a run; "free", if it may change; "data", if it names the reader's own data,
            which take the place of the data set.
    """

    default: Any
    help: str = ""
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: list | None = None
    short: str = ""
    sample: Any = None
    role: str = "variant"


def plain(doc: str | None) -> str:
    """Remove Markdown's marks from a docstring, for a terminal, but not from indented code.

    Args:
        doc: None if Python was started with -OO, which removes all docstrings.
    """
    marks = r"^#+ |`|\*(?=\w)|(?<=\w)\*"
    lines = (doc or "").splitlines()
    return "\n".join(line if line[:4].isspace() else re.sub(marks, "", line) for line in lines)


class LessonParser(Parser):
    """A lesson's parser: the flags common to all lessons, plus its own.

    Args:
        name: the script's name without `.py`.
        doc: the script's docstring, printed by `--help`.
        own: the lesson's own flags and their defaults, as in `frame.lesson.Lesson`.
        data: whether the lesson loads a data set.

    Attributes:
        training: names of the flags that must not change when a run is resumed.
        defaults: defaults of the flags that name a variant of the lesson.
        on_sample: defaults on the built-in sample, of the flags that have another one there.
        leading: name of the flag whose value begins the name of a run's folder, or None.
        several: names of the flags that take some of several names.
        instead: names of the flags whose data take the place of the data set.
    """

    def __init__(self, name: str, doc: str | None, own: dict, data: bool):
        super().__init__(prog=f"{name}.py", usage="%(prog)s [options]", description=plain(doc))
        self.training: list[str] = []
        self.defaults: dict[str, Any] = {}
        self.on_sample: dict[str, Any] = {}
        self.leading: str | None = None
        self.several: list[str] = []
        self.instead: list[str] = []
        for name in filter(own.__contains__, ("epochs", "batch_size")):
            default = own.pop(name)
            flag = default if isinstance(default, Flag) else Flag(default or int)
            self.add(name, flag._replace(role="training"))
        self.add("seed", Flag(42, at_least=0, role="training"))
        if data:
            self.add(
                "limit",
                Flag(
                    int,
                    f"use only the first N training examples, N at least {SMALLEST_LIMIT}",
                    at_least=SMALLEST_LIMIT,
                    role="training",
                ),
            )
            self.add(
                "data",
                Flag(
                    ["auto", "real", "sample"],
                    "auto: real data if available, else the built-in sample",
                    role="free",
                ),
            )
            self.add(
                "data_dir", Flag(Path, "folder with the real data (default $KERAS_TUTORIAL_DATA)")
            )
        self.add("device", Flag(["auto", "cpu"], "cpu: do not use GPUs", role="free"))
        self.add("out", Flag(ROOT / "outputs", "folder for the results of runs"))
        self.add_argument(
            "--resume",
            nargs="?",
            const=NEWEST,
            type=lambda text: str(home_path(text)),  # argparse parses `const` too
            metavar="FOLDER",
            help="resume the newest unfinished run, or the one in FOLDER",
        )
        for flag, default in own.items():
            self.add(flag, default if isinstance(default, Flag) else Flag(default))

    def add(self, name: str, flag: Flag) -> None:
        """Add one flag, whose type and number of values follow from its default."""
        value, kind, options = flag.default, type(flag.default), {}
        if isinstance(value, type):  # no default
            kind, value = value, None
        limits = {"at_least": flag.at_least, "at_most": flag.at_most, "below": flag.below}
        limits = {name: limit for name, limit in limits.items() if limit is not None}
        if flag.choices:
            options = {"choices": flag.choices}
        elif kind is tuple:
            options = {"nargs": "+", "choices": value, "metavar": "NAME"}
            value = list(value)
            self.several.append(name)
        elif value == [str]:
            options, value = {"type": some_text, "nargs": "+", "metavar": "TEXT"}, None
        elif kind is list and value and isinstance(value[0], str):
            options, value = {"choices": value}, value[0]
        elif kind is bool:
            options = {"action": "store_true"}
        elif kind in (int, list):
            options = {"type": whole_number(**limits), "metavar": "N"}
            if kind is list:
                options["nargs"] = "*" if flag.at_least is None else "+"
        elif kind is float:
            options = {"type": real_number(**limits), "metavar": "X"}
        elif issubclass(kind, Path):
            options = {"type": home_path, "metavar": "PATH"}
        else:
            options = {"type": some_text, "metavar": "TEXT"}
        spelled = " ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(value, Path):
            spelled = f"{value.name}/"
        elif isinstance(value, str) and " " in value:
            spelled = f'"{value}"'
        shown = "" if value is None or value is False else f"(default {spelled})"
        if kind is tuple:
            shown = f"(any of {spelled}; default all)"
        if flag.sample is not None:
            self.on_sample[name] = flag.sample
            shown = f"{shown[:-1]}; on the sample {flag.sample})"
        text = " ".join(filter(None, [flag.help or HELP.get(name, ""), shown]))
        names = filter(None, [flag.short, "--" + name.replace("_", "-")])
        self.add_argument(*names, dest=name, default=value, help=text, **options)
        if flag.role == "data":
            self.instead.append(name)
        free = flag.role in ("free", "data") or kind in (str, bool) or issubclass(kind, Path)
        if free:
            return
        self.training.append(name)
        if flag.role == "variant":
            self.defaults[name] = value
        elif flag.role == "name":
            self.leading = name

    def parse_args(self, args=None) -> argparse.Namespace:
        """Parse the flags; under a notebook kernel those of `%run`, not those of the kernel.

        Returns:
            The flags, and as `on_sample` what those that were not given will be on the sample.
        """
        if args is None and in_notebook() and Path(sys.argv[0]).stem != Path(self.prog).stem:
            args = []
        flags = super().parse_args(args, argparse.Namespace(**dict.fromkeys(self.on_sample)))
        flags.on_sample = {n: v for n, v in self.on_sample.items() if getattr(flags, n) is None}
        for name in flags.on_sample:
            setattr(flags, name, self.get_default(name))
        for name in self.several:
            setattr(flags, name, list(dict.fromkeys(getattr(flags, name))))  # each once
        if getattr(flags, "data", None) == "sample" and getattr(flags, "data_dir", None):
            self.error("--data sample and --data-dir exclude each other: give only one of them")
        return flags
