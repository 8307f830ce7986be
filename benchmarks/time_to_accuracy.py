"""Measure how fast the published accuracy is reached, and the best accuracy in the same time.

    python benchmarks/time_to_accuracy.py                           all four parts: 100 minutes
    python benchmarks/time_to_accuracy.py --only fast --seeds 42    one part, one seed

Times are measured from the start of `fit`. Four parts:

published     conv_net as published: 32 bits, all 60,000 images, 60 epochs, evaluated on the test
              images after every epoch
fast          python mnist/mnist.py -m conv_net_fast, evaluated once, at the end
best          python mnist/mnist.py -m conv_net_best, the best accuracy in the published time
best_fashion  python mnist/clothing.py, the same for clothing

The parts run in turn, seed by seed. Run nothing else in the meantime. Writes
results/time_to_accuracy.csv (one row per run), results/time_to_accuracy_curve.csv (one row per
epoch of `published`) and the figure.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import (
    RESULTS,
    TRIAL,
    Parser,
    machine,
    read_table,
    replace_rows,
    run_lesson,
    run_plain,
    write_table,
)
from common.files import atomic_write
from common.flags import home_path
from common.startup import start_keras

TARGET = 0.9934  # test accuracy of conv_net, published after 60 epochs
LESSONS = {
    "fast": ["mnist/mnist.py", "-m", "conv_net_fast"],
    "best": ["mnist/mnist.py", "-m", "conv_net_best"],
    "best_fashion": ["mnist/clothing.py"],
}


def published(seed: int) -> tuple[dict, list[dict]]:
    """Train as published; return a row for the run and one for each epoch."""
    result = run_plain("published_recipe", "--seed", seed)
    curve = [
        {
            "seed": seed,
            "epoch": epoch,
            "seconds": round(seconds, 2),
            "test_accuracy": round(accuracy, 4),  # in float32, 0.9934 is 0.99339998
        }
        for epoch, (seconds, accuracy) in enumerate(
            zip(result["seconds"], result["test_accuracies"], strict=True), 1
        )
    ]
    first = next((row for row in curve if row["test_accuracy"] >= TARGET), None)
    row = {
        "epochs": len(curve),
        "fit_seconds": round(result["fit_seconds"], 1),
        "test_accuracy": round(result["figure"], 4),
        "seconds_to_target": first["seconds"] if first else "",
        "epochs_to_target": first["epoch"] if first else "",
    }
    return row, curve


def lesson(part: str, seed: int, out: Path | None) -> dict:
    """Run one of the lesson's models; return a row with its final accuracy."""
    record = run_lesson(*LESSONS[part], "--seed", seed, out=out)
    metric = "test_accuracy_ten_looks" if part == "best_fashion" else "test_accuracy"
    accuracy = round(record["metrics"][metric], 4)
    seconds = round(record["seconds"]["fit"], 1)
    reached = part != "best_fashion" and accuracy >= TARGET
    return {
        "epochs": record["epochs"],
        "fit_seconds": seconds,
        "test_accuracy": accuracy,
        "seconds_to_target": seconds if reached else "",
        "epochs_to_target": record["epochs"] if reached else "",
    }


def draw() -> None:
    """Plot accuracy against time: the curves of the published recipe and this project's runs."""
    start_keras()
    from common import plots

    runs = read_table(RESULTS / "time_to_accuracy.csv")
    curve = read_table(RESULTS / "time_to_accuracy_curve.csv")
    figure, axes = plots.new_figure(8, 5)
    for number, seed in enumerate(sorted({row["seed"] for row in curve})):
        rows = [row for row in curve if row["seed"] == seed]
        axes.plot(
            [float(row["seconds"]) for row in rows],
            [100 * float(row["test_accuracy"]) for row in rows],
            color="tab:gray",
            alpha=0.7,
            linewidth=1,
            label=None if number else "conv_net as published, after each epoch",
        )
    for part, color in (("fast", "tab:green"), ("best", "tab:blue")):
        rows = [row for row in runs if row["part"] == part]
        if not rows:
            continue
        axes.plot(
            [float(row["fit_seconds"]) for row in rows],
            [100 * float(row["test_accuracy"]) for row in rows],
            "o",
            color=color,
            label=f"conv_net_{part}, at the end",
        )
    axes.axhline(100 * TARGET, color="black", linestyle="--", linewidth=1)
    axes.text(
        0.01,
        100 * TARGET,
        f"published: {TARGET:.2%}",
        va="bottom",
        transform=axes.get_yaxis_transform(),
    )
    axes.set(xscale="log", xlabel="training time [s]", ylabel="test accuracy on MNIST [%]")
    axes.set_xticks([10, 30, 100, 300], ["10", "30", "100", "300"])
    axes.set_ylim(98.5, 99.8)
    axes.legend(loc="lower right")
    path = RESULTS / "time_to_accuracy.png"
    with atomic_write(path) as temporary:
        plots.save(figure, temporary)
    print(f"figure: {path}")


def main() -> None:
    """Run all parts and write the tables and the figure."""
    parts = ["published", *LESSONS]
    parser = Parser(__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=parts,
        default=parts,
        metavar="PART",
        help=f"of {', '.join(parts)}",
    )
    parser.add_seeds("42 43 44")
    parser.add_argument(
        "--out",
        type=home_path,
        metavar="DIR",
        help="folder for the lesson's runs; reproduce.py reuses those in outputs/reproduce",
    )
    flags = parser.parse_args()
    print(machine())
    rows, curves = [], []
    for seed in flags.seeds or (42, 43, 44):
        for part in flags.only:  # alternating, as a computer's speed varies over time
            if part == "published":
                measured, curve = published(seed)
                curves += curve
            else:
                measured = lesson(part, seed, flags.out)
            rows.append({"part": part, "seed": seed, **measured, "machine": machine()})
            print(*list(rows[-1].values())[:-1], sep="  ", flush=True)
    if flags.seeds:
        print(TRIAL)
    else:
        rows.sort(key=lambda row: parts.index(row["part"]))
        replace_rows(RESULTS / "time_to_accuracy.csv", rows, "part", order=parts)
        if curves:
            write_table(RESULTS / "time_to_accuracy_curve.csv", curves)
        draw()


if __name__ == "__main__":
    main()
