"""The result tables as README.md shows them: python benchmarks/tables.py"""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # there benchmarks/ and common/ are

from benchmarks.measure import RESULTS, read_table


def lines(header: list[str], rows: list[list[str]]) -> list[str]:
    """Lay out a table in Markdown, one line a row."""
    return [f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *rows]]


def seconds(text: str) -> str:
    """Spell seconds with one decimal below 10, without above."""
    return f"{float(text):.1f}" if float(text) < 10 else f"{float(text):.0f}"


def spread(values: list[float], digits: int) -> str:
    """Spell a median with the smallest and the largest value; a single value alone."""
    median, low, high = (f"{of(values):.{digits}f}" for of in (statistics.median, min, max))
    return f"{median} ({low} to {high})" if len(values) > 1 else median


def same_work() -> list[str]:
    """Lay out the ratios of same_work.py."""
    header = [
        "task",
        "turns",
        "training, plain [s]",
        "here [s]",
        "ratio",
        "at most",
        "process ratio",
        "memory ratio",
        "figure, plain",
        "here",
    ]
    return lines(
        header,
        [
            [
                f"`{row['task']}`",
                row["turns"],
                seconds(row["plain_fit_seconds"]),
                seconds(row["project_fit_seconds"]),
                f"**{float(row['fit_ratio']):.2f}**",
                row["fit_bar"],
                f"{float(row['process_ratio']):.2f}",
                f"{float(row['peak_memory_ratio']):.2f}",
                row["plain_figure"],
                row["project_figure"],
            ]
            for row in read_table(RESULTS / "same_work_ratios.csv")
        ],
    )


def time_to_accuracy() -> list[str]:
    """Lay out the runs of time_to_accuracy.py."""
    header = [
        "what",
        "seeds",
        "epochs",
        "seconds of `fit`",
        "test accuracy",
        "seconds until 99.34 %",
    ]
    runs = read_table(RESULTS / "time_to_accuracy.csv")
    table = []
    for part in dict.fromkeys(row["part"] for row in runs):
        rows = [row for row in runs if row["part"] == part]
        reached = [float(row["seconds_to_target"]) for row in rows if row["seconds_to_target"]]
        table.append([
            f"`{part}`",
            " ".join(row["seed"] for row in rows),
            rows[0]["epochs"],
            spread([float(row["fit_seconds"]) for row in rows], 0),
            spread([float(row["test_accuracy"]) for row in rows], 4),
            f"{len(reached)} of {len(rows)}: {spread(reached, 0)}" if reached else "",
        ])
    return lines(header, table)


def two_processors() -> list[str]:
    """Lay out the ratios of the usual computer beside those of one with amx."""
    columns = []
    for folder in (RESULTS, RESULTS / "with_amx"):
        ratios = {}
        for row in read_table(folder / "same_work_ratios.csv"):
            ratios[f"`{row['task']}`, training", row["fit_bar"]] = float(row["fit_ratio"])
            if row["memory_bar"]:
                memory = float(row["peak_memory_ratio"])
                ratios[f"`{row['task']}`, memory", row["memory_bar"]] = memory
        runs = read_table(folder / "time_to_accuracy.csv")
        fast, published = (
            statistics.median(float(row["fit_seconds"]) for row in runs if row["part"] == part)
            for part in ("fast", "published")
        )
        ratios["`fast`, of `published`", "0.1"] = fast / published
        columns.append(ratios)
    return lines(
        ["ratio", "at most", "without amx", "with"],
        [
            [what, bar, *(f"{ratios[what, bar]:.3f}" for ratios in columns)]
            for what, bar in columns[0]
        ],
    )


def clothing_step() -> list[str]:
    """Lay out clothing_step.py."""
    return lines(
        ["network", "a step, least of five turns [ms]", "median", "most"],
        [
            [
                row["network"],
                *(f"{float(row[name]):.0f}" for name in ("least_ms", "median_ms", "most_ms")),
            ]
            for row in read_table(RESULTS / "clothing_step.csv")
        ],
    )


