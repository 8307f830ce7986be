"""The frame around a lesson: flags, data, seed, batches, callbacks, figures and record.

`common` comes first, because it repairs what later imports depend on.
"""

import common  # noqa: F401
from frame.lesson import Lesson, expect_error
from frame.parser import Flag

__all__ = ["Flag", "Lesson", "expect_error"]
