"""Solution 1 of lesson 35: byte-pair encoding of four words, and of a fifth."""

import ast
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

lesson = Path(__file__).resolve().parent.parent.parent / "35_subwords.py"
names = {"Counter": Counter, "defaultdict": defaultdict, "pairwise": pairwise}
for part in ast.parse(lesson.read_text(encoding="utf-8")).body:  # its three functions, nothing else
    if isinstance(part, ast.FunctionDef) and part.name in ("letters_of", "merge", "learn_merges"):
        exec(compile(ast.Module([part], []), lesson.name, "exec"), names)

merges = names["learn_merges"]({"low": 5, "lower": 2, "newest": 6, "widest": 3}, 10)
print("merges:", ", ".join("".join(pair) for pair in merges))
pieces = [*"lowes", "t_"]
for pair in merges:
    pieces = names["merge"](pieces, pair)
print("lowest:", " ".join(pieces))
