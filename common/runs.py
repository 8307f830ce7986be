"""Table and learning curves of all runs.

python -m common.runs                                  all runs in outputs/
python -m common.runs 01_fashion_mnist_classification  the runs of one lesson
"""

import csv
import functools
import io
import json
import sys
from numbers import Integral
from pathlib import Path

from common.errors import fail, needs_to_write, on_interrupt
from common.files import atomic_write, read_text
from common.flags import ROOT, Parser, home_path

CHECKPOINT = "checkpoint*.npz"  # in the folder of a run that has begun to train
KINDS = {  # types of the values of a record
    **dict.fromkeys(["lesson", "variant", "device"], str),
    **dict.fromkeys(["flags", "metrics", "seconds", "versions"], dict),
    **dict.fromkeys(["data", "source"], str | None),
    **dict.fromkeys(["epochs", "parameters"], int | None),
    **{"finished": bool, "seed": int, "peak_memory_mb": int | float | None},
}
LEADING = ["lesson", "variant", "run", "data", "seed", "epochs", "parameters"]


class DamagedRecordError(Exception):
    """A `run.json` or `history.csv` is missing, damaged, or not that of a run."""


def read_record(folder: Path) -> dict:
    """Read the `run.json` in a run's folder.

    Raises:
        DamagedRecordError: if it is missing, truncated, or not the record of a run.
    """
    path = folder / "run.json"
    try:
        record = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedRecordError(f"{path}: cannot be read ({error}); remove that folder") from error
    for name, kind in KINDS.items():
        if not isinstance(record, dict) or not isinstance(record.get(name, kind), kind):
            raise DamagedRecordError(
                f"{path}: {name!r} is missing or has another type; remove that folder"
            )
    numbers = {name: record.get(name) for name in ("epochs", "parameters")}
    numbers |= record["metrics"] | record["seconds"]
    sets = record.get("data_sets", {})  # records of earlier versions have none
    pairs = list(sets.values()) if isinstance(sets, dict) else [None]
    if any(not isinstance(pair, list) or list(map(type, pair)) != [str, str] for pair in pairs):
        raise DamagedRecordError(f"{path}: 'data_sets' are not pairs of texts; remove that folder")
    for name, value in numbers.items():
        if not isinstance(value, int | float) and (record["finished"] or value is not None):
            raise DamagedRecordError(f"{path}: {name!r} is not a number; remove that folder")
    return record


def all_runs(out: Path) -> list[dict]:
    """Read the records of all runs in `out`, finished or not, by lesson and oldest first.

    The order is by start time in UTC, since the folders' names have local times, perhaps of several
    time zones. Records without `started`, from earlier versions, come first. Damaged records are
    skipped and reported on standard error.

    Returns:
        The records, each with its `folder` (a path) and `run` (the folder's name).
    """
    records = []
    for folder in sorted(path.parent for path in Path(out).glob("*/*/run.json")):
        try:
            records.append({**read_record(folder), "folder": folder, "run": folder.name})
        except DamagedRecordError as error:
            tell_left_out(str(error))
    return sorted(records, key=lambda one: (one["lesson"], str(one.get("started", ""))))


def finished_runs(out: Path, lesson: str | None = None) -> list[dict]:
    """Read the records of all finished runs, or of one lesson's; see `all_runs`."""
    records = [record for record in all_runs(out) if record["finished"]]
    return [record for record in records if lesson in (None, record["lesson"])]


