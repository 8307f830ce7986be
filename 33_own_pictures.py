# %% [markdown]
"""
# 33 Your own pictures: how do files become a trained network?

Until now somebody had prepared the images for you: all of one size, none damaged, already split.
With pictures of your own, that is your work. You will check the files, turn them into arrays of
colors, split them so that the test is honest, and train a convolutional network although there are
only a few hundred pictures.

You need no pictures to begin: the lesson draws some, six letters in many fonts and colors.

Expect: test accuracy 1.000 (1.000 to 1.000) on the letters, median and range of three seeds.

    python 33_own_pictures.py
    python 33_own_pictures.py --pictures DIR    # your own: a folder with a sub-folder per class
    python 33_own_pictures.py --predict FILE    # afterwards: which class is this picture?
"""

# %%
from pathlib import Path

from frame import Flag, Lesson
from pictures.answer import read_flags

lesson = Lesson(
    __doc__,
    epochs=40,
    batch_size=16,
    data="pictures",
    on_flags=read_flags,  # before training: `--predict` answers and exits
    pictures=Flag(Path, "folder with your own pictures: one sub-folder per class"),
    predict=Flag(Path, "let the newest trained model classify this picture, and exit"),
    side=Flag(64, "scale all pictures to N x N pixels", at_least=32, at_most=512),
    split=Flag(["groups", "files"], "keep near-duplicates together, or split file by file"),
    augmentation=Flag(["yes", "no"], "whether to change the training pictures in each epoch"),
)

import keras
import numpy as np
from keras import layers
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from common import plots
from pictures.duplicates import describe_groups, group_near_duplicates
from pictures.figures import picture_grid
from pictures.folders import load_pictures

# %% [markdown]
# ## 1 Load
# A common way to store labeled pictures is a folder with one sub-folder per class. The name of the
# sub-folder is the label, and the classes are numbered in alphabetical order:
#
#     pictures/cat/IMG_0012.jpg
#     pictures/cat/on the sofa.png
#     pictures/dog/rex.webp
#
# Keras reads such a folder with one line:
#
#     keras.utils.image_dataset_from_directory("pictures", image_size=(64, 64))
#
# It returns a dataset of batches, each with 32 pictures of shape (32, 64, 64, 3), float32 numbers
# from 0 to 255, and their 32 labels. For clean files that is enough. Ours may not be clean, and
# this function
#
# - stops in the middle of training at the first damaged file;
# - skips WebP files without a word;
# - ignores the *Exif* data, in which a camera notes how it was held: photos taken upright then lie
#   on their side;
# - squeezes every picture to a square, unless you set `crop_to_aspect_ratio=True`;
# - splits file by file (`validation_split=0.2`; both parts need the same `seed`), a trap that
#   section 2 explains.
#
# So our helper `load_pictures` reads the files with the library Pillow, and *reports* what is odd:
# which files it left out, and which pictures it had to change. Read the report each time: if a
# class lost half its files, no network can repair that.
#
# All pictures of a batch must have the same size, so each is cropped to a square around its center
# and scaled to 64x64 pixels. We keep all in memory, 64·64·3 = 12,288 bytes each: 1,000 pictures
# take 12 MB. Of 100,000 larger ones you would read batch after batch from the disk, as the function
# above does. Without `--pictures` the helper draws letters into the folder of this run. As in a
# real folder, there are several pictures of most things, and some files are odd.

# %%
images, labels, classes, files = load_pictures(lesson)
print("shape:", images.shape, "- the first pixel of the first picture:", images[0, 0, 0])

# %% [markdown]
# The shape tells the order of the axes: picture, row, column, *channel*. A pixel has three
# channels: how much red, green and blue light it gives off, each from 0 to 255. (255, 0, 0) is red.
# Keras expects the channels last, and calls that *channels_last*. Most programs that use PyTorch
# keep three separate images, one per color, in the shape (pictures, 3, rows, columns):
# *channels_first*.
#
# ## 2 Prepare
# People rarely take one picture of a thing. They take three, and keep them all: *near-duplicates*.
# If one of them is in the training set and one in the test set, the network has already seen the
# answer. This is another case of *data leakage*: such a test measures how well the network
# memorizes. So near-duplicates must stay on the same side of a split.
#
# How do we find them? With a *difference hash*: scale the picture down to 8 rows of 9 gray pixels,
# and note for each pixel but the first of a row whether it is brighter than its left neighbor. A
# row of the gray values 90, 120, 80, ... begins with the bits 1, 0, ...; in all there are 8·8 = 64
# bits. What differs between two shots taken one after the other (a little light, a shift by a
# pixel) changes few of them. Two unrelated photos differ in about half of the bits. We put two
# pictures into the same group if they differ in at most 8. This misses pictures that you took while
# walking around a thing: keep only one of them. And unrelated pictures on a plain background may
# land in one group, which does no harm: they merely stay together. ("Alike but of different
# classes" in the output asks you to look whether a label is wrong.)

