"""The figures of lesson 33."""

from common.plots import new_figure, no_math


def picture_grid(images, titles, columns: int = 8):
    """Show color pictures in a grid, each below its title.

    Args:
        images: array of shape (n, height, width, 3), 0 to 255.
        titles: n strings.
        columns: pictures per row.
    """
    rows = -(-len(images) // columns)
    figure, axes = new_figure(1.3 * columns, 1.55 * rows, rows, columns)
    for panel in axes.flat:
        panel.axis("off")
    for panel, image, title in zip(axes.flat, images, titles, strict=False):
        panel.imshow(image)
        panel.set_title(no_math(title), fontsize=8)
    return figure
