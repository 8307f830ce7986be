"""The folder and the callbacks of lesson 09's Keras Tuner searches."""

import json
import shutil
from pathlib import Path

import keras


def search_folder(lesson) -> Path:
    """Return the folder of the trials, so that `--resume` continues after the finished ones.

    Keras Tuner does not write its files atomically, so killing the process may truncate one. A
    search with a truncated file is removed here and starts over.
    """
    for search in {path.parent for path in lesson.folder.glob("*/oracle.json")}:
        try:
            for path in search.rglob("*.json"):
                json.loads(path.read_bytes())
        except ValueError:  # not JSON, or not text
            shutil.rmtree(search)
            print(f"note: a file of the search {search.name} was cut short; the search starts over")
    return lesson.folder


def search_callbacks(lesson, name: str) -> list:
    """Start a timer and return callbacks for a search, which give all trials the same batches.

    Args:
        lesson: the `frame.lesson.Lesson`, whose record receives the time in seconds.
        name: the name of the search, for the record.
    """
    timer, counter = lesson.training(f"search-{name}").timer, lesson.run.counter
    timer.start()
    trial = keras.callbacks.LambdaCallback(  # copied for each trial, unlike functions
        on_train_begin=lambda logs: setattr(counter, "epoch", 0),
        on_train_end=lambda logs: timer.stop(),
    )
    return [trial]
