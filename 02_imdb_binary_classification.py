# %% [markdown]
"""
# 02 IMDB: is this film review positive?

Teach a network to judge film reviews. It gets the words of a review and says whether it is
*positive* (the writer liked the film) or *negative*. Sorting into two classes is called *binary
classification*. You will learn how words become numbers that a network can calculate with, why one
output is enough for two classes, and what overfitting looks like. In the end the network judges a
sentence of your own.

Expect: test accuracy 0.879 (0.878 to 0.879), median and range of three seeds.

    python 02_imdb_binary_classification.py
    python 02_imdb_binary_classification.py --text "Two hours that I will never get back."
"""

# %%
from frame import Lesson

# The helper from lesson 01.
lesson = Lesson(__doc__, epochs=40, batch_size=512, text="A dull plot, but the music is wonderful.")

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots
from datasets import split_words

# %% [markdown]
# ## 1 Load
# The data set holds 50,000 film reviews from the website IMDB: 25,000 for training and 25,000 for
# the final test. Half of them are positive and have the label 1; the others are negative and have
# the label 0.
#
# A network calculates with numbers. So a text is first cut into pieces, its *tokens*, and each
# token is replaced by a number. That has been done for us: the tokens are words in lower case
# without punctuation, and the number of a word is its *rank*. The most frequent word of the
# training reviews has rank 1, the next one rank 2. The dictionary `word_index` maps words to ranks;
# we invert it to read a review.

# %%
(reviews, labels), (test_reviews, test_labels), word_index = lesson.load("imdb")
words_by_rank = {rank: word for word, rank in word_index.items()}
lengths = [len(review) for review in reviews]
print(
    f"{len(reviews)} training and {len(test_reviews)} test reviews, "
    f"{np.mean(labels):.0%} of the training reviews positive"
)
print(f"words per review: {min(lengths)} to {max(lengths)}, median {np.median(lengths):.0f}")
print("ranks:", *reviews[0][:12], "...")
print("words:", *[words_by_rank[rank] for rank in reviews[0][:12]], "...")

# %% [markdown]
# ## 2 Prepare
# As in lesson 01 we set validation data aside: 10,000 of the 25,000 training reviews.
#
# The network cannot learn much about a word that it meets only once or twice. So we choose a
# *vocabulary* of 10,000 numbers. 0 means "no word here", and 1 stands for any rare word, one that
# is *out of vocabulary*. The 9,998 most frequent words get the numbers 2 to 9,999: their rank + 1.
#
# We need that 0 because a batch is one rectangular array: all reviews in it must have the same
# length. We choose 256, which leaves most reviews whole. Shorter ones are *padded* with zeros.
# Longer ones are *truncated*: we keep their last 256 words, since the verdict often comes at the
# end. `pad_sequences` does both. It cuts off the beginning unless told otherwise; `padding="post"`
# puts the zeros after the words, and `uint16` is a type for small whole numbers.

# %%
VOCABULARY = 10_000  # word numbers range from 0 to 9,999
REVIEW_LENGTH = 256

train_reviews, val_reviews, train_labels, val_labels = train_test_split(
    reviews, labels, test_size=0.4, stratify=labels, random_state=lesson.seed
)


def to_numbers(reviews):
    """Convert reviews (arrays of ranks) to one array of shape (reviews, REVIEW_LENGTH)."""
    rows = [np.where(review < VOCABULARY - 1, review + 1, 1) for review in reviews]
    return keras.utils.pad_sequences(rows, REVIEW_LENGTH, "uint16", padding="post")


train_numbers, val_numbers, test_numbers = map(
    to_numbers, (train_reviews, val_reviews, test_reviews)
)
train = lesson.batches(train_numbers, train_labels)

