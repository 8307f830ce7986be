# %% [markdown]
"""
# 09 Tuning: who chooses what training does not learn?

Training finds the weights. Somebody has chosen the learning rate, the size of the batches, the number
and the width of the layers before: these are *hyperparameters*. First we try them one at a time, then
a program searches among all together. The validation rows judge. The test rows are asked once, at
the end, about the winner.

Expect a test error (MSE, in units of 100,000 dollars squared) of 0.260 (0.251 to 0.264): the median
and the range of three seeds. A. Géron's book reports 0.3029 for a random search.

    python 09_tuning.py
    python 09_tuning.py --parts range schedules --repeats 1
    python 09_tuning.py --parts search --trials 60
"""

# %%
from common.flags import LessonParser, whole_number

parser = LessonParser("09_tuning", __doc__, epochs=20, batch_size=32)
PARTS = ["range", "schedules", "batches", "shapes", "search"]
parser.add_experiment(
    "--parts",
    nargs="+",
    choices=PARTS,
    default=PARTS,
    metavar="PART",
    help=f"do only these of: {' '.join(PARTS)}",
)
parser.add_experiment(
    "--repeats",
    type=whole_number(1),
    default=3,
    metavar="N",
    help="train each choice with N seeds, and show the median (default 3)",
)
parser.add_experiment(
    "--trials",
    type=whole_number(1),
    default=30,
    metavar="N",
    help="networks that the random search tries (default 30)",
)
args = parser.parse_args()  # before the imports below, so that --help answers at once

import math
import warnings

import keras
import keras_tuner
import numpy as np
import pandas as pd
from common.searches import start_anew_if_damaged
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots
from common.batches import one_batch, shuffled_batches
from common.callbacks import OneLineProgress
from common.run import Run

warnings.filterwarnings("ignore", "All-NaN axis")  # Keras Tuner, where a loss is no number
run = Run(args)  # sets the seed, keeps the record and the figures

# %% [markdown]
# ## 1 Load
# The districts of California of lesson 08: from eight numbers, the median value of the houses.

# %%
districts = run.load_dataset("california_housing")

# %% [markdown]
# ## 2 Prepare
# Counts become numbers for each household (the population stays as well); values are in units of 100,000 dollars. A
# quarter of the rows is the test set, a quarter of the rest is held out for validation.

# %%
features = districts.drop(columns="median_house_value")
for column in ("total_rooms", "total_bedrooms", "population"):
    features[f"{column}_each"] = features[column] / features.households
features = features.drop(columns=["total_rooms", "total_bedrooms", "households"])
features = features.to_numpy("float32")
values = (districts.median_house_value / 100_000).to_numpy("float32")
train_features, test_features, train_values, test_values = train_test_split(
    features, values, random_state=args.seed
)
train_features, val_features, train_values, val_values = train_test_split(
    train_features, train_values, random_state=args.seed
)
validation = one_batch(val_features, val_values)
mean, variance = train_features.mean(axis=0), train_features.var(axis=0)  # once, for all networks


# %% [markdown]
# ## 3 Define
# A plain network; how many layers, how wide, and with how much dropout, is left open.


# %%
def build_model(units, dropout=0.0, seed=args.seed):
    """Build a network with hidden layers of `units`, a list."""
    keras.utils.clear_session()  # frees what earlier models have left
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([
        keras.Input((8,)),
        layers.Normalization(mean=mean, variance=variance),
    ])
    for width in units:
        model.add(layers.Dense(width, activation="relu"))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    return model


# %% [markdown]
# ## 4 Compile
# All with the mean squared error; the optimizer and its rate are what we look for.
#
# **The learning-rate range test.** One training of 500 steps, in which the rate grows with every step from a
# millionth to 10. While it is too small the loss stays; then the loss falls; then the steps are too large, and
# it rises again. We take a tenth of the rate at which the loss is lowest: there the loss still falls fast, and
# the rate at which training breaks down is more than ten times away.


# %%
def range_test(steps=500):
    """Raise the rate step by step; return the rates and the loss at each."""
    model = build_model([64, 64])
    model.compile("adam", "mse")
    random, rates, losses = np.random.default_rng(args.seed), np.geomspace(1e-6, 10, steps), []
    for rate in rates:
        rows = random.integers(len(train_values), size=args.batch_size)
        model.optimizer.learning_rate = rate
        model.reset_metrics()  # else the loss is the mean of all steps so far
        losses.append(float(model.train_on_batch(train_features[rows], train_values[rows])))
    return rates, np.array(losses)