def reproduced() -> list[str]:
    """Lay out the figures of reproduce.py."""
    header = [
        "figure",
        "command",
        "measure",
        "published",
        "source",
        "measured",
        "runs",
        "seconds of `fit`",
        "our bar",
        "within",
    ]
    return lines(
        header,
        [
            [
                row["figure"],
                f"`python {row['command']}`",
                row["metric"],
                row["published"],
                row["source"],
                f"{row['median']} ({row['smallest']} to {row['largest']})",
                str(len(row["seeds"].split())),
                seconds(row["fit_seconds"]),
                row["bar"],
                row["met"],
            ]
            for row in read_table(RESULTS / "reproduce.csv")
        ],
    )


def peers() -> list[str]:
    """Lay out the medians of peers.py."""
    rows = read_table(RESULTS / "peers.csv")
    models = dict.fromkeys((row["task"], row["model"], row["metric"]) for row in rows)
    return lines(
        ["task", "model", "measure", "median (smallest to largest)"],
        [
            [
                task,
                model,
                metric,
                spread([float(row["value"]) for row in rows if row["model"] == model], 4),
            ]
            for task, model, metric in models
        ],
    )


def mnist_tries() -> list[str]:
    """Lay out the runs of mnist_tries.py."""
    runs = read_table(RESULTS / "mnist_tries.csv")
    table = []
    for name in dict.fromkeys(row["try"] for row in runs):
        rows = [row for row in runs if row["try"] == name]
        table.append([
            name,
            *(
                spread([float(row[column]) for row in rows], 4)
                for column in ("val_accuracy", "test_accuracy")
            ),
        ])
    return lines(["`conv_net_fast` with", "validation accuracy", "test accuracy"], table)


def kills() -> list[str]:
    """Count the rows of tests/faults/kill.py."""
    runs = read_table(RESULTS / "kills.csv")
    table = []
    for lesson in dict.fromkeys(row["lesson"] for row in runs):
        rows = [row for row in runs if row["lesson"] == lesson]
        went_on = [int(row["went on with epoch"]) for row in rows if row["went on with epoch"]]
        training = sum(epoch < max(went_on) for epoch in went_on)  # else all epochs were done
        writing = sum(row["in a write"] == "True" for row in rows)
        equal = sum(row["equal"] == "True" for row in rows)
        table.append([f"`{lesson}`", *map(str, (len(rows), training, writing, equal))])
    return lines(
        ["lesson", "kills", "before the last epoch", "while it wrote a file", "equal at the end"],
        table,
    )


def resume_cost() -> list[str]:
    """Lay out the medians of resume_cost.py."""
    header = ["task", "turns", "training with checkpoints [s]", "without [s]", "ratio"]
    runs, table = read_table(RESULTS / "resume_cost.csv"), []
    for task in dict.fromkeys(row["task"] for row in runs):
        sides = {
            side: [
                float(row["fit_seconds"])
                for row in runs
                if (row["task"], row["checkpoints"]) == (task, side)
            ]
            for side in ("with", "without")
        }
        spent, alone = (statistics.median(sides[side]) for side in ("with", "without"))
        table.append([
            f"`{task}`",
            str(len(sides["with"])),
            spread(sides["with"], 2),
            spread(sides["without"], 2),
            f"{spent / alone:.3f}",
        ])
    return lines(header, table)


def requests() -> list[str]:
    """Count the rows of tests/faults/ask.py."""
    table = {}
    for row in read_table(RESULTS / "requests.csv"):
        cells = table.setdefault(row["request"], {"2": 0, "4": 0, "5": 0})
        cells[row["status"][0]] += int(row["answers"])
    return lines(
        ["request", "answered", "refused, 400 to 499", "failed, 500 or more"],
        [[f"`{what}`", *map(str, cells.values())] for what, cells in table.items()],
    )


