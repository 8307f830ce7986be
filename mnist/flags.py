"""What mnist.py does once it has read its flags, before Keras starts."""

from mnist import report
from mnist.precision import choose_precision
from mnist.recipes import NAMES, fill_in


def act_on(lesson) -> None:
    """Do what `--report` or `-m all` asks for, and exit; or fill in the model's recipe."""
    if lesson.report:
        report.write(lesson.out)
        raise SystemExit
    choose_precision(lesson)
    if lesson.model == "all":
        from mnist.run_all import run_all  # only now: it needs NumPy

        raise SystemExit(run_all(NAMES, lesson))
    fill_in(lesson)
