"""The README: its commands exist, and each of its figures is one that a command produced.

`benchmarks/results/` holds what the runs wrote: `lessons.csv` is their `runs.csv`, `04_models.csv`
and `06_timings.csv` are the tables of lessons 04 and 06 with the seed in front.
"""

import csv
import re
import statistics

import pandas as pd
import pytest
from conftest import (
    DISTRIBUTED,
    FUNCTIONAL,
    LESSONS,
    LOOK_INSIDE,
    PROJECTS,
    ROOT,
    TIME_SERIES,
    TRANSFER,
    TUNING,
)

from common.flags import LessonParser

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"
with (RESULTS / "lessons.csv").open(encoding="utf-8") as file:
    MEASURED = list(csv.DictReader(file))
MODELS = pd.read_csv(RESULTS / "04_models.csv").groupby("model", sort=False).median()
FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH = (
    lesson.removesuffix(".py") for lesson in LESSONS[:7]
)


def runs_of(lesson: str, variant: str = "", seeds=("42", "43", "44")) -> list[dict]:
    rows = [
        row
        for row in MEASURED
        if (row["lesson"], row["variant"]) == (lesson, variant) and row["seed"] in seeds
    ]
    assert len(rows) == len(seeds) and all(row["data"] == "real" for row in rows)
    return rows


def spread(rows: list[dict], column: str, digits: int) -> str:
    """Spell a median and its spread as the README does: `0.884 (0.881 to 0.886)`."""
    values = [float(row[column]) for row in rows]
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def seconds(rows: list[dict]) -> str:
    fit, total = (
        statistics.median(float(row[name]) for row in rows)
        for name in ("fit_seconds", "total_seconds")
    )
    return f"{fit:.0f} s of {total:.0f} s"


@pytest.mark.parametrize(
    ("lesson", "variant", "command", "metric", "digits"),
    [
        (FIRST, "", f"python {FIRST}.py", "test_accuracy", 3),
        (
            FIRST,
            "hidden-300-100_optimizer-sgd",
            f"python {FIRST}.py --hidden 300 100 --optimizer sgd --epochs 30",
            "test_accuracy",
            3,
        ),
        (SECOND, "", f"python {SECOND}.py", "test_accuracy", 3),
        (SECOND, "ngrams-2", f"python {SECOND}.py --ngrams 2", "test_accuracy", 3),
        (THIRD, "", f"python {THIRD}.py", "test_mae", 2),
        (THIRD, "hidden-none", f"python {THIRD}.py --hidden", "test_mae", 2),
        (FOURTH, "", f"python {FOURTH}.py", "test_accuracy", 3),
        (FIFTH, "", f"python {FIFTH}.py", "test_accuracy", 3),
        (SIXTH, "", f"python {SIXTH}.py", "test_accuracy", 3),
        (SEVENTH, "", f"python {SEVENTH}.py", "test_accuracy", 3),
    ],
)
def test_the_table_holds_what_was_measured(lesson, variant, command, metric, digits):
    (row,) = [
        line for line in README.splitlines() if line.startswith("|") and f"`{command}`" in line
    ]
    rows = runs_of(lesson, variant)
    assert f"{spread(rows, metric, digits)}<br>{seconds(rows)}" in row
    assert {run["device"] for run in rows} == {"CPU (2 cores)"}


MEASURES = {
    FUNCTIONAL: ["sequential", "wide_deep", "two_inputs", "two_outputs"],
    TUNING: [""],
    TIME_SERIES: ["naive", "linear", "simple_rnn", "deep_rnn", "gru"],
}


def test_the_later_lessons_are_told_as_measured():
    told = {
        **{
            lesson: [
                (f"test_mse_{name}".rstrip("_"), 4 if lesson == TIME_SERIES else 3)
                for name in names
            ]
            for lesson, names in MEASURES.items()
        },
        TRANSFER: [("test_accuracy_frozen_10", 3), ("test_accuracy_from_nothing_10", 3)],
        LOOK_INSIDE: [("test_accuracy", 3)],
        DISTRIBUTED: [("test_accuracy", 3)],
    }
    for script, measures in told.items():
        lesson = script.removesuffix(".py")
        (row,) = [line for line in README.splitlines() if line.startswith(f"| [{lesson[:2]}]")]
        runs = runs_of(lesson)
        for metric, digits in measures:
            assert spread(runs, metric, digits) in row
        assert seconds(runs) in row
        main = {TIME_SERIES: "test_mse_gru"}.get(script, measures[0][0])
        assert spread(runs, main, dict(measures)[main]) in prose(lesson)


