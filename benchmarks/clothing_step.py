"""What does a training step of conv_net_best on clothing spend its time on?

    python benchmarks/clothing_step.py             five minutes
    python benchmarks/clothing_step.py --steps 5   a trial

Times steps of 256 pictures with parts of the network left out; beside it, `conv_net` as it was published, in
32 bits. Says nothing about accuracy. Let nothing else run meanwhile. Writes
results/clothing_step.csv.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # there benchmarks/ and common/ are

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, write_table
from common.start import start_keras

STEPS, TURNS = 40, 5


def without(layers: list, *left_out: str) -> list:
    """Leave out the layers of these names."""
    return [layer for layer in layers if layer.name not in left_out]


def networks() -> dict:
    """Build the network of the recipe, parts of it, and the published one: what -> model."""
    import keras

    from benchmarks.plain import conv_net_model
    from mnist.models import conv_net_best

    found = {"published": conv_net_model()}
    keras.config.set_dtype_policy("mixed_bfloat16")

    def rebuilt(change):
        layers = conv_net_best(clothing=True).layers
        kinds = {
            kind: [layer.name for layer in layers if type(layer).__name__ == kind]
            for kind in ("BatchNormalization", "MaxPooling2D", "Conv2D")
        }
        return keras.Sequential([keras.Input((28, 28, 1), dtype="uint8"), *change(layers, kinds)])

    def strided(layers, kinds):
        first = next(layer for layer in layers if layer.name == kinds["Conv2D"][0])
        config = {**first.get_config(), "strides": 2, "name": "strided"}
        place = layers.index(first)
        layers = [*layers[:place], keras.layers.Conv2D.from_config(config), *layers[place + 1 :]]
        return without(layers, *kinds["MaxPooling2D"])

    def cut(layers, kinds, number):
        first_left_out = next(
            place for place, layer in enumerate(layers) if layer.name == kinds["Conv2D"][number]
        )
        head = without(layers[:first_left_out], *kinds["BatchNormalization"])
        return [*head, *(type(layer).from_config(layer.get_config()) for layer in layers[-4:])]

    found["as it is"] = rebuilt(lambda layers, kinds: layers)
    found["the second normalisation only"] = rebuilt(
        lambda layers, kinds: without(layers, kinds["BatchNormalization"][0])
    )
    found["no normalisation"] = rebuilt(
        lambda layers, kinds: without(layers, *kinds["BatchNormalization"])
    )
    found["a stride of 2 instead of pooling"] = rebuilt(strided)
    for number in range(1, 6):
        found[f"no normalisation, {number} of the 6 convolutions"] = rebuilt(
            lambda layers, kinds, number=number: cut(layers, kinds, number)
        )
    return found


def main() -> None:
    """Time them in turn."""
    parser = Parser(__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=f"default {STEPS}")
    flags = parser.parse_args()
    print(machine())
    start_keras()
    import keras
    import numpy as np

    from common.batches import shuffled_batches

    random = np.random.default_rng(0)
    images = random.integers(256, size=(256 * flags.steps, 28, 28, 1), dtype="uint8")
    labels = np.eye(10, dtype="float32")[random.integers(10, size=len(images))]
    models = networks()
    seconds = {what: [] for what in models}
    for turn in range(1 + TURNS):
        for what, model in models.items():
            pictures = images / np.float32(255) if what == "published" else images
            train = shuffled_batches(pictures, labels, 256, seed=turn)
            if not turn:
                model.compile("adam", "categorical_crossentropy", metrics=["accuracy"],
                              steps_per_execution=train.steps_per_execution)  # fmt: skip
            began = time.perf_counter()
            model.fit(
                train.dataset, steps_per_epoch=train.steps_per_epoch, shuffle=False, verbose=0
            )
            if turn:  # the first one compiles the step
                seconds[what].append(time.perf_counter() - began)
    keras.config.set_dtype_policy("float32")
    rows = [
        {"network": what, "turns": TURNS,
         **{name: round(1000 * of(found) / flags.steps, 1)
            for name, of in (("least_ms", min), ("median_ms", statistics.median), ("most_ms", max))},
         "machine": machine()}
        for what, found in seconds.items()
    ]  # fmt: skip
    for row in rows:
        print(*list(row.values())[:-1], sep="  ")
    if flags.steps == STEPS:
        write_table(RESULTS / "clothing_step.csv", rows)
    else:
        print(TRIAL)


if __name__ == "__main__":
    main()
