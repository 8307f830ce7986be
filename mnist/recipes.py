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


class Recipe(NamedTuple):
    """What a model is trained with, unless a flag of the same name says otherwise."""

    epochs: int = 60
    schedule: str = "constant"  # of the learning rate, or "one_cycle"
    peak: float = 3  # of one_cycle, in multiples of the optimizer's own learning rate
    label_smoothing: float = 0


FAST = Recipe(epochs=5, schedule="one_cycle", peak=6)
BEST = Recipe(epochs=32, schedule="one_cycle", label_smoothing=0.05)
RECIPES = {"conv_net_fast": FAST, "conv_net_best": BEST}  # all others have the usual one


def fill_in(lesson) -> None:
    """Give the flags that were left out the values of the model's recipe.

    They become the defaults as well, since the name of a run's folder tells what differs from them.
    """
    recipe = RECIPES.get(lesson.model, Recipe())._asdict()
    for name, value in recipe.items():
        if getattr(lesson, name) is None:
            setattr(lesson, name, value)
    lesson.defaults = {name: recipe.get(name, old) for name, old in lesson.defaults.items()}
