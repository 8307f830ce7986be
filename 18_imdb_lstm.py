# %% [markdown]
"""
# 18 IMDB with an LSTM: does reading in order help?

A text is a series too, a series of words. Lesson 02 averaged the embeddings of a film review's
words and so lost their order; lesson 14 kept a little of it, in pairs of words. Here an LSTM, which
you know from lesson 10, reads each review word by word. You will learn how to prepare texts for a
recurrent layer, why reading from both ends can help, and how to find out whether the order helps.

Expect: test accuracy 0.861 (0.849 to 0.868), median and range of three seeds.

    python 18_imdb_lstm.py
    python 18_imdb_lstm.py --order shuffled
    python 18_imdb_lstm.py --text "I was never bored."
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=2,
    batch_size=64,
    order=Flag(["written", "shuffled"], "keep the order of the words, or shuffle them"),
    text="I expected a dull film and got a wonderful one.",
)

import keras
import numpy as np
from keras import layers
from sklearn.model_selection import train_test_split

from datasets import split_words

# %% [markdown]
# ## 1 Load
# These are the film reviews of lesson 02. A review is an array of word ranks: 1 stands for the most
# frequent word of the training reviews, 2 for the next. The label is 1 for a positive review and 0
# for a negative one.

# %%
(reviews, labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
print(f"{len(reviews)} training and {len(test_reviews)} test reviews")

# %% [markdown]
# ## 2 Prepare
# As in lesson 02, we add 1 to each rank: 2 to 9,999 are the most frequent words, 1 is any other
# word, 0 is padding. Three things are different: reviews are cut to 200 words, they are padded at
# the front, and only a tenth is set aside for validation.
#
# An LSTM reads one word per step, and a step needs the state of the one before it. So the steps
# cannot run at the same time, and a review of 200 words takes 200 of them: that is why a recurrent
# network is slow. So we keep only 200 words, where lesson 02 kept 256. Again they are the last
# ones, since the verdict often comes at the end.
#
# Shorter reviews are padded at the front (`padding="pre"`). In lesson 02 the zeros came last, and
# the average left them out. But an LSTM returns its state after the last step. With zeros at the
# end, it would have to remember what it has read through many steps without a word.
#
# With `--order shuffled`, the words of every review are put in random order after it has been cut
# to 200. They are still the same words: only their order is lost. Section 6 needs that.

# %%
VOCABULARY = 10_000  # word numbers range from 0 to 9,999
REVIEW_LENGTH = 200
random = np.random.default_rng(lesson.seed)

train_reviews, val_reviews, train_labels, val_labels = train_test_split(
    reviews, labels, test_size=0.1, stratify=labels, random_state=lesson.seed
)


def to_numbers(reviews):
    """Convert reviews (arrays of ranks) to one array of shape (reviews, REVIEW_LENGTH)."""
    rows = [np.where(review < VOCABULARY - 1, review + 1, 1) for review in reviews]
    rows = [row[-REVIEW_LENGTH:] for row in rows]
    if lesson.order == "shuffled":
        rows = [random.permutation(row) for row in rows]
    return keras.utils.pad_sequences(rows, REVIEW_LENGTH, padding="pre")


train_numbers, val_numbers, test_numbers = map(
    to_numbers, (train_reviews, val_reviews, test_reviews)
)
train = lesson.batches(train_numbers, train_labels)  # reshuffled for every epoch

# %% [markdown]
# ## 3 Define
# - `Embedding` gives each word a vector, as in lesson 02, here of 32 numbers. It has 10,000·32 =
#   320,000 parameters.
# - `LSTM(32)` reads the 200 vectors one after the other. Its last state, 32 numbers, is all that it
#   keeps of a review. By the formula of lesson 10 it has 4·32·(32 + 32 + 1) = 8,320 parameters.
# - `Bidirectional` makes two such LSTMs with weights of their own. One reads forward, the other
#   from the last word back to the first; their last states are *concatenated*, put one after the
#   other, into 64 numbers. What an LSTM read last, it remembers best: for one that is the end of
#   the review, for the other its beginning. Reading backward needs the whole text. (It also means
#   reading the padding last, a weakness of this simple padding.)
# - Why not `SimpleRNN`? Its gradient vanishes over 200 steps (lesson 10). The gates of an LSTM can
#   carry what it has read from the beginning to the end.
# - `Dense(1)` with a sigmoid gives the probability that the review is positive; it has 64 + 1
#   parameters.

# %%
model = keras.Sequential([
    keras.Input((REVIEW_LENGTH,), dtype="int32"),
    layers.Embedding(VOCABULARY, 32),
    layers.Bidirectional(layers.LSTM(32)),
    layers.Dense(1, activation="sigmoid"),
])
model.summary()

# %% [markdown]
# ## 4 Compile
# The loss and the metric are those of lesson 02. Gradients go back through 200 steps and may
# explode on the way, so we clip them, as in lesson 10.

# %%
model.compile(
    optimizer=keras.optimizers.Adam(clipnorm=1.0),
    loss="binary_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit
# Two epochs are enough (exercise 2). Each takes much longer than one of lesson 02.

# %%
history = model.fit(
    train,
    validation_data=(val_numbers, val_labels),
    validation_batch_size=500,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),
    verbose=0,
)

# %% [markdown]
# ## 6 Evaluate
# Was it worth reading in order? For comparison, the results of lessons 02 and 14 are given, too.

# %%
test = model.evaluate(test_numbers, test_labels, verbose=0, return_dict=True)
print(f"test accuracy {test['accuracy']:.4f}")

# %% [markdown]
# <!-- results: lesson-18-order -->
# Test accuracy, median and range of three seeds:
#
# - this lesson, words as written: 0.861 (0.849 to 0.868)
# - the same with shuffled words, `--order shuffled`: 0.852 (0.850 to 0.856)
# - lesson 02, average of embeddings: 0.879 (0.878 to 0.879)
# - lesson 14, words and pairs: 0.910 (0.909 to 0.911)
# <!-- end -->
#
# The LSTM does worse than an average that knows nothing of order. But that does not tell us what
# the order is worth, because the network and its training are different, too. To find out, change
# only one thing: shuffled reviews have the same words, and everything else stays the same.
#
# Without the order, the median accuracy is about one percentage point lower. That is no more than
# the difference between two seeds. So this network makes little use of the order: most reviews can
# be recognized by single words such as "awful". The pairs of lesson 14 gain more, because there a
# pair has a weight of its own. The LSTM would have to find out by itself, from 22,500 reviews, that
# "not" reverses what comes next. Networks that make good use of the order have read far more text.
#
# ## 7 Predict
# What does each word change? We give the network longer and longer beginnings of the text: no word
# at first, then the first word alone, then the first two, and so on. At which words does it change
# its mind?

# %%
words = split_words(lesson.text)  # lowercase, no punctuation
ranks = np.array([word_index.get(word, VOCABULARY) for word in words])
beginnings = [ranks[:count] for count in range(len(ranks) + 1)]
probabilities = model.predict(to_numbers(beginnings), verbose=0)[:, 0]
read = zip(["(no word)", *words], probabilities, strict=True)
print("after each word:", ", ".join(f"{word} {probability:.2f}" for word, probability in read))
print(lesson.text)
print(f"your text: probability {probabilities[-1]:.3f} of being positive")
lesson.finish(model, history, test_loss=test["loss"], test_accuracy=test["accuracy"])

# %% [markdown]
# ## Remember
# - A recurrent layer reads a text as a series of embeddings. Pad at the front, so that the words
#   come last.
# - `Bidirectional` reads from both ends; it needs the whole text.
# - To find out what a part contributes, remove only that part and compare.
#
# On your own texts, try the simple models first: the average of embeddings (lesson 02), then words
# and pairs (lesson 14). They train in seconds, and here both are better.

# %% [markdown]
# ## Exercises
# 1. Exchange "dull" and "wonderful" in the text. Then try `--text "I was never bored."` Which words
#    change the probability? Has the network understood "never"?
# 2. Train for longer, `--epochs 5`. After which epoch is the validation loss lowest?
# 3. Read forward only: replace `layers.Bidirectional(layers.LSTM(32))` by `layers.LSTM(32)`. How
#    many parameters are left? How much accuracy do you lose?
#
# Solutions: notes/solutions/18_imdb_lstm.md
