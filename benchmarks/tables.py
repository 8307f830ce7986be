"""The numbers on the pages and in the lessons, written from results/.

    python benchmarks/tables.py            print all blocks
    python benchmarks/tables.py --write    write them into the pages and the lessons

A page shows a block between `<!-- results: NAME -->` and `<!-- end -->`, see blocks.py. The tables
are made here, sentences and lists in sentences.py.
"""

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # there benchmarks/ is

from benchmarks import sentences
from benchmarks.blocks import BlockError, name_of, pages, regenerate
from benchmarks.measured import (
    MANY_SEEDS,
    ROOT,
    column,
    groups,
    median,
    percent,
    results,
    runs_of,
    seconds,
    spread,
    table,
    where,
)

# The lessons


def published() -> list[str]:
    """Lay out the results of reproduce.py, and those of lessons without a published one."""
    rows = [
        (
            row["figure"],
            row["command"],
            row["metric"],
            ", ".join(
                filter(None, (row["published"], row["published"] != "none" and row["source"]))
            ),
            [float(row[name]) for name in ("smallest", "median", "largest")],
            len(row["seeds"].split()),
            f"{seconds(row['fit_seconds'])} of {seconds(row['total_seconds'])}",
            row["bar"],
            row["met"],
        )
        for row in results("reproduce")
    ]
    others = [  # what, lesson, measure
        ("03 network, 20 splits", "03_autompg_regression", "test_mae"),
        ("04 best of ten networks", "04_regularization_dropout", "test_accuracy"),
        ("05 network for digits", "05_save_restore", "test_accuracy"),
        ("06 without layers", "06_eager_tensors", "test_accuracy"),
        ("07 own training loop", "07_autodiff", "test_accuracy"),
        ("11 the same, from scratch", "11_transfer_learning", "test_accuracy_from_nothing_10"),
    ]
    for what, lesson, metric in others:
        runs = runs_of(lesson, seeds=MANY_SEEDS)
        values = column(runs, metric)
        times = [seconds(median(runs, name)) for name in ("fit_seconds", "total_seconds")]
        rows.append((
            what,
            f"{lesson}.py",
            metric,
            "none",
            [min(values), statistics.median(values), max(values)],
            len(runs),
            " of ".join(times),
            "",
            "",
        ))

    def number(row):
        """Sort by the number of the lesson; projects come last, in their order."""
        return row[0][:2] if row[0][:2].isdigit() else "projects"

    def digits(metric):
        return {"test_mae": 2, "solved": 0}.get(metric, 4)

    return table(
        [
            "what",
            "command",
            "measure",
            "published",
            "measured",
            "runs",
            "seconds of training, of the whole run",
            "our bar",
            "met",
        ],
        [
            [
                what,
                f"`python {command}`",
                f"`{metric}`",
                source,
                spread(values, digits(metric)) if runs > 1 else f"{values[1]:.{digits(metric)}f}",
                str(runs),
                *rest,
            ]
            for what, command, metric, source, values, runs, *rest in sorted(rows, key=number)
        ],
    )


def peers() -> list[str]:
    """Lay out the medians of peers.py."""
    return table(
        ["task", "model", "measure", "median (smallest to largest)"],
        [
            [rows[0]["task"], model, f"`{rows[0]['metric']}`", spread(column(rows, "value"), 4)]
            for model, rows in groups(results("peers"), "model").items()
        ],
    )


def lesson_04_models() -> list[str]:
    """Lay out the ten models of lesson 04."""
    losses = ("best_val_loss", "end_val_loss", "end_gap", "test_accuracy")
    return table(
        [
            "model",
            "parameters",
            "best epoch",
            "validation loss, best epoch",
            "validation loss, last epoch",
            "gap, last epoch",
            "test accuracy",
        ],
        [
            [
                f"`{model}`",
                f"{int(rows[0]['parameters']):,}",
                f"{median(rows, 'best_epoch'):.0f}",
                *(f"{median(rows, name):.3f}" for name in losses),
            ]
            for model, rows in groups(results("04_models"), "model").items()
        ],
    )


