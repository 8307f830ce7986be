# %% [markdown]
"""
# 20 Depth and width: should a network be deep or wide?

The number of hidden layers is a network's *depth*, the number of units in each its *width*. You
have a *budget*: a number of parameters that your network may have. Do you spend it on one wide
hidden layer, or on several narrower ones? In theory one layer is always enough. In this lesson you
see why more layers can help all the same, and compare networks of one to six hidden layers fairly:
with equal budgets, over several seeds.

Expect: median validation MSE: one wide layer 0.321, two 0.287, six 0.285.

    python 20_depth_and_width.py
    python 20_depth_and_width.py --budget 10000
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=20,
    batch_size=32,
    learning_rate=0.001,
    budget=Flag(5000, "give each network about N parameters", at_most=1_000_000),
    depths=Flag([1, 2, 3, 4, 6], "how many hidden layers, one network each", at_least=1),
    repeats=Flag(3, "train each network with N seeds, and compare medians", sample=1),
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
# The data set of lesson 16: 20,640 districts of California. From eight numbers, such as the median
# income, we predict the median value of the houses.

# %%
districts = lesson.load("california_housing")

# %% [markdown]
# ## 2 Prepare
# As in lesson 16, we divide rooms, bedrooms and people by the number of households, and house
# values by 100,000 dollars. The validation set decides between the networks.

# %%
features = districts.drop(columns="median_house_value")
for column in ("total_rooms", "total_bedrooms", "population"):
    features[f"{column}_each"] = features[column] / features.households
features = features.drop(columns=["total_rooms", "total_bedrooms", "households"])
columns = list(features)
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
# **Why one layer is enough.** The *universal approximation theorem* (lesson 00) says: on a bounded
# range of inputs, a network with one hidden layer comes as close as you like to any continuous
# function, provided that the layer is wide enough. But the theorem says neither how many units are
# enough, nor that training finds their weights.
#
# **Why more layers can help.** Each layer builds on what the one before has computed. If one unit
# has learned "near the coast" and another "high income", a unit of the next layer can combine the
# two, and other units can use the same two again. Within a single layer no unit can use the output
# of another.
#
# Here is an extreme example. The function t(x) = 2·relu(x) - 4·relu(x - ½) needs two units, whose
# outputs the next layer adds with the weights 2 and -4. Between 0 and 1 it rises to 1 and falls
# back to 0: it folds its input in the middle. Apply it twice, and the second layer folds what the
# first has folded. Each layer of two units doubles the number of straight pieces, so ten layers, 20
# units, give 1,024 of them. A single layer needs 1,024 units for that.

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained", sharey=True)
x = folded = np.linspace(0, 1, 1001)
for depth, panel in enumerate(axes, start=1):
    folded = 2 * np.maximum(folded, 0) - 4 * np.maximum(folded - 0.5, 0)  # maximum(x, 0): relu
    panel.plot(x, folded)
    panel.set(title=f"layers: {depth}, pieces: {2**depth}", xlabel="input")
axes[0].set(ylabel="output")
lesson.save_figure("folds", figure)

# %% [markdown]
# That shows what deep networks *can* compute, with weights chosen by hand. Only a comparison can
# tell whether training finds such weights.
#
# For a fair one, all networks get the same budget. A dense layer with n inputs and w units has n·w
# weights and w biases. So with 8 inputs, L hidden layers of w units and one output, there are
#
#     first layer         8·w + w
#     L - 1 more layers   (L - 1)·(w·w + w)
#     output              w + 1
#     in all              (L - 1)·w² + (L + 9)·w + 1
#
# With one hidden layer the number grows in proportion to w, with several about as w². That is why
# deep networks are narrow: 5,000 parameters make one layer of 500 units, or two layers of 65.
# `width_of` sets the formula equal to the budget and solves for w.


# %%
def width_of(depth, budget):
    """Return how many units each of `depth` hidden layers has, to come close to a budget."""
    solutions = np.roots([
        depth - 1,
        depth + 9,
        1 - budget,
    ])  # coefficients of w² and w, constant term
    return max(1, round(max(solutions)))  # the positive one


def build_model(depth, width, seed):
    """Build a network; the same shape and seed give the same initial weights."""
    keras.utils.clear_session()  # frees what earlier models have left
    keras.utils.set_random_seed(seed)
    return keras.Sequential([
        keras.Input((8,)),
        layers.Normalization(mean=mean, variance=variance),
        *[layers.Dense(width, activation="relu") for _ in range(depth)],
        layers.Dense(1),
    ])


# %% [markdown]
# ## 4 Compile
# All networks get the same optimizer, Adam with the learning rate that lesson 16 found for two
# hidden layers.
#
# ## 5 Fit
# As in lesson 16 we train each network with three seeds, for the same number of epochs, and compare
# the medians of the last validation losses. A difference smaller than the difference between seeds
# may be luck.

# %%
steps = math.ceil(len(train_values) / lesson.batch_size)
rows, curves, ends, kept = [], {}, {}, {}
for depth in dict.fromkeys(lesson.depths):  # each once
    width, runs = width_of(depth, lesson.budget), []
    name = f"{depth} x {width}"
    for seed in range(lesson.seed, lesson.seed + lesson.repeats):
        model = build_model(depth, width, seed)
        optimizer = keras.optimizers.Adam(lesson.learning_rate)
        model.compile(optimizer, "mse", steps_per_execution=steps)  # a whole epoch per call: faster
        history = model.fit(
            lesson.batches(train_features, train_values, seed=seed, repeat=True),
            steps_per_epoch=steps,
            validation_data=validation,
            epochs=lesson.epochs,
            # a name for each training, so that its checkpoint does not replace another's
            callbacks=lesson.callbacks(training=f"{name} {seed}", seed=seed, progress=False),
            verbose=0,
        )
        runs.append(history.history)
        kept.setdefault(name, (model, history))  # keeps only the model of the first seed
    curves[name] = {key: np.median([run[key] for run in runs], axis=0) for key in runs[0]}
    ends[name] = [run["val_loss"][-1] for run in runs]
    rows.append({
        "layers": depth,
        "units": width,
        # `count_params()` would add the means and variances of `Normalization`
        "parameters": sum(math.prod(weights.shape) for weights in model.trainable_weights),
        "train_mse": curves[name]["loss"][-1],
        "val_mse": np.median(ends[name]),
        "lowest": min(ends[name]),
        "highest": max(ends[name]),
    })
    print(f"{name}: validation MSE {rows[-1]['val_mse']:.4f}")

# %% [markdown]
# ## 6 Evaluate
# The figure `shapes` shows each training as a point, and `curves` the losses during training.

# %%
lesson.save_table("shapes", pd.DataFrame(rows).round(4))
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, losses in ends.items():
    axes.plot([name] * len(losses), losses, "o", color="tab:blue", alpha=0.6)
axes.plot(list(ends), [np.median(losses) for losses in ends.values()], color="gray", label="median")
axes.set(xlabel="hidden layers x units", ylabel="validation MSE")
axes.set(title=f"networks of about {lesson.budget:,} parameters, a point for each seed")
axes.legend()
lesson.save_figure("shapes", figure)
title = f"depth against width, about {lesson.budget:,} parameters each"
lesson.save_figure("curves", plots.compare_models(curves, "loss", title))

# %% [markdown]
# Validation MSE, median and range of three seeds. The second half of the table comes from `--budget
# 10000`.
#
# <!-- results: lesson-20-shapes -->
# | 5,000 parameters | validation MSE         | 10,000 parameters | validation MSE         |
# | ---------------- | ---------------------- | ----------------- | ---------------------- |
# | 1 x 500          | 0.321 (0.318 to 0.348) | 1 x 1000          | 0.320 (0.314 to 0.348) |
# | 2 x 65           | 0.287 (0.279 to 0.292) | 2 x 95            | 0.287 (0.279 to 0.289) |
# | 3 x 47           | 0.287 (0.282 to 0.289) | 3 x 68            | 0.282 (0.280 to 0.285) |
# | 4 x 39           | 0.295 (0.284 to 0.304) | 4 x 56            | 0.286 (0.280 to 0.286) |
# | 6 x 30           | 0.285 (0.285 to 0.290) | 6 x 43            | 0.282 (0.281 to 0.290) |
# <!-- end -->
#
# - *One layer is worse than two.* The ranges do not even overlap. Is it overfitting? No: in the
#   figure `curves` the training loss of the wide layer is the highest, too.
# - *More width does not make up for that.* With 1,000 units instead of 500 it has twice as many
#   parameters as `2 x 65` and is still worse.
# - *More than two layers make no clear difference.* The medians of two to six layers differ by at
#   most 0.01, about as much as three seeds of one network.
#
# So the theorem is of little help here: a single layer that does better may exist, but in 20 epochs
# training did not find it. And depth pays off only once: with the second layer. That is common for
# tables, in which few steps lead from the inputs to the answer. For images, networks of dozens of
# layers win: edges make strokes, strokes make parts, and parts make things.
#
# Depth also has a price. On the way back, every layer multiplies the gradient. Over many layers it
# can shrink to almost nothing (the *vanishing gradient*): the first layers hardly learn, and even
# the training loss stays high. Batch normalization (lesson 04) and skip connections (lesson 08)
# help against that. Exercise 3 does without them.
#
# The program takes the network with the lowest median and, only now, uses the test set. In
# practice, take the shallowest of those that do equally well.

# %%
best = min(ends, key=lambda name: np.median(ends[name]))
model, history = kept[best]
test = model.evaluate(test_features, test_values, batch_size=1000, verbose=0)
val = history.history["val_loss"][-1]
print(f"lowest median: {best}; with seed {lesson.seed} test MSE {test:.4f}")

# %% [markdown]
# ## 7 Predict
# What have the networks learned? We take a typical district, whose eight numbers are the medians of
# the training rows, and change only its median income.

# %%
incomes = np.linspace(0.5, 12, 200, dtype="float32")  # in units of 10,000 dollars
typical = np.tile(np.median(train_features, axis=0), (len(incomes), 1))
typical[:, columns.index("median_income")] = incomes
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, (shape, _) in kept.items():
    axes.plot(10 * incomes, shape.predict(typical, batch_size=200, verbose=0)[:, 0], label=name)
axes.set(xlabel="median income [1,000 dollars]", ylabel="predicted value [100,000 dollars]")
axes.set(title="a typical district, if its people earned more or less")
axes.legend(title="layers x units")
lesson.save_figure("incomes", figure)
units = {"loss": "mean squared error [(100,000 dollars)²]"}
lesson.finish(
    model, history, units=units, training=f"{best} {lesson.seed}", test_mse=test, val_mse=val
)

# %% [markdown]
# Half of the districts have a median income between 26,000 and 47,000 dollars, and there the curves
# are close together. Above 80,000 there are few, and each network goes its own way: where there is
# nothing to learn from, a network's answer depends on its shape and on chance.
#
# ## Remember
# - In theory one hidden layer is enough if it is wide enough. Here, a second layer got more out of
#   the same number of parameters, and the gain from further layers was too small to tell from luck.
# - A layer of w units with n inputs has n·w + w parameters. Between two layers of width w
#   there are w² weights, so at a fixed budget deep networks are narrow.
# - Compare networks with equal budgets and over several seeds; otherwise you are comparing size and
#   luck.
#
# On your own table of numbers, try first: two hidden layers of 64 units. Then see whether twice the
# width, or one more layer, lowers the validation loss by more than the difference between seeds.

# %% [markdown]
# ## Exercises
# 1. How wide are three hidden layers with 20,000 parameters? Solve the formula by hand, then check
#    with `--budget 20000 --depths 3 --epochs 1`.
# 2. Was the comparison fair to the wide layer? Perhaps it needs larger steps, or more of them: try
#    `--depths 1 2` with `--learning-rate 0.003`, and with `--epochs 60`.
# 3. How deep can a network be without batch normalization and skip connections? Try `--depths 10 20
#    40`, and look at the training loss, too.
#
# Solutions: notes/solutions/20_depth_and_width.md