def test_the_later_lessons_reach_the_published_figures():
    published = {
        FUNCTIONAL: {
            "sequential": 0.4212,
            "wide_deep": 0.4032,
            "two_inputs": 0.4219,
            "two_outputs": 0.4178,
        },
        TIME_SERIES: {"linear": 0.0042, "simple_rnn": 0.0109, "deep_rnn": 0.0029, "gru": 0.0025},
        TUNING: {"": 0.29},
    }
    for script, bars in published.items():
        runs = runs_of(script.removesuffix(".py"))
        for name, bar in bars.items():
            values = [float(run[f"test_mse_{name}".rstrip("_")]) for run in runs]
            assert round(statistics.median(values), 4) <= bar, (script, name)


def test_the_later_lessons_say_what_their_run_with_seed_42_says():
    def value(script, metric, digits):
        (row,) = runs_of(script.removesuffix(".py"), seeds=["42"])
        return f"{float(row[metric]):.{digits}f}"

    def mse(name):
        return value(FUNCTIONAL, f"test_mse_{name}", 3)

    def percent(name):
        return f"{float(value(FUNCTIONAL, f'test_accuracy_{name}', 4)):.1%}".replace("%", " %")

    def error(name):
        return value(TIME_SERIES, f"test_mse_{name}", 4)

    def right(way, size):
        return value(TRANSFER, f"test_accuracy_{way}_{size}", 3)

    choices = (
        pd.read_csv(RESULTS / "09_choices.csv").set_index(["part", "choice"])["median"].round(3)
    )
    rates, schedules, batches, shapes = (
        choices[part] for part in ("rates", "schedules", "batches", "shapes")
    )
    assert schedules.min() == schedules["constant"] and batches.idxmin() == "8 then 32 then 128"
    deeper = shapes.drop("1 x 500")
    told = {
        FUNCTIONAL: [
            f"`sequential`, has {mse('sequential')}, and a second one, `deep`, {mse('deep')}.",
            f"`wide_deep` has {mse('wide_deep')}, `two_inputs` {mse('two_inputs')}, "
            f"`two_outputs` {mse('two_outputs')}.",
            f"reads {percent('left_digits_only')} of the left digits",
            f"nothing else is right in {percent('larger_larger_only')}, the one with all three "
            f"answers in {percent('larger_both_answers')}.",
            f"left digits as before, {percent('left_both_answers')}",
        ],
        TUNING: [
            f"our choice {rates['our choice']:.3f}, a third of it {rates['a third']:.3f}, three times "
            f"as much {rates['three times']:.3f}",
            f"the constant rate, {schedules['constant']:.3f}.",
            f"512 rows {batches['512']:.3f}, with the rate scaled {batches['512 rate scaled']:.3f}; best "
            f"of all were batches that grow, {batches.min():.3f}.",
            f"one wide layer {shapes['1 x 500']:.3f}, all the others between {deeper.min():.3f} and "
            f"{deeper.max():.3f}.",
        ],
        TIME_SERIES: [
            f"`simple_rnn` has {error('simple_rnn')}, better than naive with {error('naive')} and worse "
            f"than the weighted sum with {error('linear')}",
            f"better than both, {error('deep_rnn')}",
            f"`gru` has {error('gru')}",
        ],
        TRANSFER: [
            f"brings {right('frozen', 10)} instead of {right('from_nothing', 10)}.",
            f"it is {right('frozen', 100)} instead of {right('from_nothing', 100)}, with a thousand "
            f"{right('frozen', 1000)} both times",
            f"({', '.join(right('fine_tuned', size) for size in (10, 100, 1000))})",
        ],
    }
    for script, sentences in told.items():
        for sentence in sentences:
            assert sentence in prose(script.removesuffix(".py")), sentence
    assert right("frozen", 1000) == right("from_nothing", 1000)
    other = runs_of(FUNCTIONAL.removesuffix(".py"), seeds=["43"])[0]
    better = "test_accuracy_larger_both_answers", "test_accuracy_larger_larger_only"
    assert float(other[better[0]]) > float(other[better[1]])


def test_lesson_13_says_what_its_runs_say():
    runs = runs_of(DISTRIBUTED.removesuffix(".py"))
    assert all(float(run["equal"]) == 1 and float(run["loss_difference"]) < 1e-4 for run in runs)
    assert all(float(run["efficiency"]) < 0.5 for run in runs)
    (row,) = [run for run in runs if run["seed"] == "42"]
    text = f"by up to {float(row['weight_difference']):.3f} with seed 42"
    assert text in prose(DISTRIBUTED.removesuffix(".py"))


