# %% [markdown]
"""
# 21 Outputs and losses: which last layer and which loss does my question need?

Is it a shoe? Which garment is it? What does a house cost here, how many households are there? You
ask eight questions with one and the same network: only its last layer, its loss and its metric
change. Beside most right pairs you train a wrong one, and see that Keras often says nothing.

Expect: test accuracy 0.845 (0.831 to 0.847) of `garment`, median and range of three seeds.

    python 21_outputs_and_losses.py
    python 21_outputs_and_losses.py --epochs 20
"""

# %%
from common.lesson import Lesson, expect_error

lesson = Lesson(__doc__, epochs=10, batch_size=128)

import math
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight

# %% [markdown]
# ## 1 Load
# Two data sets that you know: the garments of lesson 01, for questions that are answered by a name,
# and the districts of California of lesson 08, for questions that are answered by a number.

# %%
(images, labels), (test_images, test_labels) = lesson.load("fashion_mnist")
districts = lesson.load("california_housing")

# %% [markdown]
# ## 2 Prepare
# We keep training, validation and test examples together in a dictionary. First the inputs, scaled:

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
    x[:, 3] = np.log(x[:, 3])  # 2 to 39,320 rooms: a logarithm spreads the small districts
mean, deviation = places["train"].mean(axis=0), places["train"].std(axis=0)
places = {part: (x - mean) / deviation for part, x in places.items()}

# %% [markdown]
# Then the targets. The *attributes* of a garment are several answers at once: a coat is worn on the
# upper body, is warm and has a collar, so its target is the row 1, 0, 1, 1. Such a task is called
# *multi-label*: any number of the labels may apply to an example, also none.

# %%
ATTRIBUTES = {
    "upper body": [0, 2, 3, 4, 6],  # T-shirt, pullover, dress, coat, shirt
    "shoe": [5, 7, 9],  # sandal, sneaker, ankle boot
    "warm": [2, 4, 9],  # pullover, coat, ankle boot
    "collar": [4, 6],  # coat, shirt
}
has = np.array([np.isin(range(10), some) for some in ATTRIBUTES.values()], "float32").T  # (10, 4)
which = {"train": train_labels[:10_000], "val": val_labels, "test": test_labels}  # (n,): 0 to 9
one_hot = {part: np.eye(10, dtype="float32")[y] for part, y in which.items()}  # (n, 10)
several = {part: has[y] for part, y in which.items()}  # (n, 4)
shoe = {part: y[:, 1:2] for part, y in several.items()}  # (n, 1): only the second column


def of_districts(compute):
    """Compute a target for every district: a column of shape (n, 1) for each part."""
    return {part: compute(t).to_numpy("float32")[:, np.newaxis] for part, t in tables.items()}


value = of_districts(lambda t: t.median_house_value / 100_000)  # in units of 100,000 dollars
share = of_districts(lambda t: t.total_bedrooms / t.total_rooms)  # between 0 and 1
households = of_districts(lambda t: t.households)  # 1, 2, 3, ...

# %% [markdown]
# ## 3 Define
# All networks have the same two hidden layers. The last layer turns their 64 numbers into the
# answer. It must be able to express every possible answer and, if possible, nothing else.


# %%
def build(inputs, units, activation):
    """Build a network whose last layer has so many units; equal seeds give equal weights."""
    keras.utils.set_random_seed(lesson.seed)
    return keras.Sequential([
        keras.Input(inputs["train"].shape[1:]),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(units, activation=activation),
    ])


# %% [markdown]
# ## 4 Compile
# The loss must read the answer as the last layer means it. If the shapes cannot fit, you get an
# error. Here are three, for ten units: class numbers with the loss for *one-hot* targets (rows with
# a single 1), one-hot targets with the loss for class numbers (*sparse*), and a single yes or no.

