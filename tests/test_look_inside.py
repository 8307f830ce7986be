"""Lesson 12: sizes by formula, what is shown of the network, and the broken ones."""

import numpy as np
import pytest
from conftest import LOOK_INSIDE, run_lesson


@pytest.fixture(scope="module")
def names(smoke_runs):
    return smoke_runs[LOOK_INSIDE].names


def test_the_formula_gives_the_sizes_that_keras_gives(names):
    sides = {layer.name: names["side_by_formula"](layer) for layer in names["model"].layers}
    assert (sides["conv_1"], sides["pool_1"], sides["conv_2"], sides["pool_2"]) == (26, 13, 11, 5)
    assert sides["dense"] is None


def test_the_picture_is_of_the_digit_that_was_asked_for(names):
    place = np.flatnonzero(names["test_labels"] == 7)[0]
    np.testing.assert_array_equal(names["picture"][0], names["test_images"][place])


def test_the_maps_are_what_the_layers_give(names):
    layer = names["model"].get_layer("conv_1")
    weights, bias = layer.get_weights()
    corner = names["picture"][0, 10:13, 12:15, 0] / 255
    expected = np.maximum((corner[..., None] * weights[:, :, 0]).sum(axis=(0, 1)) + bias, 0)
    np.testing.assert_allclose(names["maps_1"][0, 10, 12], expected, atol=1e-5)


def test_covering_a_square_is_scored_at_its_place(names):
    image = names["picture"].copy()
    image[0, 9:14, 11:16] = 0
    expected = names["model"].predict(image, verbose=0)[0, names["guess"]]
    assert names["probabilities"][9, 11] == pytest.approx(expected, abs=1e-5)


def test_saliency_is_the_slope_of_the_score(names):
    assert names["saliency"].shape == (28, 28) and names["saliency"].max() > 0


def test_broken_networks_show_their_symptoms(names):
    first = {name: loss[0] for name, (loss, _) in names["curves"].items()}
    last = {name: accuracy[-1] for name, (_, accuracy) in names["curves"].items()}
    assert first["as it should be"] == pytest.approx(np.log(10), abs=0.1)
    assert first["unscaled inputs"] > 5
    assert last["as it should be"] > max(
        last[name] for name in ("wrong loss", "rate too high", "labels shuffled")
    )


@pytest.mark.slow
def test_pydot_without_graphviz_is_no_use(tmp_path, monkeypatch):
    (tmp_path / "pydot.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    run = run_lesson(
        LOOK_INSIDE, tmp_path / "out", "--data", "sample", "--epochs", "1", "--limit", "500"
    )
    assert run.record["finished"] and not (run.folder / "plot_model.png").exists()
