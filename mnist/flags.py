"""What mnist.py does after parsing its flags, before Keras starts."""

from mnist import report
from mnist.precision import choose_precision
from mnist.recipes import NAMES, fill_in


def act_on(lesson) -> None:
    """Carry out `--report` or `-m all` and exit, or apply the recipe of the model.

    Raises:
        SystemExit: after `--report` or `-m all`.
    """
    if lesson.report:
        report.write(lesson.out)
        raise SystemExit
    choose_precision(lesson)
    if lesson.model == "all":
        from mnist.run_all import run_all  # only now, since it imports NumPy

        raise SystemExit(run_all(NAMES, lesson))
    fill_in(lesson)
