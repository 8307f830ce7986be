"""Read what was measured, and spell it: medians, ranges, tables in Markdown."""

from collections.abc import Iterable
from functools import cache

import pandas as pd

from benchmarks.blocks import ROOT

RESULTS = ROOT / "benchmarks" / "results"


@cache
def results(name: str) -> pd.DataFrame:
    """Read a table of results/, such as `lessons`; in columns of text an empty cell is ""."""
    table = pd.read_csv(RESULTS / f"{name}.csv", keep_default_na=False, na_values=[""])
    return table.fillna({name: "" for name in table.select_dtypes(exclude="number")})


def runs_of(lesson: str, variant: str = "") -> pd.DataFrame:
    """Choose the runs of a lesson by how its name begins, and by its flags."""
    runs = results("lessons")
    return runs[runs.lesson.str.startswith(lesson) & (runs.variant == variant)]


class Values:
    """Values of several runs, to be put into a text.

    - `{loss:.3f}`: their median, or with any other format of numbers
    - `{loss:3~}`: the median with the smallest and the largest, with three digits
    - `{time:s}`: the median of seconds, with one digit below 10
    - `{failed:sum}`: their sum
    - `{seed:all}`: all of them
    - `{model}`: the first, as it is
    """

    def __init__(self, values):
        self.values = pd.Series(values)

    def __format__(self, form: str) -> str:
        if not form:
            return str(self.values.iloc[0])
        if form == "sum":
            return f"{self.values.sum()}"
        if form == "all":
            return " ".join(map(str, self.values))
        middle = self.values.median()
        if form == "s":
            return f"{middle:.{int(middle < 10)}f}"
        if not form.endswith("~"):
            return format(middle, form)
        ends = [middle, self.values.min(), self.values.max()]
        middle, low, high = (f"{value:.{form[:-1]}f}" for value in ends)
        return f"{middle} ({low} to {high})" if self.values.count() > 1 else middle


def fill(template: str, runs: pd.DataFrame) -> str:
    """Put the columns of some runs into a text, see `Values`; `{count}` is how many runs."""
    return template.format(**{name: Values(runs[name]) for name in runs}, count=len(runs))


def layout(header: str, rows: Iterable[str]) -> list[str]:
    """Put the line that Markdown wants between the header of a table and its rows."""
    return [header, "| --- " * (header.count(" | ") + 1) + "|", *rows]


def table(runs: pd.DataFrame, by: str | list[str] | None, header: str, row: str) -> list[str]:
    """Lay out runs in Markdown.

    Args:
        runs: the runs.
        by: the columns that have the same value in all runs of a row; a row per run if None.
        header: the first line of the table.
        row: the template of the others, see `fill`.
    """
    groups = runs.groupby(by or runs.index, sort=False)
    return layout(header, [fill(row, some) for _, some in groups])
