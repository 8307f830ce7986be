"""benchmarks/: what the scripts compute, write and reject."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from conftest import NO_DATA_SET, ROOT
from keras import layers

from benchmarks import architectures, blocks, measure, plain, reproduce, same_work, tables
from benchmarks.measure import RESULTS, read_table
from benchmarks.measured import results, runs_of

BEGIN, END, OLD = "<!-- results: sum -->", "<!-- end -->", "- 1 + 1 = 3"
SUM = {"sum": lambda: ["| a |", "- 1 + 1 = 2"]}
STORED = ("00_neuron", "lessons", "mnist", "mnist_recipes", "churn", "xor")  # tables of runs


@pytest.mark.parametrize("comment", ["", "# "])
def test_fill_blocks_keeps_surrounding_prose(comment):
    text = f"prose\n{comment}{BEGIN}\n{comment}{OLD}\n{comment}{END}\nmore"
    new = f"prose\n{comment}{BEGIN}\n{comment}| a |\n{comment}- 1 + 1 = 2\n{comment}{END}\nmore"
    assert blocks.fill_blocks(text, SUM, "page") == (new, ["sum"])
    assert blocks.fill_blocks(new, SUM, "page") == (new, [])


BROKEN = {
    f"{BEGIN}\n{OLD}\n": ", line 1: the block sum has no <!-- end -->",
    f"{BEGIN}\n{BEGIN}\n{END}\n": ", line 1: the block sum has no <!-- end -->",
    f"# {BEGIN}\n{END}\n": ", line 1: the block sum has no # <!-- end -->",
    f"\n{END}\n": ", line 2: <!-- end --> without a block",
    f"{BEGIN.replace('sum', 'nonsense')}\n{END}\n": ", line 1: no block is called nonsense",
    "Expect: 2.\n": ": benchmarks/sentences.py has no Expect: for 01_lesson",
    "Expect: 2.\nExpect: 2.\n": ": 2 lines begin with Expect: and a lesson has one",
}


@pytest.mark.parametrize(("page", "message"), BROKEN.items())
def test_malformed_page_is_refused(tmp_path, monkeypatch, capsys, page, message):
    path = tmp_path / "01_lesson.py"
    path.write_text(page)
    monkeypatch.setattr(tables, "pages", lambda: [path])
    monkeypatch.setattr(tables, "BLOCKS", SUM)
    monkeypatch.setattr(sys, "argv", ["tables.py", "--write"])
    with pytest.raises(SystemExit) as stop:
        tables.main()
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.count("\n") == 1
    assert error.startswith(f"{path}{message}") and path.read_text() == page


@pytest.mark.parametrize("begin", ["Expect", "Takes"])
@pytest.mark.parametrize("old", ["", " 3.", " 2."])
def test_header_line_is_regenerated(tmp_path, begin, old):
    path, makers = tmp_path / "01_lesson.py", {"01_lesson": lambda: "2."}
    headers = {"Expect": makers, "Takes": makers}
    path.write_text(f'"""Title\n\n{begin}:{old}\n\n    python 01_lesson.py\n"""\n')
    text, changed = blocks.regenerate(path, {}, headers)
    assert text == path.read_text().replace(f"{begin}:{old}", f"{begin}: 2.")
    assert changed == [f"{begin}:"] * (old != " 2.")
    path.write_text('"""Title"""\n')
    assert blocks.regenerate(path, {}, headers) == (path.read_text(), [])


def test_compare_checks_median_time_and_memory():
    def rows(side, seconds, memory):
        values = {"peak_memory_mb": memory, "figure": 0.98, "side": side}
        return [{"fit_seconds": s, "process_seconds": s + 8, **values} for s in seconds]

    task = next(task for task in same_work.TASKS if task.name == "conv_net")._replace(bar=0.6)
    plain_rows, ours = rows("plain", (30, 40, 90), 1400), rows("project", (19, 20, 80), 900)
    result = same_work.compare(task, plain_rows + ours)
    assert result["fit_ratio"] == 0.5 and result["process_ratio"] == round(28 / 48, 3)
    assert result["peak_memory_ratio"] == 0.643 and result["met"] == "yes"
    assert result["project_figure"] == "0.9800 (0.9800 to 0.9800)"
    assert same_work.compare(task._replace(bar=0.49), plain_rows + ours)["met"] == "no"
    greedy = rows("project", (19, 20, 80), 1400)
    assert same_work.compare(task, plain_rows + greedy)["met"] == "no"


def test_stored_ratios_match_runs():
    kept, runs = (read_table(RESULTS / f"{name}.csv") for name in ("same_work_ratios", "same_work"))
    assert [result["task"] for result in kept] == [task.name for task in same_work.TASKS]
    for task, result in zip(same_work.TASKS, kept, strict=True):
        rows = [row for row in runs if row["task"] == task.name]
        expected = same_work.compare(task._replace(bar=float(result["fit_bar"])), rows)
        expected["machine"] = result["machine"]
        assert {k: str(v) for k, v in expected.items()} == result
        assert len(rows) == 2 * task.turns and (task.plain or task.name) in plain.TASKS


@pytest.mark.parametrize(
    "task", ["fashion_mnist", "xor", "auto_mpg", "imdb", "mlp_one_layer", "conv_net"]
)
def test_plain_script_matches_lesson_parameter_count(monkeypatch, task):
    class Seen(Exception):
        pass

    def look(model, *arrays, **options):
        raise Seen(str(model.count_params()))

    known = {
        "fashion_mnist": runs_of("01"),
        "auto_mpg": runs_of("03"),
        "imdb": runs_of("02"),
        "xor": results("xor")[:1],
    }
    runs = known.get(task, results("mnist").query("variant == @task"))
    (parameters,) = runs.parameters.unique()
    monkeypatch.setattr(plain, "load", lambda name: plain.find_dataset(name, "sample", None)[0])
    monkeypatch.setattr(plain, "timed_fit", look)
    with pytest.raises(Seen, match=rf"^{parameters}$"):
        plain.TASKS[task](42)


@pytest.fixture
def figure():
    return next(figure for figure in reproduce.FIGURES if figure.name == "03 network")


@pytest.fixture
def fake_runs(monkeypatch):
    """Replace runs by prepared records; return the list of seeds that were run."""
    seeds = []

    def run(script, *flags):
        flags = list(map(str, flags))
        seed, out = (flags[flags.index(flag) + 1] for flag in ("--seed", "--out"))
        seeds.append(int(seed))
        folder = Path(out) / "03_autompg_regression" / seed
        folder.mkdir(parents=True)
        record = {"lesson": "03_autompg_regression", "variant": "", "finished": True, "flags": {}}
        record |= {"data": "real", "source": "a folder", "seed": int(seed), "epochs": 60}
        record |= {"parameters": 1, "metrics": {"test_mae": int(seed) / 20}, "versions": {}}
        record |= {"seconds": {"load": 0, "epoch": 0, "fit": 2, "total": 6}, "device": "CPU"}
        record["code"] = reproduce.fingerprint(ROOT / script)
        (folder / "run.json").write_text(json.dumps(record | {"peak_memory_mb": 800}))

    monkeypatch.setattr(reproduce, "run", run)
    return seeds


def test_reproduce_reuses_finished_runs(tmp_path, figure, fake_runs):
    row = reproduce.reproduce(figure, (42, 43, 44), tmp_path)
    assert fake_runs == [42, 43, 44]
    assert (row["smallest"], row["median"], row["largest"]) == (2.1, 2.15, 2.2)
    assert row["seeds"] == "42 43 44" and row["fit_seconds"] == 2 and row["met"] == "yes"
    strict = figure._replace(most=2.14)
    assert reproduce.reproduce(strict, (42, 43, 44), tmp_path)["met"] == "no"
    assert reproduce.reproduce(figure, (43, 45), tmp_path)["seeds"] == "43 45"
    others = [RESULTS / "lessons.csv"]  # runs in there count as well
    assert reproduce.reproduce(figure, (46, 47, 48), tmp_path, others)["seeds"] == "46 47 48"
    assert fake_runs == [42, 43, 44, 45]


def test_reproduce_repeats_runs_of_other_code(tmp_path, figure, fake_runs):
    reproduce.reproduce(figure, (42,), tmp_path)
    path = tmp_path / "03_autompg_regression" / "42" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"code": "0123456789ab"}))
    path.parent.rename(path.parent.with_name("earlier"))
    reproduce.reproduce(figure, (42,), tmp_path)
    assert fake_runs == [42, 42]


def test_runs_are_kept_in_the_table_of_their_lesson(tmp_path, monkeypatch, figure, fake_runs):
    reproduce.reproduce(figure, (42, 43), tmp_path)
    runs = reproduce.full_rows(figure, reproduce.all_rows(tmp_path, []))
    old = runs[0] | {"data": "real", "test_mae": "9", "seed": "42"}
    others = [old | {"seed": "44"}, old | {"lesson": "02_imdb_binary_classification"}, old]
    monkeypatch.setattr(reproduce, "RESULTS", tmp_path)
    measure.write_table(tmp_path / "lessons.csv", [{**row, "flags": ""} for row in others])
    reproduce.keep(runs)
    table = read_table(tmp_path / "lessons.csv")
    assert [row["seed"] for row in table] == ["44", "42", "42", "43"]
    assert [row["test_mae"] for row in table] == ["9", "9", "2.1", "2.15"]


def test_reproduce_leaves_out_shorter_runs(tmp_path, figure, fake_runs):
    reproduce.reproduce(figure, (42,), tmp_path)
    path = tmp_path / "03_autompg_regression" / "42" / "run.json"
    record = json.loads(path.read_text())
    for change in (
        {"epochs": 1},
        {"flags": {"epochs": 50, "batch_size": 32}},
        {"flags": {"batch_size": 64}},
        {"flags": {"limit": 100}},
    ):
        other = tmp_path / "03_autompg_regression" / "later" / "run.json"
        other.parent.mkdir(exist_ok=True)
        other.write_text(json.dumps(record | {"metrics": {"test_mae": 9}} | change))
        assert reproduce.reproduce(figure, (42,), tmp_path)["median"] == 2.1
    assert fake_runs == [42]


def test_reproduce_runs_a_seed_once(tmp_path, figure, fake_runs):
    reproduce.reproduce(figure, (42, 42), tmp_path)
    assert fake_runs == [42]


@pytest.mark.parametrize(
    "content",
    [b"lesson;variant;data;seed;epochs\n03;;real;42;60\n", b"a,b\n1,2\n", b"\x00\x01\xd8"],
)
def test_reproduce_refuses_other_tables(tmp_path, monkeypatch, capsys, fake_runs, content):
    (tmp_path / "runs.csv").write_bytes(content)
    words = ["reproduce.py", "--only", "03", "--tables", str(tmp_path / "runs.csv")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stop:
        reproduce.main()
    assert stop.value.code == 2 and "not a comma-separated table" in capsys.readouterr().err


@pytest.mark.parametrize("figure", reproduce.FIGURES, ids=lambda figure: figure.name)
def test_stored_runs_are_of_full_length(figure):
    runs = [run for name in STORED for run in read_table(RESULTS / f"{name}.csv")]
    mine = reproduce.rows_of(figure, runs)
    assert reproduce.full_rows(figure, runs) == mine
    assert reproduce.full_rows(figure, [run | {"epochs": "1"} for run in mine]) == []


def test_stored_figures_match_runs():
    expected = []
    runs = [run for name in STORED for run in read_table(RESULTS / f"{name}.csv")]
    for figure in reproduce.FIGURES:
        rows = [row for row in reproduce.rows_of(figure, runs) if int(row["seed"]) in figure.seeds]
        assert len(rows) == len(figure.seeds), figure.name
        expected.append({k: str(v) for k, v in reproduce.measured(figure, rows).items()})
    assert read_table(RESULTS / "reproduce.csv") == expected


def test_trial_does_not_change_tables(tmp_path, monkeypatch, capsys, figure, fake_runs):
    before = (RESULTS / "reproduce.csv").read_bytes()
    words = ["reproduce.py", "--only", figure.name, "--seeds", "42", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    reproduce.main()
    assert fake_runs == [42] and "trial run" in capsys.readouterr().out
    assert (RESULTS / "reproduce.csv").read_bytes() == before


def test_replace_rows_keeps_other_kinds(tmp_path):
    path = tmp_path / "table.csv"
    measure.write_table(path, [{"task": "a", "value": 1}, {"task": "b", "value": 2}])
    measure.replace_rows(path, [{"task": "a", "value": 3}], "task", order=["a", "b"])
    assert read_table(path) == [{"task": "a", "value": "3"}, {"task": "b", "value": "2"}]


def test_replace_rows_keeps_kinds_with_earlier_names(tmp_path):
    path = tmp_path / "table.csv"
    measure.write_table(path, [{"task": "old", "value": 1}, {"task": "b", "value": 2}])
    measure.replace_rows(path, [{"task": "a", "value": 3}], "task", order=["a", "b"])
    assert [row["task"] for row in read_table(path)] == ["a", "b", "old"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_table_from_windows_is_read(tmp_path, encoding):
    path = tmp_path / "runs.csv"
    path.write_bytes('lesson,seed\r\n"a\nb",42\r\n'.encode(encoding))
    assert read_table(path) == [{"lesson": "a\nb", "seed": "42"}]


def test_real_data_flag_only_where_lesson_has_it():
    assert measure.COMPUTE_THEIR_DATA == {Path(script).name for script in NO_DATA_SET}
    assert measure.no_data_or_real("xor/xor.py", "--seed", 42) == []
    assert measure.no_data_or_real("18_imdb_lstm.py", "--seed", 42) == ["--data", "real"]


def test_run_of_a_script_that_runs_a_lesson(monkeypatch, tmp_path, figure, fake_runs):
    reproduce.reproduce(figure, (42,), tmp_path)

    def run(script, *words, backend):
        shutil.copytree(tmp_path, words[words.index("--out") + 1], dirs_exist_ok=True)
        return 1.5, ""

    monkeypatch.setattr(measure, "run", run)
    record = measure.run_lesson("benchmarks/mnist_tries.py")
    assert (record["lesson"], record["process_seconds"]) == ("03_autompg_regression", 1.5)


def test_multiplications_are_weights_times_positions():
    inner = keras.Sequential([keras.Input((9, 9, 4)), layers.DepthwiseConv2D(3)])
    model = keras.Sequential([
        keras.Input((11, 11, 1)),
        layers.Conv2D(4, 3),
        inner,
        layers.Flatten(),
        layers.Dense(5),
    ])
    expected = 9 * 9 * (3 * 3 * 4) + 7 * 7 * (3 * 3 * 4) + (7 * 7 * 4) * 5
    assert architectures.multiplications(model) == expected


def test_measure_run_sets_backend(monkeypatch):
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
    ("name", "words", "said"),
    [
        ("reproduce", ["--only", "01", "nonsense"], "nonsense"),
        ("reproduce", ["--out", ""], "--out: must be a path"),
        ("reproduce", ["--seeds", "42", "-1"], "--seeds: must be a whole number"),
        ("same_work", ["--only", "nonsense"], "nonsense"),
        ("time_to_accuracy", ["--only", "nonsense"], "nonsense"),
        ("peers", ["--only", "nonsense"], "nonsense"),
        ("mnist_tries", ["--only", "nonsense"], "nonsense"),
        ("clothing_step", ["--steps", "0"], "--steps: must be a whole number"),
        ("kept_memory", ["--turns", "0"], "--turns: must be a whole number"),
        ("one_program", ["--turns", "0"], "--turns: must be a whole number"),
        ("serving_load", ["--seconds", "nan"], "--seconds: must be a number"),
        ("attention_cost", ["--lengths", "-5"], "--lengths: must be a whole number"),
    ],
)
def test_flag_errors(name, words, said):
    command = [sys.executable, ROOT / "benchmarks" / f"{name}.py", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr


def test_failed_command_shows_its_error(capsys):
    with pytest.raises(SystemExit) as stop:
        measure.run("xor/xor.py", "--epochs", "none")
    assert stop.value.code == 1
    assert "must be a whole number" in capsys.readouterr().err
