"""Lesson 09: the searches and their winner."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import keras_tuner
import numpy as np
import pandas as pd
import pytest
from conftest import TUNING, run_lesson

from tuning.searches import search_folder


def test_table_lists_every_trial(run):
    trials = run.names["trials"]
    assert (trials.search == "random").sum() == 2 and (trials.search == "Hyperband").any()
    assert trials.val_mse.notna().all() and (trials.epochs > 0).all()
    assert set(trials.columns) == {
        "search",
        "val_mse",
        "epochs",
        "layers",
        "units",
        "dropout",
        "optimizer",
        "rate",
    }
    kept = pd.read_csv(run.folder / "trials.csv")
    assert kept.val_mse.is_monotonic_increasing
    assert run.names["winner"].val_mse == trials.val_mse.min()


def test_winner_is_retrained_with_its_settings(run):
    winner, model = run.names["winner"], run.names["model"]
    hidden = [layer.units for layer in model.layers if hasattr(layer, "units")][:-1]
    assert hidden == [winner.units] * winner.layers
    inputs, values = run.names["test_features"], run.names["test_values"]
    mse = np.mean((model.predict(inputs, verbose=0)[:, 0] - values) ** 2)
    assert run.record["metrics"]["test_mse"] == pytest.approx(mse, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True])
def test_interrupted_search_resumes(tmp_path, capsys, monkeypatch, damaged):
    flags = ["--data", "sample", "--limit", "300", "--epochs", "1", "--trials", "3"]
    run_trial, tried = keras_tuner.RandomSearch.run_trial, []

    def run_some(self, trial, *args, **kwargs):
        if len(tried) == 2:
            raise KeyboardInterrupt
        tried.append(trial.trial_id)
        return run_trial(self, trial, *args, **kwargs)

    monkeypatch.setattr(keras_tuner.RandomSearch, "run_trial", run_some)
    out = tmp_path / "[1]"  # not a glob pattern
    with pytest.raises(KeyboardInterrupt):
        run_lesson(TUNING, out, *flags)
    monkeypatch.setattr(keras_tuner.RandomSearch, "run_trial", run_trial)
    if damaged:
        next(out.glob("*/*/random/oracle.json")).write_text('{"a": ')
    resumed = run_lesson(TUNING, out, *flags, "--resume")
    trials = resumed.names["trials"]
    assert (trials.search == "random").sum() == 3
    assert resumed.record["finished"]
    assert ("cut short" in capsys.readouterr().out) == damaged


def test_search_without_result_ends_in_one_line(tmp_path, capsys, monkeypatch):
    def run_trial(*args, **kwargs):
        raise keras_tuner.errors.FailedTrialError("diverged")

    for tuner in (keras_tuner.RandomSearch, keras_tuner.Hyperband):
        monkeypatch.setattr(tuner, "run_trial", run_trial)
    with pytest.raises(SystemExit) as stop:
        run_lesson(TUNING, tmp_path, "--data", "sample", "--epochs", "1", "--trials", "1")
    assert stop.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: no trial ended")


@pytest.mark.parametrize("damage", ['{"a": ', "", None])
def test_damaged_search_restarts(run, tmp_path, capsys, damage):
    for name in ("random", "hyperband"):
        shutil.copytree(run.folder / name, tmp_path / name)
    if damage is not None:
        next(tmp_path.glob("random/trial_*/trial.json")).write_text(damage)
    with search_folder(SimpleNamespace(folder=tmp_path)):
        assert Path.cwd() == tmp_path
    assert (tmp_path / "random").exists() == (damage is None)
    assert (tmp_path / "hyperband" / "oracle.json").exists()
    said = "a file of the search random was cut short" in capsys.readouterr().out
    assert said == (damage is not None)
