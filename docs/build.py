"""Build the web pages: every lesson with what it prints and draws, the notes, what was measured.

    python docs/build.py                    docs/_build/html/index.html, with the built-in samples
    python docs/build.py --data real        at full length, on the real data
    python docs/build.py --notebooks DIR    only the executed notebooks

A lesson is executed once, and again only if code changes: its own, or that of a package it imports.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of docs/

from common.errors import fail, on_interrupt
from common.flags import Parser, home_path

try:
    from sphinx.cmd.build import main as sphinx

    from docs.notebooks import ROOT, execute_all, scripts, write_notebooks
    from docs.pages import Pages
except ImportError as error:
    fail(f"{error}; run: pip install -r requirements-dev.txt")

BUILD = ROOT / "docs" / "_build"

parser = Parser(description=__doc__)
parser.add_argument("--data", choices=["sample", "real"], default="sample", help="the data sets")
parser.add_argument("--notebooks", type=home_path, metavar="DIR", help="write notebooks, no pages")
parser.add_argument("--only", nargs="+", metavar="LESSON", help="some lessons, such as 01 xor")
parser.add_argument(
    "--out", type=home_path, default=BUILD, metavar="DIR", help="the folder of the site"
)


def main() -> None:
    args = parser.parse_args()
    on_interrupt(lambda: "run the same command again: what was executed is kept")
    chosen = scripts()
    if args.only:
        known = {path.stem[:2] if path.stem[0].isdigit() else path.stem: path for path in chosen}
        for name in args.only:
            if name not in known:
                parser.error(f"--only: {name} is none of {' '.join(known)}")
        chosen = [known[name] for name in args.only]
    notebooks = execute_all(chosen, args.data, args.out / "executed")
    if args.notebooks:
        write_notebooks(notebooks, args.notebooks)
        print(f"{len(notebooks)} notebooks in {args.notebooks}")
        return
    source, html = args.out / "source", args.out / "html"
    Pages(notebooks, source).write()
    flags = ["--quiet", "-c", str(ROOT / "docs")]
    if not args.only:
        flags += ["-W", "--keep-going"]  # a link that leads nowhere is an error
    code = sphinx([*flags, "-d", str(args.out / "doctrees"), str(source), str(html)])
    if code:
        raise SystemExit(code)
    print(f"open {html / 'index.html'}")


if __name__ == "__main__":
    main()
