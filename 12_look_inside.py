# %% [markdown]
"""
# 12 Look inside: what has the network learnt, and what if it learns nothing?

We take a network for digits apart: its layers and their sizes, its weights before and after
training, what its filters see, which pixels made it decide. Then we break it in four ways, each a
common mistake, and learn the symptoms.

Expect: test accuracy 0.986 (0.986 to 0.987), median and range of three seeds.

    python 12_look_inside.py
    python 12_look_inside.py --digit 4
    python 12_look_inside.py --mistakes rate_too_high
"""

# %%
from common.lesson import Flag, Lesson

MISTAKES = ("wrong_loss", "rate_too_high", "labels_shuffled", "unscaled_inputs")
lesson = Lesson(
    __doc__,
    epochs=3,
    batch_size=64,
    digit=Flag(7, "look closely at the first image of this digit", at_least=0, at_most=9),
    mistakes=Flag(MISTAKES, "make only these mistakes"),
)

import math
from importlib.util import find_spec
from shutil import which

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots
from common.introspection import diagram, input_gradients

# %% [markdown]
# ## 1 Load
# Handwritten digits, 28x28 grey pixels from 0 to 255.

# %%
(train_images, train_labels), (test_images, test_labels) = lesson.load("mnist")
train_images, test_images = train_images[..., np.newaxis], test_images[..., np.newaxis]

# %% [markdown]
# ## 2 Prepare
# A tenth of the training images is held out for validation. We will look closely at one image.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images, train_labels, test_size=0.1, random_state=lesson.seed, stratify=train_labels
)
train = lesson.batches(train_images, train_labels)
picture = test_images[test_labels == lesson.digit][:1].astype("float32")  # (1, 28, 28, 1)

# %% [markdown]
# ## 3 Define
# Two convolutions, each with pooling, and two dense layers. The table lists what a summary lists,
# and beside it the side of the image by formula. A window of k pixels that moves s pixels at a time
# fits floor((n - k) / s) + 1 times into a side of n pixels. A filter has k·k weights for each input
# channel, and a bias: 16·(3·3 + 1) = 160 parameters in the first convolution,
# 32·(3·3·16 + 1) = 4,640 in the second.


# %%
def build_model(scale=1 / 255):
    """Build the network; the same seed gives the same starting weights."""
    keras.utils.set_random_seed(lesson.seed)
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Rescaling(scale),
        layers.Conv2D(16, 3, activation="relu", name="conv_1"),
        layers.MaxPooling2D(2, name="pool_1"),
        layers.Conv2D(32, 3, activation="relu", name="conv_2"),
        layers.MaxPooling2D(2, name="pool_2"),
        layers.Flatten(),
        layers.Dense(64, activation="relu", name="dense"),
        layers.Dense(10, activation="softmax", name="answer"),
    ])


def side_by_formula(layer) -> int | None:
    """Compute the side of the output of a convolution or a pooling from that of its input."""
    if isinstance(layer, layers.Conv2D):
        window = layer.kernel_size[0]
    elif isinstance(layer, layers.MaxPooling2D):
        window = layer.pool_size[0]
    else:
        return None
    return (layer.input.shape[1] - window) // layer.strides[0] + 1


model = build_model()
rows = []
for layer in model.layers:
    expected = side_by_formula(layer)
    assert expected in (None, layer.output.shape[1])
    rows.append({
        "layer": layer.name,
        "kind": type(layer).__name__,
        "output": str(layer.output.shape[1:]),
        "side by formula": expected or "",
        "parameters": layer.count_params(),
    })
lesson.save_table("layers", pd.DataFrame(rows))
lesson.save_figure("diagram", diagram(model, "the network"))
if find_spec("pydot") and which("dot"):  # Keras' own drawing needs pydot, and Graphviz
    keras.utils.plot_model(model, lesson.folder / "plot_model.png", show_shapes=True)

# %% [markdown]
# ## 4 Compile

