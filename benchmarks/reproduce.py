"""Compare every published result with the one measured here.

    python benchmarks/reproduce.py                             everything: hours on two cores
    python benchmarks/reproduce.py --only 01 03 --seeds 42     a minute
    python benchmarks/reproduce.py --tables benchmarks/results/mnist.csv
    python benchmarks/reproduce.py --check                     which rows stand for today's code?

Runs the lessons at full length on the real data, skipping runs of today's code that already exist
in the output folder, outputs/reproduce/. Writes results/reproduce.csv and prints it; with `--keep`
it also puts the runs into the tables of results/ from which the pages are made. `python -m pytest
-m reproduce` runs the same and fails if a result is not reached. A class can share the work:
`--tables` also counts the runs in other people's tables (their outputs/reproduce/runs.csv).

`--check` compares the code and the libraries of every row with those that are here now, and ends
with code 1 if a row was measured with others.
"""

import csv
import math
import platform
import re
import statistics
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import (
    RESULTS,
    ROOT,
    TRIAL,
    Parser,
    machine,
    no_data_or_real,
    read_table,
    replace_rows,
    run,
    write_table,
)
from common.errors import fail
from common.fingerprint import fingerprint
from common.flags import home_path
from common.runs import finished_runs, table_row
from mnist.recipes import RECIPES, Recipe

OUT = ROOT / "outputs" / "reproduce"
TENSORFLOW = "TensorFlow tutorial"
GERON = "A. Géron, Hands-On Machine Learning"
FRACTUS = "fractus-io/keras-tutorial"
MNIST = "mnist/mnist.py"
UNRECORDED = "unrecorded"  # in place of the fingerprint of a run that has none


class Figure(NamedTuple):
    """A published result, how it is measured here, and which values reproduce it."""

    name: str
    command: list  # script and flags
    metric: str  # a column of runs.csv
    published: str
    source: str
    variant: str = ""  # as in runs.csv
    least: float = -math.inf  # the median over the seeds must lie between these two
    most: float = math.inf
    seeds: tuple = (42, 43, 44)

    @property
    def lesson(self) -> str:
        """The name of the script's output folder."""
        return Path(self.command[0]).stem

    @property
    def data(self) -> str:
        """The data that it is measured on: "real", unless the command says otherwise."""
        return "sample" if "sample" in self.command else "real"

    @property
    def bar(self) -> str:
        """The range of values that reproduce the result, in words."""
        return f"at least {self.least:g}" if self.least > -math.inf else f"at most {self.most:g}"


def best_peer(task: str) -> float:
    """Return the lowest median error that a scikit-learn model reached in peers.py."""
    rows = [row for row in read_table(RESULTS / "peers.csv") if row["task"] == task]
    return min(
        statistics.median(float(row["value"]) for row in rows if row["model"] == model)
        for model in {row["model"] for row in rows}
    )


def digits(model: str, published: float) -> Figure:
    """Return one of the eight published models of mnist/, reproduced within 0.003."""
    return Figure(
        f"mnist {model}",
        [MNIST, "-m", model],
        "test_accuracy",
        f"{published:.4f}",
        FRACTUS,
        model,
        least=round(published - 0.003, 4),
    )


def book(lesson: str, what: str, metric: str, published: str, most: float) -> Figure:
    """Return a result from A. Géron's book that lesson 08, 09 or 10 reproduces."""
    return Figure(f"{lesson[:2]} {what}", [lesson], metric, published, GERON, most=most)