best_rate = 0.001  # about what the range test finds by default
measured = {}
if "range" in args.parts:
    rates, losses = range_test()
    smooth = pd.Series(losses).rolling(25, center=True, min_periods=1).median().to_numpy()
    lowest = rates[np.nanargmin(smooth)]  # at the largest rates the loss may be no number any more
    best_rate = measured["rate_of_range_test"] = float(f"{lowest / 10:.1g}")  # one digit is enough
    print(f"range test: the loss is lowest at {lowest:.2g}; we take {best_rate:g}")
    figure, axes = plots.new_figure()
    axes.plot(rates, losses, color="lightgray", label="loss of a step")
    axes.plot(rates, smooth, label="median of 25 steps")
    axes.axvline(best_rate, color="tab:red", linestyle="--", label=f"our choice: {best_rate:g}")
    axes.set(
        xscale="log",
        xlabel="learning rate",
        ylabel="mean squared error",
        ylim=(0, 1.5 * smooth[0]),
        title="learning-rate range test",
    )
    axes.legend()
    run.save_figure("range_test", figure)

# %% [markdown]
# ## 5 Fit
# **One at a time.** Each choice is trained for the same number of epochs, with three seeds; we compare the
# medians of the last epoch's validation loss. Differences smaller than the range of the seeds may be luck.


# %%
def fit(
    name, seed, units=(64, 64), rate=None, batch_sizes=(args.batch_size,), callbacks=lambda: []
):
    """Train a network; return its losses, one an epoch.

    Args:
        name: of this training; no other has it.
        seed: for starting weights and order.
        units: of the hidden layers.
        rate: a number, or a function that makes a schedule for a number of steps; best_rate if left out.
        batch_sizes: the epochs are shared out among them.
        callbacks: makes a list of callbacks.
    """
    model = build_model(units, seed=seed)
    if rate is None:
        rate = best_rate
    elif callable(rate):  # a schedule wants to know how many steps there will be
        rate = rate(args.epochs * math.ceil(len(train_values) / batch_sizes[0]))
    optimizer = keras.optimizers.Adam(rate)
    histories = []
    ends = np.linspace(0, args.epochs, len(batch_sizes) + 1).round().astype(int)
    for batch_size, first, last in zip(batch_sizes, ends, ends[1:], strict=False):
        if first == last:  # fewer epochs than sizes
            continue
        training = run.training(f"{name}-{seed}-{batch_size}", seed)
        start = max(first, training.first_epoch)
        train = shuffled_batches(
            train_features, train_values, batch_size, seed=seed, first_epoch=start
        )
        model.compile(optimizer, "mse", steps_per_execution=train.steps_per_execution)
        histories.append(
            model.fit(
                train.dataset,
                steps_per_epoch=train.steps_per_epoch,
                shuffle=False,  # the batches come shuffled
                validation_data=validation,
                epochs=int(last),
                initial_epoch=int(start),  # further on if --resume continues a stopped run
                callbacks=training.callbacks(*callbacks()),
                verbose=0,
            ).history
        )
    return {key: np.concatenate([part[key] for part in histories]) for key in histories[0]}


def compare(part, title, choices):
    """Train each choice with every seed; print, draw and keep the median of their losses."""
    print(f"\n{title}")
    rows, curves = [], {}
    for name, choice in choices.items():
        seeds = range(args.seed, args.seed + args.repeats)
        losses = [fit(f"{part}-{name}".replace(" ", "-"), seed, **choice) for seed in seeds]
        curves[name] = {key: np.median([loss[key] for loss in losses], axis=0) for key in losses[0]}
        ends = [loss["val_loss"][-1] for loss in losses]
        rows.append({
            "choice": name,
            "median": np.median(ends),
            "lowest": min(ends),
            "highest": max(ends),
        })
        print(f"  {name}: validation MSE {np.median(ends):.4f}")
    run.save_table(part, pd.DataFrame(rows).round(4))
    run.save_figure(part, plots.compare_models(curves, "loss", title, log=True))


# %% [markdown]
# Is the range test right? We train with its choice, with less, and with more. Then the **schedules**: at a constant
# rate the last steps are as large as the first. *Step* divides the rate by ten after half and after three
# quarters of the steps; *cosine* lets it fall along half a wave; *one cycle* lets it rise first; *plateau* is a
# callback, which divides the rate by three when two epochs have not made the validation loss lower by 0.0001.

# %%
if "range" in args.parts:
    factors = {"a tenth": 0.1, "a third": 1 / 3, "our choice": 1, "three times": 3, "ten times": 10}
    compare(
        "rates",
        "learning rates around the choice of the range test",
        {name: {"rate": factor * best_rate} for name, factor in factors.items()},
    )

