"""Lesson 09's random search with Ray Tune, on one computer or on several.

    pip install -r requirements-ray.txt
    python tuning/ray_search.py                  on this computer, one trial per core at a time

    python tuning/ray_search.py --ray pc1:6379   on several, as notes/several_computers.md explains

Ray runs every trial in a process of its own, on a computer that has a free core. If the process or
its computer dies, Ray runs the trial again, up to three times in all. This program loads the data
and sends them to the trials, so the other computers only need Keras, TensorFlow and Ray, in the
same versions. Prints the best networks, and the seconds that the search took.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of common/

from common.errors import fail
from common.flags import ROOT, Parser, home_path, whole_number

OPTIMIZERS = ["adam", "rmsprop", "nadam", "momentum"]


def train(config: dict, data: tuple, epochs: int) -> None:
    """Train one network, and report its validation MSE to Ray after every epoch.

    Args:
        config: the hyperparameters of lesson 09: `layers`, `units`, `dropout`, `optimizer`, `rate`.
        data: training features, validation features, training values, validation values.
        epochs: number of epochs.
    """
    import math
    import os

    # One core for each trial. TensorFlow would use all of them.
    os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    import keras
    from keras import layers
    from ray import tune

    keras.utils.set_random_seed(42)
    features, val_features, values, val_values = data
    mean, variance = features.mean(axis=0), features.var(axis=0)
    model = keras.Sequential([
        keras.Input(features.shape[1:]),
        layers.Normalization(mean=mean, variance=variance),
    ])
    for _ in range(config["layers"]):
        model.add(layers.Dense(config["units"], activation="relu"))
        if config["dropout"]:
            model.add(layers.Dropout(config["dropout"]))
    model.add(layers.Dense(1))
    if config["optimizer"] == "momentum":
        optimizer = keras.optimizers.SGD(config["rate"], momentum=0.9)
    else:
        optimizer = keras.optimizers.get(config["optimizer"])
        optimizer.learning_rate = config["rate"]
    model.compile(optimizer, "mse", steps_per_execution=50)
    report = keras.callbacks.LambdaCallback(  # a diverged training loses, instead of being NaN
        on_epoch_end=lambda epoch, logs: tune.report({
            "val_mse": logs["val_loss"] if math.isfinite(logs["val_loss"]) else math.inf
        })
    )
    model.fit(
        features,
        values,
        validation_data=(val_features, val_values),
        epochs=epochs,
        callbacks=[report, keras.callbacks.TerminateOnNaN()],
        verbose=0,
    )


def load_data(data: str, data_dir: Path | None, seed: int = 42) -> tuple:
    """Return the training and validation rows of lesson 09, as `train` expects them."""
    from sklearn.model_selection import train_test_split

    from datasets import find_dataset

    districts, _, source = find_dataset("california_housing", data, data_dir)
    print(f"data: {source}")
    features = districts.drop(columns="median_house_value")
    for column in ("total_rooms", "total_bedrooms", "population"):
        features[f"{column}_each"] = features[column] / features.households
    features = features.drop(columns=["total_rooms", "total_bedrooms", "households"])
    values = (districts.median_house_value / 100_000).to_numpy("float32")
    rows, _, values, _ = train_test_split(features.to_numpy("float32"), values, random_state=seed)
    return tuple(train_test_split(rows, values, random_state=seed))


def main() -> None:
    """Search, and print the best networks."""
    parser = Parser(description=__doc__)
    parser.add_argument("--trials", type=whole_number(), default=30, metavar="N")
    parser.add_argument("--epochs", type=whole_number(), default=20, metavar="N")
    parser.add_argument("--at-once", type=whole_number(), metavar="N", help="trials at a time")
    parser.add_argument("--ray", metavar="ADDRESS", help="use the computers connected to this one")
    parser.add_argument("--data", choices=["auto", "real", "sample"], default="auto")
    parser.add_argument("--data-dir", type=home_path, help="folder with the real data")
    parser.add_argument("--out", type=home_path, default=ROOT / "outputs")
    flags = parser.parse_args()
    try:
        import ray
        from ray import tune
    except ModuleNotFoundError:
        fail("Ray is missing; run: pip install -r requirements-ray.txt")
    data = load_data(flags.data, flags.data_dir)
    try:
        ray.init(flags.ray, log_to_driver=False)
    except ConnectionError:
        fail(f"no connection to Ray at {flags.ray}; see notes/several_computers.md")
    space = {
        "layers": tune.randint(1, 5),  # 1 to 4
        "units": tune.lograndint(16, 257),
        "dropout": tune.choice([0.0, 0.1, 0.2]),
        "optimizer": tune.choice(OPTIMIZERS),
        "rate": tune.loguniform(1e-4, 3e-2),
    }
    trial = tune.with_parameters(train, data=data, epochs=flags.epochs)
    tuner = tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(num_samples=flags.trials, max_concurrent_trials=flags.at_once),
        run_config=tune.RunConfig(
            name=time.strftime("%Y%m%d-%H%M%S"),
            storage_path=str((flags.out / "ray_search").resolve()),
            failure_config=tune.FailureConfig(max_failures=2),
            verbose=0,
        ),
    )
    began = time.perf_counter()
    results = tuner.fit()
    seconds = time.perf_counter() - began
    table = results.get_dataframe("val_mse", "min").sort_values("val_mse")
    shown = ["val_mse", *(f"config/{name}" for name in space)]
    print(table[shown].head(5).round(5).to_string(index=False))
    print(f"{len(results)} trials in {seconds:.0f} s, {results.num_errors} of them failed")


if __name__ == "__main__":
    main()
