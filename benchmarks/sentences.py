"""The sentences and lists that quote numbers on the pages and in the lessons; see tables.py."""

import re
import statistics
from collections.abc import Callable

from benchmarks.measured import (
    MANY_SEEDS,
    SEEDS,
    column,
    groups,
    median,
    percent,
    results,
    runs_of,
    spread,
    where,
)

NUMBERS = {3: "three", 5: "five", 20: "20"}
XOR_DEFAULT = "none: 8 and 4 units, `relu`, `adam`, learning rate 0.001"
XOR_BEST = "activation-tanh_learning-rate-0.01"
XOR_FLAGS = "hidden|activation|optimizer|learning-rate"


def flags_of(variant: str) -> str:
    """Spell a variant as flags: `hidden-2_activation-elu` as `--hidden 2 --activation elu`."""
    found = re.findall(rf"({XOR_FLAGS})-(.*?)(?=_(?:{XOR_FLAGS})-|$)", variant)
    return " ".join(f"--{flag} {values.replace('-', ' ')}" for flag, values in found).replace(
        " none", ""
    )


# The lessons


def lesson_02_ngrams() -> list[str]:
    """Tell what pairs of words add to lesson 02."""
    words, pairs = (column(runs_of("02", v), "test_accuracy") for v in ("", "ngrams-2"))
    return [
        f"Test accuracy: {spread(words, 3)} with single words, {spread(pairs, 3)} with "
        "`--ngrams 2` (median and range of three seeds)."
    ]


def lesson_03_splits() -> list[str]:
    """Tell how much the error of lesson 03 varies."""
    errors = column(runs_of("03", seeds=MANY_SEEDS), "test_mae")
    return [
        f"Over {len(errors)} seeds, each with its own split and initial weights, the median test "
        f"error is {spread(errors, 2)} MPG."
    ]


def lesson_06_timings() -> list[str]:
    """Tell how long lesson 06's function takes in three ways."""
    rows = groups(results("06_timings"), "numbers")
    return ["On two CPU cores the function took:", ""] + [
        f"- for {label}: {median(rows[numbers], 'numpy_ms'):.2g} ms in NumPy, "
        f"{median(rows[numbers], 'eager_ms'):.2g} ms eagerly, "
        f"{median(rows[numbers], 'function_ms'):.2g} ms as `tf.function`"
        for numbers, label in (("10", "ten numbers"), ("1000000", "a million numbers"))
    ]


def lesson_07_speedup() -> list[str]:
    """Tell how much faster a compiled step of lesson 07 is."""
    runs = runs_of("07")
    ratios = [float(run["eager_step_ms"]) / float(run["function_step_ms"]) for run in runs]
    return [
        f"On two CPU cores the step that `tf.function` compiled was {spread(ratios, 0)} times as "
        "fast as the eager one (median and range of three runs)."
    ]


def lesson_08_scores() -> list[str]:
    """Tell what the models of lesson 08 reach with seed 42."""
    (run,) = runs_of("08", seeds=("42",))
    houses = ("sequential", "deep", "wide_deep", "two_inputs", "two_outputs")
    errors = [f"`{model}` {float(run[f'test_mse_{model}']):.3f}" for model in houses]

    def share(question, model):
        return f"`{model}` {percent(float(run[f'test_accuracy_{question}_{model}']), 1)}"

    return [
        "With seed 42:",
        "",
        f"- test MSE of the house values: {', '.join(errors)}",
        f"- left digit right: {share('left', 'digits_only')}, {share('left', 'both_answers')}",
        f"- larger digit right: {share('larger', 'larger_only')}, "
        f"{share('larger', 'both_answers')}",
    ]


