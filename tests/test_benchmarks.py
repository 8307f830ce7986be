"""benchmarks/: what the scripts compute, and that the notes tell what they wrote."""

import json
import statistics
import subprocess
import sys

import pytest
from conftest import ROOT

from benchmarks import clothing_step, measure, plain, reproduce, same_work, tables
from benchmarks.time_to_accuracy import LESSONS
from mnist.recipes import BEST, BEST_OF_CLOTHING, FAST

NOTES = (ROOT / "benchmarks" / "README.md").read_text()


def shows(page: str, table: list[str]) -> bool:
    """Tell whether a page shows a table that has rows, and shows no others below it."""
    _header, _line, *rows = table
    return bool(rows) and "\n".join(["", *table, ""]) in page and f"{rows[-1]}\n|" not in page


@pytest.mark.parametrize("table", tables.TABLES)
def test_the_notes_show_the_tables_as_measured(table):
    assert shows(NOTES, table())


@pytest.mark.parametrize("table", tables.CHOICES)
def test_the_pages_of_notes_show_the_choices_as_measured(table):
    page = (ROOT / "notes" / f"{table.__name__}.md").read_text(encoding="utf-8")
    assert shows(page, table())


@pytest.mark.parametrize(
    "name",
    [
        "same_work",
        "same_work_ratios",
        "time_to_accuracy",
        "peers",
        "clothing_step",
        "with_amx/same_work",
        "with_amx/same_work_ratios",
        "with_amx/time_to_accuracy",
    ],
)
def test_the_notes_name_the_computer(name):
    computers = {row["machine"] for row in measure.read_table(measure.RESULTS / f"{name}.csv")}
    assert len(computers) == 1 and computers.pop() in " ".join(NOTES.split())


def test_the_pages_of_notes_say_what_the_choices_say():
    def medians(part):
        return {
            name: {setting: statistics.median(values) for setting, values in cells.items()}
            for name, cells in tables.accuracies(part).items()
        }

    best = {name: max(cells.values()) for name, cells in medians("optimizers").items()}
    assert best.pop("Adafactor") < 0.11
    page = (ROOT / "notes" / "optimizers.md").read_text(encoding="utf-8")
    assert f"each comes to {min(best.values()):.3f} or more" in page
    usual = {
        "Adadelta": "1.0",
        "SGD": "0.1",
        "Adagrad": "0.1",
        "Adam": "0.001",
        "Nadam": "0.001",
        "AdamW": "0.001",
        "RMSprop": "0.001",
        "Lion": "0.0001",
    }
    for name, rate in usual.items():
        assert medians("optimizers")[name][rate] == best[name], name
    found = {name: cells[""] for name, cells in medians("activations").items()}
    assert round(100 * (found["relu"] - found["linear"])) == 3
    assert sorted(found.values())[-19] > found["relu"] - 0.006
    starts = medians("initializers")
    assert all(max(starts[name].values()) < 0.11 for name in ("Ones", "Zeros"))


