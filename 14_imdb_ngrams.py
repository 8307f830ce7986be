# %% [markdown]
"""
# 14 N-grams: do pairs of words help?

"The music is good, not bad" and "The music is bad, not good" say the opposite with the same words.
A model that knows how often each word occurs in a text, but not where, must give both the same
answer. To it, a text is a *bag of words*. Lesson 02, which averages the words of a film review, is
such a model. Here pairs of neighbouring words count as well. You will learn how to choose pairs,
how to start training from a good guess instead of random weights, and how to see from the weights
what a model has learned.

Keras' old example `imdb_fasttext`, which keeps all pairs, reports a test accuracy of 0.9056.

Expect: test accuracy 0.910 (0.909 to 0.911), median and range of three seeds.

    python 14_imdb_ngrams.py
    python 14_imdb_ngrams.py --pairs 0                       # single words only
    python 14_imdb_ngrams.py --text "The music is good, not bad."
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=40,
    batch_size=512,
    pairs=Flag(200_000, "number of word pairs to keep", at_least=0),
    text="The music is not good.",
)

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from datasets import split_words

# %% [markdown]
# ## 1 Load
# These are the film reviews of lesson 02. A review is an array of word ranks: 1 is the commonest
# word, 2 the next. Its label is 1 if it is positive and 0 if it is negative.

# %%
(reviews, labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
words_by_rank = {rank: word for word, rank in word_index.items()}
print(f"{len(reviews)} training and {len(test_reviews)} test reviews")

# %% [markdown]
# ## 2 Prepare
# An *n-gram* is a sequence of n neighbouring words: a *unigram* is a single word, a *bigram* a
# pair. "The music is not good" contains the bigrams "the music", "music is", "is not" and "not
# good". Why do they help? "Good" alone is found in praise and in complaints, and so is "not", but
# "not good" is mostly a complaint.
#
# The price: there are very many pairs. Our vocabulary has 30,000 words, from which one can make
# 30,000² = 900 million. The training reviews contain more than a million different ones, most of
# them only once, and from one review you cannot tell what a pair means in others. So we keep the
# 200,000 most frequent pairs.
#
# A tenth of the reviews is set aside for validation. We count the pairs in the other reviews only:
# choosing them with the help of validation or test reviews would make the score look better than
# it should (*data leakage*).
#
# Words get numbers as in lesson 02: the number of a word is its rank + 1, all rare words share the
# number 1, and 0 is padding. A pair of the words a and b gets the number a·30,000 + b, which no
# other pair has: words 5 and 20 make 150,020.

# %%
VOCABULARY = 30_000  # word numbers range from 0 to 29,999
REVIEW_LENGTH = 512

train_reviews, val_reviews, train_labels, val_labels = train_test_split(
    reviews, labels, test_size=0.1, stratify=labels, random_state=lesson.seed
)


def to_words(review):
    """Convert a review (an array of ranks) to the numbers of its words."""
    return np.where(review < VOCABULARY - 1, review + 1, 1)


def to_pairs(words):
    """Convert the numbers of a review's words to the numbers of its pairs."""
    return words[:-1] * VOCABULARY + words[1:]


pairs = np.concatenate([to_pairs(to_words(review)) for review in train_reviews])
known_pairs = pd.Series(pairs).value_counts().index[: lesson.pairs]  # most frequent first

# %% [markdown]
# An embedding needs a row for every number up to the largest, here 900 million. So we number the
# kept pairs anew, from 30,000 on, the most frequent one first. `get_indexer` finds the place of
# each pair in the list `known_pairs`.
#
# A review then becomes the *set* of the numbers of its words and pairs: it matters that somebody
# writes "not good", not how often or where. `np.unique` makes the set and sorts it, so that
# frequent words come first and rare pairs last. Sets of fewer than 512 numbers are padded with
# zeros. Of larger ones we keep the last 512, and lose the most frequent words, such as "the" and
# "and", which say least.

# %%


def to_numbers(reviews):
    """Convert reviews (arrays of ranks) to one array of shape (reviews, REVIEW_LENGTH)."""
    rows = []
    for review in reviews:
        words = to_words(review)
        places = known_pairs.get_indexer(to_pairs(words))  # -1: not a known pair
        rows.append(np.unique(np.concatenate([words, VOCABULARY + places[places >= 0]])))
    return keras.utils.pad_sequences(rows, REVIEW_LENGTH, "int32", padding="post")


train_numbers, val_numbers, test_numbers = map(
    to_numbers, (train_reviews, val_reviews, test_reviews)
)
train = lesson.batches(train_numbers, train_labels)  # reshuffled for every epoch

# %% [markdown]
# ## 3 Define
# In lesson 02 each word had an embedding of 16 weights. Now there are 230,000 words and pairs, ten
# times as many as training reviews. With 16 weights each, the network could memorize the reviews.
# So each gets one weight only, which says how much it speaks for a positive review (above 0) or a
# negative one (below 0). The network averages the weights of all words and pairs in a review,
# multiplies the average by one more weight, adds a bias, and applies the sigmoid. Such a model,
# with no hidden layer, is called *logistic regression*.
#
# Because a weight has a meaning, we can guess it before training. Suppose "not good" occurs in 30
# positive and 90 negative training reviews. As there are as many positive as negative reviews, it
# speaks for a negative one, and our guess is log((30 + 1) / (90 + 1)) = -1.08. We add 1 to both
# counts because a pair that occurs in only one of the classes would otherwise get an infinite
# weight.
#
# This guess is the *log-count ratio* of *naive Bayes*, a classifier that in essence adds up these
# numbers for all words in a text. The sign of the sum is the answer. We start from the guesses
# (`weights=[...]` below), and training corrects them.
#
# `Dropout(0.5)` (lesson 04) keeps the network from relying on a few rare pairs that it has
# memorized. The weight in `Dense(1)` starts at 10 because the averages are small: 0.2 becomes the
# logit 2, and the probability 0.88.

