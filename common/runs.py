"""All the runs: their table and their curves.

python -m common.runs                                  every run below outputs/
python -m common.runs 01_fashion_mnist_classification  one lesson's
"""

import csv
import functools
import io
import json
import sys
from numbers import Integral
from pathlib import Path

from common.errors import fail, on_interrupt
from common.files import atomic_write, read_text
from common.flags import ROOT, Parser, home_path

CHECKPOINT = "checkpoint*.npz"  # in the folder of a run that has begun to train
KINDS = {  # of the values of a record
    **dict.fromkeys(["lesson", "variant", "device"], str),
    **dict.fromkeys(["flags", "metrics", "seconds", "versions"], dict),
    **dict.fromkeys(["data", "source"], str | None),
    **dict.fromkeys(["epochs", "parameters"], int | None),
    **{"finished": bool, "seed": int, "peak_memory_mb": int | float | None},
}
LEADING = ["lesson", "variant", "run", "data", "seed", "epochs", "parameters"]


class DamagedRecordError(Exception):
    """A `run.json` is no record of a run."""


def read_record(folder: Path) -> dict:
    """Read the `run.json` of a run's folder.

    Raises:
        DamagedRecordError: if it is missing, cut short, or holds something else.
    """
    path = folder / "run.json"
    try:
        record = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedRecordError(f"{path}: cannot be read ({error}); remove that folder") from error
    for name, kind in KINDS.items():
        if not isinstance(record, dict) or not isinstance(record.get(name, kind), kind):
            raise DamagedRecordError(f"{path}: holds no {name!r} of a run; remove that folder")
    numbers = {name: record.get(name) for name in ("epochs", "parameters")}
    numbers |= record["metrics"] | record["seconds"]
    for name, value in numbers.items():
        if not isinstance(value, int | float) and (record["finished"] or value is not None):
            raise DamagedRecordError(f"{path}: {name!r} is no number; remove that folder")
    return record


def all_runs(out: Path) -> list[dict]:
    """Read the records of all runs below `out`, oldest first, unfinished ones too.

    The runs of a lesson stand together, ordered by when they started in UTC: the folders' names
    have local times, perhaps of several time zones. Records written before there was `started` are
    the oldest. A damaged record is left out, and one line on standard error says so.

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
    """Read the records of the finished runs, of all lessons or of one; see `all_runs`."""
    records = [record for record in all_runs(out) if record["finished"]]
    return [record for record in records if lesson in (None, record["lesson"])]


def peak_memory_mb() -> float | None:
    """Return the largest memory that this process has used so far, in MB; None on Windows."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def short(value: float) -> str:
    """Spell a score with four decimals; a huge one, of a run that went wrong, in short.

    A whole number, such as that of an epoch, has no decimals.
    """
    if isinstance(value, Integral):
        return str(value)
    return f"{value:.4f}" if abs(value) < 10_000 else f"{value:.2e}"


def table_row(record: dict) -> dict:
    """Flatten a record into one row: what was run, its metrics, its seconds, memory, device."""
    row = {name: record[name] for name in LEADING}
    row |= {name: round(value, 4) for name, value in record["metrics"].items()}
    for name, value in record["seconds"].items():
        row[f"{name}_seconds"] = round(value, 4 if name == "epoch" else 2)
    row |= {name: record[name] for name in ("peak_memory_mb", "device")}
    versions = " ".join(f"{name} {value}" for name, value in record["versions"].items())
    return row | {"versions": versions}


def write_table(out: Path) -> None:
    """Write `<out>/runs.csv` from the records, so that it always agrees with them.

    Another run may finish meanwhile and write the table too. Whoever writes last has looked at the
    records afterwards, so no row is lost.
    """
    written = ""
    while written != repr(rows := [table_row(record) for record in finished_runs(out)]):
        names = dict.fromkeys(name for row in rows for name in row if name not in LEADING)
        names = sorted(names, key=lambda name: not name.startswith("test_"))  # those first
        columns = [*LEADING, *names]
        write_csv(Path(out) / "runs.csv", columns, ([row.get(n) for n in columns] for row in rows))
        written = repr(rows)  # as a text: nan is not equal to itself


def write_csv(path: Path, columns, rows) -> None:
    """Write a table whole."""
    with atomic_write(path) as temporary:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def write_history(path: Path, history: dict, seconds: list[float]) -> None:
    """Write one row per epoch: its number, every metric, and its seconds."""
    columns = {"epoch": range(1, len(seconds) + 1), **history}
    columns["seconds"] = [f"{value:.4f}" for value in seconds]
    write_csv(path, columns, zip(*columns.values(), strict=True))


def read_history(folder: Path) -> dict[str, list[float]]:
    """Read a run's `history.csv` as columns of numbers.

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
    """Read the history of each run. A damaged one is left out, and one line says so.

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


@functools.cache  # says it once
def tell_left_out(why: str) -> None:
    """Say on standard error that a run is left out."""
    print(f"left out: {why}", file=sys.stderr)


def print_table(records: list[dict]) -> None:
    """Print the runs as aligned columns, one line per run."""
    lines = [["lesson", "run", "data", "seed", "epochs", "parameters", "fit s", "test scores"]]
    for record in records:
        scores = {name.removeprefix("test_"): score for name, score in record["metrics"].items()}
        scores = ", ".join(f"{name} {short(score)}" for name, score in scores.items())
        cells = [record[name] for name in ("lesson", "run", "data", "seed", "epochs")]
        cells += [f"{record['parameters']:,}", f"{record['seconds']['fit']:.1f}", scores]
        lines.append(list(map(str, cells)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


def main() -> None:
    """Print the table of runs and draw their curves on one figure."""
    about = "Table and curves of all finished runs."
    parser = Parser(prog="python -m common.runs", description=about)
    parser.add_argument("lesson", nargs="?", help="only this lesson's runs")
    where = "where runs are kept (default outputs/)"
    parser.add_argument(
        "--out", type=home_path, default=ROOT / "outputs", metavar="DIR", help=where
    )
    flags = parser.parse_args()
    on_interrupt(lambda: "nothing is lost: give the same command again")
    pairs = with_history(finished_runs(flags.out, flags.lesson))
    records = [record for record, _ in pairs]
    if not records:
        of_lesson = f" of {flags.lesson}" if flags.lesson else ""
        fail(f"{flags.out}: no finished run{of_lesson}; run a lesson first")
    print_table(records)

    from common import plots  # only now: matplotlib takes a second to load

    path = flags.out / "runs.png"
    with atomic_write(path) as temporary:
        plots.save(plots.compare_runs(pairs), temporary)
    write_table(flags.out)
    print(f"\ncurves: {path}\ntable:  {flags.out / 'runs.csv'}")


if __name__ == "__main__":
    main()
