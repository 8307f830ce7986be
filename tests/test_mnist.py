"""mnist/: the published models, the run of all models, the report; and clothing.py."""

import base64
import copy
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import MNIST, ROOT, run_lesson, run_script
from keras import layers
from PIL import Image
from scipy.ndimage import shift

from common import plots
from common.checkpoints import random_generators, seed_generators
from common.runs import finished_runs, read_record
from frame import Lesson
from mnist import report
from mnist.figures import CLASS_NAMES, surest_mistakes, variants
from mnist.models import MODELS, conv_net_best_of_clothing
from mnist.precision import choose_elsewhere, choose_precision, fastest_precision
from mnist.recipes import fill_in
from mnist.run_all import run_all

CLOTHING = "mnist/clothing.py"
PARAMETERS = {
    "mlp_one_layer": 407_050,
    "mlp_two_layers": 669_706,
    "mlp_two_layers_dropout": 669_706,
    "conv_net": 93_322,
    "conv_net_dropout": 93_322,
    "conv_net_batch_norm": 93_706,
    "conv_net_l1": 93_322,
    "conv_net_l2": 93_322,
    "le_net": 431_080,
    "conv_net_augmented": 93_322,
    "conv_net_fast": 137_034,
    "conv_net_best": 371_498,
}
CONV_NET = [(26, 26, 32), (13, 13, 32), (11, 11, 64), (5, 5, 64), (3, 3, 64), (576,), (64,), (10,)]
SHAPES = {
    "mlp_one_layer": [(784,), (512,), (10,)],
    "mlp_two_layers": [(784,), (512,), (512,), (10,)],
    "mlp_two_layers_dropout": [(784,), (512,), (512,), (10,)],
    "le_net": [(24, 24, 20), (12, 12, 20), (8, 8, 50), (4, 4, 50), (800,), (500,), (10,)],
    "conv_net_fast": [
        (26, 26, 32),
        (13, 13, 32),
        (11, 11, 64),
        (9, 9, 64),
        (4, 4, 64),
        (2, 2, 128),
        (512,),
        (10,),
    ],
    "conv_net_best": [
        (26, 26, 32),
        (13, 13, 32),
        (11, 11, 64),
        (9, 9, 64),
        (7, 7, 96),
        (5, 5, 128),
        (3, 3, 128),
        (10,),
    ],
}


def test_model_names_match_functions():
    assert list(MODELS) == list(PARAMETERS)


@pytest.mark.parametrize("name", MODELS)
def test_model_output_shapes(name):
    model = MODELS[name]()
    assert model.count_params() == PARAMETERS[name]
    kinds = (layers.Conv2D, layers.MaxPooling2D, layers.Flatten, layers.Dense)
    shapes = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, kinds)]
    assert shapes == SHAPES.get(name, CONV_NET)
    assert model.layers[-1].compute_dtype == "float32"


def test_clothing_model_filters_and_batch_norm():
    kinds = (layers.Conv2D, layers.BatchNormalization)
    of_digits, of_clothing = (
        [layer for layer in model.layers if isinstance(layer, kinds)]
        for model in (MODELS["conv_net_best"](), conv_net_best_of_clothing())
    )
    assert [type(layer) for layer in of_clothing] == 6 * list(kinds)
    filters = [layer.filters for layer in of_digits if isinstance(layer, layers.Conv2D)]
    assert [layer.filters for layer in of_clothing[::2]] == [1.5 * number for number in filters]


