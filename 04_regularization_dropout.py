# %% [markdown]
"""
# 04 Regularization: why does a network do worse on new data?

A network is useful only if it does well on new data. Ten networks learn from 15,000 film reviews of
lesson 02, and if we let them, they memorize these reviews. You will see in the loss curves when
that begins, and what the usual remedies do about it: a smaller network, L2 and L1 penalties,
dropout, early stopping, more data.

Expect: test accuracy 0.882 (0.881 to 0.884), median and range of three seeds.

    python 04_regularization_dropout.py
    python 04_regularization_dropout.py --models baseline dropout --dropout 0.8
"""

# %%
from frame import Flag, Lesson

# `--models` takes one or more of these names, by default all. `Flag` adds a help text to a default.
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
from scipy.sparse import csr_array
from sklearn.model_selection import train_test_split

from regularization.figures import compare_with_baseline

# %% [markdown]
# ## 1 Load
# The task is that of lesson 02: is a film review positive (label 1) or negative (label 0)? A review
# is an array of word ranks. As there, 40% of the training reviews are our validation data.

# %%
(train_reviews, train_labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
train_reviews, val_reviews, train_labels, val_labels = train_test_split(
    train_reviews, train_labels, test_size=0.4, stratify=train_labels, random_state=lesson.seed
)
print(len(train_reviews), "training,", len(val_reviews), "validation,", len(test_reviews), "test")

# %% [markdown]
# ## 2 Prepare
# Each review becomes a *multi-hot* vector of 10,000 numbers: 1 at the rank of every word that
# occurs in it, 0 elsewhere. With so many inputs it has many weights, so it overfits within a few
# epochs, which is just what we want to study.
#
# Nearly all numbers are 0. So we keep a *sparse* array, which stores only the ones and their
# positions.

# %%
WORDS = 10_000


def multi_hot(reviews):
    rows = np.zeros((len(reviews), WORDS), dtype="uint8")
    for row, review in zip(rows, reviews, strict=True):
        row[review[review < WORDS]] = 1
    return csr_array(rows)


train_words, val_words, test_words = map(multi_hot, (train_reviews, val_reviews, test_reviews))
train_labels, val_labels, test_labels = (
    labels.reshape(-1, 1) for labels in (train_labels, val_labels, test_labels)
)  # shape (reviews, 1), the same as that of the predictions
val = lesson.batches(val_words, val_labels, shuffle=False)  # each batch is a dense array again
test = lesson.batches(test_words, test_labels, shuffle=False)

# %% [markdown]
# ## 3 Define
# ### Capacity
# A network *generalizes* if it does well on data it has never seen. Its *capacity* is how
# complicated a function it can represent; more layers and units mean more capacity. With too little
# capacity, or too little training, a network *underfits*: it misses patterns that are there. With
# too much capacity it can *overfit*: it *memorizes* chance patterns (*noise*) of the training data.
# Perhaps all three reviews that mention a certain actor happen to be positive.
#
# Our *baseline*, with which we compare the other models, has two hidden layers of 16 units.
# `smaller` has layers of 4 units. `bigger`, with layers of 512, has 5,383,681 parameters: 359 for
# every training review, enough to memorize them all.
#
# ### Penalties
# *Regularization* means making a network generalize better, even if it then fits the training data
# less closely. One way is to keep the weights small. With large weights a single rare word can
# decide the answer, and that is how a review is memorized. With small weights many words must
# agree, and that is less likely to be chance.
#
# An *L2 penalty* adds λ·Σw² to the loss: a small number λ (lambda) times the sum of a layer's
# squared weights w. With λ = 0.001, our default, a weight of 0.1 costs 0.00001, and one of 1 a
# hundred times as much. So a weight stays large only if it lowers the cross-entropy by more than it
# adds to the penalty.
#
# The derivative, 2λw, pulls every weight towards 0 in proportion to its size. In plain gradient
# descent it takes the same percentage off every weight in each step, hence the other name, *weight
# decay*. (With Adam, an L2 penalty and weight decay differ: see notes/overfitting.md.)
#
# An *L1 penalty* adds λ·Σ|w|. Its derivative is λ or -λ, however small the weight: unlike the pull
# of L2, this one does not weaken near 0. So weights of little use end very close to 0.
#
# ### Dropout
# *Dropout* sets each output of a layer to 0 with a certain probability, the *rate*, and draws anew
# for every review in every training step. So no unit can rely on a particular other one, and the
# network must find several clues to the same answer. In validation and prediction all outputs take
# part. So that the next layer gets sums of about the same size in both cases, the outputs that
# remain in training are divided by 1 - rate: a rate of 0.5 doubles them.
#
# ### Batch normalization
# *Batch normalization* shifts and scales the outputs of each unit to mean 0 and variance 1 over the
# batch. Then it multiplies them by one parameter and adds another, in case a different range suits
# the next layer better. A single new review has no batch, so in prediction the layer uses averages
# of the means and variances of past training batches.
#
# It was invented to train deep networks faster. But the mean depends on which other reviews are in
# the batch, so the outputs vary at random. As with dropout, the next layer cannot rely on any of
# them. So batch normalization is often recommended against overfitting. Does it help?


# %%
def network(units=16, penalty=None, dropout=None, batch_norm=False):
    model = keras.Sequential([keras.Input((WORDS,), dtype="uint8")])
    for _ in range(2):  # two hidden layers; the `kernel` of a layer is its weights, not its biases
        model.add(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        if dropout:
            model.add(layers.Dropout(dropout))
        if batch_norm:
            model.add(layers.BatchNormalization())
    model.add(layers.Dense(1, activation="sigmoid"))
    return model


ARGUMENTS = {  # of `network`, for each model
    "smaller": {"units": 4},
    "baseline": {},
    "bigger": {"units": 512},
    "L2": {"penalty": L2(lesson.l2)},
    "L1": {"penalty": L1(lesson.l1)},
    "dropout": {"dropout": lesson.dropout},
    "batch_norm": {"batch_norm": True},
    "L2_dropout": {"penalty": L2(lesson.l2), "dropout": lesson.dropout},
    "early_stopping": {},  # its training is stopped early
    "a_fifth": {},  # trained on a fifth of the reviews
}

# %% [markdown]
# ## 4 Compile
# The loss of a model with a penalty includes the penalty, on validation data too, so it cannot be
# compared with another model's. The metric `binary_crossentropy` leaves the penalty out: from here
# on it is what we mean by training loss and validation loss.

# %%
models = {}
for name in lesson.models:
    keras.utils.set_random_seed(lesson.seed)  # the same seed for every model
    model = models[name] = network(**ARGUMENTS[name])
    metrics = ["accuracy", "binary_crossentropy"]
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=metrics)

# %% [markdown]
# ## 5 Fit
# All ten models get the weights of their best epoch back, as in lesson 02. Only `early_stopping`
# also ends its training early, after 3 epochs without a new minimum of the validation loss; the
# others go on for all 20 epochs. `a_fifth` trains on 3,000 reviews only: how much do the other
# 12,000 help?

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
        callbacks=lesson.callbacks(early_stopping, training=name),  # a name for each training
        verbose=0,
    )
    curves[name] = history.history

