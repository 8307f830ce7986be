"""A run of a lesson: its folder, its trainings and its record."""

import os
import platform
import re
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import import_module
from numbers import Integral
from pathlib import Path
from types import SimpleNamespace

from common import runs
from common.errors import fail, finish_first
from common.files import atomic_write, fsync, remove_leftovers, write_json
from common.fingerprint import fingerprint
from common.flags import ROOT, STARTED
from datasets import REAL, SAMPLE
from frame import resume

ROOM = 300_000_000  # bytes of free disk space: more than any lesson writes
# Characters in a folder's name; run.json has the rest. Some file systems allow 143, and Windows 259
# in a whole path.
LONGEST = 60 if os.name == "nt" else 120
SAMPLE_WARNING = (
    "*** BUILT-IN SAMPLE: small stand-in data. These are not the lesson's numbers. For the real "
    "data go online or give --data-dir DIR (notes/running.md). ***"
)


class Training:
    """One training within a run: its timer, its checkpoint and its first epoch.

    Args:
        checkpoint: path of the checkpoint.
        seed: seed of the training's random numbers.
        counter: the `EpochCounter` to update at the start of every epoch.

    Attributes:
        first_epoch: the epoch to start at: 0 unless the run is resumed.
        timer: its `EpochTimer`.
        saving: its `Checkpoints` callback, which also seeds every epoch.
        program: the `OneProgram` callback, which knows how the epochs were computed.
        board: the folder for TensorBoard's files, or None.
    """

    def __init__(self, checkpoint: Path, seed: int, counter):
        from common import checkpoints
        from common.callbacks import EpochTimer
        from common.one_program import OneProgram

        self.timer, self.board = EpochTimer(), None
        self.first_epoch = checkpoints.next_epoch(checkpoint)
        self.saving = checkpoints.Checkpoints(checkpoint, seed, counter=counter)
        self.program = OneProgram()

    def callbacks(self, *own, progress: bool = True) -> list:
        """Start the timer and return the callbacks of `frame.lesson.Lesson.callbacks`."""
        from keras.callbacks import LambdaCallback

        from common.callbacks import EpochBar, InterruptBetweenSteps

        self.saving.others = kept = [self.timer, self.program, *own]
        if self.saving.written:  # a later `fit` in this process resumes nothing
            self.first_epoch = 0
        stop = LambdaCallback(on_train_end=lambda logs: self.timer.stop())
        self.timer.start()
        bar = [EpochBar()] if progress else []
        return [*kept, *self.tensorboard(), self.saving, *bar, stop, InterruptBetweenSteps()]

    def tensorboard(self) -> list:
        """Return the callback that writes for TensorBoard, in a list that is empty without it."""
        from common.callbacks import TensorBoard

        return [TensorBoard(self.board)] if self.board else []


