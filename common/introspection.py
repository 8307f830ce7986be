"""Inspect a model: gradients with respect to its inputs, and its graph as a figure.

Both work on every back-end without any other program, such as Graphviz.
"""

from itertools import pairwise

import keras
import numpy as np

from common import plots

WIDTH, HEIGHT = 2.6, 1.1  # of a layer's cell in the graph, in inches


def input_gradients(model, inputs, chosen=None) -> np.ndarray:
    """Compute the gradient of an output with respect to the inputs.

    Keras has no back-end-independent function for this, but training computes gradients. So the
    inputs become the weights of a model that calls `model` in inference mode. After one step of SGD
    with learning rate 1, the momentum, initially 0, equals minus the gradient. (Reading it from the
    updated weights would lose tiny gradients to rounding. The value of `momentum` does not matter
    in the first step.)

    Args:
        model: takes float arrays and has one output of shape (n, outputs). Its weights are not
            changed.
        inputs: array of shape (n, ...).
        chosen: n integers, the index of the output to differentiate for each example. By default,
            the sum of all outputs.

    Returns:
        float32 array with the shape of `inputs`.
    """
    outputs = model.output_shape[-1]
    chosen = np.ones((len(inputs), outputs)) if chosen is None else np.eye(outputs)[chosen]
    asker = InputsAsWeights(model, inputs)
    optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
    # Eagerly: compiling would take longer than this single step.
    asker.compile(optimizer, lambda mask, answer: keras.ops.sum(mask * answer), run_eagerly=True)
    asker.train_on_batch(np.zeros((len(inputs), 1), "float32"), chosen.astype("float32"))
    return -keras.ops.convert_to_numpy(optimizer.momentums[0])


class InputsAsWeights(keras.Model):
    """A model whose only weights are the inputs of another model."""

    def __init__(self, model, inputs):
        super().__init__()
        # In a lambda: the weights of a model stored as an attribute would be trained too.
        self.answer = lambda inputs: model(inputs, training=False)
        self.inputs_as_weights = self.add_weight(inputs.shape, "zeros", name="inputs")
        self.inputs_as_weights.assign(inputs)

    def call(self, _):
        """Ignore the argument and return the other model's output for the stored inputs."""
        return self.answer(self.inputs_as_weights)


def diagram(model, title: str):
    """Draw a model's graph: a box for each layer, an arrow for each connection.

    Args:
        model: a Sequential or a functional model.
        title: the title of the figure.

    Returns:
        A matplotlib figure. Each box shows the layer's name, class and output shape, in which None
        is the batch size.
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
    """Return a Sequential model's functional model, which also has an input layer."""
    return getattr(model, "_functional", model)


def parents_of(model) -> dict[str, list[str]]:
    """Map the name of each layer to the names of its input layers, in the order of the model."""
    model = as_functional(model)
    parents = {layer.name: [] for layer in model.operations}
    for _, calls in sorted(model._nodes_by_depth.items(), reverse=True):  # the inputs first
        for call in calls:
            parents[call.operation.name] += [node.operation.name for node in call.parent_nodes]
    return {name: list(dict.fromkeys(above)) for name, above in parents.items()}


def depths_of(parents: dict) -> dict:
    """Return each layer's depth: 0 for inputs, otherwise one more than its deepest parent."""
    depths = {}
    for name in parents:  # parents come before their children
        depths[name] = 1 + max((depths[parent] for parent in parents[name]), default=-1)
    return depths


def with_waypoints(parents: dict) -> dict:
    """Add a waypoint, a tuple, in every row that an arrow skips, so that it crosses no box."""
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
    """Arrange layers and waypoints in rows by depth, each row in the order of its parents."""
    found, depths = with_waypoints(parents), depths_of(parents)
    rows = [[] for _ in range(1 + max(depths.values()))]
    for name in found:
        rows[depths[name] if name in depths else name[2]].append(name)
    for above, row in pairwise(rows):
        means = {name: np.mean([above.index(parent) for parent in found[name]]) for name in row}
        row.sort(key=means.get)
    return rows
