"""How each model is trained: most for 60 epochs, at a constant learning rate.

Imports nothing heavy, so that the flags are read at once.
"""

from typing import NamedTuple

NAMES = [
    "mlp_one_layer",
    "mlp_two_layers",
    "mlp_two_layers_dropout",
    "conv_net",
    "conv_net_dropout",
    "conv_net_batch_norm",
    "conv_net_l1",
    "conv_net_l2",
    "le_net",
    "conv_net_augmented",
    "conv_net_fast",
    "conv_net_best",
]
SCHEDULES = ["constant", "one_cycle"]


class Recipe(NamedTuple):
    """What a model is trained with, unless a flag of the same name says otherwise."""

    epochs: int = 60
    schedule: str = "constant"
    peak: float = 3  # of one_cycle, in multiples of the optimizer's own learning rate
    label_smoothing: float = 0


USUAL = Recipe()
FAST = Recipe(epochs=5, schedule="one_cycle", peak=6)
BEST = Recipe(epochs=32, schedule="one_cycle", label_smoothing=0.05)
BEST_OF_CLOTHING = Recipe(epochs=14, schedule="one_cycle", peak=2, label_smoothing=0.05)


def is_best_of_clothing(args) -> bool:
    """Tell whether it is conv_net_best for clothing, which differs from the one for digits."""
    return args.model == "conv_net_best" and args.dataset == "fashion_mnist"


def recipe(args) -> Recipe:
    """Look up the recipe of `args.model` for `args.dataset`."""
    if is_best_of_clothing(args):
        return BEST_OF_CLOTHING
    return {"conv_net_fast": FAST, "conv_net_best": BEST}.get(args.model, USUAL)


def fill_in(args) -> None:
    """Give the flags that were left out the values of the recipe."""
    for name, value in recipe(args)._asdict().items():
        if getattr(args, name) is None:
            setattr(args, name, value)
        if name in args.experiments:  # a run's folder names what differs from the recipe
            args.experiments = {**args.experiments, name: value}