def peak_memory_mb() -> float | None:
    """Return the peak memory usage of this process in MB; None on Windows."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)  # Linux counts KiB


def short(value: float) -> str:
    """Format a score with four decimals, or in scientific notation if it is huge.

    An integer, such as the number of an epoch, has no decimals.
    """
    if isinstance(value, Integral):
        return str(value)
    return f"{value:.4f}" if abs(value) < 10_000 else f"{value:.2e}"


def table_row(record: dict) -> dict:
    """Flatten a record into a table row: the run, its metrics, times, memory and device."""
    row = {name: record[name] for name in LEADING}
    row |= {name: round(value, 4) for name, value in record["metrics"].items()}
    for name, value in record["seconds"].items():
        row[f"{name}_seconds"] = round(value, 4 if name == "epoch" else 2)
    row |= {name: record[name] for name in ("peak_memory_mb", "device")}
    versions = " ".join(f"{name} {value}" for name, value in record["versions"].items())
    return row | {"versions": versions, "code": record.get("code")}


def write_table(out: Path) -> None:
    """Write `<out>/runs.csv` from the records, so that it always agrees with them.

    Another run may finish and write the table at the same time. Every process reads the records
    again after writing, so the last one to write has seen them all and no row is lost.
    """
    written = ""
    while written != repr(rows := [table_row(record) for record in finished_runs(out)]):
        write_rows(out, rows)
        written = repr(rows)  # as a string, because nan is not equal to itself


def write_rows(out: Path, rows: list[dict]) -> None:
    """Write `<out>/runs.csv`, with all columns that some row has."""
    names = dict.fromkeys(name for row in rows for name in row if name not in LEADING)
    names = sorted(names, key=lambda name: not name.startswith("test_"))  # test scores first
    columns = [*LEADING, *names]
    write_csv(Path(out) / "runs.csv", columns, ([row.get(n) for n in columns] for row in rows))


def write_csv(path: Path, columns, rows) -> None:
    """Write a CSV file atomically."""
    with atomic_write(path) as temporary:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def write_history(path: Path, history: dict, seconds: list[float]) -> None:
    """Write one row per epoch: its number, every metric and its duration in seconds."""
    columns = {"epoch": range(1, len(seconds) + 1), **history}
    columns["seconds"] = [f"{value:.4f}" for value in seconds]
    write_csv(path, columns, zip(*columns.values(), strict=True))


def read_history(folder: Path) -> dict[str, list[float]]:
    """Read the columns of a run's `history.csv`.

    Raises:
        DamagedRecordError: if it is missing or damaged.
    """
    path = folder / "history.csv"
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
        return {name: [float(row[name]) for row in rows] for name in rows[0]}
    except (OSError, ValueError, TypeError, IndexError, csv.Error) as error:
        raise DamagedRecordError(f"{path}: cannot be read ({error}); remove that folder") from error


def with_history(records: list[dict]) -> list[tuple[dict, dict]]:
    """Read the history of each run. Damaged ones are skipped and reported on standard error.

    Returns:
        Pairs of a record and its history.
    """
    pairs = []
    for record in records:
        try:
            pairs.append((record, read_history(record["folder"])))
        except DamagedRecordError as error:
            tell_left_out(str(error))
    return pairs


@functools.cache  # reports each run only once
def tell_left_out(why: str) -> None:
    """Report on standard error that a run is left out."""
    print(f"left out: {why}", file=sys.stderr)


def runs_of_all(out: Path, lesson: str | None = None) -> list[dict]:
    """Read the records of the finished runs in a folder, and in the folders of people inside it.

    A run that lies deeper, in `<out>/anna/<lesson>/<run>` or `<out>/anna/outputs/<lesson>/<run>`,
    has the name `anna/<run>`.
    """
    places = {
        path.parents[2] for depth in (2, 3, 4) for path in out.glob("*/" * depth + "run.json")
    }
    records = []
    for place in sorted(places):
        whose = "".join(f"{name}/" for name in place.relative_to(out).parts[:1])
        runs = finished_runs(place, lesson)
        records += [record | {"run": f"{whose}{record['run']}"} for record in runs]
    return records


def print_table(records: list[dict]) -> None:
    """Print a table with one line per run."""
    lines = [["lesson", "run", "data", "seed", "epochs", "parameters", "fit s", "test scores"]]
    for record in records:
        scores = {name.removeprefix("test_"): score for name, score in record["metrics"].items()}
        scores = ", ".join(f"{name} {short(score)}" for name, score in scores.items())
        limit = record["flags"].get("limit")
        data = record["data"] + (f", --limit {limit}" if limit else "")
        cells = [record["lesson"], record["run"], data, record["seed"], record["epochs"]]
        cells += [f"{record['parameters']:,}", f"{record['seconds']['fit']:.1f}", scores]
        lines.append(list(map(str, cells)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


def main() -> None:
    """Print the table of runs and plot their learning curves in one figure."""
    about = "Print a table of all finished runs and plot their learning curves."
    parser = Parser(prog="python -m common.runs", description=about)
    parser.add_argument("lesson", nargs="?", help="show only the runs of this lesson")
    where = "folder with the results of runs (default outputs/)"
    parser.add_argument(
        "--out", type=home_path, default=ROOT / "outputs", metavar="DIR", help=where
    )
    flags = parser.parse_args()
    on_interrupt(lambda: "nothing is lost; run the same command again")
    records = runs_of_all(flags.out, flags.lesson)
    if not records:
        of_lesson = f" of {flags.lesson}" if flags.lesson else ""
        fail(f"{flags.out}: no finished run{of_lesson}; run a lesson first")
    pairs = with_history(records)
    records = [record for record, _ in pairs]
    print_table(records)

    from common import plots  # only now: Matplotlib takes a second to load

    path = flags.out / "runs.png"
    with needs_to_write(flags.out):
        with atomic_write(path) as temporary:
            plots.save(plots.compare_runs(pairs), temporary)
        write_rows(flags.out, [table_row(record) for record in records])
    print(f"\ncurves: {path}\ntable:  {flags.out / 'runs.csv'}")


if __name__ == "__main__":
    main()
