"""Lesson 12: layer sizes by formula, and what the visualizations show."""

import re
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from conftest import LOOK_INSIDE, ROOT, run_lesson


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


def test_saliency_by_tape_is_the_same(names):
    text = (ROOT / LOOK_INSIDE).read_text(encoding="utf-8")
    lines = re.search(r"^#     pixels = .*?\n#\n", text, re.M | re.S)[0].splitlines()
    known = {"tf": tf} | {name: names[name] for name in ("picture", "logits", "guess")}
    exec(textwrap.dedent("\n".join(line.removeprefix("#") for line in lines)), known)
    by_tape = np.abs(known["gradient"].numpy())[0, :, :, 0]
    np.testing.assert_allclose(names["saliency"], by_tape, atol=1e-6)


@pytest.mark.slow
def test_run_with_pydot_but_without_graphviz(tmp_path, monkeypatch):
    (tmp_path / "pydot.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    flags = ["--data", "sample", "--epochs", "1", "--limit", "1000"]
    run = run_lesson(LOOK_INSIDE, tmp_path / "out", *flags)
    assert run.record["finished"] and not (run.folder / "plot_model.png").exists()