FUNCTIONAL, TIME_SERIES = "08_functional_api.py", "10_time_series_rnn.py"
FASHION, IMDB = "01_fashion_mnist_classification.py", "02_imdb_binary_classification.py"
AUTO_MPG = "03_autompg_regression.py"
FIGURES = [
    Figure(
        "00 starts of 20 that learn XOR",
        ["00_neuron_to_backpropagation.py"],
        "solved_starts",
        "none",
        "",
        least=10,
        seeds=(42, 62, 82),  # no two share a start
    ),
    Figure("01 dense network", [FASHION], "test_accuracy", "about 0.88", TENSORFLOW, least=0.875),
    Figure(
        "01 two hidden layers",
        [FASHION, "--hidden", 300, 100, "--optimizer", "sgd", "--epochs", 30],
        "test_accuracy",
        "0.8837",
        GERON,
        "hidden-300-100_optimizer-sgd",
        least=0.87,
    ),
    Figure("02 words", [IMDB], "test_accuracy", "0.8726", TENSORFLOW, least=0.8726),
    Figure("03 network", [AUTO_MPG], "test_mae", "1.80 to 2.3 MPG", TENSORFLOW, most=2.3),
    Figure(
        "03 network, ten splits",
        [AUTO_MPG],
        "test_mae",
        "none",
        "best of scikit-learn in peers.csv",
        most=best_peer("auto_mpg"),
        seeds=tuple(range(42, 52)),
    ),
    Figure(
        "03 linear regression",
        [AUTO_MPG, "--hidden"],
        "test_mae",
        "2.47 MPG",
        TENSORFLOW,
        "hidden-none",
        most=2.7,
    ),
    book(FUNCTIONAL, "chain", "test_mse_sequential", "0.4212", 0.4212),
    book(FUNCTIONAL, "wide and deep", "test_mse_wide_deep", "0.4032", 0.4032),
    book(FUNCTIONAL, "two inputs", "test_mse_two_inputs", "0.4219", 0.4219),
    book(FUNCTIONAL, "two outputs", "test_mse_two_outputs", "0.4178", 0.4178),
    book("09_tuning.py", "winner of the search", "test_mse", "0.3029", 0.29),
    book(TIME_SERIES, "last value", "test_mse_naive", "0.0202", 0.02025),
    book(TIME_SERIES, "linear", "test_mse_linear", "0.0042", 0.0042),
    book(TIME_SERIES, "one recurrent unit", "test_mse_simple_rnn", "0.0109", 0.0109),
    book(TIME_SERIES, "deep recurrent", "test_mse_deep_rnn", "0.0029", 0.0029),
    Figure("10 GRU", [TIME_SERIES], "test_mse_gru", "none", "", most=0.0025),
    Figure(
        "11 ten pictures of each digit",
        ["11_transfer_learning.py"],
        "test_accuracy_frozen_10",
        "none",
        "",
        least=0.88,
    ),
    Figure("12 network", ["12_look_inside.py"], "test_accuracy", "none", "", least=0.98),
    Figure(
        "13 two devices", ["13_distributed_training.py"], "test_accuracy", "none", "", least=0.97
    ),
    Figure(
        "14 words and pairs",
        ["14_imdb_ngrams.py"],
        "test_accuracy",
        "0.9056",
        "Keras example imdb_fasttext",
        least=0.905,
    ),
    Figure("19 without a mistake", ["19_debugging.py"], "test_accuracy", "none", "", least=0.95),
    Figure(
        "17 three outputs",
        ["17_multiple_outputs.py"],
        "test_accuracy_left_all_three",
        "none",
        "",
        least=0.965,
    ),
    Figure(
        "17 larger, loss weight 20",
        ["17_multiple_outputs.py", "--larger-weight", 20],
        "test_accuracy_larger_all_three",
        "none",
        "",
        "larger-weight-20.0",
        least=0.92,
    ),
    Figure("21 one of ten", ["21_outputs_and_losses.py"], "test_accuracy", "none", "", least=0.82),
    Figure(
        "22 network in cross-validation",
        ["22_uncertainty.py"],
        "test_mae",
        "none",
        "",
        most=2.0,
        seeds=(42, 52, 62),
    ),
    Figure(
        "25 splits of ten won against the forest",
        ["25_ensembles.py"],
        "splits_won",
        "none",
        "",
        least=6,
        seeds=(42, 52, 62),  # no two share a split
    ),
    Figure(
        "24 average precision",
        ["24_imbalanced_classes.py"],
        "test_average_precision",
        "none",
        "",
        least=0.60,
    ),
    Figure("18 LSTM both ways", ["18_imdb_lstm.py"], "test_accuracy", "none", "", least=0.8428),
    Figure("23 class", ["23_locate_and_classify.py"], "test_accuracy", "none", "", least=0.97),
    Figure("23 box", ["23_locate_and_classify.py"], "test_iou", "none", "", least=0.80),
    Figure(
        "23 box, loss weight 1",
        ["23_locate_and_classify.py", "--box-weight", 1],
        "test_iou",
        "none",
        "",
        "box-weight-1.0",
        least=0.75,
    ),
    Figure(
        "26 words, pairs and triples",
        ["26_raw_text.py"],
        "test_accuracy",
        "0.9187",
        "G. Mesnil et al. 2014",
        least=0.915,
    ),
    Figure("27 GRU", ["27_attention.py"], "test_accuracy_all_gru", "none", "", most=0.4),
    Figure(
        "27 attention", ["27_attention.py"], "test_accuracy_once_attention", "none", "", least=0.99
    ),
    Figure(
        "27 with positions",
        ["27_attention.py"],
        "test_accuracy_again_positions",
        "none",
        "",
        least=0.85,
    ),
    Figure("28 Transformer", ["28_transformer.py"], "test_accuracy", "none", "", least=0.875),
    Figure("29 perplexity", ["29_language_model.py"], "test_perplexity", "none", "", most=185),
    Figure(
        "30 LoRA, 100 labels",
        ["30_fine_tuning.py"],
        "test_accuracy_lora_100",
        "none",
        "",
        least=0.7,
    ),
    Figure("31 autoencoder", ["31_autoencoder.py"], "test_mse", "none", "", most=0.0095),
    Figure(
        "32 negative ELBO",
        ["32_variational_autoencoder.py"],
        "test_loss",
        "about 105",
        "PyTorch's example of a VAE",
        most=105,
    ),
    Figure("33 letters", ["33_own_pictures.py"], "test_accuracy", "none", "", least=0.98),
    Figure(
        "34 fine-tuned, pretrained on letters",
        ["34_pretrained_network.py", "--data", "sample"],
        "test_accuracy_fine_tuned",
        "none",
        "",
        least=0.7,
    ),
    Figure("36 original", ["36_small_and_fast.py"], "test_accuracy", "none", "", least=0.985),
    Figure("37 read as asked", ["37_diffusion.py"], "as_asked", "none", "", least=0.95),
    Figure(
        "xor",
        ["xor/xor.py", "--seeds", 20, "--activation", "tanh", "--learning-rate", 0.01],
        "solved",
        "solved",
        FRACTUS,
        "activation-tanh_learning-rate-0.01_seeds-20",
        least=20,
        seeds=(42,),
    ),
    Figure(
        "churn, flaw included",
        ["churn/churn.py"],
        "flawed_accuracy",
        "0.86",
        FRACTUS,
        least=0.86,
        seeds=(42, 43, 44, 45, 46),
    ),
    Figure(
        "churn, honest",
        ["churn/churn.py"],
        "test_auc",
        "none",
        "",
        least=0.86,
        seeds=(42, 43, 44, 45, 46),
    ),
    digits("mlp_one_layer", 0.9831),
    digits("mlp_two_layers", 0.9868),
    digits("mlp_two_layers_dropout", 0.9854),
    digits("conv_net", 0.9934),
    digits("conv_net_dropout", 0.9935),
    digits("conv_net_batch_norm", 0.9939),
    digits("conv_net_l1", 0.9889),
    digits("conv_net_l2", 0.9907),
    Figure(
        "mnist conv_net_fast",
        [MNIST, "-m", "conv_net_fast"],
        "test_accuracy",
        "0.9934 (conv_net)",
        FRACTUS,
        "conv_net_fast",
        least=0.9934,
    ),
    Figure(
        "mnist conv_net_best",
        [MNIST, "-m", "conv_net_best"],
        "test_accuracy",
        "none",
        "",
        "conv_net_best",
        least=0.9965,
    ),
    Figure(
        "mnist conv_net_best, clothing",
        ["mnist/clothing.py"],
        "test_accuracy_ten_looks",
        "0.939 (plain CNN with flips)",
        "Zalando Research, list of results",
        least=0.94,
    ),
]