def test_the_best_models_meet_their_bars_and_the_notes_tell_how_soon_as_measured():
    notes = " ".join(NOTES.split())
    runs = measure.read_table(measure.RESULTS / "time_to_accuracy.csv")

    def median(part, column):
        return statistics.median(float(row[column]) for row in runs if row["part"] == part)

    recipes = {
        "published": 60,
        "fast": FAST.epochs,
        "best": BEST.epochs,
        "best_fashion": BEST_OF_CLOTHING.epochs,
    }
    assert {(row["part"], int(row["epochs"])) for row in runs} == set(recipes.items())
    whole = median("published", "fit_seconds")
    shares = {part: median(part, "fit_seconds") / whole for part in LESSONS}
    assert shares["fast"] <= 0.1 and max(shares.values()) < 1
    assert f"`fast` takes {100 * shares['fast']:.1f} % of the seconds" in notes
    told = [f"{100 * shares[part]:.0f} %" for part in ("best", "best_fashion")]
    assert f"`best` takes {told[0]} of them, `best_fashion` {told[1]}" in notes
    assert 0.9 < shares["fast"] * recipes["published"] / recipes["fast"] < 1.1  # an epoch's
    times = {(row["part"], row["seed"]): float(row["fit_seconds"]) for row in runs}
    for part, most in (("fast", 0.1), ("best", 1), ("best_fashion", 1)):
        for seed in ("42", "43", "44"):
            assert times[part, seed] <= most * times["published", seed], (part, seed)
    for part, bar in (("fast", 0.9934), ("best", 0.9965), ("best_fashion", 0.94)):
        assert median(part, "test_accuracy") >= bar, part
    wrong = {
        part: round(1e4 * (1 - median(part, "test_accuracy"))) for part in ("best", "published")
    }
    assert (
        f"`best` gets {wrong['best']} of 10,000 images wrong, `published` {wrong['published']}"
        in notes
    )


def both(table: str, column: str, *kind: str) -> list[dict[tuple, list[float]]]:
    """Collect a column by kind: on the usual computer, and on the one with amx."""
    found = [{}, {}]
    for values, folder in zip(found, ("", "with_amx"), strict=True):
        for row in measure.read_table(measure.RESULTS / folder / table):
            values.setdefault(tuple(row[name] for name in kind), []).append(float(row[column]))
    return found


def overlap(*values: list[float]) -> bool:
    """Tell whether the ranges of these lists have a point in common."""
    return max(map(min, values)) <= min(map(max, values))


def test_both_processors_meet_the_bars_and_the_notes_compare_them_as_measured():
    notes = " ".join(NOTES.split())
    _header, _line, *rows = tables.two_processors()
    ratios = {what: cells for what, *cells in (row.strip("| ").split(" | ") for row in rows)}
    for folder in ("", "with_amx"):  # not by the table, which is rounded
        rows = measure.read_table(measure.RESULTS / folder / "same_work_ratios.csv")
        assert {row["met"] for row in rows} == {"yes"}
    for times in both("time_to_accuracy.csv", "fit_seconds", "part"):
        assert statistics.median(times["fast",]) <= 0.1 * statistics.median(times["published",])
    _bar, without, amx = ratios["`conv_net`, training"]
    told = f"`conv_net` takes {amx} of the plain script's time in 16 bits instead of {without}"
    _bar, without, amx = ratios["`conv_net_32_bits`, training"]
    assert f"{told}, and {amx} in 32 bits instead of {without}" in notes
    without, amx = both("same_work.csv", "figure", "task", "side")
    for task, values in amx.items():
        assert overlap(without[task], values), task
    without, amx = both("time_to_accuracy.csv", "test_accuracy", "part")
    assert overlap(without["published",], amx["published",])  # the other parts' recipes differ
    _without, amx = both("time_to_accuracy.csv", "epochs", "part")
    old = [f"{statistics.median(amx[part,]):.0f}" for part in ("fast", "best")]
    assert f"still had recipes of {old[0]} and {old[1]} epochs" in notes
    _without, amx = both("time_to_accuracy.csv", "fit_seconds", "part")
    _without, right = both("time_to_accuracy.csv", "test_accuracy", "part")
    for part in ("published", "fast", "best"):
        told = f"{tables.spread(amx[part,], 0)} seconds and {tables.spread(right[part,], 4)}"
        assert f"`{part}` {told}" in notes


