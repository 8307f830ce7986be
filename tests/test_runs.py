"""common/runs.py: the table of runs and the figure of their learning curves."""

import csv
import json
import shutil
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from conftest import AUTO_MPG, FASHION

from common import plots, runs
from frame.parser import LessonParser

SOME = [AUTO_MPG, FASHION]


def run_main(monkeypatch, *words) -> None:
    monkeypatch.setattr(sys, "argv", ["common.runs", *map(str, words)])
    runs.main()


def test_table_lists_runs_and_figure_is_drawn(smoke_runs, monkeypatch, capsys):
    every = [smoke_runs[script] for script in SOME]
    out = smoke_runs.out
    run_main(monkeypatch, "--out", out)
    table = capsys.readouterr().out
    for run in every:
        (line,) = [
            row
            for row in table.splitlines()
            if run.folder.name in row and run.record["lesson"] in row
        ]
        for value in run.record["metrics"].values():
            assert runs.short(value) in line
    assert (out / "runs.png").read_bytes().startswith(b"\x89PNG")


def test_table_tells_runs_on_fewer_examples_apart(smoke_runs, capsys):
    record = smoke_runs[AUTO_MPG].record | {"run": "20261025-023000"}
    for limit in (None, 100):
        runs.print_table([record | {"flags": record["flags"] | {"limit": limit}}])
        assert ("--limit 100" in capsys.readouterr().out) == (limit == 100)


def test_runs_of_a_class_are_told_apart(smoke_runs, tmp_path, monkeypatch, capsys):
    record = smoke_runs[AUTO_MPG]
    for place in ("anna", "ben/outputs"):  # started in the same second
        folder = tmp_path / place / "03_autompg_regression" / "20261025-023000"
        shutil.copytree(record.folder, folder)
    run_main(monkeypatch, "--out", tmp_path)
    table = capsys.readouterr().out
    with (tmp_path / "runs.csv").open(encoding="utf-8") as file:
        names = [row["run"] for row in csv.DictReader(file)]
    assert names == ["anna/20261025-023000", "ben/20261025-023000"]
    assert all(name in table for name in names)
    run_main(monkeypatch, "--out", tmp_path / "ben" / "outputs")
    assert "ben" not in capsys.readouterr().out.partition("curves")[0]


def test_newest_run_is_the_last_one_started(smoke_runs, tmp_path):
    starts = {
        "20261025-023000": "2026-10-25T00:30:00.000Z",  # in summer
        "20261025-021500": "2026-10-25T01:15:00.000Z",  # in winter, after the clocks went back
        "20261024-220000": "2026-10-25T02:00:00.000Z",  # in New York
        "20261026-000000": None,  # of an older version
    }
    for name, started in starts.items():
        folder = tmp_path / "03_autompg_regression" / name
        folder.mkdir(parents=True)
        record = smoke_runs[AUTO_MPG].record | {"started": started}
        if not started:
            del record["started"]
        (folder / "run.json").write_text(json.dumps(record))
    found = [record["run"] for record in runs.finished_runs(tmp_path)]
    assert found == ["20261026-000000", *list(starts)[:3]]


def test_record_has_time_of_start_in_utc(smoke_runs):
    started = datetime.fromisoformat(smoke_runs[AUTO_MPG].record["started"])
    assert smoke_runs[AUTO_MPG].record["started"].endswith("Z")
    assert timedelta() < datetime.now(UTC) - started < timedelta(hours=3)


def test_short_uses_exponent_for_large_numbers():
    assert runs.short(12) == "12"  # such as `best_epoch`
    assert runs.short(0.88431) == "0.8843" and runs.short(1.7e28) == "1.70e+28"


def test_metric_equal_to_loss_is_detected():
    columns = {"loss": [446.9, 2.813], "mse": [446.90002, 2.8129998], "mae": [20.4, 1.3]}
    assert [name for name in columns if plots.repeats_loss(name, columns)] == ["mse"]


def compared(*histories) -> list[list[int]]:
    """Plot runs of one lesson; return the number of values of each curve, panel by panel."""
    record = {"lesson": "10_a", "run": "2026 $^^$", "data": "real", "seed": 42, "epochs": 2}
    figure = plots.compare_runs([(record, columns) for columns in histories])
    figure.canvas.draw()
    plots.plt.close(figure)
    return [[len(line.get_xdata()) for line in axes.lines] for axes in figure.axes[:-1]]


def test_runs_with_different_columns_are_drawn():
    linear, gru = ({f"{name}loss": [2.0, 1.0] for name in (m, f"val_{m}")} for m in ("a_", "b_"))
    assert compared(linear, linear | gru, gru) == [[2, 2, 0], [0, 2, 2]]
    assert compared(linear | gru, linear) == [[2, 2], [2, 0]]


def test_only_diverged_curves_are_left_out():
    ends = [0.0, 0.5, 1e6, float("nan"), -1.0]
    histories = [{"loss": [1.0, 1.0], "val_loss": [1.0, end]} for end in ends]
    assert compared(*histories) == [[2, 2, 0, 0, 2]]


@pytest.mark.parametrize("wrong", [[float("nan")] * 2, [float("inf"), 2.0], [1e30, 1e30]])
def test_diverged_regression_is_drawn(tmp_path, wrong):
    figure = plots.prediction_versus_truth(np.array([1.0, 2.0]), np.array(wrong), "a", "b")
    plots.save(figure, tmp_path / "figure.png")