# %%
FEATURES = VOCABULARY + lesson.pairs  # how many numbers words and pairs can have
negative, positive = (
    np.bincount(train_numbers[train_labels == label].ravel(), minlength=FEATURES)
    for label in (0, 1)
)  # number of reviews of each class that contain a word or pair
guess = np.log((positive + 1) / (negative + 1))

model = keras.Sequential([
    keras.Input((REVIEW_LENGTH,), dtype="int32"),
    layers.Embedding(FEATURES, 1, weights=[guess[:, np.newaxis]], mask_zero=True),
    layers.Dropout(0.5),
    layers.GlobalAveragePooling1D(),
    layers.Dense(1, activation="sigmoid", kernel_initializer=keras.initializers.Constant(10)),
])
model.summary()

# %% [markdown]
# ## 4 Compile
# The loss and the metric are those of lesson 02. Adam changes a weight by roughly the learning rate
# per step. With its default of 0.001, weights that are far off would need many epochs. So we take
# 0.01.

# %%
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.01),
    loss="binary_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit
# As in lesson 02, we train for all epochs, and `EarlyStopping` then puts back the weights of the
# epoch with the lowest validation loss.

# %%
early_stopping = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=lesson.epochs, restore_best_weights=True
)
history = model.fit(
    train,
    validation_data=(val_numbers, val_labels),
    validation_batch_size=lesson.batch_size,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(early_stopping),
    verbose=0,
)
val_loss = history.history["val_loss"]
print(f"validation loss: lowest {min(val_loss):.4f} after epoch {np.argmin(val_loss) + 1}")

# %% [markdown]
# ## 6 Evaluate
# How much of the accuracy is due to the pairs? For a fair comparison only one thing may differ:
# `--pairs 0` runs this same program without pairs.

# %%
test = model.evaluate(test_numbers, test_labels, batch_size=1000, verbose=0, return_dict=True)
print(f"test accuracy {test['accuracy']:.4f}")

# %% [markdown]
# <!-- results: lesson-14-pairs -->
# Test accuracy, median and range of three seeds:
#
# - lesson 02: 0.879 (0.878 to 0.879)
# - this lesson with single words only, `--pairs 0`: 0.882 (0.881 to 0.883)
# - this lesson with 200,000 pairs: 0.910 (0.909 to 0.911), 23% fewer mistakes than without
# <!-- end -->
#
# So nearly all of the gain over lesson 02 comes from the pairs.
#
# ## 7 Predict
# With one weight per word or pair we can read what the model has learned. We print the ten lowest
# and the ten highest weights among the words and pairs that occur in at least 100 training reviews.

# %%


def spell(number):
    """Convert a number back to its word, or to its two words (a·30,000 + b to a and b)."""
    is_pair = number >= VOCABULARY
    both = divmod(known_pairs[number - VOCABULARY], VOCABULARY) if is_pair else [number]
    return " ".join("(rare)" if one == 1 else words_by_rank[one - 1] for one in both)


weights = model.layers[0].get_weights()[0][:, 0]
often = np.flatnonzero(negative + positive >= 100)
often = often[often > 1]  # neither padding nor rare words
order = often[np.argsort(weights[often])]
print("most negative:", ", ".join(map(spell, order[:10])))
print("most positive:", ", ".join(map(spell, order[::-1][:10])))

# %% [markdown]
# Many are plain praise or blame, such as "waste of" or "definitely worth". But what are "4 10" and
# "8 10"? Some writers rate the film in their text: 4/10, 8/10. That helps here, but not with
# reviews that contain no rating. So look at the largest weights before you trust a model.
#
# Now a sentence of your own. We print the weight of each word and pair that the model knows.

# %%
ranks = np.array([word_index.get(word, VOCABULARY) for word in split_words(lesson.text)])
numbers = to_numbers([ranks])
print(lesson.text)
print("weights:", "; ".join(f"{spell(n)} {weights[n]:.2f}" for n in numbers[0] if n > 1))
print(f"your text: probability {model.predict(numbers, verbose=0)[0, 0]:.3f} of being positive")
lesson.finish(model, history, test_loss=test["loss"], test_accuracy=test["accuracy"])

# %% [markdown]
# ## Remember
# - Bigrams such as "not good" bring back a little of the word order that a bag of words loses.
# - If many features are rare, give each of them only a few weights. A good guess to start from
#   saves epochs.
# - To find out what a part contributes, remove only that part and compare: an *ablation*.
#
# On your own texts, first try logistic regression on words and pairs. It trains fast, you can read
# its weights, and with some tens of thousands of texts it is hard to beat. If you have many more,
# try a *Transformer* (lesson 28) that others have trained on large amounts of text.

# %% [markdown]
# ## Exercises
# 1. Try `--text "The music is good, not bad."` and `--text "The music is bad, not good."`, with and
#    without `--pairs 0`. Which weights make the difference?
# 2. How many pairs are enough? Try `--pairs 20000` and `--pairs 2000`.
# 3. What is the guess worth? Delete `weights=[...]` in step 3, so that the weights start near 0,
#    and compare the validation loss and the test accuracy.
#
# Solutions: notes/solutions/14_imdb_ngrams.md
