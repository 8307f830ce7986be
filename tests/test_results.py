"""benchmarks/results/: pages and lessons match it, and it supports their claims."""

import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
from conftest import ALL_LESSONS, PROJECTS, ROOT

from benchmarks import blocks, tables
from benchmarks.measured import results, runs_of
from benchmarks.sentences import EXPECTATIONS, HEADERS, NETWORKS, by_backend, computers, overlap
from common.one_program import COMPILED, PLAIN
from mnist.recipes import BEST, FAST


def test_pages_match_results():
    shown = {page: blocks.regenerate(page, tables.BLOCKS, HEADERS) for page in blocks.pages()}
    changed = {blocks.name_of(page): found for page, (_, found) in shown.items() if found}
    assert not changed, f"{changed} differ from results/: run `python benchmarks/tables.py --write`"
    without = {name for name in ALL_LESSONS + PROJECTS if "\nExpect: " not in shown[ROOT / name][0]}
    assert not without
    text = "".join(text for text, _ in shown.values())
    assert [name for name in tables.BLOCKS if f"<!-- results: {name} -->" not in text] == []
    prose = [make for name, make in tables.BLOCKS.items() if name != "lesson-01-output"]
    lines = [line for make in prose for line in blocks.wrapped(make(), "# ")]
    lines += [f"Expect: {make()}" for make in EXPECTATIONS.values()]
    assert [line for line in lines if len(line) > 100 and "|" not in line] == []


def test_tables_import_without_keras_and_common():
    code = "import sys, benchmarks.tables; print({'keras', 'common'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_all_bars_are_met():
    assert set(results("reproduce").met) == {"yes"}
    for name in ("lessons", "mnist", "mnist_recipes", "churn"):
        runs = results(name)
        sample = runs.lesson == "34_pretrained_network"  # without the weights from ImageNet
        assert set(runs.data[sample]) <= {"sample"} and set(runs.data[~sample]) == {"real"}
        assert set(runs.device) == {"CPU (2 cores)"}
    lessons = results("lessons")
    assert all(runs_of(number).seed.tolist() == [42, 52, 62] for number in ("22", "25"))
    alone = {"16", "20", "22", "25"}  # several seeds in a run
    others = lessons[~lessons.lesson.str[:2].isin(alone)]
    seeds = others.groupby(["lesson", "variant"]).seed.agg(set)
    assert all(found >= {42, 43, 44} for found in seeds) and len(runs_of("03")) == 20


def test_output_of_lesson_01_is_that_of_a_run():
    run = runs_of("01").query("seed == 42").iloc[0]
    result = f"test_loss {run.test_loss:.4f}, test_accuracy {run.test_accuracy:.4f}"
    assert result in tables.BLOCKS["lesson-01-output"]()


def test_path_has_every_lesson():
    assert "| **More** | | | |" not in tables.BLOCKS["lesson-path"]()  # for those not in PATH


def test_regularization_claims():
    assert set(results("04_models").seed) == {42, 43, 44}
    models = results("04_models").groupby("model").median()
    end, best, epoch = models.end_val_loss, models.best_val_loss, models.best_epoch
    assert epoch.smaller > epoch.baseline > epoch.bigger == 1
    assert end.bigger > end.baseline > end.smaller
    assert end.drop(["smaller", "baseline", "bigger"]).max() < end.baseline
    assert set(best.nsmallest(2).index) == {"dropout", "L2_dropout"}
    assert best[["L1", "L2"]].min() >= best.baseline == best.early_stopping
    assert best[["batch_norm", "a_fifth", "bigger"]].min() > best.baseline
    assert best.a_fifth - best.baseline > best.baseline - best.min()  # what more data bring
    assert (end > best).all() and end.early_stopping < end.baseline
    assert (end[["L1", "L2"]] < 0.75 * end.baseline).all()
    assert runs_of("04").peak_memory_mb.max() < 1500


def test_claims_of_lesson_00():
    runs = results("00_neuron")
    assert (runs.seed.diff().dropna() >= 20).all()  # each run tries the 20 seeds from its own on
    assert runs.final_loss[0] < 0.1 and runs.seed[0] == 42
    assert (runs.deep_mse < runs.wide_mse).all() and 1 < runs.solved_starts.min() < 20


def test_claims_of_lessons_02_and_14():
    losses = results("02_losses")
    assert losses.seed.tolist() == [42, 43, 44] and losses.best_epoch.max() < 40
    assert (losses.end_val_loss > losses.best_val_loss + 0.03).all()
    assert (losses.end_loss < losses.best_loss).all()
    assert (losses.end_val_accuracy > losses.best_val_accuracy - 0.01).all()
    words, pairs = (runs_of("14", flags).test_accuracy for flags in ("pairs-0", ""))
    assert pairs.min() > words.max() + 0.02  # pairs explain the gain over lesson 02
    assert abs(words.median() - runs_of("02").test_accuracy.median()) < 0.005


def test_claims_of_lesson_18():
    written, shuffled = (runs_of("18", flags).test_accuracy for flags in ("", "order-shuffled"))
    assert written.max() < runs_of("02").test_accuracy.min() < runs_of("14").test_accuracy.min()
    gain = written.median() - shuffled.median()
    assert 0.005 < gain < 0.015 and gain < np.ptp(written)


