# %% [markdown]
"""
# 22 Uncertainty: is a better score really better?

Train a network twice, with two seeds, and you get two scores; other test rows give a third. So a
network whose error is 0.1 MPG lower than another's may just be lucky. In this lesson you measure
this *random variation*, test on all of your data with *cross-validation*, report a score with a
*confidence interval*, and decide whether a network really beats two other kinds of model.

Expect: median MAE in cross-validation: network 1.96 MPG, random forest 1.92.

    python 22_uncertainty.py
    python 22_uncertainty.py --table churn --epochs 20
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=100,
    batch_size=32,
    learning_rate=0.005,
    folds=Flag(10, "cut the rows into N parts, each of which is the test set once", at_least=2),
    table=Flag(["auto_mpg", "churn"], "predict fuel economy, or which customers leave"),
)

import math

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from scipy import stats
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# %% [markdown]
# ## 1 Load
# The cars of lesson 03. `--table churn` takes the customers of a bank instead, 10,000 rows in place
# of 392, and predicts which of them leave ([churn](churn/README.md)).

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
# In lesson 03 the test set was a fifth of the cars, and the score depended on which fifth. *k-fold
# cross-validation* tests on all of them: split the rows into k parts, the *folds*, here k = 10.
# Each fold is the test set once, for a new network that is trained on the other nine.

# %%
# for each fold, the indices of its training rows and of its test rows
folds = list(KFold(lesson.folds, shuffle=True, random_state=lesson.seed).split(features))

# %% [markdown]
# ## 3 Define
# The network of lesson 03: two hidden layers of 64 units. Each normalizes with the means and
# variances of its own training rows, to avoid data leakage (lesson 03).


# %%
def build_network(train_rows, seed):
    """Build an untrained network; the seed decides its initial weights."""
    keras.utils.clear_session()  # frees what Keras keeps of earlier networks
    keras.utils.set_random_seed(seed)
    known = features[train_rows]
    return keras.Sequential([
        keras.Input((features.shape[1],)),
        layers.Normalization(mean=known.mean(axis=0), variance=known.var(axis=0)),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(1, activation="sigmoid" if classify else None),
    ])


# %% [markdown]
# ## 4 Compile
# All networks train for the same number of epochs, fixed in advance, so they need no validation
# set. The learning rate falls to 0 along half a cosine wave (lesson 16).
#
# ## 5 Fit
# For the first fold we train 20 networks that differ only in their *start*: the seed, which decides
# the initial weights and the order of the rows. Each other fold gets one network, with the first
# seed. A fixed seed makes a run repeatable, but only several seeds show how far the scores vary.

# %%
predicted = {"network": np.empty(rows)}  # for each row, by a network not trained on it
by_start = []  # predictions for the first fold, an array for each start
trainings = [(0, lesson.seed + start) for start in range(2 * lesson.folds)]
trainings += [(fold, lesson.seed) for fold in range(1, lesson.folds)]
for fold, seed in trainings:
    train_rows, test_rows = folds[fold]
    model = build_network(train_rows, seed)
    steps = math.ceil(len(train_rows) / lesson.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(lesson.learning_rate, lesson.epochs * steps)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="binary_crossentropy" if classify else "mse",
        steps_per_execution=steps,  # return to Python once per epoch: faster
    )
    last = f"fold {fold} seed {seed}"  # its own name, so that it overwrites no other checkpoint
    history = model.fit(
        lesson.batches(features[train_rows], targets[train_rows], seed=seed, repeat=True),
        steps_per_epoch=steps,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=last, seed=seed, progress=False),
        verbose=0,
    )
    print(f"{last}: training loss {history.history['loss'][-1]:.3f}")
    answers = model.predict(features[test_rows], verbose=0)[:, 0]
    if fold == 0:
        by_start.append(answers)
    if seed == lesson.seed:
        predicted["network"][test_rows] = answers

# %% [markdown]
# Two rivals are tested on the same folds. A *linear model* predicts a weighted sum of the columns
# plus a bias (for customers: logistic regression, lesson 14). A *random forest* averages 100
# *decision trees* (lesson 25). A tree asks one question after another, such as "weight below
# 2,800?", and predicts the mean target of the training rows with the same answers.

# %%
if classify:
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    forest = RandomForestClassifier(random_state=lesson.seed, n_jobs=-1)
else:
    linear = LinearRegression()
    forest = RandomForestRegressor(random_state=lesson.seed, n_jobs=-1)
# `cross_val_predict` of scikit-learn trains and predicts fold by fold, as our loop does
for name, rival in {"random forest": forest, "linear model": linear}.items():
    method = "predict_proba" if classify else "predict"
    of_rival = cross_val_predict(rival, features, targets, cv=folds, method=method)
    predicted[name] = of_rival[:, 1] if classify else of_rival  # column 1: the probability of 1

# %% [markdown]
# ## 6 Evaluate
# **How large is the random variation?** For cars the error of a row is the absolute error in MPG.
# For customers it is the squared difference between the outcome, 0 or 1, and the predicted
# probability. The mean error of the test rows is the score: the MAE, or the *Brier score*. Lower is
# better. We compare the scores of 20 starts on one fold, and of ten folds with one start.


# %%
def errors(prediction, test_rows):
    """Return the error of each test row."""
    difference = prediction - targets[test_rows]
    return difference**2 if classify else np.abs(difference)


row_errors = {name: errors(prediction, np.arange(rows)) for name, prediction in predicted.items()}
start_scores = [errors(prediction, folds[0][1]).mean() for prediction in by_start]
fold_scores = [row_errors["network"][test_rows].mean() for _, test_rows in folds]
results = []
figure, axes = plt.subplots(figsize=(7, 2.5), layout="constrained")
for name, found in {"folds": fold_scores, "starts": start_scores}.items():
    results.append(("luck", name, np.mean(found), min(found), max(found)))
    axes.plot(found, [name] * len(found), "o", color="tab:blue", alpha=0.6)
axes.set(ylim=(-0.5, 1.5), xlabel="test error", title="the same network: ten folds, 20 starts")
lesson.save_figure("luck", figure)

# %% [markdown]
# The scores of the folds lie farther apart, so the test rows matter more than the start: some cars
# are hard to predict, and a fold may hold many of them or few. So compare models on the same rows.
#
# **A score with its uncertainty.** Cross-validation gives one error for each of the n rows. Their
# standard deviation s says how much single errors vary. The score is their mean, and its *standard
# error* s/√n (lesson 03) says how much it would vary with other cars: half as much with 4n cars.
#
# The interval from 1.96 standard errors below the score to 1.96 above is the *95% confidence
# interval*: if you repeated all this with new cars, about 95% of such intervals would contain the
# true mean, the mean error over all cars of this kind. The 1.96 comes from the *normal
# distribution*, the bell curve: 95% of its values lie within 1.96 standard deviations of the
# center. Means of many values nearly follow it.
#
# An accuracy p works the same way: each row counts 1 or 0, and s = √(p(1 - p)). If 90 of 100
# answers are right, s is 0.3, the standard error 0.3/√100 = 0.03, and the interval 0.84 to 0.96.


# %%
def interval(values, factor=1.96):
    """Return the mean, and the two ends of its 95% confidence interval."""
    # `ddof=1` divides by n - 1: deviations from the values' own mean are a little too small
    margin = factor * np.std(values, ddof=1) / math.sqrt(len(values))
    return np.mean(values), np.mean(values) - margin, np.mean(values) + margin


scores = {name: interval(values) for name, values in row_errors.items()}

# %% [markdown]
# **Is the difference real?** A car that is hard for one model is often hard for the others, too.
# This shared difficulty makes the intervals of both scores wide, so one model may be better even if
# the intervals overlap. A *paired comparison* removes it: for each row, subtract the error of one
# model from that of the other, and compute the interval of these *differences*. If it does not
# contain 0, the difference is *statistically significant*: between models that are equally good,
# luck alone produces such a difference in only 5% of cases.
#
# This interval ignores the luck of the start. So we also pair the *folds*: for each fold, we
# subtract one model's score from the other's. Each of these ten differences comes from a different
# network. With so few values s itself is uncertain. *Student's t-distribution* allows for that: for
# ten values it gives 2.26 instead of 1.96.

# %%
differences = {}
for rival in ("random forest", "linear model"):
    by_row = row_errors[rival] - row_errors["network"]
    by_fold = [by_row[test_rows].mean() for _, test_rows in folds]
    factor = stats.t.ppf(0.975, len(folds) - 1)  # 2.5% lie above it; 2.26 for ten folds
    differences[f"{rival} - network"] = interval(by_row)
    differences[f"{rival} - network, by fold"] = interval(by_fold, factor)
figure, panels = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for axes, kind, found in zip(panels, ("score", "difference"), (scores, differences), strict=True):
    for name, (middle, low, high) in found.items():
        results.append((kind, name, middle, low, high))
        axes.errorbar(middle, name, xerr=high - middle, fmt="o", color="tab:blue", capsize=4)
    axes.margins(y=0.3)
panels[0].set(xlabel="error", title="the score of each model, 95% intervals")
panels[1].set(xlabel="difference of the errors", title="paired differences, 95% intervals")
panels[1].axvline(0, color="gray", linestyle="--")
lesson.save_figure("differences", figure)
results = pd.DataFrame(results, columns=["kind", "name", "value", "low", "high"])
lesson.save_table("results", results.round(4))

# %% [markdown]
# <!-- results: lesson-22-scores -->
# With seed 42, 20 starts score from 1.29 to 1.45 MPG, ten folds from 1.38 to 2.56. 10-fold
# cross-validation, with 95% intervals:
#
# | error | cars [MPG] | customers |
# | --- | --- | --- |
# | network | 1.916 (1.727 to 2.105) | 0.1059 (0.1015 to 0.1102) |
# | random forest | 1.923 (1.723 to 2.124) | 0.1062 (0.1022 to 0.1102) |
# | linear model | 2.580 (2.363 to 2.797) | 0.1360 (0.1317 to 0.1403) |
# | random forest minus network | 0.008 (-0.119 to 0.134) | 0.0004 (-0.0013 to 0.0020) |
# | random forest minus network, by fold | 0.008 (-0.117 to 0.134) | 0.0004 (-0.0018 to 0.0025) |
# | linear model minus network | 0.664 (0.490 to 0.839) | 0.0301 (0.0268 to 0.0335) |
# | linear model minus network, by fold | 0.664 (0.485 to 0.843) | 0.0301 (0.0268 to 0.0335) |
#
# With two other seeds, the random forest minus the network is -0.049 and -0.020 MPG.
# <!-- end -->
#
# A positive difference means that the network has the smaller error.
#
# - The network beats the linear model: the interval lies far above 0, for cars and for customers.
# - Network or forest? All four intervals contain 0, and for cars another seed puts the forest
#   ahead: neither is shown to be better. Nor are they shown to be equal: a small difference may be
#   hidden in the noise.
#
# ## 7 Predict
# How far off is a single prediction? The confidence interval does not say: it is about the mean
# over many rows. But cross-validation has given us the error of every single row.

# %%
for row, answer in list(zip(test_rows, answers, strict=True))[:5]:  # of the last network
    print(f"row {row}: true {targets[row]:.2f}, predicted {answer:.2f}")
print(f"90% of all errors are below {np.quantile(row_errors['network'], 0.9):.2f}")
measured = {"test_brier" if classify else "test_mae": scores["network"][0]}
measured |= {"test_forest": scores["random forest"][0], "test_linear": scores["linear model"][0]}
lesson.finish(model, history, training=last, **measured)

# %% [markdown]
# The network that you will use is one more, trained in the same way on all rows. No test rows are
# left for it; the score of cross-validation is the best estimate of its error.
#
# ## Remember
# - Another seed or other test rows give another score. Report its confidence interval.
# - With little data, use cross-validation: every row is tested once.
# - Compare two models on the same rows, and look at the differences.
#
# On your own data, try first: 10-fold cross-validation of your network, a linear model and a random
# forest, with the intervals of their differences.

# %% [markdown]
# ## Exercises
# 1. Divide the width of an interval by the score. How much smaller is this with 10,000 rows in
#    place of 392? Guess first: `--table churn --epochs 20`
# 2. With `--folds 5` you train half as many networks. Do the scores get worse? Do the intervals get
#    wider?
# 3. Two networks classify the same 1,000 images. A is right on 900 of them, B on 910: on 30 images
#    only B is right, on 20 only A. Is B significantly better? Compute the interval of A's
#    accuracy, and that of the differences, by hand.
#
# Solutions: notes/solutions/22_uncertainty.md
