"""The fingerprint of the code behind a run, and what is said where it differs."""

import csv

import pytest
from conftest import AUTODIFF, ROOT

from benchmarks import reproduce
from common import fingerprint

SCRIPT = """# %% [markdown]
\"\"\"
# A title
\"\"\"
from package.tools import double

def main():
    from package import late  # only when it is needed
    print(double(2), late.NUMBER)
"""
TOOLS = 'def double(x):\n    """Twice."""\n    return 2 * x\n'
FILES = {"lesson.py": SCRIPT, "package/__init__.py": "", "package/tools.py": TOOLS}
FILES |= {"package/late.py": "NUMBER = 3\n", "package/other.py": "import package.late\n"}


@pytest.fixture
def code_of(tmp_path, monkeypatch):
    """Return a function from changed files to the fingerprint of the script."""
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    (tmp_path / "package").mkdir()

    def code_of(**changes):
        for name, text in (FILES | changes).items():
            (tmp_path / name).write_text(text)
        fingerprint.read_code.cache_clear()
        return fingerprint.fingerprint(tmp_path / "lesson.py")

    return code_of


def test_prose_comments_and_line_breaks_do_not_count(code_of):
    other = SCRIPT.replace("# A title", "# Another").replace("  # only when it is needed", "")
    other = other.replace(
        "double(2), late.NUMBER", "\n        double(2),\n        late.NUMBER\n    "
    )
    tools = TOOLS.replace("Twice.", "Two times.")
    assert code_of(**{"lesson.py": other, "package/tools.py": tools}) == code_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"lesson.py": SCRIPT.replace("double(2)", "double(3)")},
        {"package/tools.py": TOOLS.replace("2 * x", "3 * x")},
        {"package/tools.py": TOOLS.replace("2 * x", "x * 2")},
        {"package/late.py": "NUMBER = 4\n"},
        {"package/__init__.py": "import package.other\n"},
    ],
)
def test_code_of_the_script_and_of_what_it_imports_counts(code_of, changes):
    assert code_of(**changes) != code_of()


def test_modules_that_are_not_imported_do_not_count(code_of):
    assert code_of(**{"package/other.py": "NUMBER = 5\n"}) == code_of()


def test_a_run_records_it(smoke_runs):
    recorded = smoke_runs[AUTODIFF].record["code"]
    assert recorded == fingerprint.fingerprint(ROOT / AUTODIFF)
    assert next(iter(csv.DictReader((smoke_runs.out / "runs.csv").open())))["code"]


def test_check_names_rows_of_other_code_and_libraries(monkeypatch, capsys):
    figure = next(figure for figure in reproduce.FIGURES if figure.name == "01 dense network")
    code = fingerprint.fingerprint(ROOT / figure.command[0])
    versions = f"keras {reproduce.version('keras')}"
    row = {"figure": figure.name, "code": code, "versions": versions}
    monkeypatch.setattr(reproduce, "read_table", lambda path: [row])
    reproduce.check([figure])
    assert "as today" in capsys.readouterr().out
    for change, said in [
        ({"code": "0123456789ab"}, "other code"),
        ({"code": f"{code} unrecorded"}, "code not recorded"),
        ({"versions": "keras 2.15.0"}, "keras 2.15.0"),
        ({"figure": "another"}, "not measured"),
    ]:
        monkeypatch.setattr(reproduce, "read_table", lambda path, change=change: [row | change])
        with pytest.raises(SystemExit) as stop:
            reproduce.check([figure])
        assert stop.value.code == 1 and said in capsys.readouterr().out
