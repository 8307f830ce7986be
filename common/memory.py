"""How much memory this process has used at most."""

import sys


def peak_memory_mb() -> float | None:
    """Return the largest memory the process has used so far, in MB; None on Windows."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)
