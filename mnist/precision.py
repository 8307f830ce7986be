"""Which precision a training should compute in."""

from pathlib import Path

from common.flags import Flag
from common.startup import chosen_backend

PRECISION = Flag(
    ["auto", "float32", "bfloat16"],
    "bits to compute in; auto: 16 if the processor can, else 32",
    role="training",
)
CPUINFO = Path("/proc/cpuinfo")  # where Linux tells what the processor can
INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}  # those that multiply 16-bit numbers


def processor_features() -> set[str]:
    """Return the words in which Linux tells what the processor can; none on another system."""
    try:
        return set(CPUINFO.read_text().split())
    except OSError:
        return set()


def fastest_precision() -> str:
    """Name the fastest precision that this computer has instructions for.

    Returns:
        "bfloat16" for TensorFlow under Linux on a processor that can compute with it, and "float32"
        for all others. A GPU is not asked.
    """
    if chosen_backend()[0] != "tensorflow":
        return "float32"
    return "bfloat16" if processor_features() & INSTRUCTIONS else "float32"


def choose_precision(lesson) -> None:
    """Replace "auto", in the lesson's flag `precision`, by the fastest one."""
    if lesson.precision == "auto":
        lesson.precision = fastest_precision()
