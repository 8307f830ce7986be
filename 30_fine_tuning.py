# %% [markdown]
"""
# 30 Fine-tuning: what is reading without labels worth?

Labels are expensive; texts are not. So a network first reads texts without labels and predicts the
next word (*pretraining*, lesson 29). For that it has to learn which words are alike. Then you train
it further on the few labels that you have (*fine-tuning*). A word that occurs in none of the
labeled reviews is then judged like the words it resembles. You compare this with training from
scratch, for 100, 1,000 and all labels, and with *LoRA*, which trains few of the parameters.

Expect: median test accuracy with 100 labels: from scratch 0.56, with LoRA 0.72.
Takes: about 18 minutes on two CPU cores, at full length.

    python 30_fine_tuning.py
    python 30_fine_tuning.py --labels 100 1000
    python 30_fine_tuning.py --pretraining 2
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=Flag(2, "epochs with all labels; twice as many up to 5,000, 5 times up to 500"),
    batch_size=32,
    labels=Flag([100, 1_000, 25_000], "how many labels to train on", at_least=10, sample=[100]),
    pretraining=Flag(8, "epochs of pretraining, each an eighth of the text", sample=2),
    rank=Flag(4, "rank of LoRA", at_most=128),
    text="I expected a dull film and got a wonderful one.",
)

import math

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers, ops
from sklearn.model_selection import train_test_split

from datasets import split_words

# %% [markdown]
# ## 1 Load
# The film reviews of lesson 02: arrays of word ranks, with the label 1 for a positive review.

# %%
(reviews, labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
print(f"{len(reviews)} training and {len(test_reviews)} test reviews")

# %% [markdown]
# ## 2 Prepare
# As in lesson 29, a word's number is its rank plus 1, from 2 to 9,999; 1 is any other word, and 0
# the boundary between reviews. To save time, a window has only 128 words. Of each review that is to
# be classified we keep the last 127 (the verdict often comes at the end), after a boundary. Shorter
# ones are padded at the end.
#
# All training reviews are read in pretraining, without their labels. The test reviews are not: the
# network must not know them in any way. For the test, a fifth of them is enough.
#
# No reviews are set aside for validation: of 100 labels, none can be spared. The learning rates and
# numbers of epochs were chosen once, with 100 and 1,000 labels, by the accuracy on 2,000 other
# training reviews.

# %%
VOCABULARY = 10_000
LENGTH = 128  # words that the network reads at once
BOUNDARY, UNKNOWN = 0, 1

_, some_reviews, _, some_labels = train_test_split(
    test_reviews, test_labels, test_size=0.2, stratify=test_labels, random_state=0
)


def to_numbers(review):
    """Convert an array of ranks to word numbers, after a boundary."""
    return np.append(BOUNDARY, np.where(review < VOCABULARY - 1, review + 1, UNKNOWN))


def to_rows(reviews):
    """Convert reviews to an int32 array of shape (reviews, LENGTH)."""
    rows = [to_numbers(review[-LENGTH + 1 :]) for review in reviews]
    return keras.utils.pad_sequences(rows, LENGTH, "int32", padding="post", value=BOUNDARY)


order = np.random.default_rng(lesson.seed).permutation(len(reviews))
train_rows, train_labels = to_rows([reviews[i] for i in order]), labels[order]
test_rows = to_rows(some_reviews)

text = np.concatenate([to_numbers(review) for review in reviews]).astype("int32")
count = (len(text) - 1) // LENGTH
windows, targets = (text[start:][: count * LENGTH].reshape(count, LENGTH) for start in (0, 1))

# %% [markdown]
# ## 3 Define
# The network is that of lesson 29. It will write no text, so Keras' own attention layer will do,
# with `use_causal_mask`. The *body* turns words into vectors. On top of it comes one of two *heads*
# (as in lesson 11, not those of attention): for the next word, or for how positive a review is.
#
# Pretraining needs no dropout, since no window is seen twice. In fine-tuning, dropout limits
# overfitting.

# %%
WIDTH, HEADS, BLOCKS = 128, 4, 2


def build_body(dropout):
    """Build a decoder: word numbers, (texts, LENGTH), to vectors, (texts, LENGTH, WIDTH)."""
    inputs = keras.Input((LENGTH,), dtype="int32")
    position = ops.cumsum(ops.ones_like(inputs), axis=1) - 1
    words = layers.ReversibleEmbedding(VOCABULARY, WIDTH, name="words")
    vectors = words(inputs) * WIDTH**0.5 + layers.Embedding(LENGTH, WIDTH)(position)
    for _ in range(BLOCKS):
        normalized = layers.LayerNormalization()(vectors)
        attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)
        collected = attention(normalized, normalized, use_causal_mask=True)
        vectors = vectors + layers.Dropout(dropout)(collected)
        normalized = layers.LayerNormalization()(vectors)
        expanded = layers.Dense(4 * WIDTH, activation="gelu")(normalized)
        vectors = vectors + layers.Dropout(dropout)(layers.Dense(WIDTH)(expanded))
    return keras.Model(inputs, layers.LayerNormalization()(vectors))


body = build_body(dropout=0)
next_word = body.get_layer("words")(body.output, reverse=True)
language_model = keras.Model(body.input, next_word)
print(f"language model: {language_model.count_params():,} parameters")

# %% [markdown]
# The classifier takes the average of the vectors of all words, without boundaries and padding
# (`mask`), as lesson 28 does. (The last word's vector would be another choice: only it has seen the
# whole review. The first has seen nothing but itself.) The body starts with the pretrained weights,
# unless we train from scratch. The head is always new and starts with random ones.
#
# **LoRA**, *low-rank adaptation*, leaves the pretrained matrices as they are. Next to a matrix W of
# shape (128, 512), as in the feed-forward network, it puts two thin ones, A of shape (128, 4) and B
# of shape (4, 512), and computes with W + A·B. It trains A and B, 2,560 numbers instead of 65,536.
# Four is the *rank*. A low rank is often enough for a new task. B starts at 0, so at first nothing
# changes. A starts with random numbers: if it were 0 as well, both gradients would be 0, and
# nothing would ever change. A higher rank lets the layers change more. The biases of these layers
# and the new head are trained as well; the embeddings and layer normalization stay frozen. (Saving,
# merging and other ways: notes/language_models.md.)


# %%
def build_classifier(way):
    """Build a classifier of reviews: "from scratch", "fine-tuned" or "LoRA"."""
    body = build_body(dropout=0.2)
    if way != "from scratch":
        body.set_weights(pretrained)  # before LoRA adds matrices
    if way == "LoRA":
        for layer in body.layers:
            if isinstance(layer, layers.MultiHeadAttention):
                for dense in (layer.query_dense, layer.key_dense, layer.value_dense):
                    dense.enable_lora(lesson.rank)
                layer.output_dense.enable_lora(lesson.rank)
            elif isinstance(layer, layers.Dense):
                layer.enable_lora(lesson.rank)  # freezes W, adds A and B
            else:
                layer.trainable = False
    mask = ops.not_equal(body.input, BOUNDARY)
    average = layers.GlobalAveragePooling1D()(body.output, mask=mask)
    return keras.Model(body.input, layers.Dense(1, activation="sigmoid")(average))


# %% [markdown]
# ## 4 Compile
# Warmup and clipping are those of lesson 28. Full fine-tuning gets the lowest learning rate: large
# steps would destroy what the network learned in pretraining. That is called *catastrophic
# forgetting*. LoRA gets the highest: it leaves W as it is, and A·B has to grow from 0. Warmup
# helps, too: the new head is random, so the first gradients would push the body in wrong
# directions. (For the same reason one can train the head first, and then unfreeze layer by layer
# from the top: *gradual unfreezing*.)

# %%
RATES = {"from scratch": 0.001, "fine-tuned": 0.0005, "LoRA": 0.005}


def adam(rate, steps):
    """Return Adam with warmup to a learning rate and a cosine decay to 0."""
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, 9 * steps // 10), warmup_target=rate, warmup_steps=steps // 10
    )
    return keras.optimizers.Adam(schedule, clipnorm=1.0)


# %% [markdown]
# ## 5 Fit
# First the pretraining: one pass over the text, in eight parts.

# %%
train = lesson.batches(windows, targets, 16, parts=8)
language_model.compile(
    optimizer=adam(0.005, len(train) * lesson.pretraining),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
history = language_model.fit(
    train, epochs=lesson.pretraining, callbacks=lesson.callbacks(training="pretraining"), verbose=0
)
pretrained = body.get_weights()
print(f"perplexity in the last epoch: {np.exp(history.history['loss'][-1]):.1f}")

# %% [markdown]
# Then the classifiers, each on the first 100, 1,000 and all of the shuffled training reviews. With
# few labels, an epoch has few steps, so there are more epochs.

# %%
rows = []
for size in sorted({min(size, len(train_rows)) for size in lesson.labels}):
    epochs = lesson.epochs * (5 if size <= 500 else 2 if size <= 5_000 else 1)
    for way, rate in RATES.items():
        name = f"{way.replace(' ', '-')}-{size}"
        print(f"{way}, {size} labels")
        keras.utils.set_random_seed(lesson.seed)
        classifier = build_classifier(way)
        train = lesson.batches(train_rows[:size], train_labels[:size])
        classifier.compile(
            optimizer=adam(rate, len(train) * epochs),
            loss="binary_crossentropy",
            metrics=["accuracy"],
        )
        history = classifier.fit(
            train, epochs=epochs, callbacks=lesson.callbacks(training=name), verbose=0
        )
        _, accuracy = classifier.evaluate(test_rows, some_labels, batch_size=100, verbose=0)
        trained = sum(math.prod(weight.shape) for weight in classifier.trainable_weights)
        rows.append([size, way, trained, accuracy, lesson.training(name).timer.total])
        if way == "fine-tuned":
            model, model_history = classifier, history  # overwritten: the last has most labels

# %% [markdown]
# ## 6 Evaluate

# %%
columns = ["labels", "way", "trained parameters", "test accuracy", "seconds"]
table = pd.DataFrame(rows, columns=columns)
lesson.save_table("ways", table.round(4))
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for way, group in table.groupby("way", sort=False):
    axes.plot(group["labels"], group["test accuracy"], marker="o", label=way)
axes.set(xscale="log", xlabel="labels", ylabel="test accuracy")
axes.legend()
lesson.save_figure("ways", figure)

# %% [markdown]
# <!-- results: lesson-30-ways -->
# Test accuracy, medians and ranges of three seeds:
#
# | labels             | from scratch           | fine-tuned             | LoRA                   |
# | ------------------ | ---------------------- | ---------------------- | ---------------------- |
# | 100                | 0.563 (0.553 to 0.580) | 0.630 (0.613 to 0.709) | 0.722 (0.576 to 0.724) |
# | 1,000              | 0.720 (0.717 to 0.723) | 0.801 (0.795 to 0.803) | 0.807 (0.794 to 0.811) |
# | 25,000             | 0.846 (0.843 to 0.848) | 0.867 (0.864 to 0.868) | 0.858 (0.855 to 0.860) |
# | trained parameters | 1,693,313              | 1,693,313              | 27,777                 |
# <!-- end -->
#
# Pretraining helps most where labels are few: 100 labels cannot teach a network what words mean.
# With 100 and with 1,000 labels full fine-tuning gains 7 to 8 percentage points, and with all still
# two. It helps less the more the new texts differ from those of the pretraining. With two of three
# seeds, LoRA with 100 labels does as well as training from scratch with 1,000. With the third it
# reaches only 0.58. With so few labels much depends on chance, so repeat with several seeds.
#
# LoRA keeps up with full fine-tuning, with 1.6% of the parameters, as long as labels are few. With
# all of them it is a little behind. Counting words and pairs (lesson 14: 0.910) is still ahead
# then: it reads whole reviews, this network sees 127 words, and its pretraining took minutes.
#
# ## 7 Predict
# The network that was fine-tuned on the most labels judges a text of yours.

# %%
words = [np.array([word_index.get(word, VOCABULARY) for word in split_words(lesson.text)])]
probability = model.predict(to_rows(words), verbose=0)[0, 0]
print(lesson.text)
print(f"your text: probability {probability:.3f} of being positive")
scores = {
    f"{name}_{way.replace(' ', '_').replace('-', '_').lower()}_{size}": value
    for size, way, trained, accuracy, seconds in rows
    for name, value in (("test_accuracy", accuracy), ("trained", trained), ("seconds", seconds))
}
lesson.finish(model, model_history, training=f"fine-tuned-{size}", **scores)

# %% [markdown]
# ## Remember
# - Pretrain on texts without labels, then fine-tune on the labels that you have. With few labels
#   this gains much more than with many.
# - To fine-tune all weights, use a low learning rate, so that what was learned is adapted and not
#   overwritten.
# - LoRA trains two thin matrices per weight matrix. It saves the memory of most gradients, but
#   little time: each step still goes through the whole network.
#
# With many labels, count words and pairs first (lesson 14), and compare with that. With few labels
# of your own, try first: a large network that others have pretrained, fine-tuned with LoRA
# (notes/language_models.md).

# %% [markdown]
# ## Exercises
# 1. How much pretraining is needed? Compare `--labels 1000 --pretraining 1` with the default.
# 2. How many parameters does LoRA train here? Count them by hand, then compare with the table. (In
#    Keras' attention, W has an axis for the heads. For queries, keys and values, W is (128, 4, 32),
#    A (128, 4, 4) and B (4, 32); for the output, W is (4, 32, 128), A (4, 32, 4) and B (4, 128).)
#    How many are there with `--rank 16`?
# 3. How many labels is pretraining worth? Find a number with which training from scratch reaches
#    what the fine-tuned network reaches with 100.
#
# Solutions: notes/solutions/30_fine_tuning.md
