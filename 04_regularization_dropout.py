# %% [markdown]
"""
# 04 Regularization: why does a network do worse on new data?

Ten networks read the film reviews of lesson 02. First we change only their size, and see how soon
each begins to memorize the training reviews. Then we keep one size and try the usual remedies:
penalties on large weights, dropout, batch normalization, stopping early.

Expect: test accuracy 0.882 (0.881 to 0.884), median and range of three seeds.

    python 04_regularization_dropout.py
    python 04_regularization_dropout.py --models baseline dropout --dropout 0.8
"""

# %%
from common.lesson import Flag, Lesson

NAMES = (
    "smaller", "baseline", "bigger", "L2", "L1",
    "dropout", "batch_norm", "L2_dropout", "early_stopping", "a_fifth",
)  # fmt: skip
lesson = Lesson(
    __doc__,
    epochs=20,
    batch_size=512,
    models=NAMES,
    l2=Flag(0.001, "weight of the L2 penalty"),
    l1=Flag(0.0001, "weight of the L1 penalty"),
    dropout=Flag(0.5, below=1),
)

import keras
import numpy as np
import pandas as pd
from keras import layers
from keras.regularizers import L1, L2
from sklearn.model_selection import train_test_split

from common import plots

# %% [markdown]
# ## 1 Load

