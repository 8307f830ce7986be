"""Measure what a training step of mnist/clothing.py spends its time on.

    python benchmarks/clothing_step.py             five minutes
    python benchmarks/clothing_step.py --steps 5   a trial

Times steps of 256 images with parts of the network removed, and, for comparison, the published
`conv_net` in 32 bits. Does not measure accuracy. Run nothing else in the meantime. Writes
results/clothing_step.csv.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, write_table
from common.flags import whole_number
from common.startup import start_keras

STEPS, TURNS = 40, 5
PLAIN = "with TensorFlow's gradients of filters"  # without mnist/convolutions.py


def networks() -> dict:
    """Build the network of the recipe, parts of it, and the published one, by description."""
    import keras
    from keras import layers

    from benchmarks.plain import conv_net_model
    from mnist.convolutions import quicken_convolutions
    from mnist.models import conv_net_best_of_clothing

    found = {"published": conv_net_model()}
    keras.config.set_dtype_policy("mixed_bfloat16")
    found[PLAIN] = conv_net_best_of_clothing()
    found["as it is"] = conv_net_best_of_clothing()
    for number in range(6, 0, -1):
        kept, convolutions = [], 0
        *body, mean, dropout, dense, softmax = conv_net_best_of_clothing().layers
        for layer in body:
            convolutions += isinstance(layer, layers.Conv2D)
            if convolutions <= number and not isinstance(layer, layers.BatchNormalization):
                kept.append(layer)
        dense = layers.Dense.from_config(dense.get_config())  # rebuilt for fewer filters
        found[f"{number} of the 6 convolutions, no normalisation"] = keras.Sequential([
            keras.Input((28, 28, 1), dtype="uint8"),
            *kept,
            mean,
            dropout,
            dense,
            softmax,
        ])
    for what, model in found.items():
        if what != PLAIN:
            quicken_convolutions(model)
    return found


def main() -> None:
    """Time the networks in turn and write the table."""
    parser = Parser(__doc__)
    parser.add_argument(
        "--steps", type=whole_number(), default=STEPS, metavar="N", help=f"default {STEPS}"
    )
    flags = parser.parse_args()
    print(machine())
    start_keras()
    import keras
    import numpy as np

    from common.batches import EpochCounter, shuffled_batches

    random = np.random.default_rng(0)
    images = random.integers(256, size=(256 * flags.steps, 28, 28, 1), dtype="uint8")
    labels = np.eye(10, dtype="float32")[random.integers(10, size=len(images))]
    models = networks()
    seconds = {what: [] for what in models}
    for turn in range(1 + TURNS):
        for what, model in models.items():
            pictures = images / np.float32(255) if what == "published" else images
            train = shuffled_batches(pictures, labels, 256, turn, EpochCounter())
            if not turn:
                model.compile(
                    "adam",
                    "categorical_crossentropy",
                    metrics=["accuracy"],
                    steps_per_execution=len(train),
                )
            began = time.perf_counter()
            model.fit(train, verbose=0)
            if turn:  # the first one compiles the step
                seconds[what].append(time.perf_counter() - began)
    keras.config.set_dtype_policy("float32")
    rows = [
        {
            "network": what,
            "turns": TURNS,
            **{
                name: round(1000 * of(found) / flags.steps, 1)
                for name, of in (
                    ("least_ms", min),
                    ("median_ms", statistics.median),
                    ("most_ms", max),
                )
            },
            "machine": machine(),
        }
        for what, found in seconds.items()
    ]
    for row in rows:
        print(*list(row.values())[:-1], sep="  ")
    if flags.steps == STEPS:
        write_table(RESULTS / "clothing_step.csv", rows)
    else:
        print(TRIAL)


if __name__ == "__main__":
    main()