schedules = keras.optimizers.schedules
if "schedules" in args.parts:
    compare(
        "schedules",
        f"schedules that begin or peak at {best_rate:g}",
        {
            "constant": {},
            "step": {
                "rate": lambda steps: schedules.PiecewiseConstantDecay(
                    [steps // 2, steps * 3 // 4], [best_rate, best_rate / 10, best_rate / 100]
                )
            },
            "cosine": {"rate": lambda steps: schedules.CosineDecay(best_rate, steps)},
            "one cycle": {
                "rate": lambda steps: schedules.CosineDecay(
                    best_rate / 10, 0.7 * steps, warmup_target=best_rate, warmup_steps=0.3 * steps
                )
            },
            "plateau": {
                "callbacks": lambda: [
                    keras.callbacks.ReduceLROnPlateau("val_loss", factor=1 / 3, patience=2)
                ]
            },
        },
    )

# %% [markdown]
# **Batch size.** A step with more rows follows a truer slope, but there are fewer steps in an epoch. So a larger
# batch wants a larger rate. A usual rule for Adam is the square root: four times the rows, twice the rate. And
# there is another way to make steps calmer towards the end than a falling rate: batches that grow.
#
# **Depth or width?** Networks of one to six hidden layers with nearly the same number of weights, all at the rate
# that was found for two layers of 64.

# %%
if "batches" in args.parts:
    choices = {f"{size}": {"batch_sizes": [size]} for size in (8, 32, 128, 512)}
    for size in (8, 128, 512):
        choices[f"{size} rate scaled"] = {
            "batch_sizes": [size],
            "rate": best_rate * (size / args.batch_size) ** 0.5,
        }
    choices["8 then 32 then 128"] = {"batch_sizes": [8, 32, 128]}
    compare("batches", f"batch sizes, at the rate {best_rate:g} or scaled", choices)


def weights(depth, width):
    """Count the weights of `depth` hidden layers of `width` units."""
    return 9 * width + (depth - 1) * width * (width + 1) + width + 1


if "shapes" in args.parts:
    choices = {}
    for depth in (1, 2, 3, 4, 6):
        # the width whose network has nearest to 5,000 weights
        width = min(range(1, 1000), key=lambda width: abs(weights(depth, width) - 5000))
        choices[f"{depth} x {width}"] = {"units": [width] * depth}
    compare("shapes", "depth against width, about 5,000 weights each", choices)

# %% [markdown]
# **All together.** A grid of five choices with ten values each has 100,000 networks, and still only ten learning
# rates. *Random search* draws every choice anew for each trial: 30 trials try 30 rates. That helps if one choice,
# often the rate, matters most. *Hyperband* trains 12 networks for 3 epochs, the best 4 of them on to 7, and the best 2
# on to 20; then it begins again with 6 networks and 7 epochs, then with 4 and 20. A network that goes on is a
# new row of the table. Both searches draw the same networks; Hyperband needs about a third of the epochs.
#
# Keras Tuner, a package of its own, calls `build` with a box `hp`, which hands out a value for each name (the
# optimizers: notes/optimizers.md). The score of a trial is its lowest validation loss, not its last. Every trial is
# kept in the run's folder: a search that was stopped goes on with `--resume`.

# %%
train = shuffled_batches(train_features, train_values, args.batch_size, seed=args.seed)
OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "nadam": keras.optimizers.Nadam,
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
}


def build(hp):
    """Build and compile the network of a trial."""
    depth = hp.Int("layers", 1, 4)
    width = hp.Int("units", 16, 256, sampling="log")  # as many from 16 to 64 as from 64 to 256
    model = build_model([width] * depth, hp.Choice("dropout", [0.0, 0.1, 0.2]))
    optimizer = OPTIMIZERS[hp.Choice("optimizer", list(OPTIMIZERS))]
    rate = hp.Float("rate", 1e-4, 3e-2, sampling="log")
    model.compile(optimizer(rate), "mse", steps_per_execution=train.steps_per_execution)
    model.optimizer.build(model.trainable_variables)  # so that Hyperband can put back its state
    return model


def search(name, tuner):
    """Let a tuner search; return a table of its trials."""
    print(f"\n{name} search")
    clock = run.training(f"search-{name}").timer
    clock.start()
    tuner.search(
        train.dataset,
        steps_per_epoch=train.steps_per_epoch,
        shuffle=False,
        validation_data=validation,
        epochs=args.epochs,
        verbose=0,
    )
    clock.stop()
    rows = []
    for trial in (tuner.oracle.trials[number] for number in tuner.oracle.start_order):
        if trial.score is None or not math.isfinite(trial.score):  # the rate was too high
            continue
        chosen = trial.hyperparameters.values
        epochs = chosen.get("tuner/epochs", args.epochs) - chosen.get("tuner/initial_epoch", 0)
        rows.append({
            "search": name,
            "val_mse": trial.score,
            "epochs": epochs,
            **{key: chosen[key] for key in chosen if "/" not in key},
        })
    return pd.DataFrame(rows)