def run_missing(figure: Figure, seeds, out: Path, rows: list[dict]) -> None:
    """Run a figure's command with the seeds that are not in `rows` yet."""
    done = {int(row["seed"]) for row in full_rows(figure, rows)}
    for seed in dict.fromkeys(seeds):  # without duplicates
        if seed in done:
            continue
        words = [*figure.command, "--seed", seed]
        print("running:", *words, flush=True)
        run(*words, *no_data_or_real(*words), "--out", out)


def rows_of(figure: Figure, rows: list[dict]) -> list[dict]:
    """Return the newest run of a figure's command on its data for each seed."""
    wanted = figure.lesson, figure.variant, figure.data
    mine = {
        row["seed"]: row for row in rows if (row["lesson"], row["variant"], row["data"]) == wanted
    }
    return list(mine.values())


def full_rows(figure: Figure, rows: list[dict]) -> list[dict]:
    """Like `rows_of`, but only with runs of full length, and of one's own those of today's code."""
    own = [row for row in rows if row["lesson"] == figure.lesson and is_full(figure, row)]
    code = fingerprint(ROOT / figure.command[0])
    return rows_of(figure, [row for row in own if "flags" not in row or row["code"] == code])


def all_rows(out: Path, tables: list[Path]) -> list[dict]:
    """Read the runs in the given tables and in the output folder, with all values as strings.

    Runs in the output folder also have their `flags`.
    """
    rows = [row for table in tables for row in read_table(table)]
    for record in finished_runs(out):
        texts = {name: str(value) for name, value in table_row(record).items()}
        rows.append(texts | {"flags": record["flags"]})
    return rows


