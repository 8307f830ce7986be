"""Compare all of Keras' activations, initializers and optimizers on one small problem.

    python benchmarks/choices.py                        all three parts
    python benchmarks/choices.py --only optimizers

A small network is trained on 10,000 training images of Fashion-MNIST and evaluated on 10,000
others. All other settings are Keras' defaults. Three seeds each.

activations   two hidden layers of 128 units, Adam, ten epochs
initializers  six hidden layers of 64 units, with relu and with tanh, Adam, five epochs
optimizers    the same network as for activations, with relu, at five learning rates

Not included: `glu` (halves the number of units), `threshold` (needs a number), `Constant` (like
zeros and ones), `Identity` and `STFT` (for other shapes).

Writes results/choices.csv (one row per training) and one figure per part.
"""

import argparse
import inspect
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, read_table, replace_rows
from common.startup import start_keras

PARTS = ["activations", "initializers", "optimizers"]
RATES = [0.0001, 0.001, 0.01, 0.1, 1.0]
SKIP = [
    "glu",
    "threshold",
    "Constant",
    "Identity",
    "STFT",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "OptimizerMap",
    "Initializer",
    "Optimizer",
]


def settings(part: str) -> list[dict]:
    """Return the trainings of a part, each as its choice and the arguments of `train`."""
    import keras

    if part == "activations":
        names = [
            name
            for name, value in vars(keras.activations).items()
            if inspect.isfunction(value) and name not in (*SKIP, "get", "serialize", "deserialize")
        ]
        return [{"choice": name, "activation": name} for name in sorted(names)]
    kinds = {
        kind.__name__: kind
        for kind in vars(getattr(keras, part)).values()
        if inspect.isclass(kind) and kind.__name__ not in SKIP
    }
    if part == "initializers":
        return [
            {
                "choice": name,
                "activation": activation,
                "initializer": kinds[name],
                "hidden": [64] * 6,
                "epochs": 5,
            }
            for name in sorted(kinds)
            for activation in ("relu", "tanh")
        ]
    return [
        {"choice": name, "optimizer": kinds[name], "rate": rate}
        for name in sorted(kinds)
        for rate in RATES
    ]


def train(
    pictures,
    seed,
    activation="relu",
    initializer=None,
    optimizer=None,
    rate=None,
    hidden=(128, 128),
    epochs=10,
):
    """Train a network; return it, and its accuracy on the validation images."""
    import keras
    from keras import layers

    from common.batches import shuffled_batches

    (images, labels), judging = pictures
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([
        keras.Input((28, 28), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
    ])
    for units in hidden:
        start = initializer() if initializer else "glorot_uniform"
        model.add(layers.Dense(units, kernel_initializer=start))
        model.add(layers.Activation(activation))
    model.add(layers.Dense(10, activation="softmax"))
    train = shuffled_batches(images, labels, 32, seed)
    model.compile(
        optimizer(rate) if optimizer else "adam",
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=len(train),
    )
    model.fit(train, epochs=epochs, verbose=0)
    result = model.evaluate(*judging, batch_size=1000, verbose=0, return_dict=True)
    return model, result["accuracy"]


def load(data_dir: Path | None = None):
    """Return images and labels of Fashion-MNIST, 10,000 to train on and 10,000 to validate."""
    from datasets import load_dataset

    flags = argparse.Namespace(data="real", data_dir=data_dir, limit=None)
    ((images, labels), _), _, _ = load_dataset("fashion_mnist", flags)
    return (images[:10_000], labels[:10_000]), (images[-10_000:], labels[-10_000:])


def draw(part: str) -> None:
    """Plot the results of a part from the table of all trainings."""
    import pandas as pd

    from common import plots

    runs = pd.DataFrame(read_table(RESULTS / "choices.csv"))
    runs = runs[runs.part == part].astype({"val_accuracy": float})
    if part == "optimizers":
        figure, axes = plots.new_figure(8, 5)
        runs["rate"] = runs.setting.astype(float)
        for number, (name, group) in enumerate(runs.groupby("choice")):
            medians = group.groupby("rate").val_accuracy.median()
            axes.plot(medians.index, medians, marker="o^s"[number % 3], label=name)
        axes.set(xscale="log", xlabel="learning rate", ylabel="validation accuracy", title=part)
        figure.legend(loc="outside right upper")
    else:
        order = runs.groupby("choice").val_accuracy.median().sort_values().index
        figure, axes = plots.new_figure(7, 1 + 0.25 * len(order))
        for name, group in runs.groupby("setting"):
            values = group.groupby("choice").val_accuracy.agg(["median", "min", "max"]).loc[order]
            (dots,) = axes.plot(values["median"], range(len(order)), "o", label=name)
            axes.hlines(range(len(order)), values["min"], values["max"], dots.get_color())
        axes.set_yticks(range(len(order)), order)
        axes.set(
            xlabel="validation accuracy: median and range over the seeds",
            title=f"{part} (values below 0.7 are not shown)",
            xlim=(0.7, None),
        )
        axes.grid(alpha=0.3)
        if part == "initializers":
            axes.legend(title="activation")
    plots.save(figure, RESULTS / f"{part}.png")


def main() -> None:
    """Run all trainings and write the table and the figures."""
    parser = Parser(__doc__)
    parser.add_seeds("42 43 44")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        metavar="PART",
        help=f"run only these parts: {' '.join(PARTS)}",
    )
    parser.add_argument("--data-dir", type=Path, help="folder with the real data")
    flags = parser.parse_args()
    start_keras()
    pictures = load(flags.data_dir)
    for part in flags.only:
        rows = []
        for setting in settings(part):
            choice = setting.pop("choice")
            shown = setting.get("rate", setting.get("activation") if part == "initializers" else "")
            for seed in flags.seeds or [42, 43, 44]:
                began = time.perf_counter()
                _, accuracy = train(pictures, seed, **setting)
                print(
                    f"{part}  {choice} {shown}  {seed}: {accuracy:.4f}, "
                    f"{time.perf_counter() - began:.1f} s",
                    flush=True,
                )
                rows.append({
                    "part": part,
                    "choice": choice,
                    "setting": shown,
                    "seed": seed,
                    "val_accuracy": round(accuracy, 4),
                    "machine": machine(),
                })
        if flags.seeds:
            print(TRIAL)
            continue
        replace_rows(RESULTS / "choices.csv", rows, "part")
        draw(part)


if __name__ == "__main__":
    main()
