"""The sentences and lists that quote numbers on the pages and in the lessons; see tables.py."""

import re
from functools import partial

from benchmarks.measured import Values, fill, layout, results, runs_of

NUMBERS = {3: "three", 5: "five"}
XOR_BEST = "activation-tanh_learning-rate-0.01"
XOR_FLAGS = "hidden|activation|optimizer|learning-rate"


def flags_of(variant: str) -> str:
    """Spell a variant as flags: `hidden-2_activation-elu` as `--hidden 2 --activation elu`."""
    found = re.findall(rf"({XOR_FLAGS})-(.*?)(?=_(?:{XOR_FLAGS})-|$)", variant)
    flags = " ".join(f"--{flag} {values.replace('-', ' ')}" for flag, values in found)
    return flags.replace(" none", "")


def overlap(*values) -> bool:
    """Tell whether the ranges of these lists have a point in common."""
    return max(map(min, values)) <= min(map(max, values))


def by_backend() -> dict[str, list[list[float]]]:
    """Collect the results of backends.py: lesson -> values of TensorFlow, of JAX, of PyTorch."""
    figures = results("backends").groupby(["lesson", "backend"], sort=False).figure.agg(list)
    return figures.groupby("lesson", sort=False).agg(list).to_dict()


# Texts that columns are put into

TEXTS = {  # name of the block: the lesson whose runs they are, and the text
    "lesson-03-splits": (
        "03",
        "Over {count} seeds, each with its own split and initial weights, the median test error is {test_mae:2~} MPG.",
    ),
    "lesson-08-scores": (
        "08",
        "Median and range of {count} seeds:",
        "",
        "| model | hidden layers | test MSE |",
        "| --- | --- | --- |",
        "| `sequential` | one | {test_mse_sequential:3~} |",
        "| `deep` | two | {test_mse_deep:3~} |",
        "| `wide_deep` | two, skip connection | {test_mse_wide_deep:3~} |",
        "| `two_inputs` | two, skip connection | {test_mse_two_inputs:3~} |",
        "| `two_outputs` | two, skip connection | {test_mse_two_outputs:3~} |",
    ),
    "lesson-10-ten": (
        "10",
        "Test MSE over the ten steps, median and range of {count} seeds:",
        "",
        "- naive: {test_mse_ten_naive:.4f}",
        "- one after the other: {test_mse_ten_one_after_the_other:4~}",
        "- ten at once: {test_mse_ten_ten_at_once:4~}",
    ),
    "lesson-13-difference": (
        "13, seed 42",
        "With seed 42 the weights differ by up to {weight_difference:.3f}.",
    ),
    "lesson-13-efficiency": (
        "13",
        "Efficiency of two devices made of one processor: {efficiency:2~}, median and range of {count} seeds.",
    ),
    "lesson-17-scores": (
        "17",
        "Test accuracy, median and range of {count} seeds:",
        "",
        "| model | left digit | right digit | larger? |",
        "| --- | --- | --- | --- |",
        "| `digits_only` | {test_accuracy_left_digits_only:3~} | {test_accuracy_right_digits_only:3~} | |",
        "| `larger_only` | | | {test_accuracy_larger_larger_only:3~} |",
        "| `all_three` | {test_accuracy_left_all_three:3~} | {test_accuracy_right_all_three:3~} | {test_accuracy_larger_all_three:3~} |",
    ),
    "lesson-17-computed": (
        "17",
        "The heads contradict each other in {contradictions:.0%} of the test images. Accuracy of the third answer: {test_accuracy_larger_all_three:3~} from its own head, {test_accuracy_larger_computed:3~} from comparing the two digits (median and range of {count} seeds).",
    ),
    "lesson-23-scores": (
        "23",
        "Test canvases, median and range of {count} seeds:",
        "",
        "- accuracy of the class: {test_accuracy:3~}",
        "- mean IoU: {test_iou:3~}; baseline {test_iou_baseline:.2f}",
        "- found (class right and IoU at least 0.5): {test_found:3~}",
    ),
    "lesson-23-sizes": (
        "23",
        "Test canvases by height of the digit, median of {count} seeds:",
        "",
        "| height | accuracy | mean IoU | mean error of an edge |",
        "| --- | --- | --- | --- |",
        "| below 16 pixels | {test_accuracy_small:.3f} | {test_iou_small:.2f} | {edge_error_small:.2f} pixels |",
        "| 24 pixels or more | {test_accuracy_large:.3f} | {test_iou_large:.2f} | {edge_error_large:.2f} pixels |",
    ),
}


