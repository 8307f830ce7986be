"""Lessons as notebooks: their cells run in one namespace, some of them more than once."""

import json
import linecache
import re
import sys
from copy import copy
from types import ModuleType, SimpleNamespace

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import (
    ALL_LESSONS,
    AUTO_MPG,
    FASHION,
    LEARNING_RATE,
    MNIST,
    NEURON,
    PROJECTS,
    REGULARIZATION,
    ROOT,
    TRAINING_LOOP,
    TUNING,
    XOR,
    run_lesson,
    save_empty,
)

from common import callbacks, checkpoints
from common.runs import read_history

SET = 'lesson.data, lesson.limit, lesson.epochs = "sample", 300, 2'  # in a cell below the first


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A function that opens a lesson in a kernel, whose command line is not the lesson's."""
    kernel = ["ipykernel_launcher.py", "-f", "kernel.json", "--f=/tmp/kernel.json"]
    monkeypatch.setattr(sys, "argv", [*kernel, "--HistoryManager.enabled=False"])
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setattr("frame.parser.ROOT", tmp_path)  # it runs in outputs/ below
    monkeypatch.setattr("common.plots.save", save_empty)
    monkeypatch.setattr("pandas.plotting.scatter_matrix", lambda *_, **__: None)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield Notebook
    plt.close("all")  # `save_empty` leaves them open, as a notebook does
    keras.config.set_dtype_policy("float32")


class Notebook:
    """The cells of a lesson, and `names`, its global variables."""

    def __init__(self, script: str):
        text = (ROOT / script).read_text()
        self.script, self.names = script, {"__name__": "__main__", "__doc__": "interactive"}
        parts = re.split(r"^# %%", text, flags=re.M)[1:]
        self.cells, step = {}, 0  # by step; 0: before the first
        for part in parts:
            title, _, source = part.partition("\n")
            if "[markdown]" in title:
                step = int((re.findall(r"^# ## (\d)", source, re.M) or [step])[-1])
            else:
                self.cells.setdefault(step, []).append(source)

    def run(self, *steps: int):
        """Run the cells of some steps, by default all in order; return the global variables."""
        for step in steps or sorted(self.cells):
            for number, source in enumerate(self.cells[step]):
                self.run_text(source, f"<{self.script}, step {step}, cell {number}>")
            if step == 0:
                self.run_text(SET)
        return SimpleNamespace(**self.names)

    def run_text(self, source: str, name="<cell>"):
        """Run a cell that a user typed."""
        linecache.cache[name] = len(source), None, source.splitlines(True), name
        exec(compile(source, name, "exec"), self.names)


def weights(names) -> list[np.ndarray]:
    return names.model.get_weights()


