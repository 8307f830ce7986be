"""Starts Keras without the lines that TensorFlow prints about itself.

TensorFlow's C++ part writes to file descriptor 2 before any setting can silence it, so the
descriptor points to a temporary file while Keras and its back-end start. Errors in that file
are printed afterwards, and all of it if the start fails.
"""

import contextlib
import gc
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

from common.errors import fail

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

    If the block raises, everything that was held back is printed.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held_back:
        descriptor = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            os.dup2(descriptor, 2)
            os.close(descriptor)
            held_back.seek(0)
            for line in held_back.read().decode(errors="replace").splitlines():
                if failed or is_error(line):
                    print(line, file=sys.stderr)


def start_keras(only: tuple[str, ...] = (), devices: int = 1, device: str = "auto") -> None:
    """Import Keras and wake its back-end, so that a later `import keras` costs and says nothing.

    Args:
        only: the back-ends that will do, the usual one first; any if left out.
        devices: how many TensorFlow is to have at least: without GPUs it makes them of the CPU.
        device: `cpu` leaves GPUs alone.

    Raises:
        SystemExit: if the back-end that `$KERAS_BACKEND` names is unknown, not installed, or not
            the one that is needed.
    """
    if only and (backend := os.environ.setdefault("KERAS_BACKEND", only[0])) not in only:
        names = " or ".join(only)
        fail(f"KERAS_BACKEND={backend}: this needs {names}; set KERAS_BACKEND={only[0]}")
    if device == "cpu":
        os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", KERAS_TORCH_DEVICE="cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # from here on, errors only
    gc.disable()  # Keras makes 700,000 objects that stay: to look for garbage among them is slow
    try:
        with quiet_stderr():
            import keras

            if "KERAS_DISTRIBUTION_PROCESS_ID" in os.environ:  # one process of several
                keras.distribution.initialize()
            if devices > 1 and keras.backend.backend() == "tensorflow":
                make_devices(devices)
            keras.ops.zeros(1)  # the first operation makes the back-end look for devices
        if keras.backend.backend() == "torch":  # it does a step at a time, whatever is asked for
            keras.Model.steps_per_execution = property(lambda model: 1, lambda model, steps: None)
        # Batches that are in a new order every epoch need no shuffling by `fit`.
        warnings.filterwarnings("ignore", "`shuffle=True` was passed")
        # TensorFlow takes many models, each with its own training step, for one that is compiled
        # again and again.
        logging.getLogger("tensorflow").addFilter(
            lambda record: "TensorFlowTrainer" not in record.getMessage()
        )
    except ModuleNotFoundError as error:
        also = f" {error.name}" if error.name in ("jax", "torch") else ""
        remedy = f"run: pip install -r requirements.txt{also}"
        fail(f"the package {error.name} is not installed; {remedy}")
    except ValueError as error:
        if "backend" not in str(error):
            raise
        backend = os.environ.get("KERAS_BACKEND")
        fail(f"KERAS_BACKEND={backend}: {error}; use tensorflow, jax or torch")
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
