"""One run of a lesson: its seed, its data, its folder, and the record that it leaves."""

import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import keras

from common import checkpoints, plots, runs
from common.callbacks import EpochTimer
from common.checkpoints import Checkpoints
from common.cli import ROOT, STARTED, training_values, variant
from common.datasets import REAL, SAMPLE, load_dataset
from common.errors import fail, finish_first, on_interrupt
from common.files import atomic_write, fsync, remove_leftovers, write_json
from common.memory import peak_memory_mb
from common.start import quiet_stderr

ROOM = 300_000_000  # bytes: more than any lesson writes


class Training:
    """One training within a run: its clock, its checkpoint, and where it goes on.

    Args:
        checkpoint: the file that a stopped run goes on from.
        seed: what the random numbers of every epoch are drawn from.

    Attributes:
        first_epoch: 0, or the epoch that a resumed run goes on with.
    """

    def __init__(self, checkpoint: Path, seed: int):
        self.checkpoint, self.seed = checkpoint, seed
        self.first_epoch = checkpoints.next_epoch(checkpoint)
        self.timer = EpochTimer()

    def callbacks(self, *others) -> list:
        """Return timer, the lesson's own callbacks and checkpoints; the clock starts now."""
        kept = [self.timer, *others]
        stop = keras.callbacks.LambdaCallback(on_train_end=lambda logs: self.timer.stop())
        self.timer.start()
        return [*kept, Checkpoints(self.checkpoint, self.seed, kept), stop]


