# %% [markdown]
"""
# 11 Transfer learning: how do you train with only a few images?

Reuse what a network has learned from a related task: that is *transfer learning*. Here a network
learns the digits 0 to 4 from thousands of images, and then has to learn 5 to 9 from ten images of
each. You will freeze layers, put a new head on them, fine-tune, and see when it pays compared with
training from scratch. With photos you would start from a large network that others have trained.

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
# MNIST: images of handwritten digits, 28x28 gray pixels. The first task has the classes 0 to 4. The
# second has 5 to 9; as labels must count from 0, they become the labels 0 to 4. A convolution
# expects an axis for color channels, so we add one of length 1.

# %%
(train_images, train_labels), (test_images, test_labels) = lesson.load("mnist")


def digits(images, labels, first: int):
    """Keep the five digits from `first` on; their labels become 0 to 4."""
    chosen = (labels >= first) & (labels < first + 5)
    return images[chosen, ..., np.newaxis], labels[chosen] - first


low_images, low_labels = digits(train_images, train_labels, 0)
high_images, high_labels = digits(train_images, train_labels, 5)
test_images, test_labels = digits(test_images, test_labels, 5)

# %% [markdown]
# ## 2 Prepare
# For the first task, a tenth of the images is held out for validation. For the second task we
# pretend to have only 10, 100 or 1,000 images of each digit. Ten are too few to hold some out for
# validation, so we cannot watch for overfitting: we fix the number of training steps beforehand.

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
# A *convolution* slides a window of 3x3 weights, a *filter*, over the image and computes a weighted
# sum at each position. Each of 32 filters makes a new image, and these are the 32 *channels* that
# the next layer sees. *Pooling* keeps the largest of every 2x2 numbers, which halves the sides.
#
# The network has two parts. The first, convolutions and pooling, is the *feature extractor*: it
# turns an image into 5·5·64 = 1,600 numbers, its *features*, that describe which strokes are where.
# The second, two dense layers, is the *head*: it turns features into the probabilities of the five
# classes. Strokes and curves are in all digits, so the feature extractor can be reused for the next
# task. The head cannot: its five outputs stood for other digits.


# %%
def build_features():
    """Build the feature extractor, the part that is kept."""
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
    """Put a new head on a feature extractor: a model can be a layer of another model."""
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
# layers. It takes effect at the next `compile`, so always compile after you change it.


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
# The first task, with all its images. `get_weights` then returns copies of the trained weights.

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
# The second task, in three ways:
#
# - **from scratch**: a new feature extractor and a new head, both trained;
# - **frozen**: the trained feature extractor stays frozen, only a new head is trained;
# - **fine-tuned**: *fine-tuning* continues from the frozen model. Unfreeze everything and train on,
#   with a tenth of the learning rate, so that the features adapt a little but are not destroyed.
#
# Why not train everything at once? A new head is random, and so its first gradients are large and
# would spoil the good features. That is why the head is trained first. Fine-tuning comes on top of
# it, so to be fair the training from scratch gets twice as many steps.


# %%
def fit_few(name, model, size, rate=0.001, steps=lesson.steps):
    """Train a model on `size` images of each digit; return its test accuracy."""
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
    accuracy["from scratch"] = fit_few("from-scratch", scratch, size, steps=2 * lesson.steps)
    accuracy["frozen"] = fit_few("frozen", second, size)
    known.trainable = True
    accuracy["fine-tuned"] = fit_few("fine-tuned", second, size, rate=0.0001)
    rows.append({"images of each digit": size, **accuracy})
    for way, value in accuracy.items():
        key = way.replace("from scratch", "from_nothing").replace("-", "_")  # its recorded name
        scores[f"test_accuracy_{key}_{size}"] = value

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
# (Test accuracy with seed 42.) The fewer images, the more transfer helps: with ten of each digit,
# far fewer test images are misclassified. With 1,000 of each there is enough to learn from, and
# transfer gains little. Fine-tuning hardly changes anything here. By then the network has
# memorized the few images: the loss is close to 0, and so are the gradients. It pays more where the
# second task is less like the first, and has more images.

# %%
val = model.evaluate(val_images, val_labels, batch_size=1000, verbose=0, return_dict=True)
table = pd.DataFrame(rows)
lesson.save_table("transfer", table.round(4))
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for way in ["from scratch", "frozen", "fine-tuned"]:
    axes.plot(table["images of each digit"], table[way], marker="o", label=way)
axes.set(
    xscale="log",
    xlabel="training images of each digit",
    ylabel="test accuracy",
    title="learning 5 to 9 after 0 to 4",
)
axes.legend()
axes.grid(alpha=0.3)
lesson.save_figure("transfer", figure)

# %% [markdown]
# ## 7 Predict
# The network that was fine-tuned with the most images classifies 25 test images. We add 5 to its
# labels to get the digits back. This model is saved.

# %%
guesses = second.predict(test_images[:25], verbose=0).argmax(axis=1) + 5
titles = [
    f"{guess}" + (f" (is {label + 5})" if guess != label + 5 else "")
    for guess, label in zip(guesses, test_labels, strict=False)
]
lesson.save_figure("predictions", plots.image_grid(test_images[:25, ..., 0], titles))
last = f"fine-tuned-{SIZES[-1]}"
lesson.finish(
    second,
    curves[last],
    training=last,
    classes=list("56789"),
    val_accuracy=val["accuracy"],
    **scores,
)

# %% [markdown]
# ## Remember
# - Transfer learning reuses the feature extractor of a related task and puts a new head on it.
# - Freeze the features, train the head, then perhaps unfreeze and fine-tune at a low learning rate.
# - The fewer examples you have, and the more alike the tasks, the more it helps.
#
# With photos of your own, try first: a network from `keras.applications`, trained on ImageNet, with
# `include_top=False` (without its head), frozen, and a new `Dense` layer on top.

# %% [markdown]
# ## Exercises
# 1. Do features transfer better if they were trained longer on the first task? Try `--epochs 1`
#    and `--epochs 10`.
# 2. What if the first task has few images, too? Try `--limit 600`. (Then the second task has about
#    40 images of each digit.)
# 3. What does a network trained on ImageNet, 1.3 million photos of 1,000 classes, see in a photo of
#    yours? `keras.applications.MobileNetV2(weights="imagenet")` is such a network.
#
# Solutions: notes/solutions/11_transfer_learning.md
