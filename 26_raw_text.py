# %% [markdown]
"""
# 26 Raw text: how does a sentence become numbers?

In lessons 02, 14 and 18 somebody had already turned the film reviews into numbers. Here you start
from strings, as you will with texts of your own. You will learn how to cut a text into words, what
to do with words that you have never seen, how to learn parts of words from data, and how much you
lose if you cut long texts short. At the end, words, pairs and triples of words judge the reviews
better than lesson 14 did.

G. Mesnil et al. (2014) report a test accuracy of 0.9187 for such a model on these reviews.

Expect: test accuracy 0.922 (0.922 to 0.923), median and range of three seeds.

    python 26_raw_text.py
    python 26_raw_text.py --texts DIR                 # your own: a folder of .txt files per class
    python 26_raw_text.py --tokens pieces             # parts of words instead of words
"""

# %%
from pathlib import Path

from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=15,
    batch_size=512,
    tokens=Flag(["words", "pieces"], "what to count: words, or pieces of words"),
    ngrams=Flag(3, "longest sequence of tokens to count", at_most=3),
    merges=Flag(1000, "how many pieces to learn", at_most=20_000),
    texts=Flag(Path, "folder of your texts: a sub-folder of .txt files per class", role="data"),
    text="The acting isn't bad, but I've seldom seen anything so yawnworthy.",
)

import functools
import re
import unicodedata
from collections import Counter
from itertools import pairwise

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from raw_text.folders import load_texts

# %% [markdown]
# ## 1 Load
# With `--texts DIR` our helper `load_texts` reads your own texts. DIR has a sub-folder for each of
# two classes, and in it a file for each text, such as `neg/1.txt` and `pos/7.txt`. (The function
# `keras.utils.text_dataset_from_directory` reads such folders too.) In a file a text is a series of
# bytes, and the *encoding* says which bytes stand for which character. Almost all programs use
# UTF-8 today. With the wrong one "cliché" becomes "clichÃ©", so the helper stops at a file that is
# not UTF-8 rather than guess.
#
# Without the flag we take the reviews of lesson 02. They come as ranks, so we first translate them
# back to words. The result is a string without capitals and punctuation, for these were lost.

# %%
if lesson.texts:
    (texts, labels), (test_texts, test_labels), classes = load_texts(lesson)
