"""Invalid input: one line that names the cause and the remedy, exit code 2, nothing deleted."""

import os
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import (
    ALL_LESSONS,
    AUTO_MPG,
    CHURN,
    FASHION,
    IMDB,
    LESSONS,
    MNIST,
    NEURON,
    NO_DATA_SET,
    NO_LIMIT,
    PRETRAINED,
    PROJECTS,
    REGULARIZATION,
    ROOT,
    SAVING,
    TENSORS,
    XOR,
    error_of,
    on_sample,
)
from data_files import DATA_FILES, truncate, write_web_page

from datasets import NAMES, readers, samples
from frame import Lesson
from frame.run import Run

LOADING = [script for script in LESSONS + PROJECTS if script not in NO_LIMIT]


@pytest.mark.parametrize("script", ALL_LESSONS + PROJECTS)
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "0"], "--epochs: must be a whole number of at least 1, not '0'"),
        (["--epochs", "x"], "--epochs: must be a whole number of at least 1, not 'x'"),
        (["--batch-size", "-3"], "--batch-size: must be a whole number of at least 1, not '-3'"),
        (["--batch-size", "2.5"], "--batch-size: must be a whole number of at least 1"),
        (["--seed", "-1"], "--seed: must be a whole number of at least 0, not '-1'"),
        (["--seed", "9" * 12], "--seed: must be at most 1000000000, not '999999999999'"),
        (["--limit", "-1"], "--limit: must be a whole number of at least 100, not '-1'"),
        (["--data", "fake"], "--data: invalid choice: 'fake'"),
        (["--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (["--data", "sample", "--data-dir", "."], "exclude each other"),
        (["--resume", ""], "--resume: must be a path, not ''"),
        (["--out", " "], "--out: must be a path, not ' '"),
        (["--data-dir", "nowhere"], "--data-dir nowhere: no such folder"),
    ],
)
def test_common_flag_errors(tmp_path, capsys, script, flags, message):
    missing = ["--limit", "--data-dir"] * (script in NO_LIMIT)
    missing += ["--data"] * (script in NO_DATA_SET)
    if script == PRETRAINED and flags[-2] == "--data-dir":
        message = f"unrecognized arguments: --data-dir {flags[-1]}"
    elif flags[0] in [*missing, *["--batch-size"] * (script == NEURON)]:
        message = f"unrecognized arguments: {' '.join(flags)}"
    assert message in error_of(capsys, script, "--out", tmp_path, *flags)


@pytest.mark.parametrize("script", LOADING)
def test_real_data_without_network_fails(tmp_path, capsys, script):
    error = error_of(capsys, script, "--out", tmp_path, "--data", "real", code=1)
    assert "give --data-dir DIR with" in error and "or use --data sample" in error
    assert not list(tmp_path.glob("*/*"))


@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [
        (FASHION, ["--hidden", "0"], "--hidden: must be a whole number of at least 1, not '0'"),
        (FASHION, ["--optimizer", "magic"], "--optimizer: invalid choice: 'magic'"),
        (IMDB, ["--text", " !? "], "--text: must contain at least one word"),
        (REGULARIZATION, ["--models", "huge"], "--models: invalid choice: 'huge'"),
        (
            REGULARIZATION,
            ["--dropout", "1"],
            "--dropout: must be a number above 0 and below 1, not '1'",
        ),
        (
            MNIST,
            ["--label-smoothing", "1"],
            "--label-smoothing: must be a number of at least 0 and below 1",
        ),
        (REGULARIZATION, ["--l2", "-1"], "--l2: must be a number above 0, not '-1'"),
        (TENSORS, ["--learning-rate", "nan"], "--learning-rate: must be a number above 0"),
        (XOR, ["--hidden", "8", "0"], "--hidden: must be a whole number of at least 1, not '0'"),
        (XOR, ["--activation", "step"], "--activation: invalid choice: 'step'"),
        (XOR, ["--learning-rate", "0"], "--learning-rate: must be a number above 0, not '0'"),
        (XOR, ["--seeds", "0"], "--seeds: must be a whole number of at least 1, not '0'"),
        (CHURN, ["--hidden", "x"], "--hidden: must be a whole number of at least 1, not 'x'"),
        (MNIST, ["-m", "mlp"], "-m/--model: invalid choice: 'mlp'"),
        (MNIST, ["--dataset", "cifar10"], "--dataset: invalid choice: 'cifar10'"),
        (MNIST, ["--precision", "int4"], "--precision: invalid choice: 'int4'"),
        (MNIST, ["-m", "all", "--resume", "here"], "with -m all, give --resume without a folder"),
    ],
)
def test_lesson_flag_errors(capsys, script, flags, message):
    assert message in error_of(capsys, script, *flags)


