"""Every lesson on the built-in sample: the files it writes and the values it computes."""

import ast
import csv
import re
import textwrap
from collections import Counter
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import (
    ALL_LESSONS,
    ATTENTION,
    AUTO_MPG,
    AUTODIFF,
    AUTOENCODER,
    CHURN,
    DEBUGGING,
    DEPTH_AND_WIDTH,
    DIFFUSION,
    DISTRIBUTED,
    ENSEMBLES,
    FASHION,
    FINE_TUNING,
    FUNCTIONAL,
    IMBALANCE,
    IMDB,
    LANGUAGE_MODEL,
    LEARNING_RATE,
    LESSONS,
    LOCATE,
    LOOK_INSIDE,
    LSTM_REVIEWS,
    MNIST,
    MULTIPLE_OUTPUTS,
    NGRAMS,
    NO_DATA_SET,
    OUTPUTS,
    OWN_PICTURES,
    PRETRAINED,
    PROJECTS,
    RAW_TEXT,
    REGULARIZATION,
    ROOT,
    SAVING,
    SMALL_AND_FAST,
    SUBWORDS,
    TENSORS,
    TIME_SERIES,
    TRAINING_LOOP,
    TRANSFER,
    TRANSFORMER,
    TUNING,
    UNCERTAINTY,
    VAE,
    XOR,
    run_lesson,
)
from scipy.sparse import issparse

from common.runs import read_history
from datasets.samples import MAKERS
from frame.parser import SMALLEST_LIMIT