else:
    (reviews, labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
    words_by_rank = {rank: word for word, rank in word_index.items()}
    texts, test_texts = (
        [" ".join(words_by_rank[rank] for rank in review) for review in part]
        for part in (reviews, test_reviews)
    )
    classes = ["negative", "positive"]
print(f"{len(texts)} training and {len(test_texts)} test texts; 1 means {classes[1]}")
print(texts[0][:100], "...")

# %% [markdown]
# ## 2 Prepare
# The way to numbers has three steps: *standardize* the text, split it into *tokens*, and give each
# token a number. Whatever we count or learn on the way, we learn from the training texts only, so
# we set a tenth aside for validation first.
#
# **Standardize.** To a computer "Good", "good" and "good!" are three different strings. What we
# learn about one should hold for the others, so we turn capitals into small letters, and remove
# punctuation and the tags of web pages, such as `<br />`. An accented letter can be stored as one
# character or as two (a letter and its accent); `normalize` makes it one. But each step also loses
# something: "GOOD!!!" is more praise than "good". Look at your own texts before you decide.
#
# **Split.** The pattern `[\w']+` finds sequences of letters, digits and apostrophes, so that
# "isn't" stays one word. That suits English, and languages that separate words by spaces. Chinese
# and Japanese do not.

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
# **Number.** The list of words that get a number of their own is the *vocabulary*. It is usually
# limited to the most frequent ones, because each word costs memory, and because from one or two
# examples a network learns little about a word. All others are *out of vocabulary* (OOV) and share
# one number. How many is that? We measure it on the validation texts.

# %%
val_counts = Counter(word for words in val_words for word in words)
shares = {}
for size in (1_000, 10_000, 30_000, len(counts)):
    known = {word for word, _ in counts.most_common(size)}
    unknown = sum(number for word, number in val_counts.items() if word not in known)
    shares[size] = unknown / val_counts.total()
    print(f"vocabulary of {min(size, len(counts)):6}: {shares[size]:.2%} of the words are unknown")

# %% [markdown]
# Even with all words of the training texts some stay unknown: names, typing errors, new words.
#
# Keras does all three steps in one layer. `adapt` counts the words and chooses the vocabulary; then
# the layer turns strings into rows of numbers, where 0 is padding and 1 an unknown word. Where the
# back-end is TensorFlow, it can even be part of the model, which then takes strings. It has limits:
#
# - It always computes with TensorFlow, and is no use where that is not installed.
# - By default it also removes apostrophes, so that "isn't" becomes "isnt", and "we're" "were".
# - It keeps the *first* words of a long text, and the end, with the verdict, is cut off.
# - It knows words, and n-grams of words, but not pieces of words.

# %%
vectorize = layers.TextVectorization(max_tokens=10_000, output_sequence_length=8)
vectorize.adapt(train_texts[:1000])
names = vectorize.get_vocabulary()
row = keras.ops.convert_to_numpy(vectorize(["The film isn't yawnworthy!"]))[0]
print("TextVectorization:", ", ".join(f"{number} {names[number]}" for number in row))

# %% [markdown]
# **Pieces of words.** You have never seen the word "yawnworthy" in a review, but you know "yawn"
# and "worthy". Could a model, too? With single letters as tokens no word would be unknown, but
# texts would become five times as long, and a letter means little. *Subwords* lie between: frequent
# words stay whole, rare ones are spelled from pieces.
#
# *Byte-pair encoding* (BPE) learns the pieces from data. It starts with letters, counts which two
# neighbors are most frequent, and merges them into a new piece; then it counts again. The first
# merges give pieces such as "th" and "in", later ones syllables, endings, and whole words. We mark
# the last letter of a word with "_", so that "ing_" is an ending. Large language models read texts
# in such pieces. (Most of them start from bytes instead of letters, hence the name. Then no
# character is unknown either, not even an emoji.)
#
# A small example: a text contains "hug" 10 times, "pug" 6 times and "hugs" 4 times. The most
# frequent pair is "u" and "g_", 16 times, so "ug_" becomes a piece. Now "h" and "ug_" are
# neighbors 10 times, more often than any other pair: the next piece is "hug_". (The "g" in "hugs"
# has no mark. To BPE it is another letter than "g_".)


# %%
def learn_merges(counts, number):
    """Learn byte-pair encoding.

    Args:
        counts: dict from words to how often they occur.
        number: the maximum number of merges.

    Returns:
        The merges, pairs of pieces, in the order in which they were learned.
    """
    spelled = {word: [*word[:-1], word[-1] + "_"] for word in counts}
    pairs = Counter()

    def add(word, sign):
        for pair in pairwise(spelled[word]):
            pairs[pair] += sign * counts[word]

    for word in counts:
        add(word, 1)
    merges = []
    while len(merges) < number:
        best = max(pairs, key=pairs.get, default=None)  # of equally frequent ones the first found
        if not pairs[best]:
            break  # each word is one piece
        merges.append(best)
        for word, pieces in spelled.items():
            if best[0] in pieces and best in pairwise(pieces):
                add(word, -1)
                spelled[word] = merge(pieces, best)
                add(word, 1)
    return merges


def merge(pieces, pair):
    """Return a list of pieces in which each occurrence of a pair has become one piece."""
    merged = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


merges = learn_merges(dict(counts.most_common(5_000)), lesson.merges)
order = {pair: place for place, pair in enumerate(merges)}


@functools.cache
def spell(word):
    """Return the pieces of a word: merge as in training, what was learned first comes first."""
    pieces = [*word[:-1], word[-1] + "_"]
    while known := [pair for pair in pairwise(pieces) if pair in order]:
        pieces = merge(pieces, min(known, key=order.get))
    return tuple(pieces)


print("first merges:", ", ".join("".join(pair) for pair in merges[:12]))
print("last merges:", ", ".join("".join(pair) for pair in merges[-8:]))
print("spelled:", *(" ".join(spell(word)) for word in split_text(lesson.text)), sep=" | ")
pieces_per_word = sum(len(spell(word)) * count for word, count in counts.items()) / counts.total()
print(f"pieces per word: {pieces_per_word:.2f}")

# %% [markdown]
# No word is unknown now: a rare one only takes more tokens. With `--tokens pieces` the rest of the
# lesson uses pieces instead of words.
#
# <!-- results: lesson-26-tokens -->
# Validation reviews, median of 3 seeds: with a vocabulary of 10,000 words 5.9% of the words are
# unknown, with all words of the training reviews 0.7%. After 1,000 merges a word has 1.69 pieces on
# average.
# <!-- end -->
#
# **N-grams.** As in lesson 14, we count not only single tokens but also pairs of neighbors, and now
# triples (trigrams): "not", "not good", "not good enough". To number them, we take the numbers of
# the tokens as the digits of a larger number, in a system with V digits, where V is the size of the
# vocabulary. Tokens 5 and 20 give 5·V + 20, and with 7 after them (5·V + 20)·V + 7. No two n-grams
# get the same number, as no token has the number 0.
#
# Most triples occur once and tell us nothing about other reviews. So we keep those n-grams that
# occur in at least two training reviews, and number them anew, the most frequent first: from 2 on,
# since 0 is padding, and 1 stands for all others.

# %%


def to_tokens(words):
    """Convert a list of words to the tokens that `--tokens` asks for."""
    return words if lesson.tokens == "words" else [piece for word in words for piece in spell(word)]


token_counts = Counter(token for words in train_words for token in to_tokens(words))
frequent = [token for token, count in token_counts.most_common() if count > 1]
token_names = ["", "(unknown)", *frequent]  # by number
token_numbers = {token: number for number, token in enumerate(token_names)}
V = len(token_names)


def to_grams(words):
    """Return the set of n-grams of a list of words, as a sorted int64 array."""
    grams = [np.array([token_numbers.get(token, 1) for token in to_tokens(words)], "int64")]
    for n in range(1, lesson.ngrams):
        grams.append(grams[-1][:-1] * V + grams[0][n:])
    return np.unique(np.concatenate(grams))


train_grams = [to_grams(words) for words in train_words]
grams, counts_of_grams = np.unique(np.concatenate(train_grams), return_counts=True)
kept = np.flatnonzero(counts_of_grams > 1)
kept = pd.Index(grams[kept[np.argsort(-counts_of_grams[kept], kind="stable")]])
print(f"{len(grams):,} different n-grams, {len(kept):,} of them in at least two texts")

# %% [markdown]
# **Pad and truncate.** A batch is one rectangular array. So shorter rows are padded with zeros, and
# the *mask* tells later layers which numbers are padding: `mask_zero=True` in the embeddings below,
# as in lesson 02. Longer rows are truncated, and what is cut off is lost. How much is that? It
# depends on the texts, so look at their lengths before you choose:

# %%
lengths = np.array([len(words) for words in train_words])
for length in (128, 256, 512, 1024):
    print(f"{np.mean(lengths > length):6.1%} of the training texts have more than {length} words")

# %% [markdown]
# A row of ours holds the n-grams of a text, of which there are two to three times as many as words.
# We keep 1,024. As in lesson 14, the numbers are sorted, so the most frequent n-grams, such as
# "the" and "of the", are lost first.

# %%
ROW_LENGTH = 1024


def to_numbers(many_grams):
    """Convert the n-grams of texts to an int32 array of shape (texts, ROW_LENGTH)."""
    rows = [np.unique(np.append(kept.get_indexer(grams) + 2, 1)) for grams in many_grams]
    return keras.utils.pad_sequences(rows, ROW_LENGTH, "int32", padding="post")


train_numbers = to_numbers(train_grams)
val_numbers = to_numbers(map(to_grams, val_words))
test_numbers = to_numbers(to_grams(split_text(text)) for text in test_texts)
train = lesson.batches(train_numbers, train_labels)  # reshuffled for every epoch

# %% [markdown]
# ## 3 Define
# In lesson 14 each n-gram had one weight. Training started from the log-count ratio of naive Bayes,
# log((texts of class 1 with it + 1) / (texts of class 0 with it + 1)), and then changed it freely.
# With triples there are many rare n-grams, and such freedom is dangerous: a triple of two reviews
# can get any weight that helps to memorize these two.
#
# Here the guess r stays fixed, and training finds a factor f for each n-gram. The n-gram then
# contributes r·f. If r is 0, because the n-gram is equally frequent in both classes, it cannot be
# used to memorize anything, whatever f is. And where r is small, a change of f changes little. (S.
# Wang and C. Manning, 2012, call this NB-SVM, after naive Bayes and support vector machines.)
#
# The logit is the average contribution of a text's n-grams, times 300, which `Rescaling` does: as
# if every text had 300 n-grams, so that long reviews do not get more extreme answers than short
# ones. With f = 1 for all, this would be naive Bayes, which is far too sure of its answers: it
# counts "waste", "waste of" and "a waste of" as three independent hints. So we start at f = 0.03.
# A bias is not needed: the number 1, which is in nearly every row, does the same.
#
# `Multiply` takes the outputs of two layers, so we use the functional API of lesson 08.

# %%
FEATURES = len(kept) + 2
negative, positive = (
    np.bincount(train_numbers[train_labels == label].ravel(), minlength=FEATURES)
    for label in (0, 1)
)  # number of training texts of each class that contain an n-gram
ratios = np.log((positive + 1) / (negative + 1))

numbers = keras.Input((ROW_LENGTH,), dtype="int32")
guess = layers.Embedding(
    FEATURES, 1, weights=[ratios[:, np.newaxis]], trainable=False, mask_zero=True
)
start = keras.initializers.Constant(0.03)
factor = layers.Embedding(FEATURES, 1, embeddings_initializer=start, mask_zero=True)
x = layers.Multiply()([guess(numbers), factor(numbers)])
x = layers.GlobalAveragePooling1D()(x)
x = layers.Rescaling(300)(x)
output = layers.Activation("sigmoid")(x)
model = keras.Model(numbers, output)
model.summary()

# %% [markdown]
# ## 4 Compile
# Why not Adam, as in lesson 14? Adam gives each weight steps of about the same size. So a triple of
# two reviews would move as far as "waste of". Plain gradient descent moves a factor in proportion
# to its gradient, which is large if |r| is large and many reviews contain the n-gram: those we can
# trust. Momentum (notes/optimizers.md) makes it faster. The learning rate is high, since each
# n-gram has only a small share in an average.

# %%
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=1.0, momentum=0.9),
    loss="binary_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit
