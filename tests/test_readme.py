"""The README: its commands exist, and each of its figures is one that a command produced.

`benchmarks/results/` holds what the runs wrote: `lessons.csv` is their `runs.csv`, `04_models.csv`
and `06_timings.csv` are the tables of lessons 04 and 06 with the seed in front.
"""

import csv
import re
import statistics

import pandas as pd
import pytest
from conftest import LESSONS, PROJECTS, ROOT

from common.cli import LessonParser

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
        row for row in MEASURED
        if (row["lesson"], row["variant"]) == (lesson, variant) and row["seed"] in seeds
    ]  # fmt: skip
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
        (FIRST, "hidden-300-100_optimizer-sgd",
         f"python {FIRST}.py --hidden 300 100 --optimizer sgd --epochs 30", "test_accuracy", 3),
        (SECOND, "", f"python {SECOND}.py", "test_accuracy", 3),
        (SECOND, "ngrams-2", f"python {SECOND}.py --ngrams 2", "test_accuracy", 3),
        (THIRD, "", f"python {THIRD}.py", "test_mae", 2),
        (THIRD, "hidden-none", f"python {THIRD}.py --hidden", "test_mae", 2),
        (FOURTH, "", f"python {FOURTH}.py", "test_accuracy", 3),
        (FIFTH, "", f"python {FIFTH}.py", "test_accuracy", 3),
        (SIXTH, "", f"python {SIXTH}.py", "test_accuracy", 3),
        (SEVENTH, "", f"python {SEVENTH}.py", "test_accuracy", 3),
    ],
)  # fmt: skip
def test_the_table_holds_what_was_measured(lesson, variant, command, metric, digits):
    (row,) = [
        line for line in README.splitlines() if line.startswith("|") and f"`{command}`" in line
    ]
    rows = runs_of(lesson, variant)
    assert f"{spread(rows, metric, digits)}<br>{seconds(rows)}" in row
    assert {run["device"] for run in rows} == {"CPU (2 cores)"}


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
        cells = [f"{int(row.parameters):,}", f"{row.best_epoch:.0f}", *(
            f"{row[column]:.3f}"
            for column in ("best_val_loss", "end_val_loss", "end_gap", "test_accuracy")
        )]  # fmt: skip
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
