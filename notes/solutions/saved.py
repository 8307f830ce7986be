"""Where the models are that the lessons saved."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # there common/ is

from common.errors import fail
from common.runs import finished_runs
from common.startup import start_keras


def newest_run(lesson: str) -> Path:
    """Find the folder of a lesson's newest finished run, or take the one on the command line."""
    start_keras()
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    runs = finished_runs(ROOT / "outputs", lesson)
    if not runs:
        fail(f"no finished run of {lesson} in outputs/; run python {lesson}.py first")
    return runs[-1]["folder"]
