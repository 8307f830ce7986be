"""All published figures at full length on the real data: python -m pytest -m reproduce

Takes hours on two cores. The data comes from $KERAS_TUTORIAL_DATA, the cache or a download. Runs
that are already in outputs/reproduce/ are not repeated.
"""

import csv
import os
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ENVIRONMENT, REGULARIZATION, ROOT

from benchmarks.reproduce import FIGURES, OUT, reproduce


@pytest.mark.reproduce
@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_figure_meets_its_bar(figure, monkeypatch):
    for name in ("KERAS_TUTORIAL_DATA", "KERAS_HOME"):  # the user's values
        monkeypatch.delenv(name, raising=False)
        if name in ENVIRONMENT:
            monkeypatch.setitem(os.environ, name, ENVIRONMENT[name])
    row = reproduce(figure, figure.seeds, OUT)
    assert row["met"] == "yes", f"{row['metric']} {row['median']}, {row['bar']}"


@pytest.mark.reproduce
def test_regularization_claims(tmp_path):
    for seed in (42, 43, 44):
        command = [sys.executable, ROOT / REGULARIZATION, "--data", "real"]
        command += ["--seed", seed, "--out", tmp_path]
        subprocess.run(list(map(str, command)), env=ENVIRONMENT, check=True)
    tables = [pd.read_csv(path) for path in tmp_path.glob("*/*/models.csv")]
    end = pd.concat(tables).groupby("model").end_val_loss.median()
    assert len(tables) == 3 and end.bigger > max(end.baseline, end.smaller)
    assert end[["L2", "dropout", "L2_dropout"]].max() < end.baseline
    with (tmp_path / "runs.csv").open() as file:
        assert max(float(row["peak_memory_mb"]) for row in csv.DictReader(file)) < 1500
