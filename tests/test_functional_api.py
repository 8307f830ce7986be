"""Lesson 08: the model graphs, and the data of each input and output."""

import keras
import numpy as np
import pytest
from conftest import FUNCTIONAL, run_lesson, run_script


@pytest.fixture(scope="module")
def names(smoke_runs):
    return smoke_runs[FUNCTIONAL].names


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("sequential", 8 * 30 + 30 + 30 + 1),
        ("deep", 8 * 30 + 30 + 30 * 30 + 30 + 30 + 1),
        ("wide_deep", 8 * 30 + 30 + 30 * 30 + 30 + 38 + 1),
        ("two_inputs", 6 * 30 + 30 + 30 * 30 + 30 + 35 + 1),
        ("two_outputs", 6 * 30 + 30 + 30 * 30 + 30 + 35 + 1 + 30 + 1),
    ],
)
def test_parameter_counts(names, name, trained):
    model = names["models"][name]
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == trained


def test_functional_chain_equals_sequential(names):
    sequential, functional = names["models"]["sequential"], names["functional"]
    features = names["test_features"]
    expected = sequential.predict(features, verbose=0)
    np.testing.assert_array_equal(functional.predict(features, verbose=0), expected)


def test_shared_layer_has_one_set_of_weights(names):
    deep, comparison = names["models"]["deep"], names["comparison"]
    assert [id(weight) for weight in comparison.weights] == [id(weight) for weight in deep.weights]
    a, b = names["test_features"][:20], names["test_features"][20:40]
    expected = deep.predict(a, verbose=0) - deep.predict(b, verbose=0)
    np.testing.assert_allclose(comparison.predict((a, b), verbose=0), expected, atol=1e-5)


def test_inner_output_feeds_last_layer(names):
    wide_deep, hidden_output = names["models"]["wide_deep"], names["hidden_output"]
    features = names["test_features"]
    hidden = hidden_output.predict(features, verbose=0)
    assert hidden.shape == (len(features), 30) and (hidden >= 0).all()
    both = np.concatenate([np.asarray(names["normalization"](features)), hidden], axis=1)
    expected = wide_deep.predict(features, verbose=0)
    np.testing.assert_allclose(both @ wide_deep.get_weights()[-2], expected, atol=1e-4)


def test_inputs_are_normalized_separately(names):
    model = names["models"]["two_outputs"]
    features = names["train_features"]
    (wide, deep), _ = names["train"]["two_outputs"]
    np.testing.assert_array_equal(wide, features[:, :5])
    np.testing.assert_array_equal(deep, features[:, 2:])
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Normalization)]
    means = sorted((np.ravel(layer.mean) for layer in layers), key=len)
    np.testing.assert_allclose(means[0], wide.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(means[1], deep.mean(axis=0), rtol=1e-3)


def test_loss_weights_are_applied(names):
    model, values = names["models"]["two_outputs"], names["test_values"]
    inputs, _ = names["test"]["two_outputs"]
    loss = model.evaluate(inputs, (values, values), verbose=0, return_dict=True)["loss"]
    value, alone = (np.ravel(answer) for answer in model.predict(inputs, verbose=0))
    expected = 0.9 * np.mean((value - values) ** 2) + 0.1 * np.mean((alone - values) ** 2)
    assert loss == pytest.approx(expected, rel=1e-3)
    assert names["scores"]["test_mse_two_outputs"] == pytest.approx(np.mean((value - values) ** 2))


def test_pair_labels_match_images(names):
    digits = np.arange(10, dtype="uint8")[:, None, None] * np.ones((28, 28), "uint8")
    images, answers = names["pair_up"](digits, np.arange(10), 50)
    assert images.shape == (50, 28, 56, 1) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[:, 5, 27, 0], answers["left"])
    np.testing.assert_array_equal(images[:, 5, 28, 0], answers["right"])
    np.testing.assert_array_equal(answers["larger"], answers["left"] > answers["right"])


def test_outputs_are_scored_by_name(names):
    model, images = names["models"]["both_answers"], names["test_images"]
    probabilities = model.predict(images, batch_size=1000, verbose=0)
    left = (probabilities["left"].argmax(axis=1) == names["test_answers"]["left"]).mean()
    assert names["scores"]["test_accuracy_left_both_answers"] == pytest.approx(left, abs=1e-3)
    larger = ((probabilities["larger"][:, 0] > 0.5) == names["test_answers"]["larger"]).mean()
    assert names["scores"]["test_accuracy_larger_both_answers"] == pytest.approx(larger, abs=1e-3)


@pytest.mark.slow
def test_single_output_is_scored(tmp_path):
    flags = ["--data", "sample", "--limit", "500", "--epochs", "1"]
    run = run_lesson(FUNCTIONAL, tmp_path, *flags, "--models", "larger_only", "wide_deep")
    assert (run.folder / "wide_deep_diagram.png").exists()
    assert "test_accuracy_larger_larger_only" in run.record["metrics"]


def test_unknown_model_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run_script(FUNCTIONAL, "--models", "none", "--out", tmp_path)
    assert stop.value.code == 2 and "--models: invalid choice: 'none'" in capsys.readouterr().err
