"""The figures of lesson 27."""

import numpy as np

from common.plots import new_figure


def lengths_figure(right: dict, lengths):
    """Plot the accuracy of each model against the length of the list; the first one is dashed.

    Args:
        right: by name, an array of shape (n,): whether an answer is right.
        lengths: the number of lines of each list, shape (n,).
    """
    figure, axes = new_figure()
    sizes = np.unique(lengths)
    for number, (name, values) in enumerate(right.items()):
        style = {"marker": "o"} if number else {"color": "gray", "linestyle": "--"}
        axes.plot(sizes, [values[lengths == size].mean() for size in sizes], label=name, **style)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="lines of the list", ylabel="test accuracy", ylim=(0, 1.03))
    axes.legend()
    return figure


def weights_figure(weights: dict, lists: list[list[str]]):
    """Show attention weights as the color of each line, a row per list and a panel per model.

    Args:
        weights: by model, an array of shape (lists, longest).
        lists: the lines of each list, the question last.
    """
    figure, panels = new_figure(10, 2.6 * len(weights), len(weights), 1)
    for panel, (name, rows) in zip(np.atleast_1d(panels), weights.items(), strict=True):
        panel.imshow(rows, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, lines in enumerate(lists):
            for place, line in enumerate(lines[:-1], start=rows.shape[1] + 1 - len(lines)):
                color = "white" if rows[row, place] > 0.5 else "black"
                style = {"ha": "center", "va": "center", "fontsize": 8, "color": color}
                panel.text(place, row, line, **style)
        panel.set_yticks(range(len(lists)), [lines[-1] for lines in lists])
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.set(title=f"{name}: attention weights, white 0 to blue 1", xlabel="position")
    return figure
