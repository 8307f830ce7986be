# %% [markdown]
"""
# 02 IMDB: did they like the film?

A network learns from 15,000 film reviews to tell praise from complaint. Texts are new here: each
word becomes a number, and each number a point that training can move. We also train too long on
purpose, to see what overfitting looks like.

TensorFlow's tutorial, which lets the padding count and keeps the last epoch, reports a test
accuracy of 0.8726. `--ngrams 2` trains another model, of whole reviews, more words, and pairs of
words.

Expect: test accuracy 0.879 (0.878 to 0.879), median and range of three seeds.

    python 02_imdb_binary_classification.py
    python 02_imdb_binary_classification.py --ngrams 2     pairs of neighbouring words count too
    python 02_imdb_binary_classification.py --text "A dull plot, but the music is wonderful."
"""

# %%
from common.lesson import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=40,
    batch_size=512,
    ngrams=Flag(1, "1: words count; 2: pairs of neighbouring words too", at_most=2),
    text=Flag(str, "a review of your own in quotation marks, judged after training"),
)

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots
from common.datasets import split_words

# %% [markdown]
# ## 1 Load
# Each review is a row of word ranks: 1 is the commonest word of all training reviews, 2 the next.
# To read one, turn ranks back into words. Label 1 means that the writer liked the film.

# %%
(train_reviews, train_labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
words_by_rank = {rank: word for word, rank in word_index.items()}
lengths = [len(review) for review in train_reviews]
print(
    f"{len(train_reviews)} training and {len(test_reviews)} test reviews, "
    f"{np.mean(train_labels):.0%} of the training reviews positive"
)
print(f"words in a review: {min(lengths)} to {max(lengths)}, median {np.median(lengths):.0f}")
print("ranks:", *train_reviews[0][:12], "...")
print("words:", *[words_by_rank[rank] for rank in train_reviews[0][:12]], "...")

# %% [markdown]
# ## 2 Prepare
# First 10,000 of the 25,000 training reviews are held out as validation data.
#
# We keep the 9,998 commonest words, numbered rank + 1: 2 to 9,999. Number 1 stands for every rarer
# word. All rows of a batch must be equally long, so 0 is appended to a review until it has 256
# numbers; of a longer one we keep the last 256, since the verdict often comes at the end.
#
# "Not good" is no praise, but "not" and "good" alone do not say so. With `--ngrams 2` the 200,000
# commonest pairs of neighbouring words get numbers as well, behind those of 30,000 words. pandas
# counts the pairs, in the training reviews only. A review becomes the set of its words and pairs:
# each counts once. The smallest come first; of more than 512 we keep the last again, so that "the"
# and "and" go. Rare pairs need many reviews: only a tenth is held out.

# %%
TWO = lesson.ngrams == 2
VOCABULARY = 30_000 if TWO else 10_000  # numbers of words, from 0
PAIRS = 200_000 if TWO else 0
REVIEW_LENGTH = 512 if TWO else 256

train_reviews, val_reviews, train_labels, val_labels = train_test_split(
    train_reviews,
    train_labels,
    test_size=0.1 if TWO else 0.4,
    stratify=train_labels,
    random_state=lesson.seed,
)


def to_words(review):
    """Turn a review (an array of ranks) into the numbers of its words."""
    return np.where(review < VOCABULARY - 1, review + 1, 1)


def to_pairs(words):
    """Make one number of each word's and its right neighbour's, another for every two words."""
    return words[:-1] * VOCABULARY + words[1:]


if TWO:
    pairs = np.concatenate([to_pairs(to_words(review)) for review in train_reviews])
    known_pairs = pd.Series(pairs).value_counts().index[:PAIRS]  # the commonest comes first


def to_numbers(reviews):
    """Turn reviews (arrays of ranks) into one array of shape (reviews, REVIEW_LENGTH)."""
    rows = [to_words(review) for review in reviews]
    if TWO:
        for number, words in enumerate(rows):
            places = known_pairs.get_indexer(to_pairs(words))  # -1: not among them
            rows[number] = np.unique(np.concatenate([words, VOCABULARY + places[places >= 0]]))
    dtype = "int32" if TWO else "uint16"  # uint16 ends at 65,535
    return keras.utils.pad_sequences(rows, REVIEW_LENGTH, dtype, padding="post")


train_numbers, val_numbers, test_numbers = map(
    to_numbers, (train_reviews, val_reviews, test_reviews)
)
train = lesson.batches(train_numbers, train_labels)  # in a new order in every epoch

# %% [markdown]
# ## 3 Define
# An `Embedding` is a table with 16 weights for each of the 10,000 numbers: 160,000 in all. They are
# the word's place in a space of 16 dimensions; training moves words of similar effect together.
# `GlobalAveragePooling1D` takes the mean over a review's words, so their order is lost and 16
# numbers are left; with `mask_zero` the padding does not count. `Dense(16)` has 16·16 + 16 = 272
# parameters, the last layer 16 + 1 = 17. Its `sigmoid` turns any number into a probability: that
# the review is positive.
#
# With `--ngrams 2` there are more numbers than reviews. So each has one weight only, 230,000 in
# all, and it starts from a good guess: how many times more reviews of praise than of complaint have
# this word or pair. The logarithm makes that positive for praise, negative for complaint. This is
# how *naive Bayes* judges texts (S. Wang and C. Manning, 2012); training makes it better. `Dropout`
# leaves out half of the numbers at each step, so that none is relied on alone. The last layer
# scales the mean, tenfold at the start.

# %%
model = keras.Sequential([keras.Input((REVIEW_LENGTH,), dtype=train_numbers.dtype.name)])
if TWO:
    negative, positive = (
        np.bincount(train_numbers[train_labels == label].ravel(), minlength=VOCABULARY + PAIRS)
        for label in (0, 1)
    )  # in how many reviews each number is
    guess = np.log((positive + 1) / (negative + 1))  # + 1: never divide by 0
    model.add(layers.Embedding(len(guess), 1, weights=[guess[:, np.newaxis]], mask_zero=True))
    model.add(layers.Dropout(0.5))
    model.add(layers.GlobalAveragePooling1D())
    tenfold = keras.initializers.Constant(10)
    model.add(layers.Dense(1, activation="sigmoid", kernel_initializer=tenfold))
else:
    model.add(layers.Embedding(VOCABULARY, 16, mask_zero=True))
    model.add(layers.GlobalAveragePooling1D())
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
model.summary()

# %% [markdown]
# ## 4 Compile
# With two possible answers one probability is enough. The loss is then *binary* cross-entropy.
#
# Adam's learning rate is 0.001 unless we say otherwise. With `--ngrams 2` it is 0.01, which
# does better on the validation data: one weight for each number has further to go than 16.
#
# `jit_compile` lets TensorFlow's compiler XLA make one program of all that a step does: the many
# small numbers of an embedding are not written out and read again between two operations. Here an
# epoch takes a fraction of the time. It does not always pay: with 230,000 numbers it is slower.

# %%
XLA = keras.backend.backend() == "tensorflow" and not TWO
model.compile(
    optimizer=keras.optimizers.Adam(0.01 if TWO else 0.001),
    loss="binary_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # a whole epoch in one call: faster
    jit_compile=XLA or "auto",  # auto: as Keras thinks best
)

# %% [markdown]
# ## 5 Fit
# The training loss falls to the end. The validation loss reaches a minimum and then rises: from
# there on the network *memorizes* the training reviews and grows too sure on others. That is
# *overfitting*; lesson 04 shows what helps. (On the built-in sample there are too few steps to get
# that far.)
#
# A *callback* is called after every epoch. The callback `EarlyStopping` can end training once the
# validation loss has set no new low for `patience` epochs. Here it is as patient as training is
# long, so that the curve shows the rise; at the end it only puts back the best epoch's weights.

# %%
early_stopping = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=lesson.epochs, restore_best_weights=True
)
history = model.fit(
    train,
    validation_data=(val_numbers, val_labels),
    validation_batch_size=lesson.batch_size,  # 32 unless we say so: slower
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(early_stopping),  # with a progress bar over the epochs
    verbose=0,
)
val_loss = history.history["val_loss"]
print(
    f"validation loss: lowest {min(val_loss):.4f} after epoch {np.argmin(val_loss) + 1}, "
    f"at the end {val_loss[-1]:.4f}; training loss at the end {history.history['loss'][-1]:.4f}"
)

