"""Pages: Python blocks in notes/ run, links and commands are valid, indexes are complete."""

import re
import warnings

import pytest
from conftest import ALL_LESSONS, ROOT

PAGES = sorted((ROOT / "notes").glob("*.md"))
LINKED = sorted(page for at in ("", "[a-z]*/", "notes/*/") for page in ROOT.glob(f"{at}*.md"))
LONG = {"callbacks", "hyperparameters", "recurrent_networks"}  # their blocks take long to train
OLD = (ROOT / "notes" / "keras2_to_keras3.md").read_text(encoding="utf-8")
OLD_LINES = re.findall(r"^\| `([^|]*)` \| (warns: )?`([^|]*)` \|", OLD, re.M)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.slow] * (p.stem in LONG)) for p in PAGES],
    ids=lambda page: page.stem,
)
def test_code_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, names = page.read_text(encoding="utf-8"), {"__name__": "notes"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old calls warn
        for block in BLOCK.finditer(text):
            line = text[: block.start()].count("\n") + 1
            exec(compile("\n" * line + block[1], str(page), "exec"), names)
    assert not list(tmp_path.iterdir())


def anchors(page):
    """Yield the link anchors of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_commands_are_valid(page):
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", text):
        if not target.startswith("https://"):
            path = page.parent / target if target else page
            assert path.exists(), target
            assert not anchor or anchor in anchors(path), f"{target}#{anchor}"
    for script in re.findall(r"python\s([\w./]+\.py)", text):
        assert (ROOT / script).exists() or (page.parent / script).exists(), script


def test_indexes_are_complete():
    readme, index = (
        set(re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")))
        for page in (ROOT / "README.md", ROOT / "notes" / "README.md")
    )
    assert set(ALL_LESSONS) <= readme
    pages = {name for name in index if re.fullmatch(r"\w+\.md", name)}
    assert pages == {page.name for page in PAGES} - {"README.md"}
    assert len(OLD_LINES) > 70


def test_setup_explains_every_package():
    setup, requirements = (
        path.read_text(encoding="utf-8")
        for path in (ROOT / "notes" / "setup.md", ROOT / "requirements.txt")
    )
    table = re.search(r"^\| package \|.*\n((?:\|.*\n)*)", setup, re.M)[1]
    assert set(re.findall(r"^\| `([\w-]+)`", table, re.M)) == set(
        re.findall(r"^[\w-]+", requirements, re.M)
    )


@pytest.fixture
def old_names(tmp_path, monkeypatch):
    """The variables defined in the first block of keras2_to_keras3.md."""
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(BLOCK.search(OLD)[1], names)
    return names


@pytest.mark.parametrize(("line", "warns", "message"), OLD_LINES)
def test_keras2_line_gives_documented_message(line, warns, message, old_names):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(line, old_names)
            assert warns, "it runs"
            said = str(caught[0].message)
        except Exception as error:
            assert not warns
            said = f"{type(error).__name__}: {error}"
    said = " ".join(said.replace("`", "'").split())
    for part in message.split("..."):
        assert part.strip() in said, said
