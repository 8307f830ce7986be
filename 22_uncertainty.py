# %% [markdown]
"""
# 22 Uncertainty: is a better score really better?

Train a network twice, with two seeds, and you get two scores. With another split of the data you
get a third. So a network whose error is 0.1 MPG lower than another's may just have been lucky. In
this lesson you measure how large that luck (*random variation*) is, report a score with a
*confidence interval*, decide whether one model really beats another, and make a network better
without changing it: you train ten and average their predictions (an *ensemble*).

Expect: median test MAE over ten splits: an ensemble of ten 1.84 MPG, random forest 1.89.

    python 22_uncertainty.py
    python 22_uncertainty.py --table churn --epochs 20
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
from sklearn.model_selection import KFold, train_test_split

# %% [markdown]
# ## 1 Load
# The cars of lesson 03. `--table churn` takes a bank's customers instead, of whom some leave
# ([churn](churn/README.md)), so that you can see what changes with 10,000 rows in place of 392.

# %%
table = lesson.load(lesson.table)
if lesson.table == "auto_mpg":
    table = table.dropna()  # six cars of unknown horsepower
    targets = table.mpg
    features = pd.get_dummies(table.drop(columns=["mpg", "car_name"]), columns=["origin"])
else:
    targets = table.Exited  # 1: the customer left
    features = table.drop(columns=["RowNumber", "CustomerId", "Surname", "Exited"])
    features = pd.get_dummies(features, columns=["Geography", "Gender"])
features, targets = features.to_numpy("float32"), targets.to_numpy("float32")
rows = len(targets)
print(f"{rows:,} rows, {features.shape[1]} columns")

# %% [markdown]
# ## 2 Prepare
# We need many trainings, so we first list them all. Each is described by its *sample weights*, one
# number per row: how often the row counts in the loss. A row of the training set has weight 1, a
# row that is held out has weight 0, which is the same as not having it at all.
#
# - **Starts**: 20 networks with the same training rows. They differ only in their random initial
#   weights, which come from Keras' random seed: `Lesson` calls `keras.utils.set_random_seed(seed)`.
#   (The batches are the same for all, too.)
# - **Splits**: ten times, another random fifth of the rows is the test set. The splits are those of
#   lesson 03 with the seeds 42 to 51. For each split we train ten networks.
# - **Bootstrap samples**: the same ten splits, but each network draws as many rows as there are
#   training rows, *with replacement*: one row may come twice, another not at all. A row is missed n
#   times with the probability (1 - 1/n)^n, about 1/e = 37%.
# - **Folds**: in *k-fold cross-validation* we cut the rows into k parts, the *folds*, here k = 10.
#   Each fold is the test set once, while the other nine are trained on. So in the end each row has
#   been tested exactly once. Each fold needs new networks: one that was trained for another fold
#   has seen the rows that are now tested. Each fold also gets ten networks: in all 20 + 3 · 100 =
#   320.

# %%
random = np.random.default_rng(lesson.seed)
counts = []  # for each network: how often each row is used


def plan(train_rows, networks, bootstrap=False):
    """Add networks that train on some rows; return the range of their numbers."""
    first = len(counts)
    for _ in range(networks):
        # `choice` draws with replacement
        drawn = random.choice(train_rows, len(train_rows)) if bootstrap else train_rows
        counts.append(np.bincount(drawn, minlength=rows))  # how often each row was drawn
    return slice(first, len(counts))


splits = [
    train_test_split(np.arange(rows), test_size=0.2, random_state=lesson.seed + number)
    for number in range(10)
]
folds = list(KFold(10, shuffle=True, random_state=lesson.seed).split(features))
starts = plan(splits[0][0], 20)
averaged = [plan(train_rows, lesson.members) for train_rows, _ in splits]
bagged = [plan(train_rows, lesson.members, bootstrap=True) for train_rows, _ in splits]
crossed = [plan(train_rows, lesson.members) for train_rows, _ in folds]
sample_weights = np.stack(counts, axis=1).astype("float32")  # shape (rows, networks)
networks = sample_weights.shape[1]
print(f"{networks} networks")

# %% [markdown]
# ## 3 Define
# To train 320 small networks one after the other would take half an hour: each step has so little
# to compute that most of the time is spent starting it. So we put all of them into one model, side
# by side. `EinsumDense` is a `Dense` layer with one weight matrix per network. In its equation
# `"bni,nio->bno"`, b is the row in the batch, n the network, i its inputs and o its outputs. The
# letter i is missing in the result: it is summed over. So the inputs of network n are multiplied by
# matrix n, and no network sees another's numbers. The letters in `bias_axes="no"` give each network
# n and each output o a bias.
#
# Each network has the shape of lesson 03: two hidden layers of 64 units. Each normalizes its inputs
# with the means and variances of its own training rows: with those of the test rows, it would know
# something about its test (*data leakage*), and the score would be too good.
#
# Initial weights are drawn between -limit and limit, with limit = √(6 / (inputs + units)), as for a
# `Dense` layer (*Glorot uniform*). By default, `EinsumDense` would multiply inputs and units by
# the number of networks in this formula, and draw weights that are too small.

# %%
# Weighted means; a variance is the mean of the squares minus the square of the mean.
used = sample_weights.sum(axis=0)[:, np.newaxis]
means = sample_weights.T @ features / used  # shape (networks, columns)
variances = sample_weights.T @ features**2 / used - means**2


def dense(inputs, units, activation=None):
    """Apply a dense layer of every network."""
    limit = math.sqrt(6 / (inputs.shape[-1] + units))
    return layers.EinsumDense(
        "bni,nio->bno",
        (networks, units),
        bias_axes="no",
        activation=activation,
        kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
    )(inputs)


classify = lesson.table == "churn"
inputs = keras.Input((features.shape[1],))
x = layers.RepeatVector(networks)(inputs)  # each network gets the same row
x = layers.Normalization(axis=(1, 2), mean=means, variance=variances)(x)
x = dense(x, 64, "relu")
x = dense(x, 64, "relu")
outputs = dense(x, 1, "sigmoid" if classify else None)
model = keras.Model(inputs, outputs)
print(f"output shape {outputs.shape}, {model.count_params() // networks:,} parameters per network")

# %% [markdown]
# ## 4 Compile
# The loss is the mean squared error for a number, and for yes or no (a `sigmoid` output) binary
# cross-entropy (lesson 02). Keras computes it for every row and every network, multiplies it by the
# sample weights, and takes the mean. The gradient of one network's weights comes from that
# network's losses only.
#
# Since it is a mean over 320 networks, each gradient is 320 times smaller than if a network were
# trained alone. Adam does not mind: it divides each gradient by its recent size (plus `epsilon`,
# which avoids a division by 0 and must be smaller than these tiny gradients). Its learning rate
# falls to 0 along a cosine (lesson 16).

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
# One `fit` trains them all. There is no early stopping, since each network would want to stop at a
# different epoch. All train for the same number of epochs.

# %%
repeated = np.repeat(targets[:, np.newaxis, np.newaxis], networks, axis=1)
history = model.fit(
    lesson.batches(features, repeated, sample_weight=sample_weights),
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),
    verbose=0,
)
predicted = model.predict(features, batch_size=1000, verbose=0)[..., 0]  # (rows, networks)

# %% [markdown]
# ## 6 Evaluate
# **How large is the luck?** For cars the error is the absolute error in MPG, as in lesson 03; for
# customers it is the squared difference between the probability and what happened, 0 or 1. Its mean
# over the test rows is the score: the MAE, and the *Brier score*. Lower is better. We compare the
# scores of the 20 starts, all with the same split, with those of ten splits. For each split we take
# the mean score of its ten networks, so that the luck of the start hardly counts.


# %%
def errors(prediction, test_rows):
    """Return the error of each test row."""
    difference = prediction - targets[test_rows]
    return difference**2 if classify else np.abs(difference)


results = []


def report(kind, name, value, low, high):
    """Print a result with its lower and upper end, and keep it for the table."""
    print(f"{name}: {value:.4f} ({low:.4f} to {high:.4f})")
    results.append({"kind": kind, "name": name, "value": value, "low": low, "high": high})


test_rows = splits[0][1]
by_start = [errors(one, test_rows).mean() for one in predicted[test_rows, starts].T]
report("luck", "20 starts", np.mean(by_start), min(by_start), max(by_start))
by_split = [
    np.mean([errors(one, test_rows).mean() for one in predicted[test_rows, group].T])
    for (_, test_rows), group in zip(splits, averaged, strict=True)
]
report("luck", "10 splits", np.mean(by_split), min(by_split), max(by_split))

# %% [markdown]
# The split matters more than the start: some cars are hard to predict, and each split has its own
# share of them. For a fair comparison, two models must be tested on the same rows.
#
# **A score with its uncertainty.** Cross-validation tests every row once, so we have as many errors
# as rows. Their mean is the score. Its *standard error* is s/√n (lesson 03), with s the standard
# deviation of the n errors. The interval from 1.96 standard errors below to 1.96 above is the *95%
# confidence interval*: if you repeated all this with new cars, about 95% of such intervals would
# contain the true mean, the error over all cars of this kind. (The factor comes from the normal
# distribution. Here the interval is a little too narrow: the folds share most of their training
# rows, so their errors are not quite independent.) An accuracy works the same way: each row counts
# 1 or 0. If 90 of 100 are right, s is 0.3, the standard error 0.3/√100 = 0.03, and the interval
# 0.84 to 0.96.


# %%
def interval(values):
    """Return the mean, and the two ends of its 95% confidence interval."""
    # `ddof=1`: divide by n - 1, since the mean is estimated, too
    margin = 1.96 * np.std(values, ddof=1) / math.sqrt(len(values))
    return np.mean(values), np.mean(values) - margin, np.mean(values) + margin


one, ensemble = np.empty(rows), np.empty(rows)  # the prediction for each row when it was tested
for (_, test_rows), group in zip(folds, crossed, strict=True):
    one[test_rows] = predicted[test_rows, group.start]
    ensemble[test_rows] = predicted[test_rows, group].mean(axis=1)
error_of_one = errors(one, np.arange(rows))
error_of_ensemble = errors(ensemble, np.arange(rows))
report("interval", "10-fold, one network", *interval(error_of_one))
report("interval", "10-fold, ensemble", *interval(error_of_ensemble))

# %% [markdown]
# **Averaging.** Each network's prediction is partly right and partly the luck of its start. In the
# mean of several, the luck partly cancels. With networks that you have trained one by one, it is
#
#     predictions = np.mean([model.predict(x) for model in models], axis=0)
#
# (For classes these are mean probabilities; take `argmax` afterwards.) That it helps is more than a
# hope. For each row,
#
#     squared error of the mean = mean of the squared errors - variance of the predictions
#
# Say the true value is 11 and two networks predict 10 and 14: the squared errors are 1 and 9, their
# mean is 5, the variance of the predictions (divided by n) is 4, and the mean prediction 12 has the
# squared error 1 = 5 - 4.
#
# So an ensemble is never worse, in squared error, than its members are on average, and the more
# they disagree, the more it gains. (In absolute error it is never worse either.) To make them
# disagree more, *bagging* (*bootstrap aggregating*) trains each on its own bootstrap sample.
#
# The rival: a *decision tree* asks one question after another, such as "weight below 2,800?", and
# predicts the mean of the training rows with the same answers. A *random forest* is an ensemble of
# such trees, bagged, and each question may choose only among a few random columns. It trains in a
# second and needs hardly any tuning. If your network is no better, take the forest.

# %%
forest = RandomForestClassifier if classify else RandomForestRegressor


def forest_predictions(train_rows, test_rows, seed):
    """Train a random forest and predict the test rows."""
    trained = forest(random_state=seed, n_jobs=-1).fit(features[train_rows], targets[train_rows])
    if classify:
        return trained.predict_proba(features[test_rows])[:, 1]
    return trained.predict(features[test_rows])


scores = {"one network": by_split}
for name, groups, members in [
    ("ensemble of 5", averaged, 5),
    (f"ensemble of {lesson.members}", averaged, lesson.members),
    (f"bagging, {lesson.members}", bagged, lesson.members),
]:
    scores[name] = [
        errors(predicted[test_rows, group][:, :members].mean(axis=1), test_rows).mean()
        for (_, test_rows), group in zip(splits, groups, strict=True)
    ]
scores["random forest"] = [
    errors(forest_predictions(*split, lesson.seed + number), split[1]).mean()
    for number, split in enumerate(splits)
]
scores = pd.DataFrame(scores)
won = scores.lt(scores["random forest"], axis=0).sum()  # in how many splits
for name, column in scores.items():
    report("splits", name, column.mean(), column.min(), column.max())
    print(f"    better than the forest in {won[name]} of 10 splits")
best = f"ensemble of {lesson.members}"

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.plot(scores.T.to_numpy(), color="lightgray")  # a line for each split
axes.plot(scores.mean().to_numpy(), "o-", color="tab:blue", label="mean of ten splits")
axes.set_xticks(range(scores.shape[1]), scores.columns)
axes.set(ylabel="test error", title="each gray line is one split")
axes.legend()
lesson.save_figure("splits", figure)

# %% [markdown]
# **Is the difference real?** In the figure `splits` the gray lines lie far apart, but most have the
# same shape: a hard split is hard for every model. So even if the confidence intervals of two
# models overlap, one may still be better: much of their width is the difficulty of the rows, which
# both share. Look at the *differences*: for each row, subtract the error of one model from that of
# the other, and compute the interval of these differences. This is a *paired* comparison. If the
# interval does not contain 0, the difference is *statistically significant*: luck alone would
# rarely produce it. We take the folds here, because they test each row exactly once.

# %%
error_of_forest = np.empty(rows)
for train_rows, test_rows in folds:
    prediction = forest_predictions(train_rows, test_rows, lesson.seed)
    error_of_forest[test_rows] = errors(prediction, test_rows)
pairs = {
    "one network - ensemble": error_of_one - error_of_ensemble,
    "forest - ensemble": error_of_forest - error_of_ensemble,
    "forest - one network": error_of_forest - error_of_one,
}
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for number, (name, difference) in enumerate(pairs.items()):
    middle, low, high = interval(difference)
    report("difference", name, middle, low, high)
    axes.errorbar(middle, number, xerr=[[middle - low], [high - middle]], fmt="o", capsize=4)
axes.axvline(0, color="gray", linestyle="--")
axes.set_yticks(range(len(pairs)), pairs)
axes.set(ylim=(-0.5, len(pairs) - 0.5), xlabel="difference of the errors")
axes.set_title("paired differences, 95% intervals")
lesson.save_figure("differences", figure)
lesson.save_table("results", pd.DataFrame(results).round(4))

# %% [markdown]
# <!-- results: lesson-22-scores -->
# Each score is the mean of ten splits; median and range of three seeds, which share no split:
#
# | model | cars: test MAE [MPG] | customers: Brier score |
# | --- | --- | --- |
# | one network | 1.863 (1.752 to 1.930) | 0.1071 (0.1066 to 0.1078) |
# | ensemble of 5 | 1.841 (1.737 to 1.909) | 0.1053 (0.1049 to 0.1059) |
# | ensemble of 10 | 1.841 (1.732 to 1.909) | 0.1051 (0.1046 to 0.1058) |
# | bagging, 10 | 1.889 (1.780 to 1.940) | 0.1056 (0.1052 to 0.1064) |
# | random forest | 1.892 (1.829 to 1.917) | 0.1061 (0.1060 to 0.1069) |
#
# The ensemble of ten beats the forest in 6, 6 and 5 of the ten splits of cars.
#
# With seed 42, 20 starts score from 1.69 to 1.85 MPG, ten splits from 1.61 to 2.06. 10-fold
# cross-validation, with 95% intervals:
#
# | error | cars [MPG] | customers |
# | --- | --- | --- |
# | ensemble of ten | 1.849 (1.659 to 2.039) | 0.1042 (0.0999 to 0.1085) |
# | one network minus ensemble | 0.029 (-0.004 to 0.062) | 0.0022 (0.0014 to 0.0030) |
# | forest minus ensemble | 0.074 (-0.049 to 0.198) | 0.0020 (0.0005 to 0.0035) |
# | forest minus one network | 0.045 (-0.082 to 0.173) | -0.0002 (-0.0019 to 0.0015) |
# <!-- end -->
#
# A positive difference means that the second model has the smaller error. What do we learn?
#
# - The start changes the score, and the split changes it more.
# - Averaging gives the lowest errors, for cars and for customers. For customers its advantage over
#   one network is significant; with 392 cars and this seed it could be luck. The standard error
#   falls as 1/√n: with 25 times as many rows it is a fifth.
# - The ensemble beats the forest in about six of ten splits of cars, and 392 cars are too few to
#   call it better; for customers the difference is significant. One network alone is not
#   significantly better or worse than the forest, in either table.
# - Bagging is worse than plain averaging, and for cars even worse than one network. Each network
#   misses 37% of its training rows, and that costs more than the disagreement gains. It was made
#   for models that disagree a lot, like trees.
#
# ## 7 Predict
# The networks can also warn you: where they have seen similar rows, they agree; far from them they
# must *extrapolate*, and each may do so differently. We predict a typical row, and one in which
# every column is two standard deviations above the largest value.

# %%
typical = np.median(features, axis=0)
strange = features.max(axis=0) + 2 * features.std(axis=0)
answers = model.predict(np.stack([typical, strange]), verbose=0)[:, crossed[0], 0]  # first fold
for name, answer in zip(["typical", "far outside"], answers, strict=True):
    print(f"{name} row: mean {answer.mean():.2f}, standard deviation {answer.std(ddof=1):.2f}")
measured = {"test_brier" if classify else "test_mae": scores[best].mean()}
measured |= {"test_forest": scores["random forest"].mean(), "splits_won": int(won[best])}
lesson.finish(model, history, **measured)

# %% [markdown]
# For cars, the standard deviation is many times larger for the strange row: its prediction is a
# guess. But agreement is no proof. Try the customers: the ten networks agree that the strange one
# will leave, with a probability near 1, although no one has ever seen such a customer: so far out,
# the sigmoid is near 1 for every network.
#
# ## Remember
# - Another seed or split gives another score. Say how many you measured, and the interval.
# - Compare two models on the same rows, and look at the differences.
# - The mean of several networks is usually better than one of them. Where they disagree, be
#   careful.
#
# On your own data, try first: 10-fold cross-validation, a random forest as the model to beat, and
# an ensemble of five networks.

# %% [markdown]
# ## Exercises
# 1. Does an ensemble of 20 beat one of ten? `--members 20`; compare with your first run.
# 2. With 10,000 rows instead of 392, which differences are significant? `--table churn --epochs 20`
# 3. If you train longer, do the networks disagree more, and does averaging gain more? `--epochs
#    600`
#
# Solutions: notes/solutions/22_uncertainty.md
