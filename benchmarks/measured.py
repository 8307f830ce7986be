"""Read what was measured, and spell it: medians, ranges, tables in Markdown.

Imports nothing but the standard library, so that the pages can be written without Keras.
"""

import csv
import statistics
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
SEEDS = ("42", "43", "44")
MANY_SEEDS = tuple(str(seed) for seed in range(42, 62))  # lesson 03 was run with these


def read_table(path: Path) -> list[dict]:
    """Read a table; an empty list if there is none."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def results(name: str) -> list[dict]:
    """Read a table of results/ by its name, such as `lessons` or `with_amx/same_work`."""
    return read_table(RESULTS / f"{name}.csv")


def where(rows: list[dict], **values: str) -> list[dict]:
    """Choose the rows that have these values in these columns."""
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def groups(rows: list[dict], name: str) -> dict[str, list[dict]]:
    """Group rows by a column, in the order in which its values first appear."""
    found = {}
    for row in rows:
        found.setdefault(row[name], []).append(row)
    return found


def column(rows: list[dict], name: str) -> list[float]:
    """Collect the numbers of a column."""
    return [float(row[name]) for row in rows]


def median(rows: list[dict], name: str) -> float:
    """Compute the median of a column."""
    return statistics.median(column(rows, name))


def runs_of(lesson: str, variant: str = "", seeds: tuple = SEEDS) -> list[dict]:
    """Choose the runs of a lesson on real data, one for each seed.

    Args:
        lesson: its number or its whole name.
        variant: as lessons.csv spells it.
        seeds: as lessons.csv spells them.
    """
    rows = where(results("lessons"), variant=variant, data="real")
    return [row for row in rows if row["lesson"].startswith(lesson) and row["seed"] in seeds]


def spread(values: list[float], digits: int) -> str:
    """Spell a median with the smallest and the largest value; a single value alone."""
    middle, low, high = (f"{of(values):.{digits}f}" for of in (statistics.median, min, max))
    return f"{middle} ({low} to {high})" if len(values) > 1 else middle


def seconds(value: float | str) -> str:
    """Spell seconds with one decimal below 10, without above."""
    return f"{float(value):.1f}" if float(value) < 10 else f"{float(value):.0f}"


def percent(share: float, digits: int = 0) -> str:
    """Spell a fraction as a percentage."""
    return f"{100 * share:.{digits}f}%"


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """Lay out a table in Markdown, one line per row."""
    return [f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *rows]]
