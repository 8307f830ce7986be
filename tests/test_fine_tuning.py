"""Lesson 30: what each way trains, and that the pretrained body is used."""

import math

import numpy as np


def body_weights(names, way):
    """Return the arrays of a new classifier without those of its head and of LoRA."""
    model = names["build_classifier"](way)
    return model, [weight.numpy() for weight in model.weights if "lora" not in weight.path][:-2]


def test_classifiers_start_from_the_pretrained_body(names):
    pretrained = names["pretrained"]
    for way, equal in (("from scratch", False), ("fine-tuned", True), ("LoRA", True)):
        _, found = body_weights(names, way)
        assert sorted(array.shape for array in found) == sorted(a.shape for a in pretrained)
        large = [array.sum() for array in found if array.size > 100_000]
        expected = [array.sum() for array in pretrained if array.size > 100_000]
        assert np.allclose(sorted(large), sorted(expected), rtol=1e-4) == equal


def test_lora_changes_nothing_at_first(names):
    rows = names["test_rows"][:5]
    plain, adapted = names["build_classifier"]("fine-tuned"), names["build_classifier"]("LoRA")
    adapted.layers[-1].set_weights(plain.layers[-1].get_weights())
    expected, found = (model.predict(rows, verbose=0) for model in (plain, adapted))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_lora_trains_two_thin_matrices_per_layer(names):
    model = names["build_classifier"]("LoRA")
    lora = sum(
        math.prod(weight.shape) for weight in model.trainable_weights if "lora" in weight.path
    )
    attention = 3 * (128 * 4 * 4 + 4 * 32) + (4 * 32 * 4 + 4 * 128)  # 4 heads of 32, rank 4
    feed_forward = (128 * 4 + 4 * 512) + (512 * 4 + 4 * 128)
    assert lora == 2 * (attention + feed_forward)
    rows = {way: trained for _, way, trained, *_ in names["rows"]}
    assert rows["from scratch"] == rows["fine-tuned"] > 50 * rows["LoRA"]
    assert not any("words" in weight.path for weight in model.trainable_weights)


def test_average_leaves_out_the_padding(names):
    model = names["build_classifier"]("fine-tuned")
    rows = names["to_rows"]([np.arange(1, 21)])
    assert rows.shape == (1, 128) and rows[0, :21].tolist() == [0, *range(2, 22)]
    assert not rows[0, 21:].any()
    vectors = names["body"]
    vectors.set_weights(names["pretrained"])
    average = vectors.predict(rows, verbose=0)[:, 1:21].mean(axis=1)
    kernel, bias = model.layers[-1].get_weights()
    expected = 1 / (1 + np.exp(-(average @ kernel + bias)))
    np.testing.assert_allclose(model.predict(rows, verbose=0), expected, atol=1e-5)


def test_all_ways_are_recorded(run):
    metrics = run.record["metrics"]
    for way in ("from_scratch", "fine_tuned", "lora"):
        assert 0 <= metrics[f"test_accuracy_{way}_20"] <= 1
        assert metrics[f"seconds_{way}_20"] > 0
    assert metrics["trained_lora_20"] < metrics["trained_fine_tuned_20"]
