"""notes/solutions/: every lesson has three exercises, and their solutions work."""

import json
import re
import shlex

import pytest
from conftest import ALL_LESSONS as LESSONS
from conftest import FASHION, NO_LIMIT, ROOT, on_sample, run_lesson, run_script

FOLDER = ROOT / "notes" / "solutions"
PAGES = {script: FOLDER / f"{script.removesuffix('.py')}.md" for script in LESSONS}
SCRIPTS = sorted(path.name for path in FOLDER.glob("[0-9]*.py"))
COMMANDS = [
    shlex.split(re.sub(r"^KERAS_BACKEND=\w+ ", "", line))
    for page in PAGES.values()
    for block in re.findall(r"^```shell\n(.*?)^```$", page.read_text(), re.M | re.S)
    for line in block.splitlines()
]
LESSON_COMMANDS = [words[1:] for words in COMMANDS if words[1] in LESSONS]


@pytest.mark.parametrize("script", LESSONS)
def test_exercises_have_solutions(script):
    _, cell = (ROOT / script).read_text().split("# %% [markdown]\n# ## Exercises\n")
    solved = re.findall(r"^\*\*(\d)\. ", PAGES[script].read_text(), re.M)
    assert re.findall(r"^# (\d)\. ", cell, re.M) == solved == ["1", "2", "3"]
    assert f"Solutions: {PAGES[script].relative_to(ROOT).as_posix()}" in cell


@pytest.mark.parametrize("words", LESSON_COMMANDS, ids=shlex.join)
def test_solution_flags_are_valid(words, monkeypatch):
    class Parsed(Exception):
        pass

    def stop(self, *_):
        raise Parsed

    monkeypatch.setattr("frame.resume.find_unfinished", lambda *_: {})  # of `--resume`
    monkeypatch.setattr("common.startup.start_keras", stop)
    monkeypatch.setattr("frame.run.Run", stop)  # where nothing starts Keras
    with pytest.raises(Parsed):
        run_script(*words)


def test_other_commands_are_solution_scripts():
    others = [words for words in COMMANDS if words[1] not in LESSONS]
    named = [words[1] for words in others if words[1:] != ["-m", "common.runs"]]
    assert sorted(named) == [f"notes/solutions/{script}" for script in SCRIPTS]


@pytest.mark.release
@pytest.mark.parametrize("script", [name for name in SCRIPTS if name != "11_imagenet.py"])
def test_solution_script_runs(script, smoke_runs, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    (lesson,) = (lesson for lesson in LESSONS if lesson[:2] == script[:2])
    trained = "newest_run" in (FOLDER / script).read_text()
    run_script(f"notes/solutions/{script}", *([smoke_runs[lesson].folder] if trained else []))
    assert capsys.readouterr().out


def test_solutions_take_the_data_of_their_run(tmp_path, smoke_runs, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    from saved import load_data_of

    record = json.loads((smoke_runs[FASHION].folder / "run.json").read_text())
    (_, (images, _)) = load_data_of(smoke_runs[FASHION].folder, "fashion_mnist")
    assert images.shape[1:] == (28, 28) and "sample" in capsys.readouterr().out
    record["data_sets"] = {"fashion_mnist": ["real", f"{tmp_path}, 60,000 images"]}
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(SystemExit):  # never the sample for a model trained on real data
        load_data_of(tmp_path, "fashion_mnist")
    assert "fashion_mnist.npz" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        load_data_of(tmp_path / "none", "fashion_mnist")
    assert "not the folder of a run" in capsys.readouterr().err


def test_solution_script_without_run_fails(monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr("saved.finished_runs", lambda out, lesson: [])
    with pytest.raises(SystemExit) as stop:
        run_script("notes/solutions/01_confused.py")
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith(f"run python {FASHION} first\n")


# The last command on each page that sets one of the lesson's own flags.
LAST_COMMANDS = {
    words[0]: words
    for words in LESSON_COMMANDS
    if {word for word in words if word.startswith("--")}
    - {"--epochs", "--batch-size", "--limit", "--resume"}
}


@pytest.mark.release
@pytest.mark.parametrize("script", LAST_COMMANDS)
def test_last_solution_command_runs(script, tmp_path):
    words = LAST_COMMANDS[script]
    few = ["--epochs", "1", *on_sample(words[0])]
    few += [] if "--limit" in words or words[0] in NO_LIMIT else ["--limit", "300"]
    fewer = {
        "09": ["--trials", "1"],
        "10": ["--series", "300"],
        "16": ["--repeats", "1"],
        "20": ["--repeats", "1"],
        "27": ["--lists", "300"],
        "34": ["--pretraining", "3"],
    }
    few += fewer.get(script[:2], [])
    assert run_lesson(words[0], tmp_path, *words[1:], *few).record["finished"]