def serving_load() -> list[str]:
    """Lay out the turns of serving_load.py."""
    names = {"plain": "a call of `predict` a request", "serving": "`serving/`"}
    header = [
        "server",
        "turns",
        "requests a second",
        "half are answered within [ms]",
        "99 % within [ms]",
        "failed",
    ]
    runs, table = read_table(RESULTS / "serving_load.csv"), []
    for server, label in names.items():
        rows = [row for row in runs if row["part"] == "load" and row["server"] == server]

        def column(name, digits=0, rows=rows):
            return spread([float(row[name]) for row in rows], digits)

        table.append([
            label,
            str(len(rows)),
            column("requests_per_second"),
            column("p50_ms"),
            column("p99_ms"),
            str(sum(int(row["failed"]) for row in rows)),
        ])
    return lines(header, table)


def backends() -> list[str]:
    """Lay out the runs of backends.py."""
    runs, table = read_table(RESULTS / "backends.csv"), []
    for lesson in dict.fromkeys(row["lesson"] for row in runs):
        for backend in ("tensorflow", "jax", "torch"):
            rows = [row for row in runs if (row["lesson"], row["backend"]) == (lesson, backend)]
            columns = {
                name: [float(row[name]) for row in rows]
                for name in ("figure", "fit_seconds", "process_seconds", "peak_memory_mb")
            }
            middle = {name: statistics.median(values) for name, values in columns.items()}
            table.append([
                f"`{rows[0]['command']}`",
                backend,
                rows[0]["metric"],
                spread(columns["figure"], 3),
                seconds(middle["fit_seconds"]),
                seconds(middle["process_seconds"]),
                f"{middle['peak_memory_mb']:.0f}",
            ])
    return lines(
        [
            "lesson",
            "back-end",
            "measure",
            "median (smallest to largest)",
            "seconds of `fit`",
            "of the process",
            "memory [MB]",
        ],
        table,
    )


def accuracies(part: str) -> dict[str, dict[str, list[float]]]:
    """Collect those of a part of choices.py, by choice and setting; the best choice comes first."""
    found = {}
    for row in read_table(RESULTS / "choices.csv"):
        if row["part"] == part:
            cell = found.setdefault(row["choice"], {}).setdefault(row["setting"], [])
            cell.append(float(row["val_accuracy"]))

    def best(choice):
        return max(statistics.median(values) for values in found[choice].values())

    return {choice: found[choice] for choice in sorted(found, key=best, reverse=True)}


def activations() -> list[str]:
    """Lay out the activations of choices.py."""
    rows = [
        [f"`{name}`", spread(cells[""], 3)] for name, cells in accuracies("activations").items()
    ]
    return lines(["activation of the hidden layers", "validation accuracy"], rows)


def by_setting(part: str, header: list[str]) -> list[str]:
    """Lay out a part of choices.py with a column for each setting; the best of a row is bold."""
    table = []
    for name, cells in accuracies(part).items():
        values = {setting: statistics.median(found) for setting, found in cells.items()}
        bold = {value: "**" if value == max(values.values()) else "" for value in values.values()}
        table.append([
            f"`{name}`",
            *(f"{bold[value]}{value:.3f}{bold[value]}" for value in values.values()),
        ])
    return lines(header, table)


def initializers() -> list[str]:
    """Lay out the initializers of choices.py."""
    return by_setting("initializers", ["initializer", "with `relu`", "with `tanh`"])


def optimizers() -> list[str]:
    """Lay out the optimizers of choices.py."""
    return by_setting("optimizers", ["optimizer", "0.0001", "0.001", "0.01", "0.1", "1"])


TABLES = [
    same_work,
    time_to_accuracy,
    two_processors,
    clothing_step,
    reproduced,
    peers,
    resume_cost,
    kills,
    mnist_tries,
    serving_load,
    requests,
    backends,
]
CHOICES = [activations, initializers, optimizers]  # each on the page of notes/ of its name

if __name__ == "__main__":
    print("\n\n".join("\n".join(table()) for table in TABLES + CHOICES))
