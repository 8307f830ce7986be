# %% [markdown]
"""
# 09 Tuning: who chooses what training does not learn?

Training finds the weights. You choose the rest beforehand: the learning rate, the batch size, how
many layers and how wide. These are the *hyperparameters*. First we try them one at a time, then a
program searches among all together. The validation set judges. The test set is used once, at the
end, for the winner.

A. Géron's book reports a test error (MSE, in units of 100,000 dollars squared) of 0.3029 for a
random search.

Expect: test MSE 0.260 (0.251 to 0.264), median and range of three seeds.

    python 09_tuning.py
    python 09_tuning.py --parts range schedules --repeats 1
    python 09_tuning.py --parts search --trials 60
"""

# %%
from common.lesson import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=20,
    batch_size=32,
    parts=Flag(("range", "schedules", "batches", "shapes", "search"), "do only these parts"),
    repeats=Flag(3, "train each choice with N seeds, and show the median"),
    trials=Flag(30, "networks that the random search tries"),
)

import json
import math
import warnings

import keras
import keras_tuner
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots

warnings.filterwarnings("ignore", "All-NaN axis")  # Keras Tuner, where a loss is not a number

# %% [markdown]
# ## 1 Load
# The districts of California of lesson 08: from eight numbers, predict the median value of the
# houses.

# %%
districts = lesson.load("california_housing")

# %% [markdown]
# ## 2 Prepare
# Counts become numbers per household (the population stays as well); values are in units of 100,000
# dollars. A quarter of the rows is the test set, a quarter of the rest is the validation set.

# %%
features = districts.drop(columns="median_house_value")
for column in ("total_rooms", "total_bedrooms", "population"):
    features[f"{column}_each"] = features[column] / features.households
features = features.drop(columns=["total_rooms", "total_bedrooms", "households"])
features = features.to_numpy("float32")
values = (districts.median_house_value / 100_000).to_numpy("float32")
train_features, test_features, train_values, test_values = train_test_split(
    features, values, random_state=lesson.seed
)
train_features, val_features, train_values, val_values = train_test_split(
    train_features, train_values, random_state=lesson.seed
)
validation = lesson.batches(val_features, val_values, len(val_values), shuffle=False)  # one batch
mean, variance = train_features.mean(axis=0), train_features.var(axis=0)  # once, for all networks


# %% [markdown]
# ## 3 Define
# A plain network; how many layers, how wide, and with how much dropout is left open.


# %%
def build_model(units, dropout=0.0, seed=lesson.seed):
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
# All with the mean squared error; the optimizer and its learning rate are what we look for.
#
# **The learning-rate range test.** One training of 500 steps, in which the learning rate grows with
# every step from a millionth to 10. While it is too small the loss stays; then the loss falls; then
# the steps are too large, and it rises again. We take a tenth of the rate at which the loss is
# lowest: there the loss still falls fast, and the rate at which training breaks down is more than
# ten times away.


# %%
def range_test(steps=500):
    """Raise the rate step by step; return the rates and the loss at each."""
    model = build_model([64, 64])
    model.compile("adam", "mse")
    random, rates, losses = np.random.default_rng(lesson.seed), np.geomspace(1e-6, 10, steps), []
    for rate in rates:
        rows = random.integers(len(train_values), size=lesson.batch_size)
        model.optimizer.learning_rate = rate
        model.reset_metrics()  # else the loss is the mean of all steps so far
        losses.append(float(model.train_on_batch(train_features[rows], train_values[rows])))
    return rates, np.array(losses)


best_rate = 0.001  # about what the range test finds by default
measured = {}
if "range" in lesson.parts:
    rates, losses = range_test()
    smooth = pd.Series(losses).rolling(25, center=True, min_periods=1).median().to_numpy()
    lowest = rates[np.nanargmin(smooth)]  # a loss at large rates may be NaN
    best_rate = measured["rate_of_range_test"] = float(f"{lowest / 10:.1g}")  # one digit is enough
    print(f"range test: the loss is lowest at {lowest:.2g}; we take {best_rate:g}")
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
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
    lesson.save_figure("range_test", figure)

# %% [markdown]
# ## 5 Fit
# **One at a time.** Each choice is trained for the same number of epochs, with three seeds; we
# compare the medians of the last epoch's validation loss. Differences smaller than the range of the
# seeds may be luck.