def tell(whose: str, *lines: str) -> list[str]:
    """Make an entry of TEXTS."""
    lesson, _, seed = whose.partition(", seed ")
    runs = runs_of(lesson)
    return [fill(line, runs[runs.seed == int(seed)] if seed else runs) for line in lines]


# Texts that compute something


def lesson_02_overfitting() -> list[str]:
    """Tell where the losses of lesson 02 went."""
    lines = (
        "Median and range of three runs with different random seeds:",
        "",
        "- lowest validation loss: after epoch {best_epoch:0~}",
        "- validation loss: {best_val_loss:3~} at that epoch, {end_val_loss:3~} after epoch 40",
        "- training loss: {best_loss:3~} at that epoch, {end_loss:3~} after epoch 40",
        "- validation accuracy: {best_val_accuracy:3~} at that epoch, {end_val_accuracy:3~} after epoch 40",
    )
    return [fill(line, results("02_losses")) for line in lines]


def lesson_14_pairs() -> list[str]:
    """Tell what pairs of words add to single words, and what lesson 02 reached."""
    averages, words, pairs = (
        Values(runs_of(lesson, flags).test_accuracy)
        for lesson, flags in (("02", ""), ("14", "pairs-0"), ("14", ""))
    )
    fewer = 1 - (1 - pairs.values.median()) / (1 - words.values.median())
    return [
        "Test accuracy, median and range of three seeds:",
        "",
        f"- lesson 02: {averages:3~}",
        f"- this lesson with single words only, `--pairs 0`: {words:3~}",
        f"- this lesson with 200,000 pairs: {pairs:3~}, {fewer:.0%} fewer mistakes than without",
    ]


def lesson_06_timings() -> list[str]:
    """Tell how long the function of notes/tensors.md takes in three ways."""
    text = "{numpy_ms:.2g} ms in NumPy, {eager_ms:.2g} ms eagerly, {function_ms:.2g} ms as `tf.function`"
    names = {10: "ten numbers", 1_000_000: "a million numbers"}
    times = results("06_timings").groupby("numbers")
    return ["On two CPU cores the function took:", ""] + [
        fill(f"- for {name}: {text}", times.get_group(numbers)) for numbers, name in names.items()
    ]


def lesson_15_speedup() -> list[str]:
    """Tell how much faster a compiled step of lesson 15 is."""
    ratios = Values(runs_of("15").eager_step_ms / runs_of("15").function_step_ms)
    return [
        f"On two CPU cores the step that `tf.function` compiled was {ratios:0~} times as fast as "
        "the eager one (median and range of three runs)."
    ]


def lesson_09_winners() -> list[str]:
    """Tell what the searches of lesson 09 chose, seed by seed."""
    text = "- seed {seed:all}: {parameters:,.0f} parameters, validation MSE {val_mse:.4f}, test MSE {test_mse:.4f}"
    runs = runs_of("09").groupby("seed")
    return ["The winners of three seeds:", ""] + [fill(text, run) for _, run in runs]


def lesson_16_choices() -> list[str]:
    """Tell what the choices of lesson 16 gave with seed 42."""
    choices = results("16_choices").set_index(["part", "choice"])
    errors = choices["median"].map("{:.3f}".format)
    told = {part: [f"{error} for {name}" for name, error in errors[part].items()] for part in PARTS}
    spread = choices.highest - choices.lowest
    return [
        "Validation MSE after 20 epochs, median of three trainings:",
        "",
        *(f"- {label}: {', '.join(told[part])}" for part, label in PARTS.items()),
        "",
        f"The three trainings of a choice differ by {spread.min():.3f} to {spread.max():.3f}, in "
        f"most cases by less than {spread.quantile(0.75):.3f}.",
    ]


