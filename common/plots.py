"""Figures that several lessons draw. Each function returns a Matplotlib figure at 100 dpi."""

from common.flags import in_notebook
from common.startup import start_matplotlib

start_matplotlib()

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogFormatter, MaxNLocator

FIRST, SECOND = "tab:blue", "tab:red"  # colors of two curves
MOST_LINES = 20  # more curves in one figure cannot be told apart


def save(figure, path) -> None:
    """Save a figure as PNG and close it, except in a notebook, which displays it."""
    figure.savefig(path, dpi=100)
    if not in_notebook():
        plt.close(figure)


def new_figure(width: float = 7, height: float = 4.5, rows: int = 1, columns: int = 1):
    """Like `plt.subplots`, with a size in inches and a layout in which nothing overlaps."""
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", dpi=100)


def history(history: dict, units: dict[str, str] | None = None, without=()) -> dict:
    """Plot the training and validation values of the loss and each metric per epoch.

    Args:
        history: the loss and each metric, as a list with one value per epoch.
        units: axis labels by metric, such as `{"mae": "mean absolute error [MPG]"}`.
        without: metrics to leave out.

    Returns:
        A dict of figures by metric name: `loss`, `accuracy` and so on.
    """
    figures = {}
    for name, values in history.items():
        undrawn = name.startswith("val_") or name in ("learning_rate", *without)
        if undrawn or repeats_loss(name, history):
            continue
        figure, axes = new_figure()
        draw_curve(axes, values, "training", FIRST)
        validation = history.get(f"val_{name}", [])
        if validation:
            draw_curve(axes, validation, "validation", "tab:orange")
        widen(axes, values)
        if axes.get_yscale() == "linear":
            leave_out_the_start(axes, [*values, *validation])
        label = (units or {}).get(name, name.replace("_", " "))
        axes.set(xlabel="epoch", ylabel=label, title=f"{label} during training")
        axes.legend()
        figures[name] = figure
    return figures


def repeats_loss(name: str, columns: dict[str, list[float]]) -> bool:
    """Return whether a metric equals the loss, up to rounding."""
    loss = columns.get("loss", np.inf)  # some lessons have one loss per model
    return name != "loss" and np.allclose(columns[name], loss, rtol=1e-4, equal_nan=True)


def draw_curve(axes, values, label: str, color: str | None = None, style: str = "-") -> None:
    """Plot one value per epoch, with markers if there are only a few."""
    epochs = np.arange(1, len(values) + 1)
    marker = "o" if len(values) <= 15 else ""
    axes.plot(epochs, values, style, marker=marker, ms=4, label=label, color=color)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)


class PlainNumbers(LogFormatter):
    """Formats a tick as 0.3 instead of 3x10^-1, and omits it if there is no room."""

    def __call__(self, x, pos=None):
        return f"{x:g}" if super().__call__(x, pos) else ""


def log_scale(axes) -> None:
    """Make the y-axis logarithmic."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(PlainNumbers())
    axes.yaxis.set_minor_formatter(PlainNumbers(minor_thresholds=(1, 0.4)))


def widen(axes, values) -> None:
    """Use a logarithmic y-axis if the values span a wide range; otherwise the end looks flat."""
    if len(values) and max(values) > 20 * min(values) > 0:
        log_scale(axes)


def leave_out_the_start(axes, values) -> None:
    """Crop the first epochs' low values if they compress all others at the top of the axis."""
    low, high, most = min(values), max(values), np.quantile(values, 0.1)
    if 0 < high - most < 0.2 * (high - low):
        axes.set_ylim(most - 0.5 * (high - most), high + 0.1 * (high - most))


def epoch_times(seconds: list[float]):
    """Plot the duration of each epoch in seconds; the first includes compilation."""
    figure, axes = new_figure()
    draw_curve(axes, seconds, "one epoch")
    median = np.median(seconds)
    axes.axhline(median, color="gray", linestyle="--", label=f"median {median:.3g} s")
    axes.set(xlabel="epoch", ylabel="time [s]", title="time per epoch (first: with compilation)")
    widen(axes, seconds)
    if axes.get_yscale() == "linear":
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])  # otherwise the highest marker is cut off
    axes.legend()
    return figure


def image_grid(images, titles, title_colors=None, columns: int = 5):
    """Show grayscale images in a grid, each below its title of one or two lines.

    All images share one Axes, because drawing one Axes per image takes far longer.

    Args:
        images: array of shape (n, height, width), values 0 to 255.
        titles: n strings.
        title_colors: n colors; black by default.
        columns: images per row.
    """
    count, height, width = images.shape
    rows = -(-count // columns)
    across, down = width * 1.25, height * 1.5  # leaves room for the titles
    figure, axes = new_figure(1.6 * columns, 1.9 * rows * (height / width))
    for place, image in enumerate(images):
        left, top = place % columns * across, place // columns * down
        extent = (left, left + width, top + height, top)
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255, extent=extent)
        color = title_colors[place] if title_colors else "black"
        text = {"ha": "center", "va": "bottom", "fontsize": 9, "color": color}
        axes.text(left + width / 2, top - 1, titles[place], **text)
    axes.set_xlim(-width * 0.12, columns * across - width * 0.12)
    axes.set_ylim((rows - 1) * down + height * 1.05, -height * 0.4)
    axes.axis("off")
    return figure


