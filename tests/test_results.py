"""benchmarks/results/: pages and lessons show it as it is, and their claims are true of it."""

import re
import subprocess
import sys
from itertools import pairwise
from statistics import median

import pandas as pd
from conftest import ROOT

from benchmarks import blocks, sentences, tables
from benchmarks.measured import MANY_SEEDS, RESULTS, runs_of
from mnist.recipes import BEST, FAST


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / f"{name}.csv", keep_default_na=False)


def numbers(lesson: str, seed: str = "42") -> dict[str, float]:
    (run,) = runs_of(lesson, seeds=(seed,))
    return {name: float(value) for name, value in run.items() if name.startswith("test") and value}


def test_pages_and_lessons_show_what_was_measured():
    changed = {
        blocks.name_of(path): found
        for path in blocks.pages()
        if (
            found := blocks.regenerate(path, tables.BLOCKS, sentences.EXPECTATIONS)[1]
        )
    }
    assert not changed, f"{changed} differ from results/: run `python benchmarks/tables.py --write`"


def test_blocks_are_used_and_their_lines_short():
    text = "".join(path.read_text(encoding="utf-8") for path in blocks.pages())
    pages = [name for name in tables.BLOCKS if not name.startswith("lesson-")]  # theirs may wait
    assert [name for name in pages if f"<!-- results: {name} -->" not in text] == []
    lines = [line for make in tables.BLOCKS.values() for line in blocks.wrapped(make(), "# ")]
    lines += [blocks.EXPECT + make() for make in sentences.EXPECTATIONS.values()]
    assert [line for line in lines if len(line) > 100 and "|" not in line] == []


def test_the_writer_needs_neither_keras_nor_common():
    code = "import sys, benchmarks.tables; print({'keras', 'pandas', 'common'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_every_bar_is_met_on_real_data_over_three_seeds():
    assert set(read("reproduce").met) == {"yes"}
    for name in ("lessons", "mnist", "mnist_recipes", "churn"):
        assert set(read(name).data) == {"real"} and set(read(name).device) == {"CPU (2 cores)"}
    seeds = read("lessons").groupby(["lesson", "variant"]).seed.agg(set)
    assert (
        all(found >= {42, 43, 44} for found in seeds) and len(runs_of("03", "", MANY_SEEDS)) == 20
    )


def test_capacity_and_remedies():
    models = read("04_models").groupby("model").median()
    end, best, epoch = models.end_val_loss, models.best_val_loss, models.best_epoch
    assert set(read("04_models").seed) == {42, 43, 44}
    assert epoch.smaller > epoch.baseline > epoch.bigger == 1
    assert end.bigger > end.baseline > end.smaller
    assert end.drop(["smaller", "baseline", "bigger"]).max() < end.baseline
    assert set(best.nsmallest(2).index) == {"dropout", "L2_dropout"}
    assert best[["L1", "L2"]].min() >= best.baseline == best.early_stopping
    assert best[["batch_norm", "a_fifth"]].min() > best.baseline
    assert max(float(run["peak_memory_mb"]) for run in runs_of("04")) < 1500


def test_later_lessons():
    for run in runs_of("07"):
        assert abs(float(run["test_accuracy"]) - float(run["test_accuracy_of_fit"])) < 0.005
    houses = numbers("08")
    names = ("sequential", "deep", "wide_deep", "two_inputs", "two_outputs")
    chain, *others = (houses[f"test_mse_{name}"] for name in names)
    assert chain > max(others) and others[0] == min(others)  # the shortcut adds nothing here
    both, alone = "test_accuracy_larger_both_answers", "test_accuracy_larger_larger_only"
    assert houses[both] < houses[alone] and numbers("08", "43")[both] > numbers("08", "43")[alone]
    errors = read("09_choices").set_index(["part", "choice"])["median"]
    assert errors.rates["our choice"] < errors.rates["a third"]
    assert errors.schedules.min() == errors.schedules["constant"]
    assert errors.batches.idxmin() == "8 then 32 then 128" and errors.shapes.idxmax() == "1 x 500"
    assert errors.batches["512 rate scaled"] < errors.batches["512"]
    series = numbers("10")
    models = ("gru", "deep_rnn", "linear", "simple_rnn", "naive")
    assert all(series[f"test_mse_{a}"] < series[f"test_mse_{b}"] for a, b in pairwise(models))
    few = {name.removeprefix("test_accuracy_"): value for name, value in numbers("11").items()}
    gains = [few[f"frozen_{size}"] - few[f"from_nothing_{size}"] for size in (10, 100, 1000)]
    assert gains[0] > gains[1] > 0.001 > abs(gains[2])
    for run in runs_of("13"):
        assert float(run["equal"]) == 1 and float(run["loss_difference"]) < 1e-4
        assert float(run["efficiency"]) < 0.5