# %%
BINARY = "binary_crossentropy"
ONE_HOT, SPARSE = "categorical_crossentropy", "sparse_categorical_crossentropy"
for targets, loss in [(which, ONE_HOT), (one_hot, SPARSE), (shoe, BINARY)]:
    model = build(garments, 10, "softmax")
    model.compile("adam", loss)
    with expect_error(ValueError):  # prints the error
        model.train_on_batch(garments["train"][:32], targets["train"][:32])

# %% [markdown]
# Most wrong pairs have shapes that fit, and Keras trains them without a word. We train some on
# purpose. All that differs between two networks is an argument of this function:

# %%
models, histories, tasks = {}, {}, {}


def train(name, inputs, targets, units, activation, loss, metric, **options):
    """Train a network for one question and keep it as `models[name]`."""
    print(f"\n{name}")
    model = build(inputs, units, activation)
    steps = math.ceil(len(inputs["train"]) / lesson.batch_size)
    model.compile("adam", loss, metrics=[metric], steps_per_execution=steps)
    history = model.fit(
        lesson.batches(inputs["train"], targets["train"]),
        validation_data=(inputs["val"], targets["val"]),
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name),
        verbose=0,
        **options,
    )
    models[name], histories[name], tasks[name] = model, history.history, (inputs, targets)


# %% [markdown]
# ## 5 Fit
# **Yes or no: is it a shoe?** One unit with `sigmoid` gives the probability of yes. *Wrong:*
# `softmax` makes the outputs of a layer sum to 1, so a single one is always 1: yes to everything.
# (Keras at least warns; we silence that.)

# %%
warnings.filterwarnings("ignore", "You are using a softmax over axis -1")
train("shoe", garments, shoe, 1, "sigmoid", BINARY, "accuracy")
train("shoe_wrong", garments, shoe, 1, "softmax", BINARY, "accuracy")

# %% [markdown]
# **One of many: which garment is it?** Exactly one class is right, so ten units with `softmax`
# share a probability of 1. For class numbers and for one-hot rows there are two losses, which
# compute the same. *Wrong:* one unit that predicts the class number, with `mse`. If the network
# hesitates between T-shirt (0) and shirt (6), its best answer is then the mean: 3, a dress.
#
# A metric for that pair rounds to the nearest class. Keras has none, so we write one: a function of
# true and predicted values that returns a number per example. `keras.ops` works on all back-ends.


# %%
def nearest_class(true, predicted):
    """Return 1 where the rounded prediction is the class number, else 0."""
    return ops.cast(ops.round(predicted) == ops.cast(true, predicted.dtype), "float32")


numbers = {part: y[:, np.newaxis] for part, y in which.items()}  # (n, 1), as the layer's output
train("garment", garments, which, 10, "softmax", SPARSE, "accuracy")
train("garment_one_hot", garments, one_hot, 10, "softmax", ONE_HOT, "accuracy")
train("garment_wrong", garments, numbers, 1, None, "mse", nearest_class)

# %% [markdown]
# **Several at once: which attributes has it?** Each is a yes-or-no question of its own: four units
# with `sigmoid`, and the loss is the mean of four binary cross-entropies. *Wrong:* `softmax`. A
# coat has three attributes, and three probabilities that sum to 1 cannot all be above 0.5.
#
# The metric `"accuracy"` looks only at the largest of the four outputs. `BinaryAccuracy` counts
# single answers, most of which are an easy no. The *exact match* is strict: are all four right?


# %%
def exact_match(true, predicted):
    """Return 1 where all labels of an example are predicted right, else 0."""
    return ops.cast(ops.all((predicted > 0.5) == (true > 0.5), axis=-1), "float32")


train("attributes", garments, several, 4, "sigmoid", BINARY, exact_match)
train("attributes_wrong", garments, several, 4, "softmax", BINARY, exact_match)

# %% [markdown]
# **Any number: what does a house cost?** One unit without activation (lesson 03). *Wrong:* a
# `sigmoid`, left over from a yes-or-no question. It ends at 1, here 100,000 dollars.

# %%
train("value", places, value, 1, None, "mse", "mae")
train("value_wrong", places, value, 1, "sigmoid", "mse", "mae")

