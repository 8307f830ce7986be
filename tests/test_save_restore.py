"""Lesson 05: every saved format can be loaded by other code than the lesson's."""

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf


@pytest.fixture
def saved(run):
    return run.folder / "saved"


def from_weights(names, path):
    model = names["build_model"]()
    model.load_weights(path)
    return model


LOADERS = {
    "epoch-02.weights.h5": from_weights,
    "digits.weights.h5": from_weights,
    "without_optimizer.weights.h5": from_weights,
    "digits.keras": lambda _, path: keras.models.load_model(path),
}


@pytest.mark.parametrize("file", LOADERS)
def test_reloaded_predictions_are_bit_identical(names, saved, file):
    model = LOADERS[file](names, saved / file)
    images, expected = names["test_images"], names["probabilities"]
    np.testing.assert_array_equal(model.predict(images, batch_size=1000, verbose=0), expected)


def test_exported_signature_matches_model(names, saved, monkeypatch):
    monkeypatch.chdir(saved)
    serve = tf.saved_model.load("exported").signatures["serving_default"]
    answers = serve(tf.constant(names["test_images"]))["output_0"]
    np.testing.assert_array_equal(answers, names["probabilities"])


def test_table_lists_contents_of_each_format(run, saved):
    table = pd.read_csv(run.folder / "forms.csv", index_col="form")
    keeps = {
        form: [row.weights, row.architecture, row.compile_settings, row.optimizer]
        for form, row in table.iterrows()
    }
    assert keeps == {
        "weights": ["yes", "no", "no", "yes"],
        "weights, not compiled": ["yes", "no", "no", "no"],
        "whole model": ["yes"] * 4,
        "export": ["yes", "no", "no", "no"],
    }
    assert table.kB["whole model"] == pytest.approx(
        (saved / "digits.keras").stat().st_size / 1000, abs=0.1
    )
    assert 2.5 < table.kB["weights"] / table.kB["weights, not compiled"] < 3.5


def test_weights_files_hold_no_architecture(saved):
    for file in ("epoch-00.weights.h5", "epoch-01.weights.h5", "digits.weights.h5"):
        with h5py.File(saved / file) as contents:
            assert "layers" in contents and "model_config" not in contents.attrs
        with pytest.raises(ValueError):
            keras.models.load_model(saved / file)


def test_exact_resume_needs_optimizer_state(names):
    assert names["with_state"] == 0 < names["without_state"]


def test_best_checkpoint_has_lowest_validation_loss(names, saved):
    best = keras.models.load_model(saved / "best.keras")
    loss, _ = best.evaluate(names["val_images"], names["val_labels"], verbose=0)
    assert loss == pytest.approx(min(names["history"].history["val_loss"]), rel=1e-4)


def test_own_layer_is_loaded_with_arguments_and_weights(saved):
    (layer,) = keras.models.load_model(saved / "own_layer.keras").layers
    assert layer.start == 2 and float(layer.factor) == 2


def test_h5_saving_loses_optimizer_settings(names, saved, tmp_path):
    model = keras.models.load_model(saved / "digits.keras")
    model.save(tmp_path / "old.h5")
    model.save(tmp_path / "after.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer 'rm_sprop'"):
        lost = keras.models.load_model(tmp_path / "after.keras").optimizer
    assert isinstance(lost, keras.optimizers.RMSprop)
    kept = keras.models.load_model(saved.parent / "model.keras").optimizer  # the run's own file
    assert isinstance(kept, keras.optimizers.Adam)
    assert int(kept.iterations) == int(names["model"].optimizer.iterations)