def lesson_17_weight() -> list[str]:
    """Lay out what a larger weight of the third loss of lesson 17 changes."""
    outputs = ("left", "right", "larger")
    row = " | ".join(f"{{test_accuracy_{output}_all_three:3~}}" for output in outputs)
    variants = {"1": "", "20": "larger-weight-20.0"}
    rows = [f"| {weight} | {fill(row, runs_of('17', name))} |" for weight, name in variants.items()]
    header = "| weight of the third loss | left digit | right digit | larger? |"
    return [
        "Test accuracy of `all_three`, median and range of three seeds:",
        "",
        *layout(header, rows),
    ]


def lesson_23_weight() -> list[str]:
    """Lay out what the weight of the box's loss of lesson 23 changes."""
    variants = {"10, the default": "", "1": "box-weight-1.0"}
    row = "{test_accuracy:3~} | {test_iou:3~} | {test_found:3~}"
    rows = [f"| {weight} | {fill(row, runs_of('23', name))} |" for weight, name in variants.items()]
    header = "| weight of the box | accuracy | mean IoU | found |"
    return ["Test canvases, median and range of three seeds:", "", *layout(header, rows)]


def lesson_10_errors() -> list[str]:
    """Lay out the errors of lesson 10 for one step ahead."""
    names = ("naive", "linear", "simple_rnn", "deep_rnn", "lstm", "gru", "conv_gru")
    rows = [f"| `{name}` | {{test_mse_{name}:4~}} |" for name in names]
    header = "| model | test MSE, median (range) of three seeds |"
    return layout(header, [fill(row, runs_of("10")) for row in rows])


def lesson_18_order() -> list[str]:
    """Tell what reading in order is worth in lesson 18, and what lessons 02 and 14 reached."""
    written, shuffled, averages, pairs = (
        Values(runs_of(lesson, flags).test_accuracy)
        for lesson, flags in (("18", ""), ("18", "order-shuffled"), ("02", ""), ("14", ""))
    )
    return [
        "Test accuracy, median and range of three seeds:",
        "",
        f"- this lesson, words as written: {written:3~}",
        f"- the same with shuffled words, `--order shuffled`: {shuffled:3~}",
        f"- lesson 02, average of embeddings: {averages:3~}",
        f"- lesson 14, words and pairs: {pairs:3~}",
    ]


def lesson_12_dead_units() -> list[str]:
    """Tell how many units of lesson 12 are dead."""
    return [
        fill(
            "Of the 64 units, {dead_before:0~} were dead before training and {dead_after:0~} after "
            "it (median and range of {count} seeds).",
            runs_of("12"),
        )
    ]


def lesson_12_pixels() -> list[str]:
    """Tell which pixels of the first 7 matter in lesson 12."""
    return [
        fill(
            "In the image of the 7, ink covers {ink:.0%} of the pixels and gets {on_ink:.0%} of the "
            "saliency. Covering the square that matters most lowers the probability of the 7 by "
            "{fall:2~}; medians and range of {count} seeds.",
            results("12_pixels"),
        )
    ]


def lesson_19_memorized() -> list[str]:
    """Tell how well a network of lesson 19 knows wrong labels after a long training."""
    return [
        fill(
            "After {epochs:.0f} epochs the training accuracy on the wrong labels is "
            "{accuracy_after:2~}, the validation accuracy {val_accuracy:2~} (median and range of "
            "{count} seeds).",
            results("19_broken").query("epochs > 3 and network == 'labels_shuffled'"),
        )
    ]


PARTS = {
    "rates": "learning rate (our choice is 0.001)",
    "schedules": "schedule",
    "batches": "batch size",
    "shapes": "layers x units",
}


def computers() -> list[str]:
    """Describe the two computers."""
    names = {"with `amx`": "with_amx/same_work", "without `amx`": "same_work"}
    return [f"- {label}: {results(name).machine[0]}" for label, name in names.items()]


