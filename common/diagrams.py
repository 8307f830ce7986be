"""A model as boxes and arrows, drawn by matplotlib: no other program is needed."""

from itertools import pairwise

from common import plots

WIDTH, HEIGHT = 2.6, 1.1  # of a layer's place, in inches


def diagram(model, title: str):
    """Draw a model: a box for each layer, an arrow to each layer that takes what it gives.

    Args:
        model: a Sequential or a functional model.
        title: what it is.

    Returns:
        A matplotlib figure. In a box stand the layer's name, its kind, and the shape of what it
        gives, whose first number, that of the examples, is left open (None).
    """
    rows = arrange(parents_of(model))
    columns = max(map(len, rows))
    figure, axes = plots.new_figure(WIDTH * columns + 0.4, HEIGHT * len(rows) + 0.5)
    places = {
        name: (WIDTH * (place - (len(row) - 1) / 2), -HEIGHT * depth)
        for depth, row in enumerate(rows)
        for place, name in enumerate(row)
    }
    for name, parents in with_waypoints(parents_of(model)).items():
        for parent in parents:
            from_box = 0.32 if isinstance(parent, str) else 0
            to_box = 0.34 if isinstance(name, str) else 0
            (x0, y0), (x1, y1) = places[parent], places[name]
            axes.annotate(
                "",
                (x1, y1 + to_box),
                (x0, y0 - from_box),
                arrowprops={
                    "arrowstyle": "-|>" if to_box else "-",
                    "color": "gray",
                    "shrinkA": 0,
                    "shrinkB": 0,
                },
            )
    for name, layer in layers_of(model).items():
        text = f"{name}\n{type(layer).__name__}\n{layer.output.shape}"
        axes.text(
            *places[name],
            text,
            ha="center",
            va="center",
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.35", "fc": "aliceblue", "ec": "tab:blue"},
        )
    axes.set_xlim(-WIDTH * columns / 2, WIDTH * columns / 2)
    axes.set_ylim(-HEIGHT * (len(rows) - 0.5), HEIGHT / 2)
    axes.set_title(title)
    axes.axis("off")
    return figure


def layers_of(model) -> dict:
    """Find the layers by name; those of a Sequential model lack its input."""
    layers = model._functional.layers if hasattr(model, "_functional") else model.layers
    return {layer.name: layer for layer in layers}


def parents_of(model) -> dict[str, list[str]]:
    """Name, for each layer, the layers that it takes its inputs from, in the order of the model."""
    configs = model.get_config()["layers"]
    names = [config["config"]["name"] for config in configs]
    if not any("inbound_nodes" in config for config in configs):  # Sequential: one after the other
        return {name: names[max(0, number - 1) : number] for number, name in enumerate(names)}
    return {
        name: list(dict.fromkeys(sources(config["inbound_nodes"])))
        for name, config in zip(names, configs, strict=True)
    }


def sources(node) -> list[str]:
    """Collect the names of layers whose outputs are mentioned anywhere in a layer's call."""
    if isinstance(node, dict):
        if "keras_history" in node:
            return [node["keras_history"][0]]
        node = list(node.values())
    if isinstance(node, list | tuple):
        return [name for part in node for name in sources(part)]
    return []


def depths_of(parents: dict) -> dict:
    """Give each layer its depth: one more than its deepest parent's, 0 for inputs."""
    depths = {}
    for name in parents:  # parents come before their children
        depths[name] = 1 + max((depths[parent] for parent in parents[name]), default=-1)
    return depths


def with_waypoints(parents: dict) -> dict:
    """Let an arrow that skips rows have a waypoint in each, a tuple, so that it passes no box."""
    depths, found = depths_of(parents), {name: [] for name in parents}
    for name, all_parents in parents.items():
        for parent in all_parents:
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
        places = {name: place for place, name in enumerate(above)}

        def mean_place(name, places=places):
            near = [places[parent] for parent in found[name] if parent in places]
            return sum(near) / len(near) if near else (len(places) - 1) / 2

        row.sort(key=mean_place)
    return rows