# %%
def fit(
    name, seed, units=(64, 64), rate=None, batch_sizes=(lesson.batch_size,), callbacks=lambda: []
):
    """Train a network; return its losses, one per epoch.

    Args:
        name: of this training; no other has it.
        seed: for starting weights and order.
        units: of the hidden layers.
        rate: a number, or a function that makes a schedule for a number of steps; best_rate if left
            out.
        batch_sizes: the epochs are shared out among them.
        callbacks: makes a list of callbacks.
    """
    model = build_model(units, seed=seed)
    if rate is None:
        rate = best_rate
    elif callable(rate):  # a schedule needs to know how many steps there will be
        rate = rate(lesson.epochs * math.ceil(len(train_values) / batch_sizes[0]))
    optimizer = keras.optimizers.Adam(rate)
    histories = []
    ends = np.linspace(0, lesson.epochs, len(batch_sizes) + 1).round().astype(int)
    for batch_size, first, last in zip(batch_sizes, ends, ends[1:], strict=False):
        if first == last:  # fewer epochs than sizes
            continue
        steps = math.ceil(len(train_values) / batch_size)
        model.compile(optimizer, "mse", steps_per_execution=steps)  # an epoch in one call: faster
        training = model.fit(
            lesson.batches(train_features, train_values, batch_size, seed=seed, repeat=True),
            steps_per_epoch=steps,
            validation_data=validation,
            initial_epoch=int(first),
            epochs=int(last),
            callbacks=lesson.callbacks(
                *callbacks(), training=f"{name}-{seed}-{batch_size}", seed=seed, progress=False
            ),
            verbose=0,
        )
        histories.append(training.history)
    return {key: np.concatenate([part[key] for part in histories]) for key in histories[0]}


def compare(part, title, choices):
    """Train each choice with every seed; print, draw and keep the median of their losses."""
    print(f"\n{title}")
    rows, curves = [], {}
    for name, choice in choices.items():
        seeds = range(lesson.seed, lesson.seed + lesson.repeats)
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
    lesson.save_table(part, pd.DataFrame(rows).round(4))
    lesson.save_figure(part, plots.compare_models(curves, "loss", title, log=True))


# %% [markdown]
# Is the range test right? We train with its choice, with less, and with more. Then the
# **schedules**: at a constant rate the last steps are as large as the first. *Step* divides the
# rate by ten after half and after three quarters of the steps; *cosine* lets it fall along half a
# wave; *one cycle* lets it rise first; *plateau* is a callback, which divides the rate by three
# when two epochs have not lowered the validation loss by 0.0001.

# %%
if "range" in lesson.parts:
    factors = {"a tenth": 0.1, "a third": 1 / 3, "our choice": 1, "three times": 3, "ten times": 10}
    compare(
        "rates",
        "learning rates around the choice of the range test",
        {name: {"rate": factor * best_rate} for name, factor in factors.items()},
    )

schedules = keras.optimizers.schedules
if "schedules" in lesson.parts:
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
# **Batch size.** The gradient of a larger batch is less noisy, but there are fewer steps in an
# epoch. So a larger batch needs a larger rate. A common rule for Adam is the square root: four
# times the rows, twice the rate. And a falling rate is not the only way to make the last steps less
# noisy: batches can grow.
#
# **Depth or width?** Networks of one to six hidden layers with nearly the same number of
# parameters, all at the rate that was found for two layers of 64.

# %%
if "batches" in lesson.parts:
    choices = {f"{size}": {"batch_sizes": [size]} for size in (8, 32, 128, 512)}
    for size in (8, 128, 512):
        choices[f"{size} rate scaled"] = {
            "batch_sizes": [size],
            "rate": best_rate * (size / lesson.batch_size) ** 0.5,
        }
    choices["8 then 32 then 128"] = {"batch_sizes": [8, 32, 128]}
    compare("batches", f"batch sizes, at the rate {best_rate:g} or scaled", choices)


def weights(depth, width):
    """Count the parameters of a network with `depth` hidden layers of `width` units."""
    return 9 * width + (depth - 1) * width * (width + 1) + width + 1


if "shapes" in lesson.parts:
    choices = {}
    for depth in (1, 2, 3, 4, 6):
        # the width whose network comes closest to 5,000 parameters
        width = min(range(1, 1000), key=lambda width: abs(weights(depth, width) - 5000))
        choices[f"{depth} x {width}"] = {"units": [width] * depth}
    compare("shapes", "depth against width, about 5,000 weights each", choices)

# %% [markdown]
# **All together.** A *grid search* over five choices with ten values each has 100,000 networks, and
# still only ten learning rates. *Random search* draws every choice anew for each trial: 30 trials
# try 30 rates. That helps if one choice, often the rate, matters most. *Hyperband* trains 12
# networks for 3 epochs, continues with the best 4 of them up to epoch 7, and with the best 2 up to
# epoch 20; then it begins again with 6 networks and 7 epochs, then with 4 and 20. A network that
# continues is a new row of the table. Both searches draw the same networks; Hyperband needs about a
# third of the epochs.
#
# Keras Tuner, a package of its own, calls `build` with an object `hp`, which returns a value for
# each name (the optimizers: notes/optimizers.md). The score of a trial is its lowest validation
# loss, not its last. Keras Tuner writes every trial to a folder, so that a search that was stopped
# can go on.

# %%
train = lesson.batches(train_features, train_values, repeat=True)  # without end: faster
steps = math.ceil(len(train_values) / lesson.batch_size)  # in an epoch
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
    model.compile(optimizer(rate), "mse", steps_per_execution=steps)
    model.optimizer.build(model.trainable_variables)  # so that Hyperband can restore its state
    return model


