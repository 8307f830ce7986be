# %% [markdown]
"""
# 26 Raw text: how does a sentence become numbers?

In lessons 02, 14 and 18 somebody had already turned the film reviews into numbers. Here you start
from strings, as you will with texts of your own. You learn how to cut a text into words, how to
count pairs and triples of words without drowning in rare ones, and what it costs to cut long texts
short.

Expect: test accuracy 0.922 (0.922 to 0.923), median and range of three seeds.

    python 26_raw_text.py
    python 26_raw_text.py --texts DIR                 # your own: a folder of .txt files per class
    python 26_raw_text.py --ngrams 1                  # single words only
"""

# %%
from pathlib import Path

from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=15,
    batch_size=512,
    ngrams=Flag(3, "count sequences of up to N words", at_most=3),
    texts=Flag(Path, "folder of your texts: a sub-folder of .txt files per class", role="data"),
    text="The acting isn't bad, but I've seldom seen anything so yawnworthy.",
)

import re
import unicodedata
from collections import Counter

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from raw_text.texts import load_texts

# %% [markdown]
# ## 1 Load
# Our helper `load_texts` returns strings, and for each its label, 0 or 1. By default these are the
# reviews of lesson 02, put together again from their ranks, without capitals and punctuation. With
# `--texts DIR` it reads your own, from a folder with a sub-folder for each of two classes. A file
# holds bytes, and the *character encoding*, today nearly always UTF-8, says which bytes stand for
# which character. With the wrong one "cliché" becomes "clichÃ©".

# %%
(texts, labels), (test_texts, test_labels), classes = load_texts(lesson)
print(f"{len(texts)} training and {len(test_texts)} test texts; 1 means {classes[1]}")
print(texts[0][:100], "...")

# %% [markdown]
# ## 2 Prepare
# Three steps lead to numbers: *standardize* the text, split it into *tokens* (words here), and give
# each token a number. We count in training texts only, so a tenth is set aside for validation
# first.
#
# **Standardize.** To a computer "Good", "good" and "good!" are three different strings. So we
# convert the text to lower case and remove punctuation and HTML tags such as `<br />`. That loses
# something, too: "GOOD!!!" is stronger praise than "good". And some characters have two forms. We
# make curly apostrophes straight, and "e" with a separate accent becomes one character, "é"
# (*Unicode normalization*).
#
# **Split.** A *regular expression* is a pattern for text. In `[\w']+`, `\w` stands for a letter, a
# digit or an underscore, `[\w']` for one of these or an apostrophe, and `+` for one or more in a
# row. (Underscores are removed with the tags.) So "isn't" stays one word.

# %%
train_texts, val_texts, train_labels, val_labels = train_test_split(
    texts, labels, test_size=0.1, stratify=labels, random_state=lesson.seed
)


def split_text(text):
    """Standardize a text and return the list of its words."""
    text = unicodedata.normalize("NFC", text).lower().replace("\u2019", "'")
    return re.findall(r"[\w']+", re.sub("<[^>]*>|_", " ", text))


print(split_text("It ISN'T <i>bad</i> ... A cliché?<br />No!"))
train_words = [split_text(text) for text in train_texts]
val_words = [split_text(text) for text in val_texts]
counts = Counter(word for words in train_words for word in words)

# %% [markdown]
# **Number.** The words that get a number of their own are the *vocabulary*. All others are *out of
# vocabulary* (OOV), or unknown, and share one number. Our vocabulary has the words that occur at
# least twice in the training texts, since from a single example a model learns little. The most
# frequent word gets 2, the next 3. In "the cat sat" and "the dog sat down" only "the" and "sat"
# occur twice, so "the bird sat" becomes 2, 1, 3.
#
# Keras does the three steps in one layer, `TextVectorization`. Its method `adapt` chooses the
# `max_tokens` most frequent words. Then the layer turns strings into rows of numbers, where 0 is
# padding and 1, called `[UNK]`, an unknown word. That is the quickest start. But of a text longer
# than `output_sequence_length` it drops the *end*, where the verdict often is. It also removes
# apostrophes: "isn't" becomes "isnt". `adapt` only counts, so gradient descent changes nothing in
# the layer; if it is part of the model, the vocabulary is saved along; applied to the data before
# training, it converts each text only once. For the model of section 3 we need to know how many
# texts of each class contain a word, so below we count ourselves. (notes/layers.md says more about
# this layer.)

# %%
vectorize = layers.TextVectorization(max_tokens=10_000, output_sequence_length=8)
vectorize.adapt(train_texts[:1000])
names = vectorize.get_vocabulary()
row = keras.ops.convert_to_numpy(vectorize(["The film isn't yawnworthy!"]))[0]
print("TextVectorization:", ", ".join(f"{number} {names[number]}" for number in row))

