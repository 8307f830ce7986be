# %% [markdown]
"""
# 16 Learning rate: how large should a training step be?

The *learning rate* sets how far each training step moves the weights. Tune it before any other
hyperparameter: if it is wrong, no choice of layers helps. In this lesson you find a good one in
seconds, lower it during training with a *schedule*, and see how it depends on the batch size.

Expect: validation MSE 0.275 (0.268 to 0.278) with growing batches, median and range of three seeds.

    python 16_learning_rate.py
    python 16_learning_rate.py --parts range schedules --repeats 1
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=20,
    batch_size=32,
    parts=Flag(("range", "schedules", "batches"), "make only these comparisons"),
    repeats=Flag(3, "train each choice with N seeds, and compare medians", sample=1),
)

import math

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots

# %% [markdown]
# ## 1 Load
# The data set of lesson 08: 20,640 districts of California. We predict the median value of their
# houses.

# %%
districts = lesson.load("california_housing")

# %% [markdown]
# ## 2 Prepare
# We prepare the features as in lesson 08. A quarter of the rows is the test set, and a quarter of
# the rest is the validation set, on which this lesson compares its choices. 11,610 rows are left
# for training.

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
mean, variance = train_features.mean(axis=0), train_features.var(axis=0)

# %% [markdown]
# ## 3 Define
# A network with two hidden layers.


# %%
def build_model(seed):
    """Build the network; the same seed gives the same initial weights."""
    keras.utils.clear_session()  # frees what earlier models have left
    keras.utils.set_random_seed(seed)
    return keras.Sequential([
        keras.Input((8,)),
        layers.Normalization(mean=mean, variance=variance),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(1),
    ])


# %% [markdown]
# ## 4 Compile
# Gradient descent moves every weight w against g, the gradient of the loss with respect to w:
#
#     w = w - learning_rate * g
#
# How large should the learning rate be? Take the simplest loss, w², with the gradient 2w, and start
# at w = 1:
#
# - with 0.01, w becomes 0.98, 0.96, 0.94, ...: in the right direction, but slow
# - with 0.4, it becomes 0.2, 0.04, 0.008, ...: after a few steps we are there
# - with 1.1, it becomes -1.2, 1.44, -1.73, ...: each step overshoots the minimum at 0 and lands
#   further away than before. Training *diverges*.
#
# The optimizer Adam adapts the step to each weight, but its learning rate still sets the scale.
# Nobody can compute the best learning rate for thousands of weights, but we can test it.
#
# The *learning-rate range test* is one short training in which the learning rate grows with every
# step, here from 0.000001 to 10 in 500 steps. At first it is too small and the loss stays where it
# is, then the loss falls, and in the end training diverges. `train_on_batch` makes a single step
# with one batch and returns its loss. These losses are noisy, so we take the median of 25
# neighboring steps.
#
# Which learning rate do we take? The one at the lowest loss is nearly too large. A rule of thumb is
# a tenth of it: there the loss is still falling fast, at a safe distance from divergence.

# %%
best_rate = 0.001  # in case the range test is left out, as with `--parts schedules`
measured = {}
if "range" in lesson.parts:
    model = build_model(lesson.seed)
    model.compile("adam", "mse")
    random, losses = np.random.default_rng(lesson.seed), []
    rates = np.geomspace(1e-6, 10, 500)  # each is larger than the last by a fixed factor
    for rate in rates:
        rows = random.integers(len(train_values), size=lesson.batch_size)
        model.optimizer.learning_rate = rate
        model.reset_metrics()  # otherwise it would return the mean loss of all steps so far
        losses.append(float(model.train_on_batch(train_features[rows], train_values[rows])))
    smooth = pd.Series(losses).rolling(25, center=True, min_periods=1).median().to_numpy()
    lowest = rates[np.nanargmin(smooth)]  # a loss at large rates may be NaN
    best_rate = measured["rate_of_range_test"] = float(f"{lowest / 10:.1g}")  # one digit is enough
    print(f"range test: the loss is lowest at {lowest:.2g}; we take {best_rate:g}")
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    axes.plot(rates, losses, color="lightgray", label="loss of one step")
    axes.plot(rates, smooth, label="median of 25 steps")
    axes.axvline(best_rate, color="tab:red", linestyle="--", label=f"our choice: {best_rate:g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="mean squared error")
    axes.set(ylim=(0, 1.5 * smooth[0]), title="learning-rate range test")
    axes.legend()
    lesson.save_figure("range_test", figure)

# %% [markdown]
# ## 5 Fit
# Now we compare choices, for the same number of epochs. We train each choice with three seeds and
# compare the medians of their last validation losses.
#
# `train` below is an ordinary `compile` and `fit`, on endless batches (lesson 03). Given several
# batch sizes, it divides the epochs among them.


# %%
def train(name, seed, rate=best_rate, sizes=(lesson.batch_size,), callbacks=()):
    """Train a network, with one batch size after the other; return it and its history."""
    model = build_model(seed)
    optimizer = keras.optimizers.Adam(rate)
    for number, batch_size in enumerate(sizes):
        # The epochs of this size are `first` to `last` - 1, counted from 0.
        first, last = (round(n * lesson.epochs / len(sizes)) for n in (number, number + 1))
        if first == last:  # fewer epochs than batch sizes
            continue
        steps = math.ceil(len(train_values) / batch_size)
        model.compile(optimizer, "mse", steps_per_execution=steps)  # faster
        history = model.fit(
            lesson.batches(train_features, train_values, batch_size, seed=seed, repeat=True),
            steps_per_epoch=steps,
            validation_data=validation,
            initial_epoch=first,
            epochs=last,
            # `name` identifies this training's checkpoint, in case the run is interrupted
            callbacks=lesson.callbacks(*callbacks, training=name, seed=seed, progress=False),
            verbose=0,
        )
    return model, history.history  # of all sizes: our callbacks prepend the earlier epochs


tried = {}  # for each choice, its median loss and the arguments of `train`


def compare(part, title, choices):
    """Train each choice with every seed; print, plot and save the median of the losses."""
    print(f"\n{title}")
    rows, curves = [], {}
    for name, choice in choices.items():
        seeds = range(lesson.seed, lesson.seed + lesson.repeats)
        runs = [train(f"{part} {name} {seed}", seed, **choice)[1] for seed in seeds]
        curves[name] = {key: np.median([run[key] for run in runs], axis=0) for key in runs[0]}
        ends = [run["val_loss"][-1] for run in runs]
        median = np.median(ends)
        rows.append({"choice": name, "median": median, "lowest": min(ends), "highest": max(ends)})
        tried[f"{part}, {name}"] = median, choice
        print(f"  {name}: validation MSE {median:.4f}")
    lesson.save_table(part, pd.DataFrame(rows).round(4))
    lesson.save_figure(part, plots.compare_models(curves, "loss", title))


# %% [markdown]
# Was the range test right? We train with its choice and with smaller and larger learning rates.

# %%
if "range" in lesson.parts:
    factors = {"a tenth": 0.1, "a third": 1 / 3, "our choice": 1, "three times": 3, "ten times": 10}
    choices = {name: {"rate": factor * best_rate} for name, factor in factors.items()}
    compare("rates", "learning rates around the one chosen by the range test", choices)

# %% [markdown]
# Large steps approach the minimum fast, but then jump around it; small ones get closer. A
# *learning-rate schedule* starts with large steps and ends with small ones. It computes the
# learning rate from the number t of the step, out of T steps in all, and is passed to the optimizer
# in place of a number:
#
# - *step*: divide the learning rate by 10 after half of the training steps, and again after three
#   quarters
# - *cosine*: `best_rate` · (1 + cos(π t/T)) / 2, which falls smoothly to 0
# - *one cycle*: rise from a tenth of `best_rate` to all of it in 30% of the steps, then fall along
#   a cosine. The rise is called *warmup*. At first the weights are random and the gradients
#   unreliable, and small steps limit the harm.
#
# *Plateau* is a callback: it watches the validation loss and divides the learning rate by 3
# whenever two epochs in a row bring no improvement.

# %%
schedules = keras.optimizers.schedules
steps = lesson.epochs * math.ceil(len(train_values) / lesson.batch_size)  # in all epochs
if "schedules" in lesson.parts:
    step = schedules.PiecewiseConstantDecay(
        [steps // 2, steps * 3 // 4], [best_rate, best_rate / 10, best_rate / 100]
    )
    cosine = schedules.CosineDecay(best_rate, steps)
    one_cycle = schedules.CosineDecay(
        best_rate / 10, 0.7 * steps, warmup_target=best_rate, warmup_steps=0.3 * steps
    )
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", factor=1 / 3, patience=2)
    choices = {
        "constant": {},
        "step": {"rate": step},
        "cosine": {"rate": cosine},
        "one cycle": {"rate": one_cycle},
        "plateau": {"callbacks": [plateau]},
    }
    compare("schedules", f"schedules that start or peak at {best_rate:g}", choices)

# %% [markdown]
# The gradient of a batch is an estimate of the gradient over all training data. With four times the
# rows, its random error is half as large. But an epoch then has only a quarter of the steps: 363
# with 32 rows, 91 with 128. To get as far in fewer steps, raise the learning rate. With Adam the
# usual rule for four times the rows is √4 = 2 times the learning rate (notes/optimizers.md says
# why).
#
# Instead of lowering the learning rate at the end, you can also let the batches grow: that too
# makes the last steps less random.

# %%
if "batches" in lesson.parts:
    choices = {f"{size}": {"sizes": [size]} for size in (8, 32, 128, 512)}
    for size in (8, 128, 512):
        rate = best_rate * (size / lesson.batch_size) ** 0.5
        choices[f"{size} rate scaled"] = {"sizes": [size], "rate": rate}
    choices["8 then 32 then 128"] = {"sizes": [8, 32, 128]}
    compare("batches", f"batch sizes, at the rate {best_rate:g} or scaled", choices)

# %% [markdown]
# ## 6 Evaluate
# <!-- results: lesson-16-choices -->
# Validation MSE after 20 epochs, median of three trainings:
#
# - learning rate (our choice is 0.001): 0.369 for a tenth, 0.329 for a third, 0.289 for our choice,
#   0.287 for three times, 0.298 for ten times
# - schedule: 0.289 for constant, 0.296 for step, 0.295 for cosine, 0.298 for one cycle, 0.289 for
#   plateau
# - batch size: 0.284 for 8, 0.289 for 32, 0.321 for 128, 0.372 for 512, 0.293 for 8 rate scaled,
#   0.297 for 128 rate scaled, 0.319 for 512 rate scaled, 0.275 for 8 then 32 then 128
#
# The three trainings of a choice differ by 0.001 to 0.019, in most cases by less than 0.012.
# <!-- end -->
#
# - The range test works: its choice is clearly better than a third or a tenth of it, and about as
#   good as a rate three times as large.
# - No schedule beats the constant learning rate here. In the figure `schedules` the curves of step,
#   cosine and one cycle become flat: their steps got small too early.
# - Larger batches do worse after the same number of epochs, because they make fewer steps. A larger
#   learning rate makes up for part of that. Growing batches have the lowest median, but their lead
#   over batches of 8 is no larger than the differences between seeds.
#
# We train the choice with the lowest validation loss once more and, only now, use the test set.

# %%
best = min(tried, key=lambda name: tried[name][0])
_, choice = tried[best]
model, history = train("best", lesson.seed, **choice)
test = model.evaluate(test_features, test_values, batch_size=1000, verbose=0)
val = history["val_loss"][-1]
print(f"\nbest choice: {best}; validation MSE {val:.4f}, test MSE {test:.4f}")

# %% [markdown]
# ## 7 Predict
# In the figure `predictions`, each point is a district of the test set; on the dashed line a
# prediction is exact.

# %%
predicted = model.predict(test_features, batch_size=1000, verbose=0)[:, 0]
figure = plots.prediction_versus_truth(test_values, predicted, "house value", "100,000 dollars")
lesson.save_figure("predictions", figure)
units = {"loss": "mean squared error [(100,000 dollars)²]"}
lesson.finish(model, history, units=units, training="best", test_mse=test, val_mse=val, **measured)

# %% [markdown]
# ## Remember
# - Tune the learning rate first. Too small: training is slow. Too large: it diverges.
# - A range test finds a good learning rate in one short training: a tenth of the rate at which the
#   loss is lowest. If you change the batch size, look for a new one.
# - A schedule that lowers the learning rate must not do so too early: here, in 20 epochs, none beat
#   the constant rate. A longer training may need one (exercise 2).
#
# On your own table, try first: Adam with a learning rate of 0.001, batches of 32, two hidden
# layers. Then try three times more and three times less.

# %% [markdown]
# ## Exercises
# 1. Does the best learning rate depend on the batch size? Try `--parts range` with `--batch-size 8`
#    and with `--batch-size 512`.
# 2. Do schedules help in a longer training? Run `--parts schedules --epochs 60`.
# 3. Are larger batches still worse after as many steps? Run `--parts batches --epochs 80 --repeats
#    1`, and compare 128 rows after 80 epochs with 32 rows after 20.
#
# Solutions: notes/solutions/16_learning_rate.md