class SameOrders(keras.callbacks.Callback):
    """Lets every trial see the batches in the same orders."""

    def on_train_begin(self, logs=None):
        lesson.run.counter.epoch = 0  # the order of the next epoch is drawn from this


def search(name, new_tuner, **options):
    """Let a tuner search; return a table of its trials."""
    print(f"\n{name} search")
    options |= {
        "hypermodel": build,
        "objective": "val_loss",
        "seed": lesson.seed,
        "max_consecutive_failed_trials": 1000,  # a loss of NaN ends a trial, not the search
        "directory": lesson.folder,
        "project_name": name.lower(),
    }
    try:
        tuner = new_tuner(**options)  # goes on with the trials that are in its folder
    except json.JSONDecodeError:
        print(f"note: a file of the {name} search was cut short when it stopped; it begins anew")
        tuner = new_tuner(**options, overwrite=True)
    clock = lesson.training(f"search-{name}").timer
    clock.start()
    tuner.search(
        train,
        steps_per_epoch=steps,
        validation_data=validation,
        epochs=lesson.epochs,
        callbacks=[SameOrders()],
        verbose=0,
    )
    clock.stop()
    rows = []
    for trial in (tuner.oracle.trials[number] for number in tuner.oracle.start_order):
        if trial.score is None or not math.isfinite(trial.score):  # the rate was too high
            continue
        chosen = trial.hyperparameters.values
        epochs = chosen.get("tuner/epochs", lesson.epochs) - chosen.get("tuner/initial_epoch", 0)
        rows.append({
            "search": name,
            "val_mse": trial.score,
            "epochs": epochs,
            **{key: chosen[key] for key in chosen if "/" not in key},
        })
    return pd.DataFrame(rows)


# %%
if "search" in lesson.parts:
    trials = pd.concat([
        search("random", keras_tuner.RandomSearch, max_trials=lesson.trials),
        search("Hyperband", keras_tuner.Hyperband, max_epochs=lesson.epochs, factor=3),
    ])
    lesson.save_table("trials", trials.sort_values("val_mse").round(5).head(10))
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
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
    lesson.save_figure("trials", figure)
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
# The winner is trained once more, five times as long: the rate falls to 0 along a cosine, and the
# weights of the best epoch are kept.

# %%
epochs = 5 * lesson.epochs
model = build_model([int(winner.units)] * int(winner.layers), float(winner.dropout))
cosine = schedules.CosineDecay(float(winner.rate), epochs * steps)
model.compile(OPTIMIZERS[winner.optimizer](cosine), "mse", steps_per_execution=steps)
history = model.fit(
    train,
    steps_per_epoch=steps,
    validation_data=validation,
    epochs=epochs,
    callbacks=lesson.callbacks(
        # so patient that it never stops: it keeps the best weights
        keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    ),
    verbose=0,
)

# %% [markdown]
# ## 6 Evaluate
# <!-- results: lesson-09-choices -->
# Validation MSE after 20 epochs, median of three trainings:
#
# - learning rate: a third of our choice 0.3294, our choice 0.2895, three times as much 0.2872
# - schedule: constant 0.2895, the others 0.2895 to 0.2984
# - batch size: 32 0.2895, 512 0.3718, 512 with the learning rate scaled 0.3190, growing from 8 to
#   128 0.2754
# - shape: one layer of 500 units 0.3210, two to six narrower layers 0.2855 to 0.2954
# <!-- end -->
#
# Schedules pay where the steps are large at first; these were not.
#
# Only now the test set. The lowest validation loss of many trials is a little too good, for it was
# chosen among many, and so is that of the best of many epochs. The test loss is honest.

# %%
test = model.evaluate(test_features, test_values, batch_size=1000, verbose=0)
val = min(history.history["val_loss"])
name = "the winner" if "search" in lesson.parts else "a usual network"
print(
    f"{name}: validation MSE {val:.4f}, test MSE {test:.4f}; "
    f"always guessing the mean: {np.mean((test_values - train_values.mean()) ** 2):.4f}"
)

# %% [markdown]
# ## 7 Predict
# Points on the dashed line are exact. The census wrote 500,001 dollars for all values above
# 500,000: that is the column of points at 5.

# %%
predicted = model.predict(test_features, batch_size=1000, verbose=0)[:, 0]
figure = plots.prediction_versus_truth(test_values, predicted, "house value", "100,000 dollars")
lesson.save_figure("predictions", figure)
units = {"loss": "mean squared error [(100,000 dollars)²]"}
lesson.finish(model, history, units=units, test_mse=test, val_mse=val, **measured)

# %% [markdown]
# ## Exercises
# 1. Does the best rate move with the batch? Run the range test with `--batch-size 8` and
#    `--batch-size 512`.
# 2. Twice as many trials: is the winner better on the test set, or only on the validation set?
# 3. Does depth pay after three times as many epochs, `--parts range shapes --epochs 60`?
#
# Solutions: notes/solutions/09_tuning.md
