"""The figures of lesson 23."""

import numpy as np

from common.plots import new_figure


def boxes_figure(images, titles, *boxes):
    """Draw ten canvases, each with its boxes: the first solid in blue, the second dashed in red.

    Args:
        images: at least ten, of shape (n, height, width, 1), values 0 to 255.
        titles: n titles.
        boxes: up to two arrays of shape (n, 4): left, top, right and bottom edge as fractions of
            the canvas.
    """
    figure, axes = new_figure(10, 4.6, 2, 5)
    for i, panel in enumerate(axes.flat):
        panel.imshow(images[i, ..., 0], cmap="gray_r", extent=(0, 1, 1, 0))  # relative coordinates
        for edges, style in zip(boxes, ["b-", "r--"], strict=False):
            left, top, right, bottom = edges[i]
            panel.plot([left, right, right, left, left], [top, top, bottom, bottom, top], style)
        panel.set_title(titles[i], fontsize=9)
        panel.axis("off")
    return figure


def iou_figure(overlap, heights):
    """Draw a histogram of the IoU, and the IoU against the height of the digit.

    Args:
        overlap: the IoU of each canvas, an array of shape (n,), 0 to 1.
        heights: the height of its digit [pixels], an array of shape (n,).
    """
    figure, (histogram, by_height) = new_figure(10, 4.2, 1, 2)
    histogram.hist(overlap, bins=40, range=(0, 1))
    histogram.set(xlabel="IoU", ylabel="test canvases", title="how well the boxes fit")
    by_height.plot(heights, overlap, ".", ms=2, alpha=0.2, label="a test canvas")
    groups = heights // 4  # digits of 8 to 11 pixels, of 12 to 15, and so on
    frequent = [group for group in np.unique(groups) if sum(groups == group) >= 20]
    means = [[4 * group + 1.5, overlap[groups == group].mean()] for group in frequent]
    by_height.plot(*np.transpose(means), "o-", label="mean of similar heights")
    by_height.set(xlabel="height of the digit [pixels]", ylabel="IoU", title="how size matters")
    by_height.legend(loc="lower right")
    return figure
