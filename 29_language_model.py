# %% [markdown]
"""
# 29 A small language model: how does a machine write?

A *language model* predicts the next word of a text. Nobody has to label anything: the text itself
says what comes next. And what predicts the next word can also write, word after word. In this
lesson you build a small relative of GPT, train it on film reviews, compare it with models that only
count words, pairs and triples, and let it write reviews.

Expect: test perplexity 157 (156 to 158), median and range of three seeds. A trigram model has 185.
Takes: about 14 minutes on two CPU cores, at full length.

    python 29_language_model.py
    python 29_language_model.py --prompt "the worst thing about this film"
    python 29_language_model.py --epochs 16 --blocks 3
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=Flag(8, "each an eighth of the training text"),
    batch_size=10,
    blocks=Flag(2, "number of decoder blocks", at_most=8),
    prompt="this film",
)

import textwrap
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops
from sklearn.model_selection import train_test_split

from datasets import split_words
from language.ngrams import interpolation_weights, ngram_probabilities, perplexity

# %% [markdown]
# ## 1 Load
# The film reviews of lesson 02, as arrays of word ranks, without their labels.

# %%
(reviews, _), (test_reviews, _), word_index = lesson.load("imdb")
print(f"{len(reviews)} training and {len(test_reviews)} test reviews")

# %% [markdown]
# ## 2 Prepare
# As in lesson 28, a word's number is its rank plus 1, and 1 is any other word. But 0 now marks the
# boundary between two reviews. (Large models use subwords as tokens instead of words: lesson 35.)
# We join the reviews to one text and cut it into *windows* of 200 words. The targets are the same
# text, one word later, so a window holds 200 training examples.
#
# | input  | (boundary) | this | film | is    | not  |
# |--------|------------|------|------|-------|------|
# | target | this       | film | is   | not   | bad  |
#
# One percent of the training reviews is set aside for validation. A tenth of the test reviews is
# enough for the test.

# %%
VOCABULARY = 10_000  # word numbers range from 0 to 9,999
CONTEXT = 200  # words in a window: the context length
BOUNDARY, UNKNOWN = 0, 1

set_aside = max(20, len(reviews) // 100)
train_reviews, val_reviews = train_test_split(
    reviews, test_size=set_aside, random_state=lesson.seed
)
_, tested = train_test_split(test_reviews, test_size=0.1, random_state=0)  # for every seed


def to_text(reviews):
    """Join reviews (arrays of ranks) to one int32 array of word numbers, with boundaries."""
    parts = [[BOUNDARY]]
    for review in reviews:
        parts += [np.where(review < VOCABULARY - 1, review + 1, UNKNOWN), [BOUNDARY]]
    return np.concatenate(parts).astype("int32")


def to_windows(text):
    """Cut a text into inputs and targets, both of shape (windows, CONTEXT)."""
    count = (len(text) - 1) // CONTEXT
    return [text[start:][: count * CONTEXT].reshape(count, CONTEXT) for start in (0, 1)]


train_text, val_text, test_text = map(to_text, (train_reviews, val_reviews, tested))
train = lesson.batches(*to_windows(train_text), parts=8)  # an epoch is an eighth of the text
val_inputs, val_targets = to_windows(val_text)
test_inputs, test_targets = to_windows(test_text)
print(f"{len(train_text):,} words for training, {len(test_text):,} for the test")

# %% [markdown]
# ### How good is a guess?
# A language model gives each word of the vocabulary a probability. Its loss is the cross-entropy of
# lesson 01: -log p, where p is the probability of the word that came. The exponential of the
# average loss is the *perplexity*. A model that always hesitates between 100 equally likely words
# has a loss of -log(1/100) = 4.61 and a perplexity of 100.
#
# How far does counting get? A *unigram* model gives each word its frequency in the training text. A
# *bigram* model looks one word back: what fraction of all occurrences of "film" was followed by
# "is"? A *trigram* model looks two words back. But many longer sequences do not occur in the
# training text, and p would be 0. So each model *interpolates*: it averages its probability with
# those of the shorter ones, with the weights that make the validation text most probable.

# %%
# shape (3, words): the probability that each model gives to the word that came
val_counted, test_counted = (
    ngram_probabilities(train_text, text, VOCABULARY) for text in (val_text, test_text)
)
counting = {}  # test perplexity of each model
for n, name in [(1, "unigram"), (2, "bigram"), (3, "trigram")]:
    weights = interpolation_weights(val_counted[:n])
    counting[name] = perplexity(weights @ test_counted[:n])
    print(f"{name}: weights {weights.round(2)}, test perplexity {counting[name]:.1f}")
val_trigram = perplexity(weights @ val_counted)  # with the last weights, for the figure

# %% [markdown]
# ## 3 Define
# A *decoder block* is the encoder block of lesson 28 with a *causal mask* (lesson 27): each word
# may attend only to itself and to the words before it. So no word sees the next one, and all 200
# predictions of a window can be trained at once. (Without it, the answer would stand in the input:
# the loss would fall almost to 0, and the network could not write. In Keras' own attention layer,
# the mask is the argument `use_causal_mask=True`.)
#
# We write attention out, as in lesson 27, because section 7 needs its keys and values. The 128
# numbers of a word are split among four heads, 32 for each. In `einsum("bqhd,bkhd->bhqk", ...)` the
# letters name the axes: text, query or key, head, number. `d` is missing after the arrow, so it is
# summed over: that is the dot product of each query with each key. In the second `einsum`, `k` is
# missing: that is the weighted sum of the values.
#
# Layer normalization stands before attention and before the feed-forward network (*pre-norm*,
# lesson 28). `gelu` is a smooth `relu`.
#
# At the end there is a logit for each of the 10,000 words. A `Dense` layer would need 128·10,000
# weights for that, as many as the embedding has. Many language models use those again (*weight
# tying*): the logit of a word is the dot product of the decoder's output vector and the word's
# embedding. `ReversibleEmbedding` does both. Its weights start small, so that no logit is large
# yet. As inputs they would be too small, so there we multiply them by √128.

# %%
WIDTH, HEADS = 128, 4  # numbers per word, heads of each attention layer
SIZE = WIDTH // HEADS  # numbers per head

words = layers.ReversibleEmbedding(VOCABULARY, WIDTH)
positions = layers.Embedding(CONTEXT, WIDTH)
blocks = [
    {
        "attention_norm": layers.LayerNormalization(),
        "query": layers.Dense(WIDTH),
        "key": layers.Dense(WIDTH),
        "value": layers.Dense(WIDTH),
        "output": layers.Dense(WIDTH),
        "feed_forward_norm": layers.LayerNormalization(),
        "expand": layers.Dense(4 * WIDTH, activation="gelu"),
        "contract": layers.Dense(WIDTH),
    }
    for _ in range(lesson.blocks)
]
last_norm = layers.LayerNormalization()


def attend(block, vectors, position, past=None):
    """Return the output of causal self-attention, and its keys and values; see `decode`."""
    shape = (-1, vectors.shape[1], HEADS, SIZE)
    queries, keys, values = (
        ops.reshape(block[name](vectors), shape) for name in ("query", "key", "value")
    )
    if past:  # put the new key and value at their position among the earlier ones
        all_positions = np.arange(CONTEXT).reshape(-1, 1, 1)
        here = ops.equal(ops.reshape(position, (-1, 1, 1, 1)), all_positions)
        keys, values = ops.where(here, keys, past[0]), ops.where(here, values, past[1])
    scores = ops.einsum("bqhd,bkhd->bhqk", queries, keys) / SIZE**0.5
    mask = ops.less_equal(np.arange(CONTEXT), ops.expand_dims(position, -1))  # no later keys
    weights = ops.softmax(ops.where(ops.expand_dims(mask, 1), scores, -1e9))
    collected = ops.einsum("bhqk,bkhd->bqhd", weights, values)
    return block["output"](ops.reshape(collected, (-1, vectors.shape[1], WIDTH))), [keys, values]


def decode(numbers, position, past=None):
    """Turn words into vectors from which the next word can be predicted.

    Args:
        numbers, position: the number and the position of each word, shape (texts, words).
        past: in section 7, the keys and values of each block so far; `numbers` is one new word.

    Returns:
        The vectors, shape (texts, words, WIDTH), and the keys and values of each block.
    """
    vectors = words(numbers) * WIDTH**0.5 + positions(position)
    cache = []
    for index, block in enumerate(blocks):
        normalized = block["attention_norm"](vectors)
        collected, keys_and_values = attend(block, normalized, position, past and past[index])
        cache.append(keys_and_values)
        vectors = vectors + collected
        expanded = block["expand"](block["feed_forward_norm"](vectors))
        vectors = vectors + block["contract"](expanded)
    return last_norm(vectors), cache


inputs = keras.Input((CONTEXT,), dtype="int32")
vectors, _ = decode(inputs, ops.cumsum(ops.ones_like(inputs), axis=1) - 1)  # 0, 1, 2, ...
model = keras.Model(inputs, words(vectors, reverse=True))
print(f"{model.count_params():,} parameters")

# %% [markdown]
# The word embedding has 10,000·128 = 1,280,000 of these parameters. A block has 198,272, counted as
# in lesson 28. Large language models have the same parts, with thousands of numbers per word and
# about a hundred blocks.
#
# ## 4 Compile
# With `from_logits=True` the loss applies the softmax itself (notes/losses_and_outputs.md). Warmup,
# cosine decay and gradient clipping are those of lesson 28.

# %%
steps = len(train) * lesson.epochs
rate = keras.optimizers.schedules.CosineDecay(
    0.0, max(1, 19 * steps // 20), warmup_target=0.005, warmup_steps=steps // 20
)
model.compile(
    optimizer=keras.optimizers.Adam(rate, clipnorm=1.0),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    steps_per_execution=10,  # ten steps in one call: faster, and Ctrl-C still works within seconds
    jit_compile=True if keras.backend.backend() == "tensorflow" else "auto",  # as in lesson 10
)

# %% [markdown]
# ## 5 Fit
# One pass over the training text takes many minutes, so we count each eighth of it as an epoch.
# Eight epochs show each window once: even the training loss is measured on text not seen before.

# %%
history = model.fit(
    train,
    validation_data=(val_inputs, val_targets),
    validation_batch_size=lesson.batch_size,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),
    verbose=0,
)
curves = np.exp(pd.DataFrame(history.history))
curves.index += 1
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
curves.plot(ax=axes, marker="o", xlabel="epoch", ylabel="perplexity")
axes.axhline(val_trigram, color="gray", linestyle="--")
axes.legend(["training", "validation", "trigram, validation"])
lesson.save_figure("perplexity", figure)

# %% [markdown]
# ## 6 Evaluate

# %%
loss = model.evaluate(test_inputs, test_targets, batch_size=lesson.batch_size, verbose=0)
test_perplexity = {**counting, "Transformer": float(np.exp(loss))}
table = pd.DataFrame(test_perplexity.items(), columns=["model", "test perplexity"])
lesson.save_table("perplexities", table.round(1))

# %% [markdown]
# <!-- results: lesson-29-perplexity -->
# | model       | test perplexity of three seeds |
# | ----------- | ------------------------------ |
# | unigram     | 624 (624 to 624)               |
# | bigram      | 214 (214 to 214)               |
# | trigram     | 185 (185 to 185)               |
# | Transformer | 157 (156 to 158)               |
# <!-- end -->
#
# The previous word alone says a great deal, and a second one adds a little. More is hard to get by
# counting: the trigram model has no idea that "a splendid film" resembles "a wonderful film". The
# network has, since similar words get similar vectors. And it can look back not two words but up to
# 200.
#
# More time would help: in the figure the curve still falls at the end. Try `--epochs 16`.
#
# ## 7 Predict
# The network gives 10,000 probabilities. How do we choose a word? Always taking the likeliest one
# is *greedy decoding*. Drawing at random with these probabilities is *sampling*. But thousands of
# unlikely words add up, and a single one can derail the text. Three ways to be more careful:
#
# - The *temperature* T divides the logits. T = 0.5 doubles the logits, which squares the odds: 3 to
#   1 becomes 9 to 1. Near 0, only the likeliest word is left.
# - *Top-k* keeps only the k likeliest words.
# - *Top-p* (*nucleus sampling*) keeps the likeliest words until their probabilities add up to p:
#   few words where the network is sure, and many where it is not.


# %%
def choose(logits, draw, temperature=1.0, top_k=VOCABULARY, top_p=1.0):
    """Choose the next word: return its number, given `VOCABULARY` logits and a NumPy generator."""
    likely = np.argsort(-logits)[:top_k]
    p = np.exp((logits[likely] - logits[likely[0]]) / temperature)
    p /= p.sum()
    p[np.cumsum(p) - p >= top_p] = 0  # drop a word if those before it reach top_p
    return draw.choice(likely, p=p / p.sum())


# %% [markdown]
# To write a text we choose a word, append it, and let the network read the longer text again, up to
# 200 words: later positions have no embedding. But the keys and values of the earlier words stay
# the same, since no word sees a later one. We keep them in a *key-value cache*, and only the new
# word goes through the network. (To write more than 200 words, one would drop the first ones, count
# positions from 0 again, and fill the cache anew.)


# %%
def reader_without_cache():
    """Return a function from a text, as a list of word numbers, to the vector of its last word."""
    decoder = keras.Model(inputs, vectors)  # no logits: only those of the last word are needed

    def read(text):
        window = np.zeros((1, CONTEXT), "int32")
        window[0, : len(text)] = text  # thanks to the mask, the zeros after it do not matter
        return decoder.predict_on_batch(window)[0, len(text) - 1]

    return read


def reader_with_cache():
    """Return such a function; each call expects the previous text, with words appended."""
    number, position = (keras.Input((1,), dtype="int32") for _ in range(2))
    past = [[keras.Input((CONTEXT, HEADS, SIZE)) for _ in range(2)] for _ in blocks]
    step = keras.Model([number, position, past], decode(number, position, past))
    known, vector = 0, None
    cache = [[np.zeros((1, CONTEXT, HEADS, SIZE), "float32")] * 2 for _ in blocks]

    def read(text):
        nonlocal known, vector, cache
        for position in range(known, len(text)):
            new = [np.array([[value]], "int32") for value in (text[position], position)]
            vector, cache = step.predict_on_batch([*new, cache])
        known = len(text)
        return vector[0, 0]

    return read


def write(prompt, count, read, **sampling):
    """Continue a list of word numbers by `count` words; `sampling` goes to `choose`."""
    draw, text = np.random.default_rng(lesson.seed), list(prompt)
    embeddings = ops.convert_to_numpy(words.embeddings)
    for _ in range(count):
        logits = embeddings @ read(text)  # as `words(..., reverse=True)` does
        logits[no_word] = -np.inf
        text.append(int(choose(logits, draw, **sampling)))
    return text


word_of = {rank + 1: word for word, rank in word_index.items() if rank + 1 < VOCABULARY}
no_word = np.setdiff1d(np.arange(VOCABULARY), list(word_of))  # never written: BOUNDARY, UNKNOWN
# the last 100 words of the prompt; `to_text` puts a boundary before and after: drop the latter
ranks = [word_index.get(word, VOCABULARY) for word in split_words(lesson.prompt)]
prompt = to_text([np.array(ranks[-CONTEXT // 2 :], "int32")])[:-1].tolist()
ways = {
    "greedy": {"top_k": 1},
    "temperature 0.5": {"temperature": 0.5},
    "temperature 1": {},
    "temperature 1.5": {"temperature": 1.5},
    "top-k, k = 20": {"top_k": 20},
    "top-p, p = 0.8": {"top_p": 0.8},
}
texts = []
for name, sampling in ways.items():
    text = write(prompt, 40, reader_with_cache(), **sampling)
    written = " ".join(word_of[number] for number in text[len(prompt) :])
    texts += [f"[{name}]", textwrap.fill(f"{lesson.prompt} ... {written}", 100)]
lesson.save_text("written", "\n".join(texts))

# %% [markdown]
# ("br" is a line break in HTML.) Greedy decoding soon repeats itself: the likeliest continuation of
# a phrase is the phrase again. With temperature 1 each word fits those before it, but the text
# drifts; at 1.5 it falls apart. With a lower temperature, top-k or top-p it reads best, and still
# says nothing: the network has learned which words follow each other, not what films are like. A
# chat model begins as such a model, with far more text and parameters. Then it is fine-tuned on
# questions with good answers, and on what people think of its own answers. It still writes what is
# likely, which need not be true.
#
# How much time does the cache save? About half (notes/language_models.md).

# %%
readers = {"without cache": reader_without_cache(), "with cache": reader_with_cache()}
milliseconds, written = {}, {}
for name, read in readers.items():
    read(prompt)  # builds the network, which takes longest
    began = time.perf_counter()
    written[name] = write(prompt, CONTEXT - len(prompt), read, top_k=1)
    milliseconds[name] = 1000 * (time.perf_counter() - began) / (CONTEXT - len(prompt))
    print(f"{name}: {milliseconds[name]:.1f} ms per word")
print("the same text:", written["with cache"] == written["without cache"])

lesson.finish(
    model,
    history,
    test_perplexity=test_perplexity["Transformer"],
    **{f"test_perplexity_{name}": value for name, value in counting.items()},
    **{f"ms_{name.replace(' ', '_')}": value for name, value in milliseconds.items()},
)

# %% [markdown]
# ## Remember
# - A language model predicts the next word. Its labels are the text itself, one word later, and a
#   causal mask hides what comes later.
# - Perplexity, e to the power of the loss, is the number of equally likely words between which a
#   model would hesitate as much. Compare it only on the same text with the same vocabulary.
# - To write, choose among the likely words, and keep the keys and values of earlier words.
#
# On texts of your own, try first: a large model that others have trained, with your task as a
# prompt; then fine-tune it (lesson 30). Train one from scratch only to learn how it works.

# %% [markdown]
# ## Exercises
# 1. How far back does the network look? Let it predict words of the test reviews when it sees only
#    the last 1, 2, 5, 20, 100 or 200 words before them.
# 2. Training again for every prompt would take minutes. Write a program that loads `model.keras`
#    and continues prompts. Is praise followed by praise, and blame by blame?
# 3. Which temperature writes most like people? What fraction of the three-word sequences also
#    occurs in the training reviews: for test reviews, and for text written at temperatures 0.5,
#    0.8, 1 and 1.5?
#
# Solutions: notes/solutions/29_language_model.md
