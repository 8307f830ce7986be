"""What surrounds lesson 09's Keras Tuner searches: folder, callbacks, table and figure."""

import contextlib
import json
import math
import shutil
import warnings
from collections.abc import Iterator

import keras
import pandas as pd

from common.errors import fail
from common.plots import new_figure

warnings.filterwarnings("ignore", "All-NaN axis")  # from Keras Tuner, if a training fails
HYPERPARAMETERS = ["layers", "units", "dropout", "optimizer", "rate"]  # their names in the search


@contextlib.contextmanager
def search_folder(lesson) -> Iterator[None]:
    """Make the run's folder the current one, as Keras Tuner understands no path with braces in it.

    With `--resume`, the search continues after the trials that are finished. Keras Tuner does not
    write its files atomically, so killing the process may truncate one. A search with a truncated
    file is removed here and starts over.
    """
    for search in {path.parent for path in lesson.folder.glob("*/oracle.json")}:
        try:
            for path in search.rglob("*.json"):
                json.loads(path.read_bytes())
        except ValueError:  # not JSON, or not text
            shutil.rmtree(search)
            print(f"note: a file of the search {search.name} was cut short; the search starts over")
    with contextlib.chdir(lesson.folder):
        yield


def search_callbacks(lesson, name: str) -> list:
    """Start a timer and return callbacks for a search, which give all trials the same batches.

    Args:
        lesson: the `frame.lesson.Lesson`, whose record receives the time in seconds.
        name: the name of the search, for the record.
    """
    training, counter = lesson.training(f"search-{name}"), lesson.run.counter
    timer = training.timer
    timer.start()
    trial = keras.callbacks.LambdaCallback(  # copied for each trial, unlike functions
        on_train_begin=lambda logs: setattr(counter, "epoch", 0),
        on_train_end=lambda logs: timer.stop(),
    )
    return [trial, *training.tensorboard()]  # Keras Tuner gives each trial a folder


def trial_table(tuners: dict, most_epochs: int) -> pd.DataFrame:
    """Return the trials of all searches, one row each, in the order in which they were tried.

    Its columns are `search`, `val_mse`, `epochs` (those of this trial alone) and the five
    hyperparameters. Trials without a finite validation loss are left out; if none is left, an error
    line ends the program.

    Args:
        tuners: the tuners, by the name of their search.
        most_epochs: the epochs of a trial for which Hyperband did not set them.
    """
    rows = []
    for name, tuner in tuners.items():
        for _, trial in sorted(tuner.oracle.trials.items()):  # in order of their numbers
            if trial.score is None or not math.isfinite(trial.score):  # its training diverged
                continue
            chosen = trial.hyperparameters.values  # Hyperband adds the first and the last epoch
            epochs = chosen.get("tuner/epochs", most_epochs) - chosen.get("tuner/initial_epoch", 0)
            chosen = {key: chosen[key] for key in HYPERPARAMETERS}
            rows.append({"search": name, "val_mse": trial.score, "epochs": epochs, **chosen})
    if not rows:
        fail(
            "no trial ended with a finite validation loss; see the errors above or try another "
            "--seed"
        )
    return pd.DataFrame(rows)


def trials_figure(trials: pd.DataFrame):
    """Plot the trials by learning rate, and the lowest validation loss against the epochs."""
    figure, axes = new_figure(11, 4.5, 1, 2)
    for name, group in trials.groupby("optimizer"):
        axes[0].scatter(group.rate, group.val_mse, label=name)
    axes[0].set(xscale="log", xlabel="learning rate", ylabel="validation MSE", ylim=(0.2, 0.7))
    axes[0].legend(title="optimizer")
    for name, group in trials.groupby("search"):
        lowest = group.val_mse.cummin()
        axes[1].plot(group.epochs.cumsum(), lowest, drawstyle="steps-post", label=name)
    axes[1].set(xlabel="epochs trained so far", ylabel="lowest validation MSE", ylim=(0.2, 0.7))
    axes[1].legend(title="search")
    return figure
