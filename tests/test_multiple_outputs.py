"""Lesson 17: pairs of digits, three outputs, their losses and scores."""

import numpy as np
import pytest
from conftest import MULTIPLE_OUTPUTS, run_lesson


def test_pair_labels_match_images(names):
    labels = np.arange(100) % 10
    digits = labels.astype("uint8")[:, None, None] * np.ones((28, 28), "uint8")
    images, both, larger = names["pair_up"](digits, labels, 50)
    assert images.shape == (50, 28, 56, 1) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[:, 5, 27, 0], both["left"])
    np.testing.assert_array_equal(images[:, 5, 28, 0], both["right"])
    np.testing.assert_array_equal(larger, both["left"] > both["right"])
    assert len(names["pair_up"](digits, labels, 1000)[0]) == 100  # no more pairs than digits


def test_parameters_are_trunk_and_heads(names):
    parameters = {name: names[name].count_params() for name in ("digits_only", "larger_only")}
    trunk = 160 + 4_640 + 1_920 * 64 + 64
    assert parameters == {"digits_only": trunk + 2 * 650, "larger_only": trunk + 65}


def test_outputs_are_scored_by_name(names):
    model, images, scores = names["all_three"], names["test_images"], names["scores"]
    probabilities = model.predict(images, batch_size=1000, verbose=0)
    left, right = (probabilities[name].argmax(axis=1) for name in ("left", "right"))
    answers = {"left": left, "right": right, "larger": probabilities["larger"][:, 0] > 0.5}
    for name, answer in answers.items():
        accuracy = (answer == names["test_all"][name]).mean()
        assert scores[f"test_accuracy_{name}_all_three"] == pytest.approx(accuracy, abs=1e-3)
    computed = ((left > right) == names["test_larger"]).mean()
    assert scores["test_accuracy_larger_computed"] == pytest.approx(computed)
    assert scores["contradictions"] == pytest.approx((answers["larger"] != (left > right)).mean())


@pytest.mark.slow
def test_loss_weight_is_applied(tmp_path):
    flags = ["--data", "sample", "--limit", "500", "--epochs", "1", "--larger-weight", "3"]
    names = run_lesson(MULTIPLE_OUTPUTS, tmp_path, *flags).names
    images, answers = names["test_images"], names["test_all"]
    losses = names["all_three"].evaluate(
        images, answers, batch_size=len(images), verbose=0, return_dict=True
    )
    expected = losses["left_loss"] + losses["right_loss"] + 3 * losses["larger_loss"]
    assert losses["loss"] == pytest.approx(expected, rel=1e-5)
