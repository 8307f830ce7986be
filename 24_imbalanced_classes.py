# %% [markdown]
"""
# 24 Imbalanced classes: what if one answer is rare?

Of 100 districts in California, fewer than five are so expensive that their value is off the scale
of the census: it wrote 500,001 dollars for everything above 500,000. We want to find them. A
network that never names such a district is right for 95 of 100, and useless. In this lesson you
learn what to measure instead of accuracy, how to find more of the rare ones, and what that costs.

Expect: recall of the rarest band 0.45, precision 0.84; with class weights 0.79 and 0.27.

    python 24_imbalanced_classes.py
    python 24_imbalanced_classes.py --recall 0.95
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=10,
    batch_size=128,
    recall=Flag(0.8, "fraction of each band that its threshold should find", below=1),
)

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    precision_recall_fscore_support,
)
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight

# %% [markdown]
# ## 1 Load
# The districts of lesson 08.

# %%
districts = lesson.load("california_housing")

# %% [markdown]
# ## 2 Prepare
# The same inputs as in lesson 21. The answer is one of three *bands*: 0 for a value below 100,000
# dollars, 1 for medium, 2 for off the scale. These classes are *imbalanced*: some have far more
# examples than others.

# %%
rest, test_rows = train_test_split(districts, test_size=0.2, random_state=lesson.seed)
train_rows, val_rows = train_test_split(rest, test_size=0.2, random_state=lesson.seed)
tables = {"train": train_rows, "val": val_rows, "test": test_rows}
features = ["longitude", "latitude", "housing_median_age", "total_rooms", "median_income"]
places = {part: table[features].to_numpy(copy=True) for part, table in tables.items()}
for x in places.values():
    x[:, 3] = np.log(x[:, 3])  # 2 to 39,320 rooms: a logarithm spreads out the small values
mean, deviation = places["train"].mean(axis=0), places["train"].std(axis=0)
places = {part: (x - mean) / deviation for part, x in places.items()}

BANDS = ["cheap", "medium", "off the scale"]
# 500,001 dollars in the real data; the built-in sample has no such limit, so its top 4% count
top = np.quantile(train_rows.median_house_value, 0.96)
band = {part: np.digitize(t.median_house_value, [100_000, top]) for part, t in tables.items()}
counts = np.bincount(band["train"], minlength=3)
print("training districts:", dict(zip(BANDS, counts.tolist(), strict=True)))

# %% [markdown]
# ## 3 Define
# We train the same network twice, from the same initial weights.


# %%
def build():
    """Build the network: from 5 features to the probabilities of 3 bands."""
    keras.utils.set_random_seed(lesson.seed)
    return keras.Sequential([
        keras.Input((len(features),)),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ])


models = {"plain": build(), "weighted": build()}

# %% [markdown]
# ## 4 Compile
# Loss and metric are the usual ones for several classes.

# %%
train = lesson.batches(places["train"], band["train"])  # reshuffled for every epoch
for model in models.values():
    model.compile(
        "adam",
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=len(train),  # faster
    )

# %% [markdown]
# ## 5 Fit
# The loss is a mean over all districts, so the few expensive ones hardly count in it. *Class
# weights*, a dictionary that `fit` takes as `class_weight`, change that: the loss of each example
# is multiplied by the weight of its class. The usual choice, *balanced* weights, gives all classes
# the same total weight:
#
#     weight of a class = all examples / (number of classes * examples of the class)
#
# If 2 of 20 examples are cheap, their weight is 20 / (3 · 2) = 3.33. scikit-learn's
# `compute_class_weight` computes the weights from the labels.

# %%
balanced = compute_class_weight("balanced", classes=np.arange(3), y=band["train"])
class_weights = {"plain": None, "weighted": dict(enumerate(balanced.tolist()))}
print("class weights:", balanced.round(2))
for name, model in models.items():
    print(f"\n{name}")
    model.fit(
        train,
        validation_data=(places["val"], band["val"]),
        epochs=lesson.epochs,
        class_weight=class_weights[name],
        callbacks=lesson.callbacks(training=name),
        verbose=0,
    )

# %% [markdown]
# ## 6 Evaluate
# **Accuracy misleads.** Take one band at a time: is a district in it, yes or no? The *positives*
# are the examples for which yes is right. We measure:
#
# - *Accuracy*: the fraction of right answers. Our baseline is the accuracy of always saying no.
# - *Recall*: the fraction of the positives that we find.
# - *Precision*: the fraction of our yes answers that are right. The others are *false alarms*.
# - The *F1 score* combines precision P and recall R: 2PR / (P + R). It is low if either of them is.
#
# Say 5 of 100 districts are positives, we say yes to 4, and 3 of these 4 are positives. Then recall
# is 3/5, precision 3/4 and F1 0.67. Accuracy is 0.97, since we miss 2 positives and raise 1 false
# alarm. Always no has an accuracy of 0.95 and a recall of 0.

# %%
true = band["test"]
probabilities = {name: model.predict(places["test"], verbose=0) for name, model in models.items()}
rows = []


def report(network, rule, number, said, threshold=None):
    """Add the scores of the answers `said`, yes or no, for the band with this number."""
    positive, probability = true == number, probabilities[network][:, number]
    precision, recall, f1, _ = precision_recall_fscore_support(
        positive, said, average="binary", zero_division=0
    )
    average = average_precision_score(positive, probability)
    row = [network, rule, BANDS[number], threshold, np.mean(~positive), np.mean(said == positive)]
    rows.append([*row, recall, precision, f1, average, probability.mean()])


for name in models:
    for number in range(3):
        report(name, "most probable", number, probabilities[name].argmax(axis=1) == number)

# %% [markdown]
# The network without weights, where the most probable band is the answer (medians of three seeds):
#
# <!-- results: lesson-24-scores -->
# | band          | accuracy of always no | accuracy | recall | precision | F1   |
# | ------------- | --------------------- | -------- | ------ | --------- | ---- |
# | cheap         | 0.83                  | 0.91     | 0.67   | 0.76      | 0.71 |
# | medium        | 0.22                  | 0.88     | 0.95   | 0.90      | 0.93 |
# | off the scale | 0.95                  | 0.97     | 0.45   | 0.84      | 0.58 |
# <!-- end -->
#
# The accuracy is highest for "off the scale". Yet it is hardly above that of always no, and more
# than half of these districts are missed.
#
# **Move the threshold.** A rare band is seldom the most probable one. Instead, say yes as soon as
# its probability exceeds a *threshold*. The lower it is, the more positives we find and the more
# false alarms we raise: recall rises, precision usually falls. Where to stop depends on what each
# mistake costs (churn/README.md). Suppose we want a recall of 80% (`--recall`). Then we take the
# probabilities that the positives got, and choose the threshold so that 80% of them lie above it.
# Each band gets its own threshold.
#
# We choose thresholds on the *validation* districts. Thresholds chosen on the test districts would
# suit just these, and the scores would be too good. On the test districts, the recall is then only
# roughly the one that we asked for.

# %%
for name, model in models.items():
    validation = model.predict(places["val"], verbose=0)
    for number in range(3):
        positives = validation[band["val"] == number, number]  # with --limit there may be none
        threshold = np.quantile(positives, 1 - lesson.recall) if len(positives) else 0.5
        report(name, "threshold", number, probabilities[name][:, number] > threshold, threshold)
columns = ["network", "rule", "band", "threshold", "always no", "accuracy", "recall"]
columns += ["precision", "f1", "average precision", "mean probability"]
rules = pd.DataFrame(rows, columns=columns).round(4)
lesson.save_table("rules", rules)

# %% [markdown]
# <!-- results: lesson-24-rules -->
# | network  | rule          | cheap: recall | precision | off the scale: recall | precision |
# | -------- | ------------- | ------------- | --------- | --------------------- | --------- |
# | plain    | most probable | 0.67          | 0.76      | 0.45                  | 0.84      |
# | weighted | most probable | 0.89          | 0.56      | 0.79                  | 0.27      |
# | plain    | threshold     | 0.82          | 0.67      | 0.79                  | 0.29      |
# | weighted | threshold     | 0.82          | 0.64      | 0.80                  | 0.30      |
# <!-- end -->
#
# - With class weights, the network finds many more of the rare districts and raises many more false
#   alarms.
# - So does the plain network with a lower threshold. At about the same recall, both networks have
#   about the same precision: weights add no knowledge. Like a threshold, they only choose which
#   mistake is made more often.
#
# **All thresholds at once.** The *precision-recall curve* has a point for each threshold: on the
# left the high ones, with few yes answers that are mostly right, on the right the low ones, with
# many false alarms. Guessing has the same precision at every recall: the fraction of positives. The
# *average precision*, the area under the curve, is a score that needs no threshold; 1 is perfect.

# %%
figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
expensive = true == 2
for name, color in (("plain", "tab:blue"), ("weighted", "tab:orange")):
    precision, recall, _ = precision_recall_curve(expensive, probabilities[name][:, 2])
    # without the last point, recall 0 and precision 1, which belongs to no threshold
    axes.plot(recall[:-1], precision[:-1], color=color, label=name)
    for rule, marker in (("most probable", "o"), ("threshold", "s")):
        found = rules.query("network == @name and rule == @rule and band == 'off the scale'")
        axes.plot(found.recall, found.precision, marker, color=color, label=f"{name}, {rule}")
axes.axhline(expensive.mean(), color="gray", linestyle=":", label="guessing")
axes.set(xlabel="recall", ylabel="precision", title="off the scale", ylim=(0, 1.02))
axes.legend()
lesson.save_figure("precision_recall", figure)

# %% [markdown]
# <!-- results: lesson-24-averages -->
# Medians of three seeds, for the band off the scale:
#
# - `plain`: average precision 0.66, mean probability of the band 0.050
# - `weighted`: average precision 0.67, mean probability of the band 0.200
# - of all test districts, a fraction of 0.050 are positives
# - precision at 50 of `plain` (see below): 0.96 (0.96 to 1.00)
# <!-- end -->
#
# The two curves lie close together: weights only move the network along the curve. And they have a
# price: the network learns as if the rare band were more frequent, so the probabilities that it
# gives that band are too high. (Their mean should be the fraction of positives.) So try a threshold
# first.
#
# ## 7 Predict
# Often you need no threshold. If you have time to visit 50 districts, take those with the highest
# probabilities. The *precision at 50* is the fraction of them that are positives.

# %%
first = probabilities["plain"][:, 2].argsort()[::-1][:50]
print(test_rows.iloc[first[:5]][["longitude", "latitude", "median_house_value"]])
plain = rules.query("network == 'plain' and band == 'off the scale'").iloc[0]
model = models["plain"]
lesson.finish(
    model,
    model.history,
    training="plain",
    test_accuracy=np.mean(probabilities["plain"].argmax(axis=1) == true),
    test_average_precision=plain["average precision"],
    precision_at_50=expensive[first].mean(),
)

# %% [markdown]
# ## Remember
# - With a rare class, accuracy says little. Report precision and recall of that class, or the
#   average precision, beside the baseline.
# - More recall usually costs precision. Choose a threshold for each class or label by what its
#   mistakes cost, on validation data.
# - Class weights, like a lower threshold, trade precision for recall. They add no knowledge, and
#   they distort the probabilities.
#
# On your own data, try first: a network without class weights, its precision-recall curve on the
# validation data, and a threshold.

# %% [markdown]
# ## Exercises
# 1. Find 95% of each band: how much precision does that cost for each? `--recall 0.95`
# 2. Spam is 2% of your mail. Filter A finds 95% of it with a precision of 0.5, filter B finds 60%
#    with a precision of 0.99. What is the accuracy of each? Which one do you want?
# 3. Multiply the test probabilities of `plain` by the class weights, and name the band with the
#    largest product. With which network do the answers agree, and why?
#
# Solutions: notes/solutions/24_imbalanced_classes.md