def lesson_11_transfer() -> list[str]:
    """Lay out what lesson 11 reaches with few images, seed 42."""
    (run,) = runs_of("11", seeds=("42",))
    sizes = ("10", "100", "1000")
    ways = {"from scratch": "from_nothing", "frozen": "frozen", "fine-tuned": "fine_tuned"}
    return table(
        ["training images of each digit", *(f"{int(size):,}" for size in sizes)],
        [
            [label, *(f"{float(run[f'test_accuracy_{way}_{size}']):.3f}" for size in sizes)]
            for label, way in ways.items()
        ],
    )


# Speed


def same_work() -> list[str]:
    """Lay out the ratios of same_work.py."""
    return table(
        [
            "task",
            "turns",
            "training, plain script [s]",
            "lesson [s]",
            "ratio",
            "our bar",
            "ratio of the process",
            "ratio of memory",
            "result, plain script",
            "lesson",
        ],
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
            for row in results("same_work_ratios")
        ],
    )


def two_processors() -> list[str]:
    """Lay out the ratios of the computer without amx beside those of the one with it."""
    columns = []
    for folder in ("", "with_amx/"):
        ratios = {}
        for row in results(f"{folder}same_work_ratios"):
            ratios[f"`{row['task']}`, training", row["fit_bar"]] = float(row["fit_ratio"])
            if row["memory_bar"]:
                memory = float(row["peak_memory_ratio"])
                ratios[f"`{row['task']}`, memory", row["memory_bar"]] = memory
        runs = groups(results(f"{folder}time_to_accuracy"), "part")
        fast, whole = (median(runs[part], "fit_seconds") for part in ("fast", "published"))
        ratios["training of `fast`, compared with `published`", "0.1"] = fast / whole
        columns.append(ratios)
    return table(
        ["ratio", "our bar", "without amx", "with amx"],
        [
            [what, bar, *(f"{ratios[what, bar]:.3f}" for ratios in columns)]
            for what, bar in columns[0]
        ],
    )


def time_to_accuracy(folder: str = "") -> list[str]:
    """Lay out the runs of time_to_accuracy.py."""
    rows = []
    for part, runs in groups(results(f"{folder}time_to_accuracy"), "part").items():
        reached = column([run for run in runs if run["seconds_to_target"]], "seconds_to_target")
        rows.append([
            f"`{part}`",
            " ".join(run["seed"] for run in runs),
            runs[0]["epochs"],
            spread(column(runs, "fit_seconds"), 0),
            spread(column(runs, "test_accuracy"), 4),
            f"{len(reached)} of {len(runs)}: {spread(reached, 0)}" if reached else "",
        ])
    header = ["training", "seeds", "epochs", "seconds of `fit`", "test accuracy"]
    return table([*header, "seconds until 99.34%"], rows)


def time_to_accuracy_amx() -> list[str]:
    """Lay out the runs of time_to_accuracy.py on the computer with amx."""
    return time_to_accuracy("with_amx/")


def clothing_step() -> list[str]:
    """Lay out clothing_step.py."""
    times = ("least_ms", "median_ms", "most_ms")
    return table(
        ["network", "fastest of five turns [ms]", "median", "slowest"],
        [
            [row["network"], *(f"{float(row[name]):.0f}" for name in times)]
            for row in results("clothing_step")
        ],
    )


def checkpoint_costs() -> dict[str, tuple[list[float], list[float], float]]:
    """Collect resume_cost.py: task -> seconds with checkpoints, without, ratio of the medians."""
    costs = {}
    for task, runs in groups(results("resume_cost"), "task").items():
        spent, alone = (
            column(where(runs, checkpoints=side), "fit_seconds") for side in ("with", "without")
        )
        costs[task] = spent, alone, statistics.median(spent) / statistics.median(alone)
    return costs


def resume_cost() -> list[str]:
    """Lay out the medians of resume_cost.py."""
    return table(
        ["task", "turns", "training with checkpoints [s]", "without [s]", "ratio"],
        [
            [f"`{task}`", str(len(spent)), spread(spent, 2), spread(alone, 2), f"{ratio:.3f}"]
            for task, (spent, alone, ratio) in checkpoint_costs().items()
        ],
    )


