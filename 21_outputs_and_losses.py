# %% [markdown]
"""
# 21 Outputs and losses: which last layer and which loss does my question need?

Is it a shoe? Which garment is it? What does a house cost here? The networks that answer such
questions are alike except for the last layer, the loss and the metric. You train a network for each
of seven questions. For most of them you also train one with a wrong last layer or loss, and see
that Keras often accepts it without a word.

Expect: test accuracy 0.845 (0.831 to 0.847) of `garment`, median and range of three seeds.

    python 21_outputs_and_losses.py
    python 21_outputs_and_losses.py --epochs 20
"""

# %%
from frame import Lesson, expect_error

lesson = Lesson(__doc__, epochs=10, batch_size=128)

import warnings

import keras
import numpy as np
from keras import layers, ops
from sklearn.model_selection import train_test_split

from losses.tables import score_table, threshold_table

# %% [markdown]
# ## 1 Load
# Two data sets that you know: the garments of lesson 01, for questions about classes, and the
# districts of California of lesson 08, for questions about numbers.

# %%
(images, labels), (test_images, test_labels) = lesson.load("fashion_mnist")
districts = lesson.load("california_housing")

# %% [markdown]
# ## 2 Prepare
# First the inputs, scaled. To save time, we train on only 10,000 of the images.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    images, labels, test_size=0.1, random_state=lesson.seed, stratify=labels
)
garments = {"train": train_images[:10_000], "val": val_images, "test": test_images}
garments = {part: x.reshape(len(x), -1) / np.float32(255) for part, x in garments.items()}

rest, test_rows = train_test_split(districts, test_size=0.2, random_state=lesson.seed)
train_rows, val_rows = train_test_split(rest, test_size=0.2, random_state=lesson.seed)
tables = {"train": train_rows, "val": val_rows, "test": test_rows}
features = ["longitude", "latitude", "housing_median_age", "total_rooms", "median_income"]
places = {part: table[features].to_numpy(copy=True) for part, table in tables.items()}
for x in places.values():
    x[:, 3] = np.log(x[:, 3])  # 2 to 39,320 rooms: a logarithm spreads out the small values
mean, deviation = places["train"].mean(axis=0), places["train"].std(axis=0)
places = {part: (x - mean) / deviation for part, x in places.items()}

# %% [markdown]
# Then the targets. Some questions are about the *attributes* of a garment: does it cover the upper
# body, is it a shoe, is it warm, has it a collar? Such a task is called *multi-label*: several
# labels may apply to an example, or none.

# %%
ATTRIBUTES = {  # and the classes of lesson 01 that have them
    "upper body": [0, 2, 3, 4, 6],
    "shoe": [5, 7, 9],
    "warm": [2, 4, 9],
    "collar": [4, 6],
}
# (10, 4): a row for each class, a column for each attribute; has[4], a coat, is 1, 0, 1, 1
has = np.array([np.isin(range(10), some) for some in ATTRIBUTES.values()], "float32").T
which = {"train": train_labels[:10_000], "val": val_labels, "test": test_labels}  # (n,): 0 to 9
one_hot = {part: np.eye(10, dtype="float32")[y] for part, y in which.items()}  # (n, 10)
several = {part: has[y] for part, y in which.items()}  # (n, 4): the attributes
shoe = {part: y[:, 1:2] for part, y in several.items()}  # (n, 1): only the second column

value, share, households = {}, {}, {}  # of districts, all (n, 1)
for part, table in tables.items():
    value[part] = table[["median_house_value"]].to_numpy() / 100_000  # in 100,000 dollars
    share[part] = table[["total_bedrooms"]].to_numpy() / table[["total_rooms"]].to_numpy()
    households[part] = table[["households"]].to_numpy()

# %% [markdown]
# ## 3 Define
# All networks have the same two hidden layers. The last layer must be able to produce every valid
# answer and, ideally, no invalid one.


# %%
def build(inputs, units, activation):
    """Build a network for `inputs`; the number of units and the activation are the last layer's."""
    keras.utils.set_random_seed(lesson.seed)  # the hidden layers start with the same weights
    return keras.Sequential([
        keras.Input(inputs["train"].shape[1:]),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(units, activation=activation),
    ])


# %% [markdown]
# ## 4 Compile
# The loss must fit what the output means: separate probabilities, probabilities that sum to 1, or
# plain numbers. It must also fit the targets: a class is a *one-hot* row, such as 0 0 1, or a
# number, such as 2, for which the loss is called *sparse* (lesson 01). If the shapes do not fit,
# you get an error. We make three such mistakes, with ten `softmax` units: class numbers for the
# one-hot loss, one-hot rows for the sparse loss, and a single yes or no for ten outputs.

