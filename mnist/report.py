"""One page that compares all runs: `<out>/mnist/report.html`.

It needs no network and no other file: figures and style are part of it. It follows the reader's
choice of light or dark. Without JavaScript only the sorting is missing.
"""

import base64
import io
from html import escape
from pathlib import Path
from string import Template

from common import runs
from common.errors import fail
from common.files import atomic_write

FIGURES = {
    "accuracy": "accuracy of each epoch",
    "loss": "loss of each epoch",
    "epoch_times": "seconds of each epoch",
    "confusion_matrix": "how often each class (row) was taken for each class (column)",
    "mistakes": "the mistakes it was surest of",
}


def trained_with(record: dict) -> str:
    """Spell the flags that change the training, but not the model."""
    flags = record["flags"]
    images = f"first {flags['limit']:,} images, " if flags["limit"] else ""
    recipe = ""
    if flags.get("schedule") == "one_cycle":
        recipe += f"one cycle to {flags.get('peak', 3):g} times the rate, "
    if flags.get("label_smoothing"):
        recipe += f"labels smoothed by {flags['label_smoothing']:g}, "
    return f"{images}{recipe}{flags['optimizer']}, {flags['batch_size']}, {flags['precision']}"


# Heading, how to find the value in a record, how to spell it.
COLUMNS = [
    ("model", lambda run: run["flags"]["model"], str),
    ("test accuracy", lambda run: run["metrics"]["test_accuracy"], "{:.4f}".format),
    ("validation accuracy", lambda run: run["metrics"]["val_accuracy"], "{:.4f}".format),
    ("parameters", lambda run: run["parameters"], "{:,}".format),
    ("seconds an epoch", lambda run: run["seconds"]["epoch"], "{:.2f}".format),
    ("memory [MB]", lambda run: run["peak_memory_mb"] or 0, lambda mb: f"{mb:,.0f}" if mb else "-"),
    ("epochs", lambda run: run["epochs"], str),
    ("data", lambda run: f"{run['flags']['dataset']}, {run['data']}", str),
    ("recipe, optimizer, batch size, precision", trained_with, str),
    ("seed", lambda run: run["seed"], str),
    ("begun", lambda run: run["run"][:15], str),
]
SORTED_BY = "validation accuracy"
TEXTS = {
    "classification report on the test images": "classification_report.txt",
    "layers": "summary.txt",
}
NEEDED = ["history.csv", *TEXTS.values()]
QUANTITIES = ["val_accuracy", "val_loss"]
INK = "#010203"  # stands for the page's own text colour in the curves


def write(out: Path) -> None:
    """Write the report of all finished runs below `out` and say where it is.

    Another run may finish meanwhile and write the report too. Whoever writes last has looked at the
    records afterwards, so no run is missing.

    Raises:
        SystemExit: if there is no finished run.
    """
    folder = Path(out) / "mnist"
    pairs, written = complete_runs(out), None
    if not pairs:
        fail(f"--report: {out} holds no finished run of mnist; first run: python mnist/mnist.py")
    while repr(pairs) != repr(written):  # as texts: nan is not equal to itself
        records, histories = ([pair[part] for pair in pairs] for part in (0, 1))
        save_curves(folder / "curves.png", records, histories)
        with atomic_write(folder / "report.html") as temporary:
            temporary.write_text(make_page(records, histories), encoding="utf-8")
        pairs, written = complete_runs(out), pairs
    print(f"curves of all runs: {folder / 'curves.png'}")
    print(f"report of all runs: {folder / 'report.html'}")


def complete_runs(out: Path) -> list[tuple[dict, dict]]:
    """Find the finished runs below `out` that have all files of the report; name the others.

    Returns:
        Pairs of a record and its history.
    """
    records = []
    for record in runs.finished_runs(out, "mnist"):
        missing = [name for name in NEEDED if not (record["folder"] / name).is_file()]
        if missing:
            error = f"{record['folder'] / missing[0]} is missing; remove that folder"
            runs.tell_left_out(record["folder"], error)
        else:
            records.append(record)
    return runs.with_history(records)


def make_page(records: list[dict], histories: list[dict]) -> str:
    """Put the page together."""
    return Template(PAGE).substitute(
        count=f"{len(records)} run{'s' if len(records) > 1 else ''}",
        warning=SAMPLE_WARNING if any(run["data"] == "sample" for run in records) else "",
        head="".join(
            f'<th scope="col" aria-sort="{"descending" if name == SORTED_BY else "none"}">'
            f'<button type="button">{name}</button></th>'
            for name, *_ in COLUMNS
        ),
        rows="\n".join(map(table_row, sorted(records, key=val_accuracy, reverse=True))),
        curves=curves(records, histories),
        details="\n".join(map(details, sorted(newest(records), key=val_accuracy, reverse=True))),
    )