def test_claims_of_lesson_26():
    runs = runs_of("26")
    assert runs.test_accuracy.min() > runs_of("14").test_accuracy.max()
    words, words_14 = (
        runs_of(*which).test_accuracy for which in (("26", "ngrams-1"), ("14", "pairs-0"))
    )
    assert sorted(runs_of("26", "ngrams-1").seed) == [42, 43, 44]
    assert (
        abs(words.median() - words_14.median())
        < 0.005
        < runs_of("14").test_accuracy.min() - words.max()
    )
    cut = {name: runs[f"val_accuracy_{name}"] for name in ("last_256", "last_64", "first_256")}
    assert (cut["last_256"] > cut["first_256"]).all()
    assert (cut["last_64"] > runs.val_accuracy_first_64).all()
    assert runs.peak_memory_mb.max() < 3000


def test_claims_of_lesson_34():
    runs = results("lessons").query("lesson == '34_pretrained_network'")
    assert set(runs.seed) == {42, 43, 44}
    scratch, frozen, tuned = (
        runs[f"test_accuracy_{way}"] for way in ("from_scratch", "frozen", "fine_tuned")
    )
    assert (
        scratch.max() < 0.5
        and 1.8 < frozen.median() / scratch.median() < 2.2
        and frozen.min() > scratch.max()
    )
    assert (tuned > frozen).all()


def test_claims_of_lesson_35():
    sizes = results("35_sizes")
    assert set(sizes.seed) == {42, 43, 44}
    middle = sizes.groupby("vocabulary").median()
    unknown, pieces = middle.unknown_words, middle.pieces_per_word
    assert (unknown.pct_change().dropna() > -0.5).all()  # twice as many words leave most unknown
    assert pieces.is_monotonic_decreasing and 1.2 < pieces[4000] < 4 / 3


def test_claims_of_lesson_28():
    lstm, transformer, average, pairs = (runs_of(n).test_accuracy for n in ("18", "28", "02", "14"))
    assert lstm.max() < transformer.min() and transformer.max() < average.max() < pairs.min()
    sizes = [runs_of(number).parameters.iloc[0] for number in ("18", "28", "02")]
    assert abs(sizes[0] / sizes[1] - 1) < 0.01 and sizes[2] < 0.5 * sizes[1]


def test_claims_of_lessons_08_to_16():
    loops = runs_of("15")
    assert (loops.test_accuracy - loops.test_accuracy_of_fit).abs().max() < 0.005
    runs = runs_of("08")
    names = ["sequential", "deep", "wide_deep", "two_inputs", "two_outputs"]
    errors = runs[[f"test_mse_{name}" for name in names]]
    assert (errors.idxmin(axis=1) == "test_mse_deep").all()  # the skip connection adds nothing
    winners = runs_of("09").set_index("seed")
    assert winners.parameters.max() > 5 * winners.parameters.min()
    assert (winners.test_mse > winners.val_mse).to_dict() == {42: True, 43: False, 44: False}
    errors = results("16_choices").set_index(["part", "choice"])["median"]
    assert errors.rates["our choice"] < errors.rates["a third"] < errors.rates["a tenth"]
    assert abs(errors.rates["our choice"] - errors.rates["three times"]) < 0.01
    assert errors.schedules.min() == errors.schedules["constant"]
    assert errors.batches.idxmin() == "8 then 32 then 128"
    assert errors.batches["512 rate scaled"] < errors.batches["512"]
    assert errors.batches["8"] < errors.batches["32"] < errors.batches["128"]
    few = runs_of("11")
    for gated in ("lstm", "gru", "conv_gru"):
        models = (gated, "deep_rnn", "linear", "simple_rnn", "naive")
        errors = [runs_of("10")[f"test_mse_{name}"] for name in models]
        assert all((a < b).all() for a, b in pairwise(errors))
    lstm, gru, both = (runs_of("10")[f"test_mse_{name}"] for name in ("lstm", "gru", "conv_gru"))
    assert 0 < (lstm < gru).sum() < 3 and (both < gru).sum() == 2
    assert 2 < gru.median() / (0.1**2 / 12) < 2.3  # the noise floor
    ways = ("ten_at_once", "one_after_the_other", "naive")
    errors = [runs_of("10")[f"test_mse_ten_{way}"] for way in ways]
    assert all((a < b).all() for a, b in pairwise(errors))
    pixels = results("12_pixels")
    assert set(pixels.seed) == {42, 43, 44} and pixels.fall.max() < 0.2
    assert (2 * pixels.ink < pixels.on_ink).all() and pixels.on_ink.max() < 0.5
    assert (runs_of("12").dead_before < runs_of("12").dead_after).all()
    scratch, frozen, tuned = (
        np.array([few[f"test_accuracy_{way}_{size}"] for size in (10, 100, 1000)])
        for way in ("from_nothing", "frozen", "fine_tuned")
    )
    for scores in (scratch, frozen, tuned):
        assert np.ptp(scores[0]) > 0.04 > 0.01 > np.ptp(scores[1:], axis=1).max()
    gains = np.median(frozen, axis=1) - np.median(scratch, axis=1)
    assert gains[0] > 0.05 > gains[1] > 0.01 > gains[2]
    assert np.abs(tuned - frozen).max() < 0.005
    split = runs_of("13")
    assert set(split.equal) == {1} and split.loss_difference.max() < 1e-4
    assert split.efficiency.max() < 0.5