# %% [markdown]
# ## 6 Evaluate
# The validation loss minus the training loss is the *generalization gap*. Where the training loss
# keeps falling but the validation loss rises, the network overfits, and the gap widens.
#
# We choose the model with the lowest validation loss, not the highest accuracy: the loss also
# depends on how sure a wrong answer was, so it shows overfitting first.

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
# Medians of three seeds. Both losses are validation losses, the last gap is the generalization gap
# after the last epoch, and the test accuracy is that of the best epoch's weights:
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
# - *Keeping the best epoch's weights* costs nothing and helps a great deal: the baseline's loss is
#   0.278 instead of 0.654. Stopping early only saves time: the row `early_stopping` is the baseline
#   again, with fewer epochs.
# - *Capacity*: the more units, the earlier the best epoch and the higher the last loss.
# - *Penalties* slow overfitting down: the last loss is much lower than the baseline's. The best
#   loss is not, so if you keep the best epoch's weights, the penalties do not help here.
# - *Dropout*, alone or with L2, lowers the best loss slightly, but does not raise the test
#   accuracy. (Do not compare its gap with the others: its training loss is measured while units are
#   switched off.)
# - *Batch normalization* does harm here: its best loss is the highest of all. We have not found out
#   why.
# - *More data* lowers the best loss more than any other remedy: compare `a_fifth`, 0.332, with
#   `baseline`, 0.278. A coincidence is less likely to hold in 15,000 reviews than in 3,000.
#
# The figures `capacity`, with the three sizes, and `remedies` show the curves, solid for validation
# and dashed for training.
#
# ## 7 Predict
# What has the chosen network learned? We give it 10,000 reviews of a single word each and print the
# words with the lowest and the highest probability of a positive review.

# %%
best_name = table.model[best]
model = models[best_name]
one_word_reviews = np.eye(WORDS, dtype="uint8")  # row r has a 1 at place r only
probabilities = model.predict(one_word_reviews, batch_size=512, verbose=0)[:, 0]
words_by_rank = {rank: word for word, rank in word_index.items()}
order = [rank for rank in probabilities.argsort() if rank in words_by_rank]
for side, ranks in (("negative", order[:10]), ("positive", order[::-1][:10])):
    print(f"most {side}:", *[f"{words_by_rank[rank]} {probabilities[rank]:.2f}" for rank in ranks])
print(f"\nlowest validation loss: {best_name}; its test scores are saved with this run")
scores = {score: table[score][best] for score in ["test_loss", "test_accuracy"]}
lesson.finish(model, curves[best_name], training=best_name, **scores)

# %% [markdown]
# ## Remember
# - A network does worse on new data because it memorizes coincidences in the training data. You see
#   that where the training loss keeps falling while the validation loss rises.
# - Keeping the best epoch's weights and more data helped most here. Penalties and dropout slow
#   overfitting down.
# - To compare models, compute the validation loss without the penalties.
#
# With a model of your own, first try to get more data, and use `EarlyStopping` with
# `restore_best_weights=True`. Next, try `Dropout(0.5)` after the hidden layers, then fewer units or
# an L2 penalty of 0.0001 to 0.001. Change one thing at a time. More remedies: notes/overfitting.md

# %% [markdown]
# ## Exercises
# 1. What does too much dropout look like? Try `--dropout 0.9`.
# 2. What does too strong a penalty do? Try `--l2 0.1`.
# 3. With `--limit 3000` (only so many reviews), which of the three sizes is best?
#
# Solutions: notes/solutions/04_regularization_dropout.md
