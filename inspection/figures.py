"""The figures of lesson 12."""

import numpy as np

from common.plots import image_grid, new_figure


def weights_figure(untrained, model, names: list[str]):
    """Draw histograms of the weights and biases of some layers, before and after training.

    Args:
        untrained: the model before training.
        model: the same model after training.
        names: the layers; each has a kernel and a bias.
    """
    figure, axes = new_figure(10, 5, 2, len(names))
    for column, name in enumerate(names):
        for row, part in enumerate(["weights", "biases"]):
            first, last = (
                network.get_layer(name).get_weights()[row].ravel() for network in (untrained, model)
            )
            bins = np.histogram_bin_edges([*first, *last], 40)
            axes[row, column].hist(first, bins, alpha=0.6, label="before training")
            axes[row, column].hist(last, bins, alpha=0.6, label="after training")
            axes[row, column].set(title=f"{name}: {part}", yticks=[])
            if part == "biases":  # all started at 0, and that bar would dwarf the others
                axes[row, column].set_ylim(top=1.1 * np.histogram(last, bins)[0].max())
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def maps_figure(values, middle: float):
    """Draw arrays as gray images, mapping 0 to `middle` and the largest of each to 255 (black).

    Args:
        values: filters or feature maps, an array of shape (height, width, count).
        middle: the gray level of 0; 127.5 if there are negative values, otherwise 0 (white).
    """
    size = np.maximum(np.abs(values).max(axis=(0, 1)), 1e-9)  # at least 1e-9: never divide by 0
    gray = (middle + (255 - middle) * values / size).transpose(2, 0, 1)  # (count, height, width)
    return image_grid(gray, [str(number) for number in range(len(gray))], columns=8)


def activations_figure(alive: dict):
    """Draw a histogram of the units by the fraction of images that activate them.

    Args:
        alive: the fractions, an array of shape (units,), before and after training; the keys are
            "before" and "after".
    """
    figure, axes = new_figure(7, 4.5)
    for label, fractions in alive.items():
        axes.hist(fractions, np.linspace(0, 1, 21), alpha=0.6, label=f"{label} training")
    axes.set(xlabel="fraction of images that activate a unit", ylabel="number of units")
    axes.legend()
    return figure


def pixels_figure(picture, saliency, fall, title: str):
    """Draw a picture under its title, its saliency map and its occlusion map, all (28, 28)."""
    figure, axes = new_figure(10, 3.6, 1, 3)
    axes[0].imshow(picture, cmap="gray_r")
    axes[1].imshow(saliency, cmap="magma")
    axes[2].imshow(fall, cmap="magma")
    for panel, text in zip(axes, (title, "saliency map", "occlusion"), strict=True):
        panel.set_title(text, fontsize=10)
        panel.axis("off")
    return figure
