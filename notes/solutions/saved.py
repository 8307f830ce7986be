"""Where the models are that the lessons saved, and the data that these were trained on."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # there common/ is

from common.errors import fail
from common.runs import DamagedRecordError, finished_runs, read_record
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


def load_data_of(folder: Path, name: str):
    """Load the data set `name` from where a run took it; print what it is, and return it."""
    from datasets import find_dataset

    try:
        origin, source = read_record(folder)["data_sets"][name]
    except (DamagedRecordError, KeyError):
        fail(f"{folder}: not the folder of a run with the data set {name}")
    place = Path(source.partition(", ")[0])
    data, _, source = find_dataset(name, origin, place if place.is_dir() else None)
    print(f"data: {source}")
    return data
