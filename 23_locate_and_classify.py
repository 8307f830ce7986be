# %% [markdown]
"""
# 23 Locate and classify: which digit is it, and where?

Until now, a digit filled its image. In a photograph it stands somewhere, small or large, among
other things. In this lesson we imitate that, and one network answers two questions about each
image: which digit is it (classification), and where is it (*localization*)? It answers the second
with four numbers, the edges of a box around the digit. You learn how to train on both answers at
once, and how to measure how well a box fits.

Expect: test accuracy 0.980; mean IoU (fit of the boxes, 0 to 1) 0.864: medians of three seeds.

    python 23_locate_and_classify.py
    python 23_locate_and_classify.py --box-weight 1
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=5,
    batch_size=64,
    box_weight=Flag(10.0, "weight of the loss of the box; that of the class has weight 1"),
)

import math

import keras
import numpy as np
from keras import layers
from sklearn.model_selection import train_test_split

from localization.canvases import SIZE, make_canvases
from localization.figures import boxes_figure, iou_figure

# %% [markdown]
# ## 1 Load
# MNIST: images of handwritten digits, 28x28 gray pixels from 0 (background, shown white) to 255
# (ink, shown black).

# %%
(digits, classes), (test_digits, test_classes) = lesson.load("mnist")

# %% [markdown]
# ## 2 Prepare
# Our helper `make_canvases` makes the images. Each *canvas* has 64x64 pixels and a noisy
# background, and holds one digit at a random place. The size of the digit is random too, from 0.6
# to 1.6 times the original. Around it lies *clutter*: four fragments of other digits, 6x6 pixels
# each, which may overlap it. So the network must tell a digit from parts of digits.
#
# A *bounding box* says where the digit is: it is the smallest rectangle, with sides parallel to
# those of the canvas, that holds all of the digit's ink. Four numbers describe it: its left, top,
# right and bottom edge. We know them, since we put the digit there. In photographs, people have to
# draw the boxes by hand.
#
# We give the edges as fractions of the canvas, from 0 (left or top) to 1 (right or bottom). Such
# *relative coordinates* do not depend on the resolution.
#
# We split the digits first and make the canvases afterwards. So no digit of a validation or test
# canvas occurs in training, not even as clutter. The figure `canvases` shows ten training canvases
# and their true boxes.

# %%
train_digits, val_digits, train_classes, val_classes = train_test_split(
    digits, classes, test_size=0.1, random_state=lesson.seed, stratify=classes
)
random = np.random.default_rng(lesson.seed)
train_images, train_labels, train_boxes = make_canvases(train_digits, train_classes, 90_000, random)
val_images, val_labels, val_boxes = make_canvases(val_digits, val_classes, 6_000, random)
test_images, test_labels, test_boxes = make_canvases(test_digits, test_classes, 10_000, random)
lesson.save_figure("canvases", boxes_figure(train_images, train_labels, train_boxes))

# %% [markdown]
# ## 3 Define
# Both answers need the same knowledge: which strokes form a digit, and which are clutter. So, as in
# lesson 17, they share a trunk of layers, and each has a head of its own.
#
# The trunk has four convolutional layers. With `padding="same"`, a border of zeros keeps height and
# width from shrinking. But the first layer has *stride* 2: its window moves two pixels at a time,
# which halves both. The two pooling layers halve them again: 64, 32, 16, 8.
#
# For the class, it does not matter where the digit is. Its head has one more convolution, and then
# `GlobalMaxPooling2D`: of the 8x8 values of each channel, only the largest is kept. It tells
# whether a pattern occurs, but not where.
#
# The box depends on the place and the size of the digit. Its head begins with `Flatten`, which
# keeps the numbers of all places; each unit of the dense layer has a weight for each of them
# (exercise 3). The box is a regression (lesson 03) with four outputs; a sigmoid keeps each of them
# between 0 and 1.

# %%
keras.utils.set_random_seed(lesson.seed)
image = keras.Input((SIZE, SIZE, 1), dtype="uint8")
x = layers.Rescaling(1 / 255)(image)
x = layers.Conv2D(16, 5, strides=2, padding="same", activation="relu")(x)
x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
x = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
x = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)

what = layers.Conv2D(128, 3, padding="same", activation="relu")(x)
what = layers.GlobalMaxPooling2D()(what)
digit = layers.Dense(10, activation="softmax", name="digit")(what)

where = layers.Flatten()(x)
where = layers.Dense(128, activation="relu")(where)
box = layers.Dense(4, activation="sigmoid", name="box")(where)

model = keras.Model(image, {"digit": digit, "box": box})
model.summary()

# %% [markdown]
# ## 4 Compile
# The loss of the class is cross-entropy. The loss of the box is the mean absolute error (MAE) of
# its four edges: how far they are off, as a fraction of the canvas.
#
# The two losses have different scales. Before training, each class gets a probability of about 0.1,
# so the cross-entropy is about -log(0.1) = 2.3. An untrained sigmoid gives about 0.5, and the true
# edges are about 0.2 away from that. In a plain sum, the box would count little. So we give its
# loss the weight 10, and Keras minimizes class loss + 10 · box loss: both parts then start near 2.
#
# The learning rate falls from 0.001 to 0 along a cosine (lesson 16).

# %%
steps = math.ceil(len(train_images) / lesson.batch_size)  # in an epoch
rate = keras.optimizers.schedules.CosineDecay(0.001, lesson.epochs * steps)
model.compile(
    optimizer=keras.optimizers.Adam(rate),
    loss={"digit": "sparse_categorical_crossentropy", "box": "mae"},
    loss_weights={"digit": 1, "box": lesson.box_weight},
    metrics={"digit": "accuracy"},
    steps_per_execution=steps,  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit
# As in lesson 17, the targets are a dictionary; its keys are the names of the outputs.

# %%
history = model.fit(
    lesson.batches(train_images, {"digit": train_labels, "box": train_boxes}),
    validation_data=(val_images, {"digit": val_labels, "box": val_boxes}),
    validation_batch_size=500,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),  # progress bar, checkpoints
    verbose=0,
)

# %% [markdown]
# ## 6 Evaluate
# How good is a predicted box? The error of its edges alone does not tell: two pixels are little for
# a large digit and much for a small one. *Intersection over union* (IoU) compares areas instead:
#
#     IoU = area that both boxes cover / area that at least one of them covers
#
# It is 1 if the boxes are equal and 0 if they do not overlap, whatever their size. The intersection
# of two boxes is a box itself: its left edge is the larger of the two left edges, its right edge
# the smaller of the two right ones. The area of the union is the sum of both areas, minus that of
# the intersection.


# %%
def iou(boxes, others):
    """Return the IoU of boxes and others, both (n, 4), row by row: an array (n,), 0 to 1."""
    left_top = np.maximum(boxes[:, :2], others[:, :2])
    right_bottom = np.minimum(boxes[:, 2:], others[:, 2:])
    intersection = area(left_top, right_bottom)
    union = area(boxes[:, :2], boxes[:, 2:]) + area(others[:, :2], others[:, 2:]) - intersection
    return intersection / union


def area(left_top, right_bottom):
    """Return the areas of boxes; 0 if right <= left or bottom <= top: they do not overlap."""
    return np.clip(right_bottom - left_top, 0, None).prod(axis=1)


# %% [markdown]
# By convention, a box counts as correct if its IoU is at least 0.5. A *detection* is correct if
# both its box and its class are.
#
# Our baseline (lesson 03) ignores the image: it always predicts the mean of all training boxes.

# %%
answers = model.predict(test_images, batch_size=500, verbose=0)
predicted_labels, predicted_boxes = answers["digit"].argmax(axis=1), answers["box"]
correct = predicted_labels == test_labels
overlap = iou(test_boxes, predicted_boxes)
mean_boxes = np.broadcast_to(train_boxes.mean(axis=0), test_boxes.shape)
scores = {
    "test_accuracy": correct.mean(),
    "test_iou": overlap.mean(),
    "test_found": np.mean(correct & (overlap >= 0.5)),
    "test_iou_baseline": iou(test_boxes, mean_boxes).mean(),
}
errors = SIZE * np.abs(predicted_boxes - test_boxes).mean(axis=1)  # of the four edges [pixels]
heights = SIZE * (test_boxes[:, 3] - test_boxes[:, 1])  # of the digits [pixels]
for size, some in {"small": heights < 16, "large": heights >= 24}.items():
    scores[f"test_accuracy_{size}"] = correct[some].mean()
    scores[f"test_iou_{size}"] = overlap[some].mean()
    scores[f"edge_error_{size}"] = errors[some].mean()
lesson.save_figure("iou", iou_figure(overlap, heights))

# %% [markdown]
# <!-- results: lesson-23-scores -->
# Test canvases, median and range of 3 seeds:
#
# - accuracy of the class: 0.980 (0.979 to 0.981)
# - mean IoU: 0.864 (0.863 to 0.867); baseline 0.20
# - correct detections: 0.973 (0.972 to 0.973)
# <!-- end -->
#
# The figure `iou` shows that small digits have a lower IoU. Are their edges less precise?
#
# <!-- results: lesson-23-sizes -->
# Test canvases by height of the digit, median of 3 seeds:
#
# | height | accuracy | mean IoU | mean error of an edge |
# | --- | --- | --- | --- |
# | below 16 pixels | 0.949 | 0.78 | 0.75 pixels |
# | 24 pixels or more | 0.992 | 0.90 | 0.58 pixels |
# <!-- end -->
#
# Yes, but only a little. The main reason for the lower IoU is the size itself: one pixel is a
# larger part of a small box than of a large one (exercise 1).
#
# ## 7 Predict
# The figure `boxes` shows ten test canvases. Solid boxes are true, dashed ones predicted; the title
# gives the predicted digit and the IoU. The figure `worst` shows the ten boxes with the lowest IoU.
# Many of these predicted boxes lie between the digit and a fragment: unsure of the place, the
# network gives a compromise that fits neither.

# %%
titles = [
    f"{guess}, IoU {fit:.2f}" if guess == true else f"{guess} (is {true}), IoU {fit:.2f}"
    for guess, true, fit in zip(predicted_labels, test_labels, overlap, strict=True)
]
for name, shown in {"boxes": np.arange(10), "worst": overlap.argsort()[:10]}.items():
    above = [titles[i] for i in shown]
    drawn = boxes_figure(test_images[shown], above, test_boxes[shown], predicted_boxes[shown])
    lesson.save_figure(name, drawn)
lesson.finish(model, history, **scores)

# %% [markdown]
# ## Remember
# - Localization is regression: four outputs for the edges of a box, relative to the image.
# - The class does not depend on the place: pool over all places. The box does: flatten.
# - Losses on different scales need weights. To choose them, compare the losses of an untrained
#   network.
# - IoU compares two boxes by their areas: 1 is perfect, and a box counts as correct if it reaches
#   0.5.
#
# On your own data, try first: one trunk, a head for each answer, `"mae"` for the box, and weights
# with which both losses start alike. This works for one object per image. *Object detection* finds
# any number of them.

# %% [markdown]
# ## Exercises
# 1. A predicted box has the right size but lies one pixel too far right and one too low. What is
#    its IoU if the box has 10x10 pixels, and what if it has 30x30?
# 2. Weight both losses equally: `--box-weight 1`. What happens to the IoU and to the accuracy?
# 3. What does `GlobalMaxPooling2D` know of a digit's place? Compare its output with that of
#    `Flatten` for the same digit at two places.
#
# Solutions: notes/solutions/23_locate_and_classify.md