# We train for all epochs and put back the weights of the epoch with the lowest validation loss.

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
# First the question that we left open: what does it cost to cut texts short? We give the trained
# model only the last, or the first, words of each validation text.

# %%
scores = {}
for name, part in {
    "whole": slice(None),
    "last_256": slice(-256, None),
    "first_256": slice(256),
    "last_64": slice(-64, None),
    "first_64": slice(64),
}.items():
    cut = to_numbers(to_grams(words[part]) for words in val_words)
    predicted = model.predict(cut, batch_size=1000, verbose=0)[:, 0] > 0.5
    scores[f"val_accuracy_{name}"] = np.mean(predicted == val_labels)
    print(f"{name:>9} words: validation accuracy {scores[f'val_accuracy_{name}']:.3f}")

# %% [markdown]
# <!-- results: lesson-26-cuts -->
# 30% of the training reviews have more than 256 words. Validation accuracy, median of 3 seeds:
#
# | words of a review | validation accuracy |
# | --- | --- |
# | all | 0.924 |
# | the last 256 | 0.924 |
# | the first 256 | 0.912 |
# | the last 64 | 0.874 |
# | the first 64 | 0.832 |
# <!-- end -->
#
# The last words say more than the first: many reviews begin with the plot and end with the verdict.
# So if you must cut, keep the end, which `TextVectorization` cuts off. (Whether that holds for your
# texts, measure. The first sentence of a news report says most.)
#
# Only now, with everything chosen, we use the test set.