def is_table_of_runs(path: Path) -> bool:
    """Return whether a file is a table of runs; some programs save it with semicolons."""
    try:
        rows = read_table(path)
    except (ValueError, csv.Error):
        return False
    return all({"lesson", "variant", "data", "seed", "epochs"} <= row.keys() for row in rows)


def is_full(figure: Figure, row: dict) -> bool:
    """Return whether a run was of full length, which its variant does not show.

    A table from other people has only the number of epochs, which early stopping with a patience of
    10 may have reduced.
    """
    script = (ROOT / figure.command[0]).read_text(encoding="utf-8")
    call = re.search(r"^lesson = Lesson\(.*?^\)|^lesson = Lesson\(.*?$", script, re.M | re.S)[0]
    expected = {
        name: int(n) for name, n in re.findall(r"\b(epochs|batch_size)=(?:Flag\()?(\d+)", call)
    }
    words = list(map(str, figure.command))
    if "-m" in words:
        expected["epochs"] = RECIPES.get(words[words.index("-m") + 1], Recipe()).epochs
    if "--epochs" in words:
        expected["epochs"] = int(words[words.index("--epochs") + 1])
    given = row.get("flags", {})
    same = all(given.get(name, value) == value for name, value in expected.items())
    return same and not given.get("limit") and int(row["epochs"]) >= min(expected["epochs"], 11)


def measured(figure: Figure, rows: list[dict]) -> dict:
    """Return a row with a figure's median, range, time, and whether the result is reproduced."""
    values = [float(row[figure.metric]) for row in rows]
    median = statistics.median(values)
    return {
        "figure": figure.name,
        "command": " ".join(map(str, figure.command)),
        "metric": figure.metric,
        "published": figure.published,
        "source": figure.source,
        "median": round(median, 4),
        "smallest": min(values),
        "largest": max(values),
        "seeds": " ".join(sorted(row["seed"] for row in rows)),
        "fit_seconds": round(statistics.median(float(row["fit_seconds"]) for row in rows), 1),
        "total_seconds": round(statistics.median(float(row["total_seconds"]) for row in rows), 1),
        "devices": "; ".join(sorted({row["device"] for row in rows})),
        "versions": "; ".join(sorted({row["versions"] for row in rows})),
        "code": " ".join(sorted({row.get("code") or UNRECORDED for row in rows})),
        "bar": figure.bar,
        "met": "yes" if figure.least <= median <= figure.most else "no",
    }


def reproduce(figure: Figure, seeds, out: Path, tables=()) -> dict:
    """Run the missing seeds of a figure and return its row; see `measured`."""
    run_missing(figure, seeds, out, all_rows(out, tables))
    rows = [row for row in full_rows(figure, all_rows(out, tables)) if int(row["seed"]) in seeds]
    if missing := set(seeds) - {int(row["seed"]) for row in rows}:
        fail(f"{figure.name}: {out} contains no run with seed {min(missing)}", 1)
    return measured(figure, rows)


def stored_table(row: dict) -> str:
    """Return the name of the table in results/ to which a run belongs."""
    lesson = row["lesson"]
    if lesson == "mnist" and row["variant"] not in RECIPES:
        return "mnist"
    own = {"mnist": "mnist_recipes", "clothing": "mnist_recipes", "churn": "churn", "xor": "xor"}
    return "00_neuron" if lesson.startswith("00") else own.get(lesson, "lessons")


