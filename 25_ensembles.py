# %% [markdown]
"""
# 25 Ensembles: are ten networks better than one?

Can you make a network better without changing it? Train ten that differ only in their random
initial weights, and average their predictions: that is an *ensemble*. In this lesson you see why
the average is better, whether it beats a *random forest*, and how the networks' disagreement warns
you of predictions that are mere guesses.

Expect: median test MAE over ten splits: an ensemble of ten 1.85 MPG, random forest 1.89.

    python 25_ensembles.py
    python 25_ensembles.py --table churn --epochs 20
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=200,
    batch_size=32,
    learning_rate=0.005,
    members=Flag(10, "networks whose predictions are averaged", at_least=5),
    table=Flag(["auto_mpg", "churn"], "predict fuel economy, or which customers leave"),
)

import math

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import train_test_split

# %% [markdown]
# ## 1 Load
# The tables of lesson 22: 392 cars, or with `--table churn` 10,000 customers of a bank.

# %%
table = lesson.load(lesson.table)
classify = lesson.table == "churn"
if classify:
    targets = table.Exited  # 1: the customer left
    features = table.drop(columns=["RowNumber", "CustomerId", "Surname", "Exited"])
    features = pd.get_dummies(features, columns=["Geography", "Gender"])
else:
    table = table.dropna()  # six cars of unknown horsepower
    targets = table.mpg
    features = pd.get_dummies(table.drop(columns=["mpg", "car_name"]), columns=["origin"])
features, targets = features.to_numpy("float32"), targets.to_numpy("float32")
rows = len(targets)
print(f"{rows:,} rows, {features.shape[1]} columns")

# %% [markdown]
# ## 2 Prepare
# One test set would tell little (lesson 22). So we split the rows at random ten times, with a fifth
# of them as the test set. For each split we train two ensembles of ten networks, 200 networks in
# all:
#
# - **Plain averaging**: all ten train on the same rows, and differ only in their initial weights.
# - **Bagging** (*bootstrap aggregating*) averages, too, but each network trains on its own
#   *bootstrap sample*: n of the n training rows, drawn *with replacement*, so that one row may come
#   twice, another not at all. All n draws miss a given row with probability (1 - 1/n)^n, which is
#   about 1/e = 37%.
#
# All networks train on the same table. What differs is their *sample weights*, one number per row:
# how often the row counts in the loss. A row that was drawn twice has weight 2; a test row has
# weight 0, as if it were not there.

# %%
splits = [
    train_test_split(np.arange(rows), test_size=0.2, random_state=lesson.seed + number)
    for number in range(10)
]
random = np.random.default_rng(lesson.seed)
counts = []  # for each network: how often it draws each row
for bagging in (False, True):
    for train_rows, _ in splits:
        for _ in range(lesson.members):
            drawn = random.choice(train_rows, len(train_rows)) if bagging else train_rows
            counts.append(np.bincount(drawn, minlength=rows))
sample_weights = np.stack(counts, axis=1).astype("float32")  # shape (rows, networks)
networks = sample_weights.shape[1]
print(f"{networks} networks")

# %% [markdown]
# ## 3 Define
# For one ensemble, a loop over ten networks is enough, as in lesson 22. But 200 networks one after
# the other would take minutes. So we put all of them into one model, side by side. `EinsumDense` is
# a `Dense` layer with one weight matrix per network. In its equation `"bni,nio->bno"`, b is the row
# in the batch, n the network, i its inputs and o its outputs. The letter i is missing in the
# result: it is summed over. So no network sees another's numbers. `bias_axes="no"` gives each
# network n and each output o a bias.
#
# Each network has the two hidden layers of lesson 03 and normalizes with its own training rows.

# %%
# Weighted means; a variance is the mean of the squares minus the square of the mean.
used = sample_weights.sum(axis=0)[:, np.newaxis]
means = sample_weights.T @ features / used  # shape (networks, columns)
variances = sample_weights.T @ features**2 / used - means**2


def dense(inputs, units, activation=None):
    """Apply a dense layer of every network."""
    # Glorot uniform, as in `Dense`. The default of `EinsumDense` would count the units of all
    # networks, and the weights would be too small.
    limit = math.sqrt(6 / (inputs.shape[-1] + units))
    return layers.EinsumDense(
        "bni,nio->bno",
        (networks, units),
        bias_axes="no",
        activation=activation,
        kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
    )(inputs)


inputs = keras.Input((features.shape[1],))
x = layers.RepeatVector(networks)(inputs)  # each network gets the same row
x = layers.Normalization(axis=(1, 2), mean=means, variance=variances)(x)  # per network and column
x = dense(x, 64, "relu")
x = dense(x, 64, "relu")
outputs = dense(x, 1, "sigmoid" if classify else None)
model = keras.Model(inputs, outputs)
print(f"output shape {outputs.shape}, {model.count_params() // networks:,} parameters per network")

# %% [markdown]
# ## 4 Compile
# The loss is the mean squared error, and for yes or no binary cross-entropy (lesson 02). It is the
# mean over all networks, so each network's gradient is 200 times smaller than if it were trained
# alone. With Adam this does not matter: it divides each gradient by its recent size. Only
# `epsilon`, which Adam adds to avoid a division by 0, must be far smaller than these gradients. The
# learning rate falls to 0 along half a cosine wave (lesson 16).

# %%
steps = math.ceil(rows / lesson.batch_size)
rate = keras.optimizers.schedules.CosineDecay(lesson.learning_rate, lesson.epochs * steps)
model.compile(
    keras.optimizers.Adam(rate, epsilon=1e-12),
    "binary_crossentropy" if classify else "mse",
    steps_per_execution=steps,  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit
# One `fit` trains them all.

# %%
repeated = np.repeat(targets[:, np.newaxis, np.newaxis], networks, axis=1)
history = model.fit(
    lesson.batches(features, repeated, sample_weight=sample_weights),
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),
    verbose=0,
)
predicted = model.predict(features, batch_size=1000, verbose=0)[..., 0]  # (rows, networks)
averaged, bagged = predicted.T.reshape(2, 10, lesson.members, rows)  # both: split, member, row

# %% [markdown]
# ## 6 Evaluate
# **Why averaging helps.** Part of each network's error comes from its random start, and in the mean
# of several networks these parts partly cancel. For networks trained one by one, the mean is
#
#     predictions = np.mean([model.predict(x) for model in models], axis=0)
#
# How much does averaging gain? For each row,
#
#     squared error of the mean = mean of the squared errors - variance of the predictions
#
# Say the true value is 11 and two networks predict 10 and 14. The squared errors are 1 and 9, their
# mean is 5. Both predictions are 2 away from their mean 12, so their variance is 2² = 4, and 12 has
# the squared error 1 = 5 - 4. So an ensemble is never worse, in squared error, than its members are
# on average, and the more they disagree, the more it gains. We check the formula with the means
# over the test rows of the first split.

# %%
test_rows = splits[0][1]
members = averaged[0][:, test_rows]
error_of_members = np.mean((members - targets[test_rows]) ** 2)
error_of_mean = np.mean((members.mean(axis=0) - targets[test_rows]) ** 2)
print(f"{error_of_mean:.4f} = {error_of_members:.4f} - {members.var(axis=0).mean():.4f}")

# %% [markdown]
# **Which is best?** Bagging is meant to make the networks disagree more. The rival is a *random
# forest* (lesson 22), an ensemble of decision trees, with bagging. A forest trains in a second and
# needs hardly any tuning: if your network is no better, take the forest. The scores are those of
# lesson 22: the MAE for cars, the Brier score for customers. Lower is better.


# %%
def score(prediction, test_rows):
    """Return the mean error of the test rows."""
    difference = prediction - targets[test_rows]
    return np.mean(difference**2 if classify else np.abs(difference))


ensemble = f"ensemble of {lesson.members}"
scores = []
for number, (train_rows, test_rows) in enumerate(splits):
    forest = RandomForestClassifier if classify else RandomForestRegressor
    forest = forest(random_state=lesson.seed + number, n_jobs=-1)
    forest.fit(features[train_rows], targets[train_rows])
    if classify:
        answers = forest.predict_proba(features[test_rows])[:, 1]  # the probability of 1
    else:
        answers = forest.predict(features[test_rows])
    members = averaged[number][:, test_rows]
    scores.append({
        "one network": np.mean([score(member, test_rows) for member in members]),
        "ensemble of 5": score(members[:5].mean(axis=0), test_rows),
        ensemble: score(members.mean(axis=0), test_rows),
        f"bagging, {lesson.members}": score(bagged[number][:, test_rows].mean(axis=0), test_rows),
        "random forest": score(answers, test_rows),
    })
scores = pd.DataFrame(scores)  # a row for each split
won = scores.lt(scores["random forest"], axis=0).sum()  # in how many splits
results = scores.agg(["mean", "min", "max"]).T.assign(better_than_forest=won).round(4)
lesson.save_table("results", results.reset_index(names="model"))

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.plot(scores.T.to_numpy(), color="lightgray")  # a line for each split
axes.plot(scores.mean().to_numpy(), "o-", color="tab:blue", label="mean of ten splits")
axes.set_xticks(range(scores.shape[1]), scores.columns)
axes.set(ylabel="test error", title="each gray line is one split")
axes.legend()
lesson.save_figure("splits", figure)

# %% [markdown]
# <!-- results: lesson-25-scores -->
# Each score is the mean of ten splits; median and range of three seeds, which share no split:
#
# | model | cars: test MAE [MPG] | customers: Brier score |
# | --- | --- | --- |
# | one network | 1.871 (1.751 to 1.930) | 0.1072 (0.1070 to 0.1078) |
# | ensemble of 5 | 1.850 (1.731 to 1.916) | 0.1054 (0.1053 to 0.1059) |
# | ensemble of 10 | 1.848 (1.732 to 1.912) | 0.1051 (0.1049 to 0.1058) |
# | bagging, 10 | 1.893 (1.777 to 1.935) | 0.1056 (0.1053 to 0.1064) |
# | random forest | 1.892 (1.829 to 1.917) | 0.1061 (0.1060 to 0.1069) |
#
# The ensemble of ten beats the forest in 6, 7 and 5 of the ten splits of cars, and in 8, 7 and 7 of
# those of customers.
# <!-- end -->
#
# - Averaging gives the lowest errors, for cars and for customers, and five networks bring most of
#   the gain of ten. But five networks take five times as long to train and to use.
# - Does the ensemble beat the forest? For cars, six of ten splits are no proof: of ten tosses of a
#   coin, six or more are heads in 38% of all cases. For customers the ensemble wins more
#   consistently.
# - In the figure `splits` the gray lines run almost parallel from one network to its ensembles: a
#   split that is hard for one network is hard for its ensemble, too.
# - Bagging is worse than plain averaging, and for cars even worse than one network: missing 37% of
#   the training rows costs each network more than the disagreement gains. It was made for decision
#   trees, which change a lot if a few rows change.
#
# ## 7 Predict
# The networks can also warn you. Near their training rows they agree; far from them they must
# *extrapolate*, and each may do so differently. We predict a typical row, and one in which every
# column is two standard deviations above its largest value.

# %%
typical = np.median(features, axis=0)
strange = features.max(axis=0) + 2 * features.std(axis=0)
answers = model.predict(np.stack([typical, strange]), verbose=0)[..., 0]  # (2, networks)
answers = answers[:, : lesson.members]  # of one ensemble: plain averaging, first split
for name, answer in zip(["typical", "far outside"], answers, strict=True):
    print(f"{name} row: mean {answer.mean():.2f}, standard deviation {answer.std(ddof=1):.2f}")
measured = {"test_brier" if classify else "test_mae": scores[ensemble].mean()}
measured |= {"test_forest": scores["random forest"].mean(), "splits_won": won[ensemble]}
lesson.finish(model, history, **measured)

# %% [markdown]
# For cars, the standard deviation is many times larger for the strange row: its prediction is a
# guess. But agreement is no guarantee. With `--table churn`, the ten networks agree that the
# strange customer will leave: so far out, each sigmoid is near 1.
#
# ## Remember
# - The mean of several networks is never worse, in squared error, than they are on average.
# - The more they disagree, the more it gains, but only if they do not get worse themselves.
# - Where they disagree about a row, be careful. Where they agree, they may still be wrong.
#
# On your own data, try first: a random forest as the model to beat, then the mean of five networks.

# %% [markdown]
# ## Exercises
# 1. Does an ensemble of 20 beat one of ten? `--members 20`; compare with your first run.
# 2. With 10,000 rows instead of 392, does averaging still help, and in how many splits does the
#    ensemble beat the forest? `--table churn --epochs 20`
# 3. If you train longer, do the networks disagree more, and does averaging gain more? `--epochs
#    600`
#
# Solutions: notes/solutions/25_ensembles.md