def equal(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_fresh_model_is_a_new_training(notebook):
    cells = notebook(FASHION)
    first = cells.run()
    before = weights(first)
    cells.run_text("keras.utils.set_random_seed(lesson.seed)")
    again = cells.run(3, 4, 5)
    assert again.history.epoch == [0, 1] and again.history.history == first.history.history
    assert equal(weights(again), before)
    cells.run_text("lesson.hidden, lesson.epochs = [16], 3")  # another architecture
    assert cells.run(3, 4, 5, 6, 7).history.epoch == [0, 1, 2]
    assert len(read_history(again.lesson.folder)["loss"]) == 3


@pytest.mark.parametrize(
    "script",
    # Of mnist/ memory is measured, so it does not keep the arrays that it has split.
    # Lesson 00 has nothing to prepare.
    [
        pytest.param(script, marks=[] if script in (FASHION, AUTO_MPG) else pytest.mark.slow)
        for script in [*ALL_LESSONS, *PROJECTS]
        if script not in (MNIST, NEURON)
    ],
)
def test_prepare_twice_gives_the_same_data(notebook, script):
    cells = notebook(script)
    names = vars(cells.run(0, 1, 2))
    kinds = np.ndarray, list, pd.DataFrame
    first = {name: copy(value) for name, value in names.items() if isinstance(value, kinds)}
    again = vars(cells.run(2))
    assert {name: len(again[name]) for name in first} == {name: len(first[name]) for name in first}
    for name in first:
        if isinstance(first[name], np.ndarray) and first[name].dtype != object:
            np.testing.assert_array_equal(again[name], first[name], err_msg=name)


def test_fit_again_goes_on_with_the_same_model(notebook):
    cells = notebook(AUTO_MPG)
    loss = cells.run().history.history["loss"]
    cells.run_text("lesson.epochs = 3")
    again = cells.run(5, 6, 7)
    assert again.history.epoch == [0, 1, 2] and again.history.history["loss"][0] < loss[-1]
    history = read_history(again.lesson.folder)
    assert history["loss"] == pytest.approx(again.history.history["loss"])
    record = json.loads((again.lesson.folder / "run.json").read_text())
    assert record["finished"] and record["epochs"] == 3


def test_interrupted_fit_begins_a_new_history(notebook, monkeypatch):
    cells = notebook(AUTO_MPG)
    cells.run(0, 1, 2, 3, 4)
    monkeypatch.setattr(checkpoints, "EVERY", 0)

    def stop_in_second_epoch(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks.InterruptBetweenSteps, "on_epoch_begin", stop_in_second_epoch)
        cells.run(5)
    (interrupted,) = cells.names["model"].history.history["loss"]
    again = cells.run(5, 6, 7).history
    assert again.epoch == [0, 1] and interrupted > again.history["loss"][0]


def test_several_trainings_twice(notebook):
    cells = notebook(REGULARIZATION)
    cells.run(0)
    cells.run_text('lesson.models = ["baseline"]')
    curves = cells.run(1, 2, 3, 4, 5).curves
    cells.run_text("lesson.epochs = 1")
    again = cells.run(3, 4, 5).curves["baseline"]
    assert again == {name: values[:1] for name, values in curves["baseline"].items()}


def test_own_loop_twice(notebook):
    cells = notebook(TRAINING_LOOP)
    first = cells.run(0, 1, 2, 3, 4, 5)
    before, history = weights(first), first.model.history.history
    again = cells.run(3, 4, 5)
    assert equal(weights(again), before) and again.model.history.history == history
    assert again.model.history.epoch == [0, 1]


def test_flag_set_in_a_cell_is_kept_on_the_sample(notebook, capsys):
    cells = notebook(TUNING)
    cells.run(0)  # it sets `epochs`
    names = cells.run(1)
    assert names.lesson.epochs == 2 and names.lesson.trials < 30
    assert f"--trials {names.lesson.trials} instead of 30" in capsys.readouterr().out
    cells.run_text("lesson.trials = 30")
    assert cells.run(1).lesson.trials == 30


def test_lesson_without_keras_twice(notebook):
    cells = notebook(NEURON)
    first = cells.run()
    assert first.lesson.name == "00_neuron_to_backpropagation"
    cells.run_text("lesson.seed, lesson.epochs = 43, 3")
    again = cells.run(3, 4, 5, 6, 7)
    assert len(first.losses) == 2 and len(again.losses) == 3
    assert read_history(again.lesson.folder)["loss"] == again.losses
    record = json.loads((again.lesson.folder / "run.json").read_text())
    assert record["finished"] and record["seed"] == 43 and record["epochs"] == 3


@pytest.mark.slow
def test_search_twice_is_a_new_search(notebook, capsys):
    cells = notebook(TUNING)
    cells.run(0)
    cells.run_text("lesson.trials, lesson.epochs = 1, 1")
    cells.run(1, 2, 3, 4)
    for _ in range(2):
        cells.run_text(cells.cells[5][0])
    assert "Reloading" not in capsys.readouterr().out


def test_fit_with_initial_epoch_has_the_whole_history(notebook):
    cells = notebook(LEARNING_RATE)
    cells.run(0)
    cells.run_text('lesson.parts, best_rate = ["range"], 0.01')
    names = cells.run(1, 2, 3, 4)
    cells.run_text(next(c for c in cells.cells[5] if "def train(" in c).partition("\ntried = ")[0])
    train = cells.names["train"]
    for _ in range(2):
        _, history = train("grow", 42, sizes=(32, 64))
        assert len(history["loss"]) == 2
        assert len(names.lesson.run.trainings["grow"].timer.seconds) == 2


@pytest.mark.parametrize("script", PROJECTS)
@pytest.mark.parametrize("folder", ["", "own"])
def test_projects_start_without_file(notebook, monkeypatch, script, folder):
    monkeypatch.chdir((ROOT / script).parent if folder else ROOT)
    names = notebook(script).run(0)
    assert names.lesson.name == (ROOT / script).stem


@pytest.mark.parametrize("script", ALL_LESSONS)
def test_lesson_has_its_name(notebook, script):
    assert f"{notebook(script).run(0).lesson.name}.py" == script


def test_data_may_be_named_again_after_a_mistake(notebook, tmp_path, capsys):
    cells = notebook(AUTO_MPG)
    cells.run(0)
    cells.run_text(f"lesson.data, lesson.data_dir = 'real', {str(tmp_path / 'typo')!r}")
    with pytest.raises(SystemExit):
        cells.run(1)
    cells.run_text("lesson.data, lesson.data_dir = 'sample', None")
    assert cells.run(1).lesson.run.data == "sample"


def test_data_may_change_in_a_notebook(notebook, data_folder):
    cells = notebook(AUTO_MPG)
    cells.run(0, 1)
    cells.run_text(f"lesson.data, lesson.data_dir = 'real', {str(data_folder)!r}")
    assert cells.run(1).lesson.run.data == "real"


def test_seed_set_in_a_cell_is_that_of_the_flag(notebook, tmp_path, monkeypatch):
    cells = notebook(AUTO_MPG)
    cells.run(0)
    cells.run_text("lesson.seed = 43")
    names = cells.run(1, 2, 3, 4, 5, 6, 7)
    monkeypatch.delitem(sys.modules, "ipykernel")
    flags = ["--data", "sample", "--limit", "300", "--epochs", "2", "--seed", "43"]
    shell = run_lesson(AUTO_MPG, tmp_path / "shell", *flags)
    assert names.lesson.run.trainings[""].saving.seed == 43
    assert equal(weights(names), shell.names["model"].get_weights())
    assert names.history.history == shell.names["history"].history


@pytest.mark.parametrize("script", [AUTO_MPG, XOR])
def test_out_set_in_a_cell_moves_the_run(notebook, tmp_path, script):
    cells = notebook(script)
    before = cells.run(0).lesson.folder
    cells.run_text(f"lesson.out = {str(tmp_path / 'mine')!r}")
    folder = cells.run(1, 2, 3, 4, 5, 6, 7).lesson.folder
    assert folder.parent == tmp_path / "mine" / cells.names["lesson"].name
    assert json.loads((folder / "run.json").read_text())["finished"] and not before.exists()
    assert (folder / "model.keras").exists() and (tmp_path / "mine" / "runs.csv").exists()


def test_run_magic_reads_its_flags(notebook, tmp_path):
    flags = ["--data", "sample", "--epochs", "1"]  # `%run` sets the command line, as a shell does
    shell = run_lesson(AUTO_MPG, tmp_path / "magic", *flags)
    assert shell.record["epochs"] == 1 and shell.out == tmp_path / "magic"
