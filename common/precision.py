"""Which precision a training should compute in."""

import os
from pathlib import Path

PRECISIONS = ["auto", "float32", "bfloat16"]
INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}  # those that multiply 16-bit numbers


def choose_precision(wanted: str) -> str:
    """Turn "auto" into the faster precision that this computer has instructions for.

    Args:
        wanted: one of `PRECISIONS`.

    Returns:
        "bfloat16" for TensorFlow on a processor that says it can compute with it, where Linux tells
        what it can; "float32" for all others. What was wanted, unless that is "auto".
    """
    if wanted != "auto":
        return wanted
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return "float32"
    try:
        abilities = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return "float32"
    return "bfloat16" if abilities & INSTRUCTIONS else "float32"
