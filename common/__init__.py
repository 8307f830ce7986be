"""Code that several lessons share and none teaches.

Every command imports this package before any large library. On import, it repairs what the process
inherits from its parent: closed streams, and environment variables that change other packages.
"""

import os
import sys

for number, name in enumerate(("stdin", "stdout", "stderr")):
    try:
        os.fstat(number)
    except OSError:  # closed, as by `2>&-`: the next file opened would get this descriptor
        os.open(os.devnull, os.O_RDWR)
    if getattr(sys, name) is None:  # also true under pythonw
        setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))
if hasattr(sys.stdout, "reconfigure"):  # not in a notebook
    sys.stdout.reconfigure(errors="replace")  # ± becomes ? if the encoding lacks it

os.environ["KERAS_NNX_ENABLED"] = "0"
for name in ("TF_USE_LEGACY_KERAS", "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
    os.environ.pop(name, None)
if "ipykernel" not in sys.modules:  # a notebook sets its own
    os.environ["MPLBACKEND"] = "agg"  # draws to files, needs no display
