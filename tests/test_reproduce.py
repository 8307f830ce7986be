"""The lessons at full length on the real data, median of three seeds: python -m pytest -m reproduce

Takes about two minutes on two cores, and the data from $KERAS_TUTORIAL_DATA, the cache or a
download.
"""

import csv
import statistics
import subprocess
import sys

import pytest
from conftest import ENVIRONMENT, LESSONS, ROOT

FASHION, IMDB, AUTO_MPG = LESSONS[:3]


@pytest.mark.reproduce
@pytest.mark.parametrize(
    ("script", "metric", "low", "high"),
    [
        (FASHION, "test_accuracy", 0.875, 1),
        (IMDB, "test_accuracy", 0.865, 1),
        (AUTO_MPG, "test_mae", 0, 2.0),
    ],
)
def test_the_published_figure_is_met(tmp_path, script, metric, low, high):
    for seed in (42, 43, 44):
        command = [
            sys.executable,
            ROOT / script,
            "--data",
            "real",
            "--seed",
            seed,
            "--out",
            tmp_path,
        ]
        subprocess.run(list(map(str, command)), env=ENVIRONMENT, check=True)
    with (tmp_path / "runs.csv").open() as file:
        values = [float(row[metric]) for row in csv.DictReader(file)]
    assert len(values) == 3 and low <= statistics.median(values) <= high