# %% [markdown]
# **Between 0 and 1: what share of the rooms are bedrooms?** `sigmoid` stays in that range, and two
# losses suit it: `mse`, and the binary cross-entropy, whose targets may lie anywhere from 0 to 1.
# Do not expect the latter to reach 0: for a target of 0.2, even the prediction 0.2 has the loss
# -0.2 log 0.2 - 0.8 log 0.8 = 0.50. So we print what perfect predictions would give.

# %%
train("share", places, share, 1, "sigmoid", "mse", "mae")
train("share_binary", places, share, 1, "sigmoid", BINARY, "mae")
perfect = float(keras.losses.BinaryCrossentropy()(share["train"], share["train"]))
print(f"loss {histories['share_binary']['loss'][-1]:.4f}, of perfect predictions {perfect:.4f}")

# %% [markdown]
# **A count: how many households live there?** A count is never negative, and large counts vary
# more: 10 households too many are little in a district of 2,000 and much in one of 20. The *Poisson
# distribution*, for how many independent events happen, has both properties: its variance equals
# its mean. The output `exponential`, e^x, is always above 0, and the *Poisson loss* is prediction -
# count · log(prediction). It is lowest where the two are equal, and may be negative.
#
# *Plausible, too:* no activation, with `mse`. It counts 10 households alike everywhere.

# %%
train("households", places, households, 1, "exponential", "poisson", "mae")
train("households_mse", places, households, 1, None, "mse", "mae")

# %% [markdown]
# **A loss of your own: how much money for a house is enough in nine of ten such districts?** That
# is a *quantile*, the value that 90% of the true values stay below. The *pinball loss* finds it: a
# dollar too little costs 0.9, a dollar too much 0.1. So the answer rises until only one true value
# in ten is above it.


# %%
def pinball(true, predicted):
    """Return the loss of each example for the quantile 0.9; both are of shape (batch, 1)."""
    missing = true - predicted
    return ops.mean(ops.maximum(0.9 * missing, -0.1 * missing), axis=-1)


train("budget", places, value, 1, None, pinball, "mae")

# %% [markdown]
# **Unbalanced classes: cheap, medium or off the scale?** The census wrote 500,001 for all values
# above 500,000 dollars. Few districts are that expensive, and few are below 100,000. *Class
# weights* make an example of a rare class count more: "balanced" is n / (number of classes · its
# examples). For 2, 13 and 5 of twenty labels that is 20 / (3 · 2) = 3.33, then 0.51 and 1.33.

# %%
twenty = np.repeat([0, 1, 2], [2, 13, 5])
print(compute_class_weight("balanced", classes=np.unique(twenty), y=twenty).round(2))

BANDS = ["cheap", "medium", "off the scale"]
band = {part: np.digitize(v[:, 0], [1, 5.00001]) for part, v in value.items()}  # 0, 1 or 2
known = np.unique(band["train"])
weights = compute_class_weight("balanced", classes=known, y=band["train"])
weights = dict(zip(known.tolist(), weights.tolist(), strict=True))
train("band", places, band, 3, "softmax", SPARSE, "accuracy")
train("band_weighted", places, band, 3, "softmax", SPARSE, "accuracy", class_weight=weights)

# %% [markdown]
# ## 6 Evaluate
# Each network gets its score on the test examples, beside that of guessing: always the commonest
# answer, or the median of a number.

# %%
rows, answers = [], {}
for name, model in models.items():
    inputs, targets = tasks[name]
    answers[name] = model.predict(inputs["test"], verbose=0)
    scores = model.evaluate(inputs["test"], targets["test"], verbose=0, return_dict=True)
    loss, (metric, score) = scores.pop("loss"), *scores.items()
    if metric == "mae":
        guessing = np.abs(targets["test"] - np.median(targets["train"])).mean()
    else:
        common, counts = np.unique(targets["train"], axis=0, return_counts=True)
        right = targets["test"] == common[counts.argmax()]
        guessing = right.reshape(len(right), -1).all(axis=1).mean()  # all columns of a row
    last, loss = model.layers[-1], getattr(model.loss, "__name__", model.loss)
    row = [name, f"{last.units} {last.activation.__name__}", loss, metric, score]
    rows.append([*row, guessing, histories[name]["loss"][-1]])