@pytest.mark.parametrize("script", LOADING)
def test_data_dir_without_data_is_refused(tmp_path, capsys, script, monkeypatch):
    (tmp_path / "data").mkdir()
    error = error_of(capsys, script, "--out", tmp_path, "--data-dir", tmp_path / "data")
    assert f"--data-dir {tmp_path / 'data'}: contains no " in error and "--export" in error
    monkeypatch.setenv("KERAS_TUTORIAL_DATA", str(tmp_path / "data"))
    assert "$KERAS_TUTORIAL_DATA" in error_of(capsys, script, "--out", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_intact_files_are_read(data_folder, name):
    data = readers.READERS[name](data_folder)
    made = samples.MAKERS[name]()
    if isinstance(made, tuple):
        (examples, labels), *_ = data
        assert labels.dtype == made[0][1].dtype and examples[0].dtype == made[0][0][0].dtype
        assert len(data) == len(made)
    else:
        assert list(data.columns) == list(made.columns)
        assert [kind.kind for kind in data.dtypes] == [kind.kind for kind in made.dtypes]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("auto_mpg", "auto-mpg.data"),
        ("churn", "Churn_Modelling.csv"),
        ("imdb", "imdb_word_index.json"),
    ],
)
def test_text_files_from_windows_are_read(data_folder, name, file, encoding):
    before, path = readers.READERS[name](data_folder), data_folder / file
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_bytes("\r\n".join(lines).encode(encoding))
    after = readers.READERS[name](data_folder)
    assert after[-1] == before[-1] if name == "imdb" else after.equals(before)


def make_empty(path):
    path.write_bytes(b"")


def make_noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


@pytest.mark.parametrize("damage", [truncate, make_empty, write_web_page, make_noise])
@pytest.mark.parametrize(("name", "file"), DATA_FILES)
def test_damaged_file_is_named(data_folder, name, file, damage):
    damage(data_folder / file)
    with pytest.raises(readers.DamagedFileError, match=file):
        readers.READERS[name](data_folder)


@pytest.mark.parametrize(
    ("script", "file"),
    [
        (FASHION, "fashion_mnist.npz"),
        (IMDB, "imdb.npz"),
        (AUTO_MPG, "auto-mpg.data"),
        (REGULARIZATION, "imdb_word_index.json"),
        (SAVING, "mnist.npz"),
        (CHURN, "Churn_Modelling.csv"),
        (MNIST, "mnist.npz"),
    ],
)
def test_truncated_file_is_reported_and_kept(data_folder, tmp_path, capsys, script, file):
    truncate(data_folder / file)
    before = (data_folder / file).read_bytes()
    error = error_of(capsys, script, "--out", tmp_path / "out", "--data-dir", data_folder)
    assert file in error and "replace that file" in error
    assert (data_folder / file).read_bytes() == before


