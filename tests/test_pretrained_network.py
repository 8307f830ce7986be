"""Lesson 34: sources of weights, what each step trains, series on one side, Grad-CAM."""

from pathlib import Path
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
from conftest import PRETRAINED, error_of, run_lesson, run_script
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

from datasets import download
from pictures import cluttered, weights
from pictures.duplicates import group_series
from pictures.figures import heat_over

FEW = ["--epochs", "1", "--examples", "2", "--side", "32"]


@pytest.fixture(scope="module")
def body():
    keras.utils.set_random_seed(1)
    return keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)


@pytest.fixture(scope="module")
def published(body, tmp_path_factory):
    """A file in the format of the published ones, with random weights."""
    path = tmp_path_factory.mktemp("weights") / weights.FILE.format(96)
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, body)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty Keras cache."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "PAUSE", 0)
    return tmp_path / "home"


def weights_by_layer(model) -> dict:
    return {layer.name: layer.get_weights() for layer in model.layers}


def is_equal(first: dict, second: dict, name: str) -> bool:
    return all(map(np.array_equal, first[name], second[name]))


def test_only_the_last_layers_and_the_head_are_fine_tuned(run):
    names = run.names
    loaded = names["load_body"](run.folder / "pretrained.keras")
    before, after = weights_by_layer(loaded), weights_by_layer(names["model"])
    first = len(loaded.layers) // 2
    for number, layer in enumerate(loaded.layers):
        if layer.get_weights():
            trained = number >= first and not isinstance(layer, layers.BatchNormalization)
            assert is_equal(before, after, layer.name) != trained, layer.name
    trained = names["model"].trainable_weights
    assert sum(np.prod(weight.shape) for weight in trained) == 92_934  # as the solutions say
    head = names["head"].layers[-2].get_weights()
    assert not all(map(np.array_equal, head, after["scores"]))


def test_head_is_trained_on_the_features_of_the_body(run):
    names = run.names
    assert names["train_features"].shape == (10 * len(names["train_rows"]), 128)
    assert names["results"].keys() == {"frozen", "fine-tuned", "from-scratch"}
    accuracy = run.record["metrics"]["test_accuracy_fine_tuned"]
    assert accuracy == pytest.approx(np.mean(names["guesses"] == names["test_labels"]), abs=1e-6)


def test_network_from_scratch_trains_everything(run):
    pretrained, after = weights_by_layer(run.names["body"]), weights_by_layer(run.names["scratch"])
    with_weights = {name for name, values in pretrained.items() if values}
    assert len(with_weights) == 8
    assert not any(is_equal(pretrained, after, name) for name in with_weights)
    assert all(layer.trainable for layer in run.names["scratch"].layers)


def test_variants_keep_pictures_and_labels_together(run):
    names = run.names
    rows = np.tile(names["train_rows"], 10)
    np.testing.assert_array_equal(names["labels"][rows], names["train_labels"])
    far = names["train_images"].astype(float)
    own, other = (np.abs(far - names["images"][some]).mean() for some in (rows, rows[::-1]))
    assert names["train_images"].dtype == np.uint8 and 0 < own < other / 1.5


def test_sample_is_announced_at_the_start_and_at_the_end(run):
    lines = run.printed.splitlines()
    loud = [number for number, line in enumerate(lines) if line == weights.WARNING]
    assert len(loud) == 2 and loud[1] == len(lines) - 1


def test_no_font_is_on_both_sides(run):
    names = run.names
    fonts = np.array([Path(file).parts[1] for file in names["files"]])
    assert not set(fonts[names["rest"]]) & set(fonts[names["test_rows"]])
    assert set(names["train_rows"]) <= set(names["rest"])
    assert np.bincount(names["train_labels"]).tolist() == 6 * [10 * names["examples"]]
    assert set(names["test_labels"]) == set(range(6))