def val_accuracy(record: dict) -> float:
    """Give what the page is sorted by: the test images are not there to choose a model."""
    return record["metrics"]["val_accuracy"]


def newest(records: list[dict]) -> list[dict]:
    """Keep the newest of the runs that differ in their seed only."""
    alike = {
        (run["variant"], run["data"], run["epochs"], trained_with(run)): run for run in records
    }
    return list(alike.values())


def table_row(record: dict) -> str:
    """Write one run's row; `data-value` holds the whole figure, for sorting."""
    cells = []
    for number, (_, value_of, spell) in enumerate(COLUMNS):
        value = value_of(record)
        text = escape(spell(value))
        if number:
            cells.append(f'<td data-value="{escape(str(value))}">{text}</td>')
        else:
            cells.append(f'<th scope="row" data-value="{text}">{text}</th>')
    return f"<tr>{''.join(cells)}</tr>"


def variant_colors(records: list[dict]) -> dict[str, str]:
    """Give every variant a colour."""
    from common import plots  # only now: matplotlib takes a second to load

    names = sorted({record["variant"] for record in records})
    cycle = plots.plt.get_cmap("tab10" if len(names) <= 10 else "tab20")
    return {name: plots.matplotlib.colors.to_hex(cycle(i % 20)) for i, name in enumerate(names)}


def groups(records: list[dict], histories: list[dict]) -> dict[str, list[tuple]]:
    """Put together the runs that saw the same images, each with its history."""
    together = {}
    for record, columns in zip(records, histories, strict=True):
        name = f"{record['flags']['dataset']}, {record['data']} data"
        together.setdefault(name, []).append((record, columns))
    return together


def draw(axes, quantity: str, name: str, pairs: list[tuple], colors: dict[str, str]) -> None:
    """Draw one validation quantity of runs that saw the same images."""
    from common import plots

    for record, columns in pairs:
        plots.draw_curve(axes, columns[quantity], "", colors[record["variant"]])
        axes.lines[-1].set(linewidth=1.2)
    label = quantity.replace("val_", "validation ")
    axes.set(xlabel="epoch", ylabel=label, title=f"{label}, {name}")
    if quantity == "val_loss":
        plots.log_scale(axes)
    else:
        values = [value for _, columns in pairs for value in columns[quantity]]
        plots.leave_out_the_start(axes, values)


def curves(records: list[dict], histories: list[dict]) -> str:
    """Draw validation accuracy and loss for the page, with a legend."""
    from common import plots

    parts, colors = [], variant_colors(records)
    ink = dict.fromkeys(
        ["text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"], INK
    )
    with plots.matplotlib.rc_context({**ink, "svg.fonttype": "none", "svg.hashsalt": "mnist"}):
        for name, pairs in groups(records, histories).items():
            for quantity in QUANTITIES:
                figure, axes = plots.new_figure(5.2, 3.8)
                draw(axes, quantity, name, pairs, colors)
                parts.append(f"<figure>{svg(figure, axes.get_title())}</figure>")
    legend = "".join(
        f'<li><span style="background:{color}"></span>{escape(name)}</li>'
        for name, color in colors.items()
    )
    return f'<div class="plots">{"".join(parts)}</div><ul class="legend">{legend}</ul>'


def save_curves(path: Path, records: list[dict], histories: list[dict]) -> None:
    """Write the same curves as one PNG."""
    from common import plots

    together, colors = groups(records, histories), variant_colors(records)
    figure, axes = plots.new_figure(12, 5 * len(together), len(together), 2)
    for row, (name, pairs) in zip(axes.reshape(-1, 2), together.items(), strict=True):
        for panel, quantity in zip(row, QUANTITIES, strict=True):
            draw(panel, quantity, name, pairs, colors)
    for name, color in colors.items():
        axes.flat[0].plot([], [], color=color, label=name)
    figure.legend(loc="outside right upper")
    with atomic_write(path) as temporary:
        plots.save(figure, temporary)


def svg(figure, title: str) -> str:
    """Turn a figure into an SVG element in the page's own text colour."""
    from common import plots

    file = io.StringIO()
    nothing = dict.fromkeys(["Date", "Creator", "Format", "Type"])
    figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    plots.plt.close(figure)
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)