def test_xor():
    runs = read("xor").set_index("variant")
    solved = runs.solved.rename(lambda name: name.removesuffix("seeds-20").strip("_"))
    assert len(runs) == 13 and set(runs.seed) == {42} and set(runs.epochs) == {500}
    assert solved["activation-tanh_learning-rate-0.01"] == 20 > solved[""]
    assert solved["learning-rate-0.01"] == solved[""]
    assert solved["hidden-none"] == solved["activation-sigmoid"] == 0
    assert solved["hidden-2_activation-tanh_learning-rate-0.01"] < 10
    assert solved["hidden-16-8"] == solved["hidden-32"] == 20
    starts = read("xor_starts")
    assert starts.seed.tolist() == 2 * list(range(42, 62))
    assert starts[(starts.setting == "") & ~starts.solved].seed.tolist() == [44, 50]


def test_churn():
    models = read("churn_models")
    assert set(models.seed) == set(read("churn").seed) == {42, 43, 44, 45, 46}
    auc = models.pivot(index="seed", columns="model", values="auc")
    assert (auc["network"] > auc["old network"]).all()
    assert 0 < (auc["network"] > auc["gradient boosting"]).sum() < 5
    middle = models.groupby("model").median()
    network, weighted = middle.loc["network"], middle.loc["network, class weights"]
    assert network.auc >= max(0.86, middle.auc["gradient boosting"] - 0.003)
    assert weighted.recall_at_half > network.recall_at_half + 0.1
    assert (
        weighted[["f1", "auc"]] < network[["f1", "auc"]]
    ).all() and weighted.brier > network.brier
    logistic = middle.loc["logistic regression"]
    assert logistic.accuracy_at_half < 0.82 and 0.15 < logistic.recall_at_half < 0.25
    flawed = read("churn").flawed_accuracy.median()
    assert round(flawed, 2) == 0.86 and flawed - middle.accuracy_at_half["old network"] < 0.01
    steps = read("churn_tries").val_auc[4:8]  # from all columns to the lesson's network
    assert steps.diff().idxmax() == 5  # four columns left out


def test_mnist():
    runs = read("mnist")
    single = {"le_net", "conv_net_augmented"}
    assert set(runs.epochs) == {60} and runs.variant.nunique() == 10
    assert {name: 1 if name in single else 3 for name in runs.variant} == dict(
        runs.variant.value_counts()
    )
    gain = runs.test_accuracy_of_best - runs.test_accuracy
    assert sum(gain > 0) < sum(gain < 0)
    middle = runs.groupby("variant").median(numeric_only=True)
    accuracy, best, parameters = (
        middle.test_accuracy,
        middle.test_accuracy_of_best,
        middle.parameters,
    )
    assert 1 - accuracy.conv_net < (1 - accuracy.mlp_one_layer) / 2
    assert parameters.conv_net < parameters.mlp_one_layer / 4
    assert accuracy.mlp_one_layer < accuracy.mlp_two_layers_dropout <= accuracy.mlp_two_layers
    assert accuracy.mlp_two_layers < accuracy.conv_net_l1 < accuracy.conv_net_l2 < accuracy.conv_net
    close = accuracy[["conv_net", "conv_net_dropout", "conv_net_batch_norm"]]
    starts = runs[runs.variant == "conv_net"].test_accuracy
    assert close.max() - close.min() < min(0.0005, starts.max() - starts.min())
    assert middle.test_loss.idxmin() == "conv_net_augmented"
    assert best.conv_net_augmented > accuracy.conv_net_augmented


def test_mnist_recipes():
    tries = {
        part: read("mnist_tries").pivot(index="try", columns="seed", values=part)
        for part in ("val_accuracy", "test_accuracy")
    }
    gains = {part: 100 * (table - table.loc["the recipe"]) for part, table in tries.items()}
    for table in tries.values():
        lost = 100 * (table.loc["the recipe"].median() - table.median(axis=1))
        assert list(table.columns) == [42, 43, 44]
        assert 0.35 < lost["a constant learning rate, no average"] < 0.7
        assert 0.05 < lost["a constant learning rate, averaged weights"] < 0.25
        assert lost["peak of the learning rate 1 instead of 6"] > 0.3
        assert abs(lost["no average of the weights"]) < 0.02
        assert abs(lost["peak 3, and 6 epochs"]) < 0.05
        assert 0.04 < lost["no moved images"] < 0.14
    both = pd.concat(gains.values(), axis=1)
    unclear = ["no normalisation", "no dropout", "starting weights by Glorot's rule", "32 bits"]
    for name in [*unclear, "labels smoothed by 0.05"]:
        assert both.loc[name].min() <= 0 <= both.loc[name].max(), name
    validation, test = (table.loc["images turned and distorted too"] for table in gains.values())
    assert test.min() > 0 and (validation > 0).sum() == 1