# %%
groups = group_near_duplicates(images)
print(describe_groups(groups, labels, files))
series = np.flatnonzero(np.bincount(groups)[groups] > 1)  # in groups of two or more
series = series[np.argsort(groups[series], kind="stable")][:16]
if len(series):
    titles = [f"group {group}" for group in groups[series]]
    lesson.save_figure("near_duplicates", picture_grid(images[series], titles))

# %% [markdown]
# The figure `near_duplicates` shows the first groups.
#
# scikit-learn's `StratifiedGroupKFold` splits into five parts without tearing a group apart, and
# keeps the fraction of each class as equal as it can. We take one fifth as the test set, then one
# fifth of the rest as the validation set, which leaves 64% for training.


# %%
def split(rows):
    """Split row numbers into four fifths and one fifth."""
    options = {"n_splits": 5, "shuffle": True, "random_state": lesson.seed}
    if lesson.split == "groups":
        folds = StratifiedGroupKFold(**options).split(rows, labels[rows], groups[rows])
    else:
        folds = StratifiedKFold(**options).split(rows, labels[rows])
    most, fifth = next(folds)
    return rows[most], rows[fifth]


rest, test_rows = split(np.arange(len(images)))
train_rows, val_rows = split(rest)
train_images, train_labels = images[train_rows], labels[train_rows]
val_images, val_labels = images[val_rows], labels[val_rows]
test_images, test_labels = images[test_rows], labels[test_rows]
baseline = np.bincount(test_labels).max() / len(test_labels)
print(f"{len(train_rows)} training, {len(val_rows)} validation, {len(test_rows)} test pictures")
print(f"baseline: the most frequent class has {baseline:.0%} of the test pictures")
train = lesson.batches(train_images, train_labels)

# %% [markdown]
# ## 3 Define
# **Augmentation.** A few hundred pictures are not many for a network with about 100,000 weights: it
# can memorize them. *Augmentation* makes many pictures out of each. In every epoch each one is
# shifted, turned, and made brighter or darker by new random amounts, so small that you would still
# give the picture the same label. (A mirrored cat is a cat, so for photos of things add
# `RandomFlip("horizontal")`. A mirrored "R" is no "R".) Such layers change pictures only in
# training; in prediction they pass them on unchanged.

# %%
keras.utils.set_random_seed(lesson.seed)
augment = keras.Sequential(
    [
        layers.RandomTranslation(0.1, 0.1),  # by up to a tenth of the height and of the width
        layers.RandomRotation(0.03),  # by up to 0.03 of a full turn: 11 degrees
        layers.RandomBrightness(0.2, value_range=(0, 1)),  # pixels are from 0 to 1 here
    ],
    name="augment",
)
copies = np.repeat(train_images[:1], 16, axis=0) / 255
variants = keras.ops.convert_to_numpy(augment(copies, training=True))
lesson.save_figure("augmentation", picture_grid(variants, [""] * 16))

# %% [markdown]
# The figure `augmentation` shows one picture in 16 variants. Does the label still fit all of them?
#
# **The network.** It has four convolutional layers (lessons 11 and 12). `padding="same"` puts a
# border of zeros around the image, so that a convolution does not shrink it. Pooling halves height
# and width, from 64 to 32, 16 and 8. A filter of the first layer sees all three colors at once: it
# has 3·3 weights for each channel and one bias, so the 16 filters have 16·(3·3·3 + 1) = 448
# parameters. On gray images (lesson 12) they had 160.
#
# `GlobalMaxPooling2D` then keeps only the largest of the 8x8 values of each channel: where in the
# picture a thing is does not matter, only whether it is there.

