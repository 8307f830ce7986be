# %% [markdown]
"""
# 09 Tuning: who chooses what training does not learn?

Training finds the weights. You choose the rest beforehand: the learning rate, the optimizer, how
many layers and how wide. These are the *hyperparameters*. In this lesson you let a program choose
them: it trains many networks and compares them on the validation set. The winner is trained longer
and tested once.

A. Géron's book "Hands-On Machine Learning" reports a test error of 0.3029 for a random search on
the same data: the mean squared error (MSE), with house values in units of 100,000 dollars.

Expect: test MSE 0.260 (0.251 to 0.264), median and range of three seeds.

    python 09_tuning.py
    python 09_tuning.py --trials 60
"""

# %%
from common.lesson import Flag, Lesson

lesson = Lesson(
    __doc__, epochs=20, batch_size=32, trials=Flag(30, "networks that the random search tries")
)

import contextlib
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
from common.errors import fail

warnings.filterwarnings("ignore", "All-NaN axis")  # from Keras Tuner, where training diverges

# %% [markdown]
# ## 1 Load
# The data set of lesson 08: 20,640 districts of California. From eight numbers, such as the median
# income and the location, we predict the median value of the houses.

# %%
districts = lesson.load("california_housing")

# %% [markdown]
# ## 2 Prepare
# The columns count all rooms and bedrooms of a district; we turn them into numbers per household.
# (The population stays as well.) A quarter of the rows is the test set, and a quarter of the rest
# is the validation set. That leaves 11,610 rows for training: 363 batches of 32, so 363 steps per
# epoch.

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
train = lesson.batches(train_features, train_values, repeat=True)  # without end: faster
steps = math.ceil(len(train_values) / lesson.batch_size)  # in an epoch
validation = lesson.batches(val_features, val_values, len(val_values), shuffle=False)  # one batch
mean, variance = train_features.mean(axis=0), train_features.var(axis=0)  # once, for all networks


# %% [markdown]
# ## 3 Define
# The network is a plain chain of layers, but three things about it are left open: its depth (number
# of hidden layers), its width (units in each), and the dropout rate (lesson 04).


# %%
def build_model(depth, width, dropout):
    """Build a network with `depth` hidden layers of `width` units."""
    keras.utils.clear_session()  # frees what earlier models have left
    keras.utils.set_random_seed(lesson.seed)
    model = keras.Sequential([
        keras.Input((8,)),
        layers.Normalization(mean=mean, variance=variance),
    ])
    for _ in range(depth):
        model.add(layers.Dense(width, activation="relu"))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1))
    return model


# %% [markdown]
# ## 4 Compile
# Two more choices are made when the model is compiled: the optimizer and its learning rate. Adam,
# RMSprop, Nadam and SGD with momentum are described in notes/optimizers.md; all of them move the
# weights against the gradient, in steps of different sizes. Together with the three choices above
# we have five hyperparameters. The loss is the mean squared error (lesson 03).
#
# *Keras Tuner*, a package of its own, searches among them. You write a function that gets an object
# `hp` and returns a compiled model. Wherever you would write a fixed number, you ask `hp` for one
# and give it a name and the values that are allowed:
#
# - `hp.Int("layers", 1, 4)` is a whole number from 1 to 4
# - `hp.Choice("dropout", [0.0, 0.1, 0.2])` is one of these three
# - `hp.Float("rate", 1e-4, 3e-2, sampling="log")` is any number from 0.0001 to 0.03
#
# Why `sampling="log"`? For a learning rate the factor counts, not the difference: going from 0.0001
# to 0.001 changes as much as going from 0.001 to 0.01. Drawn evenly, nine of ten learning rates
# would lie above 0.003; on a logarithmic scale each factor of ten is equally likely.

# %%
OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "nadam": keras.optimizers.Nadam,
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
}


def build(hp):
    """Build and compile the network of a trial."""
    depth = hp.Int("layers", 1, 4)
    width = hp.Int("units", 16, 256, sampling="log")  # as many below 64 as above
    model = build_model(depth, width, hp.Choice("dropout", [0.0, 0.1, 0.2]))
    optimizer = OPTIMIZERS[hp.Choice("optimizer", list(OPTIMIZERS))]
    learning_rate = hp.Float("rate", 1e-4, 3e-2, sampling="log")
    # steps_per_execution: a whole epoch in one call, which is faster
    model.compile(optimizer(learning_rate), "mse", steps_per_execution=steps)
    model.optimizer.build(model.trainable_variables)  # so that Hyperband can restore its state
    return model


