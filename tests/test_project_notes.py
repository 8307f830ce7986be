"""The notes of xor/, churn/ and mnist/: every figure in them is one that a command produced.

`benchmarks/results/` holds what the runs wrote: `<project>.csv` is their `runs.csv`; `xor_starts.csv`
and `churn_models.csv` are tables of single runs with the setting or the seed in front;
`churn_tries.csv` is what `benchmarks/churn_tries.py` printed.
`mnist_seconds.csv` is the `runs.csv` of three epochs of each model on a quiet computer, with the
precision in front.
"""

import re

import pandas as pd
import pytest
from conftest import ROOT

RESULTS = ROOT / "benchmarks" / "results"
XOR, CHURN, MNIST = ((ROOT / name / "README.md").read_text() for name in ("xor", "churn", "mnist"))
README = (ROOT / "README.md").read_text()
PUBLISHED = {
    "mlp_one_layer": 0.9831,
    "mlp_two_layers": 0.9868,
    "mlp_two_layers_dropout": 0.9854,
    "conv_net": 0.9934,
    "conv_net_dropout": 0.9935,
    "conv_net_batch_norm": 0.9939,
    "conv_net_l1": 0.9889,
    "conv_net_l2": 0.9907,
}


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / name, keep_default_na=False)


def spread(values, digits: int) -> str:
    return f"{values.median():.{digits}f} ({values.min():.{digits}f} to {values.max():.{digits}f})"


def one_line(text: str) -> str:
    return " ".join(text.split())


# xor/


def test_every_setting_of_xor_is_told_as_counted():
    runs = read("xor.csv")
    assert len(runs) == 13 and (runs.seed == 42).all() and (runs.epochs == 500).all()
    told = re.findall(r"^\| (?:\*\*)?(.*?)(?:\*\*)? \| (\d+) \| (?:\*\*)?(\d+) of 20", XOR, re.M)
    expected = {
        run.variant.removesuffix("_seeds-20").removesuffix("seeds-20"): (run.parameters, run.solved)
        for run in runs.itertuples()
    }
    assert {variant_of(flags): (int(p), int(solved)) for flags, p, solved in told} == expected


def variant_of(cell: str) -> str:
    """Spell the flags of a cell as the name of a run's folder does."""
    parts = []
    for flag in re.findall(r"--[a-z-]+[^-`]*", cell):
        name, *values = flag[2:].split()
        parts.append("-".join([name, *(values or ["none"])]))
    return "_".join(parts)


def test_xor_tells_when_its_starts_made_their_last_mistake():
    starts = read("xor_starts.csv")
    for setting, text in (
        ("activation-tanh_learning-rate-0.01", "Their last mistake is in epoch {}"),
        ("", "it is in epoch {}, for the 18 that solve it"),
    ):
        rows = starts[starts.setting == setting]
        assert rows.seed.tolist() == list(range(42, 62))
        solved = rows[rows.solved]
        assert text.format(spread(solved.last_mistake, 0)) in one_line(XOR)
    default = starts[starts.setting == ""]
    assert default[default.solved].dead_units.max() == 7
    assert default[~default.solved].seed.tolist() == [44, 50]


# churn/


def test_the_models_of_churn_are_told_as_measured():
    models = read("churn_models.csv")
    assert sorted(set(models.seed)) == [42, 43, 44, 45, 46]
    for name, rows in models.groupby("model"):
        middle = rows.median(numeric_only=True)
        cells = [
            name,
            spread(rows.auc, 3),
            f"{middle.brier:.3f}",
            f"{middle.accuracy_at_half:.3f}",
            f"{middle.recall_at_half:.2f}",
            f"{middle.accuracy:.3f}",
            f"{middle.precision:.2f}",
            spread(rows.recall, 2),
            f"{middle.f1:.2f}",
        ]
        assert f"| {' | '.join(cells)} |" in CHURN, cells


def test_the_flawed_figure_is_told_as_measured():
    runs, models = read("churn.csv"), read("churn_models.csv")
    assert set(runs.data) == {"real"} and set(runs.variant) == {""}
    assert f"We get {spread(runs.flawed_accuracy, 3)}." in one_line(CHURN)
    assert round(runs.flawed_accuracy.median(), 2) == 0.86
    half = models[models.model == "old network"].accuracy_at_half
    assert f"{half.median():.1%}".replace("%", " %") in CHURN
    (row,) = [line for line in README.splitlines() if "`python churn/churn.py`" in line]
    assert spread(runs.test_auc, 3) in row


