# %% [markdown]
"""
# 03 Auto MPG: how far does this car go on a gallon?

Predict a number instead of a class: that is *regression*. From seven facts about a car, such as its
weight and horsepower, a network predicts its fuel economy in miles per gallon (MPG). The table has
only 398 cars, and small tables are common in practice. You will see how to stop training in time,
and how far to trust a score from few examples.

Our score is the *mean absolute error* (MAE): how far the predictions are off on average.

Expect: test error (MAE) 1.94 (1.60 to 2.40) MPG, median and range of 20 seeds.

    python 03_autompg_regression.py
    python 03_autompg_regression.py --hidden           # no hidden layer: a weighted sum
    python 03_autompg_regression.py --patience 1000    # train too long and watch
"""

# %%
from frame import Lesson

# `float`: `--learning-rate` takes a number. Without the flag, section 4 chooses one.
lesson = Lesson(
    __doc__, epochs=1000, batch_size=32, hidden=[64, 64], learning_rate=float, patience=10
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
# The data is a table with one row per car. The columns, apart from `mpg` and the car's name, are
# the *features*: what the network may use to predict `mpg`, the *target*.
#
# A few values of horsepower are missing; pandas shows them as NaN, *not a number*. Whatever is
# computed with a NaN is NaN: the prediction, the loss, the gradient, and after one step all
# weights. So we drop those rows.

# %%
cars = lesson.load("auto_mpg")
summary = cars.drop(columns="car_name").describe().loc[["count", "mean", "std", "min", "max"]]
print(summary.round(1).to_string())
unknown = cars.horsepower.isna()
cars = cars[~unknown]  # ~ is "not"
print(f"dropped {unknown.sum()} cars with unknown horsepower; {len(cars)} are left")

# %% [markdown]
# ## 2 Prepare
# `origin` is 1 (USA), 2 (Europe) or 3 (Japan), but these are names, not amounts: Japan is not three
# times the USA. So we *one-hot encode* it, as three columns of which one is 1 and the others are 0.
# The seven features become nine columns.
#
# A fifth of the cars becomes the test set, and a fifth of the rest the validation set.

# %%
features = cars.drop(columns=["mpg", "car_name", "origin"])
for number, name in enumerate(["USA", "Europe", "Japan"], 1):
    features[name] = cars.origin == number
features, mpg = features.astype("float32"), cars.mpg.to_numpy("float32")

train_features, test_features, train_mpg, test_mpg = train_test_split(
    features, mpg, test_size=0.2, random_state=lesson.seed
)
train_features, val_features, train_mpg, val_mpg = train_test_split(
    train_features, train_mpg, test_size=0.2, random_state=lesson.seed
)
# For speed only: with so few rows, starting a new pass takes longer than the pass itself. So one
# pass goes on forever (`repeat=True`), and `steps` will tell `fit` where an epoch ends.
# The validation cars are a single batch.
train = lesson.batches(train_features, train_mpg, repeat=True)
val = lesson.batches(val_features, val_mpg, len(val_mpg), shuffle=False)
steps = math.ceil(len(train_mpg) / lesson.batch_size)

shown = train_features[["displacement", "weight", "horsepower"]].assign(mpg=train_mpg)
shown.columns = ["displacement [in³]", "weight [lb]", "power [hp]", "economy [MPG]"]
figure, axes = plt.subplots(4, 4, figsize=(8, 8), layout="constrained", dpi=100)
pd.plotting.scatter_matrix(shown, ax=axes, s=60, hist_kwds={"bins": 20})
lesson.save_figure("scatter_matrix", figure)

# %% [markdown]
# The scatter matrix plots each of four columns against the others, and on the diagonal a histogram
# of its values. The bottom row says: cars with a larger engine (displacement), more weight or more
# power go fewer miles per gallon. The points follow a curve, not a line, so a network with hidden
# layers has something to learn that a line misses.
#
# ## 3 Define
# A car weighs thousands of pounds but has at most eight cylinders. Suppose that two parameters grow
# by 0.001. The one that multiplies 3,000 pounds adds 3 to the sum. The one that multiplies 8
# cylinders adds only 0.008. So the same step is too large for one and too small for the other.
#
# *Normalization* puts all columns on the same scale: subtract the column's mean, divide by its
# standard deviation. With mean 3,000 and standard deviation 850, a car of 3,850 pounds becomes
# (3,850 - 3,000) / 850 = 1.
#
# The method `adapt` of the layer `Normalization` measures the mean and the variance (the square of
# the standard deviation) of each column, on the training rows only. If it saw the test rows,
# knowledge about them would leak into training: that is *data leakage*. The layer is saved with the
# model, so the model takes raw values.
#
# The last layer is a single neuron without activation, so that any number can come out.

# %%
normalization = layers.Normalization()
normalization.adapt(train_features.to_numpy())
model = keras.Sequential([keras.Input((train_features.shape[1],)), normalization])
for units in lesson.hidden:  # by default two layers of 64
    model.add(layers.Dense(units, activation="relu"))
model.add(layers.Dense(1))
model.summary()

# %% [markdown]
# The 19 numbers of `Normalization` are measured, not trained: 9 means, 9 variances and a count.
# `--hidden` without a number leaves one layer of 9 + 1 = 10 parameters: that is *linear
# regression*.
#
# ## 4 Compile
# Two ways to measure the error, for predictions that miss by 1 and by 5 MPG:
#
# - *Mean absolute error* (MAE): (1 + 5) / 2 = 3 MPG. Easy to read: we are off by 3 MPG on average.
# - *Mean squared error* (MSE): (1² + 5²) / 2 = 13 MPG². Large errors count most.
#
# We train on the MSE and read the MAE. The derivative of an error's square is twice the error, so a
# car that we miss by 5 MPG pulls the parameters five times as hard as one that we miss by 1.
#
# The optimizer `RMSprop` divides each derivative by its average size in recent steps, so a step
# changes a parameter by about the learning rate. The usual 0.001 suits the network, where thousands
# of parameters move at once and their small changes add up. In linear regression the bias alone
# must become the average MPG, about 23, because normalized features are 0 on average. At 0.001 per
# step that takes 23,000 steps, so we give it 0.1.

# %%
learning_rate = lesson.learning_rate or (0.001 if lesson.hidden else 0.1)
model.compile(
    optimizer=keras.optimizers.RMSprop(learning_rate),
    loss="mse",
    metrics=["mae", "mse"],  # `mse` repeats the loss under its own name in the history
    steps_per_execution=steps,  # all steps of an epoch before returning to Python
)

# %% [markdown]
# ## 5 Fit
# How long should we train? With 250 cars and almost 5,000 parameters the network can overfit. So we
# allow up to 1000 epochs, and `EarlyStopping` watches the validation loss. If it has not reached a
# new minimum for 10 epochs (its *patience*), training stops. `restore_best_weights` puts back the
# weights of the best epoch.

# %%
early_stopping = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=lesson.patience, restore_best_weights=True
)
history = model.fit(
    train,
    steps_per_epoch=steps,
    validation_data=val,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(early_stopping),
    verbose=0,
)
best_epoch = np.argmin(history.history["val_loss"]) + 1
print(f"trained for {len(history.epoch)} epochs, restored the weights of epoch {best_epoch}")

