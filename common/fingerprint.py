"""A fingerprint of the code behind a run, which tells whether a number still stands for it."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from common.flags import ROOT


def fingerprint(script: Path) -> str:
    """Return 12 hexadecimal digits for a script and all modules of this project that it imports.

    They change with the code, not with comments, docstrings, the prose of a lesson or line breaks.
    """
    found, waiting = {}, [script.resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path], modules = read_code(path, path.stat().st_mtime_ns)
            waiting += modules
    parts = sorted(f"{path.name} {code}\n" for path, code in found.items())
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]


@functools.cache
def read_code(path: Path, changed: int) -> tuple[str, list[Path]]:
    """Read a file; return its syntax tree as text, and the files of this project it imports.

    Args:
        path: a Python file.
        changed: when it was changed, so that the cache does not return what it was before.
    """
    words, names = [], []
    collect(ast.parse(path.read_bytes()), words, names)
    return " ".join(words), list(files(names))


def collect(node, words: list[str], names: list[str]) -> None:
    """Append a syntax tree to `words`, and the modules it imports to `names`.

    Leaves out positions, docstrings and prose. (`ast.dump` differs between versions of Python.)
    """
    words.append(type(node).__name__)
    if isinstance(node, ast.Import):
        names += [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    for field in node._fields:
        value = getattr(node, field, None)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                if not is_text(part):
                    collect(part, words, names)
            elif part is not None:
                words.append(repr(part))
    words.append(".")


def is_text(node) -> bool:
    """Return whether a statement is only a string: a docstring or a lesson's prose."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def files(names: list[str]) -> Iterator[Path]:
    """Yield the files of those modules, and of their packages, that belong to this project."""
    for name in names:
        base = ROOT
        for part in name.split("."):
            base /= part
            for path in (base.with_suffix(".py"), base / "__init__.py"):
                if path.is_file():
                    yield path
