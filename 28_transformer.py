# %% [markdown]
"""
# 28 A Transformer reads film reviews: is it better than counting words?

Large language models are *Transformers*: stacks of blocks whose core is attention (lesson 27). In
this lesson you build such a block from plain Keras layers and learn what each part is for. Then you
train a small Transformer on the film reviews of lessons 02, 14 and 18 and compare it with the
networks you had there. Finally you see which words look at which.

Expect: test accuracy 0.875 (0.875 to 0.877), median and range of three seeds.

    python 28_transformer.py
    python 28_transformer.py --blocks 2
    python 28_transformer.py --text "I was never bored."
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=4,
    batch_size=64,
    blocks=Flag(1, "number of encoder blocks", at_most=8),
    heads=Flag(2, "heads of each attention layer; 0 leaves attention out", at_least=0, at_most=32),
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
# The film reviews of lesson 02: arrays of word ranks, with the label 1 for a positive review and 0
# for a negative one.

# %%
(reviews, labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
print(f"{len(reviews)} training and {len(test_reviews)} test reviews")

# %% [markdown]
# ## 2 Prepare
# As in lesson 18: a word's number is its rank plus 1, from 2 to 9,999; 1 is any other word, and 0
# is padding. We keep the last 200 words of a review, as the LSTM does. Here the padding follows the
# words, so that the first word always has position 1. A tenth of the training reviews is set aside
# for validation.

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
# **The input.** Each word gets an embedding of 32 numbers. Attention alone does not see the order
# of the words, so each *position* gets an embedding, too (lesson 27). A word enters the network as
# the sum of the two. `cumsum` of ones makes the positions, from 1 to 200.
#
# **The block.** A Transformer that reads a whole text at once is an *encoder*. (A *decoder* writes
# a text, word by word. It has the same parts, with a causal mask, so that no word sees those after
# it. BERT is an encoder, GPT a decoder. The first Transformer, made for translation, had both: the
# decoder looked at the encoder's output by cross-attention.) An *encoder block* has two parts,
# called *sublayers*:
#
# 1. *Self-attention: the words exchange information.* Queries, keys and values all come from the
#    words of the review. Two heads, with 16 numbers per query, key and value, collect for each word
#    what it needs from the others. "Bad" could find out that "not" stands before it.
# 2. *Feed-forward network: each word processes what it has collected.* Two dense layers, of 64 and
#    32 units, are applied to each word's vector by itself, with the same weights for all. The first
#    layer is usually two to four times as wide as the vectors. Attention only averages values;
#    `relu` adds what an average lacks, a nonlinearity.
#
# Each sublayer has two more things around it. Without them, a stack of dozens of blocks could not
# be trained.
#
# - The *residual connection* adds the input of a sublayer to its output: a skip connection like
#   that of lesson 08, but added instead of concatenated. A sublayer must therefore return as many
#   numbers per word as it gets, here 32. It only has to learn a correction (the *residual*), and
#   the gradient has a path around the sublayer, on which it does not vanish.
# - *Layer normalization* shifts and scales the 32 numbers of a word to mean 0 and variance 1: the
#   numbers 1, 1, 5, 5 would become -1, -1, 1, 1. Then it multiplies each of the 32 by a learned
#   scale and adds a learned offset. So the numbers stay in the same range, however many blocks
#   there are. Batch normalization (lesson 04) would take mean and variance over the batch; this
#   takes them within one word, so it works the same in training and prediction. It may come after
#   the addition (*post-norm*, as here) or before the sublayer (*pre-norm*, easier to train when
#   there are many blocks).
#
# A block turns 200 vectors of 32 numbers into 200 vectors of 32 numbers. Therefore blocks can be
# stacked: try `--blocks 2`.
#
# **The output.** As in lesson 02, we take the average of the words' vectors, and a dense unit with
# a sigmoid turns it into a probability.
#
# **The mask** says where there is a word and where there is padding. We give it to the attention,
# so that no word looks at the padding, and to the average, which leaves the padding out.
#
# **Against overfitting.** 22,500 reviews are few for such a network. Besides the dropout (lesson
# 04) in the block there is *word dropout* at the entrance: in each training step, each word of a
# review becomes padding with probability 0.4. So the network cannot rely on a few words that it has
# memorized. The code applies `Dropout` to ones: in training it turns each into 0 with probability
# 0.4, and where there is a 0, the word becomes padding. (The first is always kept, so that no
# review is empty.)

# %%
WIDTH = 32  # numbers per word

inputs = keras.Input((REVIEW_LENGTH,), dtype="int32")
positions = ops.cumsum(ops.ones_like(inputs), axis=1)  # 1, 2, 3, ...
kept = layers.Dropout(0.4)(ops.ones_like(inputs, dtype="float32"))  # 0: dropped in this step
seen = ops.where(ops.logical_or(kept > 0, ops.equal(positions, 1)), inputs, 0)
mask = seen > 0  # (reviews, words): true where there is a word
vectors = layers.Add()([
    layers.Embedding(VOCABULARY, WIDTH)(seen),
    layers.Embedding(REVIEW_LENGTH + 1, WIDTH)(positions),
])
scores = []  # the weights (Keras: "scores") of each block: (reviews, heads, words, words)
for _ in range(lesson.blocks):
    if lesson.heads:
        attention = layers.MultiHeadAttention(lesson.heads, WIDTH // lesson.heads)
        collected, weights = attention(
            vectors,  # queries from here
            vectors,  # keys and values from the same words: self-attention
            attention_mask=ops.expand_dims(mask, 1),  # the same keys for all queries
            return_attention_scores=True,
        )
        scores.append(weights)
        vectors = layers.Add()([vectors, layers.Dropout(0.3)(collected)])
    vectors = layers.LayerNormalization()(vectors)
    processed = layers.Dense(2 * WIDTH, activation="relu")(vectors)
    processed = layers.Dropout(0.3)(layers.Dense(WIDTH)(processed))
    vectors = layers.LayerNormalization()(layers.Add()([vectors, processed]))
pooled = layers.Dropout(0.3)(layers.GlobalAveragePooling1D()(vectors, mask=mask))
outputs = layers.Dense(1, activation="sigmoid")(pooled)
model = keras.Model(inputs, outputs)
model.summary()

# %% [markdown]
# Count along. The embeddings have 10,000·32 + 201·32 = 326,432 parameters (position 0 is unused).
# Attention has four dense layers from 32 to 32 numbers, for queries, keys, values and the output:
# 4·(32·32 + 32) = 4,224. The feed-forward network has 32·64 + 64 + 64·32 + 32 = 4,192, the two
# normalizations have 2·64 = 128 and the output 33. Together that is 335,009, and nearly all of them
# are embeddings.
#
# ## 4 Compile
# At the start attention is still random, and large training steps can ruin a Transformer for good.
# So the learning rate first rises from 0 (*warmup*, lesson 16), here to 0.001 in the first tenth of
# the steps. Then it falls along a cosine. Gradients are clipped as in lesson 18.

# %%
steps = len(train) * lesson.epochs
rate = keras.optimizers.schedules.CosineDecay(
    0.0, max(1, 9 * steps // 10), warmup_target=0.001, warmup_steps=steps // 10
)
model.compile(
    optimizer=keras.optimizers.Adam(rate, clipnorm=1.0),
    loss="binary_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit
# `EarlyStopping` puts back the weights of the epoch with the lowest validation loss (lesson 02).

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
# Is all this better than counting words? The other lessons use the same test reviews.

# %%
test = model.evaluate(test_numbers, test_labels, batch_size=250, verbose=0, return_dict=True)
print(f"test accuracy {test['accuracy']:.4f}")

# %% [markdown]
# <!-- results: lesson-28-reviews -->
# | model                            | test accuracy of three seeds | parameters | seconds |
# | -------------------------------- | ---------------------------- | ---------- | ------- |
# | words and pairs, lesson 14       | 0.910 (0.909 to 0.911)       | 230,002    | 13      |
# | average of embeddings, lesson 02 | 0.879 (0.878 to 0.879)       | 160,289    | 13      |
# | Transformer                      | 0.875 (0.875 to 0.877)       | 335,009    | 50      |
# | LSTM, lesson 18                  | 0.861 (0.849 to 0.868)       | 336,705    | 59      |
# <!-- end -->
#
# No. The Transformer does beat the LSTM, which reads the same 200 words with about as many
# parameters. But an average of embeddings is no worse, with half the parameters, and words and
# pairs are far ahead. (The seconds are rough: those of the LSTM are from another computer.)
#
# Why? In a review, opinions add up: the more words of praise, the better. An average has this built
# in, and in lesson 14 a pair such as "not good" has a weight of its own. The Transformer could
# learn much more, for example that "not" reverses what follows. But little is built in: it must
# learn everything from 22,500 reviews. Small data favor simple models.
#
# The large Transformers have read billions of words before they see the first label. They had to
# predict missing or next words, and learned from that what words mean. *Fine-tuned* (lesson 11) on
# reviews such as these, they do better than all models in the table.
#
# ## 7 Predict
# Which words does the network look at? A second model shares all layers with `model` and returns
# the attention weights. In the figure each row is a word of your text. The darker a square, the
# more this word takes from the word of the column.

# %%
words = split_words(lesson.text)[-REVIEW_LENGTH:] or ["(no word)"]
numbers = to_numbers([np.array([word_index.get(word, VOCABULARY) for word in words])])
probability = model.predict(numbers, verbose=0)[0, 0]
print(lesson.text)
print(f"your text: probability {probability:.3f} of being positive")

if scores:
    weights = keras.Model(inputs, scores[0]).predict(numbers, verbose=0)[0]  # of the first block
    count = min(len(words), 30)  # more do not fit into the figure
    figure, axes = plt.subplots(
        1, lesson.heads, figsize=(5 * lesson.heads, 4.8), layout="constrained", squeeze=False
    )
    for head, panel in enumerate(axes[0]):
        image = panel.imshow(weights[head, :count, :count], cmap="Blues", vmin=0)
        panel.set_xticks(range(count), words[:count], rotation=90)
        panel.set_yticks(range(count), words[:count])
        panel.set(title=f"head {head + 1}", xlabel="looks at this word")
        figure.colorbar(image, ax=panel, shrink=0.7)
    axes[0, 0].set(ylabel="this word")
    lesson.save_figure("attention", figure)
lesson.finish(model, history, test_loss=test["loss"], test_accuracy=test["accuracy"])

# %% [markdown]
# In the figure of seed 42, most rows have nearly the same color from left to right: the word takes
# about 1/10 from each of the ten words, and that is an average again. Only the rows of the two
# opinions look different: "dull" and "wonderful" look at each other, and less at themselves. So
# attention treats opinions differently from other words.
#
# Do not read too much into such figures: the weights say where a word looks, not what the layers
# after it make of that.
#
# ## Remember
# - An encoder block is attention, which exchanges information between words, and a feed-forward
#   network, which works on each word. Around both there are residual connections and layer
#   normalization.
# - Attention has no order of its own: add position embeddings. A mask keeps padding out of it.
# - With some ten thousand texts, first try what is simple: words and pairs. A Transformer shows its
#   strength after it has read far more.
#
# On your own texts, try first: words and pairs (lesson 14), then an average of embeddings (lesson
# 02). If they are not enough, fine-tune a Transformer that others have trained. Train one from
# scratch only if you have millions of texts, and then start with the settings of this lesson: one
# or two blocks, 32 numbers per word, two heads. Make it larger only as long as the validation loss
# falls.

# %% [markdown]
# ## Exercises
# 1. How many parameters does a second block add? Count by hand, then check with `--blocks 2 --limit
#    1000 --epochs 1`. And why do four heads instead of two, `--heads 4`, add none?
# 2. Try `--text "The music is good, not bad."` and `--text "The music is bad, not good."` Lesson 02
#    had to give both the same answer. Why does this network not have to, and does it understand
#    "not"?
# 3. What has the network made of the order of the words? Shuffle the words of each test review, and
#    evaluate the trained network on them. It needs no new training.
#
# Solutions: notes/solutions/28_transformer.md
