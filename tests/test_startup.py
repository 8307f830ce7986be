"""In a shell: fast --help, quiet start-up, visible errors."""

import gc
import json
import os
import shlex
import signal
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest
import tensorflow as tf
from conftest import (
    ALL_LESSONS,
    AUTO_MPG,
    AUTODIFF,
    ENVIRONMENT,
    FASHION,
    LESSONS,
    NEURON,
    NO_DATA_SET,
    NO_LIMIT,
    PRETRAINED,
    PROJECTS,
    QUICK_JAX,
    ROOT,
    SHORTER,
    SMALL_AND_FAST,
    TENSORS,
    TIME_SERIES,
    TRAINING_LOOP,
)

from common.errors import hiding_file
from common.startup import chosen_backend, is_error, quiet_stderr, start_keras
from frame.parser import plain

ONLY_TENSORFLOW = [TENSORS, AUTODIFF, TRAINING_LOOP, SMALL_AND_FAST]


def python(*words, cwd="/", **environment) -> subprocess.CompletedProcess:
    """Run Python in a separate process, outside the project's folder."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("script", ALL_LESSONS + PROJECTS)
def test_help_avoids_heavy_imports(script):
    result = python("-X", "importtime", ROOT / script, "--help")
    assert result.returncode == 0
    shared = ["--epochs", "--seed", "--out", "--resume"] + ["--batch-size"] * (script != NEURON)
    shared += ["--data"] * (script not in NO_DATA_SET)
    for flag in shared + ["--limit", "--data-dir"] * (script not in NO_LIMIT):
        assert f" {flag} " in result.stdout
    assert "`" not in result.stdout and "\n# " not in result.stdout  # Markdown is for the pages
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert not imported & {"keras", "tensorflow", "numpy", "pandas", "matplotlib", "sklearn"}


@pytest.mark.parametrize("script", [AUTO_MPG, *PROJECTS[:2]])
def test_missing_data_folder_is_said_before_keras_starts(tmp_path, script):
    for words, origin in ((["--data-dir", "nowhere"], "--data-dir"), ([], "$KERAS_TUTORIAL_DATA")):
        flags = ["-X", "importtime", ROOT / script, "--out", tmp_path / "out", *words]
        result = python(*flags, KERAS_TUTORIAL_DATA="nowhere")
        *times, error = result.stderr.splitlines()
        assert result.returncode == 2 and error.startswith(f"error: {origin} nowhere: no such")
        imported = {line.split("|")[-1].strip() for line in times}
        assert not imported & {"keras", "tensorflow", "numpy"} and not (tmp_path / "out").exists()


def test_missing_data_folder_does_not_matter_without_real_data(tmp_path):
    for script, words in ((AUTO_MPG, FLAGS), (NEURON, [])):
        result = python(
            ROOT / script, "--out", tmp_path, "--epochs", "1", *words, KERAS_TUTORIAL_DATA="nowhere"
        )
        assert (result.returncode, result.stderr) == (0, "")


FLAGS = ["--data", "sample", "--limit", "100", "--epochs", "1"]


def test_old_python_is_named():
    done = python(
        "-c", f"import sys; sys.version_info = (3, 10, 0); sys.path[:0] = ['{ROOT}']; import frame"
    )
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "Python 3.11" in done.stderr


def test_tensorflow_lessons_refuse_other_backends(tmp_path):
    for script in ONLY_TENSORFLOW:
        result = python(ROOT / script, "--out", tmp_path, KERAS_BACKEND="numpy")
        assert result.returncode == 2
        assert result.stderr == (
            "error: KERAS_BACKEND=numpy: this needs tensorflow; set KERAS_BACKEND=tensorflow\n"
        )


FOREIGN = {"floatx": "float64", "epsilon": 0.1, "image_data_format": "channels_first"}
INHERITED = {
    "MPLBACKEND": "module://of_another_program",
    "TF_USE_LEGACY_KERAS": "1",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_NNX_ENABLED": "1",
    "KERAS_BACKEND": " TensorFlow ",
}


def test_settings_of_other_programs_have_no_effect(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps(FOREIGN))
    # Encoded in Latin-1, which Matplotlib would not read.
    (tmp_path / "matplotlibrc").write_bytes(b"# caf\xe9\ntext.usetex: True\nfont.size: 30\nx: 1\n")
    (tmp_path / "stylelib").mkdir()
    (tmp_path / "stylelib" / "mine.mplstyle").write_bytes(b"# caf\xe9\n")
    start = "from common.startup import start_keras; start_keras()"
    draw = "from common import plots; print(plots.plt.get_backend(), *map(plots.plt.rcParams.get,"
    draw += " ['text.usetex', 'font.size']))"
    keras_says = (
        "import keras, tensorflow as tf; c = keras.config; print(c.backend(), c.floatx(),"
        " c.epsilon(), c.image_data_format(), c.max_epochs(), tf.keras.__version__[0])"
    )
    for code, printed in (
        (draw, "agg False 10.0\n"),
        (
            f"{start}; {draw}; {keras_says}",
            "agg False 10.0\ntensorflow float32 1e-07 channels_last None 3\n",
        ),
    ):
        homes = {"KERAS_HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
        result = python("-c", code, cwd=tmp_path, PYTHONPATH=str(ROOT), **INHERITED | homes)
        assert (result.returncode, result.stdout) == (0, printed), result.stderr
        assert not result.stderr


@pytest.mark.parametrize("content", ["[]", '{"floatx": "half"}', '{"epsilon": 1}'])
def test_keras_json_that_keras_refuses_is_named(tmp_path, content):
    (tmp_path / "keras.json").write_text(content)
    result = python(ROOT / AUTO_MPG, "--out", tmp_path, KERAS_HOME=str(tmp_path))
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert f"error: {tmp_path / 'keras.json'}: " in result.stderr and "delete" in result.stderr


@pytest.mark.parametrize("name", ["keras", "tensorflow", "numpy", "matplotlib"])
def test_file_that_hides_a_package_is_named(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("x = 1\n")
    result = python(ROOT / AUTO_MPG, "--out", tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert f"rename {tmp_path / name}.py" in result.stderr


def test_file_that_hides_a_package_of_a_lesson_is_found(tmp_path, monkeypatch):
    (tmp_path / "pandas.py").write_text("x = 1\n")
    (tmp_path / "helpers.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("pandas", "helpers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import_module("helpers")
    assert not hiding_file()  # neither the reader's own modules nor those of one file, such as six
    import_module("pandas")
    assert hiding_file() == f"rename {tmp_path / 'pandas.py'}, which hides the package pandas"


def test_layer_that_needs_tensorflow_says_so():
    code = "from common.errors import on_interrupt\non_interrupt(lambda: 'then run it again')\n"
    code += "raise ImportError('Layer A requires B. Install it via `pip install b`.')"
    result = python("-c", code, PYTHONPATH=str(ROOT))
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1 and "`pip install b`; then run it again" in line


def test_no_file_hides_a_module_of_python(tmp_path):
    for name in ("random", "math", "types", "copy", "string", "calendar", "shutil", "tempfile"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not mine')\n")
    code = "import frame.lesson, common.startup, random, math, calendar, copy; print(math.pi)"
    result = python("-c", code, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert (result.stdout[:4], result.stderr) == ("3.14", "")


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a folder that is in use")
@pytest.mark.parametrize(
    "words",
    [
        [ROOT / AUTO_MPG],
        [ROOT / PROJECTS[0], "--help"],
        ["-m", "common.runs"],
        ["-m", "datasets", "--export", "x"],
        [ROOT / "serving" / "serve.py", "--latest", "mnist"],
    ],
)
def test_deleted_working_folder_is_said(tmp_path, words):
    command = shlex.join([sys.executable, *map(str, words)])
    result = subprocess.run(
        ["sh", "-c", f"mkdir gone; cd gone; rmdir ../gone; exec {command}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2 and "deleted" in result.stderr
    assert len(result.stderr.splitlines()) == 1 and not result.stdout


def test_warnings_of_other_packages_are_no_errors():
    code = "import common, warnings; warnings.warn('old', FutureWarning); print('goes on')"
    for words, environment in ((["-W", "error"], {}), ([], {"PYTHONWARNINGS": "error"})):
        result = python(*words, "-c", code, PYTHONPATH=str(ROOT), **environment)
        assert result.stdout == "goes on\n" and "FutureWarning: old" in result.stderr


@pytest.mark.parametrize(
    ("columns", "taken"), [("1", 80), ("20", 80), ("0", 80), ("x", 80), ("100", 100)]
)
def test_narrow_terminal(columns, taken):
    code = "import common, shutil; print(shutil.get_terminal_size().columns)"
    result = python("-c", code, PYTHONPATH=str(ROOT), COLUMNS=columns)
    assert int(result.stdout) == taken  # a table of Keras needs about 30


def test_empty_keras_home_is_none():
    code = "import common, os; print('KERAS_HOME' in os.environ)"
    assert python("-c", code, PYTHONPATH=str(ROOT), KERAS_HOME=" ").stdout == "False\n"


@pytest.mark.parametrize(
    ("backend", "variable"), [("jax", "JAX_PLATFORMS"), ("torch", "KERAS_TORCH_DEVICE")]
)
def test_device_that_is_not_there_is_named(tmp_path, backend, variable):
    (tmp_path / backend).mkdir()
    (tmp_path / backend / "__init__.py").write_text("raise RuntimeError('no such device')\n")
    environment = {"KERAS_BACKEND": backend, variable: "cuda", "PYTHONPATH": str(tmp_path)}
    result = python(ROOT / AUTO_MPG, "--out", tmp_path, **environment)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert f"{variable}=cuda" in result.stderr.splitlines()[-1]


def test_crash_while_keras_starts_is_shown():
    code = "import os; from common.startup import quiet_stderr\n"
    code += "with quiet_stderr(): os.write(2, b'no AVX here\\n'); os.abort()"
    for flag, said in (([], "Aborted"), (["--debug"], "no AVX here")):
        result = python("-c", code, *flag, PYTHONPATH=str(ROOT))
        assert result.returncode == -signal.SIGABRT and said in result.stderr


def test_unknown_flag_of_xla_is_shown():
    code = "import os; from common.startup import quiet_stderr\n"
    code += "with quiet_stderr(): os.write(2, b'unknown flag\\n'); os._exit(1)"
    for name in ("TF_XLA_FLAGS", "XLA_FLAGS"):
        result = python("-c", code, PYTHONPATH=str(ROOT), **{name: "--nonsense"})
        assert (result.returncode, result.stderr) == (1, "unknown flag\n")
    assert not python("-c", code, PYTHONPATH=str(ROOT)).stderr


def test_help_without_marks_of_markdown():
    doc = "\n# Title\n\nA *long\nword*, `code` and 2 * 3.\n\n    2**3 `as it is`  # a comment\n"
    assert plain(doc) == (
        "\nTitle\n\nA long\nword, code and 2 * 3.\n\n    2**3 `as it is`  # a comment"
    )
    assert plain(None) == ""  # as under python -OO


def test_backend_is_the_one_that_keras_takes(tmp_path, monkeypatch, capsys):
    file = tmp_path / "keras.json"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert chosen_backend()[0] == "tensorflow"  # Keras has started, so the variable is too late
    monkeypatch.delitem(sys.modules, "keras")
    for variable, content, usual, name in (
        (" JAX ", '{"backend": "torch"}', "tensorflow", "jax"),
        ("", '{"backend": "torch"}', "", "torch"),
        ("", '{"backend": "torch"}', "tensorflow", "tensorflow"),
        ("", "[]", "", "tensorflow"),
    ):
        file.write_text(content)
        monkeypatch.setenv("KERAS_BACKEND", variable)
        assert chosen_backend(usual)[0] == name
    for variable, culprit in (("", f"{file} names the back-end theano"), ("numpy",) * 2):
        file.write_text('{"backend": "theano"}')
        monkeypatch.setenv("KERAS_BACKEND", variable)
        with pytest.raises(SystemExit) as stop:
            start_keras()
        error = capsys.readouterr().err
        assert stop.value.code == 2 and culprit in error and "set KERAS_BACKEND=" in error


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes the streams")
def test_lesson_runs_with_closed_streams(tmp_path):
    words = [sys.executable, str(ROOT / AUTO_MPG), *FLAGS, "--out", str(tmp_path)]
    done = subprocess.run(["sh", "-c", f"exec {shlex.join(words)} <&- >&- 2>&-"])
    assert done.returncode == 0
    (record,) = tmp_path.glob("*/*/run.json")
    assert json.loads(record.read_text())["finished"]


def test_letter_that_stdout_cannot_encode_is_replaced():
    code = "import common; print('\u00b1')"
    assert python("-c", code, PYTHONPATH=str(ROOT), PYTHONIOENCODING="ascii").stdout == "?\n"


def test_missing_streams_are_replaced():
    code = "import sys; sys.stdout = sys.stderr = None; import common; print(sys.stderr.fileno())"
    result = python("-c", code, PYTHONPATH=str(ROOT))
    assert result.stdout == "2\n"


def test_lesson_runs_quietly_from_shell(tmp_path):
    result = python(ROOT / FASHION, *FLAGS, "--out", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "on tensorflow " in result.stdout and "BUILT-IN SAMPLE" in result.stdout
    (record,) = tmp_path.glob("*/*/run.json")
    assert json.loads(record.read_text())["finished"]


def test_keras_objects_are_frozen_in_gc():
    assert gc.isenabled() and gc.get_freeze_count() > 100_000


MORE = SHORTER | {  # more than the smoke run trains
    TIME_SERIES: ["--series", "100", "--models", "gru", "ten_ahead"]
}


def run_quietly(lessons, out, backend):
    """Run lessons in one process, since a back-end takes seconds to start; expect no noise."""
    flags = {
        str(ROOT / script): [
            *(["--epochs", "1"] if script in NO_LIMIT else FLAGS),
            *(["--data", "sample"] if script == PRETRAINED else []),
            *MORE.get(script, []),
        ]
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
    OTHERS = [script for script in LESSONS[13:] if script not in ONLY_TENSORFLOW]  # from 14 on
    HALVES = [
        pytest.param(LESSONS[:5] + PROJECTS, marks=pytest.mark.slow),
        pytest.param(LESSONS[7:12] + OTHERS, marks=pytest.mark.release),  # takes minutes
    ]

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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts page faults like this")
def test_freed_memory_is_kept_for_the_next_array():
    code = (
        "import resource\n"
        "import numpy as np\n"
        "from common.startup import keep_memory\n"
        "keep_memory()\n"
        "def faults():\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(3):\n"
        "    before = faults()\n"
        "    np.ones(20_000_000)\n"
        "    print(faults() - before)\n"
    )
    result = python("-c", code, cwd=ROOT)
    assert result.stderr == ""
    first, second, third = map(int, result.stdout.split())
    assert first > 100 > 10 * max(second, third)


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
        [sys.executable, str(ROOT / FASHION), *flags],
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
    command = shlex.join(["python", str(ROOT / FASHION), *flags, "--resume"])
    assert error == f"\nstopped; continue with: {command}\n"
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
