"""Start Keras without TensorFlow's start-up messages.

TensorFlow's C++ code writes to file descriptor 2 before any setting can silence it, so the
descriptor is redirected to a temporary file while Keras and its back-end start. Afterwards the
errors in that file are printed, or the whole file if the start fails.
"""

import contextlib
import ctypes
import faulthandler
import functools
import gc
import json
import logging
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from importlib.util import find_spec
from pathlib import Path

from common.errors import debugging, fail, hiding_file
from common.flags import in_notebook

BACKENDS = ("tensorflow", "jax", "torch")  # those that can train
NAMES_DEVICES = {"jax": "JAX_PLATFORMS", "torch": "KERAS_TORCH_DEVICE"}  # variables
XLA_VARIABLES = ("TF_XLA_FLAGS", "XLA_FLAGS")  # variables in which an unknown flag ends the process
# For C's mallopt, by their numbers in <malloc.h>: one heap (M_ARENA_MAX) for arrays of any size
# (M_MMAP_MAX), which never shrinks (M_TRIM_THRESHOLD) and grows by 64 MB (M_TOP_PAD).
KEEP_MEMORY = ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 2**26))
READS_JSON = os.path.join("keras", "src", "backend", "config.py")

OWN_FUNCTIONS = ("TensorFlowTrainer", "train_all_steps")  # Keras', and that of `one_program`

# Lines logged at level E that are not errors: without a GPU, the search for one fails; with one,
# its libraries are registered twice.
HARMLESS = ("Unable to register cu",)
HARMLESS_WITHOUT_GPU = ("cuInit", "cuda", "CUDA")
# One of them is there if NVIDIA's driver is installed, on Linux or on the Linux within Windows.
NVIDIA = ("/proc/driver/nvidia", "/usr/lib/wsl/lib/nvidia-smi")


def has_nvidia_driver() -> bool:
    """Return whether this computer has NVIDIA's driver, so that a back-end may find a GPU."""
    found = any(map(os.path.exists, NVIDIA))
    return found or (os.name == "nt" and shutil.which("nvidia-smi") is not None)


def is_error(line: str) -> bool:
    """Return whether a line of TensorFlow's log reports an error (level E or F)."""
    harmless = HARMLESS if has_nvidia_driver() else HARMLESS + HARMLESS_WITHOUT_GPU
    return line[:2] in ("E0", "F0") and not any(text in line for text in harmless)


