"""How long each model is trained, and at which learning rate: most for 60 epochs at a constant one.

Imports nothing heavy, so that the flags are read at once.
"""

NAMES = ["mlp_one_layer", "mlp_two_layers", "mlp_two_layers_dropout", "conv_net",
         "conv_net_dropout", "conv_net_batch_norm", "conv_net_l1", "conv_net_l2", "le_net",
         "conv_net_augmented", "conv_net_fast", "conv_net_best"]  # fmt: skip
SCHEDULES = ["constant", "one_cycle"]
EPOCHS = {"conv_net_fast": 7, "conv_net_best": 29}  # the others: 60


def fill_in(args) -> None:
    """Replace `--epochs` and `--schedule`, where they were not given, by the model's own."""
    if args.epochs is None:
        args.epochs = EPOCHS.get(args.model, 60)
    if args.schedule is None:
        args.schedule = "one_cycle" if args.model in EPOCHS else "constant"
