# %% [markdown]
"""
# 03 Auto MPG: how far does this car go on a gallon?

We predict a number instead of a class: the fuel economy of cars of the years 1970 to 1982, in
miles per gallon (MPG), from seven facts about each. Only 398 cars: little data, so we must take
care not to train too long.

TensorFlow's tutorial reports a mean absolute error of 1.80 to 2.3 MPG.

Expect: test error (MAE) 1.94 (1.60 to 2.40) MPG, median and range of 20 seeds.

    python 03_autompg_regression.py
    python 03_autompg_regression.py --hidden           no hidden layer: linear regression
    python 03_autompg_regression.py --patience 1000    train too long and watch
"""

# %%
from common.lesson import Lesson

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
# One row a car. The table marks an unknown horsepower by a question mark; pandas reads it as NaN,
# *not a number*. We drop those rows, and say so.

# %%
cars = lesson.load("auto_mpg")
summary = cars.drop(columns="car_name").describe().loc[["count", "mean", "std", "min", "max"]]
print(summary.round(1).to_string())
unknown = cars.horsepower.isna()
cars = cars[~unknown]
print(f"dropped {unknown.sum()} cars of unknown horsepower, {len(cars)} are left")

# %% [markdown]
# ## 2 Prepare
# `origin` is 1, 2 or 3, but Europe is not twice the USA: it becomes three columns of 0 and 1,
# *one-hot*. A fifth of the cars is the test set. A fifth of the rest is held out for validation.
#
# The scatter matrix shows four columns in pairs. Heavy cars with large engines go less far.

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
shown = train_features[["displacement", "weight", "horsepower"]].assign(mpg=train_mpg)
shown.columns = ["displacement [in³]", "weight [lb]", "power [hp]", "economy [MPG]"]
figure, axes = plt.subplots(4, 4, figsize=(8, 8), layout="constrained", dpi=100)
pd.plotting.scatter_matrix(shown, ax=axes, s=60, hist_kwds={"bins": 20})
lesson.save_figure("scatter_matrix", figure)

# An epoch takes milliseconds. Endless batches, and all of the validation data in one, keep it so.
train = lesson.batches(train_features, train_mpg, repeat=True)
val = lesson.batches(val_features, val_mpg, len(val_mpg), shuffle=False)
steps = math.ceil(len(train_mpg) / lesson.batch_size)  # per epoch

# %% [markdown]
# ## 3 Define
# A car weighs thousands of pounds and has up to eight cylinders. `Normalization` learns the mean
# and the variance of each column, from the training rows only; it subtracts the mean and divides by
# the standard deviation, so that all columns count alike. It is saved with the model.
#
# The seven facts are nine columns now: 9·64 + 64 = 640 parameters, then 64·64 + 64 = 4,160, then
# 64 + 1 = 65. The last layer has no activation: any number can come out. The 19 numbers of
# `Normalization` are measured, not trained. With `--hidden` and no sizes there is one layer of
# 9 + 1 = 10 parameters: that is linear regression.

# %%
normalization = layers.Normalization()
normalization.adapt(train_features.to_numpy())
model = keras.Sequential([keras.Input((train_features.shape[1],)), normalization])
for units in lesson.hidden:
    model.add(layers.Dense(units, activation="relu"))
model.add(layers.Dense(1))
model.summary()

# %% [markdown]
# ## 4 Compile
# The loss is the mean squared error (mse): large errors count most. The mean absolute error (mae)
# is easier to read, as it is in MPG. As a metric, mse repeats a loss that has no other terms.
#
# The optimizer `RMSprop` moves a weight by about the *learning rate* per step. 0.001 suits the
# network, where many small changes add up. Linear regression has to move its one bias from 0 to
# about 23 MPG: that would be 23,000 steps, so it gets 0.1.

# %%
learning_rate = lesson.learning_rate or (0.001 if lesson.hidden else 0.1)
model.compile(
    optimizer=keras.optimizers.RMSprop(learning_rate),
    loss="mse",
    metrics=["mae", "mse"],
    steps_per_execution=steps,  # a whole epoch in one call: faster
)

# %% [markdown]
# ## 5 Fit
# Up to 1000 short epochs. `EarlyStopping` ends training when the validation loss has set no new low
# for 10 epochs, or as many as `--patience` says, and puts back the weights of the best one.

# %%
early_stopping = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=lesson.patience, restore_best_weights=True
)
history = model.fit(
    train,
    steps_per_epoch=steps,
    validation_data=val,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(early_stopping),  # with a progress bar over the epochs
    verbose=0,
)
print(
    f"trained {len(history.epoch)} epochs, kept the weights of epoch "
    f"{np.argmin(history.history['val_loss']) + 1}"
)

# %% [markdown]
# ## 6 Evaluate
# Compare with the error of always guessing the mean of the training cars.
#
# One score from 79 cars says little. Another seed gives another split and other starting weights:
#
# <!-- results: lesson-03-splits -->
# Over 20 seeds, each with its own split and initial weights, the median test error is 1.94 (1.60 to
# 2.40) MPG.
# <!-- end -->
#
# A network that looks 0.1 MPG better with one seed may be worse with the next: compare several.

# %%
test = model.evaluate(test_features, test_mpg, verbose=0, return_dict=True)
guess = np.abs(test_mpg - train_mpg.mean()).mean()
print(
    f"mean absolute error on {len(test_mpg)} test cars: {test['mae']:.2f} MPG; "
    f"of always guessing the mean: {guess:.2f} MPG"
)

# %% [markdown]
# ## 7 Predict
# Points on the dashed line are exact. The histogram shows the errors: most are within a few MPG,
# and they should lie on both sides of 0.

# %%
predicted_mpg = model.predict(test_features, verbose=0)[:, 0]
names = cars.car_name[test_features.index]
for name, truth, prediction in list(zip(names, test_mpg, predicted_mpg, strict=True))[:5]:
    print(f"{name:<30} true {truth:4.1f} MPG, predicted {prediction:4.1f} MPG")
figure = plots.prediction_versus_truth(test_mpg, predicted_mpg, "fuel economy", "MPG")
lesson.save_figure("predictions", figure)
squared = "mean squared error [MPG²]"
units = {"loss": squared, "mse": squared, "mae": "mean absolute error [MPG]"}
lesson.finish(model, history, units=units, test_loss=test["loss"], test_mae=test["mae"])

# %% [markdown]
# ## Exercises
# 1. How many parameters has the network without hidden layers, and how much worse is it?
# 2. Train for all 1000 epochs with `--patience 1000`. What do the two curves do?
# 3. Which column matters most? Shuffle one column at a time and see how much the error grows.
#
# Solutions: notes/solutions/03_autompg_regression.md