# %%
test = model.evaluate(test_numbers, test_labels, batch_size=1000, verbose=0, return_dict=True)
print(f"test accuracy {test['accuracy']:.4f}")

# %% [markdown]
# <!-- results: lesson-26-scores -->
# Test accuracy, median and range of three seeds:
#
# - lesson 02, average of embeddings: 0.879 (0.878 to 0.879)
# - lesson 14, words and pairs: 0.910 (0.909 to 0.911)
# - this lesson, words, pairs and triples: 0.922 (0.922 to 0.923)
# <!-- end -->
#
# Two things differ from lesson 14: the triples, and the fixed ratios with their optimizer. Exercise
# 2 takes the triples away and shows which of the two matters more.
#
# ## 7 Predict
# Your text goes the same way as the reviews: standardize, split, number, count. We print the words
# without a number of their own, and the n-grams that contribute most, with their r·f.


# %%
def name_of(number):
    """Convert the number of an n-gram back to its tokens."""
    tokens, rest = [], kept[number - 2]
    while rest:
        rest, token = divmod(rest, V)
        tokens.insert(0, token_names[token])
    return " ".join(tokens)


words = split_text(lesson.text)
row = to_numbers([to_grams(words)])
print(lesson.text)
print("unknown:", ", ".join(t for t in to_tokens(words) if t not in token_numbers) or "nothing")
contributions = ratios * factor.get_weights()[0][:, 0]
known = row[0][row[0] > 1]
strongest = known[np.argsort(-np.abs(contributions[known]))][:8]
print("contributions:", "; ".join(f"{name_of(n)} {contributions[n]:.2f}" for n in strongest))
probability = model.predict(row, verbose=0)[0, 0]
print(f"your text: probability {probability:.3f} of class {classes[1]}")
lesson.finish(
    model,
    history,
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
    unknown_of_10000=shares[10_000],
    unknown_of_all=shares[len(counts)],
    pieces_per_word=pieces_per_word,
    cut_at_256=np.mean(lengths > 256),
    **scores,
)

# %% [markdown]
# ## Remember
# - Raw text becomes numbers in three steps: standardize, split into tokens, number them with a
#   vocabulary learned from training texts. Each step loses something.
# - Words outside the vocabulary are lost, too; byte-pair encoding spells them from pieces.
# - Pairs and triples of words, with the log-count ratio as a fixed scale, make a strong and fast
#   classifier. Try to beat it before you believe in a larger network.
#
# On your own texts, try first: look at ten of them, at their lengths and at the share of unknown
# words. Then run this lesson with `--texts`. For a network that reads in order, use pieces of words
# if your texts are full of names, typing errors or long compounds.

# %% [markdown]
# ## Exercises
# 1. Which merges does byte-pair encoding learn from "low" 5 times, "lower" 2 times, "newest" 6
#    times and "widest" 3 times? Find the first three by hand, then check with `learn_merges`.
# 2. What do pairs and triples contribute? Try `--ngrams 1` and `--ngrams 2`.
# 3. Count pieces instead of words: `--tokens pieces`. What happens to the accuracy, and what with
#    fewer pieces, `--merges 200`? Why?
#
# Solutions: notes/solutions/26_raw_text.md
