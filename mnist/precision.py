"""Choose the floating-point precision of a training, by what its device can do.

python -m mnist.precision          prints what `--precision auto` stands for here
python -m mnist.precision cpu      the same with `--device cpu`
"""

import os
import subprocess
import sys
from pathlib import Path

from common.flags import ROOT
from common.startup import chosen_backend, has_nvidia_driver, start_keras
from frame import Flag

PRECISION = Flag(
    ["auto", "float32", "bfloat16"],
    "number format of the layers; auto: bfloat16 if the processor or the GPU supports it",
    role="training",
)
CPUINFO = Path("/proc/cpuinfo")  # where Linux lists the processor's features
INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}  # instruction sets that multiply bfloat16 numbers
CAPABLE = (8, 0)  # the compute capability from which on NVIDIA's GPUs multiply bfloat16 numbers


def processor_features() -> set[str]:
    """Return the words in /proc/cpuinfo, which include the processor's features on Linux."""
    try:
        return set(CPUINFO.read_text(encoding="utf-8").split())
    except OSError:
        return set()


def gpu_capabilities(backend: str) -> list[tuple[int, ...]]:
    """Return the compute capability of each GPU that a started back-end uses, such as (8, 0).

    It is (0, 0) for a GPU that does not say, because it is not NVIDIA's.
    """
    if backend == "torch":
        import torch

        if os.environ.get("KERAS_TORCH_DEVICE", "").startswith("cpu"):
            return []
        return [torch.cuda.get_device_capability(gpu) for gpu in range(torch.cuda.device_count())]
    if backend == "jax":
        import jax

        said = [
            getattr(device, "compute_capability", "").split(".")
            for device in jax.devices()
            if device.platform == "gpu"
        ]
        return [tuple(map(int, one)) if all(map(str.isdigit, one)) else (0, 0) for one in said]
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [tuple(one.get("compute_capability", (0, 0))) for one in details]


def fastest_precision(device: str = "auto") -> str:
    """Return the fastest precision that the device of the training supports.

    Keras starts if there may be a GPU, since only the back-end knows whether it will use it.

    Args:
        device: the value of the flag `--device`.

    Returns:
        "bfloat16" if all GPUs have instructions for it; without a GPU, if the processor has, on
        Linux with TensorFlow; otherwise "float32".
    """
    backend = chosen_backend()[0]
    if device != "cpu" and has_nvidia_driver():
        start_keras()
        if capabilities := gpu_capabilities(backend):
            return "bfloat16" if min(capabilities) >= CAPABLE else "float32"
    if backend != "tensorflow":
        return "float32"
    return "bfloat16" if processor_features() & INSTRUCTIONS else "float32"


def choose_precision(lesson) -> None:
    """Replace the value "auto" of the lesson's flag `precision` by the fastest precision."""
    if lesson.precision == "auto":
        lesson.precision = fastest_precision(lesson.device)


def choose_elsewhere(lesson) -> None:
    """Like `choose_precision`, but in another process, which alone takes memory of the GPU."""
    if lesson.precision == "auto":
        command = [sys.executable, "-m", "mnist.precision", lesson.device]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode:  # it has said why
            raise SystemExit(done.returncode)
        lesson.precision = done.stdout.split()[-1]


if __name__ == "__main__":
    print(fastest_precision(*sys.argv[1:2]))