# %% [markdown]
# ## 6 Evaluate
# The test reviews have waited until now. Half of them are positive, so guessing gives 0.5.
#
# <!-- results: lesson-02-ngrams -->
# Test accuracy: 0.879 (0.878 to 0.879) with single words, 0.910 (0.909 to 0.911) with `--ngrams 2`
# (median and range of three seeds).
# <!-- end -->

# %%
test = model.evaluate(test_numbers, test_labels, batch_size=1000, verbose=0, return_dict=True)
probabilities = model.predict(test_numbers, batch_size=1000, verbose=0)[:, 0]  # (reviews,)
predicted_labels = (probabilities > 0.5).astype("uint8")
figure = plots.confusion_matrix(test_labels, predicted_labels, ["negative", "positive"])
lesson.save_figure("confusion_matrix", figure)

# %% [markdown]
# ## 7 Predict
# Where was the network sure and wrong? Read the end of that review below. It may be praise full of
# unkind words, irony, or a wrong label. Then try a sentence of your own with `--text`.

# %%
surest_mistake = np.argmax(np.abs(probabilities - test_labels))
print(
    f"surest mistake: probability {probabilities[surest_mistake]:.3f} of being positive, "
    f"label {test_labels[surest_mistake]}; its last words:"
)
print("...", *[words_by_rank[rank] for rank in test_reviews[surest_mistake][-40:]])
if lesson.text:
    words = split_words(lesson.text)
    ranks = np.array([word_index.get(word, VOCABULARY) for word in words])
    rare = [word for word, rank in zip(words, ranks, strict=True) if rank >= VOCABULARY - 1]
    probability = model.predict(to_numbers([ranks]), verbose=0)[0, 0]
    print(
        f"\nyour text: probability {probability:.3f} of being positive"
        + (f"; not in the vocabulary: {', '.join(rare)}" if rare else "")
    )
lesson.finish(model, history, test_loss=test["loss"], test_accuracy=test["accuracy"])

# %% [markdown]
# ## Exercises
# 1. Try `--text "not good"` and `--text "good not"`. Why is the answer the same? What does
#    `--ngrams 2` change?
# 2. With `--batch-size 32`, in which epoch is the validation loss lowest? Why so early?
# 3. How much worse is it with a tenth of the reviews, `--limit 2500`?
#
# Solutions: notes/solutions/02_imdb_binary_classification.md