def test_claims_of_lesson_27():
    runs = runs_of("27").filter(regex="test_accuracy|moved|weight_[ap]")
    runs.columns = runs.columns.str.removeprefix("test_accuracy_")
    assert len(runs) == 3
    for kind in ("once", "again"):
        assert (runs[f"{kind}_gru"] < runs[f"{kind}_most_frequent"] + 0.01).all()
    assert runs.once_attention.min() > 0.999
    assert (runs.again_attention - runs.again_picked).between(0, 0.03).all()
    assert runs.again_positions.min() > 0.9
    assert runs.moved_attention.max() < 1e-4 < 0.9 < runs.moved_positions.min()
    assert (runs.weight_positions > runs.weight_attention + 0.2).all()


def test_claims_about_cost_of_attention():
    runs = tables.attention_costs().groupby(["layer", "length"])[["ms", "memory_mb"]].median()
    ms, memory = runs.ms.unstack("layer"), runs.memory_mb.unstack("layer")
    recurrent = ms[["lstm", "gru"]]
    assert (ms.attention < recurrent.min(axis=1)).to_dict() == {
        50: True,
        200: True,
        800: True,
        3200: False,
    }
    assert (ms.loc[3200] > 4 * ms.loc[800]).all()
    assert memory.attention[3200] > 8 * memory.attention[800]  # 16 times the weights
    assert memory.attention[3200] > 10 * memory[["lstm", "gru"]].loc[3200].max()
    assert memory.attention[200] < 1.5 * memory[["lstm", "gru"]].loc[200].max()


def test_claims_of_lesson_20():
    runs = results("20_shapes").query("epochs == 20 and learning_rate == 0.001 and layers < 10")
    small, doubled = (runs[runs.budget == budget].set_index("layers") for budget in (5000, 10000))
    assert list(small.units) == [500, 65, 47, 39, 30] and list(doubled.index) == list(small.index)
    for shapes in (small, doubled):
        others = shapes.drop(1)
        assert shapes.lowest[1] > others.highest.max()
        assert shapes.train_mse[1] > others.train_mse.max()
        assert np.ptp(others.val_mse) < min(0.0105, (others.highest - others.lowest).max())
    longer = results("20_shapes").query("epochs == 60").set_index("layers")
    larger_steps = results("20_shapes").query("learning_rate == 0.003").set_index("layers")
    for shapes in (longer, larger_steps):
        assert shapes.lowest[1] > shapes.highest[2]
    very_deep = results("20_shapes").query("layers >= 20").set_index("layers")
    assert very_deep.lowest.min() > small.highest[2] and very_deep.highest[40] > 1.3
    assert doubled.lowest[1] > small.highest[2] and doubled.parameters[1] > 2 * small.parameters[2]


def test_claims_of_lesson_17():
    runs, weighted = runs_of("17"), runs_of("17", "larger-weight-20.0")
    larger, alone = runs.test_accuracy_larger_all_three, runs.test_accuracy_larger_larger_only
    assert len(runs) == 3 and sum(larger < alone) == 2
    assert alone.max() < runs.test_accuracy_left_all_three.min()  # the hardest question
    for digit in ("left", "right"):
        shared = runs[f"test_accuracy_{digit}_all_three"]
        assert shared.median() > runs[f"test_accuracy_{digit}_digits_only"].median() - 0.005
        assert weighted[f"test_accuracy_{digit}_all_three"].max() < shared.min()
    assert weighted.test_accuracy_larger_all_three.min() > max(larger.max(), alone.max())
    assert runs.test_accuracy_larger_computed.min() > larger.max() + 0.05


def test_claims_of_lesson_23():
    runs = runs_of("23")
    assert len(runs) == 3 and runs.test_iou.min() > 0.80 and runs.test_accuracy.min() > 0.97
    assert (runs.test_iou_small < runs.test_iou_large - 0.05).all()
    errors = runs[["edge_error_small", "edge_error_large"]]
    assert (errors < 1).all(axis=None)  # less than a pixel
    assert (errors.edge_error_small < 1.5 * errors.edge_error_large).all()  # a little less precise
    equal = runs_of("23", "box-weight-1.0")
    assert len(equal) == 3 and equal.test_iou.max() < runs.test_iou.min()  # boxes fit less well
    assert equal.test_accuracy.median() < runs.test_accuracy.median()  # the class gains nothing


def test_debugging_claims():
    runs = results("19_broken")
    assert set(runs.groupby(["epochs", "network"]).seed.agg(tuple)) == {(42, 43, 44)}
    short, guessing = runs[runs.epochs == 3].set_index("network"), np.log(10)
    first, on_twenty = short.loss_before, short.loss_on_twenty
    assert (abs(first.drop("unscaled_inputs") - guessing) < 0.05).all()
    assert first.unscaled_inputs.min() > 10 * guessing
    memorized = ["as_it_should_be", "labels_shuffled", "unscaled_inputs"]
    assert on_twenty[memorized].max() < 0.01 and on_twenty.drop(memorized).min() > 1.5
    unlearned = short.loc[["wrong_loss", "rate_too_high", "labels_shuffled"]]
    assert unlearned.loss_after.between(2.29, 2.5).all()
    assert unlearned[["accuracy_after", "val_accuracy"]].max(axis=None) < 0.2
    assert short.val_accuracy.as_it_should_be.min() > short.val_accuracy.unscaled_inputs.max()
    assert short.val_accuracy.unscaled_inputs.min() > 0.9
    long = runs[(runs.epochs == 40) & (runs.network == "labels_shuffled")]
    assert long.accuracy_after.min() > 0.6 and long.val_accuracy.max() < 0.15


