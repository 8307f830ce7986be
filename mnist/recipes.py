"""How each model is trained: most for 60 epochs at a constant learning rate.

Imports no large library, so that the flags are parsed immediately.
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
    """Training settings of a model, each overridden by the flag of the same name."""

    epochs: int = 60
    schedule: str = "constant"  # of the learning rate, or "one_cycle"
    peak: float = 3  # of one_cycle, as a multiple of the optimizer's default learning rate
    label_smoothing: float = 0


FAST = Recipe(epochs=5, schedule="one_cycle", peak=6)
BEST = Recipe(epochs=32, schedule="one_cycle", label_smoothing=0.05)
RECIPES = {"conv_net_fast": FAST, "conv_net_best": BEST}  # the others use the defaults


def fill_in(lesson) -> None:
    """Set the flags that were not given to the values of the model's recipe.

    These values also become the defaults, so that the name of the run's folder shows only
    differences from the recipe.
    """
    recipe = RECIPES.get(lesson.model, Recipe())._asdict()
    for name, value in recipe.items():
        if getattr(lesson, name) is None:
            setattr(lesson, name, value)
    lesson.defaults = {name: recipe.get(name, old) for name, old in lesson.defaults.items()}
