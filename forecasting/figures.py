"""The figures of lesson 10."""

import numpy as np

from common.introspection import input_gradients
from common.plots import compare_models, plt


def learning_curves(histories: dict[str, dict], naive: float, noise_floor: float):
    """Plot the loss of each model, and two errors for comparison as horizontal lines.

    Args:
        histories: the columns of each model's history, by the model's name.
        naive: the mean squared error of the naive forecast; a dashed line.
        noise_floor: the lowest possible one; a dotted line.
    """
    figure = compare_models(histories, "loss", "forecasting one step ahead")
    figure.axes[0].axhline(naive, color="gray", linestyle="--")
    figure.axes[0].axhline(noise_floor, color="gray", linestyle=":")
    figure.axes[0].set(ylim=(0.0007, 0.1), ylabel="mean squared error")
    return figure


def memory(before: dict, after: dict, inputs):
    """Plot how much forecasts depend on each step, before and after training.

    The measure is the gradient of the forecast with respect to the input values, as root mean
    square over the series.

    Args:
        before, after: untrained and trained networks with one output, by name.
        inputs: float array of shape (series, steps, 1).
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained", sharey=True)
    for panel, networks, when in zip(axes, (before, after), ("before", "after"), strict=True):
        for name, network in networks.items():
            gradients = input_gradients(network, inputs)[:, ::-1, 0]  # last step first
            panel.plot(np.sqrt((gradients**2).mean(axis=0)), label=name)
        panel.set(yscale="log", xlabel="steps before the last one", title=f"{when} training")
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("gradient of the forecast")
    axes[0].legend()
    return figure


def compare_forecasts(inputs, targets, forecasts: dict):
    """Plot the first three series, one panel each, with the true values and the forecasts.

    Args:
        inputs: array of shape (series, steps, 1).
        targets: array of shape (series, steps ahead).
        forecasts: arrays of the same shape as `targets`, by the method's name.
    """
    figure, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained", sharey=True)
    steps = inputs.shape[1]
    ahead = range(steps, steps + targets.shape[1])
    for number, panel in enumerate(axes):
        panel.plot(range(steps), inputs[number, :, 0], color="gray", label="input")
        panel.plot(ahead, targets[number], "k.", label="true values")
        for name, forecast in forecasts.items():
            panel.plot(ahead, forecast[number], label=name)
        panel.set(xlabel="step", title=f"test series {number}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure
