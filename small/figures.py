"""The figure of lesson 36."""

import matplotlib.pyplot as plt
import pandas as pd


def sizes_figure(files: pd.DataFrame):
    """Draw the test accuracy of each file over its size.

    Args:
        files: columns `file`, `bytes` and `test_accuracy`.
    """
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for row in files.itertuples():
        (point,) = axes.plot(row.bytes / 1000, row.test_accuracy, "o")
        text = f" {row.file}"
        axes.annotate(text, (row.bytes / 1000, row.test_accuracy), color=point.get_color())
    axes.set(xscale="log", xlabel="size of the file [kB]", ylabel="test accuracy")
    axes.set_title("what do smaller files cost?")
    return figure
