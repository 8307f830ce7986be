"""Lesson 36: exported files give the model's answers, quantization follows its rule."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from small import runners

FORMS = ["float32", "float16", "int8"]


@pytest.fixture(scope="module")
def files(run):
    return pd.read_csv(run.folder / "files.csv", index_col="file")


def probabilities(path, images) -> np.ndarray:
    interpreter = runners.load_litert(path)
    image, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rows = []
    for one in images:
        interpreter.set_tensor(image["index"], one[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(answer["index"])[0])
    return np.array(rows)


@pytest.mark.parametrize(("form", "tolerance"), [*zip(FORMS, [1e-5, 0.01, 0.15], strict=True)])
def test_exported_file_predicts_like_the_model(run, form, tolerance):
    images = run.names["test_images"][:100]
    expected = run.names["model"].predict(images, verbose=0)
    found = probabilities(run.folder / "exported" / f"original_{form}.tflite", images)
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_fewer_bits_make_smaller_files(run, files):
    weights = run.record["parameters"]
    for form, each in zip(FORMS, [4, 2, 1], strict=True):
        rest = files.bytes[f"original_{form}.tflite"] - each * weights
        assert 0 < rest < 15_000
        assert files.bytes[f"student_{form}.tflite"] < 0.2 * files.bytes["original_int8.tflite"]


def test_agreement_counts_equal_classes(run, files):
    names = run.names
    in_keras = names["model"].predict(names["test_images"], verbose=0).argmax(axis=1)
    assert files.agreement["original.keras"] == 1
    assert files.agreement["original_float32.tflite"] == 1
    assert files.test_accuracy["original.keras"] == pytest.approx(
        np.mean(in_keras == names["test_labels"]), abs=1e-4
    )
    student, _ = runners.run_litert(
        run.folder / "exported" / "student_int8.tflite", names["test_images"]
    )
    assert files.agreement["student_int8.tflite"] == pytest.approx(
        np.mean(student == in_keras), abs=1e-4
    )
    assert (files.ms > 0).all()


def test_weights_are_quantized_as_the_lesson_computes(run):
    assert run.names["equal"] == run.names["by_hand"].size == 640


def test_students_start_alike_and_learn_from_softened_probabilities(run):
    names = run.names
    students = pd.read_csv(run.folder / "students.csv")
    assert students.learns_from.tolist() == ["labels", "original"]
    first, second = (names["build_model"](4, 7).get_weights() for _ in range(2))
    assert all(map(np.array_equal, first, second))
    assert names["student"].count_params() == 1_594
    hard = names["model"].predict(names["train_images"][:50], verbose=0)
    soft = names["soft"][:50]
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(soft.argmax(axis=1), hard.argmax(axis=1))
    assert (soft.max(axis=1) <= hard.max(axis=1) + 1e-6).all()
    ratios = [np.log(some[:, 0] / some[:, 1]) for some in (hard, soft)]
    np.testing.assert_allclose(ratios[1], ratios[0] / 3, rtol=1e-2, atol=1e-3)


def test_onnx_file_predicts_like_the_model(run, files):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    assert files.agreement["original.onnx"] == 1


def test_missing_packages_are_named(run, monkeypatch, capsys):
    monkeypatch.setattr(runners, "find_spec", lambda name: name == "tf2onnx" or None)
    assert not runners.has_onnx()
    assert capsys.readouterr().out.endswith("pip install onnxruntime\n")
    ran = "without Keras: " in run.printed
    assert ran != ("pip install ai-edge-litert" in run.printed)


def test_program_classifies_without_keras(run):
    pytest.importorskip("ai_edge_litert")
    exported = run.folder / "exported"
    model = exported / "original_int8.tflite"
    expected, _ = runners.run_litert(model, run.names["test_images"][:10])
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0]);"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & sys.modules.keys()"
    )
    words = [ROOT / "small" / "classify.py", model, exported / "ten.npy"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(map(int, done.stdout.split())) == expected.tolist()


def test_program_says_what_it_wants():
    pytest.importorskip("ai_edge_litert")
    program = ROOT / "small" / "classify.py"
    done = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert done.returncode == 2 and "MODEL.tflite IMAGES.npy" in done.stderr
    assert "Traceback" not in done.stderr
