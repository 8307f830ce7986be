# %% [markdown]
"""
# 11 Transfer learning: how do you train with only a few images?

*Transfer learning* reuses what a network has learned for a related task. Here a network learns the
digits 0 to 4 from thousands of images, and then has to learn 5 to 9 from ten images of each. You
will see what can be kept, what must be replaced, and when that pays compared with training *from
scratch*, from random weights. The end of the lesson shows how to do the same with photos of your
own.

Expect: median test accuracy, ten images per digit: from scratch 0.876, with frozen features 0.936.

    python 11_transfer_learning.py
    python notes/solutions/11_imagenet.py cat.jpg    # what is in your photo? (downloads a network)
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=3,
    batch_size=64,
    steps=Flag(400, "training steps of the second task; from scratch, twice as many"),
)

import math

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots

# %% [markdown]
# ## 1 Load
# MNIST: images of handwritten digits, 28x28 gray pixels. The first task has the classes 0 to 4. The
# second has 5 to 9; as labels must count from 0, they become the labels 0 to 4. The first layer
# expects an axis for color channels, so we add one of length 1.

# %%
(images, labels), (test_images, test_labels) = lesson.load("mnist")


def digits(images, labels, first: int):
    """Select the five digits from `first` on and relabel them 0 to 4."""
    chosen = (labels >= first) & (labels < first + 5)
    return images[chosen, ..., np.newaxis], labels[chosen] - first


low_images, low_labels = digits(images, labels, 0)
high_images, high_labels = digits(images, labels, 5)
test_images, test_labels = digits(test_images, test_labels, 5)

# %% [markdown]
# ## 2 Prepare
# For the first task, a tenth of the images is held out for validation. For the second task we
# pretend to have only 10, 100 or 1,000 images of each digit. Ten are too few to hold some out for
# validation, so we fix the number of training steps beforehand.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    low_images, low_labels, test_size=0.1, random_state=lesson.seed, stratify=low_labels
)
fewest = int(
    np.bincount(high_labels, minlength=5).min()
)  # below 1,000 only if `--limit` cuts the data
SIZES = [size for size in (10, 100, 1000) if size <= fewest] or [fewest]


def take(size: int):
    """Draw `size` images of each digit of the second task; larger sets contain the smaller ones."""
    random = np.random.default_rng(lesson.seed)
    places = [random.permutation(np.flatnonzero(high_labels == label))[:size] for label in range(5)]
    places = np.concatenate(places)
    return high_images[places], high_labels[places]


few_images, few_labels = take(SIZES[0])
titles = [str(label + 5) for label in few_labels]
lesson.save_figure("few", plots.image_grid(few_images[..., 0], titles, columns=10))


# %% [markdown]
# ## 3 Define
# The network has two parts. The first is the *feature extractor*. Its *convolutions* slide small
# windows of weights, *filters*, over the image. At each place they compute the weighted sum of the
# pixels below. It is large where the pixels match the filter's pattern, such as an edge. *Pooling*
# keeps the largest of every 2x2 numbers, which halves height and width. (Lesson 12 explains both.)
# So 28 pixels become 26, 13, 11 and 5. At the end there are 5x5 numbers for each of 64 filters:
# 1,600 *features*, which tell what strokes the image has, and where. The second part, the *head*,
# turns the features into the probabilities of the five classes, with dense layers.
#
# The digits 5 to 9 consist of strokes too, so the feature extractor can be reused. The head cannot:
# its five outputs stand for other digits.
#
# The filters have been trained on pixels between 0 and 1. So new images must be *preprocessed* in
# the same way. Here that cannot be forgotten: `Rescaling` is part of the feature extractor.


# %%
def build_features():
    """Build the feature extractor, the part to be reused."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
        ],
        name="features",
    )


