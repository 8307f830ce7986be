"""From the shell: quick --help, quiet start-up, visible errors."""

import gc
import json
import os
import shlex
import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest
import tensorflow as tf
from conftest import (
    AUTODIFF,
    DEBUGGING,
    ENVIRONMENT,
    LEARNING_RATE,
    LESSONS,
    NO_DATA_SET,
    PROJECTS,
    QUICK_JAX,
    ROOT,
    SHORTER,
    TENSORS,
    TIME_SERIES,
    TRAINING_LOOP,
)

from common.startup import is_error, quiet_stderr, start_keras

AUTO_MPG = LESSONS[2]
ONLY_TENSORFLOW = [TENSORS, AUTODIFF, TRAINING_LOOP]


def python(*words, cwd="/", **environment) -> subprocess.CompletedProcess:
    """Run Python in a separate process, outside the lessons' folder."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("script", LESSONS + PROJECTS)
def test_help_avoids_heavy_imports(script):
    result = python("-X", "importtime", ROOT / script, "--help")
    assert result.returncode == 0
    shared = ["--epochs", "--batch-size", "--seed", "--out", "--resume"]
    for flag in shared + ["--limit", "--data", "--data-dir"] * (script not in NO_DATA_SET):
        assert f" {flag} " in result.stdout
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert not imported & {"keras", "tensorflow", "numpy", "pandas", "matplotlib", "sklearn"}


FLAGS = ["--data", "sample", "--limit", "100", "--epochs", "1"]


def test_tensorflow_lessons_refuse_other_backends(tmp_path):
    for script in ONLY_TENSORFLOW:
        result = python(ROOT / script, "--out", tmp_path, KERAS_BACKEND="numpy")
        assert result.returncode == 2
        assert result.stderr == (
            "error: KERAS_BACKEND=numpy: this needs tensorflow; set KERAS_BACKEND=tensorflow\n"
        )


def test_lesson_runs_quietly_from_shell(tmp_path):
    result = python(ROOT / LESSONS[0], *FLAGS, "--out", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "on tensorflow " in result.stdout and "BUILT-IN SAMPLE" in result.stdout
    (record,) = tmp_path.glob("*/*/run.json")
    assert json.loads(record.read_text())["finished"]


def test_keras_objects_are_frozen_in_gc():
    assert gc.isenabled() and gc.get_freeze_count() > 100_000


MORE = SHORTER | {  # than the usual run trains
    TIME_SERIES: ["--models", "gru", "ten_ahead", "reviews"]
}


def run_quietly(lessons, out, backend):
    """Run lessons in one process, as a back-end takes seconds to start; expect no noise."""
    flags = {
        str(ROOT / script): FLAGS + MORE.get(script, [])
        if script not in NO_DATA_SET
        else ["--epochs", "1"]
        for script in lessons
    }
    code = (
        "import runpy, sys\n"
        f"for script, flags in {flags}.items():\n"
        f"    sys.argv = [script, *flags, '--out', {str(out)!r}]\n"
        f"    sys.path.insert(0, {str(ROOT)!r})\n"
        "    runpy.run_path(script, run_name='__main__')\n"
    )
    result = python("-c", code, **QUICK_JAX | {"KERAS_BACKEND": backend})
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count(f"on {backend} ") == len(lessons)
    records = [json.loads(path.read_text()) for path in out.glob("*/*/run.json")]
    assert len(records) == len(lessons) and all(record["finished"] for record in records)


@pytest.mark.slow
def test_tensorflow_lessons_run_quietly(tmp_path):
    run_quietly(ONLY_TENSORFLOW, tmp_path, "tensorflow")


@pytest.mark.parametrize("script", PROJECTS)
def test_project_runs_from_own_folder(script):
    folder, name = script.split("/")
    result = python(name, "--epochs", "0", cwd=ROOT / folder)
    assert result.returncode == 2
    assert result.stderr == (
        f"error: --epochs: must be a whole number of at least 1, not '0' (see {name} --help)\n"
    )


if find_spec("jax"):
    HALVES = [LESSONS[:5] + PROJECTS, [*LESSONS[7:12], LEARNING_RATE, DEBUGGING]]

    @pytest.mark.slow
    @pytest.mark.parametrize("lessons", HALVES)
    def test_lessons_run_quietly_on_jax(lessons, tmp_path):  # 13: see test_distributed.py
        run_quietly(lessons, tmp_path, "jax")


def test_tensorflow_exception_is_printed(capfd):
    start_keras()
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        tf.matmul(tf.ones((2, 3)), tf.ones((2, 3)))
    sys.__excepthook__(raised.type, raised.value, raised.tb)
    os.write(2, b"written below Python\n")
    printed = capfd.readouterr().err
    assert "InvalidArgumentError" in printed and "Matrix size-incompatible" in printed
    assert printed.endswith("written below Python\n")


def test_failed_import_output_is_shown(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'libsomething.so is missing\\n')\nraise ImportError('broken')\n"
    )
    result = python(
        ROOT / AUTO_MPG, "--data", "sample", "--out", tmp_path, PYTHONPATH=str(tmp_path)
    )
    assert result.returncode != 0
    assert "libsomething.so is missing" in result.stderr and "broken" in result.stderr


def test_tensorflow_error_log_is_shown(capfd):
    with quiet_stderr():
        os.write(2, b"I0000 start-up line\nE0000 00:00:1 disk.cc:1] out of memory\n")
    assert capfd.readouterr().err == "E0000 00:00:1 disk.cc:1] out of memory\n"


def test_missing_gpu_log_is_not_error():
    assert not is_error("W0000 00:00:1 x.cc:1] a warning")
    assert not is_error("E0000 00:00:1 x.cc:1] Unable to register cuDNN factory")


@pytest.mark.slow
def test_ctrl_c_prints_resume_command(tmp_path):
    flags = ["--data", "sample", "--limit", "100", "--epochs", "100000", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / LESSONS[0]), *flags],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores SIGINT; a foreground one, as here, does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for line in process.stdout:
        if line.startswith("Epoch 5/"):
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == -signal.SIGINT  # the shell shows it as 130
    command = shlex.join(["python", str(ROOT / LESSONS[0]), *flags, "--resume"])
    assert error == f"\nstopped; go on with: {command}\n"
    (record,) = tmp_path.glob("*/*/run.json")
    assert not json.loads(record.read_text())["finished"]


@pytest.mark.slow
def test_device_cpu_hides_gpus():
    source = (
        "from common.startup import start_keras; start_keras(device='cpu'); import os; "
        "print(*(os.environ[name] for name in ('CUDA_VISIBLE_DEVICES', 'JAX_PLATFORMS', "
        "'KERAS_TORCH_DEVICE')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.stdout.split() == ["-1", "cpu", "cpu"], done.stderr