def test_what_was_tried_for_churn_is_told_as_measured():
    tries = read("churn_tries.csv")
    for row in tries.itertuples():
        line = f"| {row.model} | {row.val_auc:.3f} | {row.val_auc_never_tested:.3f} |"
        assert line in CHURN, line
    auc = tries.set_index("model").val_auc
    gain = auc["network, four columns left out"] - auc["network of 32 and 16 units, all columns"]
    assert f"the AUC rises by {gain:.3f}" in one_line(CHURN)


def test_the_network_of_churn_is_as_good_as_gradient_boosting():
    auc = read("churn_models.csv").groupby("model").auc.median()
    assert auc["network"] >= max(0.86, auc["gradient boosting"] - 0.003)


def test_the_example_customer_is_shown_as_it_is():
    assert (ROOT / "churn" / "customer.json").read_text() in CHURN


# mnist/


def test_the_models_of_mnist_are_told_as_measured():
    runs, seconds = read("mnist.csv"), read("mnist_seconds.csv")
    assert set(runs.data) == {"real"} and set(runs.epochs) == {60}
    assert len(set(runs.variant)) == 10
    for name, rows in runs.groupby("variant"):
        assert rows.seed.tolist() == ([42, 43, 44] if name in PUBLISHED else [42]), name
        quick = seconds[seconds.variant == name].set_index("precision").epoch_seconds
        accuracy = spread(rows.test_accuracy, 4)
        if name not in PUBLISHED:
            accuracy = f"{rows.test_accuracy.iloc[0]:.4f} (one seed)"
        published = f"{PUBLISHED[name]:.4f}" if name in PUBLISHED else "none"
        cells = [
            f"`{name}`",
            f"{rows.parameters.iloc[0]:,}",
            published,
            accuracy,
            f"{rows.test_accuracy_of_best.median():.4f}",
            f"{rows.val_accuracy.median():.4f}",
            f"{quick.bfloat16:.1f}",
        ]
        assert f"| {' | '.join(cells)} |" in MNIST, cells


def test_the_models_with_their_own_recipes_are_told_as_measured():
    runs = read("mnist_recipes.csv").groupby("variant")
    fast, best = (
        runs.get_group(name).test_accuracy.median() for name in ("conv_net_fast", "conv_net_best")
    )
    clothing = runs.get_group("conv_net_best_dataset-fashion_mnist").test_accuracy_ten_looks
    told = f"{fast:.4f}, {best:.4f} and, on clothing, {clothing.astype(float).median():.4f}"
    assert f"Their test accuracy is {told} (medians of three seeds)" in one_line(MNIST)


def test_the_gain_of_sixteen_bits_is_told_as_measured():
    seconds = read("mnist_seconds.csv").pivot(
        index="variant", columns="precision", values="epoch_seconds"
    )
    for name in ("mlp_one_layer", "conv_net", "le_net"):
        row = seconds.loc[name]
        assert f"`{name}` {row.float32:.1f} and {row.bfloat16:.1f} s" in one_line(MNIST)


def test_what_the_notes_of_mnist_teach_is_what_was_measured():
    runs = read("mnist.csv")
    gain = runs.test_accuracy_of_best - runs.test_accuracy
    told = f"better in {sum(gain > 0)} of the {len(runs)} runs, worse in {sum(gain < 0)}"
    assert told in one_line(MNIST)
    runs = runs.groupby("variant").median(numeric_only=True)
    wrong = (10_000 * (1 - runs.test_accuracy)).round().astype(int)
    for name in ("mlp_one_layer", "conv_net"):
        assert f"`{name}` gets {wrong[name]} of 10,000 wrong" in one_line(MNIST)
    loss, text = runs.test_loss, "test loss of {:.3f} against {:.3f}"
    assert text.format(loss.conv_net_augmented, loss.conv_net) in one_line(MNIST)
    assert loss.conv_net_augmented == loss.min()
    accuracy = runs.test_accuracy
    dense = accuracy[["mlp_one_layer", "mlp_two_layers", "mlp_two_layers_dropout"]]
    assert dense.max() < accuracy.conv_net_l1 < accuracy.conv_net_l2 < accuracy.conv_net
    close = accuracy[["conv_net", "conv_net_dropout", "conv_net_batch_norm"]]
    assert close.max() - close.min() < 0.0005


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_figures_of_mnist_are_met(name):
    runs = read("mnist.csv")
    measured = runs[runs.variant == name].test_accuracy.median()
    assert measured >= PUBLISHED[name] - 0.003