class Run:
    """Manages the folder `<out>/<lesson>/<date>-<time>[-variant]/` and its `run.json`.

    Args:
        lesson: the `frame.lesson.Lesson` to run.
        source: a description of the data, for a lesson that generates them.
        earlier: the record of the run to resume, see `frame.resume.find_unfinished`.

    Attributes:
        folder: the folder of this run's files.
        counter: the `EpochCounter` shared by batches and checkpoints.

    Raises:
        SystemExit: if the folder is not writable.
    """

    def __init__(self, lesson, source: str | None = None, earlier: dict | None = None):
        self.lesson, self.variant, self.read_flags = lesson.name, lesson.variant(), lesson.flags
        self.out, self.resumed = lesson.out, lesson.resume
        self.load_seconds, self.finished = 0.0, False
        self.sample_warning = SAMPLE_WARNING
        self.data_sets = {"made by the lesson": (REAL, source)} if source else {}
        backend = sys.modules["keras"].backend.backend() if lesson.keras else None
        # From the modules, not the installed packages: TensorFlow's may be tensorflow-cpu.
        names = ["keras", backend, "numpy"] if backend else ["numpy"]
        versions = {name: import_module(name).__version__ for name in names}
        self.versions = {"python": platform.python_version(), **versions}
        self.code = fingerprint(lesson.script) if lesson.script else None
        self.device = describe_device(backend)
        self.folder = earlier["folder"] if earlier else self.make_folder()
        for folder in (self.folder, self.folder.parent, self.out):
            remove_leftovers(folder)
        self.trainings: dict[str, Training] = {}
        if backend:
            from common.batches import EpochCounter

            self.counter = EpochCounter()
            self.training("")
            began_on = f"Keras {versions['keras']} on {backend} {versions[backend]}"
        else:  # `Lesson.timed_epochs` fills in the times
            self.trainings[""] = SimpleNamespace(
                first_epoch=0,
                timer=SimpleNamespace(seconds=[], total=0.0, here=0.0),
                program=SimpleNamespace(way=None),
            )
            began_on = f"NumPy {versions['numpy']}"
        print(f"{began_on}, {self.device}, seed {lesson.seed}")
        self.started = earlier.get("started") if earlier else now_in_utc()
        if earlier:
            epoch = self.trainings[""].first_epoch
            trained = any(self.folder.glob(runs.CHECKPOINT))  # a named training says so itself
            after = f" after epoch {epoch}" if epoch else "" if trained else " from the start"
            print(f"resuming {show(self.folder)}{after}")
            self.data_sets = dict(earlier.get("data_sets", {}))
            resume.tell_changes(earlier, self.versions, self.code)
        if source:
            resume.claim(self.folder)
        self.write_record(finished=False)

    def make_folder(self) -> Path:
        """Create a new folder, also if another run starts in the same second."""
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        name = "-".join(filter(None, [stamp, self.variant]))[:LONGEST]
        try:
            for attempt in range(100):
                folder = self.out / self.lesson / (f"{name}.{attempt}" if attempt else name)
                try:
                    folder.mkdir(parents=True)
                    return folder
                except FileExistsError:
                    if not folder.is_dir():
                        raise
            raise FileExistsError(f"{folder} exists already")
        except OSError as error:
            why = error.strerror or error
            fail(f"--out {self.out}: cannot write there ({why}); give another folder")

    def move(self, out: Path) -> Path:
        """Move the run and all its files to another output folder; return its new folder."""
        earlier, self.out = self.folder, out
        self.folder = self.make_folder()
        claimed = resume.release(earlier)
        shutil.copytree(earlier, self.folder, dirs_exist_ok=True)
        shutil.rmtree(earlier)
        if claimed:
            resume.claim(self.folder)
        return self.folder

    def loaded(self, name: str, data: str, source: str, seconds: float) -> None:
        """Record and print where a data set came from, with a warning if it is the sample."""
        self.load_seconds += seconds
        resume.claim(self.folder)  # only now: without data, the folder would be removed
        earlier, where = self.data_sets.get(name, (data, source))
        if self.resumed and data != earlier:
            begun = f"{show(self.folder)} was started on {earlier} data ({where})"
            fail(f"--resume: {begun}, not on {data} data; give the same --data-dir or --data")
        self.data_sets[name] = (data, source)
        print(f"data: {data}, {source}")
        self.warn_of_sample()
        self.write_record(finished=False)

    @property
    def flags(self) -> dict:
        """The current values of the flags that affect training; a notebook may change them."""
        return self.read_flags()

    @property
    def data(self) -> str | None:
        """`sample` if any data set is the built-in sample, else `real`; None before loading."""
        kinds = [data for data, _ in self.data_sets.values()]
        return SAMPLE if SAMPLE in kinds else next(iter(kinds), None)

    def warn_of_sample(self) -> None:
        """If the data are the built-in sample, warn that its numbers are not the lesson's."""
        if self.data == SAMPLE:
            print(self.sample_warning)

    def training(self, name: str, seed: int | None = None) -> Training:
        """Start one of several trainings, each with its own name and checkpoint.

        Args:
            name: the name, which becomes part of the checkpoint's file name.
            seed: seed of its random numbers; by default the run's seed.
        """
        file = self.folder / runs.CHECKPOINT.replace("*", f"-{name}" if name else "")
        seed = self.flags["seed"] if seed is None else seed
        if name not in self.trainings:
            self.trainings[name] = Training(file, seed, self.counter)
            if name and self.resumed and (epoch := self.trainings[name].first_epoch):
                print(f"{name}: continuing after epoch {epoch}")
        saving = self.trainings[name].saving
        saving.path, saving.seed = file, seed  # a notebook may have changed them
        return self.trainings[name]

    def save_model(
        self, model, history: dict, training: str, metrics: dict, classes: list[str] | None
    ) -> None:
        """Save the history, model and record of a finished run and update `runs.csv`."""
        seconds = self.trainings[training].timer.seconds
        runs.write_history(self.folder / "history.csv", history, seconds)
        if isinstance(model, dict):  # arrays by name, in a lesson without Keras
            parameters = sum(array.size for array in model.values())
            with atomic_write(self.folder / "model.npz") as temporary:
                sys.modules["numpy"].savez(temporary, **model)
        else:
            parameters = model.count_params()
            with atomic_write(self.folder / "model.keras") as temporary:
                model.save(temporary)
        values = {"epochs": len(seconds), "parameters": parameters, "classes": classes}
        values["metrics"] = {name: number(value) for name, value in metrics.items()}
        with finish_first():
            fsync(self.folder)  # files are on disk before the record says "finished"
            self.write_record(finished=True, epoch_seconds=statistics.median(seconds), **values)
            self.finished = True
            resume.release(self.folder)
            for path in self.folder.glob("checkpoint*"):
                path.unlink(missing_ok=True)
        runs.write_table(self.out)

    def write_record(self, *, finished: bool, epoch_seconds=None, **trained) -> None:
        """Write `run.json`, which exists from the start, with `finished` set to false."""
        sources = dict.fromkeys(where for _, where in self.data_sets.values())
        seconds = {"load": self.load_seconds, "epoch": epoch_seconds, "fit": self.fit_seconds()}
        earlier = seconds["fit"] - sum(one.timer.here for one in self.trainings.values())
        seconds["total"] = time.perf_counter() - STARTED + max(0, earlier)
        record = {
            "lesson": self.lesson,
            "variant": self.variant,
            "finished": finished,
            "started": self.started,  # in UTC; the folder's name has local time
            "process": {"computer": platform.node(), "number": os.getpid()},
            "data": self.data,
            "data_sets": self.data_sets,
            "source": "; ".join(sources) or None,
            "seed": self.flags["seed"],
            "flags": self.flags,
            "epochs": trained.get("epochs"),
            "parameters": trained.get("parameters"),
            "classes": trained.get("classes"),
            "metrics": trained.get("metrics", {}),
            "seconds": seconds,  # "epoch" is the median
            "trainings": {name: one.timer.total for name, one in self.trainings.items() if name},
            "execution": {
                name: one.program.way for name, one in self.trainings.items() if one.program.way
            },
            "peak_memory_mb": runs.peak_memory_mb(),
            "versions": self.versions,
            "code": self.code,  # what computed this, see `common.fingerprint`
            "device": self.device,
        }
        write_json(self.folder / "run.json", record)

    def fit_seconds(self) -> float:
        """Return the total seconds of all trainings."""
        return sum(training.timer.total for training in self.trainings.values())

    def how_to_go_on(self) -> str:
        """Return how to continue this run after an interruption."""
        if self.finished:
            return "the run itself is finished; python -m common.runs writes the table of all runs"
        flag = [] if self.resumed else ["--resume"]  # may already be in sys.argv
        return f"continue with: {spell_command(['python', *sys.argv, *flag])}"


