# %% [markdown]
"""
# 09 Tuning: how do you choose what training does not learn?

Training finds the weights. You choose the rest beforehand: the learning rate, the optimizer, how
many layers and how wide. These are the *hyperparameters*. In this lesson you let a program choose
them: it trains many networks and compares them on the validation set. The winner is trained longer
and tested once.

On the same data, a random search in A. Géron's book "Hands-On Machine Learning" ends with a test
MSE (mean squared error) of 0.3029.

Expect: test MSE 0.260 (0.251 to 0.264), median and range of three seeds.
Takes: about 8 minutes on two CPU cores, at full length.

    python 09_tuning.py
    python 09_tuning.py --trials 60
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=Flag(20, sample=8),  # 8 on the built-in sample, which is small
    batch_size=32,
    trials=Flag(30, "networks that the random search tries", sample=10),
)

import math

import keras
import keras_tuner
import numpy as np
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots
from tuning.searches import search_callbacks, search_folder, trial_table, trials_figure

# %% [markdown]
# ## 1 Load
# The data set of lesson 08: 20,640 districts of California. We predict the median value of their
# houses, in units of 100,000 dollars.

# %%
districts = lesson.load("california_housing")

# %% [markdown]
# ## 2 Prepare
# As in lesson 08, we divide the numbers of rooms, bedrooms and people in a district by that of its
# households, and keep the population as well: eight features. A quarter of the rows is the test
# set, and a quarter of the rest is the validation set. That leaves 11,610 rows for training.

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
train = lesson.batches(train_features, train_values, repeat=True)  # endless, as in lesson 03
steps = math.ceil(len(train_values) / lesson.batch_size)  # 363 per epoch
validation = lesson.batches(val_features, val_values, len(val_values), shuffle=False)  # one batch
mean, variance = train_features.mean(axis=0), train_features.var(axis=0)  # for all networks


# %% [markdown]
# ## 3 Define
# The network is a plain chain of layers, but we leave three things open: its depth (the number of
# hidden layers), its width (the units in each), and the dropout rate (lesson 04).


# %%
def build_model(depth, width, dropout):
    """Build a network with `depth` hidden layers of `width` units."""
    keras.utils.clear_session()  # frees the memory of earlier models
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
# `compile` needs two more choices: an optimizer and its learning rate. The four candidates are
# Adam, two relatives of it (RMSprop and Nadam), and SGD with *momentum*, which keeps part of the
# last step (notes/optimizers.md). Together with the three above we have five hyperparameters.
#
# *Keras Tuner*, a separate package, searches for good values. You write a function that takes an
# object `hp` and returns a compiled model. Wherever you would write a fixed number, you ask `hp`
# for one, giving its name and the values that are allowed. The tuner calls the function once for
# each network, every time with other values in `hp`.
#
# Why `sampling="log"` below? For a learning rate the factor counts, not the difference. Drawn
# evenly between 0.0001 and 0.03, nine of ten would lie above 0.003. On a logarithmic scale there
# are as many between 0.0001 and 0.001 as between 0.001 and 0.01.

# %%
OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "nadam": keras.optimizers.Nadam,
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
}


def build(hp):
    """Build and compile a network with the hyperparameters that `hp` holds."""
    depth = hp.Int("layers", 1, 4)  # an integer from 1 to 4
    width = hp.Int("units", 16, 256, sampling="log")  # as many below 64 as above
    dropout = hp.Choice("dropout", [0.0, 0.1, 0.2])  # one of these three
    model = build_model(depth, width, dropout)
    optimizer = OPTIMIZERS[hp.Choice("optimizer", list(OPTIMIZERS))]
    learning_rate = hp.Float("rate", 1e-4, 3e-2, sampling="log")  # any number in between
    model.compile(optimizer(learning_rate), "mse", steps_per_execution=steps)  # as in lesson 01
    # Most optimizers keep averages of past gradients. This creates the variables for them, so
    # that Hyperband (below) can restore them when it continues training a network.
    model.optimizer.build(model.trainable_variables)
    return model


# %% [markdown]
# ## 5 Fit
# How should we search? A *grid search* tries every combination. With ten widths, ten learning
# rates, and all values of the other three, that is 10·10·4·3·4 = 4,800 networks, and still only ten
# different learning rates. *Random search* draws all five anew for each network. Training one such
# network is a *trial*. 30 trials try 30 different learning rates. That is better if one or two
# hyperparameters matter much more than the others, and usually they do.
#
# Random search spends as much time on a hopeless network as on a good one. *Hyperband* drops the
# worst early. It starts with 12 networks and trains each for 3 epochs. Only the best third goes on
# (`factor=3`, rounded up): 4 networks to epoch 7, and the best 2 of these to epoch 20. That would
# always drop a network that learns slowly at first, but well in the end. So Hyperband starts twice
# more, with fewer networks and a longer first round: 6 networks for 7 epochs, then 4 for 20. In all
# it trains for 226 epochs, while 30 trials of random search take 30·20 = 600.
#
# Both draw at random, whatever earlier trials have shown. *Bayesian optimization* learns from them
# which combination to try next. `keras_tuner.BayesianOptimization` is used like `RandomSearch`
# below.
#
# A trial is judged by the lowest validation loss of its epochs. With far too large a learning rate,
# training *diverges*: the loss grows from step to step until it is NaN. If that happens in the
# first epoch, the trial fails, and the search goes on with the next one.

# %%
options = {  # the same for both searches
    "hypermodel": build,
    "objective": "val_loss",
    "seed": lesson.seed,  # equal seeds: both searches draw the same first networks
    "max_consecutive_failed_trials": 1000,  # do not give up when trainings diverge
    "directory": ".",  # the current folder; see below
    "overwrite": not lesson.resume,  # start over, unless --resume continues an interrupted search
}
with search_folder(lesson):  # meanwhile, the folder of this run is the current folder
    tuners = {
        "random": keras_tuner.RandomSearch(
            max_trials=lesson.trials, project_name="random", **options
        ),
        "Hyperband": keras_tuner.Hyperband(
            max_epochs=lesson.epochs, factor=3, project_name="hyperband", **options
        ),
    }
    for name, tuner in tuners.items():
        print(f"{name} search ...")
        tuner.search(
            train,
            steps_per_epoch=steps,
            validation_data=validation,
            epochs=lesson.epochs,
            # our helper: every trial begins with the same order of the batches
            callbacks=search_callbacks(lesson, name),
            verbose=0,
        )

# %% [markdown]
# `build(tuner.get_best_hyperparameters()[0])` builds the winner of a search anew. We want to see
# all trials, so our helper `trial_table` lists them. A network that Hyperband continues has one row
# for each round.

# %%
trials = trial_table(tuners, lesson.epochs)
lesson.save_table("trials", trials.sort_values("val_mse").round(5).head(10))
lesson.save_figure("trials", trials_figure(trials))

# %% [markdown]
# In the left figure each point is a row of that table. The best trials have learning rates in the
# middle of the range. The right figure shows how many epochs each search needed to find its best
# network.
#
# 20 epochs were enough to compare, but not to get the most out of the winner. So we train it again
# from the start, five times as long. Its learning rate falls to 0 along half a cosine wave, with
# large steps first and small ones at the end (lesson 16), and `restore_best_weights` returns to the
# epoch with the lowest validation loss.

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
        # it never runs out of patience, and so only keeps the best weights
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
# have chosen by it. Throw 30 dice: the lowest will show 1, although a die shows 3.5 on average. The
# lowest of many validation losses, too, belongs to a network that is good and was lucky, so it is a
# little too low. Only rows that decided nothing give an honest estimate.
#
# With seed 42 the test MSE is indeed higher than the validation MSE; with the other two it is
# lower. Each seed splits the rows anew, and there the test rows happened to be easier.

# %%
test = model.evaluate(test_features, test_values, batch_size=1000, verbose=0)
val = min(history.history["val_loss"])
print(f"best network: validation MSE {val:.4f}, test MSE {test:.4f}")
guess = np.mean((test_values - train_values.mean()) ** 2)
print(f"always predicting the mean: test MSE {guess:.4f}")

# %% [markdown]
# ## 7 Predict
# Each point is a district of the test set; on the dashed line a prediction is exact. The column of
# points at 5 is there because the census wrote 500,001 dollars for every value above 500,000.

# %%
predicted = model.predict(test_features, batch_size=1000, verbose=0)[:, 0]
figure = plots.prediction_versus_truth(test_values, predicted, "house value", "100,000 dollars")
lesson.save_figure("predictions", figure)
units = {"loss": "mean squared error [(100,000 dollars)²]"}
lesson.finish(model, history, units=units, test_mse=test, val_mse=val)

# %% [markdown]
# ## Remember
# - Hyperparameters are what you choose before training. Choose by validation data, test once.
# - Random search usually beats a grid; draw learning rates and widths on a logarithmic scale.
# - Hyperband gives up early on bad networks, and so needs fewer epochs.
#
# On your own data, try first: Adam, two hidden layers, and the learning rates 0.0003, 0.001 and
# 0.003 (lesson 16 has a quicker test). Let a program search only if the last few percent matter.

# %% [markdown]
# ## Exercises
# 1. Try twice as many networks: `--trials 60`. Is the winner better on the test set, or only on the
#    validation set?
# 2. Give every trial a quarter of the epochs: `--epochs 5`. Does another learning rate win, and
#    why?
# 3. Search with another seed: `--seed 43`. Is the same network the winner?
#
# Solutions: notes/solutions/09_tuning.md
