"""Lesson 32: the two terms of the loss, draws from the codes, exact resume, loading."""

import keras
import numpy as np
import pytest
from conftest import VAE, run_lesson

from common import checkpoints
from common.callbacks import EpochTimer
from common.runs import read_history
from frame import Lesson

FEW = ["--data", "sample", "--limit", "300", "--epochs", "2"]


@pytest.fixture
def loss(run):
    """A function that returns the loss of given outputs, for images of gray pixels."""
    model = run.names["VAE"](3, kl_weight=10.0)
    model.compile("adam")

    def compute(mean, variance, gray=0.5, logit=0.0):
        outputs = np.full((4, 28, 28), logit, "float32"), *np.full((2, 4, 3), mean, "float32")
        outputs[2][:] = np.log(variance)
        model.reset_metrics()
        images = np.full((4, 28, 28), gray, "float32")
        total = float(model.compute_loss(images, images, outputs))
        terms = [float(one.result()) for one in (model.reconstruction, model.kl)]
        assert total == pytest.approx(terms[0] + 10 * terms[1], rel=1e-5)
        return terms

    return compute


def test_terms_of_known_values(loss):
    assert loss(0, 1) == pytest.approx([784 * np.log(2), 0], abs=1e-2)
    assert loss(2, 0.25)[1] == pytest.approx(3 * (4 + 0.25 + np.log(4) - 1) / 2, rel=1e-5)
    odds = np.log(0.9 / 0.1)
    expected = -784 * (0.8 * np.log(0.9) + 0.2 * np.log(0.1))
    assert loss(0, 1, 0.8, odds)[0] == pytest.approx(expected, rel=1e-5)


def test_codes_are_drawn_from_mean_and_variance(run):
    model = run.names["VAE"](2)
    model.encoder = lambda images: keras.ops.tile([[1.0, -2.0, 0.0, np.log(0.25)]], (10_000, 1))
    model.decoder = lambda codes: codes
    codes, again = (np.asarray(model(np.zeros((1, 28, 28), "float32"))[0]) for _ in range(2))
    np.testing.assert_allclose(codes.mean(axis=0), [1, -2], atol=0.05)
    np.testing.assert_allclose(codes.std(axis=0), [1, 0.5], rtol=0.05)
    assert not np.array_equal(codes, again)


def test_history_has_both_terms(run):
    history = read_history(run.folder)
    for name in ("", "val_"):
        total = np.add(history[f"{name}reconstruction"], history[f"{name}kl"])
        np.testing.assert_allclose(total, history[f"{name}loss"], rtol=1e-4)
    metrics = run.record["metrics"]
    total = metrics["test_reconstruction"] + metrics["test_kl"]
    assert metrics["test_loss"] == pytest.approx(total, rel=1e-5)
    assert metrics["floor"] < min(metrics["test_reconstruction"], metrics["mean_image"])


@pytest.mark.slow
def test_without_weight_the_kl_divergence_grows(tmp_path):
    without = run_lesson(VAE, tmp_path, *FEW, "--epochs", "6", "--kl-weight", "0")
    history = read_history(without.folder)
    assert history["loss"] == pytest.approx(history["reconstruction"])
    assert without.record["variant"] == "kl-weight-0.0"
    weighted = run_lesson(VAE, tmp_path, *FEW, "--epochs", "6")
    assert history["kl"][-1] > read_history(weighted.folder)["kl"][-1]


@pytest.mark.slow
def test_two_latent_variables_are_drawn_as_a_map(tmp_path):
    two = run_lesson(VAE, tmp_path, *FEW, "--latent", "2", "--dataset", "fashion_mnist")
    assert (two.folder / "map.png").exists() and two.names["picture"].shape == (560, 560)
    left_top = two.names["decode"](np.array([[-2, 2]], "float32"))[0]
    np.testing.assert_allclose(two.names["picture"][:28, :28], left_top, atol=1e-3)
    np.testing.assert_array_equal(two.names["points"], two.names["codes"])


def test_walk_begins_and_ends_at_the_images(run):
    names = run.names
    ends = names["decode"](names["codes"][:2])
    np.testing.assert_allclose(names["walks"][0][[0, -1]], ends, atol=1e-3)


def test_saved_model_can_be_loaded(run):
    loaded = keras.models.load_model(run.folder / "model.keras")
    images = run.names["test_images"][:20]
    codes = run.names["model"].encoder.predict(images, verbose=0)
    np.testing.assert_array_equal(loaded.encoder.predict(images, verbose=0), codes)
    assert loaded.latent == 20 and loaded.kl_weight == 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run_lesson(VAE, tmp_path_factory.mktemp("whole"), *FEW)


@pytest.mark.slow
@pytest.mark.parametrize("ended", [False, True])  # stopped in the second epoch, or after the last
def test_resumed_run_is_exact(whole, tmp_path, monkeypatch, ended):
    begin = EpochTimer.on_epoch_begin

    def stop(self, epoch, logs=None):
        if epoch in (1, "latent_space"):  # the figure drawn after training
            raise KeyboardInterrupt
        begin(self, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "EVERY", 0)
        if ended:
            patch.setattr(Lesson, "save_figure", stop)
        else:
            patch.setattr(EpochTimer, "on_epoch_begin", stop)
        with pytest.raises(KeyboardInterrupt):
            run_lesson(VAE, tmp_path / "stopped", *FEW)
    resumed = run_lesson(VAE, tmp_path / "stopped", *FEW, "--resume")
    pairs = (run.names["model"].get_weights() for run in (whole, resumed))
    assert all(np.array_equal(one, other) for one, other in zip(*pairs, strict=True))
    assert resumed.record["metrics"] == whole.record["metrics"]
