"""Which precision a training should compute in."""

import os
from pathlib import Path

PRECISIONS = ["auto", "float32", "bfloat16"]
CPUINFO = Path("/proc/cpuinfo")  # where Linux tells what the processor can
INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}  # those that multiply 16-bit numbers


def processor_features() -> set[str]:
    """Return the words in which Linux tells what the processor can; none on another system."""
    try:
        return set(CPUINFO.read_text().split())
    except OSError:
        return set()


def choose_precision(wanted: str) -> str:
    """Turn "auto" into the faster precision that this computer has instructions for.

    Args:
        wanted: one of `PRECISIONS`.

    Returns:
        What was wanted, unless that is "auto". Then "bfloat16" for TensorFlow under Linux on a
        processor that can compute with it, and "float32" for all others. A GPU is not asked.
    """
    if wanted != "auto":
        return wanted
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return "float32"
    return "bfloat16" if processor_features() & INSTRUCTIONS else "float32"
