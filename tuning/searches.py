"""What surrounds a search of Keras Tuner in lesson 09: its folder, and its callbacks."""

import json
import shutil
from pathlib import Path

import keras


def search_folder(lesson) -> Path:
    """Return the folder that keeps the trials, so that `--resume` goes on with those that ended.

    Keras Tuner writes its files in place, so one may be cut short if the process is killed. Each
    search with such a file is removed first: it has to begin anew.
    """
    for search in {path.parent for path in lesson.folder.glob("*/oracle.json")}:
        try:
            for path in search.rglob("*.json"):
                json.loads(path.read_bytes())
        except ValueError:  # no JSON, or no text
            shutil.rmtree(search)
            print(f"note: a file of the search {search.name} was cut short; it begins anew")
    return lesson.folder


def search_callbacks(lesson, name: str) -> list:
    """Return callbacks for a search: a clock, which starts now, and equal batches in all trials.

    Args:
        lesson: the `common.lesson.Lesson`; its record gets the seconds.
        name: that of the search, for the record.
    """
    timer, counter = lesson.training(f"search-{name}").timer, lesson.run.counter
    timer.start()
    trial = keras.callbacks.LambdaCallback(  # copied for each trial, but functions never are
        on_train_begin=lambda logs: setattr(counter, "epoch", 0),
        on_train_end=lambda logs: timer.stop(),
    )
    return [trial]
