"""Draws the figures of lesson 00, each a matplotlib figure, and prints its table."""

from itertools import chain

import numpy as np

from common import plots

PLUS, MINUS = "tab:blue", "tab:red"


def borders_and_activations(biases, activations: dict):
    """Draw where a unit with two weights of 1 outputs 1, and the curves of activation functions.

    Args:
        biases: two biases, a panel for each.
        activations: functions by name.
    """
    figure, panels = plots.new_figure(11, 3.6, 1, 3)
    for panel, bias in zip(panels, biases, strict=False):
        a = np.array([-0.5, 1.5])
        border = -bias - a  # there a + b + bias is 0
        panel.plot(a, border, color="black")
        panel.fill_between(a, border, 2, color=PLUS, alpha=0.15)
        for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
            panel.plot(*corner, "o", ms=11, mec="black", color=PLUS if all(corner) else "white")
        panel.text(0.97, 0.95, "output 1", transform=panel.transAxes, ha="right", va="top")
        panel.set(xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), xticks=[0, 1], yticks=[0, 1])
        panel.set(xlabel="a", ylabel="b", aspect="equal")
        panel.set_title(f"with a bias of {bias}" if bias else "without a bias")
    sums = np.linspace(-4, 4, 200)
    for name, function in activations.items():
        panels[2].plot(sums, function(sums), label=name)
    panels[2].set(xlabel="z", ylim=(-1.2, 2.2), title="activation functions")
    panels[2].grid(alpha=0.3)
    panels[2].legend(loc="upper left")
    return figure


def networks(parameters: dict[str, list]):
    """Draw a 2-2-1 network neuron by neuron, a panel for each set of its parameters.

    Args:
        parameters: arrays of shapes (2, 2), (2,), (2, 1), (1,) by the title of the panel.
    """
    figure, panels = plots.plt.subplots(1, len(parameters), figsize=(11, 3.6))
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.91, 0.04)  # nothing stands outside the panels
    places = [[(0, 1), (0, 0)], [(1, 1), (1, 0)], [(2, 0.5)]]
    for panel, (title, (w1, b1, w2, b2)) in zip(panels, parameters.items(), strict=True):
        for layer, weights in enumerate((w1, w2)):
            for i, j in np.ndindex(weights.shape):
                (x, y), (to_x, to_y) = places[layer][i], places[layer + 1][j]
                weight, color = weights[i, j], PLUS if weights[i, j] > 0 else MINUS
                panel.plot([x, to_x], [y, to_y], color=color, lw=0.3 + abs(weight), zorder=1)
                at = 0.3 if layer == 0 else 0.4  # lines that cross meet at 0.5
                text = {"ha": "center", "va": "center", "fontsize": 9}
                text["bbox"] = {"fc": "white", "ec": color, "pad": 1.5, "lw": 0.5}
                where = x + at * (to_x - x), y + at * (to_y - y)
                panel.text(*where, f"{weight:.1f}", **text)
        labels = ["a", "b", *(f"{bias:+.1f}" for bias in (*b1, *b2))]
        for (x, y), label in zip(chain(*places), labels, strict=True):
            face = "whitesmoke" if x == 0 else "moccasin"
            panel.plot(x, y, "o", ms=40, color=face, mec="black", zorder=2)
            panel.text(x, y, label, ha="center", va="center", zorder=3)
        for x, name in enumerate(("inputs", "hidden layer", "output")):
            panel.text(x, 1.3, name, ha="center", fontsize=9, color="gray")
        panel.set(xlim=(-0.35, 2.35), ylim=(-0.3, 1.42), title=title)
        panel.axis("off")
    return figure


def paths(loss, paths: dict[str, np.ndarray], minimum):
    """Draw the paths of optimizers over the lines of equal loss.

    Args:
        loss: takes arrays w and b and returns the loss.
        paths: arrays of shape (steps, 2), w and b after each step, by the optimizer's name.
        minimum: w and b at the lowest loss.
    """
    figure, axes = plots.new_figure(8, 5)
    w, b = np.meshgrid(np.linspace(-0.3, 2.9, 100), np.linspace(-2.6, 4.6, 100))
    # Lines at equal ratios: at equal distances they would all lie on the steep sides.
    axes.contour(w, b, loss(w, b), np.geomspace(0.02, 80, 14), colors="lightgray", linewidths=1)
    for name, path in paths.items():
        axes.plot(*path.T, "o-", ms=3, lw=1.2, label=name)
    axes.plot(*minimum, "k*", ms=14, label="minimum")
    axes.set(xlabel="weight w", ylabel="bias b", title="three ways down the same loss")
    axes.legend()
    return figure


def waves(x, target, learned: dict[str, tuple]):
    """Draw what networks have learned of a curve, and their losses along the way.

    Args:
        x, target: arrays of shape (points, 1).
        learned: what `neuron.wave.learn` returns, by the network's name.
    """
    figure, (left, right) = plots.new_figure(11, 4, 1, 2)
    left.plot(x, target, color="black", lw=4, alpha=0.25, label="the wave")
    for name, (predicted, losses, _) in learned.items():
        left.plot(x, predicted, label=name)
        right.plot(losses, label=name)
    left.set(xlabel="x", title="what the networks have learned", ylim=(-1.4, 1.9))
    left.legend(loc="upper right", ncols=3, fontsize=9)
    right.set(xlabel="step", ylabel="mean squared error", title="the loss along the way")
    plots.log_scale(right)
    return figure


def print_rows(*arrays) -> None:
    """Print a row for each input of a 2-2-1 network.

    Args:
        *arrays: a and b, shape (rows, 2); z and output of the hidden units, (rows, 2) each, and of
            the output unit, (rows, 1) each; the right answers, (rows, 1).
    """
    print(" a b      hidden z1 ->      h     output z2 ->     p  y")
    for row in np.hstack(arrays):
        print("{:2.0f}{:2.0f}{:8.2f}{:7.2f} ->{:6.3f}{:6.3f}{:9.2f} ->{:6.3f}{:3.0f}".format(*row))