def test_tables_name_their_computer():
    amx, usual = (line.partition("`: ")[2] for line in sentences.computers())
    assert "(amx_bf16 " in amx and "amx" not in usual
    for name in ("same_work", "same_work_ratios", "time_to_accuracy"):
        assert set(read(name).machine) == {usual} and set(read(f"with_amx/{name}").machine) == {amx}
    assert {*read("clothing_step").machine, *read("mnist_tries").machine} == {usual}
    for name in ("peers", "choices", "resume_cost", "serving_load", "backends"):
        assert read(name).machine.str.startswith(amx).all()


def test_both_computers_are_fast_and_agree():
    usual, amx = (
        read(f"{folder}same_work_ratios").set_index("task") for folder in ("", "with_amx/")
    )
    assert {*usual.met, *amx.met} == {"yes"} and usual.peak_memory_ratio.conv_net_32_bits > 0.7
    with_amx, without = (table.fit_ratio for table in (amx, usual))
    assert (
        with_amx.conv_net / with_amx.conv_net_32_bits < without.conv_net / without.conv_net_32_bits
    )
    for key, rows in read("with_amx/same_work").groupby(["task", "side"]):
        other = read("same_work").groupby(["task", "side"]).get_group(key)
        assert sentences.overlap([*rows.figure], [*other.figure]), key
    runs = [read(f"{folder}time_to_accuracy").groupby("part") for folder in ("", "with_amx/")]
    assert sentences.overlap(*([*parts.get_group("published").test_accuracy] for parts in runs))
    for parts in runs:
        assert parts.fit_seconds.median().fast <= 0.1 * parts.fit_seconds.median().published


def test_time_to_accuracy():
    runs = read("time_to_accuracy")
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


def test_peers_checkpoints_kills_and_requests():
    reached = read("reproduce").set_index("figure")["median"]
    peer = read("peers").set_index("task").value.imdb
    assert reached["02 words"] < peer < reached["02 words and pairs"]
    for spent, alone, _ in tables.checkpoint_costs().values():
        assert median(spent) - median(alone) < max(spent) - min(spent)
    kills, requests = read("kills"), read("requests")
    assert kills.equal.all() and (kills.groupby("lesson").size() == 30).all()
    assert requests.status.max() < 500
    assert requests[requests.request.str.startswith("POST")].status.min() >= 400


def test_backends():
    runs = read("backends").groupby(["lesson", "backend"]).median(numeric_only=True)
    fit, process, memory = (
        runs[name].unstack() for name in ("fit_seconds", "process_seconds", "peak_memory_mb")
    )
    assert set(fit.loc[["01", "02", "03", "xor", "churn"]].idxmin(axis=1)) == {"jax"}
    assert set(fit.loc[["mlp_one_layer", "conv_net"]].idxmin(axis=1)) == {"tensorflow"}
    assert set(fit.drop("conv_net").idxmax(axis=1)) == {"torch"}
    assert set(memory.idxmin(axis=1)) == set((process - fit).idxmin(axis=1)) == {"tensorflow"}
    found = sentences.by_backend()
    assert [n for n, values in found.items() if not sentences.overlap(*values.values())] == ["02"]
    assert all(ours > max(others) for ours, *others in zip(*found["02"].values(), strict=True))


def test_activations_initializers_and_optimizers():
    activations, starts, optimizers = (
        {
            name: {rate: median(values) for rate, values in cells.items()}
            for name, cells in tables.accuracies(part).items()
        }
        for part in ("activations", "initializers", "optimizers")
    )
    found = {name: cells[""] for name, cells in activations.items()}
    close = list(found)[: list(found).index("sigmoid") + 1]
    assert "relu" in close and min(found[name] for name in close) > found["relu"] - 0.006
    assert found["linear"] < found["relu"] - 0.02
    for table, dead in ((starts, {"Ones", "Zeros"}), (optimizers, {"Adafactor"})):
        best = {name: max(cells.values()) for name, cells in table.items()}
        assert {name for name in best if best[name] < 0.11} == dead
    assert min(value for name, value in best.items() if name != "Adafactor") > 0.8
    usual = {"1.0": "Adadelta", "0.1": "SGD Adagrad", "0.001": "Adam Nadam AdamW RMSprop"}
    for rate, names in {**usual, "0.0001": "Lion"}.items():
        assert all(optimizers[name][rate] == best[name] for name in names.split())
