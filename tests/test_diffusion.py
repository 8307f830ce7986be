"""Lesson 37: noise and its schedule, guidance, the Fréchet distance, drawing."""

import keras
import numpy as np
import pytest

from diffusion.scores import frechet_distance


def test_noise_schedule_keeps_the_variance(run):
    signal, spread = (run.names[name] for name in ("signal", "spread"))
    t = np.linspace(0, 1, 11)
    np.testing.assert_allclose(signal(t) ** 2 + spread(t) ** 2, np.ones(11), rtol=1e-6)
    np.testing.assert_allclose([signal(0.0), spread(0.0)], [1, 0], atol=1e-6)
    np.testing.assert_allclose([signal(1.0), spread(1.0)], [0, 1], atol=1e-6)


def test_training_mixes_images_and_noise_and_hides_some_labels(run):
    seen = []
    model = run.names["Diffusion"](lambda inputs: seen.extend(inputs) or inputs[0])
    images = np.full((4000, 28, 28), 255, "uint8")
    clean, noisy = model([images, np.full(4000, 3, "int32")])
    assert np.all(np.asarray(clean) == 1)
    times, labels = (np.asarray(value) for value in seen[1:])
    assert set(labels) == {3, run.names["NO_LABEL"]}
    assert np.mean(labels == 3) == pytest.approx(0.9, abs=0.02)
    assert times.min() < 0.01 and times.max() > 0.99
    noise = np.asarray(noisy).reshape(4000, -1) - np.cos(times * np.pi / 2)
    np.testing.assert_allclose(noise.std(axis=1), np.sin(times[:, 0] * np.pi / 2), rtol=0.2)


def test_frechet_distance_of_known_distributions():
    features = np.random.default_rng(0).normal(size=(500, 6))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(features, features + np.array([1, 2, 0, 0, 0, 0])) == pytest.approx(5)
    mean = features.mean(axis=0)
    wider = mean + 3 * (features - mean)  # the same directions, three times the deviations
    expected = 4 * np.trace(np.cov(features, rowvar=False))
    assert frechet_distance(features, wider) == pytest.approx(expected)


def test_without_guidance_the_label_does_not_matter(run):
    draw = run.names["draw"]
    threes, sevens = np.full(4, 3, "int32"), np.full(4, 7, "int32")
    frames = draw(threes, 3, 0.0)
    assert frames.shape == (3, 4, 28, 28) and frames.dtype == "uint8"
    np.testing.assert_array_equal(frames, draw(sevens, 3, 0.0))
    assert not np.array_equal(draw(threes, 3, 2.0), draw(sevens, 3, 2.0))


@pytest.mark.slow
def test_draws_what_it_was_taught(run, monkeypatch):
    """Two labels, white images and black ones: after a short training each is drawn as asked."""
    labels = np.arange(512, dtype="int32") % 2
    images = np.where(labels, 255, 0).astype("uint8")[:, None, None] * np.ones((28, 28), "uint8")
    keras.utils.set_random_seed(0)
    network = run.names["build_network"](8)
    model = run.names["Diffusion"](network)
    model.compile(keras.optimizers.Adam(0.003))
    model.fit([images, labels], labels, batch_size=32, epochs=12, verbose=0)
    draw = run.names["draw"]
    monkeypatch.setitem(draw.__globals__, "network", network)
    digits = draw(labels[:10], 10, 2.0)[-1]
    brightness = digits.mean(axis=(1, 2))
    assert brightness[labels[:10] == 1].min() > 200 and brightness[labels[:10] == 0].max() < 55


def test_network_is_saved_without_a_class_of_the_lesson(run):
    loaded = keras.models.load_model(run.folder / "model.keras")
    inputs = [np.zeros((2, 28, 28, 1), "float32"), np.ones((2, 1), "float32"), np.array([1, 10])]
    expected = run.names["network"].predict(inputs, verbose=0)
    np.testing.assert_array_equal(loaded.predict(inputs, verbose=0), expected)