def test_the_notes_tell_what_a_step_for_clothing_takes():
    notes = " ".join(NOTES.split())
    step, median = (
        {
            row["network"]: float(row[column])
            for row in measure.read_table(measure.RESULTS / "clothing_step.csv")
        }
        for column in ("least_ms", "median_ms")
    )
    whole = step["as it is"]
    ratio = whole / step["published"]
    assert f"takes {ratio:.1f} times as long as one of `published`" in notes
    plain = whole / step[clothing_step.PLAIN]
    assert f"takes {plain:.2f} of the time that it takes with TensorFlow's" in notes

    def shares(milliseconds):
        whole, *convolutions = (
            milliseconds[name]
            for name in (
                "as it is",
                *(f"{n} of the 6 convolutions, no normalisation" for n in (1, 6)),
            )
        )
        first, six = (each / whole for each in convolutions)
        return f"take {100 * (six - first):.0f} % of a step, normalisation {100 * (1 - six):.0f} %"

    assert f"the five after the first {shares(step)}" in notes
    assert f"By the medians they {shares(median)}" in notes


def test_the_notes_say_what_the_tries_gave():
    runs = {}
    for row in measure.read_table(measure.RESULTS / "mnist_tries.csv"):
        runs.setdefault(row["try"], []).append(row)
    assert {row["seed"] for rows in runs.values() for row in rows} == {"42", "43", "44"}

    def values(name):
        return [
            [float(row[column]) for row in runs[name]]
            for column in ("val_accuracy", "test_accuracy")
        ]

    def worth(name):
        """Tell how many percentage points were lost: of validation and of test images."""
        medians = zip(values("the recipe"), values(name), strict=True)
        return [100 * (statistics.median(a) - statistics.median(b)) for a, b in medians]

    def changes(name):
        """List, for validation and for test images, what each run gained."""
        pairs = zip(values(name), values("the recipe"), strict=True)
        return [[a - b for a, b in zip(*pair, strict=True)] for pair in pairs]

    assert all(0.35 < lost < 0.7 for lost in worth("a constant learning rate, no average"))
    assert all(0.05 < lost < 0.25 for lost in worth("a constant learning rate, averaged weights"))
    assert all(abs(lost) < 0.02 for lost in worth("no average of the weights"))
    assert all(abs(lost) < 0.05 for lost in worth("peak 3, and 6 epochs"))
    assert all(0.04 < lost < 0.14 for lost in worth("no moved images"))
    for name in (
        "no normalisation",
        "no dropout",
        "starting weights by Glorot's rule",
        "32 bits",
        "labels smoothed by 0.05",
    ):
        validation, test = changes(name)
        assert min(validation + test) <= 0 <= max(validation + test), name
    validation, test = changes("images turned and distorted too")
    assert min(test) > 0 and sum(change > 0 for change in validation) == 1


def test_the_notes_compare_memory_and_peers_as_measured():
    ratios = {
        row["task"]: float(row["peak_memory_ratio"])
        for row in measure.read_table(measure.RESULTS / "same_work_ratios.csv")
    }
    more = [100 * (ratios[task] - 1) for task in ("xor", "churn", "auto_mpg", "imdb")]
    told = f"the lesson needs {min(more):.0f} to {max(more):.0f} % more memory"
    assert told in NOTES and ratios["conv_net_32_bits"] > 0.7
    figures = {
        row["figure"]: float(row["median"])
        for row in measure.read_table(measure.RESULTS / "reproduce.csv")
    }
    (peer,) = [
        float(row["value"])
        for row in measure.read_table(measure.RESULTS / "peers.csv")
        if row["task"] == "imdb"
    ]
    assert figures["02 words"] < peer < figures["02 words and pairs"]


def row(side, seconds, memory, figure):
    return {
        "task": "conv_net",
        "side": side,
        "seed": 42,
        "fit_seconds": seconds,
        "process_seconds": seconds + 8,
        "peak_memory_mb": memory,
        "figure": figure,
    }


