"""Lesson 16: the learning-rate range test, equal budgets, the best choice."""

import numpy as np
import pandas as pd
import pytest
from conftest import LEARNING_RATE, run_lesson


def test_learning_rate_range_test(run):
    rates, losses = run.names["rates"], run.names["losses"]
    assert rates[0] == pytest.approx(1e-6) and rates[-1] == pytest.approx(10)
    assert len(rates) == len(losses) and np.isfinite(losses[:100]).all()
    rate = run.record["metrics"]["rate_of_range_test"]
    assert rate == pytest.approx(run.names["lowest"] / 10, rel=0.5)


@pytest.mark.slow
def test_neighboring_learning_rates_are_compared(tmp_path):
    flags = ["--data", "sample", "--limit", "300", "--epochs", "2", "--parts", "range"]
    run = run_lesson(LEARNING_RATE, tmp_path, *flags, "--repeats", "2")
    table = pd.read_csv(run.folder / "rates.csv", index_col="choice")
    assert list(table.index) == ["a tenth", "a third", "our choice", "three times", "ten times"]
    assert (table.lowest < table.highest).all()  # two seeds


@pytest.mark.slow
def test_choices_run_equal_epochs(run):
    train, lesson = run.names["train"], run.names["lesson"]
    for name, sizes in {"one": [32], "two": [32, 128], "more-than-epochs": [8, 32, 128]}.items():
        _, history = train(name, 1, sizes=sizes)
        seconds = lesson.run.trainings[name].timer.seconds
        assert len(history["loss"]) == len(seconds) == lesson.epochs


def test_best_choice_is_trained_and_tested(run):
    tried, best, names = run.names["tried"], run.names["best"], run.names
    assert tried[best][0] == min(median for median, _ in tried.values())
    table = pd.read_csv(run.folder / "rates.csv", index_col="choice")
    metrics = run.record["metrics"]
    assert metrics["val_mse"] == pytest.approx(table["median"].min(), abs=1e-4)
    predicted = names["model"].predict(names["test_features"], verbose=0)[:, 0]
    mse = np.mean((predicted - names["test_values"]) ** 2)
    assert metrics["test_mse"] == pytest.approx(mse, rel=1e-3)