# %%
model.compile(
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # a whole epoch in one call: faster
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
# **Weights.** Before training they are spread evenly around 0. Training moves most of them a little
# and a few a lot; biases began at 0.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
print(f"test accuracy {test['accuracy']:.4f}")
untrained = build_model()  # as `model` was before
NAMES = ["conv_1", "conv_2", "dense", "answer"]
figure, axes = plt.subplots(2, 4, figsize=(10, 5), layout="constrained")
for column, name in enumerate(NAMES):
    for row, part in enumerate(["weights", "biases"]):
        first, last = (
            network.get_layer(name).get_weights()[row].ravel() for network in (untrained, model)
        )
        bins = np.histogram_bin_edges([*first, *last], 40)
        axes[row, column].hist(first, bins, alpha=0.6, label="before")
        axes[row, column].hist(last, bins, alpha=0.6, label="after")
        axes[row, column].set(title=f"{name}: {part}", yticks=[])
        if part == "biases":  # all began at 0: that bar would hide the others
            axes[row, column].set_ylim(top=1.1 * np.histogram(last, bins)[0].max())
axes[0, 0].legend()
lesson.save_figure("weights", figure)

# %% [markdown]
# **Filters and feature maps.** The sixteen filters of the first convolution, 3x3 weights each: dark
# ones are positive, light ones negative. Then what each made of the image, its *feature map*, dark
# where it is large. Some respond to edges on one side, some to strokes. The second convolution
# looks at the first one's maps, no longer at pixels.

# %%
features = keras.Model(
    model.inputs, [model.get_layer(name).output for name in ("conv_1", "conv_2")]
)
maps_1, maps_2 = features.predict(picture, verbose=0)  # (1, 26, 26, 16) and (1, 11, 11, 32)


def draw_grey(name, values, middle):
    """Draw images of shape (height, width, n); the largest value of each becomes black."""
    size = np.maximum(np.abs(values).max(axis=(0, 1)), 1e-9)
    grey = (middle + (255 - middle) * values / size).transpose(2, 0, 1)
    titles = [str(number) for number in range(len(grey))]
    lesson.save_figure(name, plots.image_grid(grey, titles, columns=8))


draw_grey("filters", model.get_layer("conv_1").get_weights()[0][:, :, 0], middle=127.5)  # 0 is grey
draw_grey("feature_maps_1", maps_1[0], middle=0)
draw_grey("feature_maps_2", maps_2[0], middle=0)

# %% [markdown]
# **Dead units.** A `relu` unit that is 0 for every image contributes nothing. The gradient of its
# own weights is 0 then: only a change in the layers before it can wake it. For how many of 1,000
# images is each unit of the dense layer above 0, before and after training?

# %%
alive = {}
for label, network in (("before", untrained), ("after", model)):
    dense = keras.Model(network.inputs, network.get_layer("dense").output)
    answers = dense.predict(test_images[:1000], batch_size=500, verbose=0)
    alive[label] = (answers > 0).mean(axis=0)
dead = {label: int((shares == 0).sum()) for label, shares in alive.items()}
print(f"units of the dense layer that are always 0: {dead['before']} before, {dead['after']} after")
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for label, shares in alive.items():
    axes.hist(shares, np.linspace(0, 1, 21), alpha=0.6, label=label)
axes.set(xlabel="share of pictures for which a unit is above 0", ylabel="units")
axes.legend(title="training")
lesson.save_figure("activations", figure)

# %% [markdown]
# **Which pixels mattered?** Two ways to ask. *Saliency*: how much does the answer change with each
# pixel? That is a gradient, with respect to the input instead of the weights. We ask about the
# score before softmax (the *logit*): where the network is sure, the probability is nearly 1 and
# hardly moves with any pixel. *Occlusion*: cover a square of 5x5 pixels, see how far the
# probability falls, and move the square. Bright pixels matter; the two outermost are never in the
# middle of a square.

# %%
answer = model.predict(picture, verbose=0)[0]
guess = int(answer.argmax())
scores = keras.Sequential([*model.layers[:-1], layers.Dense(10, name="scores")])  # no softmax
scores.build((None, 28, 28, 1))
scores.layers[-1].set_weights(model.layers[-1].get_weights())
saliency = np.abs(input_gradients(scores, picture, [guess]))[0, :, :, 0]
places = [(row, column) for row in range(24) for column in range(24)]
covered = np.repeat(picture, len(places), axis=0)
for image, (row, column) in zip(covered, places, strict=True):
    image[row : row + 5, column : column + 5] = 0
probabilities = model.predict(covered, batch_size=500, verbose=0)[:, guess].reshape(24, 24)
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for panel, values, title in [
    (axes[0], picture[0, :, :, 0], f"a {lesson.digit}, taken for a {guess} ({answer[guess]:.0%})"),
    (axes[1], saliency, "saliency: pixels that move the answer"),
    (axes[2], np.pad(answer[guess] - probabilities, 2), "occlusion: what the answer needs"),
]:
    panel.imshow(values, cmap="gray_r" if panel is axes[0] else "magma")
    panel.set_title(title, fontsize=9)
    panel.axis("off")
lesson.save_figure("pixels", figure)

# %% [markdown]
# ## 7 Predict
# What will a mistake look like? Four networks, each broken in one way; ten thousand images, three
# epochs. For ten classes a network that knows nothing has a loss of 2.30, the natural logarithm of
# 10, and is right in 10 % of the cases.
#
# - **Wrong loss**: the mean squared error between ten probabilities and the digit's *number*.
#   Labels of shape (n, 1) are compared with all ten at once, so nothing complains. The ten always
#   add up to 1, and then this loss is smallest when all are 0.1, whatever the image: the accuracy
#   stays near 10 %. Find it: say aloud what the loss compares.
# - **Rate too high**, 1 instead of 0.001: the loss jumps, or stays at 2.3 or above. Find it: try a
#   tenth of the learning rate, then a tenth of that.
# - **Labels shuffled**, as when images and labels are sorted separately: the loss stays near 2.30.
#   (Given many epochs, the network would memorize the wrong labels, and only validation would
#   tell.) Find it: show twenty images with their labels.
# - **Unscaled inputs**, 0 to 255 instead of 0 to 1: the first loss is far above 2.30, then it
#   falls. Find it: print the smallest and largest input.

# %%
CHANGES = {
    "as_it_should_be": {},
    "wrong_loss": {"loss": "mse"},
    "rate_too_high": {"rate": 1.0},
    "labels_shuffled": {"shuffled": True},
    "unscaled_inputs": {"scale": 1.0},
}


def fit_broken(
    name, loss="sparse_categorical_crossentropy", rate=0.001, shuffled=False, scale=1 / 255
):
    """Train a network with a mistake; return the cross-entropy and accuracy of each epoch."""
    network = build_model(scale)
    network.compile(
        keras.optimizers.Adam(rate),
        loss,
        metrics=["accuracy", keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")],
    )
    labels = train_labels[:10_000, np.newaxis]
    if shuffled:
        labels = np.random.default_rng(lesson.seed).permutation(labels)
    first = network.evaluate(train_images[:1000], labels[:1000], verbose=0, return_dict=True)
    fitted = network.fit(
        lesson.batches(train_images[:10_000], labels),
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name, progress=False),
        verbose=0,
    )
    return [[first[key], *fitted.history[key]] for key in ("cross_entropy", "accuracy")]


curves = {name: fit_broken(name, **CHANGES[name]) for name in ["as_it_should_be", *lesson.mistakes]}
rows = [
    {
        "network": name,
        "loss before": loss[0],
        "loss after": loss[-1],
        "accuracy after": accuracy[-1],
    }
    for name, (loss, accuracy) in curves.items()
]
lesson.save_table("broken", pd.DataFrame(rows).round(3))
figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for name, pair in curves.items():
    for panel, values in zip(axes, pair, strict=True):
        panel.plot(values, marker="o", label=name)
axes[0].axhline(math.log(10), color="gray", linestyle=":")
plots.log_scale(axes[0])
for panel, what in zip(axes, ("cross-entropy", "accuracy"), strict=True):
    panel.set(xlabel="epochs trained", ylabel=f"training {what}")
    panel.locator_params("x", integer=True)
axes[1].legend()
lesson.save_figure("broken", figure)
lesson.finish(
    model,
    history,
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
    dead_before=dead["before"],
    dead_after=dead["after"],
)

# %% [markdown]
# ## Exercises
# 1. Which pixels matter for a 4, and which for a 9? Compare the two figures.
# 2. How large is the output of a 5x5 convolution with strides 2 on an image of 28x28 pixels?
#    And with `padding="same"`?
# 3. A fifth mistake: all weights start at 0. What does the loss do, and why?
#
# Solutions: notes/solutions/12_look_inside.md