# %%
model = keras.Sequential([
    keras.Input((lesson.side, lesson.side, 3), dtype="uint8"),
    layers.Rescaling(1 / 255),
    *([augment] if lesson.augmentation == "yes" else []),
    layers.Conv2D(16, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(2),
    layers.Conv2D(32, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(2),
    layers.Conv2D(64, 3, padding="same", activation="relu"),
    layers.MaxPooling2D(2),
    layers.Conv2D(128, 3, padding="same", activation="relu"),
    layers.GlobalMaxPooling2D(),
    layers.Dropout(0.3),
    layers.Dense(len(classes), activation="softmax"),
])
model.summary()

# %% [markdown]
# ## 4 Compile
# As in lesson 01, the labels are integers, so the loss is the "sparse" cross-entropy.

# %%
model.compile(
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit
# Measured on few pictures, the validation loss jumps from epoch to epoch. So we do not stop early:
# we train for all epochs, and then put back the weights of the epoch with the lowest validation
# loss. `EarlyStopping` does that; with a `patience` of all epochs it never stops.

# %%
best_weights = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=lesson.epochs, restore_best_weights=True
)
history = model.fit(
    train,
    validation_data=(val_images, val_labels),
    validation_batch_size=500,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(best_weights),
    verbose=0,
)

# %% [markdown]
# ## 6 Evaluate
# With few test pictures the accuracy is partly luck. The *true* accuracy is that on all pictures of
# this kind. The *standard error* (lesson 22) says how far ours typically lies from it: sqrt(p·(1 -
# p) / n) for an accuracy p on n independent pictures. About 19 times in 20, the true accuracy is
# less than two standard errors away. Near-duplicates are not independent, so n is the number of
# groups. With 50 groups and p = 0.9 the standard error is 0.04, and the true accuracy probably lies
# between 0.82 and 0.98. Without a single mistake the formula gives 0, which is too good to be true.
# Then the *rule of three* says that up to 3 / n of new pictures may still be misclassified, 6% if n
# = 50.

# %%
test = model.evaluate(test_images, test_labels, batch_size=500, verbose=0, return_dict=True)
accuracy, count = test["accuracy"], len(set(groups[test_rows]))
error = np.sqrt(accuracy * (1 - accuracy) / count)
print(f"test accuracy {accuracy:.3f}, standard error {error:.3f} ({count} groups)")
probabilities = model.predict(test_images, batch_size=500, verbose=0)  # (n, classes)
guesses = probabilities.argmax(axis=1)
lesson.save_figure("confusion_matrix", plots.confusion_matrix(test_labels, guesses, classes))

# %% [markdown]
# Are the split by groups and augmentation worth the effort? On these letters the network makes
# hardly a mistake, so they cannot show it. Compare on pictures of your own: exercise 2.
#
# ## 7 Predict
# The figure `hardest` shows the test pictures whose true class got the lowest probability. With
# pictures of your own, look here for wrong labels, and for things that were cut off.

# %%
true = probabilities[np.arange(len(test_labels)), test_labels]
hardest = true.argsort()[:16]
titles = [
    classes[label] + (f",\nnot {classes[guess]}" if guess != label else "") + f" {p:.2f}"
    for label, guess, p in zip(test_labels[hardest], guesses[hardest], true[hardest], strict=True)
]
lesson.save_figure("hardest", picture_grid(test_images[hardest], titles))
for row in hardest[:3]:
    print(f"{files[test_rows[row]]}: probability {true[row]:.3f} of the true class")
scores = {"test_loss": test["loss"], "test_accuracy": accuracy, "standard_error": error}
lesson.finish(model, history, classes=classes, **scores)

# %% [markdown]
# From now on the network answers without training. This command takes the network of the newest
# finished run and prints the three most probable classes:
#
#     python 33_own_pictures.py --predict cat.jpg
#
# In a program of your own, read the picture exactly as in training (upright, cropped, 64x64, colors
# from 0 to 255), add the axis of the batch, call `model.predict(image[np.newaxis])`, and look for
# the largest probability. The network knows only its classes. Show it something else and it still
# names one of them, perhaps with a high probability.
#
# ## Remember
# - Check the files before you train: read a report of what was left out and what was changed.
# - Near-duplicates belong on the same side of a split; otherwise the test rewards memorizing.
# - Augmentation makes many pictures out of few. The label must still fit all of them.
#
# On your own pictures, try first: many different ones, taken at different places and in different
# light, and a long look at the figure `hardest`. Then start from a pretrained network (lesson 34).

# %% [markdown]
# ## Exercises
# 1. What is the shape of a batch of ten color pictures, 4 pixels high and 6 wide, in channels_last
#    and in channels_first? How many parameters does `Conv2D(8, 3)` have on them, and on gray ones?
# 2. On a folder of your own, with several shots of most things, compare the default with
#    `--split files` and with `--augmentation no`, for the seeds 42, 43 and 44. Are the differences
#    larger than the standard error? Which accuracy do you tell a friend who wants to use the
#    network?
# 3. Make a folder of odd files and see what the report says: a text renamed `.jpg`, the first half
#    of a photo, a photo turned in its viewer, a screenshot, an animated GIF. Which ones would you
#    not have noticed?
#
# Solutions: notes/solutions/33_own_pictures.md
