"""Generated blocks in pages and lessons, which keep measured numbers out of hand-written prose.

A block is delimited by two marker lines, in a page or a lesson:

    `<!-- results: NAME -->`
    what the function of that name returns
    `<!-- end -->`

(without the backticks). In the comments of a lesson every line of it begins with "# ". Besides, one
line in the header of a lesson begins with "Expect:", in that of a long lesson another one with
"Takes:", and the rest of these is generated.
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
    path: Path, blocks: dict[str, Callable], headers: dict[str, dict[str, Callable]]
) -> tuple[str, list[str]]:
    """Return the text of a file with all generated parts updated, without writing the file.

    Args:
        path: a page or a lesson.
        blocks: name -> function that returns the lines of the block.
        headers: how a line begins, "Expect" or "Takes" -> name of a lesson -> function that returns
            the rest of the line.

    Returns:
        The new text, and the names of the blocks that changed.

    Raises:
        BlockError: if a part cannot be generated.
    """
    name = name_of(path)
    text, changed = fill_blocks(path.read_text(encoding="utf-8"), blocks, name)
    for begin, makers in headers.items() if path.suffix == ".py" else ():
        pattern = re.compile(rf"^{begin}:.*$", re.M)
        lines = pattern.findall(text)
        if not lines:
            continue
        if len(lines) > 1:
            raise BlockError(f"{name}: {len(lines)} lines begin with {begin}: and a lesson has one")
        if path.stem not in makers:
            raise BlockError(f"{name}: benchmarks/sentences.py has no {begin}: for {path.stem}")
        line = f"{begin}: {makers[path.stem]()}"
        text = pattern.sub(lambda _, line=line: line, text)
        changed += [f"{begin}:"] * (lines != [line])
    return text, changed
