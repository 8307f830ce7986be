# %% [markdown]
"""
# 28 A Transformer reads film reviews: is it better than counting words?

Large language models are *Transformers*: attention layers, stacked in blocks. In this lesson you
build such a block from plain Keras layers and learn what each part is for. Then you train a small
Transformer on the film reviews of lessons 02, 14 and 18, and compare it honestly with theirs: an
average of embeddings, words and pairs, and an LSTM.

    python 28_transformer.py
    python 28_transformer.py --blocks 0    # the same network without attention
    python 28_transformer.py --text "I was never bored."
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=6,
    batch_size=128,
    blocks=Flag(1, "number of encoder blocks; 0 averages the embeddings", at_least=0, at_most=4),
    text="I expected a dull film and got a wonderful one.",
)

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from sklearn.model_selection import train_test_split

from datasets import split_words

# %% [markdown]
# ## 1 Load
# A review is an array of word ranks: 1 stands for the most frequent word of the training reviews, 2
# for the next. The label is 1 for a positive review and 0 for a negative one. A word is a *token*
# here; large models also cut words into smaller pieces.

# %%
(reviews, labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
print(f"{len(reviews)} training and {len(test_reviews)} test reviews")

# %% [markdown]
# ## 2 Prepare
# As in lesson 18: a rank plus 1 is the word's number, from 2 to 9,999; 1 is any other word, and 0
# is padding. We keep the last 200 words of a review. Their number matters more here than in lesson
# 18: attention compares each word with each other one, and 200·200 = 40,000 comparisons per review
# become 160,000 if you double the length.
#
# The padding comes last. For an LSTM its place mattered. Here a mask (lesson 27) keeps every word
# from looking at it, wherever it is.

# %%
VOCABULARY = 10_000  # word numbers range from 0 to 9,999
REVIEW_LENGTH = 200

train_reviews, val_reviews, train_labels, val_labels = train_test_split(
    reviews, labels, test_size=0.1, stratify=labels, random_state=lesson.seed
)


def to_numbers(reviews):
    """Convert reviews (arrays of ranks) to one array of shape (reviews, REVIEW_LENGTH)."""
    rows = [np.where(review < VOCABULARY - 1, review + 1, 1) for review in reviews]
    return keras.utils.pad_sequences(rows, REVIEW_LENGTH, "int32", padding="post")


train_numbers, val_numbers, test_numbers = map(
    to_numbers, (train_reviews, val_reviews, test_reviews)
)
train = lesson.batches(train_numbers, train_labels)  # reshuffled for every epoch

# %% [markdown]
# ## 3 Define
# **The input.** Each word gets an embedding of 32 numbers, as before. Attention is a weighted
# average, and an average knows nothing of order: to it, "not bad, good" and "not good, bad" are the
# same. So each *place* gets an embedding, too: place 1 has 32 numbers of its own, place 2 has
# others, and so on. The block receives the sum of the two vectors, one for what the word is and one
# for where it stands. `cumsum` of ones counts the places: 1, 2, 3 up to 200.
#
# **The block.** A Transformer that reads a whole text at once is called an *encoder*. (A *decoder*
# writes one, word by word. It has the same parts, but a causal mask, so that no word sees the ones
# after it.) An *encoder block* has two steps:
#
# 1. *The words exchange information.* In `MultiHeadAttention(2, 16)`, two heads with queries, keys
#    and values of 16 numbers, each word collects what it needs from the others: "bad" may find out
#    that "not" stands before it.
# 2. *Each word digests what it has got.* A *feed-forward network*, here two dense layers of 64 and
#    32 units, is applied to the vector of each word by itself, always with the same weights.
#
# Two things stand around each step. They matter little in one block, but without them nobody could
# train dozens of blocks.
#
# - *Residual connection*: the input of the step is added to its output. This is a skip connection
#   as in lesson 08. The step only has to learn a correction (the *residual*), the word itself is
#   not lost, and the gradient has a path around the step, on which it does not vanish.
# - *Layer normalization* shifts and scales the 32 numbers of a word to mean 0 and variance 1: of
#   the two numbers 1 and 5 it makes -1 and 1. Then it multiplies each of the 32 places by a weight
#   and adds another one, both of which are trained. So the numbers keep their size, however many
#   blocks there are. Batch normalization (lesson 04) computes mean and variance over a batch, where
#   the padding and the other reviews would count; this one looks at a single word, in training and
#   in use alike.
#
# The vectors leave a block with the shape in which they came, (200, 32). That is why blocks can be
# stacked like bricks, `--blocks 2`.
#
# **The output.** As in lesson 02, we average the vectors of all words. The mask made by
# `mask_zero=True` has come along through all these layers, so the padding is left out. This step is
# called *pooling*. The rest is a logit and a sigmoid.
#
# **Dropout** has to be strong, since 22,500 reviews are few for such a network. The first `Dropout`
# removes whole words: `noise_shape=(None, REVIEW_LENGTH, 1)` draws one random number for each word
# instead of 32. This is *word dropout*: in each step the network sees another half of the review
# and cannot rely on a few words that it has memorized.

# %%
WIDTH, HEADS = 32, 2

inputs = keras.Input((REVIEW_LENGTH,), dtype="int32")
places = ops.cumsum(ops.ones_like(inputs), axis=1)
vectors = layers.Add()([
    layers.Embedding(VOCABULARY, WIDTH, mask_zero=True)(inputs),
    layers.Embedding(REVIEW_LENGTH + 1, WIDTH)(places),
])
vectors = layers.Dropout(0.5, noise_shape=(None, REVIEW_LENGTH, 1))(vectors)
scores = []  # of each block: the attention weights, (reviews, heads, words, words)
for _ in range(lesson.blocks):
    collected, weights = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(
        vectors, vectors, return_attention_scores=True
    )
    scores.append(weights)
    collected = layers.Dropout(0.3)(collected)
    vectors = layers.LayerNormalization()(layers.Add()([vectors, collected]))
    digested = layers.Dense(2 * WIDTH, activation="relu")(vectors)
    digested = layers.Dropout(0.3)(layers.Dense(WIDTH)(digested))
    vectors = layers.LayerNormalization()(layers.Add()([vectors, digested]))
pooled = layers.Dropout(0.3)(layers.GlobalAveragePooling1D()(vectors))
outputs = layers.Dense(1, activation="sigmoid")(pooled)
model = keras.Model(inputs, outputs)
model.summary()

# %% [markdown]
# Count along. The embeddings have 10,000·32 + 201·32 = 326,432 parameters. Queries, keys, values
# and the output of the attention are four dense layers from 32 to 32 numbers: 4·(32·32 + 32) =
# 4,224. The feed-forward network has 32·64 + 64 + 64·32 + 32 = 4,192, the two normalizations 2·64
# = 128, and the output 33. In all 335,009, about as many as the LSTM of lesson 18, and 97% of them
# are embeddings.
#
# ## 4 Compile
# Transformers are known to be hard to train at the start: large steps from random attention can
# spoil them for good. So the learning rate rises from 0 to 0.001 in the first tenth of the steps
# (*warmup*, lesson 16) and then falls along a cosine to 0.

# %%
steps = len(train) * lesson.epochs
rate = keras.optimizers.schedules.CosineDecay(
    0.0, int(0.9 * steps), warmup_target=0.001, warmup_steps=int(0.1 * steps)
)
model.compile(
    optimizer=keras.optimizers.Adam(rate, clipnorm=1.0),
    loss="binary_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit
# `EarlyStopping` puts back the weights of the epoch with the lowest validation loss, as in lesson
# 02.

# %%
early_stopping = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=lesson.epochs, restore_best_weights=True
)
history = model.fit(
    train,
    validation_data=(val_numbers, val_labels),
    validation_batch_size=250,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(early_stopping),
    verbose=0,
)
val_loss = history.history["val_loss"]
print(f"validation loss: lowest {min(val_loss):.4f} after epoch {np.argmin(val_loss) + 1}")

# %% [markdown]
# ## 6 Evaluate

# %%
test = model.evaluate(test_numbers, test_labels, batch_size=250, verbose=0, return_dict=True)
print(f"test accuracy {test['accuracy']:.4f}")

# %% [markdown]
# RESULTS
#
# ## 7 Predict

# %%
words = split_words(lesson.text)[-REVIEW_LENGTH:]  # lowercase, no punctuation
numbers = to_numbers([np.array([word_index.get(word, VOCABULARY) for word in words], "int32")])
probability = model.predict(numbers, verbose=0)[0, 0]
print(lesson.text)
print(f"your text: probability {probability:.3f} of being positive")