def test_ratios_are_those_of_medians_and_time_and_memory_must_both_be_met():
    (task,) = [task for task in same_work.TASKS if task.name == "conv_net"]
    task = task._replace(bar=0.6)
    rows = [row("plain", seconds, 1400, 0.99) for seconds in (30, 40, 90)]
    rows += [row("project", seconds, 900, 0.98) for seconds in (19, 20, 80)]
    result = same_work.compare(task, rows)
    assert result["fit_ratio"] == 0.5 and result["process_ratio"] == round(28 / 48, 3)
    assert result["peak_memory_ratio"] == 0.643 and result["met"] == "yes"
    assert result["project_figure"] == "0.9800 (0.9800 to 0.9800)"
    assert same_work.compare(task._replace(bar=0.49), rows)["met"] == "no"
    greedy = [{**each, "peak_memory_mb": 1400} for each in rows]
    assert same_work.compare(task, greedy)["met"] == "no"


def test_the_ratios_that_are_kept_are_those_of_the_runs_and_each_is_met():
    runs = measure.read_table(measure.RESULTS / "same_work.csv")
    kept = measure.read_table(measure.RESULTS / "same_work_ratios.csv")
    assert [result["task"] for result in kept] == [task.name for task in same_work.TASKS]
    for task, result in zip(same_work.TASKS, kept, strict=True):
        rows = [row for row in runs if row["task"] == task.name]
        expected = same_work.compare(task._replace(bar=float(result["fit_bar"])), rows)
        assert {k: str(v) for k, v in expected.items() if k != "machine"} == {
            k: v for k, v in result.items() if k != "machine"
        }
        assert len(rows) == 2 * task.turns and result["met"] == "yes"


def test_every_task_has_a_plain_script():
    assert {task.plain or task.name for task in same_work.TASKS} <= set(plain.TASKS)


@pytest.mark.parametrize(
    ("task", "lesson", "variant"),
    [
        ("xor", "xor", "seeds-20"),
        ("auto_mpg", "03_autompg_regression", ""),
        ("imdb", "02_imdb_binary_classification", ""),
        ("mlp_one_layer", "mnist", "mlp_one_layer"),
        ("conv_net", "mnist", "conv_net"),
    ],
)
def test_the_plain_script_trains_a_network_as_large_as_the_lessons(
    monkeypatch, task, lesson, variant
):
    class Seen(Exception):
        pass

    def look(model, *arrays, **options):
        raise Seen(model.count_params())

    tables = [
        measure.read_table(measure.RESULTS / f"{name}.csv") for name in ("lessons", "mnist", "xor")
    ]
    (parameters,) = {
        int(row["parameters"])
        for table in tables
        for row in table
        if (row["lesson"], row["variant"]) == (lesson, variant)
    }
    monkeypatch.setattr(plain, "load", lambda name: plain.find_dataset(name, "sample", None)[0])
    monkeypatch.setattr(plain, "timed_fit", look)
    with pytest.raises(Seen) as seen:
        plain.TASKS[task](42)
    assert seen.value.args == (parameters,)


def test_new_rows_replace_those_of_their_kind_only(tmp_path):
    path = tmp_path / "table.csv"
    measure.write_table(path, [{"task": "a", "value": 1}, {"task": "b", "value": 2}])
    measure.replace_rows(path, [{"task": "a", "value": 3}], "task", order=["a", "b"])
    assert measure.read_table(path) == [{"task": "a", "value": "3"}, {"task": "b", "value": "2"}]


@pytest.fixture
def figure():
    (figure,) = [figure for figure in reproduce.FIGURES if figure.name == "03 network"]
    return figure


@pytest.fixture
def fake_runs(monkeypatch):
    """Lessons leave a record at once; returns the seeds that were run."""
    seeds = []

    def run(script, *flags):
        flags = list(map(str, flags))
        seed = int(flags[flags.index("--seed") + 1])
        seeds.append(seed)
        folder = (
            reproduce.Path(flags[flags.index("--out") + 1]) / "03_autompg_regression" / str(seed)
        )
        folder.mkdir(parents=True)
        record = {
            "lesson": "03_autompg_regression",
            "variant": "",
            "finished": True,
            "data": "real",
            "source": "a folder",
            "flags": {},
            "seed": seed,
            "epochs": 60,
            "parameters": 1,
            "metrics": {"test_mae": seed / 20},
            "seconds": {"load": 0, "epoch": 0, "fit": 2, "total": 6},
            "peak_memory_mb": 800,
            "device": "CPU",
            "versions": {},
        }
        (folder / "run.json").write_text(json.dumps(record))

    monkeypatch.setattr(reproduce, "run", run)
    return seeds


