"""How much memory the process has used, and how to give back what it no longer needs."""

import ctypes
import sys


def peak_memory_mb() -> float | None:
    """Return the largest memory the process has used so far, in MB; None on Windows."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def give_back_memory() -> None:
    """Return freed memory to the system, where the C library can.

    Training asks for large blocks and frees them. Linux' C library keeps them for later, and what
    comes after training, such as figures, would be added on top.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)
