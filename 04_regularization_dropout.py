# %% [markdown]
"""
# 04 Regularization: why does a network do worse on new data?

Did the writer of this review like the film? Ten networks learn to answer from 15,000 of lesson 02's
reviews, and if we let them, they memorize those reviews. You will see in the learning curves when
that begins, and what the usual remedies do about it: a smaller network, L2 and L1 penalties,
dropout, early stopping, more data. A network is useful only if it does well on new data.

Expect: test accuracy 0.882 (0.881 to 0.884), median and range of three seeds.

    python 04_regularization_dropout.py
    python 04_regularization_dropout.py --models baseline dropout --dropout 0.8
"""

# %%
from frame import Flag, Lesson

# `Lesson` is the helper that lesson 01 explains: every argument below becomes a flag. `--models`
# takes one or more of these names, by default all. A `Flag` has a help text and limits.
NAMES = (
    "smaller", "baseline", "bigger", "L2", "L1",
    "dropout", "batch_norm", "L2_dropout", "early_stopping", "a_fifth",
)  # fmt: skip
lesson = Lesson(
    __doc__,
    epochs=20,
    batch_size=512,
    models=NAMES,
    l2=Flag(0.001, "strength of the L2 penalty"),
    l1=Flag(0.0001, "strength of the L1 penalty"),
    dropout=Flag(0.5, "fraction of the outputs that dropout sets to 0", below=1),
)

import keras
import numpy as np
import pandas as pd
from keras import layers
from keras.regularizers import L1, L2
from scipy.sparse import csr_array, eye_array
from sklearn.model_selection import train_test_split

from regularization.figures import compare_with_baseline

# %% [markdown]
# ## 1 Load
# The task is that of lesson 02: given a film review, predict whether its writer liked the film
# (label 1) or not (label 0). A review is an array of word ranks: 1 is the commonest word, 2 the
# next. We hold out 40% of the 25,000 training reviews as validation data; `stratify` keeps the
# fraction of positive reviews the same in both parts.