def test_a_figure_is_measured_over_its_seeds_and_nothing_is_run_twice(tmp_path, figure, fake_runs):
    row = reproduce.reproduce(figure, (42, 43, 44), tmp_path)
    assert fake_runs == [42, 43, 44]
    assert (row["smallest"], row["median"], row["largest"]) == (2.1, 2.15, 2.2)
    assert row["seeds"] == "42 43 44" and row["fit_seconds"] == 2 and row["met"] == "yes"
    strict = figure._replace(most=2.14)
    assert reproduce.reproduce(strict, (42, 43, 44), tmp_path)["met"] == "no"
    assert reproduce.reproduce(figure, (43, 45), tmp_path)["seeds"] == "43 45"
    assert fake_runs == [42, 43, 44, 45]


def test_runs_in_the_tables_of_others_count_as_well(tmp_path, figure, fake_runs):
    table = ROOT / "benchmarks" / "results" / "lessons.csv"
    row = reproduce.reproduce(figure, (42, 43, 44), tmp_path, [table])
    assert fake_runs == [] and row["median"] == 1.8171


def test_the_table_of_figures_is_that_of_the_runs_that_are_kept():
    tables = [
        measure.RESULTS / f"{name}.csv"
        for name in ("lessons", "mnist", "mnist_recipes", "churn", "xor")
    ]
    runs = [run for table in tables for run in measure.read_table(table)]
    expected = []
    for figure in reproduce.FIGURES:
        rows = [row for row in reproduce.rows_of(figure, runs) if int(row["seed"]) in figure.seeds]
        assert len(rows) == len(figure.seeds), figure.name
        expected.append({k: str(v) for k, v in reproduce.measured(figure, rows).items()})
    assert measure.read_table(measure.RESULTS / "reproduce.csv") == expected


def test_a_trial_leaves_the_tables_alone(tmp_path, monkeypatch, capsys, figure, fake_runs):
    before = (measure.RESULTS / "reproduce.csv").read_bytes()
    words = ["reproduce.py", "--only", figure.name, "--seeds", "42", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    reproduce.main()
    assert fake_runs == [42] and "a trial" in capsys.readouterr().out
    assert (measure.RESULTS / "reproduce.csv").read_bytes() == before


def test_each_name_of_a_figure_is_looked_for(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reproduce.py", "--only", "01", "nonsense"])
    with pytest.raises(SystemExit) as stop:
        reproduce.main()
    assert stop.value.code == 2 and "--only nonsense" in capsys.readouterr().err


def test_the_back_end_is_the_one_that_the_tables_name(monkeypatch):
    seen = []

    def run(command, env, **options):
        seen.append(env["KERAS_BACKEND"])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    measure.run("xor/xor.py")
    measure.run("xor/xor.py", backend="jax")
    assert seen == ["tensorflow", "jax"]


@pytest.mark.parametrize(
    "name", ["reproduce", "same_work", "time_to_accuracy", "peers", "mnist_tries"]
)
def test_a_wrong_flag_is_refused_in_one_line(name):
    script = ROOT / "benchmarks" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, script, "--only", "nonsense"], capture_output=True, text=True
    )
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and "nonsense" in done.stderr


def test_a_command_that_fails_is_shown_with_its_last_words(capsys):
    with pytest.raises(SystemExit) as stop:
        measure.run("xor/xor.py", "--epochs", "none")
    assert stop.value.code == 1
    assert "must be a whole number" in capsys.readouterr().err
