"""Sentences and lists with measured numbers, for the pages and lessons; see tables.py."""

import re
from collections.abc import Iterator
from functools import partial

import pandas as pd

from benchmarks.measured import Values, fill, layout, results, runs_of
from benchmarks.path import minutes

NUMBERS = {3: "three", 5: "five"}
XOR_BEST = "activation-tanh_learning-rate-0.01"
XOR_FLAGS = "hidden|activation|optimizer|learning-rate"


def flags_of(variant: str) -> str:
    """Convert a variant to flags: `hidden-2_activation-elu` to `--hidden 2 --activation elu`."""
    found = re.findall(rf"({XOR_FLAGS})-(.*?)(?=_(?:{XOR_FLAGS})-|$)", variant)
    flags = " ".join(f"--{flag} {values.replace('-', ' ')}" for flag, values in found)
    return flags.replace(" none", "")


def overlap(*values) -> bool:
    """Return whether the ranges of these lists overlap."""
    return max(map(min, values)) <= min(map(max, values))


def by_backend() -> dict[str, list[list[float]]]:
    """Return the results of backends.py by lesson: values on TensorFlow, JAX and PyTorch."""
    figures = results("backends").groupby(["lesson", "backend"], sort=False).figure.agg(list)
    return figures.groupby("lesson", sort=False).agg(list).to_dict()


# Templates filled with columns of results