def details(record: dict) -> str:
    """Write one variant: its figures, its layers, its classification report."""
    folder = record["folder"]
    figures = "".join(
        f'<figure><img alt="{escape(text)}" src="data:image/png;base64,'
        f'{base64.b64encode((folder / f"{name}.png").read_bytes()).decode()}"/>'
        f"<figcaption>{escape(text)}</figcaption></figure>"
        for name, text in FIGURES.items()
        if (folder / f"{name}.png").is_file()
    )
    texts = "".join(
        f"<h3>{heading}</h3><pre>{escape((folder / file).read_text(encoding='utf-8'))}</pre>"
        for heading, file in TEXTS.items()
    )
    return (
        f"<details><summary>{escape(record['variant'])}, {record['data']} data: "
        f"{record['epochs']} epochs, "
        f"test accuracy {record['metrics']['test_accuracy']:.4f}</summary>"
        f'<p class="note">{escape(record["run"])}, seed {record["seed"]}, '
        f"{record['epochs']} epochs, {escape(record['device'])}</p>"
        f'<div class="figures">{figures}</div>{texts}</details>'
    )


SAMPLE_WARNING = (
    '<p class="warning">Some of these runs used the small built-in sample. '
    "Their figures do not compare with those of the real data.</p>"
)
PAGE = """<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>MNIST: the runs compared</title>
<style>
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1d2330; --soft: #5b6472;
  --line: #d5dae2; --card: #f4f6f9; --link: #0b57b0; --warn: #fff3d6; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171d; --ink: #e6e9ef; --soft: #a3acba; --line: #353c48; --card: #1d222b;
    --link: #8ab8ff; --warn: #4a3a10; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1300px; padding: 1rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.note { color: var(--soft); margin: .2rem 0; }
.warning { background: var(--warn); padding: .5rem .8rem; border-radius: .4rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .35rem .6rem; text-align: right; white-space: nowrap; }
th[scope=row], thead th:first-child { text-align: left; position: sticky; left: 0;
  background: var(--ground); }
thead th { border-bottom: 1px solid var(--line); vertical-align: bottom; white-space: normal; }
tbody tr:nth-child(even) td, tbody tr:nth-child(even) th { background: var(--card); }
th button { all: unset; cursor: pointer; color: var(--link); font-weight: 600; }
th button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
.plots, .figures { display: grid; gap: 1rem; }
.plots { grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
.figures { grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); }
figure { margin: 0; }
svg { width: 100%; height: auto; }
img { width: 100%; height: auto; background: #ffffff; border-radius: .4rem; }
figcaption { color: var(--soft); font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: 0; list-style: none; }
.legend span { display: inline-block; width: 1.4em; height: .3em; margin-right: .5em;
  vertical-align: middle; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem .8rem; }
summary { cursor: pointer; font-weight: 600; overflow-wrap: anywhere; }
pre { overflow-x: auto; font-size: .8rem; line-height: 1.25; background: var(--card);
  padding: .6rem; border-radius: .4rem; }
</style>
</head>
<body>
<h1>MNIST: the runs compared</h1>
<p class="note">$count. Accuracies are those of the last epoch; memory is the largest amount that the
process used.</p>
$warning
<h2>All runs</h2>
<div class="scroll" tabindex="0" role="region" aria-label="table of all runs"><table>
<thead><tr>$head</tr></thead>
<tbody>
$rows
</tbody></table></div>
<h2>Validation curves</h2>
<p class="note">The loss of conv_net_l1 and conv_net_l2 contains their penalty: do not compare it with
the others'.</p>
$curves
<h2>Each model, newest run</h2>
$details
<script>
const heads = Array.from(document.querySelectorAll("thead th"));
const body = document.querySelector("tbody");
heads.forEach(function (head, column) {
  head.querySelector("button").addEventListener("click", function () {
    const now = head.getAttribute("aria-sort");
    const best = head.textContent.includes("accuracy") ? "descending" : "ascending";
    const other = best === "ascending" ? "descending" : "ascending";
    const order = now === best ? other : best;
    const value = function (row) { return row.children[column].dataset.value; };
    const rows = Array.from(body.rows);
    const numbers = rows.every(function (row) { return !isNaN(value(row)); });
    rows.sort(function (a, b) {
      return numbers ? value(a) - value(b) : value(a).localeCompare(value(b));
    });
    if (order === "descending") { rows.reverse(); }
    heads.forEach(function (each) { each.setAttribute("aria-sort", "none"); });
    head.setAttribute("aria-sort", order);
    rows.forEach(function (row) { body.append(row); });
  });
});
</script>
</body>
</html>
"""