# %%
BINARY = "binary_crossentropy"
ONE_HOT, SPARSE = "categorical_crossentropy", "sparse_categorical_crossentropy"
for targets, loss in [(which, ONE_HOT), (one_hot, SPARSE), (shoe, BINARY)]:
    model = build(garments, 10, "softmax")
    model.compile("adam", loss)
    with expect_error(ValueError):  # prints the error
        model.train_on_batch(garments["train"][:32], targets["train"][:32])  # one training step

# %% [markdown]
# Most wrong pairs of last layer and loss have shapes that fit, and Keras trains them without a
# word. We train some on purpose, with the function that trains all our networks:

# %%
models, tasks = {}, {}


def train(name, inputs, targets, units, activation, loss, metric):
    """Train a network for one question and keep it as `models[name]`."""
    print(f"\n{name}")
    model = build(inputs, units, activation)
    batches = lesson.batches(inputs["train"], targets["train"])
    model.compile("adam", loss, metrics=[metric], steps_per_execution=len(batches))  # faster
    model.fit(
        batches,
        validation_data=(inputs["val"], targets["val"]),
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name),
        verbose=0,
    )
    models[name], tasks[name] = model, (inputs, targets, metric)


# %% [markdown]
# ## 5 Fit
# **Yes or no (*binary classification*): is it a shoe?** As in lesson 02, one unit with `sigmoid`
# gives the probability of yes, and the loss is binary cross-entropy. *Wrong:* `softmax`. It makes
# the outputs of a layer sum to 1, so a single output is always 1, and the answer always yes. (Keras
# warns; we silence that.)

# %%
warnings.filterwarnings("ignore", "You are using a softmax over axis -1")
train("shoe", garments, shoe, 1, "sigmoid", BINARY, "accuracy")
train("shoe_wrong", garments, shoe, 1, "softmax", BINARY, "accuracy")

# %% [markdown]
# **One of many (*multi-class classification*): which garment is it?** Exactly one class is right,
# so ten units with `softmax` give ten probabilities that sum to 1 (lesson 01). The sparse and the
# one-hot form of the loss give the same number.
#
# *Wrong:* one unit that predicts the class number, with `mse`. If the network hesitates between
# T-shirt (0) and shirt (6), the squared error is lowest at their mean: 3, a dress. The metric below
# uses `keras.ops`, which has NumPy's functions for every back-end.


# %%
def nearest_class(true, predicted):
    """Return 1 where the rounded prediction is the class number, else 0."""
    return ops.cast(ops.round(predicted) == ops.cast(true, predicted.dtype), "float32")


numbers = {part: y[:, np.newaxis] for part, y in which.items()}  # (n, 1), as the layer's output
train("garment", garments, which, 10, "softmax", SPARSE, "accuracy")
train("garment_one_hot", garments, one_hot, 10, "softmax", ONE_HOT, "accuracy")
train("garment_wrong", garments, numbers, 1, None, "mse", nearest_class)

# %% [markdown]
# **Several at once: which attributes does it have?** Each is a yes-or-no question of its own: four
# units with `sigmoid`. The loss is the mean of four binary cross-entropies. *Wrong:* `softmax`. A
# coat has three attributes, but of four probabilities that sum to 1, only one can exceed 0.5.
#
# `"accuracy"` would only check which output is largest. As the metric we take the *exact match*:
# are all four right?


# %%
def exact_match(true, predicted):
    """Return 1 where all labels of an example are predicted right, else 0."""
    return ops.cast(ops.all((predicted > 0.5) == (true > 0.5), axis=-1), "float32")


train("attributes", garments, several, 4, "sigmoid", BINARY, exact_match)
train("attributes_wrong", garments, several, 4, "softmax", BINARY, exact_match)

# %% [markdown]
# **Any number (*regression*): what does a house cost?** One unit without activation (lesson 03).
# *Wrong:* a `sigmoid`, left over from a yes-or-no question. Its output stays below 1, which here
# means 100,000 dollars.
#
# **Between 0 and 1: what share of the rooms are bedrooms?** `sigmoid` keeps the prediction p in
# that range. Two losses suit it: `mse` and binary cross-entropy. For a target t, the latter is
#
#     -t·log(p) - (1 - t)·log(1 - p)
#
# Like `mse`, it is lowest at p = t, but not 0 there: 0.50 for t = p = 0.2.
#
# **A count: how many households live there?** The network predicts the mean of a *Poisson
# distribution*, which gives the probability of each count, 0, 1, 2, …, of independent events. A
# count typically differs from the mean by the square root of the mean: by 5 for a mean of 25, by 45
# for one of 2,000. So an error of 10 is large in the first case and small in the second. The
# *Poisson loss*, `prediction - count * log(prediction)`, takes that into account. The prediction
# must be above 0, as the activation `exponential`, e^x, always is. *Plausible, too:* no activation,
# with `mse`. It treats an error of 10 the same in every district.

