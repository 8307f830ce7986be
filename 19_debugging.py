# %% [markdown]
"""
# 19 Debugging: why does my network not learn?

A program that trains a network can be wrong and still run: no error message, only a bad network.
You will break a network in four ways, each a common mistake, and predict the symptoms before you
see them. Three checks find most such mistakes: look at twenty examples, compare the loss with that
of guessing, and train on the twenty examples alone.

Expect: test accuracy 0.968 (0.966 to 0.969) without a mistake, median and range of three seeds.

    python 19_debugging.py
    python 19_debugging.py --mistakes rate_too_high
"""

# %%
from frame import Flag, Lesson

MISTAKES = ("wrong_loss", "rate_too_high", "labels_shuffled", "unscaled_inputs")
lesson = Lesson(
    __doc__, epochs=3, batch_size=64, mistakes=Flag(MISTAKES, "try only these mistakes")
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
# The handwritten digits of lesson 12 (MNIST), again as images with one channel.

# %%
(all_images, all_labels), (test_images, test_labels) = lesson.load("mnist")
all_images, test_images = all_images[..., np.newaxis], test_images[..., np.newaxis]

# %% [markdown]
# ## 2 Prepare
# A tenth is held out for validation. Of the rest, 10,000 images are enough to see whether a network
# learns. The labels get the shape (n, 1), which one of the mistakes needs.
#
# **First check: look at what goes into the network.** Are the shapes and the range of the values
# what you expect? Is a value missing (`nan`, *not a number*)? Does each image have the right label?
# The figure `examples` shows twenty of them.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    all_images, all_labels, test_size=0.1, random_state=lesson.seed, stratify=all_labels
)
images, true_labels = train_images[:10_000], train_labels[:10_000, np.newaxis]
val_labels = val_labels[:, np.newaxis]
print("images:", images.shape, "labels:", true_labels.shape)
print("pixels from", images.min(), "to", images.max(), "- any NaN:", np.isnan(images).any())
titles = [str(label) for label in true_labels[:20, 0]]
lesson.save_figure("examples", plots.image_grid(images[:20, :, :, 0], titles))

# %% [markdown]
# ## 3 Define
# The network of lesson 12. Its weights start as small random numbers. Why not all at the same
# value? Then all units of a layer would compute the same number and get the same gradient. They
# would stay alike forever, and 64 units could do no more than one. Random weights *break this
# symmetry*.
#
# **Second check: what would guessing give?** A network that knows nothing gives each of n classes
# the probability 1/n, so its loss is -log(1/n) = log(n). If the classes are equally frequent, its
# accuracy is 1/n. With ten classes that is 2.30 and 10%. An untrained network should start near
# that; one that stays there has learned nothing.


# %%
def build_model():
    """Build the network; the same seed gives the same initial weights."""
    keras.utils.set_random_seed(lesson.seed)
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])


# %% [markdown]
# ## 4 Compile
# Here are the four mistakes. Each is a line that is easy to write:
#
# - **Wrong loss**: `"mse"`, the mean squared error, left over from a regression.
# - **Rate too high**: a learning rate of 1 instead of 0.001.
# - **Labels shuffled**, but not the images, as when the two are sorted separately.
# - **Unscaled inputs**: `Rescaling` is forgotten, so pixels go from 0 to 255 instead of 0 to 1.
#
# **Predict before you read on.** For each mistake: is the loss near 2.30 before training? Where are
# loss and accuracy after three epochs? Could the network memorize twenty images?
#
# To compare the networks, we measure the cross-entropy of all of them, as a metric.

# %%
CROSS_ENTROPY = "sparse_categorical_crossentropy"


def make(mistake):
    """Build and compile a network with one mistake; return it and its training labels."""
    model, labels = build_model(), true_labels
    optimizer, loss = keras.optimizers.Adam(0.001), CROSS_ENTROPY
    if mistake == "wrong_loss":
        loss = "mse"
    if mistake == "rate_too_high":
        optimizer = keras.optimizers.Adam(1.0)
    if mistake == "labels_shuffled":
        labels = np.random.default_rng(lesson.seed).permutation(labels)
    if mistake == "unscaled_inputs":  # the same layers without the first one, `Rescaling`
        model = keras.Sequential([keras.Input((28, 28, 1)), *model.layers[1:]])
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy", CROSS_ENTROPY])
    return model, labels


# %% [markdown]
# ## 5 Fit
# **Third check: overfit one small batch.** Before you train for hours, train on twenty images alone
# until the loss is nearly 0. A network with thousands of parameters can memorize the labels of
# twenty images, whatever they are. If it cannot, more data will not help: the fault is in the code.
# `train_on_batch` makes one step with one batch.

# %%
names, on_twenty = ["as_it_should_be", *lesson.mistakes], {}
for name in names:
    model, labels = make(name)
    on_twenty[name] = []
    for _ in range(100):
        model.reset_metrics()  # otherwise the metric is the mean of all steps so far
        step = model.train_on_batch(images[:20], labels[:20], return_dict=True)
        on_twenty[name].append(float(step[CROSS_ENTROPY]))
    print(f"{name}: cross-entropy {on_twenty[name][-1]:.4f} after 100 steps on twenty images")

# %% [markdown]
# Now each network from the start again, on all 10,000 images.

# %%
models, histories, curves = {}, {}, {}
for name in names:
    print(f"\n{name}")
    model, labels = make(name)
    first = model.evaluate(images[:1000], labels[:1000], verbose=0, return_dict=True)
    history = model.fit(
        lesson.batches(images, labels),
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name),
        verbose=0,
    )
    models[name], histories[name] = model, history
    curves[name] = [[first[key], *history.history[key]] for key in (CROSS_ENTROPY, "accuracy")]