# %%
(train_reviews, train_labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
train_reviews, val_reviews, train_labels, val_labels = train_test_split(
    train_reviews, train_labels, test_size=0.4, stratify=train_labels, random_state=lesson.seed
)
print(len(train_reviews), "training reviews,", end=" ")
print(len(val_reviews), "validation reviews,", len(test_reviews), "test reviews")

# %% [markdown]
# ## 2 Prepare

# %%
WORDS = 10_000


def multi_hot(reviews):
    """Turn reviews (arrays of ranks) into rows of 0 and 1, of shape (reviews, WORDS)."""
    rows = np.zeros((len(reviews), WORDS), dtype="uint8")
    for row, review in zip(rows, reviews, strict=True):
        row[review[review < WORDS]] = 1
    return rows


train_words, val_words = multi_hot(train_reviews), multi_hot(val_reviews)
train_labels, val_labels = train_labels.reshape(-1, 1), val_labels.reshape(-1, 1)
val = lesson.batches(val_words, val_labels, shuffle=False)

# %% [markdown]
# ## 3 Define


# %%
def plain(units):
    """Build the network without any remedy."""
    return keras.Sequential([
        keras.Input((WORDS,), dtype="uint8"),
        layers.Dense(units, activation="relu"),
        layers.Dense(units, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ])


# %%
def with_penalty(penalty):
    """Build the baseline with a penalty on its weights."""
    return keras.Sequential([
        keras.Input((WORDS,), dtype="uint8"),
        layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        layers.Dense(1, activation="sigmoid"),
    ])


# %%
def with_dropout(penalty=None):
    """Build the baseline with dropout, and a penalty if one is given."""
    return keras.Sequential([
        keras.Input((WORDS,), dtype="uint8"),
        layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        layers.Dropout(lesson.dropout),
        layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        layers.Dropout(lesson.dropout),
        layers.Dense(1, activation="sigmoid"),
    ])


# %%
def with_batch_normalization():
    """Build the baseline with batch normalization."""
    return keras.Sequential([
        keras.Input((WORDS,), dtype="uint8"),
        layers.Dense(16, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(16, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(1, activation="sigmoid"),
    ])


# %%
BUILDERS = {
    "smaller": lambda: plain(4),
    "baseline": lambda: plain(16),
    "bigger": lambda: plain(512),
    "L2": lambda: with_penalty(L2(lesson.l2)),
    "L1": lambda: with_penalty(L1(lesson.l1)),
    "dropout": with_dropout,
    "batch_norm": with_batch_normalization,
    "L2_dropout": lambda: with_dropout(L2(lesson.l2)),
    "early_stopping": lambda: plain(16),  # the baseline, stopped in time
    "a_fifth": lambda: plain(16),  # the baseline, trained on a fifth of the reviews
}

# %% [markdown]
# ## 4 Compile

# %%
models = {}
for name in lesson.models:
    keras.utils.set_random_seed(lesson.seed)  # every model starts from the same random draws
    models[name] = BUILDERS[name]()
    models[name].compile(
        optimizer="adam", loss="binary_crossentropy", metrics=["accuracy", "binary_crossentropy"]
    )

# %% [markdown]
# ## 5 Fit

# %%
curves = {}
for name, model in models.items():
    print(f"\n{name}: {model.count_params():,} parameters")
    reviews = len(train_words) // (5 if name == "a_fifth" else 1)
    train = lesson.batches(train_words[:reviews], train_labels[:reviews])
    early_stopping = keras.callbacks.EarlyStopping(
        monitor="val_binary_crossentropy",
        mode="min",
        patience=3 if name == "early_stopping" else lesson.epochs,
        restore_best_weights=True,
    )
    history = model.fit(
        train,
        validation_data=val,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(early_stopping, training=name),  # with a progress bar
        verbose=0,
    )
    curves[name] = history.history

# %% [markdown]
# ## 6 Evaluate

# %%
test_words, test_labels = multi_hot(test_reviews), test_labels.reshape(-1, 1)
test = lesson.batches(test_words, test_labels, shuffle=False)
rows = []
for name, model in models.items():
    loss = curves[name]["binary_crossentropy"]
    val_loss = curves[name]["val_binary_crossentropy"]
    test_scores = model.evaluate(test, verbose=0, return_dict=True)
    rows.append({
        "model": name,
        "parameters": model.count_params(),
        "best_epoch": np.argmin(val_loss) + 1,
        "best_val_loss": min(val_loss),
        "end_val_loss": val_loss[-1],
        "end_gap": val_loss[-1] - loss[-1],
        "test_accuracy": test_scores["accuracy"],
        "test_loss": test_scores["binary_crossentropy"],
    })
table = pd.DataFrame(rows)
best = table.best_val_loss.idxmin()  # the number of its row
table = table.round(4)
lesson.save_table("models", table)

sizes = {name: curves[name] for name in curves if name in ["smaller", "baseline", "bigger"]}
remedies = {name: curves[name] for name in curves if name not in ["smaller", "bigger"]}
if sizes:
    figure = plots.compare_models(sizes, "binary_crossentropy", "one network in three sizes")
    lesson.save_figure("capacity", figure)
if remedies:
    figure = plots.compare_with_baseline(remedies, "binary_crossentropy", "baseline")
    lesson.save_figure("remedies", figure)

# %% [markdown]
# ## 7 Predict

# %%
best_name = table.model[best]
model = models[best_name]
one_word_reviews = np.eye(WORDS, dtype="uint8")
probabilities = model.predict(one_word_reviews, batch_size=512, verbose=0)[:, 0]
words_by_rank = {rank: word for word, rank in word_index.items()}
order = [rank for rank in probabilities.argsort() if rank in words_by_rank]
for kind, ranks in (("negative", order[:10]), ("positive", order[:-11:-1])):
    print(f"most {kind}:", *[f"{words_by_rank[rank]} {probabilities[rank]:.2f}" for rank in ranks])
print(f"\nlowest validation loss: {best_name}; its scores are in the record")
lesson.finish(
    model,
    curves[best_name],
    training=best_name,
    test_loss=table.test_loss[best],
    test_accuracy=table.test_accuracy[best],
)

# %% [markdown]
# ## Exercises
# 1. What does too much dropout look like? Try `--dropout 0.9`.
# 2. And too strong a penalty, `--l2 0.1`?
# 3. With `--limit 3000`, which of the three sizes is best?
#
# Solutions: notes/solutions/04_regularization_dropout.md