@contextlib.contextmanager
def quiet_stderr():
    """Capture what the block writes to file descriptor 2; print only the errors in it.

    If the block raises, print everything. If it ends the process, as TensorFlow does on a processor
    that is too old, the output is lost: Python then prints where that happened. With `--debug`, or
    if one of the variables `XLA_VARIABLES` is set, nothing is captured.
    """
    if debugging() or any(map(os.environ.get, XLA_VARIABLES)):
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held_back:
        descriptor, watched = os.dup(2), faulthandler.is_enabled()
        if not watched:
            faulthandler.enable(descriptor, all_threads=False)
        os.dup2(held_back.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            os.dup2(descriptor, 2)
            if not watched:
                faulthandler.disable()
            os.close(descriptor)
            held_back.seek(0)
            for line in held_back.read().decode(errors="replace").splitlines():
                if failed or is_error(line):
                    print(line, file=sys.stderr)


@functools.cache
def start_matplotlib() -> None:
    """Import Matplotlib with its default settings, ignoring the user's files."""
    found = find_spec("matplotlib")
    its_own = Path(found.origin).parent / "mpl-data" if found else Path()
    # Matplotlib searches this folder first and finds the default matplotlibrc.
    with contextlib.chdir(its_own if its_own.is_dir() else "."):
        import matplotlib
    settings, matplotlib.get_configdir = matplotlib.get_configdir, lambda: os.devnull
    import matplotlib.style  # would read all of the user's style sheets

    matplotlib.get_configdir = settings
    matplotlib.rcdefaults()  # in case it was already imported
    if not in_notebook():
        matplotlib.use("agg")


def keras_home() -> Path:
    """Return the folder of Keras' settings, data sets and weights."""
    home = os.path.expanduser("~")
    home = home if os.access(home, os.W_OK) else "/tmp"  # as Keras does
    return Path(os.environ.get("KERAS_HOME") or f"{home}/.keras").expanduser()


def keras_json() -> Path:
    """Return the path of Keras' configuration file."""
    return keras_home() / "keras.json"


def chosen_backend(usual: str = "") -> tuple[str, str]:
    """Return the back-end that Keras uses or will use, and a description of what selected it.

    Args:
        usual: the back-end to prefer to the one in `keras.json`.
    """
    if "keras" in sys.modules:
        name = sys.modules["keras"].backend.backend()
        return name, f"Keras has started on {name} (to change that, restart the kernel)"
    if name := os.environ.get("KERAS_BACKEND", "").strip().lower():
        return name, f"KERAS_BACKEND={name}"
    with contextlib.suppress(OSError, ValueError, AttributeError):
        name = usual or json.loads(keras_json().read_bytes()).get("backend")
    return name or "tensorflow", f"{keras_json()} names the back-end {name}"


def keep_memory() -> None:
    """Make the C library keep freed memory for the next arrays, on Linux.

    By default it returns each large array to the system, which clears the pages of the next one:
    every step of a training then waits for that.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        for setting, value in KEEP_MEMORY:
            mallopt(setting, value)


def start_keras(only: tuple[str, ...] = (), devices: int = 1, device: str = "auto") -> None:
    """Import Keras and initialize its back-end, so that `import keras` is then fast and silent.

    Args:
        only: the supported back-ends, the preferred one first; by default all of `BACKENDS`.
        devices: minimum number of TensorFlow devices; without enough GPUs, the CPU is split.
        device: "auto", or "cpu" to ignore GPUs.

    Raises:
        SystemExit: if the selected back-end is unknown, not installed or not supported, or if
            Keras fails to start.
    """
    backend, chosen = chosen_backend(*only[:1])
    only = only or BACKENDS
    if backend not in only:
        fail(f"{chosen}: this needs {' or '.join(only)}; set KERAS_BACKEND={only[0]}")
    os.environ["KERAS_BACKEND"] = backend
    if device == "cpu":
        os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", KERAS_TORCH_DEVICE="cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # from now on, errors only
    keep_memory()
    gc.disable()  # Keras creates 700,000 permanent objects, which slow down the collector
    try:
        with quiet_stderr():
            start_matplotlib()  # Keras imports it too
            import keras

            if os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID"):  # one process of several
                keras.distribution.initialize()
            if devices > 1 and backend == "tensorflow":
                make_devices(devices)
            keras.ops.zeros(1)  # the first operation initializes the devices
        keras.config.set_floatx("float32")  # override the settings in keras.json
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format("channels_last")
        if backend == "torch":  # it supports only one step per execution
            keras.Model.steps_per_execution = property(lambda model: 1, lambda model, steps: None)
        # The batches are already shuffled, so `fit` need not shuffle them.
        warnings.filterwarnings("ignore", "`shuffle=True` was passed")
        # TensorFlow mistakes several models, each with its own training step or program, for
        # repeated retracing of one function. In a notebook it also reports what goes well (INFO).
        logging.getLogger("tensorflow").addFilter(
            lambda record: (
                record.levelno >= logging.WARNING
                and not any(name in record.getMessage() for name in OWN_FUNCTIONS)
            )
        )
    except Exception as error:
        if traceback.extract_tb(error.__traceback__)[-1].filename.endswith(READS_JSON):
            fail(f"{keras_json()}: {error}; delete that file, and Keras will write a new one")
        remedy = "run it with --debug to see where"
        if isinstance(error, ModuleNotFoundError):
            also = "" if backend == "tensorflow" else backend
            remedy = f"run: pip install -r requirements.txt {also}"
        elif wanted := os.environ.get(NAMES_DEVICES.get(backend, "")):
            named = f"{NAMES_DEVICES[backend]}={wanted}"
            remedy = f"the environment has {named}: unset that, or install what it names"
        remedy = hiding_file(("keras", backend)) or remedy
        why = f"{type(error).__name__}: {error}".removesuffix(": ")
        fail(f"Keras does not start on {backend} ({why}); {remedy}")
    finally:
        gc.freeze()  # exclude these objects for good
        gc.enable()


def make_devices(count: int) -> None:
    """Split the CPU into `count` logical TensorFlow devices, unless there are enough GPUs."""
    import tensorflow as tf

    if len(tf.config.list_physical_devices("GPU")) < count:
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        try:
            tf.config.set_logical_device_configuration(cpu, parts)
        except RuntimeError:  # in a notebook, say
            started = "TensorFlow is already running, and its devices can no longer be changed"
            print(f"note: {started}; to use {count} devices, restart the kernel")
