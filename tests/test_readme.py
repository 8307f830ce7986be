"""The README: its commands exist, and each of its figures is one that a command produced.

`benchmarks/results/lessons.csv` holds the runs: the `runs.csv` that the lessons wrote.
"""

import csv
import re
import statistics

import pytest
from conftest import LESSONS, ROOT

from common.cli import LessonParser

README = (ROOT / "README.md").read_text(encoding="utf-8")
with (ROOT / "benchmarks" / "results" / "lessons.csv").open(encoding="utf-8") as file:
    MEASURED = list(csv.DictReader(file))
FIRST, SECOND, THIRD = (lesson.removesuffix(".py") for lesson in LESSONS[:3])


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
        (THIRD, "", f"python {THIRD}.py", "test_mae", 2),
        (THIRD, "hidden-none", f"python {THIRD}.py --hidden", "test_mae", 2),
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
    }
    for lesson, text in told.items():
        assert text in prose(lesson)


def test_lesson_03_tells_the_spread_over_twenty_splits():
    rows = runs_of(THIRD, seeds=[str(seed) for seed in range(42, 62)])
    assert prose(THIRD).count(spread(rows, "test_mae", 2)) == 2
    assert f"20 seeds: {spread(rows, 'test_mae', 2)}" in README


def test_every_lesson_and_every_shared_flag_is_in_the_readme():
    for script in LESSONS:
        assert f"`python {script}`" in README
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
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