# %%
(train_reviews, train_labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
train_reviews, val_reviews, train_labels, val_labels = train_test_split(
    train_reviews, train_labels, test_size=0.4, stratify=train_labels, random_state=lesson.seed
)
print(len(train_reviews), "training,", len(val_reviews), "validation,", len(test_reviews), "test")

# %% [markdown]
# ## 2 Prepare
# Each review becomes a *multi-hot* vector of 10,000 numbers: 1 at the rank of every word that
# occurs in it, 0 elsewhere. (Place 0 stays empty; rarer words are left out.) Word order and word
# counts are lost. It is a simple but very wide input, on which a network overfits within a few
# epochs: just what we want to study. Since nearly all numbers are 0, we store only the ones and
# their positions, in a *sparse* array (SciPy's `csr_array`); `lesson.batches` turns each batch into
# an ordinary, *dense* array. The type `uint8` saves memory, too: a number takes a single byte.

# %%
WORDS = 10_000


def multi_hot(reviews):
    rows = np.zeros((len(reviews), WORDS), dtype="uint8")
    for row, review in zip(rows, reviews, strict=True):
        row[review[review < WORDS]] = 1
    return csr_array(rows)  # sparse: stores only the ones


train_words, val_words, test_words = map(multi_hot, (train_reviews, val_reviews, test_reviews))
train_labels, val_labels, test_labels = (
    labels.reshape(-1, 1) for labels in (train_labels, val_labels, test_labels)
)  # (reviews, 1), the shape of the predictions
val = lesson.batches(val_words, val_labels, shuffle=False)
test = lesson.batches(test_words, test_labels, shuffle=False)

# %% [markdown]
# ## 3 Define
# A network *generalizes* if it does well on data it has never seen. Its *capacity* is how
# complicated a function it can represent; more layers and units mean more capacity. With too little
# capacity, or too little training, a network *underfits*: it misses patterns that are there. With
# plenty of both it can *overfit*: it *memorizes* chance coincidences in the training data
# (*noise*), for instance that all three reviews that mention a certain actor happen to be positive.
#
# Here is one architecture in three sizes: two hidden layers of 4, 16 or 512 units. The one with 16
# is our *baseline*, the model with which we compare the others. Its first layer has 10,000·16 + 16
# = 160,016 parameters, the whole network 160,305. With 512 units the network has 5,383,681: that is
# 359 parameters for every training review, enough to memorize them all.


# %%
def plain(units):
    return keras.Sequential([
        keras.Input((WORDS,), dtype="uint8"),
        layers.Dense(units, activation="relu"),
        layers.Dense(units, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ])


# %% [markdown]
# *Regularization* is whatever makes a network generalize better although it fits the training data
# less closely. One way is to keep the weights small. Why does that help? With large weights a
# single rare word can decide the answer, and that is how a review is memorized. With small weights
# many words must agree, and what many words in many reviews agree on is likely to hold for new ones
# too.
#
# An *L2 penalty* adds λ·Σw² to the loss: a small number λ (lambda) times the sum of a layer's
# squared weights w. With λ = 0.001, our default, a weight of 0.1 costs 0.00001, and one of 1, ten
# times as large, costs a hundred times as much. So a weight stays large only if it lowers the error
# by more than it costs. That can be so for a word that tells something about many reviews, but not
# for one that occurs in two. The derivative, 2λw, pulls every weight towards 0 in proportion to its
# size. In plain gradient descent each weight thus shrinks by a fixed percentage per step, hence the
# other name, *weight decay*. (With Adam the two are not the same: see notes/overfitting.md.)
#
# An *L1 penalty* adds λ·Σ|w|. Its derivative is λ or -λ, however small the weight: the pull never
# weakens. So weights of little use end very close to 0, and only the useful ones stay large. L2
# makes all weights smaller, but its pull fades near 0.
#
# The `kernel` of a layer is its weights without the biases. Only they are penalized here.


# %%
def with_penalty(penalty):
    return keras.Sequential([
        keras.Input((WORDS,), dtype="uint8"),
        layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        layers.Dense(1, activation="sigmoid"),
    ])


# %% [markdown]
# *Dropout* sets each output of a layer to 0 with a certain probability, the *rate*, and draws anew
# for every review in every training step. So no unit can rely on any particular other one, and the
# network must find several clues to the same answer. To keep the sum of the outputs the same on
# average, those that are left are divided by (1-rate): a rate of 0.5 doubles them, one of 0.8 makes
# them five times as large. In validation and prediction nothing is dropped and nothing scaled.


# %%
def with_dropout(penalty=None):
    return keras.Sequential([
        keras.Input((WORDS,), dtype="uint8"),
        layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        layers.Dropout(lesson.dropout),
        layers.Dense(16, activation="relu", kernel_regularizer=penalty),
        layers.Dropout(lesson.dropout),
        layers.Dense(1, activation="sigmoid"),
    ])


# %% [markdown]
# *Batch normalization* shifts and scales each unit's outputs to mean 0 and variance 1 over the
# batch, then scales and shifts them by two learned parameters, so that training can still choose
# the mean and variance that suit the next layer. A single new review has no batch: in prediction
# the layer uses averages of the means and variances, which it has kept up to date during training.
# It was invented to train deep networks faster. Because the mean of a batch is a little random, the
# outputs get a little noisy, as with dropout, so it is often recommended as a remedy too. Is it?


# %%
def with_batch_normalization():
    return keras.Sequential([
        keras.Input((WORDS,), dtype="uint8"),
        layers.Dense(16, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(16, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(1, activation="sigmoid"),
    ])


BUILDERS = {  # the ten models; a lambda builds its model only when it is called
    "smaller": lambda: plain(4),
    "baseline": lambda: plain(16),
    "bigger": lambda: plain(512),
    "L2": lambda: with_penalty(L2(lesson.l2)),
    "L1": lambda: with_penalty(L1(lesson.l1)),
    "dropout": lambda: with_dropout(),
    "batch_norm": lambda: with_batch_normalization(),
    "L2_dropout": lambda: with_dropout(L2(lesson.l2)),
    "early_stopping": lambda: plain(16),  # stopped in time
    "a_fifth": lambda: plain(16),  # trained on a fifth of the reviews
}

# %% [markdown]
# ## 4 Compile
# We compile all ten alike. The loss of a model with a penalty includes the penalty, on validation
# data too, so it cannot be compared with another model's. The metric `binary_crossentropy` leaves
# the penalty out: from here on it is what we mean by training loss and validation loss.

# %%
models = {}
for name in lesson.models:
    keras.utils.set_random_seed(lesson.seed)  # the same seed for every model
    model = models[name] = BUILDERS[name]()
    metrics = ["accuracy", "binary_crossentropy"]
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=metrics)

# %% [markdown]
# ## 5 Fit
# *Early stopping* ends training once the validation loss has not improved for `patience` epochs;
# with `restore_best_weights` the model then gets back the weights of its best epoch. All ten models
# get those back, but only `early_stopping` is also stopped early: the others go on for all 20
# epochs, so that we can see what happens. `a_fifth` trains on 3,000 reviews only: how much do the
# other 12,000 help?

# %%
curves = {}
for name, model in models.items():
    print(f"\n{name}: {model.count_params():,} parameters")
    reviews = len(train_labels) // (5 if name == "a_fifth" else 1)
    train = lesson.batches(train_words[:reviews], train_labels[:reviews])
    early_stopping = keras.callbacks.EarlyStopping(
        monitor="val_binary_crossentropy",
        mode="min",  # lower is better
        patience=3 if name == "early_stopping" else lesson.epochs,  # all epochs: never stops
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
# The validation loss minus the training loss is the *generalization gap*. While a network still
# underfits, both losses are high and fall together. It overfits from the epoch on where the
# training loss keeps falling but the validation loss has turned and rises: the gap widens.
#
# We choose the model with the lowest validation loss. Why not the highest accuracy? The loss also
# notices how sure a wrong answer was, so it shows overfitting first. And why not the test scores?
# The best of ten is partly luck, and then no unused data would be left for an honest score.

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

for file, names in [("capacity", NAMES[:3]), ("remedies", [NAMES[1], *NAMES[3:]])]:
    if shown := {name: curves[name] for name in names if name in curves}:
        figure = compare_with_baseline(shown, "binary_crossentropy", "baseline")
        lesson.save_figure(file, figure)

# %% [markdown]
# What we saw with three seeds (medians of the validation losses, and their gap to the training
# loss; the test accuracy is that of the best epoch's weights):
#
# <!-- results: lesson-04-losses -->
# | model            | best epoch | best loss | last loss | last gap | test accuracy |
# | ---------------- | ---------- | --------- | --------- | -------- | ------------- |
# | `smaller`        | 9          | 0.277     | 0.358     | 0.306    | 0.881         |
# | `baseline`       | 4          | 0.278     | 0.654     | 0.649    | 0.882         |
# | `bigger`         | 1          | 0.295     | 0.839     | 0.839    | 0.869         |
# | `L2`             | 4          | 0.280     | 0.461     | 0.413    | 0.882         |
# | `L1`             | 4          | 0.282     | 0.435     | 0.364    | 0.880         |
# | `dropout`        | 7          | 0.272     | 0.467     | 0.387    | 0.881         |
# | `batch_norm`     | 10         | 0.337     | 0.464     | 0.462    | 0.848         |
# | `L2_dropout`     | 7          | 0.275     | 0.368     | 0.247    | 0.880         |
# | `early_stopping` | 4          | 0.278     | 0.315     | 0.231    | 0.882         |
# | `a_fifth`        | 12         | 0.332     | 0.367     | 0.345    | 0.852         |
# <!-- end -->
#
# - *Keeping the best epoch's weights* does most. Every network overfits in the end; without
#   `restore_best_weights` we would be left with the last loss instead of the best. Stopping early
#   only saves time: the row `early_stopping` is the baseline again, ended three epochs later.
# - *Capacity*: the more units, the earlier the best epoch and the worse the end. `bigger` is best
#   after its first epoch, and even then worse than the baseline. `smaller` gets as far as the
#   baseline, only later, and then overfits slowly.
# - *Penalties* slow overfitting down: the last epoch is much better than the baseline's. The best
#   epoch is not, so if you keep its weights, the penalties do not help here.
# - *Dropout*, alone or with L2, lowers the best loss slightly, but does not raise the test
#   accuracy. (Do not compare its gap with the others': the training loss is measured while units
#   are switched off, so it is too high.)
# - *Batch normalization* is no remedy here: its best epoch is worse than the baseline's.
# - *More data* lowers the best loss more than any remedy: compare `a_fifth` with `baseline`. A
#   coincidence is less likely to hold in 15,000 reviews than in 3,000.
#
# The figures show the same as curves, solid for validation and dashed for training: `capacity` the
# sizes, `remedies` the rest, each beside the baseline in grey.

# %% [markdown]
# ## 7 Predict
# What has the chosen network learned? We give it 10,000 reviews of a single word each and print the
# words with the lowest and the highest probability of a positive review.

# %%
best_name = table.model[best]
model = models[best_name]
one_word_reviews = eye_array(WORDS, dtype="uint8", format="csr")  # row r has a 1 at place r only
no_labels = np.zeros(WORDS)  # `predict` ignores them
batches = lesson.batches(one_word_reviews, no_labels, shuffle=False)
probabilities = model.predict(batches, verbose=0)[:, 0]
words_by_rank = {rank: word for word, rank in word_index.items()}
order = [rank for rank in probabilities.argsort() if rank in words_by_rank]
# [:-11:-1] takes the last ten, starting from the end
for side, ranks in (("negative", order[:10]), ("positive", order[:-11:-1])):
    print(f"most {side}:", *[f"{words_by_rank[rank]} {probabilities[rank]:.2f}" for rank in ranks])
print(f"\nlowest validation loss: {best_name}; its test scores are saved with this run")
scores = {score: table[score][best] for score in ["test_loss", "test_accuracy"]}
lesson.finish(model, curves[best_name], training=best_name, **scores)

# %% [markdown]
# ## Remember
# - A network does worse on new data because it memorizes coincidences in the training data. You see
#   it where the training loss keeps falling while the validation loss rises.
# - Keeping the best epoch's weights and more data helped most here. Penalties and dropout slow
#   overfitting down.
# - Compare validation losses without penalties, and keep the best epoch's weights, not the last.
#
# On your own data, try first: more data, and `EarlyStopping` with `restore_best_weights=True`.
# Next, `Dropout(0.5)` after the hidden layers. Then fewer units, or an L2 penalty of 0.0001 to
# 0.001: they did little here, but how much they help differs from one task to the next. Change one
# thing at a time. More remedies: notes/overfitting.md

# %% [markdown]
# ## Exercises
# 1. What does too much dropout look like? Try `--dropout 0.9`.
# 2. What does too strong a penalty do? Try `--l2 0.1`.
# 3. With `--limit 3000`, which of the three sizes is best?
#
# Solutions: notes/solutions/04_regularization_dropout.md