# %%
train("value", places, value, 1, None, "mse", "mae")
train("value_wrong", places, value, 1, "sigmoid", "mse", "mae")
train("share", places, share, 1, "sigmoid", "mse", "mae")
train("share_binary", places, share, 1, "sigmoid", BINARY, "mae")
train("households", places, households, 1, "exponential", "poisson", "mae")
train("households_mse", places, households, 1, None, "mse", "mae")

# %% [markdown]
# **A loss of your own: how much money for a house is enough in nine of ten districts like this?**
# That is the 0.9 *quantile*: 90% of the true values are below it. The *pinball loss* finds it:
# predicting a dollar too little costs 0.9, a dollar too much 0.1. If one true value of ten is above
# the prediction, a dollar more saves 0.9 once and costs 0.1 nine times: no gain.
#
# You write a loss like a metric and pass the function itself. But a loss needs a derivative, so it
# must not round as `nearest_class` does.


# %%
def pinball(true, predicted):
    """Return the loss of each example for the quantile 0.9; both are of shape (batch, 1)."""
    missing = true - predicted
    return ops.mean(ops.maximum(0.9 * missing, -0.1 * missing), axis=-1)


train("budget", places, value, 1, None, pinball, "mae")

# %% [markdown]
# ## 6 Evaluate
# We compare each network on the test examples with a *baseline* that ignores the inputs: always the
# most common answer or, for numbers, always the median. (In the table, "linear" means no
# activation.)

# %%
answers = {name: model.predict(tasks[name][0]["test"], verbose=0) for name, model in models.items()}
scores = score_table(models, tasks)
lesson.save_table("answers", scores)

# %% [markdown]
# <!-- results: lesson-21-answers -->
# | network            | last layer    | loss        | metric          | test   | baseline |
# | ------------------ | ------------- | ----------- | --------------- | ------ | -------- |
# | `shoe`             | 1 sigmoid     | `BINARY`    | `accuracy`      | 0.998  | 0.700    |
# | `shoe_wrong`       | 1 softmax     | `BINARY`    | `accuracy`      | 0.300  | 0.700    |
# | `garment`          | 10 softmax    | `SPARSE`    | `accuracy`      | 0.845  | 0.100    |
# | `garment_one_hot`  | 10 softmax    | `ONE_HOT`   | `accuracy`      | 0.845  | 0.100    |
# | `garment_wrong`    | 1 linear      | `"mse"`     | `nearest_class` | 0.421  | 0.100    |
# | `attributes`       | 4 sigmoid     | `BINARY`    | `exact_match`   | 0.841  | 0.200    |
# | `attributes_wrong` | 4 softmax     | `BINARY`    | `exact_match`   | 0.449  | 0.200    |
# | `value`            | 1 linear      | `"mse"`     | `mae`           | 0.467  | 0.900    |
# | `value_wrong`      | 1 sigmoid     | `"mse"`     | `mae`           | 1.172  | 0.900    |
# | `share`            | 1 sigmoid     | `"mse"`     | `mae`           | 0.024  | 0.041    |
# | `share_binary`     | 1 sigmoid     | `BINARY`    | `mae`           | 0.024  | 0.041    |
# | `households`       | 1 exponential | `"poisson"` | `mae`           | 61.903 | 237.782  |
# | `households_mse`   | 1 linear      | `"mse"`     | `mae`           | 90.758 | 237.782  |
# | `budget`           | 1 linear      | `pinball`   | `mae`           | 0.970  | 0.900    |
# <!-- end -->
#
# `mae` is an error: the lower, the better. `budget` is worse than its baseline on purpose: it aims
# at a quantile, not at the middle. No wrong pair raised an error. What gives them away?
#
# - `shoe_wrong` says yes to every image; `attributes_wrong` says yes to at most one attribute of an
#   image. Their training losses (below) do not show it, since Keras on TensorFlow computes this
#   loss as if the activation were a sigmoid.
# - `garment_wrong` beats the baseline, so only the comparison with the right pair gives it away.
# - `value_wrong` is worse than the baseline.
#
# <!-- results: lesson-21-losses -->
# - training losses, medians: `shoe` 0.0003, `shoe_wrong` 0.0003; `attributes` 0.0905,
#   `attributes_wrong` 0.0905
# - the fraction of test districts for which `budget` is enough: 0.91 (0.89 to 0.92), median and
#   range of 3 seeds
# <!-- end -->
#
# **A threshold for each label.** Must a probability exceed 0.5 to count as a yes? Say a shop wants
# a *recall* (lesson 01) of 95%: it wants to find 95% of the garments with an attribute. For each
# label, we choose the threshold that 95% of the *validation* images with this label exceed.