def test_table_of_one_lesson(smoke_runs, monkeypatch, capsys):
    first, second = smoke_runs[AUTO_MPG], smoke_runs[FASHION]
    run_main(monkeypatch, first.record["lesson"], "--out", first.out)
    table = capsys.readouterr().out
    assert first.record["lesson"] in table and second.record["lesson"] not in table


def test_runs_csv_matches_records(smoke_runs):
    every = [smoke_runs[script] for script in SOME]
    runs.write_table(smoke_runs.out)
    with (smoke_runs.out / "runs.csv").open() as file:
        rows = {row["lesson"]: row for row in csv.DictReader(file)}
    for run in every:
        row = rows[run.record["lesson"]]
        for name, value in run.record["metrics"].items():
            assert float(row[name]) == pytest.approx(value, abs=1e-4)
        assert row["data"] == run.record["data"]
        assert float(row["fit_seconds"]) == pytest.approx(run.record["seconds"]["fit"], abs=0.01)


def test_history_csv_has_one_row_per_epoch(smoke_runs):
    for run in (smoke_runs[script] for script in SOME):
        columns = runs.read_history(run.folder)
        history = run.names["model"].history.history
        assert columns["epoch"] == [1, 2]
        assert {name: columns[name] for name in history} == history
        assert all(seconds > 0 for seconds in columns["seconds"])


@pytest.mark.parametrize(
    ("words", "message"), [([], "no finished run; run a lesson"), (["04"], "no finished run of 04")]
)
def test_missing_runs_error(tmp_path, monkeypatch, capsys, words, message):
    with pytest.raises(SystemExit) as stop:
        run_main(monkeypatch, *words, "--out", tmp_path)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_runs_csv_keeps_nan_metrics(smoke_runs, tmp_path):
    folder = tmp_path / "03_autompg_regression" / "20260101-000000"
    folder.mkdir(parents=True)
    record = smoke_runs[AUTO_MPG].record | {"metrics": {"test_mae": float("nan")}}
    (folder / "run.json").write_text(json.dumps(record))
    runs.write_table(tmp_path)
    assert "nan" in (tmp_path / "runs.csv").read_text()


@pytest.mark.parametrize("content", [b"", b"epoch,loss\n1,x\n", b"\xff", None])
def test_run_with_damaged_history_is_skipped(smoke_runs, tmp_path, monkeypatch, capsys, content):
    for number, run in enumerate((smoke_runs[AUTO_MPG], smoke_runs[FASHION])):
        folder = shutil.copytree(run.folder, tmp_path / run.record["lesson"] / "20260101-000000")
        if number == 1 and content is not None:
            (folder / "history.csv").write_bytes(content)
        elif number == 1:
            (folder / "history.csv").unlink()
    run_main(monkeypatch, "--out", tmp_path)
    printed, error = capsys.readouterr()
    assert "03_autompg" in printed and "mnist" not in printed
    assert "history.csv: cannot be read" in error and len(error.splitlines()) == 1


def test_run_that_an_editor_has_saved_is_read(smoke_runs, tmp_path):
    folder = shutil.copytree(smoke_runs[AUTO_MPG].folder, tmp_path / "03" / "20260101-000000")
    for name in ("run.json", "history.csv"):
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    ((record, columns),) = runs.with_history(runs.finished_runs(tmp_path))
    assert record["metrics"] == smoke_runs[AUTO_MPG].record["metrics"] and "epoch" in columns


def test_tilde_is_the_home_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit):
        run_main(monkeypatch, "--out=~/runs")
    assert f"{tmp_path / 'runs'}: no finished run" in capsys.readouterr().err
    parser = LessonParser("a", None, {"epochs": 1, "batch_size": 1}, data=True)
    words = parser.parse_args(["--out=~/runs", "--data-dir=~/data"])
    assert (words.out, words.data_dir) == (tmp_path / "runs", tmp_path / "data")


def test_damaged_record_is_named(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "01_lesson" / "20260101-000000"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    with pytest.raises(SystemExit) as stop:
        run_main(monkeypatch, "--out", tmp_path)
    assert stop.value.code == 2 and str(folder / "run.json") in capsys.readouterr().err


@pytest.mark.parametrize(
    "sets", [None, [1], "mnist", {"mnist": 1}, {"mnist": ["real"]}, {"mnist": ["real", None]}]
)
def test_record_with_other_data_sets_is_refused(smoke_runs, tmp_path, sets):
    record = smoke_runs[AUTO_MPG].record
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert runs.read_record(tmp_path) == record
    (tmp_path / "run.json").write_text(json.dumps(record | {"data_sets": sets}))
    with pytest.raises(runs.DamagedRecordError, match="data_sets"):
        runs.read_record(tmp_path)


def test_figure_that_cannot_be_written_is_said_after_the_table(
    smoke_runs, tmp_path, monkeypatch, capsys
):
    shutil.copytree(smoke_runs[AUTO_MPG].folder, tmp_path / "03" / "20260101-000000")
    (tmp_path / "runs.png").mkdir()
    with pytest.raises(SystemExit) as stop:
        run_main(monkeypatch, "--out", tmp_path)
    printed, error = capsys.readouterr()
    assert stop.value.code == 2 and "03_autompg" in printed
    assert error.startswith(f"error: --out {tmp_path}: cannot write there (")
    assert len(error.splitlines()) == 1 and not list(tmp_path.glob(".*"))


def test_powers_of_ten_are_drawn_as_formulas():
    axes = plots.new_figure(3, 3)[1]
    axes.set(xscale="log", xlim=(1e-6, 1))
    labels = [label for label in axes.get_xticklabels() if label.get_text()]
    assert labels and all(label.get_parse_math() for label in labels)