# %% [markdown]
# ## 5 Fit
# How should we search? A *grid search* tries every combination: with ten values for each of five
# hyperparameters that is 100,000 networks, and still only ten different learning rates. *Random
# search* draws all five anew for each network, which is called a *trial*. 30 trials try 30
# different learning rates. That is better if one or two hyperparameters matter much more than the
# others, and usually they do. With Keras Tuner, all of it is:
#
#     tuner = keras_tuner.RandomSearch(build, objective="val_loss", max_trials=30)
#     tuner.search(x, y, validation_data=(x_val, y_val), epochs=20)
#     best = tuner.get_best_hyperparameters()[0]
#
# Random search spends as much time on a hopeless network as on a good one. *Hyperband* stops the
# worst early and lets about one of `factor=3` go on. With at most 20 epochs, it plays three rounds:
#
# 1. 12 networks train for 3 epochs; the best 4 go on to epoch 7, the best 2 of these to epoch 20.
# 2. 6 networks train for 7 epochs; the best 2 go on to epoch 20.
# 3. 4 networks train for 20 epochs.
#
# Why not the first round only? A network that learns slowly at first, but well in the end, would be
# dropped every time; the later rounds are more patient. In all, Hyperband trains for 226 epochs,
# 30 trials of random search for 600.
#
# A trial is judged by the lowest validation loss of its epochs. The function `search` below calls a
# tuner as shown above, and then collects its trials in a table. Most of its lines are about
# accidents: Keras Tuner writes every trial to a folder, so that a search that was stopped can go
# on, and a trial whose training diverges does not end the search.


# %%
def search(name, new_tuner, **options):
    """Let a tuner search; return a table with a row per trial."""
    print(f"\n{name} search")
    options |= {
        "hypermodel": build,
        "objective": "val_loss",
        "seed": lesson.seed,
        "max_consecutive_failed_trials": 1000,  # where training diverges, the search goes on
        "directory": ".",
        "project_name": name.lower(),
    }
    clock = lesson.training(f"search-{name}").timer  # for the seconds in the record
    same_orders = keras.callbacks.LambdaCallback(  # of batches, so that trials can be compared
        on_train_begin=lambda logs: setattr(lesson.run.counter, "epoch", 0)
    )
    with contextlib.chdir(lesson.folder):  # in a longer path, it would take [ or * for a pattern
        try:
            tuner = new_tuner(**options)  # goes on with the trials that are in its folder
        except json.JSONDecodeError:
            print(
                f"note: a file of the {name} search was cut short when it stopped; it begins anew"
            )
            tuner = new_tuner(**options, overwrite=True)
        clock.start()
        tuner.search(
            train,
            steps_per_epoch=steps,
            validation_data=validation,
            epochs=lesson.epochs,
            callbacks=[same_orders],
            verbose=0,
        )
        clock.stop()
    rows = []
    for trial in (tuner.oracle.trials[number] for number in tuner.oracle.start_order):
        if trial.score is None or not math.isfinite(trial.score):  # the learning rate was too large
            continue
        chosen = trial.hyperparameters.values  # those with a "/" in their names are Hyperband's own
        epochs = chosen.get("tuner/epochs", lesson.epochs) - chosen.get("tuner/initial_epoch", 0)
        chosen = {key: chosen[key] for key in chosen if "/" not in key}
        rows.append({"search": name, "val_mse": trial.score, "epochs": epochs, **chosen})
    return pd.DataFrame(rows)


# %% [markdown]
# Both searches begin with the same networks, because they have the same seed. In the table, a
# network that Hyperband continues has a new row, with the epochs that were added.

# %%
random_trials = search("random", keras_tuner.RandomSearch, max_trials=lesson.trials)
hyperband_trials = search("Hyperband", keras_tuner.Hyperband, max_epochs=lesson.epochs, factor=3)
trials = pd.concat([random_trials, hyperband_trials])
if trials.empty:
    fail("no trial ended with a finite validation loss; see above why, or give another --seed")
