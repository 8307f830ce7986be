# %% [markdown]
"""
# 35 Subwords: what can a model do with a word that it has never seen?

You may never have read the word "unfilmable", but you know "un", "film" and "able", so you know
what it means. The model of lesson 26 knows whole words only. To it, a new word is a hole in the
text. Here your program learns pieces of words from data, with the algorithm behind the tokens of
large language models. You see what a small vocabulary costs, and train the same small network on
words and on pieces.

Expect: 4,000 words miss 12% of the text; 4,000 pieces hardly anything, at 1.30 per word.

    python 35_subwords.py
    python 35_subwords.py --vocabulary 1000
    python 35_subwords.py --texts DIR                 # your own: a folder of .txt files per class
"""

# %%
from pathlib import Path

from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=4,
    batch_size=64,
    vocabulary=Flag(4000, "tokens with a number of their own", at_least=500, at_most=20_000),
    window=Flag(5, "how many neighboring tokens the network reads together", at_most=20),
    texts=Flag(Path, "folder of your texts: a sub-folder of .txt files per class", role="data"),
    text="The book is unfilmable, the film unbelievably bad, and its plot yawnworthy.",
)

import functools
import math
from collections import Counter, defaultdict
from itertools import pairwise

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from datasets import split_words
from raw_text.texts import load_texts

# %% [markdown]
# ## 1 Load
# The texts of lesson 26: film reviews as strings.

# %%
(texts, labels), (test_texts, test_labels), classes = load_texts(lesson)
print(f"{len(texts)} training and {len(test_texts)} test texts; 1 means {classes[1]}")

# %% [markdown]
# ## 2 Prepare
# To prevent leakage, a tenth of the texts is set aside for validation before we count anything. Our
# helper `split_words` returns the words of a text in lower case, without punctuation.

# %%
train_texts, val_texts, train_labels, val_labels = train_test_split(
    texts, labels, test_size=0.1, stratify=labels, random_state=lesson.seed
)
train_words, val_words, test_words = (
    [split_words(text) for text in part] for part in (train_texts, val_texts, test_texts)
)
counts = Counter(word for words in train_words for word in words)
val_counts = Counter(word for words in val_words for word in words)
print(f"{len(counts):,} different words in the training texts")

# %% [markdown]
# A *token* is a unit into which a text is cut. The *vocabulary* lists the tokens that have a number
# of their own. The reviews contain more than 80,000 different words. Most occur only once or twice,
# too rarely to learn from. If only a few thousand words are in the vocabulary, all others are
# *unknown* (out of vocabulary): they share one number. And "run" and "running" are just two numbers
# to the network: what it learns about one tells it nothing about the other.
#
# At the other extreme, every letter or digit is a token. Then nothing is unknown. But texts become
# more than four times as long, and a letter means nothing by itself.
#
# *Subwords* lie between: frequent words are tokens of their own, rare ones are spelled from pieces.
# *Byte-pair encoding* (BPE) learns the pieces from data:
#
# 1. Spell each word in letters. Mark the last one with `_`, so that `ing_` at the end of "acting"
#    and `ing` in "single" are different pieces. The mark also gives the text back: join the pieces,
#    and replace each `_` by a space.
# 2. Count all pairs of neighboring pieces, each word as often as it occurs.
# 3. *Merge* the most frequent pair: wherever it occurs, it becomes one piece. Repeat from step 2,
#    until the vocabulary has the size that you want.
#
# Suppose the texts contain "hug" 10 times, "pug" 6 times and "hugs" 4 times:
#
#     h u g_    p u g_    h u g s_      most frequent: u g_, 10 + 6 = 16 times
#     h ug_     p ug_     h u g s_      most frequent: h ug_, 10 times
#     hug_      p ug_     h u g s_
#
# After each merge, only words with the merged pair change. For these we subtract the old pairs
# (`sign` is -1) and add the new ones.


# %%
def letters_of(word):
    """Return the letters of a word, the last one marked."""
    return [*word[:-1], word[-1] + "_"]


def merge(pieces, pair):
    """Return a list of pieces in which each occurrence of a pair has become one piece."""
    merged = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def learn_merges(counts, number):
    """Return up to `number` merges, pairs of pieces, learned from a dict of words to counts."""
    spelled = {word: letters_of(word) for word in counts}
    pairs, words_with = (
        Counter(),
        defaultdict(dict),
    )  # how often a pair occurs; its words (a dict keeps order)

    def add(word, sign):
        for pair in pairwise(spelled[word]):
            pairs[pair] += sign * counts[word]
            words_with[pair][word] = True

    for word in counts:
        add(word, 1)
    merges = []
    while len(merges) < number and any(pairs.values()):  # all 0: each word is one piece
        best = max(pairs, key=pairs.get)  # the first of equally frequent ones
        merges.append(best)
        for word in list(words_with[best]):
            add(word, -1)
            spelled[word] = merge(spelled[word], best)
            add(word, 1)
    return merges


