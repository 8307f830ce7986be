"""Lesson 31: the bottleneck, noise in training only, scores of anomalies, PCA beside it."""

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import AUTOENCODER, run_lesson


def test_images_pass_through_the_code(run):
    model, images = run.names["model"], run.names["test_images"][:5]
    encoder, decoder = (layer for layer in model.layers if isinstance(layer, keras.Sequential))
    codes = encoder.predict(images, verbose=0)
    assert codes.shape == (5, 32) and codes.min() < 0
    decoded = decoder.predict(codes, verbose=0)
    np.testing.assert_allclose(decoded, model.predict(images, verbose=0), atol=1e-6)
    assert decoded.shape == (5, 28, 28) and 0 <= decoded.min() <= decoded.max() <= 1


def test_noise_is_added_in_training_only(run):
    images = run.names["test_images"][:5]
    for name, changes in (("model", False), ("denoiser", True)):
        network = run.names[name]
        plain, again, noisy = (
            np.asarray(network(images, training=flag)) for flag in (False, False, True)
        )
        np.testing.assert_array_equal(plain, again)
        assert np.array_equal(plain, noisy) != changes


def test_noise_has_its_deviation(run):
    noise = run.names["noisy_test_images"] - run.names["test_images"]
    assert noise.std() == pytest.approx(0.3, rel=0.02) and abs(noise.mean()) < 0.01
    assert run.names["noisy_test_images"].dtype == "float32"


def test_pca_has_the_same_size_and_is_fitted_to_training_images(run):
    names = run.names
    flat = names["train_images"].reshape(-1, 784)
    np.testing.assert_allclose(names["pca"].mean_, flat.mean(axis=0), atol=1e-5)
    assert names["pca"].n_components_ == 32
    _, _, directions = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    codes = (flat - flat.mean(axis=0)) @ directions[:32].T
    best = np.mean((flat - flat.mean(axis=0) - codes @ directions[:32]) ** 2)
    errors = names["squared_errors"](names["train_images"], names["by_pca"](names["train_images"]))
    assert errors.mean() == pytest.approx(best, rel=1e-3)


def test_scores_of_known_values(run):
    auc, squared_errors = run.names["auc"], run.names["squared_errors"]
    assert auc([1, 2], [3, 4, 5]) == 1 and auc([1, 3], [2, 4]) == 0.75
    images = np.zeros((2, 28, 28))
    images[0], images[1] = 0.1, 0.2
    assert squared_errors(images, 0) == pytest.approx([0.01, 0.04])


def test_threshold_comes_from_validation_images(run):
    names = run.names
    errors = names["squared_errors"](
        names["val_images"], names["methods"]["plain"](names["val_images"])
    )
    assert np.mean(errors > names["threshold"]) == pytest.approx(0.05, abs=0.01)
    assert run.record["metrics"]["found"] == np.mean(names["digit_errors"] > names["threshold"])


def test_table_holds_all_methods(run):
    table = pd.read_csv(run.folder / "results.csv", index_col="method")
    assert list(table.index) == ["pca", "plain", "denoising", "brightness"]
    metrics = run.record["metrics"]
    assert table.mse["plain"] == pytest.approx(metrics["test_mse"], abs=1e-4)
    assert table.auc["pca"] == pytest.approx(metrics["auc_pca"], abs=1e-4)
    assert table.auc["brightness"] == pytest.approx(metrics["auc_brightness"], abs=1e-4)


@pytest.mark.slow
def test_code_may_be_longer_than_there_are_images(tmp_path):
    few = ["--data", "sample", "--limit", "100", "--epochs", "1", "--code", "200"]
    run = run_lesson(AUTOENCODER, tmp_path, *few)
    assert run.names["pca"].n_components_ == 90
    assert run.names["model"].layers[-1].input_shape == (None, 200)