def test_series_join_groups_across_classes(capsys):
    files = ["a/day 1/0", "a/day 1/1", "a/2", "a/day 2/3", "b/day 1/4", "b/5", "b/6", "b/day 3/7"]
    groups, labels = np.array([0, 1, 2, 3, 4, 5, 3, 6]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    joined = group_series(groups, files, labels, ["a", "b"])
    same = joined[:, np.newaxis] == joined
    expected = np.eye(8, dtype=bool)
    for some in ((0, 1, 4), (3, 6)):  # a series; near-duplicates
        expected[np.ix_(some, some)] = True
    np.testing.assert_array_equal(same, expected)
    with pytest.raises(SystemExit) as stop:
        group_series(groups[:4], files[:2] * 2, labels[:4], ["a"])
    assert stop.value.code == 2 and "the class a" in capsys.readouterr().err


def test_grad_cam_of_the_last_maps_is_that_of_their_weights(run):
    """With global average pooling, the gradient is known: a weight over the number of places."""
    names = run.names
    model, pictures, labels = names["model"], names["test_images"][:3], [2, 0, 5]
    heat = names["grad_cam"](model, names["body"].layers[-1], pictures, labels)
    maps = keras.Model(model.inputs, names["body"].output).predict(pictures, verbose=0)
    kernels = model.get_layer("scores").get_weights()[0][:, labels]
    expected = np.einsum("nrcm,mn->nrc", maps, kernels) / np.prod(maps.shape[1:3])
    expected = np.maximum(expected, 0)
    np.testing.assert_allclose(heat, expected, rtol=1e-3, atol=1e-6)


def test_grad_cam_of_a_sequential_model(run):
    model = keras.Sequential([
        keras.Input((8, 8, 3)),
        layers.Conv2D(4, 1, use_bias=False, name="maps"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, use_bias=False),
        layers.Softmax(),
    ])
    kernel = np.zeros((1, 1, 3, 4), "float32")
    kernel[0, 0, 0, 0] = kernel[0, 0, 1, 1] = 1  # map 0 finds red, map 1 finds green
    model.set_weights([kernel, np.eye(4, 2, dtype="float32")])
    picture = np.zeros((8, 8, 3), "float32")
    picture[:4, :, 0] = picture[4:, :, 1] = 1
    twice = np.stack([picture, picture])
    heat = run.names["grad_cam"](model, model.get_layer("maps"), twice, [0, 1])
    expected = np.zeros((2, 8, 8))
    expected[0, :4] = expected[1, 4:] = 1 / 64
    np.testing.assert_allclose(heat, expected, atol=1e-7)


def test_heat_darkens_what_did_not_matter():
    picture = np.full((32, 32, 3), 200, "uint8")
    shown = heat_over(picture, np.array([[0, 0], [0, 1.0]]))
    assert shown[-1, -1].min() > 190 and shown[0, 0].max() < 60
    assert heat_over(picture, np.zeros((2, 2))).max() < 60


def test_prediction_for_a_file(run, capsys):
    row = run.names["test_rows"][0]
    file = run.folder / "letters" / run.names["files"][row]
    with pytest.raises(SystemExit):
        run_script(PRETRAINED, "--out", run.out, "--predict", file)
    line = capsys.readouterr().out.splitlines()[-1]
    best = run.names["classes"][run.names["guesses"][0]]
    assert line.startswith(f"{file.name}: {best} {run.names['probabilities'][0].max():.3f}")


@pytest.mark.slow
def test_weights_in_the_cache_are_those_of_imagenet(home, body, published, tmp_path):
    (home / "models").mkdir(parents=True)
    (home / "models" / published.name).write_bytes(published.read_bytes())
    found = run_lesson(PRETRAINED, tmp_path / "out", *FEW, "--data", "auto")
    assert found.record["data"] == "real" and published.name in found.record["source"]
    assert not list(found.folder.glob("*.h5"))
    loaded, expected = weights_by_layer(found.names["body"]), weights_by_layer(body)
    assert is_equal(loaded, expected, "Conv1") and is_equal(loaded, expected, "block_3_project")
    assert not is_equal(loaded, expected, "Conv_1")  # fine-tuned
    assert found.names["train_features"].shape[1] == 1280
    assert found.names["late"].name == "block_3_expand_relu"  # not the padding after it
    momenta = {
        layer.momentum
        for layer in found.names["random_body"].layers
        if isinstance(layer, layers.BatchNormalization)
    }
    assert momenta == {0.9}


def test_saved_model_is_cut_before_its_head(tmp_path):
    whole = keras.Sequential([
        keras.Input((32, 32, 3)),
        layers.Conv2D(4, 3, strides=4, name="maps"),
        layers.Flatten(),
        layers.Dense(5),
        layers.Dense(2, activation="softmax"),
    ])
    whole.save(tmp_path / "mine.keras")
    found = run_lesson(PRETRAINED, tmp_path / "out", *FEW, "--weights", tmp_path / "mine.keras")
    assert found.record["data"] == "real" and "mine.keras" in found.record["source"]
    assert found.names["body"].output.shape == (None, 8, 8, 4)
    kernel, _ = whole.get_layer("maps").get_weights()
    loaded = found.names["load_body"](tmp_path / "mine.keras").get_layer("maps").get_weights()[0]
    np.testing.assert_array_equal(kernel, loaded)
    assert not list(found.folder.glob("pretrained*"))


def test_weights_are_downloaded_once(home, published, monkeypatch):
    asked = []

    def receive(address, path, _):
        asked.append(address)
        Path(path).write_bytes(published.read_bytes())

    monkeypatch.setattr(download, "receive", receive)
    for side in (48, 96, 90):
        assert weights.fetch(side) == home / "models" / published.name
    assert asked == [f"{weights.ADDRESS}/{published.name}"]
    assert weights.fetch(224).name == weights.FILE.format(224)


def test_page_instead_of_the_file_is_not_kept(home, monkeypatch):
    page = "<html>please log in</html>"
    monkeypatch.setattr(download, "receive", lambda address, path, _: Path(path).write_text(page))
    with pytest.raises(download.DownloadError):
        weights.fetch(96)
    assert not list((home / "models").iterdir())


def lesson_of(tmp_path, **flags):
    """What `find_weights` needs of a lesson."""
    (tmp_path / "run").mkdir(parents=True)
    values = {"weights": None, "data": "auto", "resume": None, "side": 32} | flags
    told = []
    run = SimpleNamespace(data_sets={}, loaded=lambda *found: told.append(found[:3]))
    return SimpleNamespace(folder=tmp_path / "run", run=run, told=told, **values)


def test_without_network_auto_pretrains_and_real_fails(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pictures.pretraining.pretrain", lambda lesson: "trained here")
    lesson = lesson_of(tmp_path)
    assert weights.find_weights(lesson) == "trained here"
    ((name, kind, source),) = lesson.told
    assert (name, kind) == ("weights", "sample") and "Name or service not known" in source
    assert lesson.run.sample_warning == weights.WARNING
    out = tmp_path / "out"
    flags = ["--data", "real", "--out", out, "--pictures", small_folder(tmp_path)]
    line = error_of(capsys, PRETRAINED, *flags, code=1)
    assert "--weights FILE" in line and weights.ADDRESS in line
    assert not list(out.glob("*/*"))


def small_folder(tmp_path):
    random = np.random.default_rng(3)
    for letter in "AB":
        (tmp_path / "p" / letter).mkdir(parents=True)
        for number in range(10):
            picture = cluttered.draw_scene(letter, random, (40, 40))
            picture.save(tmp_path / "p" / letter / f"{number}.png")
    return tmp_path / "p"


def test_sample_does_not_ask_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "fetch", lambda side: pytest.fail("the network was asked"))
    monkeypatch.setattr("pictures.pretraining.pretrain", lambda lesson: "trained here")
    assert weights.find_weights(lesson_of(tmp_path, data="sample")) == "trained here"


def test_resumed_with_other_weights_is_refused(tmp_path, published, capsys):
    lesson = lesson_of(tmp_path, weights=published)
    assert weights.find_weights(lesson) == published
    lesson.run.data_sets["weights"] = lesson.told[0][1:]
    lesson.resume = "newest"
    assert weights.find_weights(lesson) == published
    other = published.with_name("other.h5")
    other.write_bytes(published.read_bytes() + b"\0")
    lesson.weights = other
    with pytest.raises(SystemExit) as stop:
        weights.find_weights(lesson)
    assert stop.value.code == 2 and "other.h5" in capsys.readouterr().err


def test_bad_weights_are_refused_before_keras_starts(tmp_path, capsys, monkeypatch, published):
    monkeypatch.setattr("common.startup.start_keras", lambda *_: pytest.fail("Keras was started"))
    for name in ("text.h5", "text.keras"):
        (tmp_path / name).write_text("weights")
    for name in ("text.h5", "text.keras", "missing.h5", "."):
        path = tmp_path / name
        line = error_of(capsys, PRETRAINED, "--out", tmp_path / "out", "--weights", path)
        assert line.startswith(f"error: --weights {path}: ")
    both = ["--weights", published, "--data", "sample"]
    assert "exclude each other" in error_of(capsys, PRETRAINED, "--out", tmp_path / "out", *both)
    assert not (tmp_path / "out").exists()


def test_weights_of_another_network_are_refused(tmp_path, capsys):
    other = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    other.save(tmp_path / "no_maps.keras")
    images = keras.Sequential([keras.Input((40, 40, 1)), layers.Conv2D(2, 3)])
    images.save(tmp_path / "gray.keras")
    images = keras.Sequential([keras.Input((64, 64, 3)), layers.Conv2D(2, 3)])
    images.save(tmp_path / "large.keras")
    first, second = (keras.Input((40, 40, 3)) for _ in range(2))
    maps = layers.Conv2D(2, 3)(layers.Add()([first, second]))
    keras.Model([first, second], maps).save(tmp_path / "two.keras")
    whole = (tmp_path / "other.weights.h5").read_bytes()
    (tmp_path / "half.weights.h5").write_bytes(whole[: len(whole) // 2])
    folder = small_folder(tmp_path)
    names = ("other.weights.h5", "half.weights.h5", "no_maps.keras", "gray.keras", "large.keras")
    flat = [keras.Input((4800,)), layers.Reshape((40, 40, 3)), layers.Conv2D(2, 3)]
    keras.Sequential(flat).save(tmp_path / "flat.keras")
    for name in (*names, "two.keras", "flat.keras"):
        path = tmp_path / name
        flags = ["--out", tmp_path / "out", "--pictures", folder, "--weights", path]
        line = error_of(capsys, PRETRAINED, *flags)
        assert line.startswith(f"error: --weights {path}: ")
        assert ("--side 64" in line) == (name == "large.keras")


def test_damaged_file_in_the_cache_is_named_and_not_the_flag(tmp_path, capsys):
    for error in (OSError("file is truncated"), ValueError()):
        with (
            pytest.raises(SystemExit) as stop,
            weights.readable(tmp_path / "cached.h5", lesson_of(tmp_path / type(error).__name__)),
        ):
            raise error
        line = capsys.readouterr().err
        assert stop.value.code == 2 and f"{tmp_path / 'cached.h5'}: damaged" in line
        assert "--weights" not in line


def test_letters_are_the_same_twice():
    first, second = (cluttered.draw_array("CD", 2, 32) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[0].shape == (4, 32, 32, 3) and first[1].tolist() == [0, 0, 1, 1]
    assert len(cluttered.fonts()) == 21
    random = np.random.default_rng(0)
    one, other = (cluttered.draw_scene("A", random, (40, 40)) for _ in range(2))
    assert np.abs(np.subtract(one, other, dtype=float)).mean() > 5


def test_every_file_is_found_in_the_keras_cache_of_home(monkeypatch, tmp_path, published):
    monkeypatch.delenv("KERAS_HOME")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / ".keras" / "models").mkdir(parents=True)
    cached = tmp_path / ".keras" / "models" / published.name
    cached.write_bytes(published.read_bytes())
    assert weights.fetch(96) == cached