def test_claims_of_lesson_21():
    runs = results("21_answers")
    assert set(runs.groupby("network").seed.agg(tuple)) == {(42, 43, 44)}
    test, baseline, loss = (
        runs.pivot(index="seed", columns="network", values=column)
        for column in ("test", "baseline", "training_loss")
    )
    assert (test.garment == test.garment_one_hot).all()
    for wrong in ("shoe_wrong", "attributes_wrong"):  # the loss does not show the mistake
        assert (loss[wrong] == loss[wrong.removesuffix("_wrong")]).all()
    assert (test.shoe_wrong < baseline.shoe_wrong).all()
    assert (test.budget > baseline.budget).all()  # on purpose
    assert (baseline.garment_wrong + 0.2 < test.garment_wrong).all()
    assert (test.garment_wrong + 0.2 < test.garment).all()
    assert (test.attributes_wrong + 0.2 < test.attributes).all()
    assert (test.value_wrong > baseline.value_wrong).all() and (test.value < baseline.value).all()
    assert (test.share < baseline.share).all()
    assert (abs(test.share - test.share_binary) < 0.001).all()
    assert (test.households < 0.8 * test.households_mse).all()
    assert runs_of("21").enough_budget.between(0.88, 0.93).all()
    labels = results("21_thresholds").groupby("label").median()
    assert labels.accuracy.collar > 0.9 and labels.always_no.collar == 0.8
    assert labels.recall.between(0.93, 0.96).all() and labels.recall_at_half["upper body"] > 0.97
    assert labels.recall_at_half.collar < 0.8 and labels.threshold.collar < 0.3
    assert labels.precision.collar < labels.precision_at_half.collar


def test_claims_of_lesson_29():
    runs = results("lessons").query("lesson == '29_language_model'")
    assert set(runs.seed) == {42, 43, 44}
    assert runs.test_perplexity.max() < runs.test_perplexity_trigram.min()
    assert runs.test_perplexity_trigram.max() < runs.test_perplexity_bigram.min()
    cache = results("29_cache")
    assert cache.with_cache.max() < cache.without_cache.min()


def test_claims_of_lesson_30():
    runs = results("lessons").query("lesson == '30_fine_tuning'").set_index("seed")
    assert set(runs.index) == {42, 43, 44}

    def accuracy(way, labels):
        return runs[f"test_accuracy_{way}_{labels}"]

    scratch, tuned, lora = "from_scratch", "fine_tuned", "lora"
    assert accuracy(scratch, 100).max() < 0.6 and accuracy(lora, 100).min() < 0.6
    assert accuracy(lora, 100).median() > accuracy(scratch, 1000).min()
    gain = accuracy(tuned, 1000) - accuracy(scratch, 1000)
    assert gain.min() > 0.06 and gain.median() < 0.09
    assert abs(accuracy(lora, 1000).median() - accuracy(tuned, 1000).median()) < 0.01
    assert accuracy(tuned, 100).median() < accuracy(lora, 100).median()
    assert accuracy(scratch, 25000).max() < accuracy(lora, 25000).min()
    assert accuracy(lora, 25000).max() < accuracy(tuned, 25000).min()
    gain = accuracy(tuned, 25000).median() - accuracy(scratch, 25000).median()
    assert 0.015 < gain < 0.03


def test_claims_of_lesson_31():
    runs = results("lessons").query("lesson == '31_autoencoder'")
    assert set(runs.seed) == {42, 43, 44}
    assert runs.mse_plain.max() < runs.mse_pca.min()
    others = runs[["mse_of_noisy_pca", "mse_of_noisy_plain"]].min().min()
    assert runs.mse_of_noisy_denoising.max() < others
    assert runs.auc_brightness.max() < runs.auc_pca.min() < runs.auc_denoising.min()
    assert runs.mse_denoising.min() > runs.mse_plain.max()


def test_claims_of_lesson_32():
    runs = results("lessons").query("lesson == '32_variational_autoencoder'")
    assert runs[runs.variant == ""].test_loss.max() <= 105
    assert (runs.test_reconstruction + runs.test_kl - runs.test_loss).abs().max() < 0.02
    assert (runs.floor < runs.test_reconstruction).all()
    assert (runs.test_loss < runs.mean_image).all()


def test_claims_of_lesson_37():
    scores = results("37_scores").set_index(["digits", "seed"])
    distance, asked = scores.frechet.unstack("seed"), scores.as_asked.unstack("seed")
    two = "20 steps, guidance 2"
    none, one, four = (f"20 steps, guidance {w}" for w in (0, 1, 4))
    assert list(asked.columns) == [42, 43, 44] and asked.loc[two].min() >= 0.95
    assert (distance.loc[one] < distance.loc[two]).all()
    assert (distance.loc[two] < distance.loc[four]).all()
    assert distance.idxmax().eq(none).all() and asked.loc[none].between(0.05, 0.15).all()
    assert (asked.loc[one] < asked.loc[two]).all() and asked.loc[four].min() > 0.995
    assert (asked.loc[two] >= asked.loc["real test digits"]).all()
    assert (distance.loc[one] < distance.loc["real test digits"]).all()
    assert (distance.loc[four] / distance.loc[two]).between(1.7, 2.3).all()
    steps = distance.loc[[two, "10 steps, guidance 2", "5 steps, guidance 2"]]
    assert (steps.diff().iloc[1:] > 0).all(axis=None)
    assert (steps.diff().iloc[2] > steps.diff().iloc[1]).all()
    assert asked.loc["5 steps, guidance 2"].min() >= asked.loc[two].min()