# %% [markdown]
# ## 3 Define
# The numbers are only names: word 20 is not twice as much as word 10. So the first layer replaces
# each of them by a list of numbers, a *vector*, that can say something about the word.
#
# - `Embedding` is a table of 10,000 rows, one for each number from 0 to 9,999, with 16 numbers in
#   each row. It looks up the row of every word in the review. Such a row is the word's *embedding*.
#   Its numbers are parameters: they start at random, and training changes them until words with a
#   similar effect on the answer, such as "superb" and "wonderful", have similar rows.
# - `GlobalAveragePooling1D` turns the 256 rows of a review into one: it takes their average, number
#   by number. (*Pooling* means replacing many values by one.) So every review, short or long, is
#   described by 16 numbers. The price is the order of the words, which an average does not know.
#   Because of `mask_zero=True`, the zeros of the padding are left out of the average; this is
#   called *masking*.
# - `Dense(16)` is a hidden layer as in lesson 01.
# - `Dense(1)` computes a single number z, the *logit*, and the activation function `sigmoid` turns
#   it into a number between 0 and 1: 1 / (1 + e^-z). That is 0.5 for z = 0 and 0.88 for z = 2. We
#   read it as p, the probability that the review is positive. The probability that it is negative
#   is 1 - p, so one output is enough for two classes.
#
# The embedding has 10,000·16 = 160,000 parameters, nearly all of the network's. Check with the
# summary.

# %%
model = keras.Sequential([
    keras.Input((REVIEW_LENGTH,), dtype="uint16"),
    layers.Embedding(VOCABULARY, 16, mask_zero=True),
    layers.GlobalAveragePooling1D(),
    layers.Dense(16, activation="relu"),
    layers.Dense(1, activation="sigmoid"),
])
model.summary()

# %% [markdown]
# ## 4 Compile
# The loss of lesson 01 was -log(probability of the true class). With two classes it is called
# *binary cross-entropy*. For a positive review it is -log(p), for a negative one -log(1 - p). With
# the label y, which is 1 or 0, one formula says both:
#
#     -(y·log(p) + (1 - y)·log(1 - p))
#
# If the network says p = 0.9, the loss is -log(0.9) = 0.105 if the review is positive, but
# -log(0.1) = 2.303 if it is negative: being sure and wrong is expensive. A network that always says
# 0.5 has a loss of log(2) = 0.693; an untrained one starts near that.

# %%
model.compile(
    optimizer="adam",
    loss="binary_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # as in lesson 01
    # Keras computes with one of three *back-ends*: TensorFlow, JAX or PyTorch. On TensorFlow we ask
    # for the compiler XLA, which turns a training step into one fast program.
    jit_compile=True if keras.backend.backend() == "tensorflow" else "auto",
)

# %% [markdown]
# ## 5 Fit
# How many epochs are enough? To find out, we train for too long on purpose and compare the training
# loss with the validation loss after every epoch.
#
# A *callback* is an object that `fit` calls after every epoch. `EarlyStopping` watches the
# validation loss. Usually it ends training when there has been no new minimum for `patience`
# epochs. Here `patience` is as large as the number of epochs, so you see the whole curve. Then
# `restore_best_weights` puts back the weights of the epoch with the lowest validation loss. These
# are what we evaluate later.

# %%
early_stopping = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=lesson.epochs, restore_best_weights=True
)
history = model.fit(
    train,
    validation_data=(val_numbers, val_labels),
    validation_batch_size=lesson.batch_size,  # the default, 32, would be slower
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(early_stopping),  # save the weights and draw a progress bar
    verbose=0,
)
loss, val_loss = history.history["loss"], history.history["val_loss"]
best = np.argmin(val_loss)
print(
    f"validation loss: lowest {val_loss[best]:.4f} after epoch {best + 1}, "
    f"at the end {val_loss[-1]:.4f}; training loss at the end {loss[-1]:.4f}"
)
figure, axes = plt.subplots(layout="constrained")
epochs = np.arange(1, len(loss) + 1)
axes.plot(epochs, loss, label="training")
axes.plot(epochs, val_loss, label="validation")
axes.axvline(best + 1, color="gray", linestyle="--", label="lowest validation loss")
axes.set(xlabel="epoch", ylabel="loss (binary cross-entropy)")
axes.legend()
lesson.save_figure("loss", figure)