def backends() -> list[str]:
    """Lay out the runs of backends.py."""
    rows = []
    for lesson in groups(results("backends"), "lesson").values():
        for backend in ("tensorflow", "jax", "torch"):
            runs = where(lesson, backend=backend)
            rows.append([
                f"`{runs[0]['command']}`",
                backend,
                f"`{runs[0]['metric']}`",
                spread(column(runs, "figure"), 3),
                seconds(median(runs, "fit_seconds")),
                seconds(median(runs, "process_seconds")),
                f"{median(runs, 'peak_memory_mb'):.0f}",
            ])
    return table(
        [
            "lesson",
            "back-end",
            "measure",
            "median (smallest to largest)",
            "seconds of `fit`",
            "of the process",
            "memory [MB]",
        ],
        rows,
    )


# Robustness and serving


def kills() -> list[str]:
    """Count the rows of kill.py."""
    rows = []
    for lesson, runs in groups(results("kills"), "lesson").items():
        went_on = [int(run["went on with epoch"]) for run in runs if run["went on with epoch"]]
        training = sum(epoch < max(went_on) for epoch in went_on)  # else all epochs were done
        writing, equal = (len(where(runs, **{name: "True"})) for name in ("in a write", "equal"))
        rows.append([f"`{lesson}`", *map(str, (len(runs), training, writing, equal))])
    return table(
        ["lesson", "kills", "before the last epoch", "while writing a file", "equal at the end"],
        rows,
    )


def requests() -> list[str]:
    """Count the rows of ask.py."""
    counts = {}
    for row in results("requests"):
        cells = counts.setdefault(row["request"], {"2": 0, "4": 0, "5": 0})
        cells[row["status"][0]] += int(row["answers"])
    return table(
        ["request", "answered", "refused (400 to 499)", "failed (500 or more)"],
        [[f"`{what}`", *map(str, cells.values())] for what, cells in counts.items()],
    )


def serving_load() -> list[str]:
    """Lay out the turns of serving_load.py."""
    names = {"plain": "one call of `predict` per request", "serving": "`serving/`"}
    rows = []
    for server, label in names.items():
        runs = where(results("serving_load"), part="load", server=server)
        rows.append([
            label,
            str(len(runs)),
            *(
                spread(column(runs, name), 0)
                for name in ("requests_per_second", "p50_ms", "p99_ms")
            ),
            f"{sum(column(runs, 'failed')):.0f}",
        ])
    return table(
        [
            "server",
            "turns",
            "requests per second",
            "half are answered within [ms]",
            "99% within [ms]",
            "failed",
        ],
        rows,
    )


# Activations, initializers, optimizers


def accuracies(part: str) -> dict[str, dict[str, list[float]]]:
    """Collect those of a part of choices.py, by choice and setting; the best choice comes first."""
    found = {}
    for row in where(results("choices"), part=part):
        cells = found.setdefault(row["choice"], {}).setdefault(row["setting"], [])
        cells.append(float(row["val_accuracy"]))

    def best(choice):
        return max(statistics.median(values) for values in found[choice].values())

    return {choice: found[choice] for choice in sorted(found, key=best, reverse=True)}


def activations() -> list[str]:
    """Lay out the activations of choices.py."""
    rows = [
        [f"`{name}`", spread(cells[""], 3)] for name, cells in accuracies("activations").items()
    ]
    return table(["activation of the hidden layers", "validation accuracy"], rows)


def by_setting(part: str, header: list[str]) -> list[str]:
    """Lay out a part of choices.py, a column per setting; the best of a row that learns is bold."""
    rows = []
    for name, cells in accuracies(part).items():
        values = [statistics.median(found) for found in cells.values()]
        best = max(values) if max(values) > 0.15 else None  # guessing is right in one of ten
        rows.append([
            f"`{name}`",
            *(f"**{value:.3f}**" if value == best else f"{value:.3f}" for value in values),
        ])
    return table(header, rows)


def initializers() -> list[str]:
    """Lay out the initializers of choices.py."""
    return by_setting("initializers", ["initializer", "with `relu`", "with `tanh`"])


def optimizers() -> list[str]:
    """Lay out the optimizers of choices.py."""
    return by_setting("optimizers", ["optimizer", "0.0001", "0.001", "0.01", "0.1", "1"])


# xor/, churn/, mnist/


def xor_settings() -> list[str]:
    """Lay out how many of 20 starts each setting of xor solves."""
    rows = []
    for run in results("xor"):
        flags = sentences.flags_of(run["variant"].removesuffix("seeds-20").strip("_"))
        solved = f"{float(run['solved']):.0f} of 20"
        rows.append([
            f"`{flags}`" if flags else sentences.XOR_DEFAULT,
            run["parameters"],
            f"**{solved}**" if solved == "20 of 20" else solved,
        ])
    rows.sort(key=lambda row: (row[0] != sentences.XOR_DEFAULT, row[0].strip("`")))
    return table(["flags besides `--seeds 20`", "parameters", "solved"], rows)