def lesson_09_choices() -> list[str]:
    """Tell what the choices of lesson 09 gave with seed 42, with the digits that it prints."""
    errors = {
        part: {row["choice"]: float(row["median"]) for row in rows}
        for part, rows in groups(results("09_choices"), "part").items()
    }

    def error(part, choice):
        return f"{errors[part][choice]:.4f}"

    def others(part, choice):
        values = [value for name, value in errors[part].items() if name != choice]
        return f"{min(values):.4f} to {max(values):.4f}"

    return [
        "Validation MSE after 20 epochs, median of three trainings:",
        "",
        f"- learning rate: a third of our choice {error('rates', 'a third')}, our choice "
        f"{error('rates', 'our choice')}, three times as much {error('rates', 'three times')}",
        f"- schedule: constant {error('schedules', 'constant')}, the others "
        f"{others('schedules', 'constant')}",
        f"- batch size: 32 {error('batches', '32')}, 512 {error('batches', '512')}, 512 with the "
        f"learning rate scaled {error('batches', '512 rate scaled')}, growing from 8 to 128 "
        f"{error('batches', '8 then 32 then 128')}",
        f"- shape: one layer of 500 units {error('shapes', '1 x 500')}, two to six narrower layers "
        f"{others('shapes', '1 x 500')}",
    ]


def lesson_10_errors() -> list[str]:
    """Tell the errors of lesson 10 with seed 42."""
    (run,) = runs_of("10", seeds=("42",))
    models = ("naive", "linear", "simple_rnn", "deep_rnn", "gru")
    errors = [f"`{model}` {float(run[f'test_mse_{model}']):.4f}" for model in models]
    return [f"Test MSE with seed 42: {', '.join(errors)}."]


def lesson_13_difference() -> list[str]:
    """Tell how far the weights of lesson 13 differ."""
    (run,) = runs_of("13", seeds=("42",))
    return [f"With seed 42 the weights differ by up to {float(run['weight_difference']):.3f}."]


# benchmarks/


def computers() -> list[str]:
    """Describe the two computers."""
    names = {"with `amx`": "with_amx/same_work", "without `amx`": "same_work"}
    return [f"- {label}: {results(name)[0]['machine']}" for label, name in names.items()]


def same_work_memory() -> list[str]:
    """Tell how much more memory the lessons with little data need."""
    tasks = ("xor", "churn", "auto_mpg", "imdb")
    ratios = {row["task"]: float(row["peak_memory_ratio"]) for row in results("same_work_ratios")}
    more = [100 * (ratios[task] - 1) for task in tasks]
    return [
        f"- Where the data are small ({', '.join(f'`{task}`' for task in tasks)}), the lesson "
        f"needs {min(more):.0f} to {max(more):.0f}% more memory than the plain script."
    ]


def time_to_accuracy_shares() -> list[str]:
    """Compare the trainings of time_to_accuracy.py."""
    parts = groups(results("time_to_accuracy"), "part")
    whole = median(parts["published"], "fit_seconds")
    shares = {part: median(rows, "fit_seconds") / whole for part, rows in parts.items()}
    wrong = {part: round(1e4 * (1 - median(rows, "test_accuracy"))) for part, rows in parts.items()}
    return [
        f"- Training time, compared with all epochs of `published`: `fast` "
        f"{percent(shares['fast'], 1)}, `best` {percent(shares['best'])}, `best_fashion` "
        f"{percent(shares['best_fashion'])}.",
        f"- Of the 10,000 test images `published` gets {wrong['published']} wrong, `fast` "
        f"{wrong['fast']}, `best` {wrong['best']}.",
    ]


def clothing_step_shares() -> list[str]:
    """Tell what a training step of conv_net_best on clothing spends its time on."""
    rows = {row["network"]: row for row in results("clothing_step")}
    parts = ["as it is", *(f"{n} of the 6 convolutions, no normalisation" for n in (6, 1))]

    def shares(name):
        whole, six, first = (float(rows[part][name]) for part in parts)
        return (
            f"the five convolutions after the first {percent((six - first) / whole)}, "
            f"normalization {percent(1 - six / whole)}"
        )

    whole, published, plain = (
        float(rows[name]["least_ms"])
        for name in ("as it is", "published", "with TensorFlow's gradients of filters")
    )
    return [
        f"- A step takes {whole / published:.1f} times as long as one of `published`, and "
        f"{whole / plain:.2f} times as long as with TensorFlow's own gradients of the filters.",
        f"- Share of a step, from the fastest turns: {shares('least_ms')}.",
        f"- The same from the medians: {shares('median_ms')}.",
    ]


