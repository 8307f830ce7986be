"""The figures of churn.py. Each function returns a Matplotlib figure."""

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import precision_recall_curve, roc_curve

from common import plots


def roc_and_precision_recall(targets, scores: dict):
    """Plot the ROC and precision-recall curves of several models.

    Args:
        targets: array of shape (customers,), 1 for those who left.
        scores: dict from a model's name to its predicted probabilities, shape (customers,).
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
        xlabel="false positive rate (fraction of those who stayed)",
        ylabel="recall (fraction of those who left)",
        title="ROC curve",
    )
    right.set(xlabel="recall", ylabel="precision", title="precision-recall curve", ylim=(0, 1.02))
    left.legend()
    return figure


def threshold(targets, scores, chosen: float):
    """Plot precision, recall and F1 against the threshold.

    Args:
        targets: array of shape (customers,), 1 for those who left.
        scores: the predicted probabilities, shape (customers,).
        chosen: the threshold to mark.
    """
    precision, recall, thresholds = precision_recall_curve(targets, scores)
    precision, recall = precision[:-1], recall[:-1]  # the last pair has no threshold
    figure, axes = plots.new_figure()
    axes.plot(thresholds, precision, label="precision")
    axes.plot(thresholds, recall, label="recall")
    axes.plot(thresholds, 2 * precision * recall / np.maximum(precision + recall, 1e-9), label="F1")
    axes.axvline(chosen, ls="--", color="gray", label=f"chosen: {chosen:.2f}")
    axes.set(xlabel="threshold", ylabel="score on validation rows", title="choosing the threshold")
    axes.legend()
    return figure


def calibration(targets, scores: dict):
    """Plot the fraction who left against the predicted probability, in eight quantile bins.

    Args:
        targets: array of shape (customers,), 1 for those who left.
        scores: dict from a model's name to its predicted probabilities, shape (customers,).
    """
    figure, axes = plots.new_figure(6, 5.5)
    for name, probabilities in scores.items():
        CalibrationDisplay.from_predictions(
            targets, probabilities, n_bins=8, strategy="quantile", name=name, ax=axes
        )
    axes.set(xlabel="mean predicted probability", ylabel="fraction who left", title="calibration")
    axes.legend(loc="upper left")
    return figure