# %% [markdown]
# <!-- results: lesson-02-overfitting -->
# Median and range of three runs with different random seeds:
#
# - lowest validation loss: after epoch 22 (21 to 24)
# - validation loss: 0.277 (0.272 to 0.279) at that epoch, 0.320 (0.309 to 0.321) after epoch 40
# - training loss: 0.168 (0.161 to 0.177) at that epoch, 0.084 (0.082 to 0.086) after epoch 40
# - validation accuracy: 0.887 (0.886 to 0.888) at that epoch, 0.883 (0.879 to 0.886) after epoch 40
# <!-- end -->
#
# So about 20 epochs are enough. The training loss goes on falling to the end, but the validation
# loss reaches its minimum and then rises: the network *overfits*. It *memorizes* the training
# reviews, down to names that happen to occur in a few of them, instead of learning what
# *generalizes* to other reviews. Yet the validation accuracy hardly falls: the network is not wrong
# much more often, but it is more sure of itself when it is wrong, and cross-entropy makes that
# expensive. Lesson 04 shows what helps.
#
# ## 6 Evaluate
# The test reviews have waited until now. Half of them are positive, so guessing would give an
# accuracy of 0.5. The network answers "positive" where p is above 0.5, the *threshold*.

# %%
test = model.evaluate(test_numbers, test_labels, batch_size=1000, verbose=0, return_dict=True)
probabilities = model.predict(test_numbers, batch_size=1000, verbose=0)[:, 0]  # the only column
predicted_labels = (probabilities > 0.5).astype("uint8")
figure = plots.confusion_matrix(test_labels, predicted_labels, ["negative", "positive"])
lesson.save_figure("confusion_matrix", figure)

# %% [markdown]
# ## 7 Predict
# A sentence of your own must be prepared exactly like the training reviews: lower case, no
# punctuation, split into words, words to ranks, ranks to numbers, then padded. If it is not, every
# word may mean something else to the network, and no error tells you; this fault is called
# *training-serving skew*. (The layer `TextVectorization`, lesson 26, does all these steps on raw
# strings. Its method `adapt` collects the vocabulary from the training texts only. Inside the
# model, the layer is saved along with it.)
#
# A word that is not in the vocabulary becomes 1 and so tells the network little. Is an answer near
# 0 or 1 always right? Try irony.

# %%
words = split_words(lesson.text)  # lowercase, no punctuation
# An unknown word gets a rank outside the vocabulary, so it becomes 1, like rare words.
ranks = np.array([word_index.get(word, VOCABULARY) for word in words])
rare = [word for word, rank in zip(words, ranks, strict=True) if rank >= VOCABULARY - 1]
probability = model.predict(to_numbers([ranks]), verbose=0)[0, 0]
print(lesson.text)
print(
    f"your text: probability {probability:.3f} of being positive"
    + (f"; not in the vocabulary: {', '.join(rare)}" if rare else "")
)
lesson.finish(model, history, test_loss=test["loss"], test_accuracy=test["accuracy"])

# %% [markdown]
# ## Remember
# - Text becomes tokens, tokens become numbers, and an embedding gives each number a vector that
#   training finds.
# - For two classes, one sigmoid output with binary cross-entropy is enough.
# - If the validation loss rises while the training loss falls, the network overfits. Keep the
#   weights of the epoch with the lowest validation loss.
#
# On your own texts, try this first: the 10,000 most frequent words, an average of embeddings, and
# early stopping with a `patience` of 3. Then try pairs of neighboring words, *bigrams* (lesson 14),
# before larger networks.

# %% [markdown]
# ## Exercises
# 1. Try `--text "not good"` and `--text "good not"`. Why is the answer the same?
# 2. With `--batch-size 32`, in which epoch is the validation loss lowest? Why so early?
# 3. How much accuracy do you lose with a tenth of the reviews, `--limit 2500` (a flag of most
#    lessons)?
#
# Solutions: notes/solutions/02_imdb_binary_classification.md