def test_claims_about_generators():
    distance = results("37_distances").pivot(index="seed", columns="digits", values="frechet")
    assert (distance.VAE > 2.5 * distance.diffusion).all()
    accuracy = results("37_training").pivot(
        index="seed", columns="trained_on", values="test_accuracy"
    )
    assert (accuracy["100 real and 1,000 drawn"] > accuracy["100 real digits"]).all()
    assert len(distance) == len(accuracy) == 3


def test_claims_of_lesson_36():
    pairs = results("36_students").pivot(index=["run_seed", "seed"], columns="learns_from")
    students, val = pairs.test_accuracy, pairs.val_accuracy
    gain = students.original - students.labels
    assert 0 < gain.median() < 0.003 and (gain >= 0).mean() > 0.7
    assert gain.median() < students.labels.std()
    assert abs((val.original > val.labels).mean() - 0.5) < 0.25
    assert (val.original - val.labels).median() < val.labels.std()
    files = results("36_files").groupby("file").median(numeric_only=True)
    whole, small = files.loc["original_float32.tflite"], files.loc["original_int8.tflite"]
    assert 3 < whole.bytes / small.bytes < 4 and small.ms < 0.6 * whole.ms
    assert small.agreement > 0.999


def test_claims_of_lesson_24():
    rows = results("24_rules").set_index(["network", "rule", "band", "seed"]).sort_index()
    assert set(rows.index.unique("seed")) == {42, 43, 44}
    usual = rows.xs("most probable", level="rule")
    plain, weighted = usual.loc["plain"], usual.loc["weighted"]
    rare = ["cheap", "off the scale"]
    assert (weighted.recall > plain.recall + 0.15)[rare].all()
    assert (weighted.precision < plain.precision - 0.15)[rare].all()
    expensive = plain.loc["off the scale"]
    assert (expensive.accuracy == plain.accuracy.groupby("seed").max()).all()
    gain = expensive.accuracy - expensive["always_no"]
    assert gain.between(0, 0.03).all() and (expensive.recall < 0.5).all()
    chosen = rows.xs("threshold", level="rule")
    assert chosen.recall[:, "off the scale"].between(0.7, 0.9).all()
    medians = chosen.groupby(["network", "band"]).median()
    difference = medians.precision["plain"] - medians.precision["weighted"]
    assert abs(difference[rare]).max() < 0.05
    averages = usual.average_precision.groupby(["network", "band"]).median()
    assert abs(averages["plain"] - averages["weighted"])["off the scale"] < 0.05
    positives = 1 - usual.always_no
    assert (weighted.mean_probability > 1.5 * positives["weighted"])[rare].all()
    assert (abs(plain.mean_probability - positives["plain"]) < 0.02).all()


def test_xor_claims():
    runs = results("xor").set_index("variant")
    solved = runs.solved.rename(lambda name: name.removesuffix("seeds-20").strip("_"))
    assert len(runs) == 13 and set(runs.seed) == {42} and set(runs.epochs) == {500}
    assert solved["activation-tanh_learning-rate-0.01"] == 20 > solved[""]
    assert solved["learning-rate-0.01"] == solved[""]
    assert solved["hidden-none"] == solved["activation-sigmoid"] == 0
    assert solved["hidden-2_activation-tanh_learning-rate-0.01"] < 10
    assert solved["hidden-16-8"] == solved["hidden-32"] == 20
    starts = results("xor_starts")
    assert starts.seed.tolist() == 2 * list(range(42, 62))
    assert starts[(starts.setting == "") & ~starts.solved].seed.tolist() == [44, 50]


def test_churn_claims():
    models = results("churn_models")
    assert set(models.seed) == set(results("churn").seed) == {42, 43, 44, 45, 46}
    auc = models.pivot(index="seed", columns="model", values="auc")
    assert (auc["network"] > auc["old network"]).all()
    assert 0 < (auc["network"] > auc["gradient boosting"]).sum() < 5
    middle = models.groupby("model").median()
    network, weighted = middle.loc["network"], middle.loc["network, class weights"]
    assert network.auc >= max(0.86, middle.auc["gradient boosting"] - 0.003)
    assert weighted.recall_at_half > network.recall_at_half + 0.1
    assert weighted.f1 < network.f1 and weighted.auc < network.auc
    assert weighted.brier > network.brier
    logistic = middle.loc["logistic regression"]
    assert logistic.accuracy_at_half < 0.82 and 0.15 < logistic.recall_at_half < 0.25
    flawed = results("churn").flawed_accuracy.median()
    assert round(flawed, 2) == 0.86 and flawed - middle.accuracy_at_half["old network"] < 0.01
    steps = results("churn_tries").val_auc[4:8]  # from all columns to the lesson's network
    assert steps.diff().idxmax() == 5  # four columns left out
    old = models[models.model == "old network"].val_auc.mean()
    training, columns, units = steps[4] - old, steps[6] - steps[4], steps[7] - steps[6]
    assert training > columns > units > 0