# %% [markdown]
# ## 6 Evaluate
# An error means little by itself. Our *baseline* predicts for every car the mean of the training
# cars.
#
# And what can 79 test cars tell? With other test cars the mean error would be a little different:
# by about s/√n, where s is the standard deviation of the absolute errors and n the number of cars.
# This is the *standard error* of a mean. We print it after ±: in about two cases out of three, the
# mean over very many cars lies within one standard error of ours.

# %%
test = model.evaluate(test_features, test_mpg, verbose=0, return_dict=True)
predicted_mpg = model.predict(test_features, verbose=0)[:, 0]  # the only column
errors = np.abs(predicted_mpg - test_mpg)
baseline = np.abs(train_mpg.mean() - test_mpg).mean()
uncertainty = errors.std() / math.sqrt(len(errors))
print(f"mean absolute error on {len(errors)} test cars: {test['mae']:.2f} ± {uncertainty:.2f} MPG")
print(f"baseline, always predicting the mean: {baseline:.2f} MPG")

# %% [markdown]
# The network is far better than the baseline. But had other cars been drawn for the test, the score
# would be different. So we let each seed draw its own split and initial weights:
#
# <!-- results: lesson-03-splits -->
# Over 20 seeds, each with its own split and initial weights, the median test error is 1.94 (1.60 to
# 2.40) MPG.
# <!-- end -->
#
# So a network that is 0.1 MPG better with one seed may be worse with the next. To compare two
# networks on little data, train both with several seeds.
#
# ## 7 Predict
# A car of your own is a table with one row and the same nine columns. Change the numbers of
# `own_car` below and run again (1 liter is 61 in³, 1 kg is 2.2 lb). The values are raw: the model
# normalizes them itself. Stay within what it has seen; for a car of 2020 it would *extrapolate*,
# and its answer would be a guess.

# %%
# `|=` adds entries to a dictionary.
own_car = {"cylinders": 4, "displacement": 97, "horsepower": 75, "weight": 2200}  # in³, hp, lb
own_car |= {"acceleration": 15, "model_year": 76}  # seconds from 0 to 60 mph; 76 is 1976
own_car |= {"USA": 0, "Europe": 1, "Japan": 0}
row = pd.DataFrame([own_car], dtype="float32")[features.columns]  # in the same order
print(f"your own car: {model.predict(row, verbose=0)[0, 0]:.1f} MPG")

names = cars.car_name[test_features.index]
for name, true, predicted in list(zip(names, test_mpg, predicted_mpg, strict=True))[:5]:
    print(f"{name:<30} true {true:4.1f} MPG, predicted {predicted:4.1f} MPG")
figure = plots.prediction_versus_truth(test_mpg, predicted_mpg, "fuel economy", "MPG")
lesson.save_figure("predictions", figure)
units = {"loss": "mean squared error [MPG²]", "mae": "mean absolute error [MPG]"}
lesson.finish(model, history, units=units, test_loss=test["loss"], test_mae=test["mae"])

# %% [markdown]
# In the figure `predictions`, points on the dashed line are exact. The histogram shows predicted
# minus true MPG. It should be centered at 0: otherwise the network would predict systematically too
# much or too little.
#
# `finish` also draws `loss.png`: both losses fall steeply, then become flat, and early stopping
# ends the training.
#
# ## Remember
# - Regression: one output neuron without activation; train on the MSE, read the MAE.
# - Normalize features with means and variances of the training rows only.
# - With little data, stop early, and never trust the score of a single split.
#
# On your own table, try first: linear regression, then two hidden layers of 64 with early stopping.

# %% [markdown]
# ## Exercises
# 1. How much worse is the network without hidden layers, and why?
# 2. Train for all 1000 epochs with `--patience 1000`. Where is the validation loss lowest, and does
#    the test error change?
# 3. Which column matters most? Shuffle one column at a time and see how much the error grows
#    (*permutation importance*).
#
# Solutions: notes/solutions/03_autompg_regression.md
