"""Ablation study of the recipe of conv_net_fast: remove or add one part at a time.

    python benchmarks/mnist_tries.py                              all, three seeds: 40 minutes
    python benchmarks/mnist_tries.py --only "no normalisation"    one of them

Each run is `python mnist/mnist.py -m conv_net_fast` in its own process, with one change. Recipes
are chosen by validation accuracy; test accuracy shows whether the choice holds. Times are not
recorded, so other programs may run in the meantime. Writes results/mnist_tries.csv.
"""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, ROOT, TRIAL, Parser, machine, replace_rows, run_lesson
from common.startup import start_keras

TRIES = {  # name -> flags of the lesson
    "the recipe": [],
    "peak of the learning rate 1 instead of 6": ["--peak", 1],
    "peak 3": ["--peak", 3],
    "peak 3, and 6 epochs": ["--peak", 3, "--epochs", 6],
    "a constant learning rate, averaged weights": ["--schedule", "constant"],
    "a constant learning rate, no average": ["--schedule", "constant"],
    "no average of the weights": [],
    "no normalisation": [],
    "no moved images": [],
    "no dropout": [],
    "starting weights by Glorot's rule": [],
    "32 bits": ["--precision", "float32"],
    "labels smoothed by 0.05": ["--label-smoothing", 0.05],
    "images turned and distorted too": [],
    "images mirrored too": [],
}


def change(name: str) -> None:
    """Modify the model or the optimizer that the lesson will use."""
    start_keras()
    import keras
    from keras import layers

    from mnist.models import MODELS
    from mnist.recipes import FAST

    original = MODELS["conv_net_fast"]

    def rebuilt(change_layers):
        return lambda: keras.Sequential([
            keras.Input((28, 28, 1), dtype="uint8"),
            *change_layers(original().layers),
        ])

    def with_glorot(layer):
        settings = layer.get_config()
        if "kernel_initializer" in settings:
            settings["kernel_initializer"] = "glorot_uniform"
        return type(layer).from_config(settings)

    def without(kind):
        return rebuilt(lambda all: [layer for layer in all if not isinstance(layer, kind)])

    start = keras.optimizers.Adam.__init__
    steps = 211 * FAST.epochs
    average = {"use_ema": True, "ema_momentum": 1 - 20 / steps}  # as in the recipe
    if name == "no average of the weights":
        keras.optimizers.Adam.__init__ = lambda self, rate=0.001, **_: start(self, rate)
    elif name == "a constant learning rate, averaged weights":
        keras.optimizers.Adam.__init__ = lambda self, **_: start(self, **average)
    elif name == "no normalisation":
        MODELS["conv_net_fast"] = without(layers.BatchNormalization)
    elif name == "no moved images":
        MODELS["conv_net_fast"] = without(layers.RandomTranslation)
    elif name == "no dropout":
        MODELS["conv_net_fast"] = without(layers.Dropout)
    elif name == "starting weights by Glorot's rule":
        MODELS["conv_net_fast"] = rebuilt(lambda all: [with_glorot(layer) for layer in all])
    elif name == "images turned and distorted too":
        best = MODELS["conv_net_best"]
        MODELS["conv_net_fast"] = rebuilt(lambda all: [*best().layers[:2], *all])
    elif name == "images mirrored too":  # a wrong augmentation: the label of a digit does not stay
        mirror = layers.RandomFlip("horizontal", dtype="float32")
        MODELS["conv_net_fast"] = rebuilt(lambda all: [mirror, *all])


def train_changed(name: str, *flags: str) -> None:
    """Run the lesson in this process, with one change."""
    change(name)
    lesson = ROOT / "mnist" / "mnist.py"
    sys.argv = [str(lesson), "-m", "conv_net_fast", *flags]
    runpy.run_path(str(lesson), run_name="__main__")


def main() -> None:
    """Run all variants and write the table."""
    parser = Parser(__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(TRIES),
        default=list(TRIES),
        metavar="NAME",
        help=f"of {', '.join(TRIES)}",
    )
    parser.add_seeds("42 43 44")
    flags = parser.parse_args()
    print(machine())
    for name in flags.only:
        rows = []
        for seed in flags.seeds or (42, 43, 44):
            record = run_lesson(
                "benchmarks/mnist_tries.py", "--train", name, *TRIES[name], "--seed", seed
            )
            rows.append({
                "try": name,
                "seed": seed,
                **{
                    name: round(record["metrics"][name], 4)
                    for name in ("val_accuracy", "test_accuracy")
                },
                "machine": machine(),
            })
            print(*list(rows[-1].values())[:-1], sep="  ", flush=True)
        if not flags.seeds:
            replace_rows(RESULTS / "mnist_tries.csv", rows, "try")
    if flags.seeds:
        print(TRIAL)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train_changed(*sys.argv[2:])
    else:
        main()