columns = ["network", "last layer", "loss", "metric", "test", "guessing", "training loss"]
scores = pd.DataFrame(rows, columns=columns).round(4)
lesson.save_table("answers", scores)

# %% [markdown]
# <!-- results: lesson-21-answers -->
# | network            | last layer    | loss        | metric          | test   | guessing |
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
# | `band`             | 3 softmax     | `SPARSE`    | `accuracy`      | 0.881  | 0.779    |
# | `band_weighted`    | 3 softmax     | `SPARSE`    | `accuracy`      | 0.743  | 0.779    |
# <!-- end -->
#
# `mae` is an error: the lower, the better. No wrong pair raised an error. What gives them away?
#
# - `shoe_wrong` gives one answer to all. Its loss need not show it: with TensorFlow, Keras computes
#   the cross-entropy from the *logits*, the numbers before the activation, for precision. It never
#   sees the spoiled answers, and the loss falls as for `shoe`. (With JAX it stays high.)
# - `garment_wrong` beats guessing, so only the comparison with the right pair tells.
# - `attributes_wrong` finds one attribute of a garment and misses the others.
# - `value_wrong` is worse than guessing: it cannot say more than 1, and most houses cost more.
#
# `share` and `share_binary` are equally good, and so are the two ways to write the classes. The
# Poisson loss gives the better counts, above all in small districts (see the figure). But e^x needs
# the logarithm of the rooms: with the rooms themselves, `households_mse` does as well or better.
#
# <!-- results: lesson-21-budget -->
# The fraction of test districts for which `budget` is enough: 0.91 (0.89 to 0.92), median and range
# of 3 seeds.
# <!-- end -->
#
# **A threshold for each label.** Must a probability reach 0.5? Say a shop wants to find 95% of the
# garments with an attribute. For each label we choose the threshold that 95% of them exceed among
# the *validation* images, and then look once at the test images. *Recall* is the fraction that is
# found, *precision* the fraction of the found ones that are right. In the table, they are "new"
# with the threshold that we chose.

# %%
seen, rows = models["attributes"].predict(garments["val"], verbose=0), []
for number, label in enumerate(ATTRIBUTES):
    has_it = several["val"][:, number] == 1
    threshold = np.quantile(seen[has_it, number], 0.05)
    true, guessed = several["test"][:, number], answers["attributes"][:, number]
    row = [label, np.mean(true == 0), np.mean((guessed > 0.5) == true), threshold]
    for said in (guessed > 0.5, guessed > threshold):
        row += [score(true, said, zero_division=0) for score in (recall_score, precision_score)]
    rows.append(row)
columns = ["label", "always no", "accuracy", "threshold", "recall at 0.5", "precision at 0.5"]
columns += ["recall", "precision"]
lesson.save_table("thresholds", pd.DataFrame(rows, columns=columns).round(3))

# %% [markdown]
# <!-- results: lesson-21-thresholds -->
# | label      | all no | accuracy | recall | precision | threshold | new recall | new precision |
# | ---------- | ------ | -------- | ------ | --------- | --------- | ---------- | ------------- |
# | upper body | 0.50   | 0.984    | 0.99   | 0.98      | 0.88      | 0.95       | 0.99          |
# | shoe       | 0.70   | 0.998    | 1.00   | 1.00      | 0.99      | 0.95       | 1.00          |
# | warm       | 0.70   | 0.927    | 0.92   | 0.84      | 0.38      | 0.95       | 0.82          |
# | collar     | 0.80   | 0.908    | 0.68   | 0.83      | 0.07      | 0.95       | 0.57          |
# <!-- end -->
#
# Accuracy misleads: for `collar` it looks good, but answering no to all images comes close and
# finds no collar. And 0.5 means something else for each label. For `upper body` it finds nearly
# all; for `collar` it takes a lower threshold, and more false alarms, to find 95%.
#
# **What class weights change:**