# %%
if "search" in args.parts:
    for project in ("random", "hyperband"):
        start_anew_if_damaged(run.folder / project)
    usual = {
        "hypermodel": build,
        "objective": "val_loss",
        "seed": args.seed,
        "directory": run.folder,
        "max_consecutive_failed_trials": 1000,  # a loss that is no number ends a trial, not the search
    }
    trials = pd.concat([
        search(
            "random",
            keras_tuner.RandomSearch(max_trials=args.trials, project_name="random", **usual),
        ),
        search(
            "Hyperband",
            keras_tuner.Hyperband(
                max_epochs=args.epochs, factor=3, project_name="hyperband", **usual
            ),
        ),
    ])
    run.save_table("trials", trials.sort_values("val_mse").round(5).head(10))
    figure, axes = plots.new_figure(11, 4.5, 1, 2)
    for name, group in trials.groupby("optimizer"):
        axes[0].scatter(group.rate, group.val_mse, label=name)
    axes[0].set(xscale="log", xlabel="learning rate", ylabel="validation MSE", ylim=(0.2, 0.7))
    axes[0].legend(title="optimizer")
    for name, group in trials.groupby("search"):
        axes[1].plot(
            group.epochs.cumsum(), group.val_mse.cummin(), drawstyle="steps-post", label=name
        )
    axes[1].set(
        xlabel="epochs trained so far, all trials",
        ylabel="lowest validation MSE so far",
        ylim=(0.2, 0.7),
    )
    axes[1].legend()
    run.save_figure("trials", figure)
    winner = trials.sort_values("val_mse").iloc[0]
else:  # about what the search finds by default
    winner = pd.Series({
        "layers": 4,
        "units": 200,
        "dropout": 0.0,
        "optimizer": "nadam",
        "rate": 0.0017,
    })

# %% [markdown]
# The winner is trained once more, five times as long: the rate falls to 0 along a cosine, and the weights of the best
# epoch are kept.

# %%
epochs = 5 * args.epochs
train = shuffled_batches(
    train_features, train_values, args.batch_size, seed=args.seed, first_epoch=run.first_epoch
)
model = build_model([int(winner.units)] * int(winner.layers), float(winner.dropout))
cosine = schedules.CosineDecay(float(winner.rate), epochs * train.steps_per_epoch)
model.compile(
    OPTIMIZERS[winner.optimizer](cosine), "mse", steps_per_execution=train.steps_per_execution
)
history = model.fit(
    train.dataset,
    steps_per_epoch=train.steps_per_epoch,
    shuffle=False,
    validation_data=validation,
    epochs=epochs,
    initial_epoch=run.first_epoch,
    callbacks=run.callbacks(
        # so patient that it never stops: it keeps the best weights
        keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True),
        OneLineProgress(),
    ),
    verbose=0,
)

# %% [markdown]
# ## 6 Evaluate
# What we saw with seed 42, validation MSE after 20 epochs. Rates: our choice 0.290, a third of it 0.329, three times
# as much 0.287: the test finds the right region, no more. Schedules: none is better than the constant rate, 0.290.
# They pay where steps are large at first; these were not. Batches: 512 rows 0.372, with the rate scaled 0.319; best of
# all were batches that grow, 0.275. Shapes: one wide layer 0.321, all the others between 0.286 and 0.295.
#
# Only now the test rows. The lowest validation loss of many trials is a little too good, for it was chosen among
# many, and so is that of the best of many epochs. The test loss is honest.

# %%
test = model.evaluate(test_features, test_values, batch_size=1000, verbose=0)
val = min(history.history["val_loss"])
print(
    f"{'the winner' if 'search' in args.parts else 'a usual network'}: validation MSE {val:.4f}, test MSE {test:.4f}; "
    f"always guessing the mean: {np.mean((test_values - train_values.mean()) ** 2):.4f}"
)

# %% [markdown]
# ## 7 Predict
# Points on the dashed line are exact. The census wrote 500,001 dollars for all values above 500,000: that is the
# column of points at 5.

# %%
predicted = model.predict(test_features, batch_size=1000, verbose=0)[:, 0]
figure = plots.prediction_versus_truth(test_values, predicted, "house value", "100,000 dollars")
run.save_figure("predictions", figure)
units = {"loss": "mean squared error [(100,000 dollars)²]"}
run.save(model, history.history, units, test_mse=test, val_mse=val, **measured)

# %% [markdown]
# ## Exercises
# 1. Does the best rate move with the batch? Run the range test with `--batch-size 8` and
#    `--batch-size 512`.
# 2. Twice as many trials: is the winner better on the test rows, or only on the validation rows?
# 3. Does depth pay after three times as many epochs, `--parts range shapes --epochs 60`?
#
# Solutions: notes/solutions/09_tuning.md