def prose(lesson: str) -> str:
    """Read a lesson as one line, without the marks of its comments."""
    source = (ROOT / f"{lesson}.py").read_text(encoding="utf-8")
    return " ".join(source.replace("\n#", "\n").split())


def test_the_lessons_tell_the_figures_that_were_measured():
    told = {
        FIRST: f"test accuracy {spread(runs_of(FIRST), 'test_accuracy', 3)}",
        SECOND: f"test accuracy {spread(runs_of(SECOND), 'test_accuracy', 3)}",
        THIRD: f"{spread(runs_of(THIRD), 'test_mae', 2)} MPG",
        **{
            lesson: f"test accuracy {spread(runs_of(lesson), 'test_accuracy', 3)}"
            for lesson in (FOURTH, FIFTH, SIXTH, SEVENTH)
        },
    }
    for lesson, text in told.items():
        assert text in prose(lesson)
    assert f"it is {spread(runs_of(SECOND, 'ngrams-2'), 'test_accuracy', 3)}" in prose(SECOND)


def test_lesson_03_tells_the_spread_over_twenty_splits():
    rows = runs_of(THIRD, seeds=[str(seed) for seed in range(42, 62)])
    assert prose(THIRD).count(spread(rows, "test_mae", 2)) == 2
    assert f"20 seeds: {spread(rows, 'test_mae', 2)}" in README


def test_the_ten_models_of_lesson_04_are_told_as_measured():
    assert set(pd.read_csv(RESULTS / "04_models.csv").seed) == {42, 43, 44}
    for name, row in MODELS.iterrows():
        cells = [
            f"{int(row.parameters):,}",
            f"{row.best_epoch:.0f}",
            *(
                f"{row[column]:.3f}"
                for column in ("best_val_loss", "end_val_loss", "end_gap", "test_accuracy")
            ),
        ]
        assert f"| `{name}` | {' | '.join(cells)} |" in README


def test_lesson_04_says_what_its_numbers_say():
    end, best, epoch = MODELS.end_val_loss, MODELS.best_val_loss, MODELS.best_epoch
    assert epoch.smaller > epoch.baseline > epoch.bigger == 1
    assert end.bigger > end.baseline > end.smaller
    remedies = ["L2", "L1", "dropout", "batch_norm", "L2_dropout", "early_stopping", "a_fifth"]
    assert (end[remedies] < end.baseline).all()
    assert set(best.nsmallest(2).index) == {"dropout", "L2_dropout"}
    assert best.L2 >= best.baseline <= best.L1
    assert best.batch_norm > best.baseline < best.a_fifth
    assert best.early_stopping == best.baseline
    assert max(float(row["peak_memory_mb"]) for row in runs_of(FOURTH)) < 1500


def test_lesson_06_tells_the_timings_that_were_measured():
    timings = pd.read_csv(RESULTS / "06_timings.csv").groupby("numbers").median()
    for numbers in (10, 1_000_000):
        numpy, eager, function = timings.loc[numbers, ["numpy_ms", "eager_ms", "function_ms"]]
        text = f"NumPy {numpy:.2g} ms, eagerly {eager:.2g} ms, as `tf.function` {function:.2g} ms"
        assert text in prose(SIXTH), text


def test_lesson_07_tells_how_much_faster_a_compiled_step_is():
    rows = runs_of(SEVENTH)
    ratios = [float(row["eager_step_ms"]) / float(row["function_step_ms"]) for row in rows]
    text = f"{statistics.median(ratios):.0f} times as fast ({min(ratios):.0f} to {max(ratios):.0f})"
    assert text in prose(SEVENTH), text
    for row in rows:
        assert abs(float(row["test_accuracy"]) - float(row["test_accuracy_of_fit"])) < 0.005


def test_every_lesson_and_every_shared_flag_is_in_the_readme():
    for script in LESSONS + PROJECTS:
        assert f"`python {script}" in README
    parser = LessonParser("lesson", "", epochs=1, batch_size=1)
    flags = {flag for action in parser._actions for flag in action.option_strings} - {
        "-h",
        "--help",
    }
    assert flags <= set(re.findall(r"--[a-z-]+", README))


def test_the_two_commands_open_the_readme():
    first, second, *_ = re.findall(r"```shell\n(.*?)```", README, re.S)
    assert first.split("&&")[-1].strip() == f"python {LESSONS[0]}"
    assert "pip install -r requirements.txt" in first
    assert second.strip() == "python -m pytest"


def test_every_file_the_readme_links_to_exists():
    for folder in (ROOT, ROOT / "xor", ROOT / "churn", ROOT / "mnist"):
        text = (folder / "README.md").read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            if "://" not in target:
                assert (folder / target).exists(), target