# %% [markdown]
# ## 6 Evaluate
# The validation images keep their true labels, whatever a network was trained with.

# %%
rows = []
for name, (loss, accuracy) in curves.items():
    val = models[name].evaluate(
        val_images, val_labels, batch_size=1000, verbose=0, return_dict=True
    )
    rows.append((name, loss[0], on_twenty[name][-1], loss[-1], accuracy[-1], val["accuracy"]))
columns = ["network", "loss before", "loss on twenty"]
columns += ["loss after", "accuracy after", "validation accuracy"]
lesson.save_table("broken", pd.DataFrame(rows, columns=columns).round(3))
test = models["as_it_should_be"].evaluate(
    test_images, test_labels[:, np.newaxis], batch_size=1000, verbose=0, return_dict=True
)

figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for name, (loss, _) in curves.items():
    for panel, values in zip(axes, (on_twenty[name], loss), strict=True):
        panel.plot(values, label=name.replace("_", " "))
for panel in axes:
    panel.axhline(math.log(10), color="gray", linestyle=":", label="guessing: 2.30")
    plots.log_scale(panel)
axes[0].set(xlabel="step", ylabel="cross-entropy", title="twenty images alone")
axes[1].set(xlabel="epochs trained", title="all images")
axes[1].locator_params("x", integer=True)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
lesson.save_figure("broken", figure)

# %% [markdown]
# Were your predictions right? Cross-entropy and accuracy, medians of three seeds:
#
# <!-- results: lesson-19-broken -->
# | network           | loss before | on twenty | loss after | accuracy | validation accuracy |
# | ----------------- | ----------- | --------- | ---------- | -------- | ------------------- |
# | `as_it_should_be` | 2.31        | 0.001     | 0.13       | 0.962    | 0.964               |
# | `wrong_loss`      | 2.31        | 2.302     | 2.30       | 0.099    | 0.101               |
# | `rate_too_high`   | 2.31        | 2.069     | 2.35       | 0.102    | 0.112               |
# | `labels_shuffled` | 2.31        | 0.002     | 2.30       | 0.118    | 0.089               |
# | `unscaled_inputs` | 44.17       | 0.000     | 0.15       | 0.956    | 0.937               |
# <!-- end -->
#
# - **Wrong loss.** Shapes (n, 10) and (n, 1) are *broadcast*, so nothing complains: each of the ten
#   probabilities is compared with the label, a number such as 7. As the ten always sum to 1, they
#   cannot all come nearer to 7. The loss is smallest if each is 0.1, whatever the image
#   (notes/losses_and_outputs.md shows why). The third check finds this mistake.
# - **Rate too high.** The loss jumps far up in the first steps, then stays near that of guessing.
#   The third check finds it.
# - **Labels shuffled.** The loss stays near 2.30 without a jump: what fits one image does not hold
#   for the next. But twenty wrong labels are memorized as easily as true ones, so the third check
#   finds nothing. Only the first shows the mistake: in a figure such as `examples`, drawn with
#   these labels, you would see it at once.
# - **Unscaled inputs.** The first loss is far above 2.30. Only the second check finds that. (The
#   first prints 0 to 255 here in any case, since rescaling is a layer of the network.) The network
#   recovers and nearly catches up, which makes this mistake easy to miss.
#
# And if the loss becomes `nan`? Look for `nan` in the inputs, then divide the learning rate by ten.
#
# ## 7 Predict
# Look at predictions, too. Which probabilities does each network give to the first test image, and
# by how much does a probability differ between 1,000 images?

# %%
print(f"the first test image is a {test_labels[0]}; probabilities of the digits 0 to 9:")
for name, model in models.items():
    probabilities = model.predict(test_images[:1000], batch_size=500, verbose=0)
    spread = np.ptp(probabilities, axis=0).max()  # the largest minus the smallest
    print(f"{name:>15}: {probabilities[0].round(2)}, differ by up to {spread:.2f}")
lesson.finish(
    models["as_it_should_be"],
    histories["as_it_should_be"],
    training="as_it_should_be",
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
)

# %% [markdown]
# The intact network is sure. The wrong loss taught its network to answer 0.1 for every class. With
# the high rate, all images get the same answer: every unit of the last hidden layer is dead (lesson
# 12), so only the biases of the output layer count.
#
# ## Remember
# - Know what guessing gives: with n equally frequent classes, a loss of log(n) and an accuracy of
#   1/n. A network whose loss stays there has learned nothing.
# - A network must be able to memorize twenty examples. If it cannot, look for a bug in the code.
# - With wrong labels, too, the first loss is near log(n) and twenty examples are memorized; then
#   the loss on all stays high. Only a look at the examples shows why.
#
# If your own network does not learn, try in this order, one thing at a time:
#
# 1. Print the shapes and the range of the inputs, look for `nan`, show twenty examples with labels.
# 2. Compare the loss before training with log(n). If it is far above, scale the inputs.
# 3. Train on the twenty examples until the loss is nearly 0. If it stays high, try a tenth of the
#    learning rate; then check the last activation and the loss (notes/losses_and_outputs.md).
# 4. Train on all examples. If the training loss falls but the validation loss stays high, the
#    network overfits (lesson 04).

# %% [markdown]
# ## Exercises
# 1. A fifth mistake: all weights start at the same value, 0 or 0.05. What does the loss do, and how
#    many different units has the first layer after training?
# 2. Can the network memorize 10,000 wrong labels? Run `--mistakes labels_shuffled --epochs 40` and
#    compare training and validation accuracy.
# 3. A sixth mistake: one number in the inputs is `nan`. What becomes of the loss and the weights?
#
# Solutions: notes/solutions/19_debugging.md