# %% [markdown]
# **N-grams.** The words without their order are a *bag of words*: "not good, but funny" looks like
# "funny, but not good". N-grams bring back a little of the order. As in lesson 14 we count not only
# words but also pairs of neighbors, and now triples (trigrams): "not", "not good", "not good
# enough". If word numbers are below V, the pair of the words 5 and 20 gets the number 5·V + 20, as
# in lesson 14. The triple of 5, 20 and 7 gets (5·V + 20)·V + 7, as if the words were the digits of
# a number in base V. No two n-grams get the same number, since no word has the number 0. Each round
# of the loop makes n-grams one word longer: it multiplies their numbers by V and adds the next
# word. (The last n-gram has no next word: `[:-1]`.)
#
# Most triples occur in one review only and tell us nothing about others. So we keep the n-grams
# that at least two training texts contain, and number them anew, the most frequent first. They
# start at 2: 0 is padding, and 1 stands for all that we do not keep.

# %%
words_by_number = ["", "(unknown)", *(word for word, count in counts.most_common() if count > 1)]
word_numbers = {word: number for number, word in enumerate(words_by_number)}
V = len(words_by_number)


def to_grams(words):
    """Return the set of n-grams of a list of words, as a sorted int64 array."""
    numbers = np.array([word_numbers.get(word, 1) for word in words], "int64")
    grams = [numbers]
    for n in range(1, lesson.ngrams):
        grams.append(grams[-1][:-1] * V + numbers[n:])
    return np.unique(np.concatenate(grams))


train_grams = [to_grams(words) for words in train_words]
grams, texts_with = np.unique(np.concatenate(train_grams), return_counts=True)
by_frequency = np.argsort(-texts_with, kind="stable")
kept = pd.Index(grams[by_frequency][texts_with[by_frequency] > 1])
print(f"{len(grams):,} different n-grams, {len(kept):,} of them in at least two texts")

# %% [markdown]
# **Pad and truncate.** All rows of an array have the same length, here 1,024. Shorter rows are
# padded with zeros, and the *mask* (`mask_zero=True`, as in lesson 02) tells later layers to ignore
# them. Longer rows are truncated. As in lesson 14, a row is sorted and keeps its end, so it loses
# the most frequent n-grams, such as "of the", which say least.
#
# `get_indexer` finds the position of each n-gram in `kept`, or -1 if it is not there. We add 2 to
# get the new number; -1 becomes 1, the number for all that we do not keep. Every row that is not
# full has a 1, so that even a text of unknown words is not empty.

# %%
ROW_LENGTH = 1024


def to_numbers(many_grams):
    """Convert the n-grams of texts to an int32 array of shape (texts, ROW_LENGTH)."""
    rows = [np.unique(np.append(kept.get_indexer(one) + 2, 1)) for one in many_grams]
    return keras.utils.pad_sequences(rows, ROW_LENGTH, "int32", padding="post")


train_numbers = to_numbers(train_grams)
val_numbers = to_numbers(map(to_grams, val_words))
test_numbers = to_numbers(to_grams(split_text(text)) for text in test_texts)
print(f"{np.mean(train_numbers[:, -1] > 0):.1%} of the rows are full")
train = lesson.batches(train_numbers, train_labels)  # reshuffled for every epoch

# %% [markdown]
# ## 3 Define
# In lesson 14 each n-gram had one weight. Training started from the log-count ratio of naive Bayes,
# log((texts of class 1 with it + 1) / (texts of class 0 with it + 1)), and then changed it freely.
# For triples such freedom is dangerous: one that occurs in only two reviews can get any weight that
# helps to memorize these two.
#
# Here the ratio r stays fixed, and training finds a factor f for each n-gram, which contributes
# r·f. If it is equally frequent in both classes, r is 0, and it contributes nothing whatever f is.
# For an n-gram in two reviews, both positive, r = log(3 / 1) = 1.1; for one in 300 negative and 10
# positive reviews, r = log(11 / 301) = -3.3, and the same change of f changes r·f three times as
# much. So training moves those n-grams most that clearly favor one class, in many texts. (S. Wang
# and C. Manning, 2012, call this NB-SVM. The classic weight for a word is another one, *tf-idf*:
# how often it occurs in the text, times log(number of texts / number of texts with the word). It
# does not look at the classes; the ratio does.)
#
# A sum of a text's contributions would grow with its length. So the logit is their average, times
# 300 (`Rescaling`), as if each text had 300 n-grams. With f = 1 for all, this would be naive Bayes,
# which is far too sure of its answers: it counts "waste" and "a waste of" as independent hints. So
# f starts small, at 0.03.

# %%
FEATURES = len(kept) + 2
negative, positive = (
    np.bincount(train_numbers[train_labels == label].ravel(), minlength=FEATURES)
    for label in (0, 1)
)  # number of training texts of each class that contain an n-gram
ratios = np.log((positive + 1) / (negative + 1))

numbers = keras.Input((ROW_LENGTH,), dtype="int32")
ratio = layers.Embedding(
    FEATURES, 1, weights=[ratios[:, np.newaxis]], trainable=False, mask_zero=True
)
start = keras.initializers.Constant(0.03)
factor = layers.Embedding(FEATURES, 1, embeddings_initializer=start, mask_zero=True)
x = layers.Multiply()([ratio(numbers), factor(numbers)])
x = layers.GlobalAveragePooling1D()(x)
x = layers.Rescaling(300)(x)
output = layers.Activation("sigmoid")(x)
model = keras.Model(numbers, output)
model.summary()

