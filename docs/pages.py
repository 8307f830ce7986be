"""The pages of the site: executed lessons, notes and reports, linked to each other."""

import posixpath
import re
import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

from benchmarks.path import groups, script_of
from docs.notebooks import ROOT, printed, write_if_changed, write_notebooks

PAGES = ["*.md", "notes/**/*.md", "*/README.md", "benchmarks/*.md"]
FOLDERS = {"Notes": "notes", "Solutions": "notes/solutions", "Measured": "benchmarks"}
GLOSSARY = ROOT / "notes" / "glossary.md"
ENTRY = r"^- \*\*(.+?)\*\*:\s+(.*?)(?=^- \*\*|\Z)"  # term and definition
LINK = r"(?<=\])\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)"
# Not to be changed: code, indented code, links (their text is matched by what follows).
PROTECTED = r"```.*?```|`[^`]*`|^(?: {4}|\t).*?$|\[[^\]]*\]\([^)]*\)"


class Pages:
    """Writes the folder that Sphinx reads.

    Args:
        notebooks: the executed notebooks by the lesson's path relative to the collection.
        folder: where the pages are written.
    """

    def __init__(self, notebooks: dict[Path, nbformat.NotebookNode], folder: Path):
        self.notebooks, self.folder = notebooks, folder
        self.written: set[Path] = set()
        self.glossary = re.findall(ENTRY, GLOSSARY.read_text(encoding="utf-8"), re.M | re.S)
        self.terms = {term.lower(): term for term, _ in self.glossary}
        self.pages = {
            path.relative_to(ROOT)
            for pattern in PAGES
            for path in ROOT.glob(pattern)
            if path.relative_to(ROOT).parts[0][0] != "."
        }

    def write(self) -> None:
        """Write all pages; files that do not change stay untouched, earlier ones are removed."""
        self.written |= write_notebooks(self.notebooks, self.folder / "notebooks")
        for script, notebook in self.notebooks.items():
            self.write_lesson(script, notebook)
        for page in sorted(self.pages):
            text = (ROOT / page).read_text(encoding="utf-8")
            if ROOT / page == GLOSSARY:
                text = self.as_glossary(text)
            self.write_page(page, self.link(text, page.parent))
        self.write_front_page()
        for path in {*self.folder.rglob("*.*")} - self.written:
            path.unlink()

    def write_page(self, path: Path, text: str) -> None:
        write_if_changed(self.folder / path, text)
        self.written.add(self.folder / path)

    def write_lesson(self, script: Path, notebook) -> None:
        """Write the page of a lesson, with links to what it mentions and to its downloads."""
        page = nbformat.from_dict(notebook)
        for cell in page.cells:
            if cell.cell_type == "markdown":
                cell.source = self.link(self.mention(cell.source, script), script.parent)
            elif names := re.findall(r"^[a-z ]+: .*?([\w-]+)\.png$", printed(cell), re.M):
                alt = " and ".join(f"figure: {name.replace('_', ' ')}" for name in names)
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
        title, _, text = page.cells[0].source.strip().partition("\n")
        page.cells[0].source = f"{title}\n\n{self.facts(script, notebook)}\n{text}"
        index = self.index_of(script, title)
        page.cells.insert(1, new_markdown_cell(index, id="index"))
        self.copy(script)
        self.write_page(script.with_suffix(".ipynb"), nbformat.writes(page))

    def facts(self, script: Path, notebook) -> str:
        """Return the line below a lesson's title: its downloads, data, time and machine."""
        text = "".join(printed(cell) for cell in notebook.cells if cell.cell_type == "code")
        loaded = re.search(r"^data: (.*)$", text, re.M)
        about = notebook.metadata.collection
        up = "../" * len(script.parent.parts)
        facts = [
            f"[Notebook](path:{up}notebooks/{script.stem}.ipynb)",
            f"[script]({script.name})",
            f"run in {about.seconds:.0f} s on {about.machine.partition(' (')[0]}",
        ]
        if loaded:
            facts.append(f"data: {loaded[1]}")
        return " · ".join(facts)

    def index_of(self, script: Path, title: str) -> str:
        """Return index entries, for the search: the subject of a lesson, and its terms."""
        subject = re.sub(r"^# (\d\d )?", "", title).partition(":")[0]
        terms = [term for term, text in self.glossary if re.search(rf"/{script.name}\)", text)]
        main = (f"! {term}" for term in (subject.lower(), *terms))  # found first
        return f"```{{index}} {', '.join(main)}\n```"

    def mention(self, text: str, script: Path) -> str:
        """Turn what a lesson's prose mentions into links: notes, lessons, terms that it defines."""

        def to_page(found: re.Match) -> str:
            return link(found[0], Path(found[0])) if Path(found[0]) in self.pages else found[0]

        def to_lesson(found: re.Match) -> str:
            lessons = [path for path in self.notebooks if path.name.startswith(found[1])]
            return found[0] if lessons in ([], [script]) else link(found[0], lessons[0])

        def link(words: str, path: Path) -> str:
            return f"[{words}]({posixpath.relpath(path.as_posix(), script.parent.as_posix())})"

        def change(part: str) -> str:
            part = re.sub(r"(?<![\w/])(?:notes|churn|xor|mnist)/[\w/]+\.md", to_page, part)
            part = re.sub(r"\b[Ll]esson\s(\d\d)\b", to_lesson, part)
            return re.sub(r"(?<!\*)\*([^*]+)\*(?!\*)", self.to_term, part)

        pieces, end = [], 0
        for found in re.finditer(PROTECTED, text, re.M | re.S):
            pieces += [change(text[end : found.start()]), found[0]]
            end = found.end()
        return "".join([*pieces, change(text[end:])])

    def to_term(self, found: re.Match) -> str:
        words = " ".join(found[1].split())
        for name in (words.lower(), words.lower().removesuffix("s"), words.lower() + "s"):
            if name in self.terms:
                return f"*{{term}}`{words} <{self.terms[name]}>`*"
        return found[0]

    def link(self, text: str, folder: Path) -> str:
        """Let links lead to pages of the site; copy the other files that they lead to.

        Args:
            folder: the folder, relative to the collection, in which the text stands.
        """

        def change(found: re.Match) -> str:
            path = Path(posixpath.normpath((folder / found[1]).as_posix()))
            if (ROOT / path).is_dir():
                path, target = path / "README.md", posixpath.join(found[1], "README.md")
            elif path in self.notebooks:
                return f"({Path(found[1]).with_suffix('.ipynb').as_posix()}{found[2] or ''})"
            else:
                target = found[1]
            if path not in self.pages and (ROOT / path).is_file():
                self.copy(path)
            return f"({target}{found[2] or ''})"

        text = re.sub(r"^<!-- .*? -->\n?", "", text, flags=re.M)  # marks of generated blocks
        text = re.sub(r"\[([^\[\]]*)\]" + LINK, lambda m: self.without_page(m, folder), text)
        return re.sub(LINK, change, text)

    def without_page(self, found: re.Match, folder: Path) -> str:
        """Return a link, or only its text if it leads to a folder without a page."""
        path = ROOT / folder / found[2]
        return found[1] if path.is_dir() and not (path / "README.md").exists() else found[0]

    def copy(self, path: Path) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, self.folder / path)
        self.written.add(self.folder / path)

    def as_glossary(self, text: str) -> str:
        """Turn the list of terms into a glossary of Sphinx, so that lessons can link to them."""
        head = text.partition("- **")[0]
        entries = [f"{term}\n  {' '.join(meaning.split())}\n" for term, meaning in self.glossary]
        return "\n".join([head, "```{glossary}", *entries, "```", ""])

    def write_front_page(self) -> None:
        """Write the front page: docs/index.md, and the order of all pages."""
        text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").replace("](../", "](")
        shown = [("Start", ["Install and start <README.md>"])]
        for heading, lines in groups():
            shown.append((heading, [path for name, *_ in lines for path in self.pages_about(name)]))
        for heading, folder in FOLDERS.items():
            below = {path for path in self.pages if path.parent == Path(folder)}
            overview = Path(folder, "README.md")
            shown.append((heading, [overview, *sorted(below - {overview})]))
        shown.append(("The collection", ["CONTRIBUTING.md", "CHANGELOG.md"]))
        for heading, paths in shown:
            text += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n"
            text += "\n".join(map(str, paths)) + "\n```\n"
        self.write_page(Path("index.md"), text)

    def pages_about(self, name: str) -> list[Path]:
        """Return the pages of a lesson, or of a project: its README, then its script."""
        readme, script = Path(name, "README.md"), script_of(name)
        pages = [readme] if readme in self.pages else []
        if script and script.relative_to(ROOT) in self.notebooks:
            pages.append(script.relative_to(ROOT).with_suffix(".ipynb"))
        return pages
