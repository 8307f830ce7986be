"""The web site and the notebooks of docs/: what they keep, what they show, where links lead."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from conftest import AUTO_MPG, ENVIRONMENT, NEURON, ROOT
from nbformat.v4 import new_output

from docs import notebooks
from docs.pages import Pages

LESSON = """\
# %% [markdown]
# # A lesson
# Some prose.

# %%
from frame import Lesson

lesson = Lesson(__doc__, epochs=1)
"""


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """A function that changes a lesson and builds it; it returns the notebook and if it ran."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    (tmp_path / "frame").mkdir()

    def run(notebook, script, collection):
        notebook.cells[1].outputs = [new_output("stream", text="trained\n")]

    def build(text=LESSON, package=""):
        (tmp_path / "01_lesson.py").write_text(text)
        (tmp_path / "frame" / "lesson.py").write_text(package)
        return notebooks.executed(Path("01_lesson.py"), "sample", tmp_path / "kept")

    monkeypatch.setattr(notebooks, "run", run)
    return build


def test_only_changed_code_is_executed_again(lesson):
    assert lesson()[1]
    notebook, now = lesson(LESSON.replace("Some prose", "Better prose"))
    assert not now and "Better prose" in notebook.cells[0].source
    assert notebook.cells[1].outputs[0].text == "trained\n"
    assert lesson(LESSON.replace("epochs=1", "epochs=2"))[1]
    assert lesson(LESSON, package="CHANGED = True")[1]


@pytest.mark.parametrize("content", [b"", b'{"cells": [', b"{}", b"\xff"])
def test_damaged_notebook_is_executed_again(lesson, tmp_path, content):
    lesson()
    (kept,) = tmp_path.glob("kept/*/*.ipynb")
    kept.write_bytes(content)
    assert lesson()[1] and not lesson()[1]


def test_notebook_says_what_it_needs_and_takes_the_sample(lesson, tmp_path):
    notebook, _ = lesson()
    notebooks.write_notebooks({Path("01_lesson.py"): notebook}, tmp_path / "class")
    written = nbformat.read(tmp_path / "class" / "01_lesson.ipynb", as_version=4)
    nbformat.validate(written)
    assert "Colab" in written.cells[0].source
    assert 'lesson.data = "sample"' in "\n".join(cell.source for cell in written.cells)


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ("See lesson 03 and\nnotes/saving.md.", "[lesson 03](03_autompg_regression.py)"),
        ("See lesson 03 and\nnotes/saving.md.", "[notes/saving.md](notes/saving.md)"),
        ("We use *gradient\ndescent* here.", "{term}`gradient descent <gradient descent>`"),
        ("Three *epochs*", "{term}`epochs <epoch>`"),
        ("Our own lesson 01", "Our own lesson 01"),
        ("`lesson 03`, [lesson 03](x.md)", "`lesson 03`, [lesson 03](x.md)"),
        ("Code:\n\n    lesson 03", "Code:\n\n    lesson 03"),
        ("**lesson 77** *no term*", "**lesson 77** *no term*"),
    ],
)
def test_mentions_become_links(tmp_path, text, linked):
    pages = Pages({Path(AUTO_MPG): None}, tmp_path)
    assert linked in pages.mention(text, Path("01_fashion_mnist_classification.py"))


def build(*flags, **options):
    command = [sys.executable, ROOT / "docs" / "build.py", *map(str, flags)]
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "MPLBACKEND"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, **options)


def test_unknown_lesson_is_refused():
    done = build("--only", "01", "99")
    assert done.returncode == 2 and done.stderr.startswith("error: --only: 99 is none of 00 01")


@pytest.mark.slow
def test_lesson_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "KERAS_TUTORIAL_DATA", str(tmp_path))
    done = build("--only", "03", "--data", "real", "--out", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {AUTO_MPG}: $KERAS_TUTORIAL_DATA")


def test_empty_path_is_refused(tmp_path):
    for flag in ("--out", "--notebooks"):
        done = build("--only", "00", flag, "", cwd=tmp_path)
        assert done.returncode == 2 and done.stderr.startswith(f"error: {flag}: must be a path")
    assert not list(tmp_path.iterdir())


def test_files_of_earlier_pages_are_removed(tmp_path):
    earlier = tmp_path / "notes" / "renamed.md"
    earlier.parent.mkdir()
    earlier.write_text("# Renamed\n")
    Pages({}, tmp_path).write()
    assert not earlier.exists() and (tmp_path / "notes" / "glossary.md").exists()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a site with two lessons."""
    folder = tmp_path_factory.mktemp("site")
    done = build("--only", "00", "03", "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder / "html"


class Links(HTMLParser):
    """What a page links to and shows, and the places in it that can be linked to."""

    def __init__(self, path: Path):
        super().__init__()
        self.targets, self.places, self.images = [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places.add(attributes.get("id"))
        self.targets += [attributes[name] for name in ("href", "src") if attributes.get(name)]
        if tag == "img":
            self.images.append(attributes)


@pytest.mark.slow
def test_every_link_leads_somewhere(site):
    pages = {path: Links(path) for path in site.rglob("*.html")}
    assert len(pages) > 50
    for page, links in pages.items():
        for target in links.targets:
            url = urlsplit(target)
            if url.scheme:
                continue
            path = (page.parent / unquote(url.path)).resolve() if url.path else page
            assert path.exists(), f"{page.name}: {target}"
            if url.fragment and path in pages:
                place = unquote(url.fragment)
                assert place in pages[path].places or not place, f"{page.name}: {target}"


@pytest.mark.slow
def test_page_of_a_lesson_has_its_output_and_downloads(site):
    page = site / AUTO_MPG.replace(".py", ".html")
    text, links = page.read_text(encoding="utf-8"), Links(page)
    figures = re.findall(r"figure: \S+/(\w+)\.png", text)
    assert len(figures) == len([one for one in links.images if "figure" in one["alt"]]) > 3
    assert "BUILT-IN SAMPLE" in text and "test_mae" in text
    assert "notes/glossary.html#term-regression" in links.targets
    assert "notes/solutions/03_autompg_regression.html" in links.targets
    downloads = [page.parent / target for target in links.targets if "_downloads" in target]
    assert {path.suffix for path in downloads} == {".py", ".ipynb"}
    nbformat.validate(nbformat.read(next(p for p in downloads if p.suffix != ".py"), as_version=4))
    assert NEURON.replace(".py", ".html") in links.targets  # the previous lesson


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1400])
def test_pages_are_quiet_and_fit(browser, site, scheme, width):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: complaints.append(request.url) if "file:" not in request.url else None,
    )
    for path in ("index", AUTO_MPG.removesuffix(".py"), "notes/glossary", "README", "search"):
        page.goto((site / f"{path}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.close()
    assert not complaints


@pytest.mark.browser
@pytest.mark.parametrize("words", ["normalization", "early stopping", "data leakage"])
def test_search_finds_the_lesson(browser, site, words):
    page = browser.new_page()
    page.goto((site / "search.html").as_uri() + f"?q={words}")
    page.wait_for_selector("#search-results li a")
    page.wait_for_function("document.querySelector('.search-summary').innerText.includes('found')")
    found = page.eval_on_selector_all("#search-results li a", "all => all.map(a => a.href)")
    page.close()
    assert any(AUTO_MPG.removesuffix(".py") in one for one in found[:5]), found[:5]
