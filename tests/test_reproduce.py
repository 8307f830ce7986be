"""The lessons at full length on the real data, median of three seeds: python -m pytest -m reproduce

Takes about ten minutes on two cores, and the data from $KERAS_TUTORIAL_DATA, the cache or a
download.
"""

import csv
import statistics
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ENVIRONMENT, LESSONS, ROOT

FASHION, IMDB, AUTO_MPG, REGULARIZATION = LESSONS[:4]


@pytest.mark.reproduce
@pytest.mark.parametrize(
    ("script", "flags", "metric", "low", "high"),
    [
        (FASHION, [], "test_accuracy", 0.875, 1),
        (IMDB, [], "test_accuracy", 0.865, 1),
        (IMDB, ["--ngrams", "2"], "test_accuracy", 0.905, 1),
        (AUTO_MPG, [], "test_mae", 0, 2.0),
    ],
)
def test_the_published_figure_is_met(tmp_path, script, flags, metric, low, high):
    train_with_three_seeds(script, tmp_path, flags)
    with (tmp_path / "runs.csv").open() as file:
        values = [float(row[metric]) for row in csv.DictReader(file)]
    assert len(values) == 3 and low <= statistics.median(values) <= high


@pytest.mark.reproduce
def test_capacity_and_remedies(tmp_path):
    train_with_three_seeds(REGULARIZATION, tmp_path)
    tables = [pd.read_csv(path) for path in tmp_path.glob("*/*/models.csv")]
    end = pd.concat(tables).groupby("model").end_val_loss.median()
    assert len(tables) == 3 and end.bigger > max(end.baseline, end.smaller)
    assert end[["L2", "dropout", "L2_dropout"]].max() < end.baseline
    with (tmp_path / "runs.csv").open() as file:
        assert max(float(row["peak_memory_mb"]) for row in csv.DictReader(file)) < 1500


def train_with_three_seeds(script, out, flags=()):
    for seed in (42, 43, 44):
        command = [sys.executable, ROOT / script, *flags, "--data", "real"]
        command += ["--seed", seed, "--out", out]
        subprocess.run(list(map(str, command)), env=ENVIRONMENT, check=True)