def test_mnist_claims():
    runs = results("mnist")
    counts = dict(runs.variant.value_counts())
    assert set(runs.epochs) == {60} and len(counts) == 10
    assert counts == dict.fromkeys(counts, 3) | {"le_net": 1, "conv_net_augmented": 1}
    gain = runs.test_accuracy_of_best - runs.test_accuracy
    assert sum(gain > 0) < sum(gain < 0)
    middle = runs.groupby("variant").median(numeric_only=True)
    accuracy, parameters = middle.test_accuracy, middle.parameters
    assert 1 - accuracy.conv_net < (1 - accuracy.mlp_one_layer) / 2
    assert parameters.conv_net < parameters.mlp_one_layer / 4
    assert accuracy.mlp_one_layer < accuracy.mlp_two_layers_dropout <= accuracy.mlp_two_layers
    assert accuracy.mlp_two_layers < accuracy.conv_net_l1 < accuracy.conv_net_l2 < accuracy.conv_net
    close = accuracy[["conv_net", "conv_net_dropout", "conv_net_batch_norm"]]
    starts = runs[runs.variant == "conv_net"].test_accuracy
    assert close.max() - close.min() < min(0.0005, starts.max() - starts.min())
    assert middle.test_loss.idxmin() == "conv_net_augmented"
    assert middle.test_accuracy_of_best.conv_net_augmented > accuracy.conv_net_augmented


def test_mnist_recipe_claims():
    gains = []
    for part in ("val_accuracy", "test_accuracy"):
        tries = 100 * results("mnist_tries").pivot(index="try", columns="seed", values=part)
        lost = tries.loc["the recipe"].median() - tries.median(axis=1)
        assert list(tries.columns) == [42, 43, 44]
        assert 0.35 < lost["a constant learning rate, no average"] < 0.7
        assert 0.05 < lost["a constant learning rate, averaged weights"] < 0.25
        assert lost["peak of the learning rate 1 instead of 6"] > 0.3
        assert abs(lost["no average of the weights"]) < 0.02
        assert abs(lost["peak 3, and 6 epochs"]) < 0.05
        assert 0.04 < lost["no moved images"] < 0.14
        assert tries.loc["images mirrored too"].max() < tries.loc["the recipe"].min()
        gains.append(tries - tries.loc["the recipe"])
    both = pd.concat(gains, axis=1)
    unclear = ["no normalisation", "no dropout", "starting weights by Glorot's rule", "32 bits"]
    for name in [*unclear, "labels smoothed by 0.05"]:
        assert both.loc[name].min() <= 0 <= both.loc[name].max(), name
    validation, test = (table.loc["images turned and distorted too"] for table in gains)
    assert test.min() > 0 and (validation > 0).sum() == 1


def test_convolutions_dominate_step_time():
    times = results("clothing_step").set_index("network")[["least_ms", "median_ms"]]
    whole, plain = times.loc["as it is"], times.loc["with TensorFlow's gradients of filters"]
    six, one = (times.loc[f"{n} of the 6 convolutions, no normalisation"] for n in (6, 1))
    assert ((six - one) / whole).min() > 2 / 3 and (1 - six / whole).max() < 1 / 4
    assert (whole / plain).between(0.82, 0.84).all()


def test_killed_computers_claims():
    kills = results("computers").set_index("killed")
    assert kills.equal.all() and len(kills) == 2
    ended = kills.other_ended_after_seconds
    assert ended["lesson13-a"] < 1 and 30 < ended["lesson13-b"] < 120


def test_kept_memory_claims():
    runs = results("kept_memory").set_index(["kept", "turn"]).sort_index()
    kept, freed = runs.loc["yes"], runs.loc["no"]
    assert len(kept) == len(freed) == 3 and runs.test_accuracy.nunique() == 1
    assert (kept.fit_seconds / freed.fit_seconds).median() < 0.8
    assert (kept.page_faults < freed.page_faults / 5).all()
    assert kept.peak_memory_mb.median() <= freed.peak_memory_mb.median()


def test_one_program_claims():
    runs = results("one_program")
    assert (runs.groupby(["task", "way"]).size() == 3).all()
    seconds = runs.groupby(["task", "way"]).fit_seconds.median().unstack()
    assert seconds[COMPILED]["lesson 01"] < 0.6 * seconds[PLAIN]["lesson 01"]
    assert (seconds[COMPILED] < 0.25 * seconds["plain script"]).all()
    figures = runs.groupby(["task", "way"]).figure.agg(list)
    for task, way in figures.index:
        compiled, other = figures[task, COMPILED], figures[task, way]
        assert min(compiled) < max(other) + 0.002 and max(compiled) > min(other) - 0.002


def test_tables_name_their_machine():
    amx, usual = (line.partition("`: ")[2] for line in computers())
    assert "(amx_bf16 " in amx and "amx" not in usual
    for name in ("same_work", "same_work_ratios", "time_to_accuracy"):
        assert set(results(name).machine) == {usual}
        assert set(results(f"with_amx/{name}").machine) == {amx}
    later = (
        "input_dropout",
        "weight_decay",
        "batches",
        "search_stopping",
        "activation_seconds",
        "activation_zeros",
    )
    for name in ("clothing_step", "mnist_tries", *later):
        assert set(results(name).machine) == {usual}
    for name in ("peers", "resume_cost", "serving_load", "backends"):
        assert results(name).machine.str.startswith(amx).all()
    choices = results("choices")
    later = choices.choice.isin(["Constant", "Identity"])
    assert choices[~later].machine.str.startswith(amx).all()
    assert set(choices[later].machine) == {usual}