def keep(runs: list[dict]) -> None:
    """Put runs into the tables of results/, in place of earlier ones of the same kind and seed."""

    def kind(row):
        return tuple(str(row[name]) for name in ("lesson", "variant", "data", "seed"))

    for name in {stored_table(row) for row in runs}:
        path = RESULTS / f"{name}.csv"
        rows = {kind(row): row for row in read_table(path)}
        for row in runs:
            if stored_table(row) == name:
                rows[kind(row)] = {key: value for key, value in row.items() if key != "flags"}
        write_table(path, list(rows.values()))


def differences(figure: Figure, row: dict) -> str:
    """Say in what a row of the table was measured with other code or libraries than today's."""
    found = []
    if row["code"] != fingerprint(ROOT / figure.command[0]):
        found.append("code not recorded" if UNRECORDED in row["code"] else "other code")
    for versions in row["versions"].split("; "):
        words = versions.split()
        for name, then in zip(words[::2], words[1::2], strict=True):
            now = platform.python_version() if name == "python" else version(name)
            if now != then:
                found.append(f"{name} {then}")
    return ", ".join(dict.fromkeys(found))


def check(chosen: list[Figure]) -> None:
    """Print for each result whether its row stands for today's code; exit with 1 if one does not.

    Raises:
        SystemExit: if a row was measured with other code or libraries, or is missing.
    """
    rows = {row["figure"]: row for row in read_table(RESULTS / "reproduce.csv")}
    stale = 0
    for figure in chosen:
        row = rows.get(figure.name)
        found = differences(figure, row) if row else "not measured"
        stale += bool(found)
        print(f"{figure.name:<45} {found or 'as today'}")
    if stale:
        fail(f"{stale} of {len(chosen)} rows do not stand for today's code; run them again", 1)


def is_named(figure: Figure, names: list[str]) -> bool:
    """Return whether a figure is named, either fully or by a prefix that is not another's name."""
    others = {other.name for other in FIGURES} - {figure.name}
    return any(figure.name.startswith(name) and name not in others for name in names)


def main() -> None:
    """Run all missing seeds and write the table."""
    parser = Parser(__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="names of figures or their beginnings, such as 01 or 'mnist conv_net'",
    )
    parser.add_seeds(
        "42 43 44; 03's ten splits 42 to 51; 00, 22, 25 others; churn 42 to 46; "
        "xor 42, the first of 20"
    )
    parser.add_argument(
        "--out",
        type=home_path,
        default=OUT,
        metavar="DIR",
        help="folder with the results of runs (default outputs/reproduce/)",
    )
    parser.add_argument(
        "--tables",
        nargs="+",
        type=home_path,
        default=[],
        metavar="FILE",
        help="also count the runs in these tables",
    )
    parser.add_argument(
        "--check", action="store_true", help="run nothing; say which rows stand for today's code"
    )
    parser.add_argument(
        "--keep", action="store_true", help="also put the runs into the tables of the pages"
    )
    flags = parser.parse_args()
    for name in flags.only or []:
        if not any(is_named(figure, [name]) for figure in FIGURES):
            fail(
                f"--only {name}: no such figure; add it to FIGURES in benchmarks/reproduce.py, or "
                f"choose from {', '.join(figure.name for figure in FIGURES)}"
            )
    chosen = [figure for figure in FIGURES if not flags.only or is_named(figure, flags.only)]
    if flags.check:
        check(chosen)
        return
    for table in flags.tables:
        if not table.is_file():
            fail(f"--tables {table}: no such file; give tables of runs, such as runs.csv")
        if not is_table_of_runs(table):
            fail(f"--tables {table}: not a comma-separated table of runs such as runs.csv")
    print(machine())
    rows = [
        reproduce(figure, flags.seeds or figure.seeds, flags.out, flags.tables) for figure in chosen
    ]
    if flags.seeds:
        print(TRIAL)
    else:
        names = [figure.name for figure in FIGURES]
        replace_rows(RESULTS / "reproduce.csv", rows, "figure", order=names)
    if flags.keep:
        made = all_rows(flags.out, [])
        keep([row for figure in chosen for row in full_rows(figure, made)])
    for row in rows:
        print(
            f"{row['figure']:<32} published {row['published']:<30} "
            f"measured {row['median']} ({row['smallest']} to {row['largest']})  "
            f"{row['fit_seconds']} s  {row['bar']}: {row['met']}"
        )


if __name__ == "__main__":
    main()
