"""Compare variants of the network of churn/churn.py on validation rows only.

    KERAS_TUTORIAL_DATA=DIR python benchmarks/churn_tries.py > benchmarks/results/churn_tries.csv

The splits are the lesson's, with seeds 42 to 46; no model predicts a test row. A validation row of
one split may be a test row of another, so the last column counts only the validation rows that are
test rows in none of the five splits. Scaling is fitted on training rows.
"""

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common.startup import start_keras

start_keras()

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from churn.predict import NUMBERS
from common.batches import ordered_batches, shuffled_batches
from datasets import find_dataset

SEEDS = range(42, 47)
FEW = ["Age", "Balance", "NumOfProducts", "IsActiveMember"]
KINDS = ["Age", "Balance", "IsActiveMember"]  # and the products as categories
ALL_KINDS = [name for name in NUMBERS if name != "NumOfProducts"]

customers = find_dataset("churn", "real", None)[0]
exited = customers.Exited.to_numpy("uint8")


def split(seed: int):
    """Return the row numbers of the lesson's training, validation and test sets."""
    rest, test = train_test_split(
        np.arange(len(exited)), test_size=0.2, random_state=seed, stratify=exited
    )
    train, val = train_test_split(rest, test_size=0.2, random_state=seed, stratify=exited[rest])
    return train, val, test


tested = np.unique(np.concatenate([split(seed)[2] for seed in SEEDS]))


def features(train, numbers: list[str], *extras: str) -> np.ndarray:
    """Return the features of all customers, scaled by statistics of the training rows."""
    table = customers[numbers].astype(float)
    if "age squared" in extras:
        table["Age2"] = (table.Age - table.Age.iloc[train].mean()) ** 2
    table = (table - table.iloc[train].mean()) / table.iloc[train].std(ddof=0)
    parts = [table, pd.get_dummies(customers.Geography), customers[["Gender"]] == "Male"]
    if "NumOfProducts" not in numbers:
        parts.append(pd.get_dummies(customers.NumOfProducts))
    if "no balance" in extras:
        parts.append(customers[["Balance"]] == 0)
    if "ages as categories" in extras:
        edges = customers.Age.iloc[train].quantile(np.linspace(0, 1, 11)[1:-1])
        parts.append(pd.DataFrame(np.eye(10)[np.digitize(customers.Age, edges)]))
    return np.concatenate([part.to_numpy("float32") for part in parts], axis=1)


def network(seed, train_x, train_y, val_x, val_y, hidden, dropout, batch_size):
    """Train the lesson's network; return its probabilities for the validation rows."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((train_x.shape[1],))])
    for units in hidden:
        model.add(layers.Dense(units, activation="relu"))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    train = shuffled_batches(train_x, train_y[:, None], batch_size, seed, repeat=True)
    steps = math.ceil(len(train_y) / batch_size)
    model.compile("adam", "binary_crossentropy", steps_per_execution=steps)
    model.fit(
        train,
        steps_per_epoch=steps,
        epochs=100,
        callbacks=[keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)],
        validation_data=ordered_batches(val_x, val_y[:, None], len(val_y)),
        verbose=0,
    )
    return model.predict(val_x, batch_size=2000, verbose=0)[:, 0]


def classifier(model):
    return lambda seed, train_x, train_y, val_x, val_y: (
        model(seed).fit(train_x, train_y).predict_proba(val_x)[:, 1]
    )


def net(*hidden, dropout=0.2, batch_size=10):
    return lambda *data: network(*data, hidden, dropout, batch_size)


logistic = classifier(lambda seed: LogisticRegression())
boosting = classifier(
    lambda seed: HistGradientBoostingClassifier(
        learning_rate=0.05, early_stopping=True, random_state=seed
    )
)
large = net(32, 16, batch_size=128)
TRIES = {
    "gradient boosting, all columns": (boosting, NUMBERS),
    "gradient boosting, the network's columns": (boosting, KINDS),
    "logistic regression, all columns": (logistic, NUMBERS),
    "logistic regression, the network's columns": (logistic, KINDS),
    "32 and 16 units, all columns": (net(32, 16), NUMBERS),
    "+ four columns left out": (net(32, 16), FEW),
    "+ the number of products as categories": (net(32, 16), KINDS),
    "+ 64 and 32 units: the lesson's network": (net(64, 32), KINDS),
    "+ dropout of 0.1 instead of 0.2": (net(64, 32, dropout=0.1), KINDS),
    "batches of 128: 32 and 16 units, all columns": (large, NUMBERS),
    "batches of 128: + the number of products as categories": (large, ALL_KINDS),
    "batches of 128: + a column for a balance of 0": (large, ALL_KINDS, "no balance"),
    "batches of 128: + a column for the age squared": (
        large,
        ALL_KINDS,
        "no balance",
        "age squared",
    ),
    "batches of 128: + ten age groups instead of the age squared": (
        large,
        ALL_KINDS,
        "no balance",
        "ages as categories",
    ),
}
print("model,val_auc,val_auc_lowest,val_auc_highest,val_loss,val_auc_never_tested", flush=True)
for name, (train_and_predict, *columns) in TRIES.items():
    aucs, losses, untouched = [], [], []
    for seed in SEEDS:
        train, val, _ = split(seed)
        inputs = features(train, *columns)
        scores = train_and_predict(seed, inputs[train], exited[train], inputs[val], exited[val])
        aucs.append(roc_auc_score(exited[val], scores))
        losses.append(log_loss(exited[val], scores))
        free = ~np.isin(val, tested)
        untouched.append(roc_auc_score(exited[val][free], scores[free]))
    figures = np.mean(aucs), min(aucs), max(aucs), np.mean(losses), np.mean(untouched)
    print(f'"{name}",' + ",".join(f"{value:.4f}" for value in figures), flush=True)