def confusion_matrix(true_labels, predicted_labels, class_names: list[str]):
    """Plot how often each true class (row) was predicted as each class (column)."""
    from sklearn import metrics

    count = len(class_names)
    size = 2.5 + 0.55 * count
    figure, axes = new_figure(size + 0.8, size + 0.2)
    matrix = metrics.confusion_matrix(true_labels, predicted_labels, labels=range(count))
    labels = [no_math(name) for name in class_names]
    display = metrics.ConfusionMatrixDisplay(matrix, display_labels=labels)
    text = {"values_format": "d", "text_kw": {"fontsize": 9}}
    rotation = 45 if count > 3 else 0
    display.plot(cmap="Blues", xticks_rotation=rotation, ax=axes, colorbar=False, **text)
    plt.setp(axes.get_xticklabels(), ha="right" if count > 3 else "center")
    axes.set(xlabel="predicted", ylabel="true", title="confusion matrix")
    return figure


def prediction_versus_truth(true_values, predicted_values, quantity: str, unit: str):
    """Plot predicted against true values, beside a histogram of the errors.

    Args:
        true_values: array of shape (n,).
        predicted_values: array of shape (n,).
        quantity: the predicted quantity, such as "fuel economy".
        unit: its unit, such as "MPG".
    """
    figure, (left, right) = new_figure(10, 4.8, 1, 2)
    both = np.concatenate([true_values, predicted_values])
    ends = [both.min(), both.max()]
    left.plot(ends, ends, color="gray", linestyle="--", label="perfect prediction")
    left.scatter(true_values, predicted_values, s=14, alpha=0.7, label="test examples")
    left.set(title="predicted against true values", aspect="equal")
    left.set(xlabel=f"true {quantity} [{unit}]", ylabel=f"predicted {quantity} [{unit}]")
    left.legend()
    errors = np.asarray(predicted_values) - np.asarray(true_values)
    right.hist(
        errors[np.abs(errors) < 1e9], bins=25
    )  # without the huge errors of a diverged training
    right.axvline(0, color="gray", linestyle="--")
    right.yaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel=f"prediction minus truth [{unit}]", ylabel="number of test examples")
    right.set_title("distribution of the errors")
    return figure


def compare_runs(runs: list[tuple[dict, dict]]):
    """Plot the validation curves of many runs: one row per lesson, one panel per quantity.

    A lesson's row has a panel for every quantity that any of its runs recorded.

    Args:
        runs: the return value of `common.runs.with_history`.
    """
    lessons, quantities = {}, {}
    for record, columns in runs:  # oldest first
        lessons.setdefault(record["lesson"], []).append((record, columns))
        names = [name for name in columns if f"val_{name}" in columns]
        names = dict.fromkeys(n for n in names if not repeats_loss(n, columns))
        quantities[record["lesson"]] = quantities.get(record["lesson"], {}) | names
    across = max(map(len, quantities.values())) + 1  # the last panel of a row holds its legend
    figure, axes = new_figure(4.2 * across, 3.8 * len(lessons), len(lessons), across)
    for row, lesson in zip(np.reshape(axes, (-1, across)), lessons, strict=True):
        drawn = lessons[lesson][-MOST_LINES:]
        for panel, name in zip(row, quantities[lesson], strict=False):
            draw_runs(panel, drawn, name)
        empty = row[len(quantities[lesson]) :]
        for panel in empty:
            panel.axis("off")
        row[0].set_title(no_math(lesson), loc="left", fontsize=10)
        title = f"runs (the last {MOST_LINES})" if len(lessons[lesson]) > MOST_LINES else "runs"
        curves, labels = row[0].get_legend_handles_labels()
        empty[0].legend(curves, labels, loc="upper left", fontsize=8, title=title)
    return figure


def no_math(name: str) -> str:
    """Escape each `$`: Matplotlib would typeset text between two of them as a formula."""
    return name.replace("$", r"\$")


def draw_runs(panel, runs: list[tuple[dict, dict]], name: str) -> None:
    """Plot the validation values of one quantity, one curve per run."""
    ends = [columns[f"val_{name}"][-1] for _, columns in runs if f"val_{name}" in columns]
    most = 10_000 * min((end for end in ends if end > 0), default=np.inf)
    for number, (record, columns) in enumerate(runs):
        values = columns.get(f"val_{name}", [])  # only other runs may have this quantity
        label = no_math("{run}\n{data} data, seed {seed}, {epochs} epochs".format(**record))
        if values and not values[-1] <= most:  # it diverged and would flatten all others
            values, label = [], f"{label}, off the scale"
        draw_curve(panel, values, label, plt.get_cmap("tab20")(number))
        widen(panel, values)
    panel.set(xlabel="epoch", ylabel=f"validation {name}")


def compare_models(histories: dict[str, dict], quantity: str, title: str):
    """Plot one quantity of several models: one color each, validation solid, training dashed.

    The scale is logarithmic: it shows small differences between small values.

    Args:
        histories: the columns of each model's history, by the model's name.
        quantity: a column, such as "loss"; its validation values are in `val_<quantity>`.
        title: the title of the figure.
    """
    figure, axes = new_figure(9, 5.5)
    for number, (name, columns) in enumerate(histories.items()):
        color = plt.get_cmap("tab10")(number)
        draw_curve(axes, columns[f"val_{quantity}"], name, color)
        draw_curve(axes, columns[quantity], "", color, "--")
        axes.lines[-1].set(linewidth=1, alpha=0.8)
    axes.plot([], [], "k-", label="solid: validation")
    axes.plot([], [], "k--", linewidth=1, label="dashed: training")
    axes.set(xlabel="epoch", ylabel=quantity.replace("_", " "), title=title)
    log_scale(axes)
    figure.legend(loc="outside right upper")
    return figure
