"""Lessons 06, 07 and 15: tensors, gradients, and a training loop of our own."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import tensorflow as tf
from conftest import AUTODIFF, ENVIRONMENT, QUICK_JAX, ROOT, TENSORS, TRAINING_LOOP

from frame import expect_error


def test_expect_error(capsys):
    with expect_error(ValueError, TypeError):
        raise TypeError("two\nlines")
    assert capsys.readouterr().out == "TypeError: two lines\n"
    with pytest.raises(AssertionError, match="nothing was raised"), expect_error(ValueError):
        pass
    with pytest.raises(KeyError), expect_error(ValueError):
        raise KeyError


MIXED = re.findall(
    r"^\| `([^|]*\b(?:array|tensor)\b[^|]*)` \| (.*) \| (.*) \| (.*) \|$",
    (ROOT / "notes" / "tensors.md").read_text(encoding="utf-8"),
    re.M,
)
MIX = """
import json, sys, keras, numpy as np
array, tensor, results = np.array([1.0, 2.0]), keras.ops.ones(2), []
for expression in sys.argv[1:]:
    try:
        result = eval(expression)
        kind = "array" if isinstance(result, np.ndarray) else "tensor"
        results.append(f"{kind}, {keras.backend.standardize_dtype(result.dtype)}")
    except TypeError:
        results.append("`TypeError`")
print(json.dumps(results))
"""


BACKENDS = [  # PyTorch is not among the requirements
    (column, name)
    for column, name in enumerate(("tensorflow", "jax", "torch"), 1)
    if name != "torch" or find_spec(name)
]


@pytest.mark.slow
@pytest.mark.parametrize(("column", "backend"), BACKENDS)
def test_arrays_and_tensors_mix_as_the_page_says(column, backend):
    assert len(MIXED) >= 6
    result = subprocess.run(
        [sys.executable, "-c", MIX, *(row[0] for row in MIXED)],
        env={**ENVIRONMENT, **QUICK_JAX, "KERAS_BACKEND": backend},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(result.stdout.splitlines()[-1]) == [row[column] for row in MIXED]


def test_tensor_classifier_learns(smoke_runs):
    names = smoke_runs[TENSORS].names
    assert names["test"]["accuracy"] > 0.5  # two epochs; guessing gives 0.1


def test_fitted_line_matches_least_squares(smoke_runs):
    names = smoke_runs[AUTODIFF].names
    best = np.polyfit(names["train_x"][:, 0], names["train_y"][:, 0], 1)
    w, b, losses = names["fits"][0.1]
    assert (w, b) == pytest.approx(tuple(best), abs=5e-4) and losses[-1] < losses[0] / 20


def test_line_by_hand_and_by_keras_take_the_same_steps(smoke_runs):
    run = smoke_runs[AUTODIFF]
    by_hand, by_keras = run.names["losses"][:2], run.names["history"].history["loss"]
    assert by_keras == pytest.approx(by_hand, rel=1e-5)
    assert run.record["metrics"]["w"] == run.names["keras_w"]


def test_learning_rates_converge_crawl_and_diverge(smoke_runs):
    last = {rate: losses[-1] for rate, (*_, losses) in smoke_runs[AUTODIFF].names["fits"].items()}
    assert last[0.1] < last[0.001] / 2 and last[0.001] < 1000 < last[1.1]


def test_custom_loop_matches_fit_accuracy(smoke_runs):
    metrics = smoke_runs[TRAINING_LOOP].record["metrics"]
    assert metrics["test_accuracy"] == pytest.approx(metrics["test_accuracy_of_fit"], abs=0.02)


def test_custom_loop_matches_fit_weights(smoke_runs):
    names = smoke_runs[TRAINING_LOOP].names
    for ours, fits in zip(names["model"].weights, names["by_fit"].weights, strict=True):
        np.testing.assert_allclose(ours, fits, atol=1e-3)  # other batches would differ by 0.05


def test_eager_and_compiled_steps_are_timed(smoke_runs):
    metrics = smoke_runs[TRAINING_LOOP].record["metrics"]
    assert metrics["eager_step_ms"] > 0 and metrics["function_step_ms"] > 0
    assert len(smoke_runs[TRAINING_LOOP].names["some_batches"]) == 55
    ways = [value for name, value in metrics.items() if name.endswith("_epoch_s")]
    assert len(ways) == 4 and min(ways) > 0


def test_epoch_in_one_program_takes_the_steps_of_fit(smoke_runs):
    names = smoke_runs[TRAINING_LOOP].names
    images, labels = names["in_memory"]
    size = names["lesson"].batch_size
    kept = len(images) // size * size
    by_fit, by_program = names["build_model"](), names["build_model"]()
    by_fit.fit(images[:kept], labels[:kept], batch_size=size, shuffle=False, verbose=0)
    by_program.optimizer.build(by_program.trainable_variables)
    names["train_epoch"](by_program, images, labels, tf.range(len(images)))
    for program, fit in zip(by_program.weights, by_fit.weights, strict=True):
        np.testing.assert_allclose(program, fit, atol=1e-4)