def peers_by_split() -> list[str]:
    """Compare the network for Auto MPG with scikit-learn's models, split by split."""
    errors = {
        label: {row["seed"]: float(row["value"]) for row in where(results("peers"), model=model)}
        for model, label in (
            ("RandomForestRegressor", "the random forest"),
            ("HistGradientBoostingRegressor", "gradient boosting"),
        )
    }
    seeds = tuple(errors["the random forest"])
    errors["the network"] = {
        run["seed"]: float(run["test_mae"]) for run in runs_of("03", seeds=seeds)
    }
    network = errors["the network"]
    better = {
        label: sum(values[seed] < network[seed] for seed in seeds)
        for label, values in errors.items()
    }
    told = [
        f"{label} {statistics.median(found):.2f} and {statistics.mean(found):.2f}"
        for label, found in ((label, values.values()) for label, values in errors.items())
    ]
    return [
        f"Auto MPG, median and mean error over the {len(seeds)} splits: {', '.join(told)}. Split "
        f"by split the random forest beats the network in {better['the random forest']}, gradient "
        f"boosting in {better['gradient boosting']}."
    ]


def serving_memory() -> list[str]:
    """Tell what ten minutes of load did to the memory of the service."""
    (run,) = where(results("serving_load"), part="memory")
    return [
        f"Over {float(run['seconds']) / 60:.0f} minutes of that load (`--memory "
        f"{float(run['seconds']):.0f}`), {run['failed']} of {int(run['requests']):,} requests "
        f"failed, and the memory of the service went from {float(run['memory_begin_mb']):.0f} to "
        f"{float(run['memory_end_mb']):.0f} MB; other programs were running meanwhile."
    ]


def by_backend() -> dict[str, dict[str, list[float]]]:
    """Collect the results of backends.py: lesson -> back-end -> values, in order of the seeds."""
    return {
        lesson: {
            backend: column(runs, "figure") for backend, runs in groups(rows, "backend").items()
        }
        for lesson, rows in groups(results("backends"), "lesson").items()
    }


def overlap(*values: list[float]) -> bool:
    """Tell whether the ranges of these lists have a point in common."""
    return max(map(min, values)) <= min(map(max, values))


# xor/, churn/, mnist/


def xor_starts() -> list[str]:
    """Tell when the starts of xor made their last mistake, and how many units died."""
    starts, told = groups(results("xor_starts"), "setting"), {}
    for setting, rows in starts.items():
        solved = where(rows, solved="True")
        told[setting] = (
            f"{len(solved)} of {len(rows)} starts solve it; their last mistake is in epoch "
            f"{spread(column(solved, 'last_mistake'), 0)}"
        )
    dead = column(where(starts[""], solved="True"), "dead_units")
    return [
        f"- `{flags_of(XOR_BEST)}`: {told[XOR_BEST]}",
        f"- the default: {told['']}, and up to {max(dead):.0f} of their 12 units are dead",
    ]


def churn_flawed() -> list[str]:
    """Tell what the flawed evaluation says, and what the same network reaches on other rows."""
    flawed = spread(column(results("churn"), "flawed_accuracy"), 3)
    honest = spread(
        column(where(results("churn_models"), model="old network"), "accuracy_at_half"), 3
    )
    return [
        f"Measured here, median and range of five seeds: accuracy {flawed} on the training rows; "
        f"{honest} for the same network on customers it has not seen."
    ]


