"""Read and format measured results: medians, ranges, Markdown tables."""

from collections.abc import Iterable
from functools import cache

import pandas as pd

from benchmarks.blocks import ROOT

RESULTS = ROOT / "benchmarks" / "results"


@cache
def results(name: str) -> pd.DataFrame:
    """Read a table in results/, such as `lessons`; empty cells in text columns become ""."""
    table = pd.read_csv(RESULTS / f"{name}.csv", keep_default_na=False, na_values=[""])
    # the copy puts the columns together in memory again: pandas warns of many single ones
    return table.fillna({name: "" for name in table.select_dtypes(exclude="number")}).copy()


def runs_of(lesson: str, variant: str = "") -> pd.DataFrame:
    """Return the runs of the lesson whose name starts with `lesson`, with this variant."""
    runs = results("lessons")
    found = runs[runs.lesson.str.startswith(lesson) & (runs.variant == variant)]
    if found.empty and not variant:
        raise SystemExit(f"no runs of {lesson} in lessons.csv; run benchmarks/reproduce.py --keep")
    return found


class Values:
    """Values of several runs, for use in a format string.

    - `{loss:.3f}`: the median, in any number format
    - `{loss:3~}`: the median and the range, with three decimals
    - `{time:s}`: the median in seconds, with one decimal below 10
    - `{failed:sum}`: the sum
    - `{seed:all}`: all values
    - `{model}`: the first value, unchanged
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
    """Insert the columns of some runs into a template (see `Values`); `{count}` counts runs."""
    return template.format(**{name: Values(runs[name]) for name in runs}, count=len(runs))


def layout(header: str, rows: Iterable[str]) -> list[str]:
    """Return the lines of a Markdown table, with the delimiter row after the header."""
    return [header, "| --- " * (header.count(" | ") + 1) + "|", *rows]


def table(runs: pd.DataFrame, by: str | list[str] | None, header: str, row: str) -> list[str]:
    """Format runs as a Markdown table.

    Args:
        runs: the runs.
        by: the columns to group by, one row per group; if None, one row per run.
        header: the header row.
        row: the template of the other rows, see `fill`.
    """
    groups = runs.groupby(by or runs.index, sort=False)
    return layout(header, [fill(row, some) for _, some in groups])