def test_results_agree_across_machines():
    ratios = [results(f"{at}same_work_ratios").set_index("task") for at in ("", "with_amx/")]
    assert {name for table in ratios for name in table.met} == {"yes"}
    memory = ratios[0].peak_memory_ratio
    assert memory.conv_net_32_bits > 0.7
    assert memory[["xor", "churn", "auto_mpg", "imdb"]].between(1, 1.15).all()
    usual, amx = (table.fit_ratio.conv_net / table.fit_ratio.conv_net_32_bits for table in ratios)
    assert amx < usual
    figures = [
        results(f"{at}same_work").groupby(["task", "side"]).figure.agg(list)
        for at in ("", "with_amx/")
    ]
    assert all(map(overlap, *figures))
    runs = [results(f"{at}time_to_accuracy").groupby("part") for at in ("", "with_amx/")]
    assert overlap(*(parts.test_accuracy.agg(list).published for parts in runs))
    for parts in runs:
        assert parts.fit_seconds.median().fast <= 0.1 * parts.fit_seconds.median().published


def test_claims_about_known_networks():
    counts = results("architectures").set_index("model")[["parameters", "multiplications"]]
    assert set(NETWORKS) == set(counts.index)
    assert counts.parameters.AlexNet == 60_965_224  # as published
    assert (20 * counts.loc[["MobileNet", "EfficientNetB0"]] < counts.loc["VGG16"]).all(axis=None)


def test_time_to_accuracy_claims():
    runs = results("time_to_accuracy")
    clothing = re.search(r"epochs=(\d+)", (ROOT / "mnist" / "clothing.py").read_text())
    epochs = {"published": 60, "fast": FAST.epochs, "best": BEST.epochs}
    epochs["best_fashion"] = int(clothing[1])
    assert dict(zip(runs.part, runs.epochs, strict=True)) == epochs
    times = runs.pivot(index="seed", columns="part", values="fit_seconds")
    assert list(times.index) == [42, 43, 44] and (times.fast <= 0.1 * times.published).all()
    assert (times[["best", "best_fashion"]].max(axis=1) <= times.published).all()
    an_epoch = times.median() / pd.Series(epochs)
    assert 0.9 < an_epoch.fast / an_epoch.published < 1.1
    accuracy = runs.groupby("part").test_accuracy.median()
    assert accuracy.fast >= 0.9934 and accuracy.best >= 0.9965 and accuracy.best_fashion >= 0.94


def test_peer_checkpoint_and_robustness_claims():
    reached = results("reproduce").set_index("figure")["median"]
    peer = results("peers").set_index("task").value.imdb
    assert reached["02 words"] < peer < reached["14 words and pairs"]
    for _, runs in tables.checkpoints().groupby("task"):
        spent, alone = runs.fit_seconds, runs.fit_seconds_without
        assert spent.median() - alone.median() < spent.max() - spent.min()
    kills, requests = results("kills"), results("requests")
    assert kills.equal.all() and (kills.groupby("lesson").size() == 30).all()
    assert requests.status.max() < 500
    assert requests[requests.request.str.startswith("POST")].status.min() >= 400


def test_uncertainty_claims():
    found = results("22_uncertainty").set_index(["table", "name", "seed"]).sort_index()
    assert set(found.index.get_level_values("seed")) == {42, 52, 62}
    for table in ("auto_mpg", "churn"):
        ends = found.loc[table]
        width = (ends.high - ends.low).unstack()
        assert (width.loc["folds"] > width.loc["starts"]).all()
        for pairs in ("", ", by fold"):
            assert (ends.low[f"linear model - network{pairs}"] > 0).all()
            rival = f"random forest - network{pairs}"
            assert ((ends.low[rival] < 0) & (ends.high[rival] > 0)).all()
        rival = "random forest - network"
        assert (width.loc[rival] < width.loc[["network", "random forest"]].min()).all()
    signs = np.sign(found.value["auto_mpg", "random forest - network"])
    assert set(signs) == {-1, 1}  # with another seed, another model is ahead


def test_ensemble_claims():
    found = results("25_ensembles").set_index(["table", "model", "seed"]).sort_index()
    won = found.better_than_forest["auto_mpg", "ensemble of 10"]
    assert won[42] >= 6 and won.median() >= 6 and list(won.index) == [42, 52, 62]
    for table in ("auto_mpg", "churn"):
        scores = found["mean"][table].unstack()
        ten = scores.loc["ensemble of 10"]
        assert (ten < scores.loc["one network"]).all() and (ten < scores.loc["random forest"]).all()
        assert (ten < scores.loc["bagging, 10"]).all()
        assert (scores.loc["ensemble of 5"] - ten < 0.3 * (scores.loc["one network"] - ten)).all()
    scores = found["mean"]["auto_mpg"].unstack()
    assert (scores.loc["bagging, 10"] > scores.loc["one network"]).all()
    wins = found.better_than_forest.unstack("seed").xs("ensemble of 10", level="model")
    assert wins.loc["churn"].min() > wins.loc["auto_mpg"].median()


def test_backend_claims():
    runs = results("backends").groupby(["lesson", "backend"]).median(numeric_only=True)
    names = ("fit_seconds", "process_seconds", "peak_memory_mb")
    fit, process, memory = (runs[name].unstack() for name in names)
    assert set(fit.loc[["01", "02", "03", "xor", "churn"]].idxmin(axis=1)) == {"jax"}
    assert set(fit.loc[["mlp_one_layer", "conv_net"]].idxmin(axis=1)) == {"tensorflow"}
    assert set(fit.drop("conv_net").idxmax(axis=1)) == {"torch"}
    assert set(memory.idxmin(axis=1)) == set((process - fit).idxmin(axis=1)) == {"tensorflow"}
    found = by_backend()
    assert [lesson for lesson, values in found.items() if not overlap(*values)] == ["02"]
    assert all(ours > max(others) for ours, *others in zip(*found["02"], strict=True))