def write_zip_bomb(path):
    """Write a file of a few megabytes that decompresses to more than 2**30 bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x_train.npy", "w", force_zip64=True) as member:
            for _ in range(2**10 + 1):
                member.write(bytes(2**20))


@pytest.mark.slow
def test_zip_bomb_is_refused(data_folder):
    write_zip_bomb(data_folder / "mnist.npz")
    assert (data_folder / "mnist.npz").stat().st_size < 3_000_000
    with pytest.raises(readers.DamagedFileError, match="at most 1,073,741,824 bytes"):
        readers.READERS["mnist"](data_folder)


def test_malformed_churn_table_is_refused(data_folder):
    path = data_folder / "Churn_Modelling.csv"
    whole = pd.read_csv(path)
    for table in (
        whole.drop(columns="Age"),
        whole.assign(Extra=1),
        whole[list(whole.columns[::-1])],
        whole.assign(Age="old"),
        whole.assign(Age=float("nan")),
    ):
        table.to_csv(path, index=False)
        with pytest.raises(readers.DamagedFileError, match=r"Churn_Modelling\.csv"):
            readers.READERS["churn"](data_folder)
    path.write_bytes(whole.to_csv(index=False).encode().replace(b"France", b"Fran\xe7a"))
    with pytest.raises(readers.DamagedFileError, match=r"Churn_Modelling\.csv"):
        readers.READERS["churn"](data_folder)


@pytest.mark.parametrize(
    "change",
    [
        {"x_train": lambda images: images[:, :20]},
        {"x_test": lambda images: images.astype("float32")},
        {"y_train": lambda labels: labels[:-1]},
        {"y_test": lambda labels: labels + 9},
    ],
)
def test_inconsistent_image_arrays_are_refused(data_folder, change):
    with np.load(data_folder / "mnist.npz") as file:
        arrays = {name: change.get(name, lambda array: array)(file[name]) for name in file}
    np.savez(data_folder / "mnist.npz", **arrays)
    with pytest.raises(readers.DamagedFileError, match=r"mnist\.npz"):
        readers.READERS["mnist"](data_folder)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_data_set_under_the_name_of_another_is_refused(data_folder, name):
    path = data_folder / f"{name}.npz"
    for holds, labels in readers.FIRST_LABELS.items():
        with np.load(path) as file:
            arrays = dict(file)
        arrays["y_train"][:20] = list(map(int, labels))
        np.savez(path, **arrays)
        if holds == name:
            readers.READERS[name](data_folder)
        else:
            with pytest.raises(readers.DamagedFileError, match=rf"{name}\.npz .* {holds}$"):
                readers.READERS[name](data_folder)


def test_pickled_arrays_are_refused(data_folder):
    arrays = np.array([[1, 2], [3]], dtype=object)
    np.savez(
        data_folder / "mnist.npz", x_train=arrays, y_train=arrays, x_test=arrays, y_test=arrays
    )
    with pytest.raises(readers.DamagedFileError, match="pickle"):
        readers.READERS["mnist"](data_folder)


@pytest.mark.parametrize("script", ALL_LESSONS + PROJECTS)
def test_unwritable_output_folder_is_refused(tmp_path, capsys, monkeypatch, script):
    started = []  # Keras, which takes seconds
    monkeypatch.setattr(Lesson, "start_keras", lambda *_: started.append(True))
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        error = error_of(capsys, script, *on_sample(script), "--out", out)
        assert f"--out {out}: cannot write there" in error
    assert (tmp_path / "file").read_text() == "mine" and not started


def test_long_variant_is_cut_in_name_of_folder(tmp_path):
    run = SimpleNamespace(variant="hidden" + 200 * "-16", out=tmp_path, lesson="lesson")
    names = [Run.make_folder(run).name for _ in range(2)]
    assert all(name[16:].startswith("hidden-16-16") and len(name) < 140 for name in names)


def test_unavailable_backend_is_refused(tmp_path):
    for backend, message in (("abacus", "set KERAS_BACKEND="), ("jax", "pip install")):
        (tmp_path / "jax.py").write_text("raise ModuleNotFoundError(name='jax')\n")
        result = subprocess.run(
            [sys.executable, ROOT / AUTO_MPG, "--data", "sample", "--out", tmp_path],
            env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 2
        assert "Traceback" not in result.stderr and message in result.stderr.splitlines()[-1]