def churn_models() -> list[str]:
    """Lay out the models of churn, each at 0.5 and at the threshold chosen for it."""
    header = ["model", "ROC AUC", "Brier score", "accuracy at 0.5", "recall at 0.5"]
    header += ["accuracy", "precision", "recall", "F1"]
    return table(
        header,
        [
            [
                model,
                spread(column(rows, "auc"), 3),
                f"{median(rows, 'brier'):.3f}",
                f"{median(rows, 'accuracy_at_half'):.3f}",
                f"{median(rows, 'recall_at_half'):.2f}",
                f"{median(rows, 'accuracy'):.3f}",
                f"{median(rows, 'precision'):.2f}",
                spread(column(rows, "recall"), 2),
                f"{median(rows, 'f1'):.2f}",
            ]
            for model, rows in groups(results("churn_models"), "model").items()
        ],
    )


def churn_tries() -> list[str]:
    """Lay out what churn_tries.py printed."""
    return table(
        ["model", "validation AUC", "on rows never tested"],
        [
            [
                row["model"],
                *(f"{float(row[name]):.3f}" for name in ("val_auc", "val_auc_never_tested")),
            ]
            for row in results("churn_tries")
        ],
    )


def churn_customer() -> list[str]:
    """Show the customer of the example."""
    text = (ROOT / "churn" / "customer.json").read_text(encoding="utf-8")
    return ["```json", *text.splitlines(), "```"]


def mnist_models() -> list[str]:
    """Lay out the ten models of mnist/ that train for 60 epochs, in the order of mnist_seconds."""
    claims = {row["figure"]: row["published"] for row in results("reproduce")}
    runs, rows = groups(results("mnist"), "variant"), []
    for row in where(results("mnist_seconds"), precision="bfloat16"):
        model = row["variant"]
        accuracy = spread(column(runs[model], "test_accuracy"), 4)
        rows.append([
            f"`{model}`",
            f"{int(row['parameters']):,}",
            claims.get(f"mnist {model}", "none"),
            accuracy if len(runs[model]) > 1 else f"{accuracy} (one seed)",
            f"{median(runs[model], 'test_accuracy_of_best'):.4f}",
            f"{median(runs[model], 'val_accuracy'):.4f}",
            f"{float(row['epoch_seconds']):.1f}",
        ])
    return table(
        [
            "model",
            "parameters",
            "published",
            "test accuracy, last epoch",
            "test accuracy, best epoch",
            "validation accuracy",
            "seconds per epoch",
        ],
        rows,
    )


def mnist_recipes() -> list[str]:
    """Lay out the models of mnist/ with recipes of their own."""
    runs = groups(results("mnist_recipes"), "variant")
    rows = []
    for variant, command, metric in (
        ("conv_net_fast", "mnist.py -m conv_net_fast", "test_accuracy"),
        ("conv_net_best", "mnist.py -m conv_net_best", "test_accuracy"),
        ("", "clothing.py", "test_accuracy_ten_looks"),
    ):
        mine = runs[variant]
        rows.append([
            f"`{command}`",
            f"{int(mine[0]['parameters']):,}",
            mine[0]["epochs"],
            spread(column(mine, metric), 4),
        ])
    return table(["command", "parameters", "epochs", "test accuracy"], rows)


def mnist_sixteen_bits() -> list[str]:
    """Lay out the seconds of an epoch with 32 and with 16 bits, where both were measured."""
    rows = []
    for model, runs in groups(results("mnist_seconds"), "variant").items():
        times = {run["precision"]: f"{float(run['epoch_seconds']):.1f}" for run in runs}
        if "float32" in times:
            rows.append([f"`{model}`", times["float32"], times["bfloat16"]])
    return table(["model", "32 bits: seconds per epoch", "16 bits"], rows)


def mnist_tries() -> list[str]:
    """Lay out the runs of mnist_tries.py."""
    return table(
        ["`conv_net_fast` with", "validation accuracy", "test accuracy"],
        [
            [name, *(spread(column(runs, part), 4) for part in ("val_accuracy", "test_accuracy"))]
            for name, runs in groups(results("mnist_tries"), "try").items()
        ],
    )


