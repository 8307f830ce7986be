"""Lesson 23: canvases, their boxes, intersection over union, and the scores."""

import numpy as np
import pytest


def test_box_is_tight(names):
    digits = np.zeros((20, 28, 28), "uint8")
    for i, digit in enumerate(digits):  # bars of different lengths, in rows that give no clutter
        digit[:4, 2 : 6 + i] = 255
    images, labels, boxes = names["make_canvases"](
        digits, np.arange(20), 60_000, np.random.default_rng(0)
    )
    assert images.shape == (100, 64, 64, 1) and images.dtype == np.uint8  # five per digit
    assert boxes.shape == (100, 4) and boxes.dtype == np.float32
    for image, box in zip(images[..., 0] > 64, boxes, strict=True):
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        expected = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        np.testing.assert_array_equal(box * 64, expected)
    widths = (boxes[:, 2] - boxes[:, 0]) * 64
    assert widths[labels == 0].max() < 9 and widths[labels == 19].min() > 11
    assert len(set(widths[labels == 19])) > 1  # sizes differ


def test_clutter_lies_around_digit(names):
    digits = np.full((10, 28, 28), 255, "uint8")
    images, _, boxes = names["make_canvases"](digits, np.arange(10), 50, np.random.default_rng(0))
    ink = (images > 64).sum(axis=(1, 2, 3))
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) * 64 * 64
    assert (ink - areas <= 4 * 6 * 6).all() and np.mean(ink > areas) > 0.9


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