@pytest.mark.release
@pytest.mark.parametrize("name", MODELS)
def test_model_trains_and_reloads(name, tmp_path):
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    model = MODELS[name]()
    images = np.random.default_rng(0).integers(0, 256, (64, 28, 28, 1), np.uint8)
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(images, np.arange(64) % 10, batch_size=16, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    probabilities = model.predict(images, verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(reloaded.predict(images, verbose=0), probabilities)


def test_l1_and_l2_penalties():
    for name in ("conv_net", "conv_net_l1", "conv_net_l2"):
        model = MODELS[name]()
        *hidden, _ = [layer for layer in model.layers if hasattr(layer, "kernel")]
        kernels = [np.asarray(layer.kernel) for layer in hidden]
        expected = {
            "conv_net": 0,
            "conv_net_l1": 1e-4 * sum(np.abs(kernel).sum() for kernel in kernels),
            "conv_net_l2": 1e-4 * sum(np.square(kernel).sum() for kernel in kernels),
        }
        assert float(sum(model.losses)) == pytest.approx(expected[name], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "moves"), [("conv_net_augmented", 4), ("conv_net_fast", 1), ("conv_net_best", 3)]
)
def test_augmentation_is_seeded_and_training_only(name, moves):
    model = MODELS[name]()
    image = np.zeros((1, 28, 28, 1), np.uint8)
    image[:, 8:20, 10:18] = 255
    moves = keras.Sequential(model.layers[:moves])

    def moved(epoch):
        seed_generators(random_generators(model), 42, epoch)
        return np.asarray(moves(image, training=True))

    assert np.array_equal(moved(1), moved(1)) and not np.array_equal(moved(1), moved(2))
    assert np.array_equal(np.asarray(moves(image, training=False)), image)
    assert moved(1)[0, 0].max() == 0  # empty margins are black


@pytest.mark.release
def test_fast_model_one_cycle_schedule(tmp_path):
    run = run_lesson(MNIST, tmp_path, "--data", "sample", "-m", "conv_net_fast")
    assert run.record["flags"]["epochs"] == run.record["epochs"] == 5
    assert run.record["flags"]["schedule"] == "one_cycle"
    rate, steps = run.names["rate"], run.names["steps"]
    rates = np.array([float(rate(step)) for step in range(steps + 1)])
    top = rates.argmax()
    assert rates[top] == pytest.approx(0.006, rel=0.1) and abs(top / steps - 0.3) < 0.1
    assert (np.diff(rates[:top]) > 0).all() and (np.diff(rates[top:]) < 0).all()
    assert rates[0] == pytest.approx(0.0006) and rates[-1] < 1e-6
    # On training images: on others, after so few steps, it was 0.11 to 0.35 with seeds 42 to 44.
    assert run.names["history"].history["accuracy"][-1] > 0.8


@pytest.fixture
def read_flags(monkeypatch):
    """A function that returns the `Lesson` of mnist.py for some flags, without training."""

    def read(*words) -> Lesson:
        found = []

        def fill_in_and_stop(lesson):
            fill_in(lesson)
            found.append(lesson)
            raise SystemExit

        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr("mnist.flags.fill_in", fill_in_and_stop)
            run_script(MNIST, *words)
        return found[0]

    return read


@pytest.mark.parametrize(
    ("words", "filled", "folder"),
    [
        ("-m conv_net", (60, "constant", 3, 0), "conv_net"),
        ("-m conv_net_fast --epochs 60", (60, "one_cycle", 6, 0), "conv_net_fast"),
        (
            "-m conv_net_fast --schedule one_cycle --peak 1",
            (5, "one_cycle", 1, 0),
            "conv_net_fast_peak-1.0",
        ),
        (
            "-m conv_net_best --schedule constant",
            (32, "constant", 3, 0.05),
            "conv_net_best_schedule-constant",
        ),
        (
            "-m conv_net_best --label-smoothing 0 --dataset fashion_mnist",
            (32, "one_cycle", 3, 0),
            "conv_net_best_dataset-fashion_mnist_label-smoothing-0.0",
        ),
    ],
)
def test_recipe_fills_omitted_flags(read_flags, words, filled, folder):
    lesson = read_flags(*words.split())
    assert (lesson.epochs, lesson.schedule, lesson.peak, lesson.label_smoothing) == filled
    assert lesson.variant() == folder


@pytest.mark.release
def test_clothing_label_smoothing_and_test_time_augmentation(tmp_path):
    run = run_lesson(CLOTHING, tmp_path, "--data", "sample", "--epochs", "1")
    assert (run.record["lesson"], run.record["variant"]) == ("clothing", "")
    assert run.record["parameters"] == 835_642
    names = run.names
    targets, labels = names["test_targets"], names["test_labels"]
    assert targets.shape == (len(labels), 10) and (targets.argmax(axis=1) == labels).all()
    model, images = names["model"], names["test_images"]
    probabilities = model.predict(images, batch_size=250, verbose=0)
    asked = np.full_like(targets, 0.005)
    asked[targets == 1] = 0.955
    loss = -(asked * np.log(np.maximum(probabilities, 1e-7))).sum(axis=1).mean()
    assert run.record["metrics"]["test_loss"] == pytest.approx(loss, rel=1e-3)
    places = [
        shift(images, (0, down, right, 0), order=0)  # margins are filled with 0
        for down, right in [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    ]
    looks = [*places, *(place[:, :, ::-1] for place in places)]
    mean = np.mean([model.predict(look, batch_size=250, verbose=0) for look in looks], axis=0)
    np.testing.assert_allclose(names["probabilities"], mean, atol=1e-6)
    right = (mean.argmax(axis=1) == labels).mean()
    assert run.record["metrics"]["test_accuracy_ten_looks"] == pytest.approx(right, abs=1e-4)
    keras.models.load_model(run.folder / "model.keras")


def test_run_keeps_best_and_last_model(smoke_runs):
    run = smoke_runs[MNIST]
    assert run.record["variant"] == "mlp_one_layer"
    assert run.folder.name.endswith("-mlp_one_layer")
    names, metrics = run.names, run.record["metrics"]
    val = names["history"].history["val_accuracy"]
    assert metrics["val_accuracy"] == pytest.approx(val[-1])
    assert metrics["best_epoch"] == 1 + np.argmax(val)
    assert isinstance(metrics["best_epoch"], int)  # printed as 1, not as 1.0000
    best = keras.models.load_model(run.folder / "best.keras")
    scores = best.evaluate(
        names["val_images"], names["val_labels"], batch_size=1000, verbose=0, return_dict=True
    )
    assert scores["accuracy"] == pytest.approx(max(val), abs=1e-6)
    answers = names["model"].predict(names["test_images"], verbose=0).argmax(axis=1)
    assert metrics["test_accuracy"] == pytest.approx((answers == names["test_labels"]).mean())
    text = (run.folder / "classification_report.txt").read_text()
    assert f"{metrics['test_accuracy']:.4f}" in text


def test_mistakes_are_sorted_by_confidence():
    labels = np.array([0, 1, 2, 3])
    probabilities = np.eye(10)[[0, 9, 8, 7]] * [[0.9], [0.5], [0.8], [0.6]]
    images = np.zeros((4, 28, 28, 1), np.uint8)
    figure = surest_mistakes(images, labels, probabilities, CLASS_NAMES["mnist"])
    titles = [text.get_text() for text in figure.axes[0].texts]
    assert titles == ["8 80%\n(is 2)", "7 60%\n(is 3)", "9 50%\n(is 1)"]
    assert surest_mistakes(images[:1], labels[:1], probabilities[:1], CLASS_NAMES["mnist"]) is None


@pytest.mark.parametrize("name", [*MODELS, "conv_net_best_of_clothing"])
def test_variants_are_those_of_training(name):
    model = MODELS[name]() if name in MODELS else conv_net_best_of_clothing()
    image = np.zeros((28, 28, 1), np.uint8)
    image[8:20, 10:14] = 255
    figure = variants(model, image)
    augmented = {
        "conv_net_augmented",
        "conv_net_fast",
        "conv_net_best",
        "conv_net_best_of_clothing",
    }
    assert (figure is not None) == (name in augmented)
    if figure:
        drawn = [np.asarray(picture.get_array()) for picture in figure.axes[0].images]
        assert len(drawn) == 16 and len({picture.tobytes() for picture in drawn}) > 4
        assert all(picture.shape == (28, 28) and picture.max() > 100 for picture in drawn)
        plots.plt.close(figure)


def test_bfloat16_is_chosen_if_processor_supports_it(monkeypatch, tmp_path):
    from mnist import precision

    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(precision, "CPUINFO", cpuinfo)
    monkeypatch.setattr(precision, "has_nvidia_driver", lambda: False)
    assert fastest_precision() == "float32"  # not Linux
    cpuinfo.write_text("flags\t\t: fpu sse avx512f\n")
    assert fastest_precision() == "float32"
    cpuinfo.write_text("flags\t\t: fpu sse avx512f avx512_bf16\n")
    assert fastest_precision() == "bfloat16"
    for wanted, chosen in (("auto", "bfloat16"), ("float32", "float32")):
        lesson = SimpleNamespace(precision=wanted, device="auto")
        choose_precision(lesson)
        assert lesson.precision == chosen
    monkeypatch.setattr(precision, "chosen_backend", lambda: ("jax", "keras.json"))
    assert fastest_precision() == "float32"


def with_gpus(backend: str, capabilities: list) -> SimpleNamespace:
    """Return a module that reports GPUs as a back-end does; None is a GPU that does not say."""
    if backend == "torch":
        cuda = SimpleNamespace(
            device_count=lambda: len(capabilities), get_device_capability=capabilities.__getitem__
        )
        return SimpleNamespace(cuda=cuda)
    if backend == "jax":
        said = ["gfx90a" if one is None else ".".join(map(str, one)) for one in capabilities]
        devices = [SimpleNamespace(platform="gpu", compute_capability=one) for one in said]
        return SimpleNamespace(devices=lambda: devices or [SimpleNamespace(platform="cpu")])
    details = [{} if one is None else {"compute_capability": one} for one in capabilities]
    experimental = SimpleNamespace(get_device_details=lambda gpu: gpu)
    listed = {"GPU": details, "CPU": [{}]}
    config = SimpleNamespace(list_physical_devices=listed.get, experimental=experimental)
    return SimpleNamespace(config=config)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize(
    ("capabilities", "device", "chosen"),
    [
        ([(8, 0)], "auto", "bfloat16"),
        ([(9, 0), (10, 3)], "auto", "bfloat16"),
        ([(7, 5)], "auto", "float32"),
        ([(9, 0), (7, 5)], "auto", "float32"),  # the slowest counts: they share every batch
        ([None], "auto", "float32"),
        ([], "auto", "float32"),  # a driver, but a back-end that does not use the GPU
        ([(8, 0)], "cpu", "float32"),
    ],
)
def test_bfloat16_is_chosen_if_gpu_supports_it(
    monkeypatch, tmp_path, backend, capabilities, device, chosen
):
    from mnist import precision

    if backend == "torch" and None in capabilities:  # says a number for every GPU
        capabilities = [(0, 0)]
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(precision, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(precision, "chosen_backend", lambda: (backend, "keras.json"))
    monkeypatch.setattr(precision, "start_keras", lambda: None)
    monkeypatch.setitem(sys.modules, backend, with_gpus(backend, capabilities))
    assert fastest_precision(device) == chosen


def test_gpu_that_pytorch_is_told_not_to_use_does_not_count(monkeypatch):
    from mnist import precision

    monkeypatch.setitem(sys.modules, "torch", with_gpus("torch", [(9, 0)]))
    assert precision.gpu_capabilities("torch") == [(9, 0)]
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cpu")
    assert precision.gpu_capabilities("torch") == []


def test_precision_of_all_models_is_chosen_in_another_process():
    lesson = SimpleNamespace(precision="auto", device="cpu")
    choose_elsewhere(lesson)
    assert lesson.precision == fastest_precision("cpu")


@pytest.mark.release
def test_bfloat16_keeps_weights_in_float32(small_runs):
    run = small_runs[MNIST]
    model = run.names["model"]
    assert run.record["flags"]["precision"] == "bfloat16"
    assert model.layers[1].compute_dtype == "bfloat16"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert run.names["probabilities"].dtype == np.float32


@pytest.mark.release
def test_fashion_mnist_class_names_and_folder(small_runs):
    run = small_runs[MNIST]
    assert run.record["variant"] == "conv_net_dataset-fashion_mnist"
    assert "ankle boot" in (run.folder / "classification_report.txt").read_text()


# `-m all`, with two models instead of all.


@pytest.fixture
def finished(smoke_runs, tmp_path):
    """The `Lesson` of a finished run of mlp_one_layer, alone in its output folder."""
    folder = smoke_runs[MNIST].folder
    shutil.copytree(folder, tmp_path / "mnist" / folder.name)
    lesson = copy.copy(smoke_runs[MNIST].names["lesson"])
    vars(lesson)["out"] = tmp_path  # `lesson.out = ...` would move the run
    return lesson


def run_in_process(command) -> int:
    """Replace `run_to_the_end`: run the script in this process."""
    assert command[:2] == [sys.executable, str(ROOT / MNIST)]
    try:
        run_script(MNIST, *command[2:])
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.mark.release
@pytest.mark.parametrize("fresh", [False, True])
def test_run_all_resumes(finished, tmp_path, monkeypatch, capfd, fresh):
    names, lesson = ["mlp_one_layer", "mlp_two_layers"], finished
    if not fresh:
        monkeypatch.setattr("mnist.run_all.run_to_the_end", run_in_process)
    lesson.resume = "newest"
    assert run_all(names, lesson) == 0
    printed = capfd.readouterr().out
    assert "already finished on sample data" in printed and "2 of 2: mlp_two_layers" in printed
    models = [record["flags"]["model"] for record in finished_runs(tmp_path, "mnist")]
    assert models == names  # the first was not trained again
    page = (tmp_path / "mnist" / "report.html").read_text()
    assert "2 runs." in page

    lesson.resume, lesson.epochs = None, 0  # the first model fails, so all fail
    assert run_all(names, lesson) == 2


def test_run_all_resumes_matching_run(finished, tmp_path, monkeypatch):
    """The newest stopped run may have another seed."""
    lesson = finished
    (folder,) = (record["folder"] for record in finished_runs(tmp_path, "mnist"))
    record = json.loads((folder / "run.json").read_text()) | {"finished": False}
    for name, seed in (
        ("20000101-000000-mlp_one_layer", 43),
        ("20000102-000000-mlp_one_layer", 44),
    ):
        (tmp_path / "mnist" / name).mkdir()
        (tmp_path / "mnist" / name / "checkpoint.npz").touch()
        changed = record | {"flags": record["flags"] | {"seed": seed}}
        (tmp_path / "mnist" / name / "run.json").write_text(json.dumps(changed))
    commands = []

    def record_command(command):
        commands.append(command)
        return 0

    monkeypatch.setattr("mnist.run_all.run_to_the_end", record_command)
    lesson.resume, lesson.seed = "newest", 43
    run_all(["mlp_one_layer"], lesson)
    assert commands[-1][-2:] == [
        "--resume",
        str(tmp_path / "mnist" / "20000101-000000-mlp_one_layer"),
    ]
    lesson.data, lesson.data_dir = "auto", tmp_path  # a folder is named: sample runs do not count
    run_all(["mlp_one_layer"], lesson)
    assert "--resume" not in commands[-1]


def test_run_all_trains_anew_on_another_backend(finished, tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr("mnist.run_all.run_to_the_end", lambda words: commands.append(words) or 0)
    finished.resume = "newest"
    run_all(["mlp_one_layer"], finished)
    assert commands == []
    (folder,) = (record["folder"] for record in finished_runs(tmp_path, "mnist"))
    record = read_record(folder)
    record["versions"]["other"] = record["versions"].pop(keras.backend.backend())
    (folder / "run.json").write_text(json.dumps(record))
    run_all(["mlp_one_layer"], finished)
    assert len(commands) == 1


def test_run_all_names_killed_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mnist.run_all.run_to_the_end", lambda command: -9)
    with pytest.raises(SystemExit):
        run_script(MNIST, "-m", "all", "--out", tmp_path)
    assert "mlp_one_layer: ended by signal 9" in capsys.readouterr().err


ALL = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background job ignores it
sys.path.insert(0, {str(ROOT)!r})
from mnist.run_all import run_to_the_end
try:
    run_to_the_end([sys.executable, "model.py"])
except KeyboardInterrupt:
    print("stopped")
"""
MODEL = """
import pathlib, signal, sys, time

def write(*_):
    time.sleep(1)
    pathlib.Path("checkpoint").touch()
    sys.exit(7)

signal.signal(signal.SIGINT, write)
print("training", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a group of processes")
def test_run_all_waits_after_ctrl_c(tmp_path):
    """Both receive Ctrl-C; the model still finishes its checkpoint."""
    (tmp_path / "all.py").write_text(ALL)
    (tmp_path / "model.py").write_text(MODEL)
    process = subprocess.Popen(
        [sys.executable, "all.py"],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout.readline() == "training\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate()[0] == "stopped\n" and (tmp_path / "checkpoint").exists()


# The report.


@pytest.fixture(scope="module")
def page(smoke_runs):
    return (smoke_runs[MNIST].out / "mnist" / "report.html").read_text(encoding="utf-8")


def test_report_is_well_formed_and_self_contained(page):
    root = ElementTree.fromstring(page)
    names = {element.tag.split("}")[-1] for element in root.iter()}
    assert {"table", "svg", "img", "details", "script", "style"} <= names
    assert "link" not in names and "iframe" not in names
    for element in root.iter():
        for name, value in element.attrib.items():
            if name.split("}")[-1] in ("src", "href"):
                assert value.startswith(("data:image/png;base64,", "#")), value
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", page))
    assert all("www.w3.org" in address for address in addresses)  # namespaces, not fetched
    assert "url(http" not in page and "@import" not in page
    assert "prefers-color-scheme: dark" in page and "width=device-width" in page


def test_report_embeds_all_figures(page, smoke_runs):
    run = smoke_runs[MNIST]
    pictures = [base64.b64decode(text) for text in re.findall(r"base64,([^\"]+)", page)]
    assert len(pictures) == len(report.FIGURES)
    for name, picture in zip(report.FIGURES, pictures, strict=True):
        assert picture == (run.folder / f"{name}.png").read_bytes()
        assert Image.open(io.BytesIO(picture)).size[0] > 300


def test_report_values_match_records(page, smoke_runs):
    record = read_record(smoke_runs[MNIST].folder)
    root = ElementTree.fromstring(page)
    space = "{http://www.w3.org/1999/xhtml}"
    heads = [
        head.find(f"{space}button").text
        for head in root.iter(f"{space}th")
        if head.get("scope") == "col"
    ]
    (row,) = next(iter(root.iter(f"{space}tbody")))
    values = dict(zip(heads, (cell.get("data-value") for cell in row), strict=True))
    texts = dict(zip(heads, (cell.text for cell in row), strict=True))
    assert texts["model"] == "mlp_one_layer"
    assert float(values["test accuracy"]) == record["metrics"]["test_accuracy"]
    assert texts["test accuracy"] == f"{record['metrics']['test_accuracy']:.4f}"
    assert float(values["validation accuracy"]) == record["metrics"]["val_accuracy"]
    assert int(values["parameters"]) == record["parameters"] == 407_050
    assert float(values["seconds per epoch"]) == record["seconds"]["epoch"]
    assert float(values["memory [MB]"]) == record["peak_memory_mb"]
    text = (smoke_runs[MNIST].folder / "classification_report.txt").read_text()
    assert text.strip() in "".join(root.itertext())


def test_report_mentions_sample_data(page):
    assert "built-in sample" in page


def test_report_flag(smoke_runs, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run_script(MNIST, "--report", "--out", smoke_runs[MNIST].out)
    assert not stop.value.code and "report.html" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        run_script(MNIST, "--report", "--out", tmp_path)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "first run: python mnist/mnist.py" in error


def test_report_with_missing_files(smoke_runs, tmp_path, capsys):
    shutil.copytree(smoke_runs[MNIST].out / "mnist", tmp_path / "mnist")
    run = tmp_path / "mnist" / smoke_runs[MNIST].folder.name
    other = tmp_path / "mnist" / "other"
    shutil.copytree(run, other)
    (other / "history.csv").unlink()
    (run / "summary.txt").unlink()
    (run / "mistakes.png").unlink()  # a model may make no mistake
    report.write(tmp_path)
    assert f"left out: {other / 'history.csv'}" in capsys.readouterr().err
    page = (tmp_path / "mnist" / "report.html").read_text(encoding="utf-8")
    assert "1 run." in page and page.count("base64,") == len(report.FIGURES) - 1
    assert page.count("<pre>") == len(report.TEXTS) - 1


def test_report_escapes_record_values(smoke_runs, tmp_path):
    nasty = "<script>'\"&</script>"
    folder = tmp_path / "mnist" / "run"
    shutil.copytree(smoke_runs[MNIST].folder, folder)
    record = json.loads((folder / "run.json").read_text())
    record |= dict.fromkeys(["variant", "data", "device"], nasty)
    record["flags"] |= dict.fromkeys(["model", "dataset", "optimizer", "precision"], nasty)
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "summary.txt").write_text(nasty)
    report.write(tmp_path)
    root = ElementTree.fromstring((tmp_path / "mnist" / "report.html").read_text(encoding="utf-8"))
    assert len(list(root.iter("{http://www.w3.org/1999/xhtml}script"))) == 1
    assert "".join(root.itertext()).count(nasty) >= 8


@pytest.mark.parametrize("data", ["real $^^$", "<b>real</b>", "real & sample", "_real"])
def test_report_draws_data_of_any_name(smoke_runs, tmp_path, data):
    shutil.copytree(smoke_runs[MNIST].folder, folder := tmp_path / "mnist" / "run")
    record = read_record(folder) | {"data": data}
    (folder / "run.json").write_text(json.dumps(record))
    report.write(tmp_path)
    page = (tmp_path / "mnist" / "report.html").read_text(encoding="utf-8")
    assert data in "".join(ElementTree.fromstring(page).itertext())


def test_report_leaves_out_runs_of_another_form(smoke_runs, tmp_path, capsys):
    for name, change in {"a": {}, "b": {"flags": {}}, "c": {"metrics": {"test_loss": 1}}}.items():
        shutil.copytree(smoke_runs[MNIST].folder, folder := tmp_path / "mnist" / name)
        (folder / "run.json").write_text(json.dumps(read_record(folder) | change))
    report.write(tmp_path)
    assert "1 run." in (tmp_path / "mnist" / "report.html").read_text(encoding="utf-8")
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_report_marks_losses_of_smoothed_labels():
    history = {"val_loss": [2.0, 1.0], "val_accuracy": [0.1, 0.2]}
    group = [
        {"variant": "a", "flags": flags, "history": history}
        for flags in ({}, {"label_smoothing": 0.0}, {"label_smoothing": 0.1})
    ]
    for quantity, styles in {"val_loss": ["-", "-", ":"], "val_accuracy": ["-"] * 3}.items():
        figure, axes = plots.new_figure()
        report.draw(axes, quantity, group, {"a": "#ff0000"})
        assert [line.get_linestyle() for line in axes.lines] == styles
        assert ("smoothed" in axes.get_ylabel()) == (quantity == "val_loss")
        plots.plt.close(figure)


def test_report_imports_jinja_lazily():
    code = "import sys; from mnist import report; print({'jinja2', 'matplotlib'} & {*sys.modules})"
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=ROOT, text=True) == "set()\n"