# The summary


def headlines() -> list[str]:
    """Sum up the studies, a row for each."""
    claims = [row for row in results("reproduce") if row["published"] != "none"]
    claims = [row for row in claims if not row["metric"].startswith("flawed")]
    met = where(claims, met="yes")
    ratios = {row["task"]: float(row["fit_ratio"]) for row in results("same_work_ratios")}
    least, most = (of(ratios, key=ratios.get) for of in (min, max))
    parts = groups(results("time_to_accuracy"), "part")
    fast, whole = (median(parts[part], "fit_seconds") for part in ("fast", "published"))
    costs = [ratio - 1 for *_, ratio in checkpoint_costs().values()]
    killed = results("kills")
    load = groups(where(results("serving_load"), part="load"), "server")
    served, plain = (median(load[server], "requests_per_second") for server in ("serving", "plain"))
    asked = sum(column(results("requests"), "answers"))
    failed = sum(int(row["answers"]) for row in results("requests") if row["status"] >= "500")
    alike = sum(sentences.overlap(*runs.values()) for runs in sentences.by_backend().values())
    rows = [
        (
            "published results",
            f"{len(met)} of {len(claims)} reached within the tolerance stated there, by the median",
            "published",
        ),
        (
            "training time, lesson divided by plain script",
            f"{ratios[least]:.2f} (`{least}`) to {ratios[most]:.2f} (`{most}`)",
            "speed",
        ),
        (
            "the published accuracy of MNIST, 0.9934",
            f"`conv_net_fast` exceeds it in {percent(fast / whole, 1)} of the published training "
            f"time: {fast:.0f} s",
            "time_to_accuracy",
        ),
        (
            "the best test accuracy",
            f"{median(parts['best'], 'test_accuracy'):.4f} for MNIST, "
            f"{median(parts['best_fashion'], 'test_accuracy'):.4f} for Fashion-MNIST",
            "mnist_recipes",
        ),
        (
            "checkpoints for `--resume`",
            f"{percent(min(costs), 1)} to {percent(max(costs), 1)} of the training time",
            "resume",
        ),
        (
            "killed and resumed",
            f"{len(where(killed, equal='True'))} of {len(killed)} runs equal to the bit",
            "resume",
        ),
        (
            "digits per second from the service",
            f"{served:.0f}, with one call of `predict` per request {plain:.0f}",
            "serving",
        ),
        (
            "generated and damaged requests",
            f"{failed} of {asked:,.0f} made the service fail",
            "serving",
        ),
        (
            "TensorFlow, JAX, PyTorch",
            f"the results overlap in {alike} of {len(sentences.by_backend())} lessons",
            "backends",
        ),
    ]
    return table(
        ["what", "result", "page"],
        [[what, result, f"[{page}.md]({page}.md)"] for what, result, page in rows],
    )


TABLES = [
    headlines,
    published,
    peers,
    lesson_04_models,
    lesson_11_transfer,
    same_work,
    two_processors,
    time_to_accuracy,
    time_to_accuracy_amx,
    clothing_step,
    resume_cost,
    backends,
    kills,
    requests,
    serving_load,
    activations,
    initializers,
    optimizers,
    xor_settings,
    churn_models,
    churn_tries,
    churn_customer,
    mnist_models,
    mnist_recipes,
    mnist_sixteen_bits,
    mnist_tries,
]
BLOCKS = {
    function.__name__.replace("_", "-"): function for function in TABLES + sentences.SENTENCES
}


def main() -> None:
    """Print all blocks, or write them into the files that show them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write them into pages and lessons")
    if not parser.parse_args().write:
        for name, function in BLOCKS.items():
            print(f"{name}:", *function(), "", sep="\n")
        for lesson, promise in sentences.EXPECTATIONS.items():
            print(f"{lesson}: Expect: {promise()}")
        return
    try:
        files = {path: regenerate(path, BLOCKS, sentences.EXPECTATIONS) for path in pages()}
    except BlockError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    for path, (text, changed) in files.items():
        if changed:
            path.write_text(text, encoding="utf-8")
            print(f"{name_of(path)}: {', '.join(changed)}")


if __name__ == "__main__":
    main()