def spell_command(words: list[str], windows: bool = os.name == "nt") -> str:
    """Quote a command for the shell; on Windows in a way that both PowerShell and cmd understand.

    For a word with a dollar, a backtick or curly quotes there is no such way: then PowerShell's.
    """

    def spell(word: str) -> str:
        if re.fullmatch(r"[\w./\\:=+-]+", word):
            return word
        if re.search("[$`\u201c-\u201e]", word):  # within "" PowerShell would read them
            return "'" + re.sub("(['\u2018-\u201b])", r"\1\1", word) + "'"
        # Backslashes before a quote, and so at the end, count double.
        doubled = re.sub(r"(\\+)(?=\"|$)", r"\1\1", word)
        return '"' + doubled.replace('"', r"\"") + '"'

    return " ".join(map(spell, words)) if windows else shlex.join(words)


def number(value) -> int | float:
    """Convert a metric to a Python number; integers stay integers."""
    return int(value) if isinstance(value, Integral) else float(value)


def now_in_utc() -> str:
    """Return the current time in UTC in ISO 8601, so that sorting the strings sorts by time."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_out(out: Path) -> None:
    """Make the folder of runs, and exit if it is not writable or its disk is nearly full.

    Better now than after an hour of training, or after Keras has taken its seconds to start.

    Raises:
        SystemExit: with code 1, if fewer than `ROOM` bytes are free; otherwise with code 2.
    """
    places = [out.absolute(), *out.absolute().parents]
    free = shutil.disk_usage(next(place for place in places if os.path.exists(place))).free
    if free < ROOM:
        remedy = f"free at least {ROOM / 1e6:.0f} MB, or give a folder on another disk"
        fail(f"--out {out}: the disk has only {free / 1e6:.1f} MB left; {remedy}", 1)
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        fail(f"--out {out}: cannot write there ({error.strerror or error}); give another folder")


def describe_device(backend: str | None) -> str:
    """Return the training device, such as `CPU (2 cores)` or `GPU (1)`; without Keras the CPU."""
    gpus = 0
    if backend == "torch":  # keras.distribution does not support PyTorch
        import keras
        import torch

        kind = keras.ops.zeros(1).device.type  # "mps" is the GPU of a Mac
        gpus = torch.cuda.device_count() if kind == "cuda" else int(kind != "cpu")
    elif backend:
        from keras import distribution

        gpus = sum(not name.lower().startswith("cpu") for name in distribution.list_devices())
    if gpus:
        return f"GPU ({gpus})"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU ({cores} cores)"


def show(path: Path) -> str:
    """Return a path relative to the working or root folder if inside it, else unchanged."""
    for base in (Path.cwd(), ROOT):
        if path.is_absolute() and path.is_relative_to(base):
            return str(path.relative_to(base))
    return str(path)
