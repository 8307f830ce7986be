"""The figures of xor.py: its decision surface at some moments, and how it changes."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from common import plots

COLORS = {"cmap": "coolwarm", "vmin": 0, "vmax": 1}
MILLISECONDS = 100  # per frame
LAST = 2000  # of the last frame


def draw_surface(panel, across, surface) -> list:
    """Draw the probability of a 1 at each point and the decision boundary.

    Args:
        panel: the Matplotlib axes.
        across: coordinates of the points on both axes, shape (n,).
        surface: the probabilities, shape (n, n).

    Returns:
        What was drawn: the colored surface and, if there is one, the line.
    """
    image = panel.contourf(across, across, surface, np.linspace(0, 1, 21), **COLORS)
    if not surface.min() < 0.5 < surface.max():  # Matplotlib would warn
        return [image]
    return [image, panel.contour(across, across, surface, [0.5], colors="black", linewidths=1)]


def draw_rows(panel, inputs, targets):
    """Draw the rows of the truth table, inputs of shape (4, 2) and targets of shape (4, 1)."""
    panel.set(xlabel="a", ylabel="b", aspect="equal")
    return panel.scatter(*inputs.T, c=targets[:, 0], edgecolors="black", s=90, **COLORS)


def decision_surfaces(surfaces: dict, across, inputs, targets):
    """Plot up to six decision surfaces; see `save_animation`.

    Returns:
        A Matplotlib figure.
    """
    figure, axes = plots.new_figure(10, 6.4, 2, 3)
    for panel in axes.flat[len(surfaces) :]:  # fewer epochs than panels
        panel.axis("off")
    for panel, (epoch, surface) in zip(axes.flat, surfaces.items(), strict=False):
        image = draw_surface(panel, across, surface)[0]
        draw_rows(panel, inputs, targets)
        panel.set_title(f"epoch {epoch}")
    figure.colorbar(image, ax=axes, label="probability of 1", shrink=0.8)
    return figure


def save_animation(path, surfaces: dict, across, inputs, targets) -> None:
    """Save the decision surfaces as an animated GIF, one frame each.

    Only what changes is drawn again: six times as fast as `matplotlib.animation`.

    Args:
        path: the file.
        surfaces: the probabilities of a 1 by epoch, shape (n, n) each.
        across: coordinates of the points on both axes, shape (n,).
        inputs, targets: the truth table, of shapes (4, 2) and (4, 1).
    """
    figure = Figure((4.6, 3.8), dpi=80, layout="constrained")
    canvas, panel = FigureCanvasAgg(figure), figure.subplots()
    title, points = panel.set_title(" "), draw_rows(panel, inputs, targets)
    edges, ticks = (across[0], across[-1]), np.arange(across[0], across[-1] + 0.1, 0.5)
    panel.set(xlim=edges, ylim=edges, xticks=ticks, yticks=ticks)
    figure.colorbar(points, label="probability of 1", shrink=0.85)
    canvas.draw()
    empty, frames = canvas.copy_from_bbox(figure.bbox), []
    for epoch, surface in surfaces.items():
        canvas.restore_region(empty)
        drawn = draw_surface(panel, across, surface)
        title.set_text(f"epoch {epoch}")
        for artist in (*drawn, points, title, *panel.spines.values()):
            panel.draw_artist(artist)
        for artist in drawn:
            artist.remove()
        frame = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
        # The first frame has all colors too: those of the color bar.
        frames.append(frame.quantize(128, palette=frames[0] if frames else None, dither=0))
    pauses = [MILLISECONDS] * (len(frames) - 1) + [LAST]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:], duration=pauses, loop=0)