# %% [markdown]
# ## 4 Compile
# Lesson 14 used Adam, which gives each weight steps of about the same size: a triple that occurs in
# two reviews would move as far as "waste of". So here we use plain gradient descent (`SGD`). It
# moves a factor in proportion to its gradient, which is large if |r| is large and many reviews
# contain the n-gram. Momentum (lesson 09) makes training faster. The learning rate is high because
# the gradients are small.

# %%
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=1.0, momentum=0.9),
    loss="binary_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit
# At the end, the weights of the epoch with the lowest validation loss are put back.

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
# What does it cost to cut texts short? We give the model, which was trained on whole texts, only
# the last or the first words of each validation text.

# %%
scores = {"cut_at_256": np.mean([len(words) > 256 for words in train_words])}
parts = {"whole": slice(None), "last_256": slice(-256, None), "first_256": slice(256)}
parts |= {"last_64": slice(-64, None), "first_64": slice(64)}
for name, part in parts.items():
    cut = to_numbers(to_grams(words[part]) for words in val_words)
    predicted = model.predict(cut, batch_size=1000, verbose=0)[:, 0] > 0.5
    scores[f"val_accuracy_{name}"] = np.mean(predicted == val_labels)
    print(f"{name:>9} words: validation accuracy {scores[f'val_accuracy_{name}']:.3f}")

# %% [markdown]
# <!-- results: lesson-26-cuts -->
# 30% of the training reviews have more than 256 words. Validation accuracy, median of 3 seeds:
# 0.924 with the whole review.
#
# | words | the last ones | the first ones |
# | --- | --- | --- |
# | 256 | 0.924 | 0.912 |
# | 64 | 0.874 | 0.832 |
# <!-- end -->
#
# The last words say more than the first: many reviews begin with the plot and end with the verdict.
# So if you must cut a review, keep the end. In a news report, the first sentence says most.
#
# Only now, with everything chosen, we use the test set.

# %%
test = model.evaluate(test_numbers, test_labels, batch_size=1000, verbose=0, return_dict=True)
print(f"test accuracy {test['accuracy']:.4f}")

# %% [markdown]
# <!-- results: lesson-26-scores -->
# Test accuracy, median and range of three seeds:
#
# | counted | lesson 14 | this lesson |
# | --- | --- | --- |
# | words | 0.882 (0.881 to 0.883) | 0.883 (0.881 to 0.884) |
# | words and pairs | 0.910 (0.909 to 0.911) | 0.917 (0.916 to 0.917) |
# | words, pairs and triples | - | 0.922 (0.922 to 0.923) |
# <!-- end -->
#
# With single words the two lessons are equal, so fixed ratios gain nothing there. But thanks to
# them the model can keep many rare n-grams without memorizing them, and with triples it beats those
# of lessons 02, 14 and 18.
#
# ## 7 Predict
# We print the unknown words of your text, and the n-grams that contribute most, each with its r·f.


# %%
def name_of(number):
    """Convert the number of an n-gram back to its words."""
    words, rest = [], kept[number - 2]
    while rest:
        rest, last = divmod(rest, V)
        words.insert(0, words_by_number[last])
    return " ".join(words)


words = split_text(lesson.text)
row = to_numbers([to_grams(words)])
print(lesson.text)
print("unknown:", ", ".join(word for word in words if word not in word_numbers) or "nothing")
contributions = ratios * factor.get_weights()[0][:, 0]
known = row[0][row[0] > 1]
strongest = known[np.argsort(-np.abs(contributions[known]))][:8]
print("contributions:", "; ".join(f"{name_of(n)} {contributions[n]:.2f}" for n in strongest))
probability = model.predict(row, verbose=0)[0, 0]
print(f"your text: probability {probability:.3f} of class {classes[1]}")
lesson.finish(model, history, test_loss=test["loss"], test_accuracy=test["accuracy"], **scores)

# %% [markdown]
# ## Remember
# - Raw text becomes numbers in three steps: standardize, split into tokens, number them with a
#   vocabulary learned from training texts. Each step loses something.
# - Padding needs a mask, and before you truncate, measure which part of a text says most.
# - Pairs and triples, with the log-count ratio as a fixed scale, make a strong and fast classifier.
#
# On your own texts, try first: read ten of them. Then run this lesson with `--texts`. Its accuracy
# is the *baseline* that a larger network has to beat: one that reads words in order, if you have
# many texts or order matters.

# %% [markdown]
# ## Exercises
# 1. Suppose V = 1,000, and "not" has the number 5, "at" 20, "all" 7. Which numbers do "not at" and
#    "not at all" get? Which words are behind 20,007? Can an n-gram have the number 3,000?
# 2. Try `--text "This film is not bad at all."` with `--ngrams 1`, with `--ngrams 2` and without
#    either. Which n-grams decide?
# 3. What does `split_text` make of "U.S.A.", "e-mail", "C++" and "3.5 stars"? Change the regular
#    expression so that "3.5" stays one word.
#
# Solutions: notes/solutions/26_raw_text.md
