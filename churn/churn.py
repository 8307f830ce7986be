# %% [markdown]
"""
# Churn: which customers will leave the bank?

Of a bank's 10,000 customers a fifth left, which is called *churn*. First we rebuild the network of
a well-known tutorial, with its flaw: it is tested on the rows it was trained on. Then we answer the
question honestly, with held-out rows, metrics that suit a rare class, a threshold chosen on
purpose, and two models of scikit-learn for comparison. The saved model takes raw columns.

Expect: test ROC AUC 0.868 (0.859 to 0.874), median and range of five splits.

    python churn/churn.py
    python churn/churn.py --predict churn/customer.json
"""

# %%
import sys
from pathlib import Path

script = globals().get("__file__", "churn.py")  # a notebook has no `__file__`
sys.path.insert(0, str(Path(script).resolve().parent.parent))  # parent of common/ and churn/

from churn.predict import NUMBERS, answer_if_asked
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=100,
    batch_size=10,
    hidden=[64, 32],  # of the network evaluated on held-out rows
    predict=Flag(Path, "predict the customer in this JSON file with the newest saved model"),
    on_flags=answer_if_asked,  # with --predict, nothing is trained
)

import math

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from churn import figures
from common import plots

# %% [markdown]
# ## 1 Load
# The row number, the customer number and the surname identify a customer but do not help to predict
# what they will do, so we drop them. The label is the column `Exited`: 1 for those who left.

# %%
customers = lesson.load("churn").drop(columns=["RowNumber", "CustomerId", "Surname"])
exited = customers.pop("Exited").to_numpy("uint8")
print(customers.head(3).to_string())
print(f"{len(customers)} customers, {exited.mean():.1%} of them left")

# %% [markdown]
# ### The old way, with its flaw
# The tutorial one-hot encodes the country and leaves out one of the three columns, since the other
# two imply it. Gender is a column of 0 and 1, and every column is scaled to mean 0 and standard
# deviation 1. The network has 11 inputs, two hidden layers of 6 units and one output. It is trained
# on all rows and tested on the same rows. So the published accuracy, 0.86, only shows how well it
# remembers these customers.

# %%
old = pd.get_dummies(customers, columns=["Geography", "Gender"], drop_first=True).astype("float32")
old_features = ((old - old.mean()) / old.std()).to_numpy()  # (customers, 11)


def train(name: str, model, train_features, train_targets, *callbacks, **options):
    """Compile the model for binary classification, fit it, and return its history."""
    steps = math.ceil(len(train_features) / lesson.batch_size)
    model.compile(
        optimizer="adam",
        loss="binary_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps,  # a whole epoch in one call: faster
    )
    history = model.fit(
        lesson.batches(train_features, train_targets, repeat=True),  # endless, as epochs are short
        steps_per_epoch=steps,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(*callbacks, training=name),
        verbose=0,
        **options,
    )
    return history.history


old_model = keras.Sequential([
    keras.Input((11,)),
    layers.Dense(6, activation="relu"),  # 11*6 + 6 = 72 parameters
    layers.Dense(6, activation="relu"),  # 6*6 + 6 = 42
    layers.Dense(1, activation="sigmoid"),  # 6 + 1 = 7
])
print("old network, trained and tested on all rows:")
train("flawed", old_model, old_features, exited[:, None])
old_answers = old_model.predict(old_features, batch_size=1000, verbose=0)[:, 0] > 0.5
flawed_accuracy = accuracy_score(exited, old_answers)
print(f"flawed: accuracy {flawed_accuracy:.4f} on the rows it was trained on")
print(f"baseline, predicting 'stays' for everyone: {1 - exited.mean():.4f}")

# %% [markdown]
# ## 2 Prepare
# Now we hold rows out: a fifth of the customers for the test, a fifth of the rest for validation.
# The split is *stratified*: every part has the same fraction of customers who left.
#
# Next we choose what the network gets to see, by three rules:
#
# - **Treat categories as categories.** That goes for country and gender, and for the number of
#   products as well: of the customers with one product 28% leave, with two 8%, with three 83%. So
#   each number of products becomes a column of its own.
# - **Leave out columns that say next to nothing.** Credit score, tenure, credit card and salary
#   hardly differ between those who leave and those who stay, but in 6,400 rows a network still
#   finds chance patterns in them. Without them the validation AUC (step 6) is higher (table in
#   churn/README.md).
# - **Learn everything from the training rows only**, to avoid *data leakage*. `adapt` collects the
#   countries and genders and computes the means and variances.
#
# `StringLookup` turns texts into numbers or one-hot vectors, and `Discretization` sorts numbers
# into bins. The layers become part of the saved model, so it accepts a row of the bank's table.

