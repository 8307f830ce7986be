"""How each model is trained: most for 60 epochs, at a constant learning rate.

Imports nothing heavy, so that the flags are read at once.
"""

NAMES = ["mlp_one_layer", "mlp_two_layers", "mlp_two_layers_dropout", "conv_net",
         "conv_net_dropout", "conv_net_batch_norm", "conv_net_l1", "conv_net_l2", "le_net",
         "conv_net_augmented", "conv_net_fast", "conv_net_best"]  # fmt: skip
SCHEDULES = ["constant", "one_cycle"]
EPOCHS = {"conv_net_fast": 7, "conv_net_best": 36}  # the others: 60
EPOCHS_BEST_OF_CLOTHING = 28  # of conv_net_best, which is wider then
LABEL_SMOOTHING = {"conv_net_best": 0.05}  # the others: 0


def fill_in(args) -> None:
    """Replace flags that were not given, and whose default depends on the model, by its own."""
    if args.epochs is None:
        args.epochs = EPOCHS.get(args.model, 60)
        if args.model == "conv_net_best" and args.dataset == "fashion_mnist":
            args.epochs = EPOCHS_BEST_OF_CLOTHING
    if args.schedule is None:
        args.schedule = "one_cycle" if args.model in EPOCHS else "constant"
    if args.label_smoothing is None:
        args.label_smoothing = LABEL_SMOOTHING.get(args.model, 0)
