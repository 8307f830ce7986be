"""The frame around a lesson: flags, data, seed, batches, callbacks, figures and record.

`common` comes first, because it repairs what later imports depend on.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (says so before an import fails)
    print("error: these lessons need Python 3.11 to 3.13; see notes/setup.md", file=sys.stderr)
    raise SystemExit(2)

import common  # noqa: F401
from frame.lesson import Lesson, expect_error
from frame.parser import Flag

__all__ = ["Flag", "Lesson", "expect_error"]