# %%
rest, test_customers, rest_targets, test_targets = train_test_split(
    customers, exited, test_size=0.2, random_state=lesson.seed, stratify=exited
)
train_customers, val_customers, train_targets, val_targets = train_test_split(
    rest, rest_targets, test_size=0.2, random_state=lesson.seed, stratify=rest_targets
)


def columns_of(table: pd.DataFrame) -> dict:
    """Return a dict of the columns, each an array of shape (customers, 1)."""
    return {
        name: table[[name]].to_numpy("float32" if name in NUMBERS else object) for name in table
    }


scaled = ["Age", "Balance", "IsActiveMember"]  # columns that enter the network as numbers
country = layers.StringLookup(num_oov_indices=0, output_mode="one_hot", name="country")
gender = layers.StringLookup(num_oov_indices=0, name="gender")
products = layers.Discretization([1.5, 2.5, 3.5], output_mode="one_hot", name="products")
normalization = layers.Normalization(name="normalization")
train_columns = columns_of(train_customers)
country.adapt(train_columns["Geography"])
gender.adapt(train_columns["Gender"])
normalization.adapt(train_customers[scaled].to_numpy("float32"))


def encode(columns: dict):
    """Encode raw columns as 11 features: 3 scaled, 3 for country, 1 for gender, 4 for products."""
    numbers = keras.ops.concatenate([columns[name] for name in scaled], axis=1)
    return keras.ops.concatenate(
        [
            normalization(numbers),
            keras.ops.cast(country(columns["Geography"]), "float32"),
            keras.ops.cast(gender(columns["Gender"]), "float32"),
            products(columns["NumOfProducts"]),
        ],
        axis=1,
    )


parts = train_customers, val_customers, test_customers
inputs = [keras.ops.convert_to_numpy(encode(columns_of(part))) for part in parts]
old_train = old.loc[train_customers.index]  # the old network uses its old columns
old_inputs = [
    ((old.loc[part.index] - old_train.mean()) / old_train.std()).to_numpy() for part in parts
]
print("training, validation and test rows:", *map(len, parts))

# %% [markdown]
# ## 3 Define
# Every network ends in a single sigmoid unit, for yes or no. There are three:
#
# - the old network with its old columns, but trained on the training rows only
# - a larger network with the columns chosen above and a dropout of 0.2 (lesson 04)
# - the larger network with *class weights*: factors in the loss which make all customers who left
#   count as much as all who stayed


# %%
def build_model(features: int, hidden: list[int], dropout: float):
    """Build a network with these hidden layers; the run's seed sets its initial weights."""
    keras.utils.set_random_seed(lesson.seed)
    model = keras.Sequential([keras.Input((features,))])
    for units in hidden:
        model.add(layers.Dense(units, activation="relu"))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    return model


# %% [markdown]
# ## 4 Compile
# `train`, defined above, compiles each network. The loss is binary cross-entropy, as in lesson 02,
# and the label is a single number, 0 or 1.

# %% [markdown]
# ## 5 Fit
# The old network trains for all epochs, as in the tutorial. For the others, `EarlyStopping` ends
# training when the validation loss has not improved for ten epochs, and restores the weights of the
# best epoch. (Class weights change the training loss only, so the validation losses are
# comparable.)
#
# Two models of scikit-learn learn from the same rows, with all columns. *Logistic regression* is a
# network without hidden layers. *Gradient boosting* adds up many small *decision trees*: each asks
# a few yes-or-no questions and corrects the trees before it. Gradient boosting holds out a tenth of
# the rows itself, to know when to stop.

# %%
balanced = {0: 0.5 / (1 - train_targets.mean()), 1: 0.5 / train_targets.mean()}
probabilities = {}  # of leaving, for each model: [validation, test]
histories, networks = {}, {}
for name, (train_features, val_features, test_features), hidden, dropout, class_weight in (
    ("old network", old_inputs, [6, 6], 0, None),
    ("network", inputs, lesson.hidden, 0.2, None),
    ("network, class weights", inputs, lesson.hidden, 0.2, balanced),
):
    networks[name] = build_model(train_features.shape[1], hidden, dropout)
    stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    print(f"{name}:")
    histories[name] = train(
        name.replace(", ", "-").replace(" ", "-"),
        networks[name],
        train_features,
        train_targets[:, None],
        *([] if name == "old network" else [stop]),
        validation_data=lesson.batches(
            val_features, val_targets[:, None], len(val_targets), shuffle=False
        ),
        class_weight=class_weight,
    )
    probabilities[name] = [
        networks[name].predict(features, batch_size=1000, verbose=0)[:, 0]
        for features in (val_features, test_features)
    ]

