"""Lesson 12: layer sizes by formula, visualizations, and deliberate mistakes."""

import numpy as np
import pytest
from conftest import LOOK_INSIDE, run_lesson


@pytest.fixture(scope="module")
def names(smoke_runs):
    return smoke_runs[LOOK_INSIDE].names


def test_size_formula_matches_keras(names):
    sides = {layer.name: names["side_by_formula"](layer) for layer in names["model"].layers}
    assert (sides["conv_1"], sides["pool_1"], sides["conv_2"], sides["pool_2"]) == (26, 13, 11, 5)
    assert sides["dense"] is None


def test_picture_shows_requested_digit(names):
    place = np.flatnonzero(names["test_labels"] == 7)[0]
    np.testing.assert_array_equal(names["picture"][0], names["test_images"][place])


def test_feature_maps_match_manual_convolution(names):
    layer = names["model"].get_layer("conv_1")
    weights, bias = layer.get_weights()
    corner = names["picture"][0, 10:13, 12:15, 0] / 255
    expected = np.maximum((corner[..., None] * weights[:, :, 0]).sum(axis=(0, 1)) + bias, 0)
    np.testing.assert_allclose(names["maps_1"][0, 10, 12], expected, atol=1e-5)


def test_occlusion_map_position(names):
    image = names["picture"].copy()
    image[0, 9:14, 11:16] = 0
    expected = names["model"].predict(image, verbose=0)[0, names["guess"]]
    assert names["probabilities"][9, 11] == pytest.approx(expected, abs=1e-5)


def test_saliency_map(names):
    assert names["saliency"].shape == (28, 28) and names["saliency"].max() > 0


def test_unscaled_inputs_start_with_large_loss(names):
    first = {name: loss[0] for name, (loss, _) in names["curves"].items()}
    assert first["as_it_should_be"] == pytest.approx(np.log(10), abs=0.1)
    assert first["unscaled_inputs"] > 5


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    """A run with the other mistakes, where pydot is installed and Graphviz is not."""
    folder = tmp_path_factory.mktemp("without_graphviz")
    (folder / "pydot.py").touch()
    flags = ["--data", "sample", "--epochs", "2", "--limit", "1000"]
    mistakes = ["wrong_loss", "rate_too_high", "labels_shuffled"]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PATH", str(folder))
        return run_lesson(LOOK_INSIDE, folder / "out", *flags, "--mistakes", *mistakes)


@pytest.mark.slow
def test_mistakes_reduce_accuracy(other_run):
    last = {name: accuracy[-1] for name, (_, accuracy) in other_run.names["curves"].items()}
    assert len(last) == 4 and last.pop("as_it_should_be") > max(last.values())


@pytest.mark.slow
def test_run_with_pydot_but_without_graphviz(other_run):
    assert other_run.record["finished"] and not (other_run.folder / "plot_model.png").exists()
