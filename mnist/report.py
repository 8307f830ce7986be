"""Write a page that compares all runs: `<out>/mnist/report.html`, from report.html.jinja.

The page works offline and needs no other file, since its style and figures are embedded.
"""

import base64
import io
from pathlib import Path

from common import runs
from common.errors import fail, needs_to_write
from common.files import atomic_write

FIGURES = {
    "accuracy": "accuracy per epoch",
    "loss": "loss per epoch",
    "epoch_times": "seconds per epoch",
    "confusion_matrix": "confusion matrix: a row per true class, a column per predicted class",
    "mistakes": "the most confident mistakes",
}
TEXTS = {"classification_report": "classification report on the test images", "summary": "layers"}
QUANTITIES = {"val_accuracy": "validation accuracy", "val_loss": "validation loss"}
NEEDED = ["model", "dataset", "optimizer", "batch_size", "precision", "limit"]  # flags
NEEDED += ["test_accuracy", "val_accuracy"]  # metrics
PLACEHOLDER = "#010203"  # a unique color, replaced by the page's text color


def write(out: Path) -> None:
    """Write the report of all finished runs in `out` and print its path.

    Another run may finish and write the report at the same time. Every process reads the runs again
    after writing, so the last one to write has seen them all.

    Raises:
        SystemExit: if there is no finished run.
    """
    folder, records, written = Path(out) / "mnist", read_runs(out), None
    if not records:
        fail(f"--report: {out} contains no finished run of mnist; first run: python mnist/mnist.py")
    while repr(records) != repr(written):  # as text, because nan is not equal to itself
        colors = variant_colors(records)
        with needs_to_write(out):
            save_png(folder / "curves.png", records, colors)
            with atomic_write(folder / "report.html") as temporary:
                temporary.write_text(render(records, colors), encoding="utf-8")
        records, written = read_runs(out), records
    print(f"curves of all runs: {folder / 'curves.png'}")
    print(f"report of all runs: {folder / 'report.html'}")


def read_runs(out: Path) -> list[dict]:
    """Read the finished runs, oldest first, each with its history and training settings.

    Runs with missing values, perhaps from another version, are skipped and reported on stderr.
    """
    found = []
    for record, history in runs.with_history(runs.finished_runs(out, "mnist")):
        missing = [name for name in NEEDED if name not in record["flags"] | record["metrics"]]
        missing += [name for name in QUANTITIES if name not in history]
        if missing:
            runs.tell_left_out(f"{record['folder']}: has no {', '.join(missing)}")
            continue
        training = describe_training(record["flags"])
        found.append({**record, "history": history, "training": training})
    return found


def describe_training(flags: dict) -> str:
    """Describe the flags that affect the training but not the model."""
    parts = [flags["optimizer"], f"batch size {flags['batch_size']}", flags["precision"]]
    if flags.get("schedule") == "one_cycle":  # the records of older runs lack some flags
        parts.append(f"one cycle with peak {flags.get('peak', 3):g}")
    if flags.get("label_smoothing"):
        parts.append(f"label smoothing {flags['label_smoothing']:g}")
    if flags["limit"]:
        parts.append(f"first {flags['limit']:,} images")
    return ", ".join(parts)


def render(records: list[dict], colors: dict[str, str]) -> str:
    """Render the HTML template."""
    import jinja2  # only now, as nothing else needs it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,  # a misspelled name is an error, not an empty cell
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Of runs that differ only in their seed, only the last is shown in full.
    newest = {(run["variant"], run["data"], run["epochs"], run["training"]): run for run in records}
    return environment.get_template("report.html.jinja").render(
        runs=records,
        newest=[run | read_files(run["folder"]) for run in newest.values()],
        curves=svg_curves(records, colors),
        colors=colors,
    )