# %% [markdown]
# To save time, we learn from the 10,000 most frequent words. The vocabulary has all letters, plain
# or marked, a piece per merge, 0 for padding and 1 for unknown.

# %%
letters = sorted({letter for word in counts for letter in letters_of(word)})
merges = learn_merges(dict(counts.most_common(10_000)), lesson.vocabulary - 2 - len(letters))
print("first merges:", ", ".join("".join(pair) for pair in merges[:15]))
print("last merges:", ", ".join("".join(pair) for pair in merges[-10:]))

# %% [markdown]
# Short words and pairs of letters come first, then syllables and endings, finally longer words. To
# spell a new word, we start with its letters and apply the same merges in the same order. With the
# two merges above, "chug" goes from `c h u g_` to `c h ug_` and then to `c hug_`. With the first
# 800 merges, say, we get the pieces of a smaller vocabulary. Unknown is only a letter that no
# training text contains, such as an emoji. GPT spells from bytes instead of letters: "é" is two
# bytes, an emoji usually four, and as there are only 256 different bytes, nothing is unknown. There
# are relatives, too: *WordPiece* (BERT) merges the pair that is most frequent compared with its two
# parts, and *Unigram* starts with many pieces and removes those that are missed least.

# %%
order = {pair: place for place, pair in enumerate(merges)}


@functools.cache  # spell each word once, and remember it
def spell(word, number=lesson.vocabulary):
    """Return the pieces of a word after the first `number` merges, by default all."""
    pieces = letters_of(word)
    while True:  # apply the earliest merge that fits, until none of the first `number` does
        possible = [pair for pair in pairwise(pieces) if order.get(pair, number) < number]
        if not possible:
            return pieces
        pieces = merge(pieces, min(possible, key=order.get))


