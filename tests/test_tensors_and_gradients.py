"""Lessons 06 and 07: what only a run can show; the lessons assert the rest themselves."""

import numpy as np
import pandas as pd
import pytest
from conftest import LESSONS

from common.lesson import expect_error

TENSORS, AUTODIFF = LESSONS[5:7]


def test_expect_error(capsys):
    with expect_error(ValueError, TypeError):
        raise TypeError("two\nlines")
    assert capsys.readouterr().out == "TypeError: two lines\n"
    with pytest.raises(AssertionError, match="nothing was raised"), expect_error(ValueError):
        pass
    with pytest.raises(KeyError), expect_error(ValueError):
        raise KeyError


def test_timings_cover_all_array_sizes(smoke_runs):
    timings = pd.read_csv(smoke_runs[TENSORS].folder / "timings.csv")
    assert timings.numbers.tolist() == [10, 1_000, 100_000, 1_000_000]
    assert (timings[["numpy_ms", "eager_ms", "function_ms"]] > 0).all(axis=None)


def test_tensor_classifier_learns(smoke_runs):
    names = smoke_runs[TENSORS].names
    assert names["test"]["accuracy"] > 0.5  # two epochs; guessing gives 0.1


def test_fitted_line_matches_least_squares(smoke_runs):
    names = smoke_runs[AUTODIFF].names
    slope, offset = np.polyfit(names["xs"], names["ys"], 1)
    for w, b in ((names["w"], names["b"]), (names["keras_w"], names["keras_b"])):
        assert (w, b) == pytest.approx((slope, offset), abs=5e-4)
    assert len(names["losses"]) == 200 and names["losses"][-1] < names["losses"][0] / 20


def test_custom_loop_matches_fit_accuracy(smoke_runs):
    metrics = smoke_runs[AUTODIFF].record["metrics"]
    assert metrics["test_accuracy"] == pytest.approx(metrics["test_accuracy_of_fit"], abs=0.02)


def test_custom_loop_matches_fit_weights(smoke_runs):
    names = smoke_runs[AUTODIFF].names
    for ours, fits in zip(names["model"].weights, names["by_fit"].weights, strict=True):
        np.testing.assert_allclose(ours, fits, atol=1e-3)  # other batches would differ by 0.05


def test_eager_and_compiled_steps_are_timed(smoke_runs):
    metrics = smoke_runs[AUTODIFF].record["metrics"]
    assert metrics["eager_step_ms"] > 0 and metrics["function_step_ms"] > 0
    assert len(smoke_runs[AUTODIFF].names["some_batches"]) == 55


def test_input_gradients_increase_score(smoke_runs):
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
