"""What mnist.py does after parsing its flags, before Keras starts."""

from mnist import report
from mnist.precision import choose_elsewhere, choose_precision
from mnist.recipes import NAMES, fill_in


def act_on(lesson) -> None:
    """Carry out `--report` or `-m all` and exit, or apply the recipe of the model.

    Raises:
        SystemExit: after `--report` or `-m all`.
    """
    if lesson.report:
        report.write(lesson.out)
        raise SystemExit
    if lesson.model == "all":
        choose_elsewhere(lesson)
        from mnist.run_all import run_all  # only now, since it imports NumPy

        raise SystemExit(run_all(NAMES, lesson))
    choose_precision(lesson)
    fill_in(lesson)