for number in (0, len(merges) // 5, len(merges)):
    spelled = (" ".join(spell(word, number)) for word in split_words(lesson.text))
    print(f"{number:5} merges:", " | ".join(spelled))

# %% [markdown]
# **Vocabulary size against length.** With words, a smaller vocabulary means more unknown words.
# With pieces almost nothing is unknown, but texts are longer. We measure both in the validation
# texts.

# %%
rows = []
sizes = [size for size in (500, 1000, 2000) if size < lesson.vocabulary]
for size in [*sizes, lesson.vocabulary]:
    known = {word for word, _ in counts.most_common(size - 2)}
    unknown = sum(count for word, count in val_counts.items() if word not in known)
    number = size - 2 - len(letters)
    pieces = sum(count * len(spell(word, number)) for word, count in val_counts.items())
    rows.append({
        "vocabulary": size,
        "unknown_words": unknown / val_counts.total(),
        "pieces_per_word": pieces / val_counts.total(),
    })
lesson.save_table("sizes", pd.DataFrame(rows).round(4))

# %% [markdown]
# <!-- results: lesson-35-sizes -->
# | vocabulary | unknown words | pieces per word |
# | --- | --- | --- |
# | 500 | 30.9% | 2.16 |
# | 1,000 | 23.8% | 1.76 |
# | 2,000 | 17.2% | 1.49 |
# | 4,000 | 11.6% | 1.30 |
# <!-- end -->
#
# (Medians of three seeds.) Even if the vocabulary is doubled, most of the unknown words stay
# unknown: a language has a *long tail* of rare words. With 4,000 pieces almost nothing is lost, and
# a text is 30% longer. A larger vocabulary would shorten it, but each piece costs a row of the
# embedding (4,000·32 = 128,000 weights here), and rare ones see few examples. Large models afford
# more: BERT about 30,000 tokens, GPT-2 about 50,000. In texts unlike those that the merges were
# learned from, such as another language, words take more pieces. And a model sees only the number
# of a piece, not its letters, which is why language models are bad at counting letters. Numbers
# suffer, too: the digits of 1234 and 1235 may be cut in different places.
#
# **Pad and truncate.** We pad short rows with zeros and keep the last 256 tokens of long ones
# (lesson 26). Rows of pieces get the same 256 places as rows of words.

# %%
LENGTH = 256
tokens_of = {
    "words": [word for word, _ in counts.most_common()],
    "pieces": [*letters, *("".join(pair) for pair in merges)],
}
numbers_of = {
    kind: {token: number for number, token in enumerate(tokens[: lesson.vocabulary - 2], start=2)}
    for kind, tokens in tokens_of.items()
}


def to_tokens(words, kind):
    """Convert a list of words to tokens: the same words, or their pieces."""
    return words if kind == "words" else [piece for word in words for piece in spell(word)]


def to_numbers(texts, kind):
    """Convert lists of words to an int32 array of shape (texts, LENGTH)."""
    numbers = numbers_of[kind]
    rows = [[numbers.get(token, 1) for token in to_tokens(words, kind)] for words in texts]
    return keras.utils.pad_sequences(rows, LENGTH, "int32", padding="post")


# %% [markdown]
# ## 3 Define
# A network that averages its tokens, as in lesson 02, could do little with pieces: to it, `un` and
# `able_` are two tokens somewhere in the text. It has to read neighbors together. `Conv1D` does:
# each of its 64 *filters* is a unit that slides along the text, sees five neighbors at a time (its
# *kernel size*, `--window`) and learns one pattern of them. `GlobalMaxPooling1D` keeps each
# filter's largest output, which tells whether its pattern occurs anywhere in the text. (`Conv1D`
# knows no masks, so there is no `mask_zero`.)


# %%
def build_model():
    """Build the network; the same seed gives the same initial weights."""
    keras.utils.set_random_seed(lesson.seed)
    return keras.Sequential([
        keras.Input((LENGTH,), dtype="int32"),
        layers.Embedding(lesson.vocabulary, 32),
        layers.Dropout(0.3),
        layers.Conv1D(64, lesson.window, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dropout(0.5),
        layers.Dense(1, activation="sigmoid"),
    ])


models = {"words": build_model(), "pieces": build_model()}
models["words"].summary()

# %% [markdown]
# ## 4 Compile
# The loss, the metric and the optimizer are those of lesson 02.

# %%
steps = math.ceil(len(train_words) / lesson.batch_size)  # return to Python once per epoch
for model in models.values():
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"], steps_per_execution=steps)

# %% [markdown]
# ## 5 Fit
# The two networks start from the same weights and see the same texts in the same order. Only the
# tokens differ.

# %%
histories = {}
for kind, model in models.items():
    early_stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=lesson.epochs, restore_best_weights=True
    )
    histories[kind] = model.fit(
        lesson.batches(to_numbers(train_words, kind), train_labels),
        validation_data=(to_numbers(val_words, kind), val_labels),
        validation_batch_size=500,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(early_stopping, training=kind),
        verbose=0,
    )

# %% [markdown]
# ## 6 Evaluate
# In the table, `cut` is the fraction of training texts with more than 256 tokens.

# %%
rows = []
for kind, model in models.items():
    losses = histories[kind].history["val_loss"]
    test = model.evaluate(
        to_numbers(test_words, kind), test_labels, batch_size=500, verbose=0, return_dict=True
    )
    rows.append({
        "tokens": kind,
        "cut": np.mean([len(to_tokens(words, kind)) > LENGTH for words in train_words]),
        "val_accuracy": histories[kind].history["val_accuracy"][np.argmin(losses)],
        "test_accuracy": test["accuracy"],
    })
lesson.save_table("scores", pd.DataFrame(rows).round(4))

# %% [markdown]
# Medians and ranges of three seeds:
#
# <!-- results: lesson-35-scores -->
# | tokens | texts cut | validation accuracy | test accuracy |
# | --- | --- | --- | --- |
# | words | 30% | 0.872 (0.869 to 0.877) | 0.867 (0.864 to 0.870) |
# | pieces | 42% | 0.861 (0.857 to 0.862) | 0.858 (0.857 to 0.859) |
# <!-- end -->
#
# Pieces are a little behind here, though almost none is unknown. Likely reasons: a text of pieces
# is longer, so more reviews have lost their beginning (column `texts cut`); five pieces cover fewer
# words than five words; and the unknown words are rare, so the others suffice to judge most
# reviews.
#
# ## 7 Predict
# How does each network see the text of `--text`? Where the first sees "(unknown)", the second sees
# pieces.

# %%
words = split_words(lesson.text)
for kind, model in models.items():
    seen = [t if t in numbers_of[kind] else "(unknown)" for t in to_tokens(words, kind)]
    probability = model.predict(to_numbers([words], kind), verbose=0)[0, 0]
    print(f"{kind}: probability {probability:.3f} of class {classes[1]}: {' '.join(seen)}")
lesson.finish(  # saves the last network, that of the pieces
    model, histories[kind], training=kind, test_loss=test["loss"], test_accuracy=test["accuracy"]
)

# %% [markdown]
# ## Remember
# - Byte-pair encoding starts from letters and merges the most frequent pair of neighbors, again and
#   again. Frequent words become one token, rare ones are spelled from several.
# - With subwords hardly anything is unknown, however small the vocabulary. The price is length.
# - Pieces mean little by themselves: they need a network that reads neighbors together.
#
# On your own texts, try first: count the unknown words. If there are few, stay with words. Take
# pieces for many names, typing errors or long compounds, or if your network is to write text. A
# network needs the *tokenizer* it was trained with, the program that turns text into token numbers:
# those of another stand for other pieces. So keep the merges and the numbers with the saved
# network. Learn merges of your own only if you train the network from scratch, on texts like those
# it will read.

# %% [markdown]
# ## Exercises
# 1. Which merges does byte-pair encoding learn from "low" 5 times, "lower" 2 times, "newest" 6
#    times and "widest" 3 times? Find the first three by hand, then check with `learn_merges`.
# 2. Does the network put pieces together? Try `--window 1`, with which each filter sees one token
#    at a time. What happens with pieces, and what with words?
# 3. How small may the vocabulary be? Try `--vocabulary 1000` and `--vocabulary 500`.
#
# Solutions: notes/solutions/35_subwords.md
