"""Lesson 23: canvases, their boxes, intersection over union, and the scores."""

import numpy as np
import pytest
from conftest import LOCATE


@pytest.fixture(scope="module")
def names(smoke_runs):
    return smoke_runs[LOCATE].names


def test_box_is_tight(names):
    """A filled square of 20 pixels, the only digit there is, must fill its box."""
    digits = np.zeros((1, 28, 28), "uint8")
    digits[:, 4:24, 4:24] = 255
    digits[:, 10, 10] = 0  # clutter is cut from digits too: it must not be mistaken for one
    images, labels, boxes = names["make_canvases"](
        digits, np.array([7]), 60_000, np.random.default_rng(0)
    )
    assert images.shape == (5, 64, 64, 1) and images.dtype == np.uint8  # five per digit at most
    assert boxes.shape == (5, 4) and boxes.dtype == np.float32
    assert list(labels) == [7] * 5
    for image, box in zip(images, boxes, strict=True):
        left, top, right, bottom = (box * 64).round().astype(int)
        assert 11 <= right - left <= 34 and 11 <= bottom - top <= 34  # 0.6 to 1.6 times 20
        assert (image[top:bottom, left:right] > 64).mean() > 0.9


def test_every_digit_is_used_equally_often(names):
    digits, labels = np.full((30, 28, 28), 255, "uint8"), np.arange(30)
    _, chosen, boxes = names["make_canvases"](digits, labels, 90, np.random.default_rng(0))
    assert (np.bincount(chosen) == 3).all()
    assert (boxes >= 0).all() and (boxes <= 1).all()
    assert (boxes[:, :2] < boxes[:, 2:]).all()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0.2, 0.2, 0.4, 0.6), 1),  # the same
        ((0.2, 0.2, 0.4, 0.4), 1 / 2),  # its upper half
        ((0.3, 0.4, 0.5, 0.8), 0.02 / 0.14),  # shares a quarter
        ((0.4, 0.2, 0.6, 0.6), 0),  # touches an edge
        ((0.7, 0.7, 0.9, 0.9), 0),  # apart in both directions
        ((0.4, 0.6, 0.2, 0.2), 0),  # edges on the wrong sides: empty
    ],
)
def test_iou(names, box, expected):
    true, other = np.array([[0.2, 0.2, 0.4, 0.6]]), np.array([box])
    assert names["iou"](true, other) == pytest.approx(expected)
    assert names["iou"](other, true) == pytest.approx(expected)


def test_scores_follow_from_predictions(names):
    answers, scores = names["answers"], names["scores"]
    right = answers["digit"].argmax(axis=1) == names["test_labels"]
    overlap = names["iou"](names["test_boxes"], answers["box"])
    assert answers["box"].shape == (len(right), 4)
    assert scores["test_accuracy"] == pytest.approx(right.mean())
    assert scores["test_iou"] == pytest.approx(overlap.mean())
    assert scores["test_found"] <= min(right.mean(), (overlap >= 0.5).mean())
