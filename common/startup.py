"""Starts Keras without the lines that TensorFlow prints about itself.

TensorFlow's C++ part writes to file descriptor 2 before any setting can silence it, so the
descriptor points to a temporary file while Keras and its back-end start. Errors in that file
are printed afterwards, and all of it if the start fails.
"""

import contextlib
import faulthandler
import functools
import gc
import json
import logging
import os
import sys
import tempfile
import traceback
import warnings
from importlib.util import find_spec
from pathlib import Path

from common.errors import debugging, fail, hiding_file
from common.flags import in_notebook

BACKENDS = ("tensorflow", "jax", "torch")  # those that train
NAMES_DEVICES = {"jax": "JAX_PLATFORMS", "torch": "KERAS_TORCH_DEVICE"}  # variables
READS_JSON = os.path.join("keras", "src", "backend", "config.py")

# Lines of level E that report no error: a machine without a GPU looks for one and finds none,
# and a machine with one registers its libraries twice.
HARMLESS = ("Unable to register cu",)
HARMLESS_WITHOUT_GPU = ("cuInit", "cuda", "CUDA")


def is_error(line: str) -> bool:
    """Tell whether a line that TensorFlow logged reports an error (level E or F)."""
    harmless = HARMLESS if Path("/proc/driver/nvidia").exists() else HARMLESS + HARMLESS_WITHOUT_GPU
    return line[:2] in ("E0", "F0") and not any(text in line for text in harmless)


@contextlib.contextmanager
def quiet_stderr():
    """Hold back what is written to file descriptor 2; print its errors at the end.

    If the block raises, everything that was held back is printed. If it ends this process, as
    TensorFlow does on a processor that is too old, it is lost: Python then says where that was, and
    with `--debug` nothing is held back.
    """
    if debugging():
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
    """Import Matplotlib so that it draws with its own defaults, whatever the user's files say."""
    found = find_spec("matplotlib")
    its_own = Path(found.origin).parent / "mpl-data" if found else Path()
    # There it looks first, and finds the file with its defaults.
    with contextlib.chdir(its_own if its_own.is_dir() else "."):
        import matplotlib
    settings, matplotlib.get_configdir = matplotlib.get_configdir, lambda: os.devnull
    import matplotlib.style  # would read all style sheets that the user keeps

    matplotlib.get_configdir = settings
    matplotlib.rcdefaults()  # if it was imported before
    if not in_notebook():
        matplotlib.use("agg")


def keras_json() -> Path:
    """Name the file with Keras' settings."""
    home = os.path.expanduser("~")
    home = home if os.access(home, os.W_OK) else "/tmp"  # as Keras does
    return Path(os.environ.get("KERAS_HOME", f"{home}/.keras"), "keras.json").expanduser()


def chosen_backend(usual: str = "") -> tuple[str, str]:
    """Tell which back-end Keras has, or will have, and what chose it.

    Args:
        usual: is preferred to the one in `keras.json`.
    """
    if "keras" in sys.modules:
        name = sys.modules["keras"].backend.backend()
        return name, f"Keras has started on {name} (to change that, restart the kernel)"
    if name := os.environ.get("KERAS_BACKEND", "").strip().lower():
        return name, f"KERAS_BACKEND={name}"
    with contextlib.suppress(OSError, ValueError, AttributeError):
        name = usual or json.loads(keras_json().read_bytes()).get("backend")
    return name or "tensorflow", f"{keras_json()} names the back-end {name}"


def start_keras(only: tuple[str, ...] = (), devices: int = 1, device: str = "auto") -> None:
    """Import Keras and wake its back-end, so that a later `import keras` costs and says nothing.

    Args:
        only: the back-ends that will do, the usual one first; any that trains if left out.
        devices: how many TensorFlow is to have at least: without GPUs it makes them of the CPU.
        device: `cpu` leaves GPUs alone.

    Raises:
        SystemExit: if the back-end that was chosen is unknown, not installed, or not the one that
            is needed, or if Keras does not start.
    """
    backend, chosen = chosen_backend(*only[:1])
    only = only or BACKENDS
    if backend not in only:
        fail(f"{chosen}: this needs {' or '.join(only)}; set KERAS_BACKEND={only[0]}")
    os.environ["KERAS_BACKEND"] = backend
    if device == "cpu":
        os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", KERAS_TORCH_DEVICE="cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # from here on, errors only
    gc.disable()  # Keras makes 700,000 objects that stay: to look for garbage among them is slow
    try:
        with quiet_stderr():
            start_matplotlib()  # Keras imports it too
            import keras

            if os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID"):  # one process of several
                keras.distribution.initialize()
            if devices > 1 and backend == "tensorflow":
                make_devices(devices)
            keras.ops.zeros(1)  # the first operation makes the back-end look for devices
        keras.config.set_floatx("float32")  # and the rest of keras.json, which may say otherwise
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format("channels_last")
        if backend == "torch":  # it does a step at a time, whatever is asked for
            keras.Model.steps_per_execution = property(lambda model: 1, lambda model, steps: None)
        # Batches that are in a new order every epoch need no shuffling by `fit`.
        warnings.filterwarnings("ignore", "`shuffle=True` was passed")
        # TensorFlow takes many models, each with its own training step, for one that is compiled
        # again and again.
        logging.getLogger("tensorflow").addFilter(
            lambda record: "TensorFlowTrainer" not in record.getMessage()
        )
    except Exception as error:
        if traceback.extract_tb(error.__traceback__)[-1].filename.endswith(READS_JSON):
            fail(f"{keras_json()}: {error}; delete that file, and Keras writes a new one")
        remedy = "--debug shows where"
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
        gc.freeze()  # and they are left out for good
        gc.enable()


def make_devices(count: int) -> None:
    """Let TensorFlow take the CPU for `count` devices, unless there are as many GPUs."""
    import tensorflow as tf

    if len(tf.config.list_physical_devices("GPU")) < count:
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        try:
            tf.config.set_logical_device_configuration(cpu, parts)
        except RuntimeError:  # in a notebook, say
            started = "TensorFlow has started already, with the devices that it has"
            print(f"note: {started}; for {count} of them start anew")
