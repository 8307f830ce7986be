"""Count the epochs that early stopping saves in a search for hyperparameters.

    python benchmarks/search_stopping.py

Random search with Keras Tuner on the data of lesson 09: eight networks, at most 30 epochs each,
once with and once without `EarlyStopping(patience=3)`. Both searches try the same networks, from
the same initial weights. Three seeds.

Writes results/search_stopping.csv: one row per search.
"""

import math
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, TRIAL, Parser, machine, write_table
from common.flags import home_path
from common.startup import start_keras
from tuning.ray_search import load_data

TRIALS, EPOCHS, PATIENCE, BATCH_SIZE = 8, 30, 3, 256


def search(train, validation, seed: int, stopping: bool) -> dict:
    """Search once.

    Args:
        train: features, float32, (examples, 8), and values, float32, (examples,).
        validation: the same for validation.
        seed: seed of the search, and of each network's weights.
        stopping: whether trials stop early.

    Returns:
        The epochs of all trials together, and the lowest validation MSE.
    """
    import keras
    import keras_tuner
    from keras import layers

    features, values = train
    steps = math.ceil(len(values) / BATCH_SIZE)

    def build(hp):
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        mean, variance = features.mean(axis=0), features.var(axis=0)
        model = keras.Sequential([
            keras.Input((8,)),
            layers.Normalization(mean=mean, variance=variance),
        ])
        width = hp.Int("units", 16, 256, sampling="log")
        for _ in range(hp.Int("layers", 1, 3)):
            model.add(layers.Dense(width, activation="relu"))
        model.add(layers.Dense(1))
        rate = hp.Float("rate", 1e-4, 3e-2, sampling="log")
        model.compile(keras.optimizers.Adam(rate), "mse", steps_per_execution=steps)
        return model

    epochs = []
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: epochs.append(epoch))]
    if stopping:
        callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=PATIENCE))
    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.RandomSearch(
            build, "val_loss", max_trials=TRIALS, seed=seed, directory=folder
        )
        tuner.search(
            features,
            values,
            batch_size=BATCH_SIZE,
            epochs=EPOCHS,
            validation_data=validation,
            callbacks=callbacks,
            verbose=0,
        )
        best = tuner.oracle.get_best_trials()[0].score
    return {"epochs": len(epochs), "val_mse": round(float(best), 4)}


def main() -> None:
    """Run all searches and write the table."""
    parser = Parser(__doc__)
    parser.add_seeds("42 43 44")
    parser.add_argument("--data-dir", type=home_path, help="folder with the real data")
    flags = parser.parse_args()
    start_keras()
    rows = []
    for seed in flags.seeds or [42, 43, 44]:
        x, val_x, y, val_y = load_data("real", flags.data_dir, seed)
        for stopping in (False, True):
            found = search((x, y), (val_x, val_y), seed, stopping)
            named = {"stopping": "with" if stopping else "without", "seed": seed}
            rows.append({**named, "trials": TRIALS, **found, "machine": machine()})
            print(rows[-1], flush=True)
    if flags.seeds:
        print(TRIAL)
    else:
        write_table(RESULTS / "search_stopping.csv", rows)


if __name__ == "__main__":
    main()
