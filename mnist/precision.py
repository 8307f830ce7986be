"""Choose the floating-point precision of a training."""

from pathlib import Path

from common.startup import chosen_backend
from frame import Flag

PRECISION = Flag(
    ["auto", "float32", "bfloat16"],
    "number format of the layers; auto: bfloat16 if the processor supports it",
    role="training",
)
CPUINFO = Path("/proc/cpuinfo")  # where Linux lists the processor's features
INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}  # instruction sets that multiply bfloat16 numbers


def processor_features() -> set[str]:
    """Return the words in /proc/cpuinfo, which include the processor's features on Linux."""
    try:
        return set(CPUINFO.read_text().split())
    except OSError:
        return set()


def fastest_precision() -> str:
    """Return the fastest precision that the processor supports.

    Returns:
        "bfloat16" with TensorFlow on Linux if the processor has instructions for it, otherwise
        "float32". GPUs are not considered.
    """
    if chosen_backend()[0] != "tensorflow":
        return "float32"
    return "bfloat16" if processor_features() & INSTRUCTIONS else "float32"


def choose_precision(lesson) -> None:
    """Replace the value "auto" of the lesson's flag `precision` by the fastest precision."""
    if lesson.precision == "auto":
        lesson.precision = fastest_precision()
