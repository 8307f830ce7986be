"""Look inside a model: the gradient with respect to its inputs, and its graph as a figure.

Both work on every back-end, and need no other program to be installed.
"""

from itertools import pairwise

import keras
import numpy as np

from common import plots

WIDTH, HEIGHT = 2.6, 1.1  # of a layer's place in the graph, in inches


def input_gradients(model, inputs, chosen=None) -> np.ndarray:
    """Compute how much an output changes with each number of its input.

    Keras has no call for it. But training computes gradients: so the inputs become weights, and the
    model is called as in prediction. After one step of SGD with rate 1 its momentum, 0 before, is
    minus the gradient. (The change of the weights themselves would lose tiny gradients to rounding.
    How large `momentum` is plays no part in a first step.)

    Args:
        model: takes float arrays; one output of shape (n, outputs). Its weights stay as they are.
        inputs: array of shape (n, ...).
        chosen: the output to look at, for each example: n whole numbers. If left out, the sum of
            all.

    Returns:
        float32 array of the shape of `inputs`.
    """
    outputs = model.output_shape[-1]
    chosen = np.ones((len(inputs), outputs)) if chosen is None else np.eye(outputs)[chosen]
    asker = InputsAsWeights(model, inputs)
    optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
    # Eagerly, since it is a single step: to compile it would take longer than to run it.
    asker.compile(optimizer, lambda mask, answer: keras.ops.sum(mask * answer), run_eagerly=True)
    asker.train_on_batch(np.zeros((len(inputs), 1), "float32"), chosen.astype("float32"))
    return -keras.ops.convert_to_numpy(optimizer.momentums[0])


class InputsAsWeights(keras.Model):
    """A model whose only weights are the inputs of another one."""

    def __init__(self, model, inputs):
        super().__init__()
        # Not as an attribute: its weights would become weights of this model, and be trained.
        self.answer = lambda inputs: model(inputs, training=False)
        self.inputs_as_weights = self.add_weight(inputs.shape, "zeros", name="inputs")
        self.inputs_as_weights.assign(inputs)

    def call(self, _):
        """Ignore what comes in: the inputs are known."""
        return self.answer(self.inputs_as_weights)


def diagram(model, title: str):
    """Draw a model: a box for each layer, an arrow to each layer that takes its output.

    Args:
        model: a Sequential or a functional model.
        title: what it is.

    Returns:
        A matplotlib figure. A box holds the layer's name, its class, and the shape of its output,
        whose first number, that of the examples, is open (None).
    """
    parents = parents_of(model)
    rows = arrange(parents)
    columns = max(map(len, rows))
    figure, axes = plots.new_figure(WIDTH * columns + 0.4, HEIGHT * len(rows) + 0.5)
    places = {
        name: (WIDTH * (place - (len(row) - 1) / 2), -HEIGHT * depth)
        for depth, row in enumerate(rows)
        for place, name in enumerate(row)
    }
    style = {"color": "gray", "shrinkA": 0, "shrinkB": 0}
    for name, above in with_waypoints(parents).items():
        head, to_box = ("-|>", 0.34) if isinstance(name, str) else ("-", 0)
        for parent in above:
            from_box = 0.32 if isinstance(parent, str) else 0
            (x0, y0), (x1, y1) = places[parent], places[name]
            arrow = {"arrowstyle": head, **style}
            axes.annotate("", (x1, y1 + to_box), (x0, y0 - from_box), arrowprops=arrow)
    box = {"boxstyle": "round,pad=0.35", "fc": "aliceblue", "ec": "tab:blue"}
    for layer in as_functional(model).layers:
        text = f"{layer.name}\n{type(layer).__name__}\n{layer.output.shape}"
        axes.text(*places[layer.name], text, ha="center", va="center", fontsize=8, bbox=box)
    axes.set_xlim(-WIDTH * columns / 2, WIDTH * columns / 2)
    axes.set_ylim(-HEIGHT * (len(rows) - 0.5), HEIGHT / 2)
    axes.set_title(title)
    axes.axis("off")
    return figure


def as_functional(model):
    """Return the functional model within a Sequential one, which has the input as a layer too."""
    return getattr(model, "_functional", model)


def parents_of(model) -> dict[str, list[str]]:
    """Name, for each layer, the layers that it takes its inputs from, in the order of the model."""
    model = as_functional(model)
    parents = {layer.name: [] for layer in model.operations}
    for _, calls in sorted(model._nodes_by_depth.items(), reverse=True):  # the inputs first
        for call in calls:
            parents[call.operation.name] += [node.operation.name for node in call.parent_nodes]
    return {name: list(dict.fromkeys(above)) for name, above in parents.items()}


def depths_of(parents: dict) -> dict:
    """Return the depth of each layer: one more than its deepest parent's, 0 for inputs."""
    depths = {}
    for name in parents:  # parents come before their children
        depths[name] = 1 + max((depths[parent] for parent in parents[name]), default=-1)
    return depths


def with_waypoints(parents: dict) -> dict:
    """Give an arrow that skips rows a waypoint in each, a tuple, so that it crosses no box."""
    depths, found = depths_of(parents), {name: [] for name in parents}
    for name, above in parents.items():
        for parent in above:
            last = parent
            for depth in range(depths[parent] + 1, depths[name]):
                waypoint = (parent, name, depth)
                found[waypoint] = [last]
                last = waypoint
            found[name].append(last)
    return found


def arrange(parents: dict) -> list[list]:
    """Put layers and waypoints into rows by depth; in a row, in the order of their parents."""
    found, depths = with_waypoints(parents), depths_of(parents)
    rows = [[] for _ in range(1 + max(depths.values()))]
    for name in found:
        rows[depths[name] if name in depths else name[2]].append(name)
    for above, row in pairwise(rows):
        means = {name: np.mean([above.index(parent) for parent in found[name]]) for name in row}
        row.sort(key=means.get)
    return rows
