"""What surrounds Keras in a lesson: flags, data, seed, batches, callbacks, figures, record.

Imports nothing heavy before the flags are read, so that `--help` answers at once.
"""

import contextlib
import linecache
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from common.errors import on_interrupt
from common.flags import ROOT, Flag, LessonParser  # noqa: F401  Flag: for lessons


class Lesson:
    """Reads a lesson's flags, starts Keras, seeds it, and keeps what the run leaves.

    Every keyword of the lesson's own becomes a flag, and every flag an attribute: `hidden=[128]`
    becomes `--hidden` and `lesson.hidden`. What a flag takes follows from its default:

    - 10: a whole number of at least 1
    - 0.5: a number above 0
    - ["adam", "sgd"]: one of these; the first is the default
    - ("deep", "wide"): some of these; all by default
    - [128]: whole numbers, as many as you like
    - [str]: one text or more; None by default
    - int, float, str, Path: one of that type; None by default
    - a `common.flags.Flag` says more

    Args:
        doc: the docstring of the script; `--help` prints it.
        epochs, batch_size: defaults of these flags, which every lesson has.
        data: where the data are from, in a lesson that loads no data set and so has no flags
            for one.
        backends: the back-ends that the lesson runs on, the usual one first; any if left out.
        devices: how many devices TensorFlow is to have at least.
        on_flags: is called with the lesson when the flags are read, before Keras starts: to change
            an attribute, or to do what another flag asks for and exit.
        **own: the lesson's own flags and their defaults.

    Attributes:
        name: the script's name without `.py`; runs are kept in `<out>/<name>/`.
        folder: where this run's files go.

    Raises:
        SystemExit: if a flag is wrong, the back-end does not suit, the folder cannot be written, or
            there is nothing to resume.
    """

    def __init__(
        self,
        doc: str | None,
        *,
        epochs: int | None,
        batch_size: int,
        data: str | None = None,
        backends: tuple[str, ...] = (),
        devices: int = 1,
        on_flags: Callable[["Lesson"], None] | None = None,
        **own,
    ):
        self.name = script_name(sys._getframe(1))
        own = {"epochs": epochs, "batch_size": batch_size, **own}
        parser = LessonParser(self.name, doc, own, data=data is None)
        vars(self).update(vars(parser.parse_args()))
        self.training_flags, self.leading_flag = parser.training, parser.leading
        self.defaults = parser.defaults
        on_interrupt(
            lambda: "give the same command again" if self.resume else "nothing was trained yet"
        )
        if on_flags:
            on_flags(self)

        from common import resume
        from common.startup import chosen_backend, quiet_stderr, start_keras

        backend, _ = chosen_backend(*backends[:1])
        earlier = resume.find_unfinished(self, backend) if self.resume else None
        print(f"{self.name}: starting Keras ...", flush=True)
        start_keras(backends, devices, self.device)
        import keras

        from common.run import Run

        keras.utils.clear_session()  # layers are numbered from the start, whatever ran before
        keras.config.set_dtype_policy("float32")  # likewise
        with quiet_stderr():  # it imports TensorFlow, if installed, on every back-end
            keras.utils.set_random_seed(self.seed)
            if "tensorflow" in sys.modules:  # text layers use it: let it look for devices now
                sys.modules["tensorflow"].config.list_logical_devices()
        self.run = Run(self, data, earlier)
        self.folder, self.drawn = self.run.folder, set()
        on_interrupt(self.run.how_to_go_on)

    def __setattr__(self, name: str, value):
        """Change a flag, as a notebook does: a new seed seeds Keras, `out` moves the run there."""
        super().__setattr__(name, value)
        if name == "seed" and "run" in vars(self):
            sys.modules["keras"].utils.set_random_seed(value)
        elif name == "out" and "run" in vars(self):
            self.folder = self.run.move(Path(value))

    def flags(self) -> dict:
        """Return the flags that change what is trained: to resume, they must be the same again."""
        return {name: getattr(self, name) for name in self.training_flags}

    def variant(self) -> str:
        """Spell what differs from the lesson's defaults, for the name of the run's folder.

        Returns:
            Such as `hidden-300-100_optimizer-sgd`; empty for the lesson as it stands, unless a
            flag's value always begins the name.
        """
        parts = [getattr(self, self.leading_flag)] if self.leading_flag else []
        for name, default in self.defaults.items():
            value = getattr(self, name)
            if value != default:
                values = value if isinstance(value, list) else [value]
                parts.append("-".join([name.replace("_", "-"), *map(str, values or ["none"])]))
        return "_".join(parts)

    def load(self, name: str):
        """Load a data set from where `--data` and `--data-dir` say, no more of it than `--limit`.

        Returns:
            `(train_images, train_labels), (test_images, test_labels)` or whatever
            `datasets` says of the data set of this name.
        """
        from datasets import load_dataset

        began = time.perf_counter()
        try:
            arrays, data, source = load_dataset(name, self)
        except SystemExit:
            if not self.resume:  # a run that could not start leaves nothing
                shutil.rmtree(self.folder)
            raise
        self.run.loaded(name, data, source, time.perf_counter() - began)
        return arrays

    def batches(
        self,
        features,
        targets,
        batch_size: int | None = None,
        *,
        shuffle: bool = True,
        seed: int | None = None,
        repeat: bool = False,
    ):
        """Cut arrays into batches for `fit`, `evaluate` or `predict`; the last may be smaller.

        A loop over new batches begins with the order of the first epoch, unless `callbacks` say
        otherwise.

        Args:
            features, targets: arrays, see `common.batches.shuffled_batches`.
            batch_size: examples in a batch; that of the flag if left out.
            shuffle: visit the examples in a new random order in every epoch. If false, in their
                own order: for validation and test.
            seed: what the orders are drawn from; that of the flag if left out.
            repeat: go on without end, for `fit(..., steps_per_epoch=...)`; faster where an epoch
                takes milliseconds.

        Returns:
            A `tf.data.Dataset` on the TensorFlow back-end, a `keras.utils.PyDataset` on the others.
        """
        from common.batches import ordered_batches, shuffled_batches

        batch_size = batch_size or self.batch_size
        if not shuffle:
            return ordered_batches(features, targets, batch_size)
        seed = self.seed if seed is None else seed
        self.run.counter.epoch = 0
        return shuffled_batches(features, targets, batch_size, seed, self.run.counter, repeat)

    @property
    def first_epoch(self) -> int:
        """0, or the epoch that a resumed run goes on with, in a lesson with one training."""
        return self.run.trainings[""].first_epoch

    def training(self, name: str, seed: int | None = None):
        """Begin one training of several: see `common.run.Run.training`."""
        return self.run.training(name, seed)

    def callbacks(self, *own, training: str = "", seed: int | None = None, progress: bool = True):
        """Return callbacks for `fit`: the lesson's own, a timer, checkpoints, a progress bar.

        A run that was stopped goes on from its checkpoint with `--resume`.

        Args:
            own: callbacks whose state is part of the checkpoint.
            training: a name, in a lesson with several trainings.
            seed: what random numbers are drawn from; that of the flag if left out.
            progress: show a bar over the epochs, if `verbose=0` and so `fit` itself shows nothing.
        """
        return self.training(training, seed).callbacks(*own, progress=progress)

    def save_figure(self, name: str, figure) -> None:
        """Write a matplotlib figure as `<name>.png` and say where; a notebook shows it."""
        from common import plots
        from common.files import atomic_write

        with atomic_write(self.folder / f"{name}.png") as temporary:
            plots.save(figure, temporary)
        self.drawn.add(name)
        self.tell("figure", f"{name}.png")

    def save_text(self, name: str, text: str) -> None:
        """Print a text and write it as `<name>.txt`."""
        from common.files import atomic_write

        with atomic_write(self.folder / f"{name}.txt") as temporary:
            temporary.write_text(text.rstrip() + "\n", encoding="utf-8")
        print(text.rstrip())
        self.tell("text", f"{name}.txt")

    def save_table(self, name: str, table) -> None:
        """Print a pandas table and write it as `<name>.csv`."""
        from common.files import atomic_write

        with atomic_write(self.folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)
        print(table.to_string(index=False))
        self.tell("table", f"{name}.csv")

    def tell(self, what: str, file: str) -> None:
        """Say where a file is."""
        from common.run import show

        print(f"{what}: {show(self.folder / file)}")

    def finish(
        self, model, history, *, units=None, training: str = "", classes=None, **metrics: float
    ) -> None:
        """Save the model, draw its history, write the record, and print the scores.

        Args:
            model: the trained model.
            history: what `fit` returned, or its attribute `history`.
            units: axis labels by metric, where the metric's name does not do, such as
                `{"mae": "mean absolute error [MPG]"}`.
            training: the name of the model's training, in a lesson with several.
            classes: what the classes are called, in the order of the model's outputs.
            **metrics: scores to record, such as `test_accuracy=0.88`, and what else was measured.
        """
        from common import plots, runs

        history = getattr(history, "history", history)
        drawn = set(self.drawn)  # by the lesson itself
        for name, figure in plots.history(history, units, drawn).items():
            self.save_figure(name, figure)
        seconds = self.run.trainings[training].timer.seconds
        self.save_figure("epoch_times", plots.epoch_times(seconds))
        self.drawn = drawn
        self.run.save_model(model, history, training, metrics, classes)
        print("\n" + ", ".join(f"{name} {runs.short(value)}" for name, value in metrics.items()))
        print(f"{self.run.fit_seconds():.1f} s of training", end=", ")
        self.tell("record", "run.json")
        self.run.warn_of_sample()


def script_name(frame) -> str:
    """Name the script that a frame belongs to; in a notebook the one that has the same cell."""
    if file := frame.f_globals.get("__file__"):
        return Path(file).stem
    cell = "".join(linecache.getlines(frame.f_code.co_filename))
    found = re.search(r"^lesson = Lesson\(.*?\)$", cell, re.M | re.S)
    for path in [*ROOT.glob("*.py"), *ROOT.glob("*/*.py")] if found else []:
        if f"\n{found[0]}\n" in path.read_text(encoding="utf-8"):
            return path.stem
    return "notebook"


@contextlib.contextmanager
def expect_error(*kinds: type[Exception]) -> Iterator[None]:
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