lesson.save_table("trials", trials.sort_values("val_mse").round(5).head(10))

figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for name, group in trials.groupby("optimizer"):
    axes[0].scatter(group.rate, group.val_mse, label=name)
axes[0].set(xscale="log", xlabel="learning rate", ylabel="validation MSE", ylim=(0.2, 0.7))
axes[0].legend(title="optimizer")
for name, group in trials.groupby("search"):
    lowest = group.val_mse.cummin()
    axes[1].plot(group.epochs.cumsum(), lowest, drawstyle="steps-post", label=name)
axes[1].set(xlabel="epochs trained so far", ylabel="lowest validation MSE", ylim=(0.2, 0.7))
axes[1].legend(title="search")
lesson.save_figure("trials", figure)

# %% [markdown]
# In the left figure each point is a trial. The best ones lie in the middle of the learning rates,
# and SGD with momentum needs larger ones than the others. A good learning rate is not enough,
# though: at almost the same rate one trial can be much worse than another, because of its other
# hyperparameters. The right figure shows what the searches cost: how many epochs each needed to
# find its best network.
#
# 20 epochs were enough to compare. Now the winner is trained from the start, five times as long.
# Its learning rate falls to 0 along a cosine (lesson 16 compares such *schedules*), and
# `restore_best_weights` returns to the epoch with the lowest validation loss.

# %%
winner = trials.sort_values("val_mse").iloc[0]
epochs = 5 * lesson.epochs
model = build_model(int(winner.layers), int(winner.units), float(winner.dropout))
cosine = keras.optimizers.schedules.CosineDecay(float(winner.rate), epochs * steps)
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
# <!-- results: lesson-09-winners -->
# The winners of three seeds:
#
# - seed 42: 193,789 parameters, validation MSE 0.2473, test MSE 0.2638
# - seed 43: 89,871 parameters, validation MSE 0.2601, test MSE 0.2510
# - seed 44: 34,011 parameters, validation MSE 0.2666, test MSE 0.2599
# <!-- end -->
#
# The winners differ in size by a factor of more than five, and yet their errors are close: quite
# different networks are about equally good.
#
# Why do we still need the test set, if no network was trained on the validation set? Because we
# have chosen by it: the lowest of many validation losses belongs to a good network that was also
# lucky, so it is a little too low. Compare the last two columns of numbers: with seed 42 the test
# MSE is higher than the validation MSE, as expected. With the other two seeds it is lower. Each
# seed splits the rows anew, and the test rows happened to be easier there; that luck can be larger
# than what we are looking for. Only rows that decided nothing give an honest estimate.

# %%
test = model.evaluate(test_features, test_values, batch_size=1000, verbose=0)
val = min(history.history["val_loss"])
print(f"the winner: validation MSE {val:.4f}, test MSE {test:.4f}")
guess = np.mean((test_values - train_values.mean()) ** 2)
print(f"always predicting the mean: test MSE {guess:.4f}")

# %% [markdown]
# ## 7 Predict
# Each point is a district of the test set; on the dashed line a prediction is exact. The column of
# points at 5 has a simple reason: the census wrote 500,001 dollars for every value above 500,000.

# %%
predicted = model.predict(test_features, batch_size=1000, verbose=0)[:, 0]
figure = plots.prediction_versus_truth(test_values, predicted, "house value", "100,000 dollars")
lesson.save_figure("predictions", figure)
units = {"loss": "mean squared error [(100,000 dollars)²]"}
lesson.finish(model, history, units=units, test_mse=test, val_mse=val)

# %% [markdown]
# ## Remember
# - Hyperparameters are what you choose before training. Choose by validation data, test once.
# - Random search beats a grid; draw learning rates and widths on a logarithmic scale.
# - Hyperband gives up early on bad networks, and so needs fewer epochs.
#
# On your own data, try first: Adam, two hidden layers, and the learning rate of lesson 16. Let a
# program search only if the last few percent matter.

# %% [markdown]
# ## Exercises
# 1. Try twice as many networks: `--trials 60`. Is the winner better on the test set, or only on the
#    validation set?
# 2. Give every trial a quarter of the epochs: `--epochs 5`. Does another learning rate win, and
#    why?
# 3. Search with another seed: `--seed 43`. Is the same network the winner?
#
# Solutions: notes/solutions/09_tuning.md
