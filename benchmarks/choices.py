"""Compare all of Keras' activations, initializers and optimizers on one small problem.

    python benchmarks/choices.py                        all six parts
    python benchmarks/choices.py --only optimizers

A small network is trained on 10,000 training images of Fashion-MNIST and evaluated on 10,000
others. All other settings are Keras' defaults. Three seeds each.

activations    two hidden layers of 128 units, Adam, ten epochs
initializers   six hidden layers of 64 units, with relu and with tanh, Adam, five epochs
optimizers     the same network as for activations, with relu, at five learning rates
input_dropout  lesson 01's network, with and without dropout of its inputs, 30 epochs
batches        lesson 01's network on 50,000 images, batches of 32 and of 8,192, ten epochs
weight_decay   lesson 01's network with L2 penalties and with weight decay, SGD and Adam, 30 epochs

Not included: `glu` (halves the number of units), `threshold` (needs a number), `STFT` (makes
kernels of three axes, which no `Dense` layer has).

Writes one row per training: results/choices.csv and one figure for each of the first three parts,
results/input_dropout.csv, results/batches.csv, results/weight_decay.csv.
"""

import inspect
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import (
    RESULTS,
    TRIAL,
    Parser,
    machine,
    read_table,
    replace_rows,
    write_table,
)
from common.flags import home_path
from common.startup import start_keras

