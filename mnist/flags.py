"""The flags of mnist.py: those of every lesson, the model, and the parts of its recipe."""

from argparse import Namespace

from common.precision import PRECISIONS, choose_precision

from common.flags import LessonParser, positive_number, share_or_zero
from mnist import report
from mnist.recipes import NAMES, SCHEDULES, fill_in


def make_parser(doc: str) -> LessonParser:
    """Make the parser. Flags without a default are part of the recipe, which has one."""
    parser = LessonParser("mnist", doc, epochs=60, batch_size=256)
    parser.set_defaults(epochs=None)
    parser.add_choice(
        "-m",
        "--model",
        choices=[*NAMES, "all"],
        default=NAMES[0],
        help=f"one of {', '.join(NAMES)}, or all (default {NAMES[0]})",
        metavar="MODEL",
    )
    parser.add_experiment(
        "--dataset",
        choices=["mnist", "fashion_mnist"],
        default="mnist",
        help="digits or pieces of clothing (default mnist)",
    )
    parser.add_experiment(
        "--optimizer",
        choices=["adam", "rmsprop", "sgd"],
        default="adam",
        help="how the weights are changed (default adam)",
    )
    parser.add_experiment(
        "--schedule",
        choices=SCHEDULES,
        help="of the learning rate (default constant; fast and best: one_cycle)",
    )
    parser.add_experiment(
        "--peak",
        type=positive_number,
        metavar="TIMES",
        help="of one_cycle: multiply the usual rate by this (default 3; fast: 6; best of clothing: 2)",
    )
    parser.add_experiment(
        "--label-smoothing",
        type=share_or_zero,
        metavar="SHARE",
        help="teach this much doubt (default 0; best: 0.05)",
    )
    parser.add_training_flag(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="bits to compute in; auto: 16 if the processor can, else 32 (default auto)",
    )
    parser.add_argument("--report", action="store_true", help="only write the report of all runs")
    return parser


def read_flags(doc: str) -> Namespace:
    """Read the flags and start Keras; or do what `--report` or `-m all` asks for, and exit.

    Returns:
        The flags, each part of the recipe filled in; `precision` is `bfloat16` or `float32`.
    """
    parser = make_parser(doc)
    args = parser.read_args()
    args.precision = choose_precision(args.precision)
    if args.report:
        report.write(args.out)
        raise SystemExit
    if args.model == "all":
        from mnist.run_all import run_all  # only now: it needs NumPy

        raise SystemExit(run_all(NAMES, args))
    fill_in(args)
    parser.start()  # only now, so that the above is answered at once
    return args