def with_head(features):
    """Add a new head to a feature extractor: a model can be a layer of another model."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        features,
        layers.Dense(64, activation="relu"),
        layers.Dense(5, activation="softmax"),
    ])


features = build_features()
model = with_head(features)
model.summary(expand_nested=True)

# %% [markdown]
# ## 4 Compile
# *Freezing* a layer means that training leaves its weights as they are. In Keras you set
# `layer.trainable = False`; for a model, such as our feature extractor, this freezes all its
# layers. `compile` notes which weights are to be trained, so always compile again after you change
# `trainable`.


# %%
def compile_model(model, steps, rate=0.001):
    """Compile a model for a learning rate and a number of steps per epoch."""
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps,  # return to Python once per epoch: faster
    )


# %% [markdown]
# ## 5 Fit
# We train on the first task. The feature extractor is a layer of the model, so it is trained too.
# `get_weights` returns copies of its weights.

# %%
train = lesson.batches(train_images, train_labels)
compile_model(model, len(train))
history = model.fit(
    train,
    validation_data=(val_images, val_labels),
    validation_batch_size=1000,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),
    verbose=2,
)
learned = features.get_weights()

# %% [markdown]
# Then the second task, in three ways:
#
# - **from scratch**: a new feature extractor and a new head, both trained;
# - **frozen**: the trained feature extractor stays frozen, only a new head is trained;
# - **fine-tuned**: then the features are unfrozen too, and all is trained further, with a tenth of
#   the learning rate.
#
# Why is the head trained first? It starts random, so at first the gradients that reach the features
# are little better than random: they would push good features in wrong directions. The low learning
# rate protects the features as well: they should adapt a little, not be overwritten.
#
# Training from scratch takes as many steps as both trainings of the fine-tuned model together.

# %%
curves = {}  # the history of each training


def fit_few(name, model, size, rate=0.001, steps=lesson.steps):
    """Train a model on `size` images of each digit; return its test accuracy."""
    name = f"{name}-{size}"
    print(name, "images of each digit")
    images, labels = take(size)
    steps_per_epoch = math.ceil(len(labels) / lesson.batch_size)
    compile_model(model, steps_per_epoch, rate)
    history = model.fit(
        lesson.batches(images, labels, repeat=True),  # endless, as in lesson 03
        steps_per_epoch=steps_per_epoch,
        epochs=math.ceil(steps / steps_per_epoch),
        callbacks=lesson.callbacks(training=name),  # the name identifies its checkpoint
        verbose=0,
    )
    curves[name] = history.history
    test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
    return test["accuracy"]


scores = {}  # test accuracies; `from_nothing` means from scratch
for size in SIZES:
    keras.utils.set_random_seed(lesson.seed)
    scratch = with_head(build_features())
    known = build_features()
    known.set_weights(learned)
    known.trainable = False
    second = with_head(known)

    score = fit_few("from-scratch", scratch, size, steps=2 * lesson.steps)
    scores[f"test_accuracy_from_nothing_{size}"] = score
    scores[f"test_accuracy_frozen_{size}"] = fit_few("frozen", second, size)
    known.trainable = True  # takes effect when `fit_few` compiles again
    score = fit_few("fine-tuned", second, size, rate=0.0001)
    scores[f"test_accuracy_fine_tuned_{size}"] = score

# %% [markdown]
# ## 6 Evaluate
# Test accuracy, median and range of three seeds:
#
# <!-- results: lesson-11-transfer -->
# | images per digit | 10                     | 100                    | 1,000                  |
# | ---------------- | ---------------------- | ---------------------- | ---------------------- |
# | from scratch     | 0.876 (0.829 to 0.884) | 0.961 (0.957 to 0.965) | 0.986 (0.984 to 0.989) |
# | frozen           | 0.936 (0.893 to 0.939) | 0.975 (0.972 to 0.977) | 0.989 (0.986 to 0.989) |
# | fine-tuned       | 0.934 (0.889 to 0.938) | 0.975 (0.972 to 0.976) | 0.989 (0.987 to 0.990) |
# <!-- end -->
#
# The fewer images, the more transfer helps. From ten of each digit a network can hardly learn good
# features; with transfer it already has them. From 1,000 it can learn them itself.
#
# Fine-tuning hardly changes anything here. It pays when the tasks differ more, so that the old
# features do not quite fit, and when there are enough images to adapt them.

# %%
values = np.reshape(list(scores.values()), (-1, 3))  # a row per size
table = pd.DataFrame(values, columns=["from scratch", "frozen", "fine-tuned"])
table.insert(0, "images of each digit", SIZES)
lesson.save_table("transfer", table.round(4))
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
table.plot("images of each digit", ax=axes, logx=True, marker="o", ylabel="test accuracy")
axes.set_title("learning 5 to 9 after 0 to 4")
lesson.save_figure("transfer", figure)

# %% [markdown]
# ## 7 Predict
# The model fine-tuned with the most images classifies 25 test images; the true digit is in
# parentheses. This model is saved.

# %%
guesses = second.predict(test_images[:25], verbose=0).argmax(axis=1) + 5
titles = [f"{guess} ({label + 5})" for guess, label in zip(guesses, test_labels, strict=False)]
lesson.save_figure("predictions", plots.image_grid(test_images[:25, ..., 0], titles))
last = f"fine-tuned-{SIZES[-1]}"
lesson.finish(
    second,
    curves[last],
    training=last,
    classes=list("56789"),
    val_accuracy=history.history["val_accuracy"][-1],  # of the first task
    **scores,
)

# %% [markdown]
# ### Photos of your own
# Start from a network that others have trained on ImageNet, 1.3 million photos of 1,000 classes.
# MobileNetV2 is a small one, for photos of 224x224 pixels. It was trained on numbers from -1 to 1,
# and `preprocess_input` turns pixels from 0 to 255 into these. Leave out its head
# (`include_top=False`), and average the numbers of each filter of its last convolution over the
# image (`pooling="avg"`, *global average pooling*). For photos of, say, three classes:
#
#     base = keras.applications.MobileNetV2(include_top=False, pooling="avg")
#     base.trainable = False
#     inputs = keras.Input((224, 224, 3))
#     x = keras.applications.mobilenet_v2.preprocess_input(inputs)  # as in its own training
#     outputs = layers.Dense(3, activation="softmax")(base(x))
#     model = keras.Model(inputs, outputs)
#
# Compile and fit. If that is not good enough, unfreeze, compile with a low rate, and fit again:
#
#     base.trainable = True
#     for layer in base.layers:
#         if isinstance(layer, layers.BatchNormalization):
#             layer.trainable = False
#
# The layers of batch normalization (lesson 04) stay frozen: then they use their stored averages,
# which come from ImageNet, and do not update them. Your few photos would soon spoil them. Lesson 34
# does all this.
#
# ## Remember
# - Transfer learning reuses the feature extractor of a related task and puts a new head on it.
# - Freeze the features, train the head, then perhaps unfreeze and fine-tune at a low learning rate.
# - The fewer examples you have, the more transfer helps.
#
# With few images of your own, try first: a pretrained network, frozen, and one new `Dense` layer.

# %% [markdown]
# ## Exercises
# 1. Do features transfer better if they were trained longer on the first task? Try `--epochs 1`
#    and `--epochs 10`.
# 2. What if the first task has few images, too? `--limit 600` loads only 600 images: fewer than 300
#    are left for the first task, and ten of each digit for the second.
# 3. What does a network trained on ImageNet see in a photo of yours? Take one with its head:
#    `keras.applications.MobileNetV2()`.
#
# Solutions: notes/solutions/11_transfer_learning.md
