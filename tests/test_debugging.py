"""Lesson 19: what each deliberate mistake does to the loss and the accuracy."""

import numpy as np
import pytest
from conftest import DEBUGGING, run_lesson

GUESSING = np.log(10)


def test_losses_before_training(smoke_runs):
    first = {name: loss[0] for name, (loss, _) in smoke_runs[DEBUGGING].names["curves"].items()}
    assert first["as_it_should_be"] == pytest.approx(GUESSING, abs=0.1)
    assert first["unscaled_inputs"] > 5


def test_mistakes_change_one_thing(smoke_runs):
    names = smoke_runs[DEBUGGING].names
    model, labels = names["make"]("as_it_should_be")
    for mistake in names["MISTAKES"]:
        other, other_labels = names["make"](mistake)
        for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
        changed = [
            other.loss != model.loss,
            other.optimizer.learning_rate != model.optimizer.learning_rate,
            not np.array_equal(other_labels, labels),
            len(other.layers) != len(model.layers),
        ]
        assert changed == [name == mistake for name in names["MISTAKES"]]
        np.testing.assert_array_equal(np.sort(other_labels, axis=0), np.sort(labels, axis=0))


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    """A run with the mistakes that the smoke run leaves out."""
    flags = ["--data", "sample", "--epochs", "2", "--limit", "1000"]
    flags += ["--mistakes", "wrong_loss", "rate_too_high", "labels_shuffled"]
    return run_lesson(DEBUGGING, tmp_path_factory.mktemp("mistakes"), *flags)


@pytest.mark.slow
def test_mistakes_reduce_accuracy(other_run):
    last = {name: accuracy[-1] for name, (_, accuracy) in other_run.names["curves"].items()}
    assert len(last) == 4 and last.pop("as_it_should_be") > max(last.values())


@pytest.mark.slow
def test_twenty_images_are_memorized_unless_code_is_wrong(other_run):
    last = {name: losses[-1] for name, losses in other_run.names["on_twenty"].items()}
    assert max(last["as_it_should_be"], last["labels_shuffled"]) < 0.1
    assert min(last["wrong_loss"], last["rate_too_high"]) > 1
