"""What several lessons share and none teaches.

Every command imports this package before anything heavy. Here, once, is mended what it inherits
from where it was started: closed streams, and variables that change what other packages do.
"""

import os
import sys

for number, name in enumerate(("stdin", "stdout", "stderr")):
    try:
        os.fstat(number)
    except OSError:  # closed, as by `2>&-`: the next file that is opened would be taken for it
        os.open(os.devnull, os.O_RDWR)
    if getattr(sys, name) is None:  # as it is then, and under pythonw
        setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))
if hasattr(sys.stdout, "reconfigure"):  # not in a notebook
    sys.stdout.reconfigure(errors="replace")  # ± becomes ? where its encoding has no such letter

os.environ["KERAS_NNX_ENABLED"] = "0"
for name in ("TF_USE_LEGACY_KERAS", "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
    os.environ.pop(name, None)
if "ipykernel" not in sys.modules:  # a notebook has set it for itself
    os.environ["MPLBACKEND"] = "agg"  # draw to files: works without a screen
