"""Keras Tuner's files, which it writes in place: a search that was killed may leave one cut short."""

import json
import shutil
from pathlib import Path


def start_anew_if_damaged(folder: Path) -> None:
    """Remove a search's folder if one of its files is no JSON, and say so: it then begins anew."""
    for path in folder.rglob("*.json"):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            print(
                f"note: {path} was cut short when the search was stopped; this search begins anew"
            )
            shutil.rmtree(folder)
            return