def test_claims_about_dropout_of_inputs():
    runs = results("input_dropout").pivot(index="seed", columns="choice")
    assert list(runs.index) == [42, 43, 44]
    for loss in (runs.val_loss, runs.best_val_loss):
        assert (loss[0.2] < loss[0.1]).all() and (loss[0.1] < loss[0.0]).all()
    last, best = (loss[0.0] - loss[0.2] for loss in (runs.val_loss, runs.best_val_loss))
    assert (last > 2 * best).all()
    assert np.ptp(runs.val_accuracy.median()) < np.ptp(runs.val_accuracy[0.0])


def test_claims_about_weight_decay():
    runs = results("weight_decay").pivot(index="choice", columns="seed")
    hidden, output = runs.hidden_weights, runs.output_weights
    assert list(hidden.columns) == [42, 43, 44]
    for weights in (hidden, output):
        penalty, decay = weights.loc["SGD, L2(0.001)"], weights.loc["SGD, weight decay 0.002"]
        assert (abs(penalty / decay - 1) < 0.02).all()  # equal but for rounding
        assert (penalty < 0.7 * weights.loc["SGD, nothing"]).all()
        penalty, small, large = (
            weights.loc[f"Adam, {what}"]
            for what in ("L2(0.001)", "weight decay 0.002", "weight decay 0.2")
        )
        nothing = weights.loc["Adam, nothing"]
        assert (abs(small / nothing - 1) < 0.03).all()
        assert (penalty < 0.6 * nothing).all() and (penalty < 0.95 * large).all()
        assert (large < 0.8 * nothing).all()
    assert (hidden.loc["Adam, L2(0.001)"] / hidden.loc["Adam, nothing"]).between(0.2, 0.27).all()


def test_claims_about_large_batches():
    runs = results("batches").pivot(index="choice", columns="seed")
    accuracy, seconds = runs.val_accuracy, runs.cpu_seconds
    assert list(accuracy.columns) == [42, 43, 44]
    best, *others = accuracy.median(axis=1).sort_values(ascending=False).index
    assert (best, others[0]) == ("32, 0.001", "8192, 0.016 with warmup and cosine")
    assert (accuracy.loc[best] > accuracy.loc[others[0]] + 0.03).all()
    assert (accuracy.loc[others[0]] > accuracy.loc[others[1:]]).all(axis=None)
    assert (accuracy.loc["8192, 0.016"] > accuracy.loc["8192, 0.001"]).all()
    assert (accuracy.loc["8192, 0.016 with cosine"] < accuracy.loc["8192, 0.001"]).all()
    assert 3 * seconds.loc[others].max(axis=None) < seconds.loc[best].min()


def test_claims_about_stopping_trials():
    runs = results("search_stopping").pivot(index="seed", columns="stopping")
    assert list(runs.index) == [42, 43, 44] and set(runs.epochs["without"]) == {8 * 30}
    assert runs.epochs["with"].between(0.8 * 8 * 30, 8 * 30 - 1).all()  # a small saving
    assert (runs.val_mse["with"] >= runs.val_mse["without"]).all()


def test_activation_initializer_and_optimizer_claims():
    runs = results("choices").groupby(["part", "choice", "setting"]).val_accuracy.median()
    found = runs["activations"].droplevel("setting").sort_values()
    assert found.relu < found.sigmoid + 0.006 and found.relu > found.sigmoid
    assert found.linear < found.relu - 0.02
    times = results("activation_seconds").set_index("activation").least_ms
    assert set(times.index) == set(found.index)
    assert 2 * times.relu < times.gelu and times.relu < times.silu
    zeros = results("activation_zeros").drop(columns="machine").set_index("epochs")
    assert zeros.loc[10].seed.tolist() == [42, 43, 44]
    assert zeros[["first_layer", "second_layer"]].stack().between(0.4, 0.7).all()
    assert zeros.first_layer[10].min() > zeros.first_layer[0].max()
    unable = {"initializers": {"Ones", "Zeros", "Constant"}, "optimizers": {"Adafactor"}}
    for part, dead in unable.items():
        best = runs[part].groupby("choice").max()
        assert set(best[best < 0.11].index) == dead
    assert best.drop("Adafactor").min() > 0.8
    starts = runs["initializers"].groupby("choice").max()
    fixed = ["RandomNormal", "TruncatedNormal", "RandomUniform", *unable["initializers"]]
    page = (ROOT / "notes" / "initializers.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([A-Z]\w+)`", page, re.M)  # by hand, and among the results
    assert sorted(listed) == sorted([*starts.index, *starts.index])
    rules = starts.drop(["Identity", *fixed])
    assert rules.min() <= starts.Identity <= rules.max() and rules.min() > starts[fixed].max()
    usual = {"1.0": "Adadelta", "0.1": "SGD Adagrad", "0.001": "Adam Nadam AdamW RMSprop"}
    for rate, names in {**usual, "0.0001": "Lion"}.items():
        assert all(runs["optimizers"][name, rate] == best[name] for name in names.split())