PARAMETERS = {
    FASHION: 101_770,
    IMDB: 160_289,
    AUTO_MPG: 4_884,
    SAVING: 50_890,
    TENSORS: 7_850,
    AUTODIFF: 2,
    FUNCTIONAL: 1_207 + 24,  # 24 for normalization, not trained
    TRANSFER: 320 + 18_496 + 1_600 * 64 + 64 + 64 * 5 + 5,
    LOOK_INSIDE: 160 + 4_640 + 800 * 64 + 64 + 650,
    TRAINING_LOOP: 50_890,
    NGRAMS: 230_002,
    MULTIPLE_OUTPUTS: 160 + 4_640 + 1_920 * 64 + 64 + 650 + 650 + 65,
    LSTM_REVIEWS: 336_705,
    DEBUGGING: 56_714,
    OUTPUTS: 784 * 64 + 64 + 4_160 + 650,
    IMBALANCE: 5 * 64 + 64 + 4_160 + 195,
    SUBWORDS: 4000 * 32 + (5 * 32 + 1) * 64 + 65,
    TRANSFORMER: 10_000 * 32 + 201 * 32 + 4 * 1_056 + 2_112 + 2_080 + 2 * 64 + 33,
    LOCATE: 416 + 4_640 + 18_496 + 36_928 + 73_856 + 1_290 + 4_096 * 128 + 128 + 516,
    OWN_PICTURES: 448 + 4_640 + 18_496 + 73_856 + 128 * 6 + 6,
    PRETRAINED: 98_160 + 128 * 6 + 6,
    SMALL_AND_FAST: 320 + 18_496 + 2 * 36_928 + 650,
    ATTENTION: 27 * 32 + 11 * 32 + 6 * 32 + 4 * (32 * 32 + 32) + 330,  # --longest 5
    LANGUAGE_MODEL: 1_702_400,  # counted in test_language_model.py
    FINE_TUNING: 1_693_313,
    AUTOENCODER: 784 * 256 + 256 + 256 * 32 + 32 + 32 * 256 + 256 + 256 * 784 + 784,
    VAE: 785 * 500 + 501 * 250 + 251 * 40 + 21 * 250 + 251 * 500 + 501 * 784,
    MNIST: 407_050,
    XOR: 65,
}
FIGURES = {  # besides "loss" and "epoch_times"; of other lessons only "accuracy"
    FASHION: ["samples", "confusion_matrix", "predictions", "accuracy"],
    IMDB: ["confusion_matrix", "accuracy"],
    AUTO_MPG: ["scatter_matrix", "predictions", "mae"],
    REGULARIZATION: ["capacity", "remedies", "accuracy"],
    TENSORS: ["weights", "accuracy"],
    AUTODIFF: ["line"],
    FUNCTIONAL: ["wide_deep_diagram", "two_outputs_diagram", "houses"],
    TUNING: ["trials", "predictions"],
    TIME_SERIES: ["models", "memory", "forecasts"],
    TRANSFER: ["transfer", "predictions", "accuracy"],
    LOOK_INSIDE: [
        "diagram",
        "weights",
        "filters",
        "feature_maps_1",
        "feature_maps_2",
        "activations",
        "pixels",
        "accuracy",
    ],
    LEARNING_RATE: ["range_test", "rates", "predictions"],
    MULTIPLE_OUTPUTS: ["samples", "diagram", "pairs", "larger_accuracy"],
    DEBUGGING: ["examples", "broken", "accuracy"],
    DEPTH_AND_WIDTH: ["folds", "shapes", "curves", "incomes"],
    IMBALANCE: ["precision_recall", "accuracy"],
    UNCERTAINTY: ["luck", "differences"],
    ENSEMBLES: ["splits"],
    LOCATE: ["canvases", "boxes", "worst", "iou", "digit_accuracy"],
    TRANSFORMER: ["attention", "accuracy"],
    PRETRAINED: ["pictures", "grad_cam", "accuracy"],
    DIFFUSION: ["noising", "drawn", "denoising"],
    ATTENTION: ["lengths", "weights", "accuracy"],
    OWN_PICTURES: ["near_duplicates", "augmentation", "confusion_matrix", "hardest", "accuracy"],
    LANGUAGE_MODEL: ["perplexity"],
    FINE_TUNING: ["ways", "accuracy"],
    AUTOENCODER: ["reconstructions", "errors", "strangest"],
    VAE: ["latent_space", "new_images", "interpolation", "reconstruction", "kl"],
    CHURN: ["confusion_matrix", "roc_and_precision_recall", "threshold", "calibration", "accuracy"],
    MNIST: ["samples", "confusion_matrix", "mistakes", "accuracy"],
    XOR: ["decision_surface", "accuracy"],
}
OTHERS = {
    REGULARIZATION: {"models.csv"},
    SAVING: {"forms.csv", "saved"},
    FUNCTIONAL: {"scores.csv"},
    TUNING: {"trials.csv", "random", "hyperband"},
    TIME_SERIES: {"one_ahead.csv"},
    TRANSFER: {"transfer.csv"},
    LOOK_INSIDE: {"pixels.csv"},
    DISTRIBUTED: {"throughput.csv"},
    LEARNING_RATE: {"rates.csv"},
    DEBUGGING: {"broken.csv"},
    DEPTH_AND_WIDTH: {"shapes.csv"},
    UNCERTAINTY: {"results.csv"},
    OUTPUTS: {"answers.csv", "thresholds.csv"},
    IMBALANCE: {"rules.csv"},
    ENSEMBLES: {"results.csv"},
    ATTENTION: {"scores.csv"},
    SUBWORDS: {"scores.csv", "sizes.csv"},
    LANGUAGE_MODEL: {"perplexities.csv", "written.txt"},
    FINE_TUNING: {"ways.csv"},
    AUTOENCODER: {"results.csv"},
    VAE: {"decoder.keras"},
    SMALL_AND_FAST: {"files.csv", "students.csv", "exported"},
    DIFFUSION: {"scores.csv", "denoising.gif", "drawn.npz", "judge.keras"},
    OWN_PICTURES: {"files.txt", "letters"},
    PRETRAINED: {"files.txt", "letters", "pretrained.keras", "ways.csv"},
    CHURN: {"models.csv"},
    XOR: {"decision.gif"},
    MNIST: {"best.keras", "summary.txt", "classification_report.txt"},
}
DIGITS = list("0123456789")
# Those of digits are needed by serving/.
CLASSES = {SAVING: DIGITS, TRANSFER: DIGITS[5:], MNIST: DIGITS}
CLASSES |= {script: list("ABEFPR") for script in (OWN_PICTURES, PRETRAINED)}
# Five times as many for the winner; 10 steps, one per epoch; five times as many with few labels.
EPOCHS = {TUNING: 10, TRANSFER: 10, FINE_TUNING: 10}
STEPS = ["Load", "Prepare", "Define", "Compile", "Fit", "Evaluate", "Predict"]


