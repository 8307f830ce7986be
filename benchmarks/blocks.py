"""Generated blocks in pages and lessons, which keep measured numbers out of hand-written prose.

A block is delimited by two marker lines, in a page or a lesson:

    `<!-- results: NAME -->`
    what the function of that name returns
    `<!-- end -->`

(without the backticks). In a lesson's comments, every line of it starts with "# ". In addition, one
line in a lesson's header starts with "Expect:", and the rest of that line is generated.
"""

import re
import textwrap
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ". benchmarks churn docs mnist notes notes/solutions serving xor".split()
LESSONS = ("[0-9][0-9]_*.py", "churn/*.py", "mnist/*.py", "xor/*.py", "notes/solutions/*.py")
BEGIN = re.compile(r"(?P<comment># |)<!-- results: (?P<name>\S+) -->")
END = "<!-- end -->"
EXPECT = re.compile(r"^Expect:.*$", re.M)
WIDTH = 100


class BlockError(Exception):
    """A block cannot be generated; the message names the file, the block and the remedy."""


def pages() -> list[Path]:
    """Return the files that may contain blocks: pages and lessons."""
    patterns = [f"{folder}/*.md" for folder in FOLDERS] + list(LESSONS)
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def name_of(path: Path) -> str:
    """Return a path relative to the project's folder."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def wrapped(lines: list[str], comment: str) -> list[str]:
    """Wrap sentences and bullets, but not tables and code."""
    found, code = [], False
    for line in lines:
        code ^= line.startswith("```")
        whole = code or line.startswith(("|", "```")) or not line
        options = {"break_long_words": False, "break_on_hyphens": False}
        indent = "  " if line.startswith("- ") else ""
        width = WIDTH - len(comment)
        parts = [line] if whole else textwrap.wrap(line, width, subsequent_indent=indent, **options)
        found += [f"{comment}{part}".rstrip() for part in parts]
    return found


def fill_blocks(text: str, blocks: dict[str, Callable], name: str) -> tuple[str, list[str]]:
    """Regenerate all blocks of a text.

    Args:
        text: the text of a page or a lesson.
        blocks: dict from a block's name to the function that returns its lines.
        name: name of the text, for error messages.

    Returns:
        The new text, and the names of the blocks that changed.

    Raises:
        BlockError: if a block has no function or no end marker, or an end marker has no block.
    """
    lines, found, changed, at = text.split("\n"), [], [], 0
    while at < len(lines):
        line, place = lines[at], f"{name}, line {at + 1}"
        found.append(line)
        at += 1
        if line.removeprefix("# ") == END:
            raise BlockError(f"{place}: {END} without a block that it ends")
        if not (begin := BEGIN.fullmatch(line)):
            continue
        block, end = begin["name"], begin["comment"] + END
        if block not in blocks:
            raise BlockError(f"{place}: no block is called {block}; tables.py lists them")
        old = list(takewhile(lambda one: not BEGIN.fullmatch(one) and END not in one, lines[at:]))
        at += len(old)
        if lines[at : at + 1] != [end]:
            raise BlockError(f"{place}: the block {block} has no {end}")
        new = wrapped(blocks[block](), begin["comment"])
        changed += [block] * (new != old)
        found += [*new, end]
        at += 1
    return "\n".join(found), changed


def regenerate(
    path: Path, blocks: dict[str, Callable], expectations: dict[str, Callable]
) -> tuple[str, list[str]]:
    """Return the text of a file with all generated parts updated, without writing the file.

    Args:
        path: a page or a lesson.
        blocks: dict from a block's name to the function that returns its lines.
        expectations: dict from a lesson's name to the function that returns the text of its
            Expect: line.

    Returns:
        The new text, and the names of the blocks that changed.

    Raises:
        BlockError: if a part cannot be generated.
    """
    name = name_of(path)
    text, changed = fill_blocks(path.read_text(encoding="utf-8"), blocks, name)
    lines = EXPECT.findall(text) if path.suffix == ".py" else []
    if not lines:
        return text, changed
    if len(lines) > 1:
        raise BlockError(f"{name}: {len(lines)} lines start with Expect:, but only one may")
    if path.stem not in expectations:
        raise BlockError(f"{name}: benchmarks/sentences.py has no expectation for {path.stem}")
    line = f"Expect: {expectations[path.stem]()}"
    return EXPECT.sub(lambda _: line, text), changed + ["Expect:"] * (lines != [line])
