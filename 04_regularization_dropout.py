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
from scipy.sparse import csr_array, eye_array
from sklearn.model_selection import train_test_split

from common import plots

# %% [markdown]
# ## 1 Load
# As in lesson 02, each review is a row of word ranks: 1 is the commonest word.

# %%
(train_reviews, train_labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
train_reviews, val_reviews, train_labels, val_labels = train_test_split(
    train_reviews, train_labels, test_size=0.4, stratify=train_labels, random_state=lesson.seed
)
print(len(train_reviews), "training reviews,", end=" ")
print(len(val_reviews), "validation reviews,", len(test_reviews), "test reviews")

# %% [markdown]
# ## 2 Prepare
# *Multi-hot*: each review becomes a row of 10,000 places, with 1 where a word occurs and 0
# elsewhere. Place r belongs to the word of rank r; place 0 stays empty. Order and number of the
# words are lost. It is a wide and simple input, on which overfitting is easy to see.
#
# 25,000 rows of 10,000 floats would be a gigabyte. Nearly all places are 0, so we store only the
# places of the ones: a *sparse* array. `lesson.batches` makes ordinary, *dense* arrays of it, batch
# by batch.

# %%
WORDS = 10_000


def multi_hot(reviews):
    """Turn reviews (arrays of ranks) into a sparse uint8 array of shape (reviews, WORDS)."""
    words = [np.unique(review[review < WORDS]) for review in reviews]
    ends = np.cumsum([0, *map(len, words)], dtype="int32")
    ones = np.ones(ends[-1], "uint8")
    return csr_array((ones, np.concatenate(words), ends), shape=(len(reviews), WORDS))


train_words, val_words, test_words = map(multi_hot, (train_reviews, val_reviews, test_reviews))
del train_reviews, val_reviews, test_reviews  # no longer needed
train_labels, val_labels, test_labels = (
    labels[:, np.newaxis] for labels in (train_labels, val_labels, test_labels)
)  # (reviews, 1), as the networks answer: the metric below wants both alike
val = lesson.batches(val_words, val_labels, shuffle=False)
test = lesson.batches(test_words, test_labels, shuffle=False)
stored = train_words.data.nbytes + train_words.indices.nbytes
print(
    f"ones: {train_words.nnz / np.prod(train_words.shape):.2%} of the places; stored in "
    f"{stored / 1e6:.0f} MB, as floats {np.prod(train_words.shape) * 4 / 1e6:.0f} MB"
)

# %% [markdown]
# ## 3 Define
# One function builds every network; a model is the arguments that differ from the baseline's.
#
# The baseline has 10,000·16 + 16 = 160,016 parameters in its first layer, then 16·16 + 16 = 272,
# then 17. The bigger one has 10,000·512 + 512 + 512·512 + 512 + 513 = 5,383,681: 359 for each
# review.
#
# - *L2* adds 0.001 times the sum of all squared weights of a layer to the loss, *L1* 0.0001 times
#   the sum of their absolute values. Both pull weights that help little towards 0.
# - *Dropout* sets a random half of a layer's outputs to 0 at every training step and doubles the
#   rest, so that no unit can rely on one other. In validation and prediction all take part.
# - *Batch normalization* shifts and scales each unit's outputs to mean 0 and variance 1 over the
#   batch, then by two numbers it learns. It is made for faster training; does it regularize too?


# %%
def build_model(units=16, l2=0.0, l1=0.0, dropout=0.0, batch_normalization=False):
    """Build a network of two hidden layers with `units` each."""
    keras.utils.clear_session()  # the layers of every model are numbered from the start
    keras.utils.set_random_seed(lesson.seed)  # every model starts from the same draws
    model = keras.Sequential([keras.Input((WORDS,), dtype="uint8")])
    for _ in range(2):
        penalty = keras.regularizers.L1L2(l1=l1, l2=l2) if l1 or l2 else None
        model.add(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        if batch_normalization:
            model.add(layers.BatchNormalization())
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    return model


ARGUMENTS = {
    "smaller": {"units": 4},
    "baseline": {},
    "bigger": {"units": 512},
    "L2": {"l2": lesson.l2},
    "L1": {"l1": lesson.l1},
    "dropout": {"dropout": lesson.dropout},
    "batch_norm": {"batch_normalization": True},
    "L2_dropout": {"l2": lesson.l2, "dropout": lesson.dropout},
    "early_stopping": {},  # the baseline, stopped in time
    "a_fifth": {},  # the baseline, with a fifth of the training reviews
}

# %% [markdown]
# ## 4 Compile
# The loss of a model with a penalty contains the penalty, so losses cannot be compared. The metric
# `BinaryCrossentropy` leaves it out. It is what we look at below.


# %%
def compile_model(model):
    """Give a model its optimizer, loss and metrics: the same for all."""
    model.compile(
        optimizer="adam",
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.BinaryCrossentropy()],
    )


# %% [markdown]
# ## 5 Fit
# All models get the same batches in the same order, apart from the one that has fewer reviews.
# `EarlyStopping` puts back the weights of a model's best epoch at the end. Only the model
# `early_stopping` is also stopped, when the validation loss has set no new low for 3 epochs.

# %%
models, curves = {}, {}
for name in lesson.models:
    model = build_model(**ARGUMENTS[name])
    compile_model(model)
    print(f"\n{name}: {model.count_params():,} parameters")
    reviews = len(train_labels) // (5 if name == "a_fifth" else 1)
    train = lesson.batches(train_words[:reviews], train_labels[:reviews])
    early_stopping = keras.callbacks.EarlyStopping(
        monitor="val_binary_crossentropy",
        mode="min",
        restore_best_weights=True,
        patience=3 if name == "early_stopping" else lesson.epochs,
    )
    history = model.fit(
        train,
        validation_data=val,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(early_stopping, training=name),  # with a progress bar
        verbose=0,
    )
    models[name], curves[name] = model, history.history

# %% [markdown]
# ## 6 Evaluate
# We keep the model with the lowest validation loss. The test scores are only for looking: the best
# of ten test scores would be good luck in part.
#
# `end_gap` is the validation loss minus the training loss after the last epoch. A network that
# *underfits* has learned too little: both losses are high and can still fall together. One that
# *overfits* has a training loss near 0 and a validation loss that rises.
#
# - Sizes: all three underfit at first and overfit at the end. The smaller network's validation loss
#   reaches its minimum late and then rises slowly. The bigger one is best after its first epoch,
#   and ends worst of the three.
# - Remedies: at the last epoch all of them have a lower validation loss than the baseline. At their
#   best epoch dropout leads, alone or with L2. L2 or L1 alone do not improve the best epoch.
# - Batch normalization also ends lower, but its best epoch is worse than the baseline's. It is no
#   remedy here.
# - Early stopping saves time: it is the baseline, ended 3 epochs after its best one.
# - With a fifth of the reviews, and so a fifth of the steps, the best epoch is worse than the
#   baseline's: the other reviews had more to teach.
#
# With dropout the training loss is measured while units are left out: its dashed curve is too high,
# and its gap too small, to be compared with the others.

# %%
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

SIZES = ["smaller", "baseline", "bigger"]
sizes = {name: curve for name, curve in curves.items() if name in SIZES}
remedies = {name: curve for name, curve in curves.items() if name not in ["smaller", "bigger"]}
for file, title, shown in [
    ("capacity", "one network in three sizes", sizes),
    ("remedies", "the baseline and its variants", remedies),
]:
    if shown:
        figure = plots.compare_models(shown, "binary_crossentropy", title)
        lesson.save_figure(file, figure)

# %% [markdown]
# ## 7 Predict
# What has the chosen network learned? We give it 10,000 reviews of one word each, and print the
# words that move the answer most.

# %%
best_name = table.model[best]
model = models[best_name]
one_word_reviews = eye_array(WORDS, dtype="uint8", format="csr")
batches = lesson.batches(one_word_reviews, np.zeros((WORDS, 1)), shuffle=False)
probabilities = model.predict(batches, verbose=0)[:, 0]
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
