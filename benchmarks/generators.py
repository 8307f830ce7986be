"""Compares what lessons 32 and 37 draw, and trains on it.

    python 32_variational_autoencoder.py
    python 37_diffusion.py
    python benchmarks/generators.py

For each seed with finished runs of the first two commands on real data, results/37_distances.csv
gets the Fréchet distance of 1,000 digits of each generator from 10,000 training digits, by the
features of lesson 37's judge. results/37_training.csv gets the test accuracy of `conv_net_fast`,
which shifts its images at random, after 500 steps on 100 real digits, on drawn ones, and on both.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import replace_rows
from benchmarks.measured import RESULTS
from common.errors import fail
from common.flags import ROOT, Parser, home_path
from common.runs import finished_runs
from common.startup import start_keras
from datasets import find_dataset
from diffusion.scores import frechet_distance, image_reader

FEW, STEPS, BATCH = 100, 500, 50
LESSONS = {"VAE": "32_variational_autoencoder", "diffusion": "37_diffusion"}


def newest(out: Path) -> dict:
    """Return the newest runs on real data by seed, then by generator."""
    found = {}
    for name, lesson in LESSONS.items():
        for record in finished_runs(out, lesson):
            if record["data"] == "real" and not record["variant"]:
                found.setdefault(record["seed"], {})[name] = record["folder"]
    return {seed: runs for seed, runs in found.items() if set(LESSONS) <= set(runs)}


def distances(seed: int, runs: dict, digits: dict, reference) -> list[dict]:
    """Return the distance of each set of digits from the reference digits."""
    import keras

    judge = keras.models.load_model(runs["diffusion"] / "judge.keras")
    read = image_reader(judge)
    real, _ = read(reference)
    found = {name: frechet_distance(read(some)[0], real) for name, some in digits.items()}
    return [
        {"seed": seed, "digits": name, "frechet": round(float(distance), 2)}
        for name, distance in found.items()
    ]


def training(seed: int, sets: dict, test) -> list[dict]:
    """Return the test accuracy after training on each set of images and labels."""
    import keras

    from common.batches import shuffled_batches
    from mnist.models import conv_net_fast

    rows = []
    for name, (images, labels) in sets.items():
        keras.utils.set_random_seed(seed)
        model = conv_net_fast()
        batches = shuffled_batches(images[..., np.newaxis], labels, BATCH, seed, repeat=True)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(batches, steps_per_epoch=STEPS, verbose=0)
        _, accuracy = model.evaluate(test[0][..., np.newaxis], test[1], batch_size=500, verbose=0)
        rows.append({"seed": seed, "trained_on": name, "test_accuracy": round(accuracy, 4)})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure every seed that has runs, and write the tables."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=home_path, default=ROOT / "outputs", metavar="DIR")
    flags = parser.parse_args()
    found = newest(flags.out)
    if not found:
        fail(f"--out {flags.out}: no seed with runs of lessons 32 and 37 on real data; run these")
    start_keras()
    import keras

    ((images, labels), test), _, _ = find_dataset("mnist", "real", None)
    for seed, runs in found.items():
        saved = np.load(runs["diffusion"] / "drawn.npz")
        drawn = saved["images"], saved["labels"]
        decoder = keras.models.load_model(runs["VAE"] / "decoder.keras")
        codes = np.random.default_rng(seed).normal(size=(1000, decoder.input_shape[1]))
        logits = decoder.predict(codes.astype("float32"), batch_size=500, verbose=0)
        vae = np.round(255 / (1 + np.exp(-logits))).astype("uint8")
        digits = {"real test digits": test[0][:1000], "VAE": vae, "diffusion": drawn[0]}
        few = images[:FEW], labels[:FEW]
        both = tuple(np.concatenate(pair) for pair in zip(few, drawn, strict=True))
        sets = {"100 real digits": few, "100 real and 1,000 drawn": both, "1,000 drawn": drawn}
        sets["1,100 real digits"] = images[: FEW + 1000], labels[: FEW + 1000]
        found_now = distances(seed, runs, digits, images[:10_000])
        replace_rows(RESULTS / "37_distances.csv", found_now, "seed")
        replace_rows(RESULTS / "37_training.csv", training(seed, sets, test), "seed")


if __name__ == "__main__":
    main()
