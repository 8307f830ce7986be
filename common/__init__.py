"""Code that several lessons share and none teaches.

Every command imports this package before any large library. On import, it repairs what the process
inherits from its parent: closed streams, and environment variables that change other packages.
"""

import os
import sys

# Python looks for a module beside the script first: a random.py there would be taken for its own.
library = os.path.dirname(os.__file__)
library = {library, os.path.join(library, "lib-dynload"), os.path.join(sys.base_prefix, "DLLs")}
sys.path.sort(key=lambda folder: folder not in library)

import shutil
import warnings

for number, name in enumerate(("stdin", "stdout", "stderr")):
    try:
        os.fstat(number)
    except OSError:  # closed, as by `2>&-`: the next file opened would get this descriptor
        os.open(os.devnull, os.O_RDWR)
    if getattr(sys, name) is None:  # also true under pythonw
        setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))
if hasattr(sys.stdout, "reconfigure"):  # not in a notebook
    sys.stdout.reconfigure(errors="replace")  # ± becomes ? if the encoding lacks it

try:
    os.getcwd()
except OSError:
    from common.errors import fail

    fail("the folder that you are in has been deleted: go to another one (cd)")

if shutil.get_terminal_size().columns < 40:  # too narrow for the tables of Keras: their lines wrap
    os.environ["COLUMNS"] = "80"
# Warnings are errors under `python -W error`. Other packages warn of each other.
warnings.filters[:] = [rule for rule in warnings.filters if rule[0] != "error"]
os.environ["KERAS_NNX_ENABLED"] = "0"
if not os.environ.get("KERAS_HOME", "-").strip():  # Keras would take the working folder for it
    del os.environ["KERAS_HOME"]
for name in ("TF_USE_LEGACY_KERAS", "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
    os.environ.pop(name, None)
if "ipykernel" not in sys.modules:  # a notebook sets its own
    os.environ["MPLBACKEND"] = "agg"  # draws to files, needs no display