def peers_by_split() -> list[str]:
    """Compare the network for Auto MPG with scikit-learn's models, split by split."""
    peers = results("peers").query("task == 'auto_mpg'")
    errors = peers.pivot(index="seed", columns="model", values="value")
    errors.columns = ["gradient boosting", "the random forest"]  # in order of the alphabet
    errors.insert(2, "the network", runs_of("03").set_index("seed").test_mae)
    told = [
        f"{name} {errors[name].median():.2f} and {errors[name].mean():.2f}"
        for name in ("the random forest", "gradient boosting", "the network")
    ]
    better = errors.lt(errors["the network"], axis=0).sum()
    return [
        f"Auto MPG, median and mean error over the {len(errors)} splits: {', '.join(told)}. Split "
        f"by split the random forest beats the network in {better['the random forest']}, gradient "
        f"boosting in {better['gradient boosting']}."
    ]


def serving_memory() -> list[str]:
    """Tell what ten minutes of load did to the memory of the service."""
    (run,) = results("serving_load").query("part == 'memory'").itertuples()
    return [
        f"Over {run.seconds / 60:.0f} minutes of that load (`--memory {run.seconds:.0f}`), "
        f"{run.failed} of {run.requests:,} requests failed, and the memory of the service went "
        f"from {run.memory_begin_mb:.0f} to {run.memory_end_mb:.0f} MB; other programs were "
        "running meanwhile."
    ]


def xor_starts() -> list[str]:
    """Tell when the starts of xor made their last mistake, and how many units died."""
    text = "{solved:sum} of {count} starts solve it; their last mistake is in epoch "
    told = {}
    for setting, starts in results("xor_starts").groupby("setting"):
        solved = starts[starts.solved]
        told[setting] = fill(text, starts) + fill("{last_mistake:0~}", solved)
    dead = results("xor_starts").query("solved and setting == ''").dead_units.max()
    return [
        f"- `{flags_of(XOR_BEST)}`: {told[XOR_BEST]}",
        f"- the default: {told['']}, and up to {dead} of their 12 units are dead",
    ]


def churn_flawed() -> list[str]:
    """Tell what the flawed evaluation says, and what the same network reaches on other rows."""
    flawed = Values(results("churn").flawed_accuracy)
    honest = Values(results("churn_models").query("model == 'old network'").accuracy_at_half)
    return [
        f"Measured here, median and range of five seeds: accuracy {flawed:3~} on the training "
        f"rows; {honest:3~} for the same network on customers it has not seen."
    ]


def churn_steps() -> list[str]:
    """Tell what each step from the old network to the lesson's adds on the validation rows."""
    old = results("churn_models").query("model == 'old network'").val_auc.mean()
    tries = results("churn_tries").set_index("model").val_auc
    steps = {
        "the old network": old,
        "32 and 16 units, dropout and early stopping, still all columns": tries.iloc[4],
        "the chosen columns, and the products as categories": tries.iloc[6],
        "64 and 32 units, the lesson's network": tries.iloc[7],
    }
    return ["Validation AUC, mean of the five splits:", ""] + [
        f"- {name}: {value:.3f}" for name, value in steps.items()
    ]


def mnist_comparison() -> list[str]:
    """Tell what the table of mnist's models does not: losses, and last epochs against best ones."""
    runs = results("mnist")
    loss = runs.groupby("variant").test_loss.median().map("{:.3f}".format)
    gain = runs.test_accuracy_of_best - runs.test_accuracy
    return [
        f"- test loss: `conv_net` {loss.conv_net}, `conv_net_augmented` {loss.conv_net_augmented}",
        "- test accuracy of the best epoch by the validation images: better than that of the last "
        f"in {sum(gain > 0)} of the {len(runs)} runs, worse in {sum(gain < 0)}",
    ]


