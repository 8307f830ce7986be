"""The figures of lesson 04."""

import numpy as np

from common.plots import FIRST, draw_curve, new_figure, plt


def compare_with_baseline(histories: dict[str, dict], quantity: str, baseline: str):
    """Plot one quantity of several models, one panel each, with the baseline in gray.

    Validation curves are solid, training curves dashed.

    Args:
        histories: the columns of each model's history, by the model's name.
        quantity: a column, such as "loss"; its validation values are in `val_<quantity>`.
        baseline: the name of the model drawn in every panel; ignored if it is not in `histories`.
    """
    names = [name for name in histories if name != baseline] or [baseline]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, panels = new_figure(3 * columns, 2.6 * rows + 0.8, rows, columns)
    panels = np.ravel(panels)
    for panel, name in zip(panels, names, strict=False):
        for one, color in {baseline: "gray", name: FIRST}.items():
            if one in histories:
                draw_curve(panel, histories[one][f"val_{quantity}"], "", color)
                draw_curve(panel, histories[one][quantity], "", color, "--")
        plt.setp(panel.lines, marker="", linewidth=1.5)
        panel.set_title(name)
    highest = max(panel.get_ylim()[1] for panel in panels[: len(names)])
    epochs = max(panel.get_xlim()[1] for panel in panels[: len(names)])
    for number, panel in enumerate(panels):
        panel.set(xlim=(0, epochs), ylim=(0, highest))
        panel.tick_params(labelleft=number % columns == 0)
        panel.axis("on" if number < len(names) else "off")
    panels[0].plot([], [], color=FIRST, label="model named above the panel")
    panels[0].plot([], [], color="gray", label=baseline)
    panels[0].plot([], [], "k-", linewidth=1.5, label="solid: validation")
    panels[0].plot([], [], "k--", linewidth=1.5, label="dashed: training")
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel(quantity.replace("_", " "), fontsize=10)
    if len(names) < len(panels):  # an unused panel holds the legend
        curves, labels = panels[0].get_legend_handles_labels()
        panels[-1].legend(curves, labels, loc="center")
    else:
        figure.legend(loc="outside upper center", ncols=2)
    return figure
