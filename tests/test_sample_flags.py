"""Values of flags: other defaults on the built-in sample, what is resumed, names given twice."""

import numpy as np
import pytest
from conftest import error_of, run_and_capture, run_lesson, stop_in_epoch

from frame.parser import LessonParser

LESSON = """
from frame import Flag, Lesson

lesson = Lesson(
    __doc__, epochs=Flag(4, sample=2), batch_size=32, repeats=Flag(3, "trainings", sample=1)
)

import keras

cars = lesson.load("auto_mpg").dropna()
for number in range(lesson.repeats):
    keras.utils.set_random_seed(lesson.seed)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(
        lesson.batches(cars[["weight"]].to_numpy("float32"), cars.mpg.to_numpy("float32")),
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=str(number)),
        verbose=0,
    )
lesson.finish(model, history, training="0")
"""
SAMPLE = ["--data", "sample"]


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "shorter.py"
    path.write_text(LESSON)
    return path


def stop_after_an_epoch(script, out, *flags) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_in_epoch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run_lesson(script, out, *flags)


@pytest.mark.parametrize(
    ("given", "epochs", "repeats", "said"),
    [
        ([], 2, 1, "--epochs 2 instead of 4, --repeats 1 instead of 3"),
        (["--epochs", "3"], 3, 1, "--repeats 1 instead of 3"),
        (["--repeats", "3", "--epochs", "4"], 4, 3, None),  # the usual defaults
    ],
)
def test_sample_run_is_shorter_unless_told(script, tmp_path, given, epochs, repeats, said):
    run = run_and_capture(script, tmp_path, *SAMPLE, *given)
    flags = run.record["flags"]
    assert (flags["epochs"], flags["repeats"]) == (epochs, repeats)
    assert run.record["epochs"] == epochs and len(run.record["trainings"]) == repeats
    assert run.record["variant"] == ""
    told = [line for line in run.printed.splitlines() if " instead of " in line]
    assert len(told) == (said is not None) and all(line.endswith(said) for line in told)


def test_real_run_has_the_usual_length(script, tmp_path, data_folder):
    run = run_and_capture(script, tmp_path, "--data-dir", data_folder)
    assert run.record["flags"]["epochs"] == run.record["epochs"] == 4
    assert len(run.record["trainings"]) == 3 and " instead of " not in run.printed


def test_name_given_twice_counts_once():
    parser = LessonParser("a", None, {"epochs": 1, "models": ("deep", "wide")}, data=False)
    assert parser.parse_args(["--models", "wide", "deep", "wide"]).models == ["wide", "deep"]
    assert parser.parse_args([]).models == ["deep", "wide"]


@pytest.mark.parametrize("words", [[], ["--epochs", "3"]])
def test_resumed_sample_run_is_exact(script, tmp_path, words):
    whole = run_lesson(script, tmp_path / "whole", *SAMPLE, *words)
    stop_after_an_epoch(script, tmp_path, *SAMPLE, *words)
    stop_after_an_epoch(script, tmp_path, *SAMPLE, "--epochs", "5")  # newer, but not the same
    resumed = run_lesson(script, tmp_path, *SAMPLE, *words, "--resume")
    assert resumed.names["lesson"].run.trainings["0"].first_epoch == 1
    assert resumed.record["flags"] == whole.record["flags"]
    ends = (run.names["model"].get_weights() for run in (resumed, whole))
    assert all(np.array_equal(*pair) for pair in zip(*ends, strict=True))


@pytest.mark.parametrize(
    ("real", "given", "message"),
    [
        (False, "4", "was started with --epochs 4, not 2"),
        (True, "2", "was started with --epochs 2, not 4"),
    ],
)
def test_resume_compares_with_the_data(script, tmp_path, data_folder, capsys, real, given, message):
    source = ["--data-dir", data_folder] if real else SAMPLE
    stop_after_an_epoch(script, tmp_path, *source, "--epochs", given)
    assert message in error_of(capsys, script, "--out", tmp_path, *source, "--resume")