def mnist_comparison() -> list[str]:
    """Count the mistakes of mnist's models, and compare their last epochs with their best."""
    runs = results("mnist")
    models = groups(runs, "variant")
    wrong, loss = (
        {model: median(rows, name) for model, rows in models.items()}
        for name in ("test_accuracy", "test_loss")
    )
    counts = [
        f"`{model}` {10_000 * (1 - wrong[model]):.0f}" for model in ("mlp_one_layer", "conv_net")
    ]
    losses = [f"`{model}` {loss[model]:.3f}" for model in ("conv_net", "conv_net_augmented")]
    gains = [float(run["test_accuracy_of_best"]) - float(run["test_accuracy"]) for run in runs]
    return [
        f"- mistakes among the 10,000 test images: {', '.join(counts)}",
        f"- test loss: {', '.join(losses)}",
        f"- test accuracy of the best epoch by the validation images: better than that of the last "
        f"in {sum(gain > 0 for gain in gains)} of the {len(runs)} runs, worse in "
        f"{sum(gain < 0 for gain in gains)}",
    ]


SENTENCES = [
    lesson_02_ngrams,
    lesson_03_splits,
    lesson_06_timings,
    lesson_07_speedup,
    lesson_08_scores,
    lesson_09_choices,
    lesson_10_errors,
    lesson_13_difference,
    computers,
    same_work_memory,
    time_to_accuracy_shares,
    clothing_step_shares,
    peers_by_split,
    serving_memory,
    xor_starts,
    churn_flawed,
    mnist_comparison,
]


# What the header of a lesson promises


def promise(
    lesson: str,
    metric: str,
    what: str,
    digits: int = 3,
    seeds: tuple = SEEDS,
    of="median and range",
) -> Callable[[], str]:
    """Make the function that tells a result of a lesson; `{}` in `what` is the result."""

    def tell() -> str:
        runs = runs_of(lesson, seeds=seeds)
        value = what.format(spread(column(runs, metric), digits))
        return f"{value}, {of} of {NUMBERS[len(runs)]} seeds."

    return tell


def promise_of_xor() -> str:
    """Tell how many starts of xor solve it."""
    solved = {run["variant"]: f"{float(run['solved']):.0f}" for run in results("xor")}
    usual, best = solved["seeds-20"], solved[f"{XOR_BEST}_seeds-20"]
    return f"of 20 starts, {usual} solve it; with {flags_of(XOR_BEST)}, {best}."


def promise_of_churn() -> str:
    """Tell the honest result of churn."""
    runs = results("churn")
    auc = spread(column(runs, "test_auc"), 3)
    return f"test ROC AUC {auc}, median and range of {NUMBERS[len(runs)]} splits."


def promise_of_mnist() -> str:
    """Tell the result of the model that mnist.py trains by default."""
    runs = where(results("mnist"), variant="mlp_one_layer")
    accuracy = spread(column(runs, "test_accuracy"), 4)
    return f"test accuracy {accuracy} with mlp_one_layer, median and range of three seeds."


ACCURACY = "test accuracy {}"
EXPECTATIONS = {
    "01_fashion_mnist_classification": promise("01", "test_accuracy", ACCURACY),
    "02_imdb_binary_classification": promise("02", "test_accuracy", ACCURACY),
    "03_autompg_regression": promise(
        "03", "test_mae", "test error (MAE) {} MPG", digits=2, seeds=MANY_SEEDS
    ),
    "04_regularization_dropout": promise("04", "test_accuracy", ACCURACY),
    "05_save_restore": promise("05", "test_accuracy", ACCURACY),
    "06_eager_tensors": promise("06", "test_accuracy", ACCURACY),
    "07_autodiff": promise("07", "test_accuracy", ACCURACY),
    "08_functional_api": promise("08", "test_mse_wide_deep", "test MSE {} with wide_deep"),
    "09_tuning": promise("09", "test_mse", "test MSE {}"),
    "10_time_series_rnn": promise("10", "test_mse_gru", "test MSE {} with the GRU", digits=4),
    "11_transfer_learning": promise(
        "11", "test_accuracy_frozen_10", "test accuracy {} from ten images per digit", of="median"
    ),
    "12_look_inside": promise("12", "test_accuracy", ACCURACY),
    "13_distributed_training": promise("13", "test_accuracy", ACCURACY),
    "xor": promise_of_xor,
    "churn": promise_of_churn,
    "mnist": promise_of_mnist,
}
