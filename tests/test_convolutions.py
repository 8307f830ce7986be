"""mnist/convolutions.py: the same gradients as TensorFlow's, only where it is faster."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from mnist import convolutions, precision


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """A function that sets the reported features of the processor."""

    def set_features(features):
        (tmp_path / "cpuinfo").write_text(f"flags\t\t: {features}\n")

    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: [])  # no GPU
    return set_features


def network(dtype="mixed_bfloat16"):
    """Build a model with two convolutions that can be accelerated and some that cannot."""
    return keras.Sequential([
        keras.Input((9, 9, 1)),
        layers.Conv2D(4, 3, activation="relu", dtype=dtype, name="one_channel"),
        layers.Conv2D(6, 3, activation="relu", dtype=dtype, name="square"),
        layers.Conv2D(5, (2, 3), use_bias=False, dtype=dtype, name="oblong"),
        layers.Conv2D(4, 2, strides=2, dtype=dtype, name="strided"),
        layers.Conv2D(4, 2, padding="same", dtype=dtype, name="padded"),
        layers.Flatten(),
        layers.Dense(3, dtype="float32"),
    ])


def quickened_layers(model):
    return [
        layer.name
        for layer in model.layers
        if getattr(layer, "convolution_op", None) is convolutions.convolve
    ]


@pytest.mark.parametrize(
    ("features", "dtype", "names"),
    [
        ("avx512f avx512_bf16", "mixed_bfloat16", ["square", "oblong"]),
        ("avx512f avx512_bf16", "float32", []),
        ("avx512f avx512_bf16 amx_bf16", "mixed_bfloat16", []),
        ("avx512f", "mixed_bfloat16", []),
    ],
)
def test_only_faster_layers_are_replaced(processor, features, dtype, names):
    processor(features)
    model = network(dtype)
    convolutions.quicken_convolutions(model)
    assert quickened_layers(model) == names


def test_layers_are_unchanged_with_gpu(processor, monkeypatch):
    processor("avx512_bf16")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: [f"{kind}:0"])
    model = network()
    convolutions.quicken_convolutions(model)
    assert quickened_layers(model) == []


@pytest.mark.parametrize(("size", "names"), [(13, ["nine"]), (None, [])])
def test_large_or_variable_sizes_are_unchanged(processor, size, names):
    processor("avx512_bf16")
    model = keras.Sequential([
        keras.Input((size, size, 2)),
        layers.Conv2D(2, 3, dtype="mixed_bfloat16", name="eleven"),
        layers.Conv2D(2, 3, dtype="mixed_bfloat16", name="nine"),
    ])
    convolutions.quicken_convolutions(model)
    assert quickened_layers(model) == names


@pytest.mark.parametrize("shape", [(3, 3), (2, 3), (1, 1)])
def test_outputs_and_gradients_match_tensorflow(shape):
    random = np.random.default_rng(0)
    images = tf.constant(random.normal(size=(8, 7, 6, 4)), tf.float32)
    filters = tf.constant(random.normal(size=(*shape, 4, 5)), tf.float32)

    def gradients(convolve):
        with tf.GradientTape() as tape:
            tape.watch([images, filters])
            answers = convolve(images, filters)
            loss = tf.reduce_sum(answers**3)
        return answers, *tape.gradient(loss, [images, filters])

    expected = gradients(lambda images, filters: tf.nn.conv2d(images, filters, 1, "VALID"))
    for ours, theirs in zip(gradients(convolutions.convolve), expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_quickened_model_trains_and_saves_normally(processor, tmp_path):
    images = np.random.default_rng(0).normal(size=(30, 9, 9, 1)).astype("float32")
    targets = np.arange(30) % 3
    answers = []
    for features in ("avx512_bf16", ""):
        processor(features)
        keras.utils.set_random_seed(1)
        model = network()
        convolutions.quicken_convolutions(model)
        assert bool(quickened_layers(model)) == bool(features)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(images, targets, batch_size=8, epochs=3, shuffle=False, verbose=0)  # last: 6
        answers.append(model.predict(images, verbose=0))
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert not quickened_layers(loaded)
        np.testing.assert_array_equal(loaded.predict(images, verbose=0), answers[-1])
    np.testing.assert_allclose(*answers, atol=0.05)
    assert np.ptp(answers[0]) > 0.5
