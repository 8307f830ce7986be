"""tuning/ray_search.py, with a stand-in for Ray, which the tests do not install."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from conftest import ENVIRONMENT, ROOT

from tuning import ray_search


@pytest.fixture
def reported(monkeypatch):
    """The scores that a training reports to Ray."""
    scores, ray = [], ModuleType("ray")
    ray.tune = SimpleNamespace(report=scores.append)
    monkeypatch.setitem(sys.modules, "ray", ray)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "1")  # so that they are restored
    return scores


def test_data_are_those_of_lesson_09():
    features, val_features, values, val_values = ray_search.load_data("sample", None)
    assert features.shape[1] == val_features.shape[1] == 8
    assert len(features) == len(values) and len(val_features) == len(val_values)
    assert len(val_features) == pytest.approx(len(features) / 3, abs=1)


@pytest.mark.parametrize("optimizer", ray_search.OPTIMIZERS)
def test_training_reports_every_epoch_and_learns(reported, optimizer):
    config = {"layers": 2, "units": 16, "dropout": 0.1, "optimizer": optimizer, "rate": 0.003}
    data = ray_search.load_data("sample", None)
    ray_search.train(config, data, epochs=3)
    scores = [report["val_mse"] for report in reported]
    assert len(scores) == 3 and np.isfinite(scores).all() and scores[-1] < scores[0]


def test_diverging_training_ends(reported):
    config = {"layers": 1, "units": 16, "dropout": 0.0, "optimizer": "momentum", "rate": 1e6}
    ray_search.train(config, ray_search.load_data("sample", None), epochs=5)
    assert len(reported) < 5 and reported[-1] == {"val_mse": np.inf}


def test_without_ray_says_what_to_install(tmp_path):
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError('ray')")
    command = [sys.executable, str(ROOT / "tuning" / "ray_search.py"), "--trials", "1"]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr == "error: Ray is missing; run: pip install -r requirements-ray.txt\n"
