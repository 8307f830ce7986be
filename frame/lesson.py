"""Everything around Keras in a lesson: flags, data, seed, batches, callbacks, figures, record.

Imports no large library before the flags are parsed, so that `--help` responds immediately.
"""

import contextlib
import linecache
import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from common.errors import fail, on_interrupt
from common.flags import ROOT, in_notebook
from frame.parser import Flag, LessonParser


class Lesson:
    """Parses a lesson's flags, starts and seeds Keras, and saves the results of the run.

    Each extra keyword becomes a flag, and each flag an attribute: `hidden=[128]` becomes
    `--hidden` and `lesson.hidden`. The default determines which values a flag accepts:

    - 10: an integer of at least 1
    - 0.5: a number above 0
    - ["adam", "sgd"]: one of these; the first is the default
    - ("deep", "wide"): some of these; all by default
    - [128]: whole numbers, as many as you like; with `Flag(..., at_least=1)` one or more
    - [str]: one text or more; None by default
    - int, float, str, Path: one of that type; None by default
    - a `frame.Flag` says more

    Args:
        doc: the docstring of the script, printed by `--help`.
        epochs, batch_size: defaults of these flags, which every lesson with Keras has.
        data: a description of the data, for a lesson that generates them. It then has no flags
            that select a data set. Or the `Flag` `--data` of a lesson that finds its data itself.
        keras: false if the lesson needs only NumPy. Keras, which takes seconds, is not started.
        backends: the supported back-ends, the preferred one first; by default all.
        devices: the minimum number of TensorFlow devices.
        on_flags: function called with the lesson after its flags are parsed and before Keras
            starts. It may change attributes, or act on a flag and exit.
        **own: the lesson's own flags and their defaults.

    Attributes:
        name: the script's name without `.py`; its runs are saved in `<out>/<name>/`.
        folder: the folder of this run's files.

    Raises:
        SystemExit: if a flag is invalid, there is no such folder with data, the back-end is not
            supported, the folder is not writable, or there is no run to resume.
    """

    def __init__(
        self,
        doc: str | None,
        *,
        epochs: int | Flag | None,
        batch_size: int | Flag | None = None,
        data: str | Flag | None = None,
        keras: bool = True,
        backends: tuple[str, ...] = (),
        devices: int = 1,
        on_flags: Callable[["Lesson"], None] | None = None,
        **own,
    ):
        self.script, self.keras = find_script(sys._getframe(1)), keras
        self.name = self.script.stem if self.script else "notebook"
        if keras:
            board = Flag(False, "write the curves for TensorBoard too (notes/running.md)")
            own = {"batch_size": batch_size, "tensorboard": board, **own}
        own = {"epochs": epochs, **own}
        if isinstance(data, Flag):
            own["data"] = data
        parser = LessonParser(self.name, doc, own, data=data is None)
        vars(self).update(vars(parser.parse_args()))
        self.training_flags, self.leading_flag = parser.training, parser.leading
        self.defaults = parser.defaults
        on_interrupt(
            lambda: "run the same command again" if self.resume else "nothing has been trained yet"
        )
        if on_flags:
            on_flags(self)
        own_data = any(getattr(self, name) for name in parser.instead)
        if data is None and self.data != "sample" and not own_data and not in_notebook():
            # Not in a notebook, where a later cell may name another source.
            from datasets import named_folder

            named_folder(self.data_dir)  # a mistake in it is said before Keras takes its seconds

        for line in re.findall(r"^Takes: .*$", doc or "", re.M):  # in the header of a long lesson
            print(line)

        from frame import resume

        earlier = resume.find_unfinished(self, backends) if self.resume else None
        from frame.run import Run, check_out, show, spell_command

        check_out(self.out)
        if keras:
            self.start_keras(backends, devices)
        self.run = Run(self, None if isinstance(data, Flag) else data, earlier)
        self.folder, self.drawn = self.run.folder, set()
        if keras and self.tensorboard:
            print(f"to watch: {spell_command(['tensorboard', '--logdir', show(self.folder)])}")
        on_interrupt(self.run.how_to_go_on)

    def start_keras(self, backends: tuple[str, ...], devices: int) -> None:
        """Start Keras on one of these back-ends, in the same state whatever ran before."""
        from common.startup import quiet_stderr, start_keras

        if self.tensorboard and not all(map(find_spec, ("tensorflow", "tensorboard"))):
            remedy = "run: pip install -r requirements.txt"
            fail(f"--tensorboard needs the packages tensorflow and tensorboard; {remedy}")
        print(f"{self.name}: starting Keras ...", flush=True)
        start_keras(backends, devices, self.device)
        import keras

        keras.utils.clear_session()  # layer names are numbered from the start again
        keras.config.set_dtype_policy("float32")  # likewise
        with quiet_stderr():  # imports TensorFlow, if installed, on every back-end
            keras.utils.set_random_seed(self.seed)
            if sys.modules.get("tensorflow"):  # text layers use it: find devices now
                sys.modules["tensorflow"].config.list_logical_devices()

    def __setattr__(self, name: str, value):
        """Set a flag, as in a notebook: `seed` seeds Keras again, `out` moves the run's folder."""
        super().__setattr__(name, value)
        if "run" not in vars(self):
            return
        self.on_sample.pop(name, None)  # it was chosen
        if name == "seed" and self.keras:
            sys.modules["keras"].utils.set_random_seed(value)
        elif name == "out":
            self.folder = self.run.move(Path(value))

    def flags(self, data: str | None = None) -> dict:
        """Return the flags that change what is trained: to resume, they must be the same again.

        Args:
            data: "sample" for what they will be once the sample is loaded.
        """
        flags = {name: getattr(self, name) for name in self.training_flags}
        return flags | (self.on_sample if data == "sample" else {})

    def variant(self) -> str:
        """Return the flags that differ from the defaults, for the name of the run's folder.

        Returns:
            A string such as `hidden-300-100_optimizer-sgd`. If all flags have their defaults, it
            is empty, unless the value of a flag is always part of the name.
        """
        parts = [getattr(self, self.leading_flag)] if self.leading_flag else []
        for name, default in self.defaults.items():
            value = getattr(self, name)
            if value != default:
                values = value if isinstance(value, list) else [value]
                parts.append("-".join([name.replace("_", "-"), *map(str, values or ["none"])]))
        return "_".join(parts)

    def load(self, name: str):
        """Load a data set from the source given by `--data` and `--data-dir`, cut to `--limit`.

        Returns:
            `(train_images, train_labels), (test_images, test_labels)`, or what the `datasets`
            package documents for the data set of this name.
        """
        from datasets import load_dataset
        from frame import resume

        began = time.perf_counter()
        try:
            arrays, data, source = load_dataset(name, self)
        except SystemExit:
            resume.abandon(self)
            raise
        usual = self.flags()
        vars(self).update(self.flags(data))  # before they are recorded
        self.run.loaded(name, data, source, time.perf_counter() - began)
        shorter = [
            f"--{flag.replace('_', '-')} {value} instead of {usual[flag]}"
            for flag, value in self.flags().items()
            if value != usual[flag]
        ]
        if shorter:
            print(f"on the sample: {', '.join(shorter)}")
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
        sample_weight=None,
        parts: int = 1,
    ):
        """Split arrays into batches for `fit`, `evaluate` or `predict`; the last may be smaller.

        New batches start with the order of the first epoch, unless the callbacks from `callbacks`
        set another epoch.

        Args:
            features, targets: arrays, see `common.batches.shuffled_batches`.
            batch_size: examples per batch; by default the value of the flag.
            shuffle: whether to reshuffle the examples for every epoch. Use False for validation
                and test data.
            seed: seed of the orders; by default the value of the flag.
            repeat: whether to repeat the batches endlessly, for `fit(..., steps_per_epoch=...)`.
                Faster if an epoch takes only milliseconds.
            sample_weight: weight of each example in the loss, for shuffled batches.
            parts: into how many epochs one pass over the examples is divided, if it takes long.

        Returns:
            A `tf.data.Dataset` on the TensorFlow back-end, a `keras.utils.PyDataset` on the others.
        """
        from common.batches import ordered_batches, shuffled_batches

        batch_size = batch_size or self.batch_size
        if not shuffle:
            return ordered_batches(features, targets, batch_size)
        seed = self.seed if seed is None else seed
        self.run.counter.epoch = 0
        return shuffled_batches(
            features, targets, batch_size, seed, self.run.counter, repeat, sample_weight, parts
        )

    def timed_epochs(self) -> Iterator[int]:
        """Count the epochs of a loop without Keras, from 0, and record the time of each."""
        timer = self.run.trainings[""].timer
        timer.seconds = []
        for epoch in range(self.epochs):
            began = time.perf_counter()
            yield epoch
            timer.seconds.append(time.perf_counter() - began)
        timer.total = timer.here = sum(timer.seconds)

    @property
    def first_epoch(self) -> int:
        """The epoch to start at in a lesson with one training: 0 unless the run is resumed."""
        return self.run.trainings[""].first_epoch

    def training(self, name: str, seed: int | None = None):
        """Start one of several trainings; see `frame.run.Run.training`."""
        training = self.run.training(name, seed)
        training.board = self.folder / "tensorboard" / name if self.tensorboard else None
        return training

    def callbacks(self, *own, training: str = "", seed: int | None = None, progress: bool = True):
        """Return callbacks for `fit`: the given ones, a timer, checkpoints and a progress bar.

        With `--resume`, an interrupted run continues from its checkpoint.

        Args:
            *own: callbacks whose state is saved in the checkpoint.
            training: name of the training, in a lesson with several.
            seed: seed of the training's random numbers; by default the value of the flag.
            progress: whether to show a progress bar over the epochs if `fit` has `verbose=0`.
        """
        return self.training(training, seed).callbacks(*own, progress=progress)

    def save_figure(self, name: str, figure) -> None:
        """Save a Matplotlib figure as `<name>.png` and print its path; a notebook shows it."""
        from common import plots
        from common.files import atomic_write

        with atomic_write(self.folder / f"{name}.png") as temporary:
            plots.save(figure, temporary)
        self.drawn.add(name)
        self.tell("figure", f"{name}.png")

    def save_text(self, name: str, text: str) -> None:
        """Print a text and save it as `<name>.txt`."""
        from common.files import atomic_write

        with atomic_write(self.folder / f"{name}.txt") as temporary:
            temporary.write_text(text.rstrip() + "\n", encoding="utf-8")
        print(text.rstrip())
        self.tell("text", f"{name}.txt")

    def save_table(self, name: str, table) -> None:
        """Print a DataFrame and save it as `<name>.csv`."""
        from common.files import atomic_write

        with atomic_write(self.folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
        print(table.to_string(index=False))
        self.tell("table", f"{name}.csv")

    def tell(self, what: str, file: str) -> None:
        """Print the path of a saved file."""
        from frame.run import show

        print(f"{what}: {show(self.folder / file)}")

    def finish(
        self, model, history, *, units=None, training: str = "", classes=None, **metrics: float
    ) -> None:
        """Save the model, plot its history, write the record, and print the scores.

        Args:
            model: the trained model; without Keras, a dictionary of its arrays.
            history: the return value of `fit`, or its `history` attribute.
            units: axis labels by metric, if they should differ from its name, such as
                `{"mae": "mean absolute error [MPG]"}`.
            training: the name of the model's training, in a lesson with several.
            classes: class names, in the order of the model's outputs.
            **metrics: scores and other measurements to record, such as `test_accuracy=0.88`.
        """
        from common import plots, runs

        history = getattr(history, "history", history)
        drawn = set(self.drawn)  # by the lesson's own code
        for name, figure in plots.history(history, units, drawn).items():
            self.save_figure(name, figure)
        seconds = self.run.trainings[training].timer.seconds
        if self.keras:
            self.save_figure("epoch_times", plots.epoch_times(seconds))
        self.drawn = drawn
        self.run.save_model(model, history, training, metrics, classes)
        print("\n" + ", ".join(f"{name} {runs.short(value)}" for name, value in metrics.items()))
        print(f"{self.run.fit_seconds():.1f} s of training", end=", ")
        self.tell("record", "run.json")
        self.run.warn_of_sample()


def find_script(frame) -> Path | None:
    """Return the path of a frame's script; in a notebook, of the script with the same cell."""
    if file := frame.f_globals.get("__file__"):
        return Path(file)
    cell = "".join(linecache.getlines(frame.f_code.co_filename))
    found = re.search(r"^lesson = Lesson\(.*?\)(  #[^\n]*)?$", cell, re.M | re.S)
    for path in [*ROOT.glob("*.py"), *ROOT.glob("*/*.py")] if found else []:
        if f"\n{found[0]}\n" in path.read_text(encoding="utf-8"):
            return path
    return None


@contextlib.contextmanager
def expect_error(*kinds: type[Exception]) -> Iterator[None]:
    """Print the error that the block raises, in one line, and continue.

    Raises:
        AssertionError: if the block raises no error, though the lesson promises one.
    """
    try:
        yield
    except kinds as error:
        text = textwrap.shorten(str(error), 200, placeholder=" ...")
        print(f"{type(error).__name__}: {text}")
    else:
        raise AssertionError(f"expected one of {kinds}, and nothing was raised")
