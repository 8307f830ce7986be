"""Lessons 06 and 07: what only a run can show; what their prose says is asserted in them."""

import numpy as np
import pandas as pd
import pytest
from conftest import LESSONS

from common.lesson import expect_error

TENSORS, AUTODIFF = LESSONS[5:7]


def test_an_error_is_shown_in_one_line_and_a_missing_one_is_an_error(capsys):
    with expect_error(ValueError, TypeError):
        raise TypeError("two\nlines")
    assert capsys.readouterr().out == "TypeError: two lines\n"
    with pytest.raises(AssertionError, match="nothing was raised"), expect_error(ValueError):
        pass
    with pytest.raises(KeyError), expect_error(ValueError):
        raise KeyError


def test_three_ways_are_timed_on_small_and_large_arrays(smoke_runs):
    timings = pd.read_csv(smoke_runs[TENSORS].folder / "timings.csv")
    assert timings.numbers.tolist() == [10, 1_000, 100_000, 1_000_000]
    assert (timings[["numpy_ms", "eager_ms", "function_ms"]] > 0).all(axis=None)


def test_the_reader_made_of_tensors_learns(smoke_runs):
    names = smoke_runs[TENSORS].names
    assert names["test"]["accuracy"] > 0.5  # two epochs; guessing gives 0.1


def test_the_line_is_that_of_least_squares_and_of_fit(smoke_runs):
    names = smoke_runs[AUTODIFF].names
    slope, offset = np.polyfit(names["xs"], names["ys"], 1)
    for w, b in ((names["w"], names["b"]), (names["keras_w"], names["keras_b"])):
        assert (w, b) == pytest.approx((slope, offset), abs=5e-4)
    assert len(names["losses"]) == 200 and names["losses"][-1] < names["losses"][0] / 20


def test_our_loop_is_as_good_as_fit(smoke_runs):
    metrics = smoke_runs[AUTODIFF].record["metrics"]
    assert metrics["test_accuracy"] == pytest.approx(metrics["test_accuracy_of_fit"], abs=0.02)


def test_fit_gets_the_batches_of_our_loop(smoke_runs):
    names = smoke_runs[AUTODIFF].names
    for ours, fits in zip(names["model"].weights, names["by_fit"].weights, strict=True):
        np.testing.assert_allclose(ours, fits, atol=1e-3)  # other batches would differ by 0.05


def test_both_kinds_of_training_step_were_timed(smoke_runs):
    metrics = smoke_runs[AUTODIFF].record["metrics"]
    assert metrics["eager_step_ms"] > 0 and metrics["function_step_ms"] > 0
    assert len(smoke_runs[AUTODIFF].names["some_batches"]) == 55


def test_red_pixels_speak_for_the_answer(smoke_runs):
    names = smoke_runs[AUTODIFF].names
    gradients = names["input_gradients"]
    uphill = gradients / np.abs(gradients).max(axis=(1, 2), keepdims=True)
    answers = []
    for ink in (-5, 0, 5):
        values = names["images"] + ink * uphill
        for layer in names["model"].layers:
            values = layer(values)
        answers.append(values.numpy()[np.arange(5), names["answer_labels"]])
    assert (answers[0] < answers[1]).all() and (answers[1] < answers[2]).all()
