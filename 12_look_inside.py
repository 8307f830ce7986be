# %% [markdown]
"""
# 12 Look inside: what has the network learned?

A trained network consists of thousands of numbers, but you can find out what they do. You will open
a small network for digits: the sizes of its layers, its weights before and after training, what its
filters respond to, and which pixels decide its answer.

Expect: test accuracy 0.986 (0.985 to 0.987), median and range of three seeds.

    python 12_look_inside.py
    python 12_look_inside.py --digit 4
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=3,
    batch_size=64,
    digit=Flag(7, "inspect the first test image of this digit", at_least=0, at_most=9),
)

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common.introspection import diagram, input_gradients
from inspection.figures import activations_figure, maps_figure, pixels_figure, weights_figure

# %% [markdown]
# ## 1 Load
# MNIST: images of handwritten digits, 28x28 gray pixels from 0 (background) to 255 (ink). A
# convolution expects one more axis, the *channels* (a color image has three): the shape becomes
# (images, 28, 28, 1).

# %%
(images, labels), (test_images, test_labels) = lesson.load("mnist")
images, test_images = images[..., np.newaxis], test_images[..., np.newaxis]

# %% [markdown]
# ## 2 Prepare
# A tenth of the training images is held out for validation. `picture` is the one test image that we
# will look at closely.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    images, labels, test_size=0.1, random_state=lesson.seed, stratify=labels
)
train = lesson.batches(train_images, train_labels)
picture = test_images[test_labels == lesson.digit][:1].astype("float32")  # (1, 28, 28, 1)

# %% [markdown]
# ## 3 Define
# A *convolution* slides a small window over the image. At each position it computes a weighted sum
# of the pixels in the window and adds a bias. One set of weights is a *filter*; it is the same at
# every position (*weight sharing*). `Conv2D(16, 3)` has 16 filters with windows of 3x3 pixels. Each
# makes a new image, its *feature map*, in which `relu` replaces negative values by 0. *Max pooling*
# then keeps the largest of every 2x2 numbers, which halves height and width. The dense layers at
# the end are those of lesson 01.
#
# **Size.** A window of k pixels moves s pixels at a time, its *stride*. It fits
# floor((n - k) / s) + 1 times into a side of n pixels. The first convolution (k = 3, s = 1) makes
# 28 into 26, pooling (k = 2, s = 2) makes that 13.
#
# **Parameters.** A filter has k·k weights for each input channel, and a bias: 16·(3·3·1 + 1) = 160
# in the first convolution. The second gets the 16 maps as its channels: 32·(3·3·16 + 1) = 4,640.
# `model.summary()` lists the output shapes and the parameters of all layers: compare them.
#
# **Receptive field.** The part of the image that one number in a map depends on is its *receptive
# field*: 3x3 pixels in `conv_1`, 4x4 after pooling, and 8x8 in `conv_2`: it looks at 3x3 pooled
# numbers, whose parts of the image are 2 pixels apart, so 4 + 2 + 2 = 8
# (notes/convolutional_networks.md). Each layer sees more of the image than the one before, and can
# respond to larger shapes.


# %%
def build_model():
    """Build the network; the same seed gives the same initial weights."""
    keras.utils.set_random_seed(lesson.seed)
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, activation="relu", name="conv_1"),
        layers.MaxPooling2D(2, name="pool_1"),
        layers.Conv2D(32, 3, activation="relu", name="conv_2"),
        layers.MaxPooling2D(2, name="pool_2"),
        layers.Flatten(),
        layers.Dense(64, activation="relu", name="dense"),
        layers.Dense(10, activation="softmax", name="answer"),
    ])


model = build_model()
model.summary()
lesson.save_figure("diagram", diagram(model, "the network"))

# %% [markdown]
# ## 4 Compile
# The loss is the cross-entropy of lesson 01.

# %%
model.compile(
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # return to Python once per epoch: faster
)

# %% [markdown]
# ## 5 Fit

# %%
history = model.fit(
    train,
    validation_data=(val_images, val_labels),
    validation_batch_size=1000,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),
    verbose=2,
)

# %% [markdown]
# ## 6 Evaluate
# **Weights.** `get_layer(name).get_weights()` returns a layer's weights and biases as arrays.
# Before training, weights are random, uniformly distributed around 0, and biases are 0. The figure
# `weights` shows histograms of them: most weights move a little during training, a few move far. A
# layer whose histogram has not changed at all has not learned; if its weights have grown huge, the
# learning rate is too high.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
print(f"test accuracy {test['accuracy']:.4f}")
untrained = build_model()  # as `model` was before training
histograms = weights_figure(untrained, model, ["conv_1", "conv_2", "dense", "answer"])
lesson.save_figure("weights", histograms)

# %% [markdown]
# **Filters and feature maps.** What do the inner layers compute? `keras.Model(inputs, outputs)` may
# end at any layer: we make a second model whose outputs are those of the two convolutions. It
# shares the trained weights.
#
# The first figure shows the 16 filters of `conv_1`: dark weights are positive, light ones negative.
# A filter with dark weights on one side and light ones on the other responds to *edges*, where ink
# begins or ends. The next figure shows what each filter makes of the image, dark where the number
# is large. Some maps show mainly the horizontal stroke of the 7, others mainly the slanted one. The
# maps of `conv_2` combine those of `conv_1` and are harder to read.

# %%
features = keras.Model(
    model.inputs, [model.get_layer(name).output for name in ("conv_1", "conv_2")]
)
maps_1, maps_2 = features.predict(picture, verbose=0)  # (1, 26, 26, 16) and (1, 11, 11, 32)
filters = model.get_layer("conv_1").get_weights()[0]  # (3, 3, 1, 16): for one input channel
# `middle` is how dark a 0 is drawn: from 0, white, to 255, black.
lesson.save_figure("filters", maps_figure(filters[:, :, 0], middle=127.5))
lesson.save_figure("feature_maps_1", maps_figure(maps_1[0], middle=0))
lesson.save_figure("feature_maps_2", maps_figure(maps_2[0], middle=0))

# %% [markdown]
# **Dead units.** If the weighted sum of a `relu` unit is negative for every image, the unit always
# outputs 0: it is *dead*. It cannot recover by itself: `relu` is flat below 0, so the gradient of
# the unit's own weights is 0. (Only a change in the layers before can revive it.) To find dead
# units in the dense layer, we count for what fraction of 1,000 test images each unit is above 0.

# %%
alive = {}
for label, network in (("before", untrained), ("after", model)):
    dense = keras.Model(network.inputs, network.get_layer("dense").output)
    outputs = dense.predict(test_images[:1000], batch_size=500, verbose=0)
    alive[label] = (outputs > 0).mean(axis=0)
dead = {label: int((shares == 0).sum()) for label, shares in alive.items()}
print(f"dead units in the dense layer: {dead['before']} before, {dead['after']} after training")
lesson.save_figure("activations", activations_figure(alive))

# %% [markdown]
# <!-- results: lesson-12-dead-units -->
# Of the 64 units, 3 (2 to 4) were dead before training and 15 (11 to 22) after it (median and range
# of 3 seeds).
# <!-- end -->
#
# Training kills some units: a large step can push a unit's sum below 0 for every image. If most
# units of a layer die, lower the learning rate, or replace `relu` by `leaky_relu`, which is not
# flat below 0.
#
# ## 7 Predict
# Which digit does the network see in `picture`, and which pixels mattered for that?
#
# A *saliency map* is a gradient: how much does the score of the predicted class change with each
# pixel? The score is the number before softmax, the *logit*. The probability would not do: where
# the network is sure, it is nearly 1 and hardly changes with any pixel. So the code makes a second
# model, `logits`, without softmax.
#
# The gradient is now with respect to the input instead of the weights. With TensorFlow's tape
# (lesson 07) you would write this (the next cell defines `logits` and `guess`):
#
#     pixels = tf.constant(picture)
#     with tf.GradientTape() as tape:
#         tape.watch(pixels)  # by itself, the tape watches only variables
#         score = logits(pixels)[0, guess]
#     gradient = tape.gradient(score, pixels)  # a number for each pixel
#
# Our helper `input_gradients` (common/introspection.py) computes the same with any back-end. We
# ignore the signs: bright pixels in the figure matter most. Does the network look at the digit or
# at the background? To see that, we compute what fraction of the saliency lies on ink.
#
# *Occlusion* asks another question: cover a square of 5x5 pixels with background, and see how far
# the probability falls. (Here the probability will do, because covering 25 pixels is a large
# change.) Move the square and repeat. Each fall is drawn at the square's center.

# %%
probability = model.predict(picture, verbose=0)[0]
guess = int(probability.argmax())
print(f"a {lesson.digit}, classified as {guess} with probability {probability[guess]:.3f}")
logits = keras.Sequential([*model.layers[:-1], layers.Dense(10, name="logits")])
logits.build((None, 28, 28, 1))  # creates the new layer's weights
logits.layers[-1].set_weights(model.layers[-1].get_weights())
saliency = np.abs(input_gradients(logits, picture, [guess]))[0, :, :, 0]

corners = [(row, column) for row in range(24) for column in range(24)]  # of the squares
covered = np.repeat(picture, len(corners), axis=0)
for image, (row, column) in zip(covered, corners, strict=True):
    image[row : row + 5, column : column + 5] = 0
probabilities = model.predict(covered, batch_size=500, verbose=0)[:, guess].reshape(24, 24)
fall = np.pad(probability[guess] - probabilities, 2)  # no square has its center in this border

ink = picture[0, :, :, 0] > 0
rows = [(ink.mean(), saliency[ink].sum() / saliency.sum(), fall.max())]
columns = [
    "ink",  # fraction of the pixels that have ink
    "on_ink",  # fraction of the saliency that lies on ink
    "fall",  # largest drop in the probability
]
lesson.save_table("pixels", pd.DataFrame(rows, columns=columns).round(3))
title = f"a {lesson.digit}, classified as {guess} ({probability[guess]:.0%})"
lesson.save_figure("pixels", pixels_figure(picture[0, :, :, 0], saliency, fall, title))
lesson.finish(
    model,
    history,
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
    dead_before=dead["before"],
    dead_after=dead["after"],
)

# %% [markdown]
# <!-- results: lesson-12-pixels -->
# In the image of the 7, ink covers 15% of the pixels and gets 39% of the saliency. Covering the
# square that matters most lowers the probability of the 7 by 0.03 (0.00 to 0.18); medians and range
# of 3 seeds.
# <!-- end -->
#
# So ink gets more than its share of the saliency, but more than half lies on background: ink there
# would change the score, too. Occlusion can only remove ink that is there. No single square
# decides: without it, enough of the 7 is left. Neither method is a full explanation; use both.
#
# A third method, *Grad-CAM*, shows regions instead of single pixels (exercise 3). It takes the
# gradient of the score with respect to the feature maps of the last convolution. The gradient's
# average over a map tells how strongly this map speaks for the class. Grad-CAM multiplies each map
# by that number, adds them up, and replaces negative sums by 0.
#
# ## Remember
# - A model that ends at an inner layer, `keras.Model(inputs, outputs)`, shows what it computes.
# - Convolutions see more of the image layer by layer: the receptive field grows.
# - A saliency map shows to which pixels the score is sensitive; occlusion, how far the probability
#   falls when a part of the image is covered.
#
# For a network of your own, first compare the shapes and the parameters in `model.summary()` with
# what you expect.

# %% [markdown]
# ## Exercises
# 1. Which pixels matter for a 4, and which for a 9? Compare the two figures.
# 2. How large is the output of a 5x5 convolution with strides 2 on an image of 28x28 pixels? And
#    with `padding="same"`, which puts a border of zeros around the image? (With strides 1, the
#    output is then as large as the image.)
# 3. Compute Grad-CAM for the image of the 7. `input_gradients` works for a part of a network as
#    well: the layers after `conv_2`.
#
# Solutions: notes/solutions/12_look_inside.md