PARTS = ["activations", "initializers", "optimizers", "input_dropout", "batches", "weight_decay"]
OF_LESSON_01 = PARTS[3:]
SHOWN = {"initializers": "activation", "optimizers": "rate"}  # the column `setting` of a part
FEW, MANY = 10_000, 50_000  # training images
RATES = [0.0001, 0.001, 0.01, 0.1, 1.0]
SKIP = [
    "glu",
    "threshold",
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
    if part == "input_dropout":
        rest = {"hidden": [128], "epochs": 30, "validate": True}
        return [{"choice": rate, "input_dropout": rate, **rest} for rate in (0.0, 0.1, 0.2)]
    if part == "batches":
        return [{"hidden": [128], **setting} for setting in batch_settings()]
    if part == "weight_decay":
        return [{"hidden": [128], "epochs": 30, **setting} for setting in decay_settings()]
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


def batch_settings() -> list[dict]:
    """Return a small batch, and a large one at several learning rates, for `train`."""
    import keras

    def setting(choice, batch_size, rate):
        adam = keras.optimizers.Adam
        return {"choice": choice, "batch_size": batch_size, "optimizer": adam, "rate": rate}

    large, epochs = 8192, 10
    rate = 0.001 * (large / 32) ** 0.5
    steps = epochs * math.ceil(MANY / large)
    cosine = keras.optimizers.schedules.CosineDecay
    warmup = steps // 5  # two epochs
    return [
        setting("32, 0.001", 32, 0.001),
        setting("8192, 0.001", large, 0.001),
        setting("8192, 0.016", large, rate),
        setting("8192, 0.016 with cosine", large, cosine(rate, steps)),
        setting(
            "8192, 0.016 with warmup and cosine",
            large,
            cosine(0.0, steps - warmup, warmup_target=rate, warmup_steps=warmup),
        ),
    ]


def decay_settings() -> list[dict]:
    """Return L2 penalties and weight decay for SGD and Adam, for `train`."""
    import keras

    def setting(name, penalty=None, decay=None):
        def optimizer(rate):
            made = getattr(keras.optimizers, name)(rate, weight_decay=decay)
            if decay:  # a penalty leaves the biases alone, too
                made.exclude_from_weight_decay(var_names=["bias"])
            return made

        what = f"L2({penalty})" if penalty else f"weight decay {decay}" if decay else "nothing"
        rate = {"SGD": 0.1, "Adam": 0.001}[name]
        return {
            "choice": f"{name}, {what}",
            "optimizer": optimizer,
            "rate": rate,
            "penalty": penalty and keras.regularizers.L2(penalty),
        }

    same = [(None, None), (0.001, None), (None, 0.002)]  # SGD: the last two are equal
    return [
        *(setting(name, *pair) for name in ("SGD", "Adam") for pair in same),
        setting("Adam", decay=0.2),
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
    batch_size=32,
    input_dropout=0.0,
    penalty=None,
    validate=False,
):
    """Train a network; return it, and a dict with its loss and accuracy on the validation images.

    With `validate` the dict also has the lowest validation loss of all epochs and the loss on the
    training images; otherwise it has the seconds that `fit` kept processors busy. The loss is the
    cross-entropy without the penalty for the weights.
    """
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
    if input_dropout:
        model.add(layers.Dropout(input_dropout))
    for units in hidden:
        start = initializer() if initializer else "glorot_uniform"
        model.add(layers.Dense(units, kernel_initializer=start, kernel_regularizer=penalty))
        model.add(layers.Activation(activation))
    model.add(layers.Dense(10, activation="softmax", kernel_regularizer=penalty))
    plain_loss = "sparse_categorical_crossentropy"
    train = shuffled_batches(images, labels, batch_size, seed)
    model.compile(
        optimizer(rate) if optimizer else "adam",
        plain_loss,
        metrics=["accuracy", plain_loss] if penalty else ["accuracy"],
        steps_per_execution=len(train),
    )
    began = time.process_time()  # unlike the clock, it leaves out other programs
    history = model.fit(
        train,
        validation_data=judging if validate else None,
        validation_batch_size=1000,
        epochs=epochs,
        verbose=0,
    )
    seconds = time.process_time() - began
    val = model.evaluate(*judging, batch_size=1000, verbose=0, return_dict=True)
    val_loss = val.get(plain_loss, val["loss"])
    found = {"val_accuracy": round(val["accuracy"], 4), "val_loss": round(val_loss, 4)}
    if not validate:
        return model, found | {"cpu_seconds": round(seconds, 1)}
    lowest = min(history.history["val_loss"])
    loss, _ = model.evaluate(images, labels, batch_size=1000, verbose=0)  # without dropout
    return model, found | {"best_val_loss": round(lowest, 4), "train_loss": round(loss, 4)}


def weight_sizes(model) -> dict:
    """Return the root mean square of the weights of each layer, without biases."""
    hidden, output = (w for w in model.get_weights() if w.ndim == 2)
    return {
        name: round(float((kernel**2).mean() ** 0.5), 4)
        for name, kernel in (("hidden_weights", hidden), ("output_weights", output))
    }


def load(data_dir: Path | None = None, few: int = FEW):
    """Return images and labels of Fashion-MNIST, `few` to train on and 10,000 to validate."""
    from datasets import find_dataset

    ((images, labels), _), _, _ = find_dataset("fashion_mnist", "real", data_dir)
    return (images[:few], labels[:few]), (images[-FEW:], labels[-FEW:])


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
    parser.add_argument("--data-dir", type=home_path, help="folder with the real data")
    flags = parser.parse_args()
    start_keras()
    for part in flags.only:
        pictures, rows = load(flags.data_dir, MANY if part == "batches" else FEW), []
        for seed in flags.seeds or [42, 43, 44]:  # the choices take turns
            for setting in settings(part):
                choice = setting.pop("choice")
                shown = setting.get(SHOWN.get(part), "")
                model, found = train(pictures, seed, **setting)
                if part == "weight_decay":
                    found |= weight_sizes(model)
                print(f"{part}  {choice} {shown}  {seed}: {found}", flush=True)
                if part in OF_LESSON_01:
                    row = {"choice": choice, "seed": seed, **found}
                else:
                    row = {"part": part, "choice": choice, "setting": shown, "seed": seed}
                    row["val_accuracy"] = found["val_accuracy"]
                rows.append(row | {"machine": machine()})
        if flags.seeds:
            print(TRIAL)
        elif part in OF_LESSON_01:
            write_table(RESULTS / f"{part}.csv", rows)
        else:
            replace_rows(RESULTS / "choices.csv", rows, "part")
            draw(part)


if __name__ == "__main__":
    main()