FUNCTIONS = [lesson_02_overfitting, lesson_14_pairs, lesson_06_timings, computers]
FUNCTIONS += [lesson_09_winners, lesson_15_speedup, lesson_16_choices, lesson_10_errors]
FUNCTIONS += [lesson_18_order, lesson_12_dead_units, lesson_12_pixels, mnist_comparison]
FUNCTIONS += [
    lesson_17_weight,
    lesson_23_weight,
    lesson_19_memorized,
    peers_by_split,
    serving_memory,
    xor_starts,
    churn_flawed,
    churn_steps,
]
SENTENCES = {
    **{name: partial(tell, *entry) for name, entry in TEXTS.items()},
    **{function.__name__.replace("_", "-"): function for function in FUNCTIONS},
}


# What the header of a lesson promises


def promise(lesson: str, what: str) -> str:
    """Make an entry of PROMISES; a project's runs have a table of their own."""
    runs = runs_of(lesson) if lesson[0].isdigit() else results(lesson)
    if lesson == "mnist":  # it trains this one by default
        runs = runs[runs.variant == "mlp_one_layer"]
    return fill(what, runs).replace("COUNT", str(NUMBERS.get(len(runs), len(runs))))


def promise_of_xor() -> str:
    """Tell how many starts of xor solve it."""
    solved = results("xor").set_index("variant").solved
    usual, best = solved["seeds-20"], solved[f"{XOR_BEST}_seeds-20"]
    return f"of 20 starts, {usual:.0f} solve it; with {flags_of(XOR_BEST)}, {best:.0f}."


def promise_of_learning_rate() -> str:
    """Tell what the best choice of lesson 16 reaches."""
    choices = results("16_choices").set_index("choice")
    best = choices.loc[choices["median"].idxmin(), ["median", "lowest", "highest"]]
    return (
        f"validation MSE {Values(best):3~} with growing batches, {RANGE.replace('COUNT', 'three')}"
    )


RANGE = "median and range of COUNT seeds."
ACCURACY = f"test accuracy {{test_accuracy:3~}}, {RANGE}"
PROMISES = {
    "01_fashion_mnist_classification": ACCURACY,
    "02_imdb_binary_classification": ACCURACY,
    "03_autompg_regression": f"test error (MAE) {{test_mae:2~}} MPG, {RANGE}",
    "04_regularization_dropout": ACCURACY,
    "05_save_restore": ACCURACY,
    "06_eager_tensors": ACCURACY,
    "07_autodiff": f"w {{w:2~}}, b {{b:2~}}, {RANGE}",
    "08_functional_api": "median test MSE: one hidden layer {test_mse_sequential:.3f}, two {test_mse_deep:.3f}, two with a skip connection {test_mse_wide_deep:.3f}.",
    "09_tuning": f"test MSE {{test_mse:3~}}, {RANGE}",
    "10_time_series_rnn": f"test MSE {{test_mse_gru:4~}} with the GRU, {RANGE}",
    "11_transfer_learning": "median test accuracy, ten images per digit: from scratch {test_accuracy_from_nothing_10:.3f}, with frozen features {test_accuracy_frozen_10:.3f}.",
    "12_look_inside": ACCURACY,
    "13_distributed_training": ACCURACY,
    "14_imdb_ngrams": ACCURACY,
    "15_training_loop": ACCURACY,
    "17_multiple_outputs": "median test accuracy: left digit {test_accuracy_left_all_three:.3f}, right {test_accuracy_right_all_three:.3f}, larger or not {test_accuracy_larger_all_three:.3f}.",
    "18_imdb_lstm": ACCURACY,
    "19_debugging": f"test accuracy {{test_accuracy:3~}} without a mistake, {RANGE}",
    "23_locate_and_classify": "median test accuracy {test_accuracy:.3f}, median test IoU {test_iou:.3f}.",
    "churn": "test ROC AUC {test_auc:3~}, median and range of COUNT splits.",
    "mnist": f"test accuracy {{test_accuracy:4~}} with mlp_one_layer, {RANGE}",
}
EXPECTATIONS = {lesson: partial(promise, lesson, what) for lesson, what in PROMISES.items()}
EXPECTATIONS["16_learning_rate"] = promise_of_learning_rate
EXPECTATIONS["xor"] = promise_of_xor