TEXTS = {  # name of the block: the lesson whose runs fill it, and the template
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
    "lesson-26-cuts": (
        "26",
        "{cut_at_256:.0%} of the training reviews have more than 256 words. Validation accuracy, median of {count} seeds: {val_accuracy_whole:.3f} with the whole review.",
        "",
        "| words | the last ones | the first ones |",
        "| --- | --- | --- |",
        "| 256 | {val_accuracy_last_256:.3f} | {val_accuracy_first_256:.3f} |",
        "| 64 | {val_accuracy_last_64:.3f} | {val_accuracy_first_64:.3f} |",
    ),
    "lesson-23-scores": (
        "23",
        "Test canvases, median and range of {count} seeds:",
        "",
        "- accuracy of the class: {test_accuracy:3~}",
        "- mean IoU: {test_iou:3~}; baseline {test_iou_baseline:.2f}",
        "- correct detections: {test_found:3~}",
    ),
    "lesson-15-ways": (
        "15",
        "Seconds per epoch on two CPU cores, median and range of {count} runs:",
        "",
        "| way | seconds |",
        "| --- | --- |",
        "| `fit` | {fit_epoch_s:2~} |",
        "| `fit_whole`: all steps in one call | {fit_whole_epoch_s:2~} |",
        "| `fit_whole_xla`: also with XLA | {fit_whole_xla_epoch_s:2~} |",
        "| `one_program`: the whole epoch with XLA | {one_program_epoch_s:2~} |",
    ),
    "lesson-27-scores": (
        "27",
        "Test accuracy, median and range of {count} seeds:",
        "",
        "| model | letter assigned once | assigned again |",
        "| --- | --- | --- |",
        "| `most_frequent` | {test_accuracy_once_most_frequent:2~} | {test_accuracy_again_most_frequent:2~} |",
        "| `picked` | {test_accuracy_once_picked:2~} | {test_accuracy_again_picked:2~} |",
        "| `gru` | {test_accuracy_once_gru:2~} | {test_accuracy_again_gru:2~} |",
        "| `attention` | {test_accuracy_once_attention:2~} | {test_accuracy_again_attention:2~} |",
        "| `positions` | {test_accuracy_once_positions:2~} | {test_accuracy_again_positions:2~} |",
    ),
    "lesson-27-weight": (
        "27",
        "Where the letter was assigned again, the line with the answer has {weight_attention:2~} of the weight without positions and {weight_positions:2~} with them, means over the test lists, median and range of {count} seeds.",
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
    """Fill in an entry of TEXTS."""
    lesson, _, seed = whose.partition(", seed ")
    runs = runs_of(lesson)
    return [fill(line, runs[runs.seed == int(seed)] if seed else runs) for line in lines]


# Texts that need computation


def lesson_00_depth() -> list[str]:
    """Compare the wide and the deep network of lesson 00."""
    lines = (
        "Mean squared error after 500 steps, median and range of {count} seeds:",
        "",
        "| hidden layers | mean squared error |",
        "| --- | --- |",
        "| one of 54 units | {wide_mse:4~} |",
        "| three of 8 units | {deep_mse:4~} |",
    )
    return [fill(line, results("00_neuron")) for line in lines]


def lesson_02_overfitting() -> list[str]:
    """Describe how the losses of lesson 02 developed."""
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
    """Compare word pairs with single words in lesson 14, and with lesson 02."""
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


def lesson_26_scores() -> list[str]:
    """Compare lesson 26 with lesson 14 by what they count."""
    counted = {
        "words": [("14", "pairs-0"), ("26", "ngrams-1")],
        "words and pairs": [("14", ""), ("26", "ngrams-2")],
        "words, pairs and triples": [("14", "none"), ("26", "")],
    }
    rows = []
    for name, sides in counted.items():
        runs = [runs_of(*side).test_accuracy for side in sides]
        cells = ["-" if one.empty else f"{Values(one):3~}" for one in runs]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return [
        "Test accuracy, median and range of three seeds:",
        "",
        *layout("| counted | lesson 14 | this lesson |", rows),
    ]


def lesson_06_timings() -> list[str]:
    """Compare the times of the function in notes/tensors.md in NumPy, eagerly and compiled."""
    text = "{numpy_ms:.2g} ms in NumPy, {eager_ms:.2g} ms eagerly, {function_ms:.2g} ms as `tf.function`"
    names = {10: "ten numbers", 1_000_000: "a million numbers"}
    times = results("06_timings").groupby("numbers")
    return ["On two CPU cores the function took:", ""] + [
        fill(f"- for {name}: {text}", times.get_group(numbers)) for numbers, name in names.items()
    ]


def lesson_15_speedup() -> list[str]:
    """State how much faster a compiled step of lesson 15 is."""
    ratios = Values(runs_of("15").eager_step_ms / runs_of("15").function_step_ms)
    return [
        f"On two CPU cores the step that `tf.function` compiled was {ratios:0~} times as fast as "
        "the eager one (median and range of three runs)."
    ]


def lesson_09_winners() -> list[str]:
    """List the winners of lesson 09's searches by seed."""
    text = "- seed {seed:all}: {parameters:,.0f} parameters, validation MSE {val_mse:.4f}, test MSE {test_mse:.4f}"
    runs = runs_of("09").groupby("seed")
    return ["The winners of three seeds:", ""] + [fill(text, run) for _, run in runs]


def lesson_16_choices() -> list[str]:
    """List the results of lesson 16's choices with seed 42."""
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


def shapes(budget: int = 5000, epochs: int = 20, rate: float = 0.001) -> pd.DataFrame:
    """Return what lesson 20 measured with some flags, and the spelled `val`idation MSE."""
    found = results("20_shapes").query(
        f"budget == {budget} and epochs == {epochs} and learning_rate == {rate}"
    )
    ends = zip(found.val_mse, found.lowest, found.highest, strict=True)
    return found.assign(val=[f"{Values(one):3~}" for one in ends])


def lesson_20_wide() -> list[str]:
    """Tell what larger steps and more epochs do for one wide layer and for two in lesson 20."""
    ways = {
        "as in the lesson": shapes(),
        "with three times the learning rate": shapes(rate=0.003),
        "with three times the epochs": shapes(epochs=60),
    }
    told = []
    for way, found in ways.items():
        one, two = found.query("layers <= 2").val
        told.append(f"- {way}: {one} with one hidden layer, {two} with two")
    return ["Validation MSE, median and range of three seeds:", "", *told]


def lesson_20_deep() -> list[str]:
    """Lay out how very deep networks of lesson 20 end."""
    found = shapes().query("layers >= 10").itertuples()
    header = "| layers x units | training MSE | validation MSE, median (range) of three seeds |"
    rows = [f"| {run.layers} x {run.units} | {run.train_mse:.3f} | {run.val} |" for run in found]
    return layout(header, rows)


def lesson_17_weight() -> list[str]:
    """Show the effect of a larger weight of the third loss in lesson 17."""
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
    header = "| weight of the box | accuracy | mean IoU | correct detections |"
    return ["Test canvases, median and range of three seeds:", "", *layout(header, rows)]


def lesson_10_errors() -> list[str]:
    """List the errors of lesson 10's forecasts one step ahead."""
    names = ("naive", "linear", "simple_rnn", "deep_rnn", "lstm", "gru", "conv_gru")
    rows = [f"| `{name}` | {{test_mse_{name}:4~}} |" for name in names]
    header = "| model | test MSE, median (range) of three seeds |"
    return layout(header, [fill(row, runs_of("10")) for row in rows])


def lesson_18_order() -> list[str]:
    """State the value of word order in lesson 18, and the accuracies of lessons 02 and 14."""
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
    """State the number of dead units in lesson 12."""
    return [
        fill(
            "Of the 64 units, {dead_before:0~} were dead before training and {dead_after:0~} after "
            "it (median and range of {count} seeds).",
            runs_of("12"),
        )
    ]


def lesson_12_pixels() -> list[str]:
    """Describe which pixels of the first 7 matter in lesson 12."""
    return [
        fill(
            "In the image of the 7, ink covers {ink:.0%} of the pixels and gets {on_ink:.0%} of the "
            "saliency. Covering the square that matters most lowers the probability of the 7 by "
            "{fall:2~}; medians and range of {count} seeds.",
            results("12_pixels"),
        )
    ]


def lesson_19_memorized() -> list[str]:
    """State how well a network of lesson 19 memorizes wrong labels in a long training."""
    return [
        fill(
            "After {epochs:.0f} epochs the training accuracy on the wrong labels is "
            "{accuracy_after:2~}, the validation accuracy {val_accuracy:2~} (median and range of "
            "{count} seeds).",
            results("19_broken").query("epochs > 3 and network == 'labels_shuffled'"),
        )
    ]


def lesson_21_losses() -> list[str]:
    """Compare training losses of right and wrong pairs of lesson 21; add what `budget` reaches."""
    losses = results("21_answers").groupby("network").training_loss.median()
    pairs = [
        f"`{name}` {losses[name]:.4f}, `{name}_wrong` {losses[f'{name}_wrong']:.4f}"
        for name in ("shoe", "attributes")
    ]
    return [
        f"- training losses, medians: {'; '.join(pairs)}",
        fill(
            "- the fraction of test districts for which `budget` is enough: {enough_budget:2~}, "
            "median and range of {count} seeds",
            runs_of("21"),
        ),
    ]


def rules(rule: str) -> pd.DataFrame:
    """Return the medians of lesson 24 with this rule, by network and band."""
    rows = results("24_rules").query("rule == @rule").drop(columns=["seed", "rule"])
    return rows.groupby(["network", "band"], sort=False).median()


def lesson_24_averages() -> list[str]:
    """Compare the networks of lesson 24 without a threshold, for the rarest band."""
    rare = rules("most probable").xs("off the scale", level="band")
    found = runs_of("24")
    return [
        "Medians of three seeds, for the band off the scale:",
        "",
        *(
            f"- `{network}`: average precision {row.average_precision:.2f}, mean probability of the band {row.mean_probability:.3f}"
            for network, row in rare.iterrows()
        ),
        f"- of all test districts, a fraction of {1 - rare.always_no.iloc[0]:.3f} are positives",
        fill("- precision at 50 of `plain` (see below): {precision_at_50:2~}", found),
    ]


PARTS = {
    "rates": "learning rate (our choice is 0.001)",
    "schedules": "schedule",
    "batches": "batch size",
}


def computers() -> list[str]:
    """Describe the two computers used for the measurements."""
    names = {"with `amx`": "with_amx/same_work", "without `amx`": "same_work"}
    return [f"- {label}: {results(name).machine[0]}" for label, name in names.items()]


def peers_by_split() -> list[str]:
    """Compare the network for Auto MPG with scikit-learn's models, split by split."""
    peers = results("peers").query("task == 'auto_mpg'")
    errors = peers.pivot(index="seed", columns="model", values="value")
    errors.columns = ["gradient boosting", "the random forest"]  # in alphabetical order
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
    """State how the service's memory usage changed during ten minutes of load."""
    (run,) = results("serving_load").query("part == 'memory'").itertuples()
    return [
        f"Over {run.seconds / 60:.0f} minutes of that load (`--memory {run.seconds:.0f}`), "
        f"{run.failed} of {run.requests:,} requests failed, and the memory of the service went "
        f"from {run.memory_begin_mb:.0f} to {run.memory_end_mb:.0f} MB; other programs were "
        "running meanwhile."
    ]


def xor_starts() -> list[str]:
    """State when the networks that solve xor made their last mistakes."""
    last = {
        setting: fill("epoch {last_mistake:0~}", starts)
        for setting, starts in results("xor_starts").query("solved").groupby("setting")
    }
    return [
        f"Their last mistake is in {last[XOR_BEST]}. With the default settings, the networks that "
        f"solve the task make it in {last['']}. These are medians, with the smallest and the "
        "largest in brackets."
    ]


def xor_dead() -> list[str]:
    """State how many units of a network that solves xor may be dead."""
    dead = results("xor_starts").query("solved and setting == ''").dead_units.max()
    return [
        "A network with dead units can still solve the task, if enough others are left: one of the "
        f"20 with the default settings solves it with {dead} of its 12 hidden units dead."
    ]


def churn_flawed() -> list[str]:
    """Compare churn's flawed evaluation with the same network on held-out rows."""
    flawed = Values(results("churn").flawed_accuracy)
    honest = Values(results("churn_models").query("model == 'old network'").accuracy_at_half)
    return [
        f"We measured it in five runs (median, with the smallest and the largest in brackets): "
        f"accuracy {flawed:3~} on the rows it was trained on, {honest:3~} on customers that the "
        "network has not seen."
    ]


def churn_steps() -> list[str]:
    """State how each step from the old network to the new one improves the validation AUC."""
    old = results("churn_models").query("model == 'old network'").val_auc.mean()
    tries = results("churn_tries").set_index("model").val_auc
    steps = {
        "the old network": old,
        "+ 32 and 16 units, dropout, early stopping": tries.iloc[4],
        "+ only the chosen columns, the number of products as categories": tries.iloc[6],
        "+ 64 and 32 units: the lesson's network": tries.iloc[7],
    }
    rows = [f"| {name} | {value:.3f} |" for name, value in steps.items()]
    return layout("| network | validation AUC, mean of five splits |", rows)


def mnist_comparison() -> list[str]:
    """Compare losses, and last with best epochs, which mnist's table of models does not show."""
    runs = results("mnist")
    loss = runs.groupby("variant").test_loss.median().map("{:.3f}".format)
    gain = runs.test_accuracy_of_best - runs.test_accuracy
    return [
        f"- The test loss of `conv_net` is {loss.conv_net}, that of `conv_net_augmented` "
        f"{loss.conv_net_augmented}.",
        f"- On the test images the best epoch is better than the last in {sum(gain > 0)} of "
        f"{len(runs)} runs, and worse in {sum(gain < 0)}.",
    ]


def uncertainty(table: str) -> pd.DataFrame:
    """Return what lesson 22 measures with a table: a row per name, each cell a list of the seeds."""
    rows = results("22_uncertainty").query("table == @table")
    return rows.groupby("name", sort=False)[["value", "low", "high"]].agg(list)


def lesson_22_scores() -> Iterator[str]:
    """Yield what lesson 22 finds for cars and for customers."""
    cars, customers = uncertainty("auto_mpg"), uncertainty("churn")
    luck = {
        name: " to ".join(f"{end[name][0]:.2f}" for end in (cars.low, cars.high))
        for name in ("starts", "folds")
    }
    yield f"With seed 42, 20 starts score from {luck['starts']} MPG, ten folds from {luck['folds']}. 10-fold cross-validation, with 95% intervals:"
    yield ""
    yield "| error | cars [MPG] | customers |"
    yield "| --- | --- | --- |"
    for name in cars.index.drop(["starts", "folds"]):
        cells = [
            f"{row.value[0]:.{digits}f} ({row.low[0]:.{digits}f} to {row.high[0]:.{digits}f})"
            for row, digits in ((cars.loc[name], 3), (customers.loc[name], 4))
        ]
        yield f"| {name.replace(' - ', ' minus ')} | {cells[0]} | {cells[1]} |"
    yield ""
    others = " and ".join(f"{value:.3f}" for value in cars.value["random forest - network"][1:])
    yield f"With two other seeds, the random forest minus the network is {others} MPG."


def ensembles(table: str) -> pd.DataFrame:
    """Return what lesson 25 measures with a table: a row per model, each cell a list of the seeds."""
    rows = results("25_ensembles").query("table == @table")
    return rows.groupby("model", sort=False)[["mean", "better_than_forest"]].agg(list)


def lesson_25_scores() -> Iterator[str]:
    """Yield what the ensembles of lesson 25 reach for cars and for customers."""
    yield "Each score is the mean of ten splits; median and range of three seeds, which share no split:"
    yield ""
    yield "| model | cars: test MAE [MPG] | customers: Brier score |"
    yield "| --- | --- | --- |"
    cars, customers = ensembles("auto_mpg"), ensembles("churn")
    for name in cars.index:
        cells = Values(cars["mean"][name]), Values(customers["mean"][name])
        yield f"| {name} | {cells[0]:3~} | {cells[1]:4~} |"
    yield ""
    won = [
        "{}, {} and {}".format(*table.better_than_forest["ensemble of 10"])
        for table in (cars, customers)
    ]
    yield f"The ensemble of ten beats the forest in {won[0]} of the ten splits of cars, and in {won[1]} of those of customers."


NETWORKS = {  # model in architectures.csv: network, year, idea
    "le_net": "LeNet, here as [`le_net`](../mnist/models.py) | 1998 | convolution, pooling, then dense layers: edges, corners, shapes, a class",
    "AlexNet": "AlexNet | 2012 | the same, larger: `relu`, dropout, training images shifted and mirrored (*augmentation*), trained on GPUs",
    "VGG16": "VGG16 | 2014 | only 3x3 windows, two or three in a row: the receptive field of one large window, with fewer weights",
    "InceptionV3": "Inception (GoogLeNet), here InceptionV3 | 2014, 2015 | windows of several sizes side by side, also of 1x1, which only mix the channels of each pixel; *batch normalization* allows higher learning rates",
    "ResNet50": "ResNet50 | 2015 | *skip connections*, x + f(x): layers f learn only what to add to their input x; hundreds of layers",
    "MobileNet": "MobileNet | 2017 | *depthwise separable* convolutions, one window per channel, then 1x1: far fewer multiplications",
    "DenseNet121": "DenseNet121 | 2017 | every layer of a block sees all layers before it, so features are used again",
    "EfficientNetB0": "EfficientNetB0 | 2019 | one number sets depth, width and image size together, from a small network (B0) to a large one (B7)",
    "ConvNeXtTiny": "ConvNeXtTiny | 2022 | a ResNet modernized after the Vision Transformer: depthwise windows of 7x7, `gelu`, fewer normalizations",
}


def architectures() -> list[str]:
    """Tabulate well-known convolutional networks with their parameters and multiplications."""
    counts = results("architectures").set_index("model")
    return layout(
        "| network | year | idea | parameters | multiplications, millions |",
        [
            f"| {what} | {counts.parameters[model]:,} | {counts.multiplications[model] / 1e6:,.0f} |"
            for model, what in NETWORKS.items()
        ],
    )


def convolution_costs() -> list[str]:
    """Compare the parameters and the time of a convolutional and a dense network."""
    runs = results("mnist_seconds").query("precision == 'bfloat16'").set_index("variant")
    conv, dense = runs.loc["conv_net"], runs.loc["mlp_one_layer"]
    return [
        f"`conv_net` has {conv.parameters:,} parameters, {conv.parameters / dense.parameters:.0%} "
        f"of the {dense.parameters:,} of `mlp_one_layer`. But an epoch takes "
        f"{conv.epoch_seconds:.1f} s instead of {dense.epoch_seconds:.1f} s, "
        f"{conv.epoch_seconds / dense.epoch_seconds:.1f} times as long (two CPU cores, 16 bits)."
    ]


def activation_zeros() -> list[str]:
    """State which share of the outputs of relu are zeros."""
    runs = results("activation_zeros")
    rows = [
        fill(f"| {when} | {{first_layer:2~}} | {{second_layer:2~}} |", runs[runs.epochs == epochs])
        for when, epochs in (("before", 0), ("after", 10))
    ]
    return layout("| training | zeros in the first hidden layer | in the second |", rows)


def search_together() -> list[str]:
    """State what two trainings of a search at a time save."""
    runs = results("search_together")
    one, two = (Values(runs[name]) for name in ("seconds", "seconds_two_at_a_time"))
    return [
        f"Six trials of five epochs took {one:0~} seconds one after the other, and {two:0~} seconds two at a time on "
        f"two cores: an efficiency of {Values(runs.efficiency):2~}, medians and ranges of three turns."
    ]


def mnist_tries(*names: str) -> list[Values]:
    """Return the test accuracies of some rows of mnist_tries.csv."""
    runs = results("mnist_tries")
    return [Values(runs[runs["try"] == name].test_accuracy) for name in names]


def mnist_shifted() -> list[str]:
    """State what shifted training images bring on the test images."""
    usual, without = mnist_tries("the recipe", "no moved images")
    return [
        f"The test accuracy of `conv_net_fast`, whose training images are only shifted, is {usual:4~}; "
        f"without that it is {without:4~}, median and range of three seeds."
    ]


def mnist_mirrored() -> list[str]:
    """State what mirrored training images cost on the test images."""
    usual, mirrored = mnist_tries("the recipe", "images mirrored too")
    return [
        f'With `RandomFlip("horizontal")` the test accuracy of `conv_net_fast` falls from '
        f"{usual:4~} to {mirrored:4~}, median and range of three seeds: "
        f"{(1 - mirrored.values.median()) / (1 - usual.values.median()):.1f} times as many mistakes."
    ]


FUNCTIONS = [
    lesson_26_scores,
    lesson_00_depth,
    lesson_02_overfitting,
    lesson_14_pairs,
    lesson_06_timings,
    computers,
]
FUNCTIONS += [
    search_together,
    lesson_09_winners,
    lesson_15_speedup,
    lesson_16_choices,
    lesson_10_errors,
]
FUNCTIONS += [lesson_18_order, lesson_12_dead_units, lesson_12_pixels, mnist_comparison]
FUNCTIONS += [
    lesson_17_weight,
    lesson_23_weight,
    lesson_19_memorized,
    lesson_21_losses,
    lesson_24_averages,
    peers_by_split,
    serving_memory,
    xor_starts,
    xor_dead,
    churn_flawed,
    churn_steps,
    lesson_20_wide,
    lesson_20_deep,
    lesson_22_scores,
    lesson_25_scores,
    architectures,
    convolution_costs,
    activation_zeros,
    mnist_mirrored,
    mnist_shifted,
]
SENTENCES = {
    **{name: partial(tell, *entry) for name, entry in TEXTS.items()},
    **{function.__name__.replace("_", "-"): function for function in FUNCTIONS},
}


# What the header of a lesson promises


def promise(lesson: str, what: str) -> str:
    """Fill in an entry of PROMISES; each project has its own table of runs."""
    runs = runs_of(lesson) if lesson[0].isdigit() else results(lesson)
    if lesson == "mnist":  # the default model
        runs = runs[runs.variant == "mlp_one_layer"]
    return fill(what, runs).replace("COUNT", str(NUMBERS.get(len(runs), len(runs))))


def promise_of_neuron() -> str:
    """Tell how many starts of lesson 00 learn its task; each of its runs has 20."""
    template = (
        "of 20 random starts, {solved_starts:0~} learn the task: median and range of {count} runs."
    )
    return fill(template, results("00_neuron"))


def promise_of_xor() -> str:
    """State how many seeds of xor solve it."""
    solved = results("xor").set_index("variant").solved
    usual, best = solved["seeds-20"], solved[f"{XOR_BEST}_seeds-20"]
    return f"of 20 starts, {usual:.0f} solve it; with {flags_of(XOR_BEST)}, {best:.0f}."


def promise_of_learning_rate() -> str:
    """State the result of lesson 16's best choice."""
    choices = results("16_choices").set_index("choice")
    best = choices.loc[choices["median"].idxmin(), ["median", "lowest", "highest"]]
    return (
        f"validation MSE {Values(best):3~} with growing batches, {RANGE.replace('COUNT', 'three')}"
    )


def promise_of_shapes() -> str:
    """Tell what one, two and six layers of lesson 20 reach."""
    errors = shapes().set_index("layers").val_mse.map("{:.3f}".format)
    return f"median validation MSE: one wide layer {errors[1]}, two {errors[2]}, six {errors[6]}."


def promise_of_uncertainty() -> str:
    """Tell what the models of lesson 22 reach."""
    scores = uncertainty("auto_mpg").value.map(Values)
    return f"median MAE in cross-validation: network {scores['network']:.2f} MPG, random forest {scores['random forest']:.2f}."


def promise_of_ensembles() -> str:
    """Tell what the mean of ten networks and the forest of lesson 25 reach."""
    scores = ensembles("auto_mpg")["mean"].map(Values)
    return f"median test MAE over ten splits: an ensemble of ten {scores['ensemble of 10']:.2f} MPG, random forest {scores['random forest']:.2f}."


def promise_of_imbalance() -> str:
    """Tell what class weights change for the rarest band of lesson 24."""
    rare = rules("most probable").xs("off the scale", level="band")
    plain, weighted = rare.loc["plain"], rare.loc["weighted"]
    return f"recall of the rarest band {plain.recall:.2f}, precision {plain.precision:.2f}; with class weights {weighted.recall:.2f} and {weighted.precision:.2f}."


def promise_of_subwords() -> str:
    """Tell how much of a text 4,000 words miss in lesson 35."""
    text = "4,000 words miss {unknown_words:.0%} of the text; 4,000 pieces hardly anything, at {pieces_per_word:.2f} per word."
    return fill(text, results("35_sizes").query("vocabulary == 4000"))


def promise_of_files() -> str:
    """Tell what the original of lesson 36 and its int8 file reach, and their sizes."""
    files = results("36_files").groupby("file")[["bytes", "test_accuracy"]].median()
    whole, small = (files.loc[f"original_{form}.tflite"] for form in ("float32", "int8"))
    return f"median test accuracy {whole.test_accuracy:.3f} in {whole.bytes / 1000:.0f} kB; in int8 {small.test_accuracy:.3f} in {small.bytes / 1000:.0f} kB."


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
    "21_outputs_and_losses": f"test accuracy {{test_accuracy:3~}} of `garment`, {RANGE}",
    "27_attention": "median test accuracy: GRU {test_accuracy_all_gru:.2f}, attention {test_accuracy_all_attention:.2f}, with positions {test_accuracy_all_positions:.2f}.",
    "23_locate_and_classify": "test accuracy {test_accuracy:.3f}; mean IoU (fit of the boxes, 0 to 1) {test_iou:.3f}: medians of COUNT seeds.",
    "26_raw_text": ACCURACY,
    "28_transformer": ACCURACY,
    "29_language_model": f"test perplexity {{test_perplexity:0~}}, {RANGE} A trigram model has {{test_perplexity_trigram:.0f}}.",
    "30_fine_tuning": "median test accuracy with 100 labels: from scratch {test_accuracy_from_scratch_100:.2f}, with LoRA {test_accuracy_lora_100:.2f}.",
    "31_autoencoder": "median test MSE: autoencoder {mse_plain:.4f}, PCA {mse_pca:.4f}; ROC AUC of digits {auc_plain:.2f} and {auc_pca:.2f}.",
    "32_variational_autoencoder": f"negative ELBO {{test_loss:1~}} nats per test image, {RANGE}",
    "33_own_pictures": f"test accuracy {{test_accuracy:3~}} on the letters, {RANGE}",
    "34_pretrained_network": "median test accuracy on the sample: from scratch {test_accuracy_from_scratch:.2f}, frozen {test_accuracy_frozen:.2f}, fine-tuned {test_accuracy_fine_tuned:.2f}.",
    "37_diffusion": "{as_asked:.1%} of the drawn digits are read as asked; Fréchet distance {frechet:.0f}, real ones {frechet_real:.0f}: medians.",
    "churn": "test ROC AUC {test_auc:3~}, median and range of COUNT splits.",
    "mnist": f"test accuracy {{test_accuracy:4~}} with mlp_one_layer, {RANGE}",
}
EXPECTATIONS = {lesson: partial(promise, lesson, what) for lesson, what in PROMISES.items()}
EXPECTATIONS["00_neuron_to_backpropagation"] = promise_of_neuron
EXPECTATIONS["16_learning_rate"] = promise_of_learning_rate
EXPECTATIONS["20_depth_and_width"] = promise_of_shapes
EXPECTATIONS["22_uncertainty"] = promise_of_uncertainty
EXPECTATIONS["24_imbalanced_classes"] = promise_of_imbalance
EXPECTATIONS["25_ensembles"] = promise_of_ensembles
EXPECTATIONS["35_subwords"] = promise_of_subwords
EXPECTATIONS["36_small_and_fast"] = promise_of_files
EXPECTATIONS["xor"] = promise_of_xor


def duration(lesson: str) -> str:
    """Tell how long a lesson takes, one that takes minutes."""
    number = minutes(lesson[:2])
    time = "a minute" if number == "1" else f"{number} minutes"
    return f"about {time} on two CPU cores, at full length."


DURATIONS = {lesson: partial(duration, lesson) for lesson in PROMISES if lesson[0].isdigit()}
HEADERS = {"Expect": EXPECTATIONS, "Takes": DURATIONS}
