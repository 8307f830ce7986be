"""The pages: Python in notes/ runs; links and commands lead somewhere; nothing is left out."""

import re
import warnings

import pytest
from conftest import ROOT

PAGES = sorted((ROOT / "notes").glob("*.md"))
LINKED = (
    sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("[a-z]*/*.md")) + sorted(ROOT.glob("notes/*/*.md"))
)
LONG = {"callbacks", "hyperparameters", "recurrent_networks"}  # their blocks train much
OLD = (ROOT / "notes" / "keras2_to_keras3.md").read_text(encoding="utf-8")
OLD_LINES = re.findall(r"^\| `([^|]*)` \| (warns: )?`([^|]*)` \|", OLD, re.M)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.slow] * (p.stem in LONG)) for p in PAGES],
    ids=lambda page: page.stem,
)
def test_every_block_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, names = page.read_text(encoding="utf-8"), {"__name__": "notes"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old calls warn
        for block in BLOCK.finditer(text):
            line = text[: block.start()].count("\n") + 1
            exec(compile("\n" * line + block[1], str(page), "exec"), names)
    assert not list(tmp_path.iterdir())


def anchors(page):
    """List what the headings of a page are called in links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_commands_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", text):
        if not target.startswith("https://"):
            path = page.parent / target if target else page
            assert path.exists(), target
            assert not anchor or anchor in anchors(path), f"{target}#{anchor}"
    for script in re.findall(r"python\s([\w./]+\.py)", text):
        assert (ROOT / script).exists() or (page.parent / script).exists(), script


def test_the_readme_links_to_every_lesson():
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {path.name for path in ROOT.glob("[0-9][0-9]_*.py")} <= set(links)


@pytest.fixture
def old_names():
    """What the page of old lines begins with."""
    names = {}
    exec(BLOCK.search(OLD)[1], names)
    return names


@pytest.mark.parametrize(("line", "warns", "message"), OLD_LINES)
def test_an_old_line_says_today_what_the_page_says(
    line, warns, message, old_names, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(line, dict(old_names))
            assert warns, "it runs"
            said = str(caught[0].message)
        except Exception as error:
            assert not warns
            said = f"{type(error).__name__}: {error}"
    said = " ".join(said.replace("`", "'").split())
    for part in message.split("..."):
        assert part.strip() in said, said


def test_the_page_of_old_lines_has_been_read():
    assert len(OLD_LINES) > 70


def test_the_index_names_every_page():
    index = (ROOT / "notes" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\]\((\w+\.md)\)", index))
    assert named == {page.name for page in PAGES} - {"README.md"}