# %%
rows = []
for number, name in enumerate(BANDS):
    row = [name, np.sum(band["train"] == number), weights.get(number)]
    for network in ("band", "band_weighted"):
        true, said = band["test"] == number, answers[network].argmax(axis=1) == number
        row += [score(true, said, zero_division=0) for score in (recall_score, precision_score)]
    rows.append(row)
columns = ["band", "examples", "weight", "recall", "precision"]
columns += ["recall, weighted", "precision, weighted"]
lesson.save_table("bands", pd.DataFrame(rows, columns=columns).round(3))

# %% [markdown]
# <!-- results: lesson-21-bands -->
# | band          | examples | weight | recall | precision | new recall | new precision |
# | ------------- | -------- | ------ | ------ | --------- | ---------- | ------------- |
# | cheap         | 2,283    | 1.91   | 0.67   | 0.76      | 0.89       | 0.56          |
# | medium        | 10,181   | 0.43   | 0.95   | 0.90      | 0.71       | 0.95          |
# | off the scale | 617      | 7.06   | 0.45   | 0.84      | 0.79       | 0.27          |
# <!-- end -->
#
# With weights ("new"), the network finds many more of the rare districts and raises many more false
# alarms. Weights add no knowledge: like a threshold, they choose between two mistakes
# (churn/README.md).
#
# ## 7 Predict
# What does each network say about the first test example? The figure shows the probabilities of a
# collar with the chosen threshold, and how far the counts are off in small and large districts.

# %%
print(f"an image of class {which['test'][0]}, a district of value {value['test'][0]}")
for name in models:
    print(f"{name:>16}: {answers[name][0].round(2)}")
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
collar, guessed = several["test"][:, 3] == 1, answers["attributes"][:, 3]
left.hist([guessed[~collar], guessed[collar]], bins=20, label=["without collar", "with collar"])
left.axvline(threshold, color="black", linestyle="--", label="threshold that finds 95%")
left.set(xlabel="probability of a collar", ylabel="test images", title="one label of four")
left.set_yscale("log")
true = households["test"][:, 0]
tenths = pd.qcut(true, 10, labels=False, duplicates="drop")  # equally many districts in each
for name in ("households", "households_mse"):
    off = pd.Series(np.abs(answers[name][:, 0] - true) / true).groupby(tenths).median()
    right.plot(off.index + 1, off, "o-", label=name)
right.set(xlabel="tenth of the districts, from few to many households", ylim=(0, None))
right.set(ylabel="median relative error", title="how far the counts are off")
left.legend(), right.legend()
lesson.save_figure("answers", figure)
model = models["garment"]
lesson.finish(
    model,
    histories["garment"],
    training="garment",
    test_accuracy=scores.set_index("network").test["garment"],
    enough_budget=np.mean(answers["budget"] >= value["test"]),
)

# %% [markdown]
# ## Remember
# - The last layer must be able to express every answer, and the loss must read it the same way.
#   notes/losses_and_outputs.md has the table.
# - Keras raises an error only if shapes cannot fit. So look at the predictions: their range,
#   whether they differ, whether they beat guessing.
# - Take a metric that says what you care about. Choose thresholds on validation data.
#
# For a question of your own, write down one perfect answer first. Which numbers may occur in it?
# Must they sum to 1? That decides the last layer, and the last layer decides the loss.

# %% [markdown]
# ## Exercises
# 1. Which last layer, loss and metric: (a) the stars of a review, 1 to 5; (b) the genres of a film;
#    (c) the goals of a team in a match; (d) the chance of rain, from days with and without rain?
# 2. What happens if the network has to predict dollars instead of 100,000 dollars, and why?
# 3. Predict an interval that holds the true value in 80% of the cases: two units, one for the
#    quantile 0.1 and one for 0.9, each with its pinball loss.
#
# Solutions: notes/solutions/21_outputs_and_losses.md
