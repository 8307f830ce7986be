"""xor/: what a network can and cannot learn, over several seeds."""

import warnings

import numpy as np
import pytest
from conftest import XOR, run_lesson
from PIL import Image

from xor import figures


def test_parameter_counts(smoke_runs):
    model = smoke_runs[XOR].names["model"]
    assert [layer.count_params() for layer in model.layers] == [24, 36, 5]
    assert smoke_runs[XOR].record["flags"]["batch_size"] == 1


def test_recommended_settings_solve_xor(tmp_path):
    run = run_lesson(XOR, tmp_path, "--activation", "tanh", "--learning-rate", "0.01")
    assert run.record["metrics"]["accuracy"] == 1
    answers = run.names["model"].predict(run.names["inputs"], verbose=0)[:, 0]
    assert (answers > 0.5).tolist() == [False, True, True, False]
    surfaces = run.names["surfaces"]
    assert list(run.names["sixths"]) == [83, 167, 250, 333, 417, 500]
    assert len(surfaces) == 49 and next(iter(surfaces)) == 0
    assert all(surface.shape == (81, 81) for surface in surfaces.values())
    # The rows are points of the grid, where the surface must equal the network's predictions.
    at_rows = surfaces[500][[20, 60, 20, 60], [20, 20, 60, 60]]
    np.testing.assert_allclose(at_rows, answers, atol=1e-4)
    assert run.record["metrics"]["last_mistake"] < 500
    file = run.folder / "decision.gif"
    with Image.open(file) as animation:
        assert animation.n_frames == 49 and file.stat().st_size < 500_000


def test_surface_without_a_boundary_is_drawn(tmp_path):
    across, corners = np.linspace(-0.5, 1.5, 3), np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    surfaces = {0: np.full((3, 3), 0.9), 1: np.eye(3)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.save_animation(tmp_path / "a.gif", surfaces, across, corners, corners[:, :1])
        figures.decision_surfaces(surfaces, across, corners, corners[:, :1])
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 2


def test_linear_model_cannot_solve_xor(tmp_path):
    run = run_lesson(XOR, tmp_path, "--hidden", "--learning-rate", "0.1", "--epochs", "100")
    assert run.record["parameters"] == 3
    assert run.record["metrics"]["accuracy"] <= 0.75 and run.record["metrics"]["solved"] == 0


@pytest.mark.slow
def test_multiple_seeds_are_counted(smoke_runs, tmp_path, capsys):
    flags = ["--seeds", "2", "--epochs", "2", "--seed", "41"]
    run = run_lesson(XOR, tmp_path, *flags, figures=True)
    starts, solved = run.names["starts"], run.names["solved"]
    assert starts.seed.tolist() == [41, 42]
    assert run.record["metrics"]["solved"] == solved == starts.solved.sum()
    assert len((run.folder / "starts.csv").read_text().splitlines()) == 3
    assert run.names["losses"][41][0] != run.names["losses"][42][0]
    assert (run.folder / "starts.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert f"{solved} of 2 solved\n" in printed
    assert f"{solved} of 2" in printed.splitlines()[-1]
    alone = smoke_runs[XOR]  # its seed is 42
    assert alone.names["history"]["loss"] == run.names["losses"][42]


def test_dead_units_are_counted(smoke_runs):
    names = smoke_runs[XOR].names
    model = names["build_model"](42)
    kernel, bias = model.layers[0].get_weights()
    kernel[:, :3], bias[:3] = -1, -1  # never above 0
    model.layers[0].set_weights([kernel, bias])
    model.layers[1].set_weights([np.ones((8, 4)), np.ones(4)])
    dead = names["describe_start"](42, model, names["history"])["dead_units"]
    alive = np.asarray(model.layers[0](names["inputs"]))[:, 3:].max(axis=0) > 0
    assert dead == 3 + (~alive).sum()
