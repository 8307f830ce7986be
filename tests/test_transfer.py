"""Lesson 11: digit splits, trainable weights, the code for photos, and the ImageNet script."""

import re

import keras
import numpy as np
import pytest
from conftest import ROOT, TRANSFER, error_of, run_script
from PIL import Image

IMAGENET = "notes/solutions/11_imagenet.py"


def test_tasks_use_disjoint_digits(names):
    images, labels = names["images"], names["labels"]
    low, low_labels = names["digits"](images, labels, 0)
    high, high_labels = names["digits"](images, labels, 5)
    assert len(low) + len(high) == len(images) and low.shape[1:] == (28, 28, 1)
    assert set(low_labels) == set(high_labels) == set(range(5))
    np.testing.assert_array_equal(high[..., 0], images[labels >= 5])
    np.testing.assert_array_equal(high_labels, labels[labels >= 5] - 5)


def test_take_balances_digits(names):
    images, labels = names["take"](10)
    assert len(images) == 50 and np.bincount(labels).tolist() == [10] * 5


def test_frozen_features_leave_head_trainable(names):
    features = names["build_features"]()
    features.trainable = False
    model = names["with_head"](features)
    assert (
        sum(np.prod(weight.shape) for weight in model.trainable_weights)
        == 1600 * 64 + 64 + 64 * 5 + 5
    )


def test_fine_tuning_changes_features(names):
    after = names["known"].get_weights()
    moved = [not np.array_equal(a, b) for a, b in zip(names["learned"], after, strict=True)]
    assert all(moved)
    untouched = names["features"].get_weights()
    assert all((a == b).all() for a, b in zip(names["learned"], untouched, strict=True))


def test_code_for_photos_keeps_batch_statistics(monkeypatch):
    """In Keras 3 `training=False` is not enough: `fit` calls the base with `training=True`."""

    def small_base(include_top, pooling):
        assert not include_top and pooling == "avg"
        return keras.Sequential([
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(2, 3, strides=64),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalAveragePooling2D(),
        ])

    monkeypatch.setattr(keras.applications, "MobileNetV2", small_base)
    blocks = re.findall(r"(?:^# {5}.*\n)+", (ROOT / TRANSFER).read_text(), re.M)
    build, unfreeze = (re.sub(r"^# {5}", "", block, flags=re.M) for block in blocks)
    names = {"keras": keras, "layers": keras.layers}
    exec(build, names)
    base, model = names["base"], names["model"]
    images, labels = np.random.default_rng(0).uniform(0, 255, (8, 224, 224, 3)), np.arange(8) % 3

    def changed_by_fit():
        before = base.get_weights()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(images, labels, verbose=0)
        pairs = zip(base.weights, before, base.get_weights(), strict=True)
        return {weight.name for weight, old, new in pairs if not np.array_equal(old, new)}

    assert changed_by_fit() == set()
    exec(unfreeze, names)
    assert changed_by_fit() == {"kernel", "bias"}


def test_imagenet_script_classifies_picture(tmp_path, monkeypatch, capsys):
    class FakeModel:
        def predict(self, pixels, verbose):
            assert pixels.shape == (1, 224, 224, 3) and -1 <= pixels.min() <= pixels.max() <= 1
            return np.eye(1000)[[281]]

    monkeypatch.setattr(keras.applications, "MobileNetV2", lambda weights: FakeModel())
    names = [[("n1", "tabby", 0.9), ("n2", "tiger_cat", 0.1)]]
    monkeypatch.setattr(
        keras.applications.mobilenet_v2, "decode_predictions", lambda answer, top: names
    )
    Image.new("RGB", (300, 200), "orange").save(tmp_path / "cat.png")
    run_script(IMAGENET, tmp_path / "cat.png")
    assert " 90.0%  tabby\n 10.0%  tiger cat\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, 2, "cannot be read as a picture"),
        (b"<html>", 2, "cannot be read as a picture"),
        ("picture", 1, "the weights of MobileNetV2 could not be downloaded"),
    ],
)
def test_imagenet_script_errors(tmp_path, capsys, content, code, message):
    path = tmp_path / "cat.png"
    if content == "picture":
        Image.new("RGB", (300, 200)).save(path)  # tests have no network access
    elif content:
        path.write_bytes(content)
    assert message in error_of(capsys, IMAGENET, path, code=code)
