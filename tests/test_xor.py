"""xor/: what a network can and cannot learn, over several seeds."""

import numpy as np
import pytest
from conftest import XOR, run_lesson


def test_parameter_counts(smoke_runs):
    model = smoke_runs[XOR].names["model"]
    assert [layer.count_params() for layer in model.layers] == [24, 36, 5]
    assert smoke_runs[XOR].record["flags"]["batch_size"] == 1


def test_recommended_settings_solve_xor(tmp_path):
    run = run_lesson(XOR, tmp_path, "--activation", "tanh", "--learning-rate", "0.01")
    assert run.record["metrics"]["accuracy"] == 1
    answers = run.names["model"].predict(run.names["inputs"], verbose=0)[:, 0]
    assert (answers > 0.5).tolist() == [False, True, True, False]
    surfaces = run.names["snapshots"].surfaces
    assert run.names["snapshots"].epochs == [83, 167, 250, 333, 417, 500]
    assert all(surface.shape == (81, 81) for surface in surfaces)
    # The rows are points of the grid, where the surface must equal the network's predictions.
    at_rows = surfaces[-1][[20, 60, 20, 60], [20, 20, 60, 60]]
    np.testing.assert_allclose(at_rows, answers, atol=1e-4)
    assert run.record["metrics"]["last_mistake"] < 500


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