@pytest.mark.parametrize("script", LESSONS + PROJECTS)
def test_run_writes_record_and_figures(smoke_runs, script):
    run = smoke_runs[script]
    record = run.record
    assert record["finished"] and record["lesson"] == Path(script).stem
    assert record["data"] == ("real" if script in NO_DATA_SET else "sample")
    assert record["seed"] == 42
    assert record["flags"]["epochs"] == 2 and record["epochs"] == EPOCHS.get(script, 2)
    kept = run.names["model" if "model" in run.names else "models"]
    kept = kept[run.names["last"]] if isinstance(kept, dict) else kept
    assert record["parameters"] == kept.count_params()
    assert record["parameters"] == PARAMETERS.get(script, record["parameters"])
    clothing = run.names["CLASS_NAMES"] if script == FASHION else None
    assert record["classes"] == CLASSES.get(script, clothing)
    assert record["seconds"]["total"] > record["seconds"]["fit"] > 0
    assert record["peak_memory_mb"] > 100
    assert all(np.isfinite(value) for value in record["metrics"].values())
    for name in [*FIGURES.get(script, ["accuracy"]), "loss", "epoch_times"]:
        assert (run.folder / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    assert not (run.folder / "mse.png").exists()  # it would repeat loss.png
    leftovers = {p.name for p in run.folder.iterdir() if p.suffix not in (".png",)}
    assert leftovers == {"run.json", "history.csv", "model.keras"} | OTHERS.get(script, set())
    with (run.out / "runs.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["run"] == run.folder.name]
    assert [row["lesson"] for row in rows].count(record["lesson"]) == 1


@pytest.mark.parametrize("script", ALL_LESSONS + PROJECTS)
def test_loss_is_finite_and_decreases(smoke_runs, script):
    loss = read_history(smoke_runs[script].folder)["loss"]
    assert np.isfinite(loss).all() and loss[1] < loss[0]


@pytest.mark.parametrize(
    ("script", "inputs"),
    [
        (FASHION, "test_images"),
        (IMDB, "test_numbers"),
        (AUTO_MPG, "test_features"),
        (REGULARIZATION, "test_words"),
        (SAVING, "test_images"),
        (TENSORS, "test_images"),
        (AUTODIFF, "test_x"),
        (TRAINING_LOOP, "test_images"),
        (NGRAMS, "test_numbers"),
        (LSTM_REVIEWS, "test_numbers"),
        (RAW_TEXT, "test_numbers"),
        (TRANSFORMER, "test_numbers"),
        (ATTENTION, "test_lines"),
        (OWN_PICTURES, "test_images"),
        (PRETRAINED, "test_images"),
        (MNIST, "test_images"),
        (XOR, "inputs"),
    ],
)
def test_reloaded_model_gives_equal_predictions(smoke_runs, script, inputs):
    run = smoke_runs[script]
    examples = run.names[inputs][:100]
    examples = examples.toarray() if issparse(examples) else np.asarray(examples)
    reloaded = keras.models.load_model(run.folder / "model.keras")
    expected = run.names["model"].predict(examples, verbose=0)
    np.testing.assert_array_equal(reloaded.predict(examples, verbose=0), expected)


@pytest.mark.parametrize("script", ALL_LESSONS + PROJECTS)
def test_lesson_has_seven_steps(script):
    text = (ROOT / script).read_text()
    assert re.findall(r"^# ## \d (\w+)", text, re.M) == STEPS
    assert text.startswith('# %% [markdown]\n"""\n# ')
    assert text.count("\nlesson = Lesson(") == 1
    assert re.search(rf"^    python {script}( |$)", text, re.M)


@pytest.mark.parametrize("script", ALL_LESSONS + PROJECTS)
def test_run_prints_no_warnings(smoke_runs, script):
    assert smoke_runs[script].noise == []


def test_sample_data_is_announced_twice(smoke_runs):
    lines = smoke_runs[AUTO_MPG].printed.splitlines()
    loud = [number for number, line in enumerate(lines) if "BUILT-IN SAMPLE" in line]
    assert len(loud) == 2 and loud[0] < 5 and loud[1] == len(lines) - 1


def test_auto_falls_back_to_sample_offline(small_runs):
    run = small_runs[AUTO_MPG]
    assert run.names["lesson"].data == "auto" and run.record["data"] == "sample"
    assert "could not be downloaded (" in run.printed


def test_opening_program_of_lesson_01_runs(monkeypatch):
    doc = ast.get_docstring(ast.parse((ROOT / FASHION).read_text()))
    program = re.search(r"^    import keras\n.*?(?=^\S)", doc, re.M | re.S)[0]
    sample = MAKERS["fashion_mnist"]()
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: sample)
    names = {}
    exec(textwrap.dedent(program), names)
    assert names["model"].count_params() == PARAMETERS[FASHION]
    _, accuracy = names["model"].evaluate(*sample[1], verbose=0)
    assert accuracy > 0.7


def test_hidden_300_100_parameter_counts(small_runs):
    run = small_runs[FASHION]
    dense = [layer for layer in run.names["model"].layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.count_params() for layer in dense] == [235_500, 30_100, 1_010]
    assert run.record["parameters"] == 266_610
    assert run.record["variant"] == "hidden-300-100_optimizer-sgd"
    assert run.folder.name.endswith("-hidden-300-100_optimizer-sgd")


def test_fashion_mnist_validation_split_and_dtype(smoke_runs):
    names = smoke_runs[FASHION].names
    assert names["train_images"].shape == (1800, 28, 28) and len(names["val_images"]) == 200
    assert names["train_images"].dtype == np.uint8
    assert names["probabilities"].shape == (500, 10)
    np.testing.assert_allclose(names["probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_imdb_padding_and_truncation(smoke_runs):
    to_numbers = smoke_runs[IMDB].names["to_numbers"]
    short, long, rare = np.arange(1, 4), np.arange(1, 400), np.array([9_998, 9_999, 80_000])
    numbers = to_numbers([short, long, rare])
    assert numbers.shape == (3, 256) and numbers.dtype == np.uint16
    assert numbers[0, :4].tolist() == [2, 3, 4, 0]
    assert numbers[1, -1] == 400 and numbers[1, 0] == 145
    assert numbers[2, :3].tolist() == [9_999, 1, 1]


def test_imdb_validation_split_and_best_epoch(smoke_runs):
    names = smoke_runs[IMDB].names
    assert len(names["val_numbers"]) == 0.4 * 2500
    loss = names["model"].evaluate(
        names["val_numbers"], names["val_labels"], verbose=0, return_dict=True
    )["loss"]
    assert loss == pytest.approx(min(names["val_loss"]), rel=1e-4)


def test_imdb_classifies_user_text(smoke_runs):
    lines = smoke_runs[IMDB].printed.splitlines()
    line = next(line for line in lines if line.startswith("your text"))
    assert 0 <= float(re.search(r"probability ([\d.]+)", line)[1]) <= 1
    assert line.endswith("not in the vocabulary: zyzzyva")


def test_bigrams_and_their_first_weights(smoke_runs):
    run = smoke_runs[NGRAMS]
    assert run.record["metrics"]["test_accuracy"] > 0.8
    assert re.search(r"^your text: probability 0\.\d+ of", run.printed, re.M)
    spelled = re.search(r"^weights: (.*)$", run.printed, re.M)[1]  # of "A wonderful film. Zyzzyva!"
    spelled = re.sub(r" -?\d+\.\d\d", "", spelled).split("; ")
    assert (
        {"wonderful", "film"}
        <= set(spelled)
        <= {"a", "wonderful", "film"} | {"a wonderful", "wonderful film", "film (rare)"}
    )

    # Known pairs are those of the training reviews, the most frequent first.
    names = run.names
    counts = Counter(
        (first + 1) * 30_000 + second + 1
        for review in names["train_reviews"]
        for first, second in pairwise(review.tolist())
    )
    known = names["known_pairs"].tolist()
    assert len(names["train_reviews"]) == 0.9 * 2500 and set(known) == set(counts)
    assert [counts[pair] for pair in known] == sorted(counts.values(), reverse=True)

    # A review is the set of its words and known pairs; the pair 90,000 90,000 is not known.
    first, second = divmod(known[0], 30_000)
    review = np.array([first, second, first, second, 90_001, 90_001]) - 1
    (row,) = names["to_numbers"]([review])
    pairs = [first * 30_000 + second, second * 30_000 + first]
    places = [30_000 + known.index(pair) for pair in pairs if pair in known]
    assert row[row > 0].tolist() == sorted({1, first, second, *places})

    # Weights start from counts of reviews, by label.
    with_it = (names["train_numbers"] == 30_000).any(axis=1)
    positive, negative = (sum(with_it & (names["train_labels"] == label)) for label in (1, 0))
    assert names["guess"][30_000] == pytest.approx(np.log((positive + 1) / (negative + 1)))


def test_lstm_reads_words_in_order_after_padding(smoke_runs):
    run = smoke_runs[LSTM_REVIEWS]
    long, short = run.names["to_numbers"]([np.arange(1, 301), np.array([20_000, 5])])
    assert long.tolist() == list(range(102, 302))
    assert short[-2:].tolist() == [1, 6] and not short[:-2].any()
    read = re.search(r"^after each word: \(no word\) 0\.\d\d, (.*)$", run.printed, re.M)[1]
    assert (
        re.sub(r" \d\.\d\d", "", read) == "i, expected, a, dull, film, and, got, a, wonderful, one"
    )
    your_text = re.search(r"^your text: probability (0\.\d+) of", run.printed, re.M)[1]
    assert f"{float(your_text):.1f}" == f"{float(read.rpartition(' ')[2]):.1f}"


def test_lstm_on_shuffled_words(tmp_path):
    flags = ["--data", "sample", "--limit", "100", "--epochs", "1", "--order", "shuffled"]
    run = run_lesson(LSTM_REVIEWS, tmp_path, *flags, "--text", "_")  # no words
    assert run.record["variant"] == "order-shuffled" and len(run.names["beginnings"]) == 1
    (row,) = run.names["to_numbers"]([np.arange(1, 301)])
    assert row.tolist() != sorted(row) == list(range(102, 302))


def test_auto_mpg_preprocessing(smoke_runs):
    names = smoke_runs[AUTO_MPG].names
    assert len(names["cars"]) == 392 and names["unknown"].sum() == 6
    features = names["features"]
    assert list(features.columns[-3:]) == ["USA", "Europe", "Japan"]
    assert (features[["USA", "Europe", "Japan"]].sum(axis=1) == 1).all()
    assert [len(names[f"{part}_features"]) for part in ("train", "val", "test")] == [250, 63, 79]


def test_normalization_uses_training_rows_only(smoke_runs):
    names = smoke_runs[AUTO_MPG].names
    expected = names["train_features"].to_numpy().mean(axis=0)
    np.testing.assert_allclose(np.ravel(names["normalization"].mean), expected, rtol=1e-4)


def test_no_hidden_layers_is_linear_regression(small_runs):
    run = small_runs[AUTO_MPG]
    assert run.record["parameters"] == 19 + 9 + 1
    assert run.record["variant"] == "hidden-none"


def test_limit_shortens_training_data_only(small_runs):
    names = small_runs[FASHION].names
    assert len(names["train_images"]) + len(names["val_images"]) == SMALLEST_LIMIT
    assert len(names["test_images"]) == 500


@pytest.mark.parametrize(
    "script",
    [FASHION, AUTO_MPG, *(pytest.param(s, marks=pytest.mark.slow) for s in (IMDB, CHURN, MNIST))],
)
def test_lesson_runs_with_smallest_limit(small_runs, script):
    record = small_runs[script].record
    assert record["finished"] and record["flags"]["limit"] == SMALLEST_LIMIT