class Run:
    """Seeds everything, owns `<out>/<lesson>/<date>-<time>[-variant]/` and says what it does.

    Args:
        flags: what `LessonParser.parse_args` returned.
        source: where the data are, in a lesson that does not load a data set.

    Attributes:
        folder: where this run's files go.

    Raises:
        SystemExit: if the folder cannot be written or there is nothing to resume.
    """

    def __init__(self, flags, source: str | None = None):
        self.flags = flags
        self.load_seconds, self.finished = 0.0, False
        self.data_sets = {"made by the lesson": (REAL, source)} if source else {}
        check_room(flags.out)
        self.folder = find_unfinished(flags) if flags.resume else make_folder(flags)
        self.earlier = read_record(self.folder) if flags.resume else None
        for folder in (self.folder, self.folder.parent, flags.out):
            remove_leftovers(folder)
        self.trainings: dict[str, Training] = {}
        self.training("")
        self.versions = {
            "python": platform.python_version(),
            **{name: version(name) for name in ("keras", backend_package(), "numpy")},
        }
        self.device = describe_device()

        keras.utils.clear_session()  # layers are numbered from the start, whatever ran before
        keras.config.set_dtype_policy("float32")  # likewise
        with quiet_stderr():  # it imports TensorFlow, if installed, on every back-end
            keras.utils.set_random_seed(flags.seed)
            if "tensorflow" in sys.modules:  # text layers use it: let it look for devices now
                sys.modules["tensorflow"].config.list_logical_devices()
        print(
            f"Keras {self.versions['keras']} on {backend_package()} "
            f"{self.versions[backend_package()]}, {self.device}, seed {flags.seed}"
        )
        if self.earlier:
            print(f"going on with {show(self.folder)}")
            self.data_sets = dict(self.earlier.get("data_sets", {}))
            self.tell_new_versions()
        self.write_record(finished=False)
        on_interrupt(self.how_to_go_on)

    def tell_new_versions(self) -> None:
        """Say so if a resumed run was begun with other versions: its end may differ then."""
        for name, now in self.versions.items():
            then = self.earlier["versions"].get(name)
            if then != now:
                print(
                    f"note: begun with {name} {then}, now it is {now}: the last digits may differ"
                )

    def load_dataset(self, name: str):
        """Load a data set by the flags `--data`, `--data-dir` and `--limit`.

        Returns:
            What `common.datasets.load_dataset` returns for this name.
        """
        began = time.perf_counter()
        try:
            arrays, data, source = load_dataset(name, self.flags)
        except SystemExit:
            if not self.flags.resume:  # a run that could not start leaves nothing
                shutil.rmtree(self.folder)
            raise
        self.load_seconds += time.perf_counter() - began
        earlier, where = self.data_sets.get(name, (data, source))
        if data != earlier:
            fail(
                f"--resume: {show(self.folder)} was started on {earlier} data ({where}), not on "
                f"{data} data; give the same --data-dir or --data"
            )
        self.data_sets[name] = (data, source)
        print(f"data: {data}, {source}")
        self.warn_of_sample()
        self.write_record(finished=False)
        return arrays

    @property
    def data(self) -> str | None:
        """`sample` if any of the data sets is the built-in sample, else `real`; None before."""
        kinds = [data for data, _ in self.data_sets.values()]
        return SAMPLE if SAMPLE in kinds else next(iter(kinds), None)

    @property
    def source(self) -> str | None:
        """Where the data sets are from; None before they are loaded."""
        return "; ".join(dict.fromkeys(where for _, where in self.data_sets.values())) or None

    def warn_of_sample(self) -> None:
        """Say loudly that the numbers are not the lesson's, if they come from the sample."""
        if self.data == SAMPLE:
            print(
                "*** BUILT-IN SAMPLE: small stand-in data. These are not the lesson's numbers. "
                "For the real data go online or give --data-dir DIR (README, Data). ***"
            )

    def training(self, name: str, seed: int | None = None) -> Training:
        """Begin one training of several: each has a name, and a checkpoint of its own.

        Args:
            name: part of the checkpoint's name.
            seed: what its random numbers are drawn from; the run's seed if left out.
        """
        file = runs.CHECKPOINT.replace("*", f"-{name}" if name else "")
        seed = self.flags.seed if seed is None else seed
        self.trainings[name] = Training(self.folder / file, seed)
        return self.trainings[name]

    @property
    def first_epoch(self) -> int:
        """0, or the epoch that a resumed run goes on with, in a lesson of one training."""
        return self.trainings[""].first_epoch

    def callbacks(self, *others) -> list:
        """Return the lesson's own callbacks followed by the run's: timer and checkpoints."""
        return self.trainings[""].callbacks(*others)

    def save_figure(self, name: str, figure) -> None:
        """Write a matplotlib figure as `<name>.png` and say where."""
        path = self.folder / f"{name}.png"
        with atomic_write(path) as temporary:
            plots.save(figure, temporary)
        print(f"figure: {show(path)}")

    def save_text(self, name: str, text: str) -> None:
        """Print a text and write it as `<name>.txt`."""
        path = self.folder / f"{name}.txt"
        with atomic_write(path) as temporary:
            temporary.write_text(text.rstrip() + "\n", encoding="utf-8")
        print(f"{text.rstrip()}\ntext: {show(path)}")

    def save_table(self, name: str, table) -> None:
        """Print a pandas table and write it as `<name>.csv`."""
        path = self.folder / f"{name}.csv"
        with atomic_write(path) as temporary:
            table.to_csv(temporary, index=False)
        print(f"{table.to_string(index=False)}\ntable: {show(path)}")

    def save(self, model, history: dict, units=None, training: str = "", **metrics: float) -> None:
        """Write what a finished run leaves: model, history, curves, record; then say where.

        Args:
            model: the trained model.
            history: a list of values, one an epoch, for the loss and every metric, as the
                attribute `history` of what `fit` returns.
            units: the curves' axis labels by metric, where the metric's name does not do.
            training: the name of the model's training, where a lesson has several.
            **metrics: figures to record: those of the test set, such as `test_accuracy=0.88`, and
                what else the lesson measured.
        """
        seconds = self.trainings[training].timer.seconds
        for name, figure in plots.history(history, units).items():
            self.save_figure(name, figure)
        self.save_figure("epoch_times", plots.epoch_times(seconds))
        runs.write_history(self.folder / "history.csv", history, seconds)
        with atomic_write(self.folder / "model.keras") as temporary:
            model.save(temporary)
        with finish_first():
            fsync(self.folder)  # what the record vouches for is on the disk before it
            self.write_record(
                finished=True,
                epochs=len(seconds),
                epoch_seconds=statistics.median(seconds),
                parameters=model.count_params(),
                metrics={name: float(value) for name, value in metrics.items()},
            )
            self.finished = True
            for path in self.folder.glob("checkpoint*"):
                path.unlink(missing_ok=True)
        runs.write_table(self.flags.out)
        print("\n" + ", ".join(f"{name} {runs.short(value)}" for name, value in metrics.items()))
        print(f"{self.fit_seconds():.1f} s of training, record: {show(self.folder / 'run.json')}")
        self.warn_of_sample()

    def write_record(
        self, *, finished: bool, epochs=None, epoch_seconds=None, parameters=None, metrics=None
    ) -> None:
        """Write `run.json`. It is there, unfinished, from the start."""
        write_json(
            self.folder / "run.json",
            {
                "lesson": self.flags.lesson,
                "variant": variant(self.flags),
                "finished": finished,
                "process": {"computer": platform.node(), "number": os.getpid()},
                "data": self.data,
                "data_sets": self.data_sets,
                "source": self.source,
                "seed": self.flags.seed,
                "flags": training_values(self.flags),
                "epochs": epochs,
                "parameters": parameters,
                "metrics": metrics or {},
                "seconds": {
                    "load": self.load_seconds,
                    "epoch": epoch_seconds,  # the median
                    "fit": self.fit_seconds(),
                    "total": time.perf_counter() - STARTED,
                },
                "trainings": {  # the seconds of each, where a lesson has several
                    name: training.timer.total for name, training in self.trainings.items() if name
                },
                "peak_memory_mb": peak_memory_mb(),
                "versions": self.versions,
                "device": self.device,
            },
        )

    def fit_seconds(self) -> float:
        """Add up the seconds of all trainings."""
        return sum(training.timer.total for training in self.trainings.values())

    def how_to_go_on(self) -> str:
        """Say how to continue this run after it was stopped."""
        if self.finished:
            return "the run itself is finished; python -m common.runs writes the table of all runs"
        resume = [] if self.flags.resume else ["--resume"]  # it may be among the words already
        join = subprocess.list2cmdline if os.name == "nt" else shlex.join
        return "go on with: " + join(["python", *sys.argv, *resume])


