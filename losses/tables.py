"""Compares the networks of lesson 21 with baselines, and thresholds with 0.5."""

import numpy as np
import pandas as pd
from sklearn.metrics import precision_score, recall_score


def score_table(models: dict, tasks: dict) -> pd.DataFrame:
    """Evaluate networks on the test examples, beside baselines that ignore the inputs.

    Args:
        models: trained networks by name, each compiled with one metric.
        tasks: by the same names, the inputs, the targets (a dictionary each, with the parts "train"
            and "test") and the metric. "mae" is compared with the median of the training targets,
            any other metric with the most common training target.

    Returns:
        A row per network: its last layer, loss, metric, test score, baseline and training loss.
    """
    rows = []
    for name, model in models.items():
        inputs, targets, metric = tasks[name]
        _, score = model.evaluate(inputs["test"], targets["test"], verbose=0)  # loss and metric
        if metric == "mae":
            baseline = np.abs(targets["test"] - np.median(targets["train"])).mean()
        else:
            found, counts = np.unique(targets["train"], axis=0, return_counts=True)
            right = targets["test"] == found[counts.argmax()]
            baseline = right.reshape(len(right), -1).all(axis=1).mean()  # all columns of a row
        last = model.layers[-1]
        row = [name, f"{last.units} {last.activation.__name__}"]
        row += [getattr(one, "__name__", one) for one in (model.loss, metric)]  # names of functions
        rows.append([*row, score, baseline, model.history.history["loss"][-1]])
    columns = ["network", "last layer", "loss", "metric", "test", "baseline", "training loss"]
    return pd.DataFrame(rows, columns=columns).round(4)


def threshold_table(labels, true, guessed, thresholds) -> pd.DataFrame:
    """Compare the answers of a multi-label network at 0.5 and at a threshold for each label.

    Args:
        labels: the names of the columns of `true` and `guessed`.
        true: 0 or 1, shape (examples, labels).
        guessed: probabilities, shape (examples, labels).
        thresholds: a number for each label; a probability above it counts as a yes.
    """
    rows = []
    for number, (label, threshold) in enumerate(zip(labels, thresholds, strict=True)):
        y, p = true[:, number], guessed[:, number]
        row = [label, np.mean(y == 0), np.mean((p > 0.5) == y), threshold]
        for said in (p > 0.5, p > threshold):
            row += [score(y, said, zero_division=0) for score in (recall_score, precision_score)]
        rows.append(row)
    columns = ["label", "always no", "accuracy", "threshold", "recall at 0.5", "precision at 0.5"]
    columns += ["recall at threshold", "precision at threshold"]
    return pd.DataFrame(rows, columns=columns).round(3)