to_columns = make_column_transformer(
    (OneHotEncoder(drop="if_binary"), ["Geography", "Gender"]), (StandardScaler(), NUMBERS)
)
others = {
    "logistic regression": LogisticRegression(),
    "gradient boosting": HistGradientBoostingClassifier(
        learning_rate=0.05, early_stopping=True, random_state=lesson.seed
    ),
}
for name, classifier in others.items():
    pipeline = make_pipeline(to_columns, classifier).fit(train_customers, train_targets)
    probabilities[name] = [
        pipeline.predict_proba(table)[:, 1] for table in (val_customers, test_customers)
    ]

# %% [markdown]
# ## 6 Evaluate
# Predicting "stays" for everyone is right for four customers in five, so accuracy says little.
# Precision, recall and F1 (lesson 01) are about those who leave. They depend on the *threshold*:
# the probability from which on we predict "leaves". We choose the one with the best F1 on the
# validation rows, never on the test rows.
#
# *ROC AUC* (area under the ROC curve) needs no threshold. It is the probability that a random
# customer who left gets a higher score than a random one who stayed: 0.5 for guessing, 1 at best.
#
# A model is *calibrated* if 30% of those to whom it gives a probability of 30% leave, and so on for
# every probability. The *Brier score* is the mean squared difference between probability and
# outcome (0 or 1); poor calibration makes it larger. Class weights do that: they raise all
# probabilities, as if half of the customers left.
#
# In the table, `val_auc` is the AUC on the validation rows; compare settings by it, not by the test
# rows. `accuracy_at_half` and `recall_at_half` belong to the usual threshold, 0.5: compare the old
# network's accuracy there, on new customers, with the flawed one.


# %%
def best_threshold(targets, scores) -> float:
    """Return the threshold with the highest F1 score."""
    precision, recall, thresholds = precision_recall_curve(targets, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return float(thresholds[f1[:-1].argmax()])


rows = []
for name, (val_scores, test_scores) in probabilities.items():
    threshold = best_threshold(val_targets, val_scores)
    answers = test_scores >= threshold
    rows.append({
        "model": name,
        "val_auc": roc_auc_score(val_targets, val_scores),
        "auc": roc_auc_score(test_targets, test_scores),
        "brier": brier_score_loss(test_targets, test_scores),
        "accuracy_at_half": accuracy_score(test_targets, test_scores >= 0.5),
        "recall_at_half": recall_score(test_targets, test_scores >= 0.5),
        "threshold": threshold,
        "accuracy": accuracy_score(test_targets, answers),
        "precision": precision_score(test_targets, answers, zero_division=0),
        "recall": recall_score(test_targets, answers),
        "f1": f1_score(test_targets, answers),
    })
models = pd.DataFrame(rows)
print("on the test rows:")
lesson.save_table("models", models.round(4))

(network,) = models[models.model == "network"].to_dict("records")
threshold = network["threshold"]
val_scores, test_scores = probabilities["network"]
figure = plots.confusion_matrix(test_targets, test_scores >= threshold, ["stayed", "left"])
lesson.save_figure("confusion_matrix", figure)

test_scores_by_model = {name: scores for name, (_, scores) in probabilities.items()}
figure = figures.roc_and_precision_recall(test_targets, test_scores_by_model)
lesson.save_figure("roc_and_precision_recall", figure)
lesson.save_figure("threshold", figures.threshold(val_targets, val_scores, threshold))
lesson.save_figure("calibration", figures.calibration(test_targets, test_scores_by_model))

# %% [markdown]
# ## 7 Predict
# The saved model consists of `encode` and the network: raw columns go in, a probability comes out.
# Only TensorFlow has tensors of strings; on another back-end we save the network without `encode`.

# %%
model = networks["network"]
if keras.backend.backend() == "tensorflow":
    raw = {
        name: keras.Input((1,), name=name, dtype="float32" if name in NUMBERS else "string")
        for name in customers
    }
    model = keras.Model(raw, model(encode(raw)))
    first = {
        name: keras.ops.convert_to_tensor(values)
        for name, values in columns_of(test_customers.head(3)).items()
    }
    print(test_customers.head(3).to_string())
    print("probability of leaving:", np.array(model(first))[:, 0].round(3))

lesson.finish(
    model,
    histories["network"],
    training="network",
    flawed_accuracy=flawed_accuracy,
    **{f"test_{name}": network[name] for name in ("auc", "accuracy", "precision", "recall", "f1")},
    threshold=threshold,
)