def make_folder(flags) -> Path:
    """Make a new folder for a run; two runs that start in one second get two."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    name = "-".join(filter(None, [stamp, variant(flags)]))
    try:
        for attempt in range(100):
            folder = flags.out / flags.lesson / (f"{name}.{attempt}" if attempt else name)
            try:
                folder.mkdir(parents=True)
                return folder
            except FileExistsError:
                if not folder.is_dir():
                    raise
        raise FileExistsError(f"{folder} exists already")
    except OSError as error:
        fail(
            f"--out {flags.out}: cannot write there ({error.strerror or error}); "
            "give a folder that you may write to"
        )


def check_room(out: Path) -> None:
    """Fail if the disk is nearly full: better now than after an hour of training."""
    places = [out.absolute(), *out.absolute().parents]
    place = next(folder for folder in places if os.path.exists(folder))
    free = shutil.disk_usage(place).free
    if free < ROOM:
        fail(
            f"--out {out}: the disk has only {free / 1e6:.1f} MB left; free at least "
            f"{ROOM / 1e6:.0f} MB, or give a folder on another disk",
            1,
        )


def find_unfinished(flags) -> Path:
    """Find the run that `--resume` means and check that the flags are those it began with."""
    if flags.resume == "newest":
        unfinished = [
            record
            for record in runs.all_runs(flags.out)
            if (record["lesson"], record["variant"], record["finished"])
            == (flags.lesson, variant(flags), False)
        ]
        found = [record for record in unfinished if not runs.is_live(record)]
        if unfinished and not found:
            live = unfinished[-1]
            fail(
                f"--resume: {show(live['folder'])} is still being trained, by process "
                f"{live['process']['number']}; wait for its end. If that is another program, "
                f"give --resume {show(live['folder'])}"
            )
        if not found:
            fail(
                f"--resume: no unfinished run of this variant in "
                f"{show(flags.out / flags.lesson)}; "
                "start it without --resume"
            )
        same = [record for record in found if record["flags"] == training_values(flags)] or found
        folder = runs.most_advanced(same)["folder"]
    else:
        folder = Path(flags.resume)
        if not os.path.isfile(folder / "run.json"):
            fail(f"--resume {folder}: holds no run.json; give the folder of a run")
    record = read_record(folder)
    if record["lesson"] != flags.lesson:
        fail(f"--resume {folder}: is a run of {record['lesson']}, not of {flags.lesson}")
    if record["finished"]:
        fail(f"--resume {folder}: that run is finished; start a new one without --resume")
    if backend_package() not in record["versions"]:
        fail(
            f"--resume: {show(folder)} was started on another back-end than {backend_package()} "
            f"({', '.join(record['versions'])}); set KERAS_BACKEND as it was"
        )
    for name, value in training_values(flags).items():
        if value != record["flags"].get(name):
            flag = "--" + name.replace("_", "-")
            fail(
                f"--resume: {show(folder)} was started with {flag} {record['flags'].get(name)}, "
                f"not {value}; give the same flags, or name another run's folder"
            )
    return folder


def read_record(folder: Path) -> dict:
    """Read the record of the run to go on with; fail if it is damaged."""
    try:
        return runs.read_record(folder)
    except runs.DamagedRecordError as error:
        fail(f"--resume: {error}")


def backend_package() -> str:
    """Name the package of the back-end that Keras uses: tensorflow, jax or torch."""
    return keras.backend.backend()


def describe_device() -> str:
    """Name the device that trains, such as `CPU (2 cores)` or `GPU (1)`."""
    if backend_package() == "torch":  # keras.distribution does not know PyTorch
        import torch

        gpus = torch.cuda.device_count()
    else:
        gpus = sum(not name.lower().startswith("cpu") for name in keras.distribution.list_devices())
    if gpus:
        return f"GPU ({gpus})"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU ({cores} cores)"


def show(path: Path) -> str:
    """Spell a path from the working folder if it lies below it, else in full."""
    for base in (Path.cwd(), ROOT):
        if path.is_absolute() and path.is_relative_to(base):
            return str(path.relative_to(base))
    return str(path)
