# %% [markdown]
"""
# 11 Transfer learning: what you know of one task helps with the next

A network learns the digits 0 to 4 from thousands of images. Its convolutions then detect strokes
and bends, and these are in the digits 5 to 9 too. How many images of those does it still need? We
compare a network that starts from scratch with one that keeps what it has learned, and then let
that change a little.

Expect: test accuracy 0.936 (0.893 to 0.939) from ten images per digit, median of three seeds.

    python 11_transfer_learning.py
    python notes/solutions/11_imagenet.py cat.jpg    a large network that others have trained
"""

# %%
from common.lesson import Flag, Lesson

lesson = Lesson(
    __doc__, epochs=3, batch_size=64, steps=Flag(400, "steps of each training of the second task")
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
# Handwritten digits. The first task has the digits 0 to 4, the second 5 to 9, which become the
# labels 0 to 4.

# %%
(train_images, train_labels), (test_images, test_labels) = lesson.load("mnist")


def digits(images, labels, first: int):
    """Keep five digits from `first` on; their labels become 0 to 4."""
    chosen = (labels >= first) & (labels < first + 5)
    return images[chosen, ..., np.newaxis], labels[chosen] - first


low_images, low_labels = digits(train_images, train_labels, 0)
high_images, high_labels = digits(train_images, train_labels, 5)
test_images, test_labels = digits(test_images, test_labels, 5)

# %% [markdown]
# ## 2 Prepare
# For the first task a tenth is held out for validation. For the second we pretend to have 10, 100
# or 1,000 images of each digit. These are too few to hold some out, so nothing could tell us when
# to stop: the number of steps is fixed beforehand.

# %%
low_images, val_images, low_labels, val_labels = train_test_split(
    low_images, low_labels, test_size=0.1, random_state=lesson.seed, stratify=low_labels
)
fewest = int(np.bincount(high_labels, minlength=5).min())
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
# A *convolution* slides a window of 3x3 weights, a *filter*, over the image and computes the
# weighted sum at each place. 32 filters make 32 new images, the *channels* that the next layer
# sees. *Pooling* keeps the largest of each 2x2 pixels.
#
# The network has two parts. The *features*, convolutions and pooling, turn an image into 5·5·64 =
# 1,600 numbers that say which strokes are where. The *head*, two dense layers, turns them into an
# answer. The features are reused for the next task; the head is not, for its five answers mean
# other digits now.


# %%
def build_features():
    """Build the part that is kept."""
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
    """Put a new head on the features."""
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
# `trainable = False` *freezes* a layer or a whole part: its weights are left out of training. It
# takes effect at the next `compile`.


# %%
def compile_model(model, steps, rate=0.001):
    """Make a model ready to train: at a learning rate, with so many steps per epoch."""
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps,  # a whole epoch in one call: faster
    )


# %% [markdown]
# ## 5 Fit
# The first task, with all images.

# %%
train = lesson.batches(low_images, low_labels)
compile_model(model, len(train))
model.fit(
    train,
    validation_data=(val_images, val_labels),
    validation_batch_size=1000,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),
    verbose=2,
)
learned = features.get_weights()

# %% [markdown]
# The second task, three ways:
#
# - **from nothing**: new features, a new head, everything learns;
# - **frozen**: the features of the first task stay as they are, only a new head learns;
# - **fine-tuned**: the frozen one trains on with everything unfrozen, at a tenth of the learning
#   rate, so that the features change a little and are not forgotten.
#
# Fine-tuning comes on top of the frozen training, so the training from nothing gets twice the
# steps.


# %%
def fit_few(name, model, size, rate=0.001, steps=lesson.steps):
    """Train a model on a few images of each digit; return its test accuracy."""
    print(f"{name}, {size} images of each digit")
    images, labels = take(size)
    steps_per_epoch = math.ceil(len(labels) / lesson.batch_size)
    compile_model(model, steps_per_epoch, rate)
    curves[f"{name}-{size}"] = model.fit(
        lesson.batches(images, labels, repeat=True),  # without end: faster where epochs are short
        steps_per_epoch=steps_per_epoch,
        epochs=math.ceil(steps / steps_per_epoch),
        callbacks=lesson.callbacks(training=f"{name}-{size}"),
        verbose=0,
    ).history
    test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
    return test["accuracy"]


rows, curves, scores = [], {}, {}
for size in SIZES:
    keras.utils.set_random_seed(lesson.seed)
    scratch = with_head(build_features())
    known = build_features()
    known.set_weights(learned)
    known.trainable = False
    second = with_head(known)
    accuracy = {}
    accuracy["from nothing"] = fit_few("from-nothing", scratch, size, steps=2 * lesson.steps)
    accuracy["frozen"] = fit_few("frozen", second, size)
    known.trainable = True
    accuracy["fine-tuned"] = fit_few("fine-tuned", second, size, rate=0.0001)
    rows.append({"pictures of each digit": size, **accuracy})
    for way, value in accuracy.items():
        scores[f"test_accuracy_{way}_{size}".replace(" ", "_").replace("-", "_")] = value

# %% [markdown]
# ## 6 Evaluate
# <!-- results: lesson-11-transfer -->
# | training images of each digit | 10 | 100 | 1,000 |
# | --- | --- | --- | --- |
# | from scratch | 0.829 | 0.961 | 0.989 |
# | frozen | 0.893 | 0.972 | 0.989 |
# | fine-tuned | 0.889 | 0.972 | 0.989 |
# <!-- end -->
#
# With enough images you need no transfer. Fine-tuning hardly changes anything here: the few images
# were memorized before.

# %%
val = model.evaluate(val_images, val_labels, batch_size=1000, verbose=0, return_dict=True)
table = pd.DataFrame(rows)
lesson.save_table("transfer", table.round(4))
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for way in ["from nothing", "frozen", "fine-tuned"]:
    axes.plot(table["pictures of each digit"], table[way], marker="o", label=way)
axes.set(
    xscale="log",
    xlabel="pictures of each digit",
    ylabel="test accuracy",
    title="the digits 5 to 9, learnt after 0 to 4",
)
axes.legend()
axes.grid(alpha=0.3)
lesson.save_figure("transfer", figure)

# %% [markdown]
# ## 7 Predict
# The fine-tuned network with the most images predicts the digits on some test images. It is the one
# that is saved.

# %%
guesses = second.predict(test_images[:25], verbose=0).argmax(axis=1) + 5
titles = [
    f"{guess}" + (f" (is {label + 5})" if guess != label + 5 else "")
    for guess, label in zip(guesses, test_labels, strict=False)
]
lesson.save_figure("predictions", plots.image_grid(test_images[:25, ..., 0], titles))
last = f"fine-tuned-{SIZES[-1]}"
lesson.finish(second, curves[last], training=last, val_accuracy=val["accuracy"], **scores)

# %% [markdown]
# ## Exercises
# 1. Do features that were trained on the first task for longer transfer better?
# 2. And if the first task has only few images, `--limit 600`? (For the second there are some 40 of
#    each digit then.)
# 3. What does a network trained on ImageNet, 1.3 million photos of 1,000 classes, say about a photo
#    of yours? `keras.applications.MobileNetV2(weights="imagenet")` is such a network.
#
# Solutions: notes/solutions/11_transfer_learning.md
