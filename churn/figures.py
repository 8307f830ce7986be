"""The figures of the lesson; each function returns a matplotlib figure."""

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import precision_recall_curve, roc_curve

from common import plots


def roc_and_precision_recall(targets, scores: dict):
    """Draw both curves of several models.

    Args:
        targets: array of shape (customers,), 1 for those who left.
        scores: the probabilities of having left, shape (customers,), by the model's name.
    """
    figure, (left, right) = plots.new_figure(11, 5, 1, 2)
    for name, probabilities in scores.items():
        false_alarms, found, _ = roc_curve(targets, probabilities)
        left.plot(false_alarms, found, label=name)
        precision, recall, _ = precision_recall_curve(targets, probabilities)
        right.plot(recall[:-1], precision[:-1], label=name)
    left.plot([0, 1], [0, 1], "--", color="gray", label="guessing")
    right.axhline(np.mean(targets), ls="--", color="gray", label="guessing")
    left.set(
        xlabel="false alarms: share of those who stayed",
        ylabel="recall: share of those who left",
        title="ROC curve",
    )
    right.set(xlabel="recall", ylabel="precision", title="precision against recall", ylim=(0, 1.02))
    left.legend()
    return figure


def threshold(targets, scores, chosen: float):
    """Draw precision, recall and F1 against the threshold.

    Args:
        targets: array of shape (customers,), 1 for those who left.
        scores: the probabilities of having left, shape (customers,).
        chosen: the threshold to mark.
    """
    precision, recall, thresholds = precision_recall_curve(targets, scores)
    precision, recall = precision[:-1], recall[:-1]  # the last pair belongs to no threshold
    figure, axes = plots.new_figure()
    axes.plot(thresholds, precision, label="precision")
    axes.plot(thresholds, recall, label="recall")
    axes.plot(thresholds, 2 * precision * recall / np.maximum(precision + recall, 1e-9), label="F1")
    axes.axvline(chosen, ls="--", color="gray", label=f"chosen: {chosen:.2f}")
    axes.set(xlabel="threshold", ylabel="on the validation rows", title="choosing the threshold")
    axes.legend()
    return figure


def calibration(targets, scores: dict):
    """Draw, in eight groups of customers, the share who left against the probability given.

    Args:
        targets: array of shape (customers,), 1 for those who left.
        scores: the probabilities of having left, shape (customers,), by the model's name.
    """
    figure, axes = plots.new_figure(6, 5.5)
    for name, probabilities in scores.items():
        CalibrationDisplay.from_predictions(
            targets, probabilities, n_bins=8, strategy="quantile", name=name, ax=axes
        )
    axes.set(xlabel="mean probability given", ylabel="share who left", title="calibration")
    axes.legend(loc="upper left")
    return figure