def read_files(folder: Path) -> dict[str, dict[str, str]]:
    """Return a run's figures, base64-encoded, and texts, both by caption."""
    figures = {caption: folder / f"{name}.png" for name, caption in FIGURES.items()}
    texts = {caption: folder / f"{name}.txt" for name, caption in TEXTS.items()}
    return {
        "figures": {
            caption: base64.b64encode(path.read_bytes()).decode()
            for caption, path in figures.items()
            if path.is_file()  # a model without mistakes has no figure of them
        },
        "texts": {
            caption: path.read_text(encoding="utf-8")
            for caption, path in texts.items()
            if path.is_file()
        },
    }


def variant_colors(records: list[dict]) -> dict[str, str]:
    """Assign a color to each variant."""
    from common import plots  # only now, because matplotlib takes a second to load

    to_hex = plots.plt.matplotlib.colors.to_hex
    names = sorted({run["variant"] for run in records})
    colors = plots.plt.get_cmap("tab10" if len(names) <= 10 else "tab20")
    return {name: to_hex(colors(i % 20)) for i, name in enumerate(names)}


def group_by_data(records: list[dict]) -> dict[str, list[dict]]:
    """Group the runs by data set and source, since only runs on the same data are comparable."""
    groups = {}
    for run in records:
        groups.setdefault(f"{run['flags']['dataset']}, {run['data']} data", []).append(run)
    return groups


def draw(axes, quantity: str, group: list[dict], colors: dict[str, str]) -> None:
    """Plot one quantity, one curve per run."""
    from common import plots

    label = QUANTITIES[quantity]
    for run in group:  # the loss of smoothed labels is higher, whatever the model
        smoothed = quantity == "val_loss" and run["flags"].get("label_smoothing")
        style, color = ":" if smoothed else "-", colors[run["variant"]]
        plots.draw_curve(axes, run["history"][quantity], "", color, style)
        if smoothed:
            label = f"{QUANTITIES[quantity]} (dotted: of smoothed labels)"
    plots.plt.setp(axes.lines, linewidth=1.2)
    axes.set(xlabel="epoch", ylabel=label)
    if quantity == "val_loss":
        plots.log_scale(axes)
    else:
        plots.leave_out_the_start(axes, [v for run in group for v in run["history"][quantity]])


def save_png(path: Path, records: list[dict], colors: dict[str, str]) -> None:
    """Save the validation curves as one PNG: a row per data set, a panel per quantity."""
    from common import plots

    groups = group_by_data(records)
    figure, axes = plots.new_figure(12, 5 * len(groups), len(groups), len(QUANTITIES))
    for row, (name, group) in zip(axes.reshape(len(groups), -1), groups.items(), strict=True):
        for panel, quantity in zip(row, QUANTITIES, strict=True):
            draw(panel, quantity, group, colors)
            panel.set_title(plots.no_math(f"{QUANTITIES[quantity]}, {name}"))
    for name, color in colors.items():
        axes.flat[0].plot([], [], color=color, label=plots.no_math(name))
    figure.legend(loc="outside right upper")
    with atomic_write(path) as temporary:
        plots.save(figure, temporary)


def svg_curves(records: list[dict], colors: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the curves as SVG elements in the page's text color, by data set and quantity."""
    from common import plots

    parts = ["text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"]
    settings = {"svg.fonttype": "none", "svg.hashsalt": "mnist"}  # real text, reproducible ids
    no_metadata = dict.fromkeys(["Creator", "Date", "Format", "Type"])
    curves = {}
    with plots.plt.rc_context(settings | dict.fromkeys(parts, PLACEHOLDER)):
        for name, group in group_by_data(records).items():
            curves[name] = {}
            for quantity, label in QUANTITIES.items():
                figure, axes = plots.new_figure(5.2, 3.8)
                draw(axes, quantity, group, colors)
                file = io.StringIO()
                figure.savefig(file, format="svg", transparent=True, metadata=no_metadata)
                plots.plt.close(figure)
                _, tag, element = file.getvalue().partition("<svg")  # without the XML declaration
                curves[name][label] = (tag + element).replace(PLACEHOLDER, "currentColor")
    return curves
