# %% [markdown]
"""
# 17 Several outputs: can one network answer three questions?

Two handwritten digits stand side by side in one image. Which digit is on the left? Which is on the
right? Is the left one larger? In this lesson one network answers all three: it looks at the image
once, and each question has an output of its own. You build it with the functional API (lesson 08),
give each output its own loss, and find out whether the three tasks help each other.

Expect: median test accuracy: left digit 0.970, right 0.973, larger or not 0.894.

    python 17_multiple_outputs.py
    python 17_multiple_outputs.py --larger-weight 20
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=5,
    batch_size=128,
    larger_weight=Flag(1.0, "weight of the loss of larger in the model with three outputs"),
)

import math

import keras
import numpy as np
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots
from common.introspection import diagram

# %% [markdown]
# ## 1 Load
# MNIST: images of handwritten digits, 28x28 gray pixels.

# %%
(digits, labels), (test_digits, test_labels) = lesson.load("mnist")

# %% [markdown]
# ## 2 Prepare
# We put two random digits side by side into one image of 28x56 pixels. It gets three labels: the
# left digit, the right digit, and 1 if the left one is larger, else 0. We split first and pair
# afterwards, so that no digit of a validation or test pair occurs in training.
#
# The labels go into a dictionary that maps the name of each output to its labels.


# %%
def pair_up(digits, labels, pairs: int):
    """Return uint8 images (pairs, 28, 56, 1), a dict of their digits, and `larger`."""
    random = np.random.default_rng(lesson.seed)
    size = 2, min(pairs, len(labels))  # no more pairs than digits
    left, right = random.integers(len(labels), size=size)  # which digits to pair
    images = np.concatenate([digits[left], digits[right]], axis=2)[..., np.newaxis]
    larger = (labels[left] > labels[right]).astype("uint8")
    return images, {"left": labels[left], "right": labels[right]}, larger


train_digits, val_digits, train_labels, val_labels = train_test_split(
    digits, labels, test_size=0.1, random_state=lesson.seed, stratify=labels
)
train_images, train_both, train_larger = pair_up(train_digits, train_labels, 20_000)
val_images, val_both, val_larger = pair_up(val_digits, val_labels, 2_000)
test_images, test_both, test_larger = pair_up(test_digits, test_labels, 10_000)
train_all = {**train_both, "larger": train_larger}  # the labels of all three outputs
val_all = {**val_both, "larger": val_larger}
test_all = {**test_both, "larger": test_larger}
titles = [f"{train_both['left'][i]} and {train_both['right'][i]}" for i in range(10)]
lesson.save_figure("samples", plots.image_grid(train_images[:10, ..., 0], titles))

# %% [markdown]
# ## 3 Define
# We could train a network for each question. But all of them would first have to learn the same
# things, such as which strokes are where. A *multi-task model* learns several tasks at once and
# shares that part. It has a *trunk*, the layers that all tasks use, and for each task a *head*: the
# layers that turn the trunk's output into one answer.
#
# Our trunk has two convolutional layers, as in lesson 12. A dense layer then turns their output
# into 64 numbers.
#
# Each head is a single layer. A digit is one of ten classes, so its head is a softmax layer with
# ten units. "Larger?" is a yes-or-no question: one sigmoid unit gives the probability of yes.
#
# We call all three heads on the same `x`, the output of the trunk. The dictionary that we give to
# `keras.Model` names the outputs.


# %%
def trunk():
    """Return the input for an image, and the 64 numbers that the trunk computes from it."""
    image = keras.Input((28, 56, 1), dtype="uint8")  # height, width, one gray channel
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(16, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    return image, layers.Dense(64, activation="relu")(x)


keras.utils.set_random_seed(lesson.seed)
image, x = trunk()
left = layers.Dense(10, activation="softmax", name="left")(x)
right = layers.Dense(10, activation="softmax", name="right")(x)
larger = layers.Dense(1, activation="sigmoid", name="larger")(x)
all_three = keras.Model(image, {"left": left, "right": right, "larger": larger})
all_three.summary()
lesson.save_figure("diagram", diagram(all_three, "all_three"))

# %% [markdown]
# Do the tasks help each other? To find out, we need models that do not share: `digits_only` reads
# the two digits, and `larger_only` answers the third question. With the same seed, all three trunks
# start from equal weights.

# %%
keras.utils.set_random_seed(lesson.seed)
image, x = trunk()
left = layers.Dense(10, activation="softmax", name="left")(x)
right = layers.Dense(10, activation="softmax", name="right")(x)
digits_only = keras.Model(image, {"left": left, "right": right})

keras.utils.set_random_seed(lesson.seed)
image, x = trunk()
larger_only = keras.Model(image, layers.Dense(1, activation="sigmoid")(x))

# %% [markdown]
# ## 4 Compile
# Each output has a loss of its own: cross-entropy for the ten classes of a digit, binary
# cross-entropy for yes or no. Training minimizes one number, their weighted sum:
#
#     loss = 1 * loss of left + 1 * loss of right + larger_weight * loss of larger
#
# A head learns from its own loss only. The trunk learns from all of them: the gradients that come
# back from the heads are added.
#
# By default, `larger_weight` is 1 too. That does not make the tasks count equally. A model that
# knows nothing gives each of ten digits the probability 1/10, with a loss of -log(1/10) = 2.3. For
# yes or no it is only -log(1/2) = 0.7. So at first the digits dominate the sum.

# %%
steps = math.ceil(len(train_images) / lesson.batch_size)  # per epoch
all_three.compile(
    optimizer="adam",
    loss={
        "left": "sparse_categorical_crossentropy",
        "right": "sparse_categorical_crossentropy",
        "larger": "binary_crossentropy",
    },
    loss_weights={"left": 1, "right": 1, "larger": lesson.larger_weight},
    metrics={"left": "accuracy", "right": "accuracy", "larger": "accuracy"},
    steps_per_execution=steps,  # return to Python once per epoch: faster
)
digits_only.compile(
    optimizer="adam",
    loss={"left": "sparse_categorical_crossentropy", "right": "sparse_categorical_crossentropy"},
    metrics={"left": "accuracy", "right": "accuracy"},
    steps_per_execution=steps,
)
larger_only.compile(
    optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"], steps_per_execution=steps
)

# %% [markdown]
# ## 5 Fit
# The images are the same for all models. Only the labels differ.

# %%
histories = {}
for name, model, targets, val_targets in [
    ("digits_only", digits_only, train_both, val_both),
    ("larger_only", larger_only, train_larger, val_larger),
    ("all_three", all_three, train_all, val_all),
]:
    print(f"\n{name}: {model.count_params():,} parameters")
    history = model.fit(
        lesson.batches(train_images, targets),  # reshuffled for every epoch
        validation_data=(val_images, val_targets),
        validation_batch_size=1000,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name),
        verbose=0,
    )
    histories[name] = history.history

# %% [markdown]
# ## 6 Evaluate
# Keras puts the name of the output before that of the metric: `left_accuracy`.

# %%
settings = {"batch_size": 1000, "verbose": 0, "return_dict": True}
both = digits_only.evaluate(test_images, test_both, **settings)
alone = larger_only.evaluate(test_images, test_larger, **settings)
three = all_three.evaluate(test_images, test_all, **settings)
scores = {
    "test_accuracy_left_digits_only": both["left_accuracy"],
    "test_accuracy_right_digits_only": both["right_accuracy"],
    "test_accuracy_larger_larger_only": alone["accuracy"],
    "test_accuracy_left_all_three": three["left_accuracy"],
    "test_accuracy_right_all_three": three["right_accuracy"],
    "test_accuracy_larger_all_three": three["larger_accuracy"],
}
for name, accuracy in scores.items():
    print(f"{name}: {accuracy:.4f}")
print(f"always predicting 'not larger': {1 - test_larger.mean():.4f}")

# %% [markdown]
# <!-- results: lesson-17-scores -->
# Test accuracy, median and range of 3 seeds:
#
# | model | left digit | right digit | larger? |
# | --- | --- | --- | --- |
# | `digits_only` | 0.972 (0.968 to 0.973) | 0.975 (0.970 to 0.977) | |
# | `larger_only` | | | 0.914 (0.909 to 0.915) |
# | `all_three` | 0.970 (0.969 to 0.973) | 0.973 (0.970 to 0.974) | 0.894 (0.885 to 0.918) |
# <!-- end -->
#
# Sharing costs the digits little: `all_three` reads them about as well as `digits_only`.
#
# The third question does not gain either: with two of three seeds `all_three` answers it less
# reliably than `larger_only`. Its trunk seems to serve the digits first. Tasks that share a trunk
# can help each other, or get in each other's way (*negative transfer*). The loss weights decide how
# much each task counts. Exercise 2 changes them.
#
# ## 7 Predict
# `predict` returns a dictionary, too. In the figure `pairs`, the three answers stand above each
# image, such as "3 ≤ 5", in red if one of them is wrong.
#
# The heads do not check each other: the model may read 3 and 5 and still answer "larger". How often
# do they contradict each other? And what if we ignore the third head, and compare the two digits?

# %%
probabilities = all_three.predict(test_images, batch_size=1000, verbose=0)
left = probabilities["left"].argmax(axis=1)  # the most probable of ten digits
right = probabilities["right"].argmax(axis=1)
larger = probabilities["larger"][:, 0] > 0.5
scores["contradictions"] = np.mean(larger != (left > right))
scores["test_accuracy_larger_computed"] = np.mean((left > right) == test_larger)

wrong = (left != test_both["left"]) | (right != test_both["right"]) | (larger != test_larger)
titles = [f"{left[i]} {'>' if larger[i] else '≤'} {right[i]}" for i in range(25)]
colors = ["tab:red" if wrong[i] else "black" for i in range(25)]
lesson.save_figure("pairs", plots.image_grid(test_images[:25, ..., 0], titles, colors))
lesson.finish(all_three, histories["all_three"], training="all_three", **scores)

# %% [markdown]
# <!-- results: lesson-17-computed -->
# The heads contradict each other in 10% of the test images. Accuracy of the third answer: 0.894
# (0.885 to 0.918) from its own head, 0.979 (0.978 to 0.981) from comparing the two digits (median
# and range of 3 seeds).
# <!-- end -->
#
# So the third question needs no head: one line of NumPy computes its answer more reliably from the
# other two.
#
# ## Remember
# - A multi-task model has a trunk, which all tasks share, and a head for each task.
# - Each output has its own loss and metric, given by name; training minimizes the weighted sum of
#   the losses.
# - Tasks may help or hurt each other: compare with separate models, then adjust the loss weights.
#
# On your own data, try first: one trunk, one layer as the head of each task, and equal weights.
# Train no head for what you can compute from other answers.

# %% [markdown]
# ## Exercises
# 1. How many parameters of `all_three` are in its trunk, and how many in its heads? Count first,
#    then look at the summary.
# 2. Give the third question more weight: `--larger-weight 20`. Which answers improve, and which
#    become worse?
# 3. Build a model that reads both digits with *one* set of convolutions, called twice (lesson 08
#    shows how layers are shared).
#
# Solutions: notes/solutions/17_multiple_outputs.md