# %%
seen = models["attributes"].predict(garments["val"], verbose=0)
thresholds = [np.quantile(seen[several["val"][:, i] == 1, i], 0.05) for i in range(4)]
table = threshold_table(ATTRIBUTES, several["test"], answers["attributes"], thresholds)
lesson.save_table("thresholds", table)

# %% [markdown]
# <!-- results: lesson-21-thresholds -->
# | label                  | upper body | shoe | warm | collar |
# | ---------------------- | ---------- | ---- | ---- | ------ |
# | accuracy               | 0.98       | 1.00 | 0.93 | 0.91   |
# | always no              | 0.50       | 0.70 | 0.70 | 0.80   |
# | recall at 0.5          | 0.99       | 1.00 | 0.92 | 0.68   |
# | precision at 0.5       | 0.98       | 1.00 | 0.84 | 0.83   |
# | threshold              | 0.88       | 0.99 | 0.38 | 0.07   |
# | recall at threshold    | 0.95       | 0.95 | 0.95 | 0.95   |
# | precision at threshold | 0.99       | 1.00 | 0.82 | 0.57   |
# <!-- end -->
#
# For `collar`, accuracy misleads: answering no to all images already reaches 0.80. Finding 95% of
# the collars takes a low threshold, which costs precision. Lesson 24 goes on from here.
#
# ## 7 Predict
# What do right and wrong networks answer about the same coat? The right answers are: no shoe, class
# 4, and the attributes 1, 0, 1, 1.

# %%
coat = np.flatnonzero(which["test"] == 4)[0]  # the first of the test images
for name in ("shoe", "garment", "attributes"):
    right, wrong = (answers[one][coat].round(2) for one in (name, f"{name}_wrong"))
    print(f"{name}: {right}, wrong: {wrong}")
accuracy = scores.set_index("network").test["garment"]
enough = np.mean(answers["budget"] >= value["test"])
model = models["garment"]
lesson.finish(
    model, model.history, training="garment", test_accuracy=accuracy, enough_budget=enough
)

# %% [markdown]
# ## Remember
# - Write down one perfect answer first. Which numbers may occur in it? Must they sum to 1? That
#   decides the last layer. The loss must suit that layer and your aim: a mean, a quantile, ...
#
# | question        | last layer       | loss                  | metric            |
# | --------------- | ---------------- | --------------------- | ----------------- |
# | yes or no       | 1 `sigmoid`      | `BINARY`              | accuracy          |
# | one of n        | n `softmax`      | `SPARSE` or `ONE_HOT` | accuracy          |
# | any of n        | n `sigmoid`      | `BINARY`              | exact match       |
# | any number      | 1, no activation | `"mse"`               | `"mae"`           |
# | between 0 and 1 | 1 `sigmoid`      | `"mse"` or `BINARY`   | `"mae"`           |
# | a count         | 1 `exponential`  | `"poisson"`           | `"mae"`           |
# | a quantile      | 1, no activation | `pinball`             | fraction below it |
#
#   (`BINARY` is `"binary_crossentropy"`, and so on, as above.) More: notes/losses_and_outputs.md.
# - Keras raises an error only if shapes cannot fit. So look at the predictions: their range,
#   whether they differ, whether they beat a baseline.
# - A metric says what you care about, and need not be what is minimized. If one answer is rare,
#   accuracy misleads (lesson 24).

# %% [markdown]
# ## Exercises
# 1. Which last layer, loss and metric: (a) the stars of a review, 1 to 5; (b) the genres of a film;
#    (c) the goals of a team in a match; (d) the chance of rain, from days with and without rain?
# 2. What happens if the network has to predict dollars instead of 100,000 dollars, and why?
# 3. Predict an interval that holds the true value in 80% of the cases: two units, one for the
#    quantile 0.1 and one for 0.9, each with its pinball loss.
#
# Solutions: notes/solutions/21_outputs_and_losses.md
