# %% [markdown]
"""
# 15 The training loop: what does `fit` do?

Behind `model.fit` is a loop of a dozen lines. You will write it yourself, compile its step for
speed, and check that `fit` comes to the same result. You need such a loop when `fit` does not do
what you want: two networks that train against each other, several optimizers, an unusual update.

Here is its core in plain Keras and TensorFlow, for a `model` and `batches` of images and labels.
The *tape* records what is computed, and from the record it derives the gradient (lesson 07):

    loss_function = keras.losses.SparseCategoricalCrossentropy()
    optimizer = keras.optimizers.Adam()
    for epoch in range(5):
        for images, labels in batches:
            with tf.GradientTape() as tape:
                probabilities = model(images, training=True)
                loss = loss_function(labels, probabilities)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)

Expect: test accuracy 0.858 (0.857 to 0.862), median and range of three seeds.

    python 15_training_loop.py
    python 15_training_loop.py --epochs 10 --batch-size 128
"""

# %%
from frame import Lesson

# The helper from lesson 01. `GradientTape` is TensorFlow's, so this lesson needs that back-end.
lesson = Lesson(__doc__, epochs=5, batch_size=64, backends=("tensorflow",))

import time
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.model_selection import train_test_split

# %% [markdown]
# ## 1 Load
# The images of clothing and the ten classes of lesson 01.

# %%
CLASS_NAMES = ["T-shirt", "trouser", "pullover", "dress", "coat"]
CLASS_NAMES += ["sandal", "shirt", "sneaker", "bag", "ankle boot"]

(all_images, all_labels), (test_images, test_labels) = lesson.load("fashion_mnist")

# %% [markdown]
# ## 2 Prepare
# A tenth of the training images is set aside for validation. `train`, a `tf.data.Dataset`, holds
# the rest: a `for` loop over it visits every image once, in batches of 64. The next loop draws a
# new random order.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    all_images, all_labels, test_size=0.1, random_state=lesson.seed, stratify=all_labels
)
train = lesson.batches(train_images, train_labels)

# %% [markdown]
# ## 3 Define
# A small network with one hidden layer. We will train it several times, always from the same
# initial weights.
#
# A loop of your own does not need `compile`. We call it because `fit` and `evaluate`, with which we
# compare later, need it, and because it makes the optimizer.


# %%
def build_model(**options):
    """Build and compile the network; the same seed gives the same initial weights."""
    keras.utils.set_random_seed(lesson.seed)
    model = keras.Sequential([
        keras.Input((28, 28), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"], **options)
    return model


# %% [markdown]
# ## 4 Compile
# What `compile` takes as three words, the loop needs as objects:
#
# - a *loss*: here a function that returns the average cross-entropy of a batch;
# - an *optimizer*: `apply` changes every parameter according to its gradient;
# - *metrics*: objects with a memory. `update_state` adds a batch, `result` returns the average over
#   all batches since `reset_state`.
#
# One training step has four parts. In the *forward pass* the model computes probabilities from the
# images, and the tape records every operation. The loss says how wrong they are. In the *backward
# pass* (lesson 07) the tape computes the gradient of the loss for every parameter. Then the
# optimizer updates the parameters.
#
# `training=True` matters for layers that behave differently while training, such as `Dropout`. This
# network has none, but your next one may. If it has a penalty on its weights (lesson 04), your loop
# must add the penalty to the loss: write `loss += sum(model.losses)` inside the `with` block.

# %%
loss_function = keras.losses.SparseCategoricalCrossentropy()
mean_loss = keras.metrics.Mean()
accuracy = keras.metrics.SparseCategoricalAccuracy()


def train_step(model, images, labels):
    """Update the model's parameters and the two metrics with one batch."""
    with tf.GradientTape() as tape:
        probabilities = model(images, training=True)
        loss = loss_function(labels, probabilities)
    gradients = tape.gradient(loss, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    mean_loss.update_state(loss, sample_weight=len(labels))  # smaller batches count less
    accuracy.update_state(labels, probabilities)


# %% [markdown]
# ### Eager, or compiled to a graph?
# Called as it is, the function runs *eagerly*. `tf.function` makes a *graph* of it, which runs
# without Python (lesson 06). To compare, we train two copies of the network for 50 steps on the
# same batches, after five steps to warm up.

# %%
WARM_UP, TIMED = 5, 50
some_batches = list(train.repeat().take(WARM_UP + TIMED))  # a list: the same for both models


def step_ms(step, model):
    """Train the model on these batches; return the median time per step in milliseconds."""
    seconds = []
    for images, labels in some_batches:
        began = time.perf_counter()
        step(model, images, labels)
        seconds.append(time.perf_counter() - began)
    return 1000 * np.median(seconds[WARM_UP:])


eager_model, graph_model = build_model(), build_model()
eager_ms = step_ms(train_step, eager_model)
function_ms = step_ms(tf.function(train_step), graph_model)
difference = max(
    np.abs(one - other).max()
    for one, other in zip(eager_model.get_weights(), graph_model.get_weights(), strict=True)
)
print(f"time per training step: {eager_ms:.2f} ms eagerly, {function_ms:.2f} ms as a graph")
print(f"largest difference between their parameters after {len(some_batches)} steps:", difference)

# %% [markdown]
# <!-- results: lesson-15-speedup -->
# On two CPU cores the step that `tf.function` compiled was 22 (18 to 23) times as fast as the eager
# one (median and range of three runs).
# <!-- end -->
#
# Both copies learned the same, apart from rounding. Why is the graph so much faster? A network this
# small needs little arithmetic; most of the eager time is Python's, spent between the operations.
# `fit` compiles its step too.
#
# ## 5 Fit
# The loop around the step: epochs, batches, metrics, validation. The metrics are reset before each
# epoch, otherwise they would average over earlier epochs too. For validation there is no tape and
# no update, only a forward pass.
#
# *Callbacks* are objects that `fit` calls at fixed moments: at the beginning and end of training
# and of every epoch. In our own loop we call them: a `CallbackList` passes each call on to all of
# them. One of them, `History`, collects the `logs` of every epoch; `fit` returns it.

# %%
model = build_model()
fast_step = tf.function(train_step)
callbacks = keras.callbacks.CallbackList(
    lesson.callbacks(), add_history=True, model=model, epochs=lesson.epochs
)
callbacks.on_train_begin()
for epoch in range(lesson.first_epoch, lesson.epochs):  # from 0, unless a stopped run is resumed
    callbacks.on_epoch_begin(epoch)
    mean_loss.reset_state()
    accuracy.reset_state()
    for images, labels in train:
        fast_step(model, images, labels)
    logs = {"loss": float(mean_loss.result()), "accuracy": float(accuracy.result())}

    accuracy.reset_state()
    val_probabilities = model(val_images, training=False)
    accuracy.update_state(val_labels, val_probabilities)
    logs["val_loss"] = float(loss_function(val_labels, val_probabilities))
    logs["val_accuracy"] = float(accuracy.result())
    callbacks.on_epoch_end(epoch, logs)
    print(f"epoch {epoch + 1}:", ", ".join(f"{name} {value:.4f}" for name, value in logs.items()))
callbacks.on_train_end()

# %% [markdown]
# ## 6 Evaluate
# Is this really what `fit` does? We train one more copy with `fit`, from the same initial weights
# and with the same batches in the same order. Then we compare the two on the test images.

# %%
train = lesson.batches(train_images, train_labels)  # new batches start with the first epoch's order
by_fit = build_model()
by_fit.fit(train, epochs=lesson.epochs, verbose=0)
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
fit_test = by_fit.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
print(f"test accuracy: our loop {test['accuracy']:.4f}, fit {fit_test['accuracy']:.4f}")

# %% [markdown]
# The two agree up to rounding errors, which may change the answer for a few of the 10,000 images.
#
# ### Where does the time go?
# A step of this network needs some 10 million multiplications, which take a processor less than a
# millisecond. The rest is *overhead*: fetching a batch, calling TensorFlow from Python, starting
# each operation of the graph. Two arguments of `compile` reduce it. `steps_per_execution` makes one
# call of many steps, here of a whole epoch. `jit_compile=True` passes the graph of a step to the
# compiler *XLA*, which fuses its operations: there are fewer to start.
#
# We can go further and let XLA compile the whole epoch, batches included: the images are in memory
# anyway, and `tf.gather` takes the rows of a batch.


# %%
@tf.function(jit_compile=True)
def train_epoch(model, images, labels, order):
    """Take one step for each full batch, in the given order of the images."""
    size = lesson.batch_size
    for step in tf.range(len(order) // size):
        rows = tf.slice(order, [step * size], [size])
        train_step(model, tf.gather(images, rows), tf.gather(labels, rows))


def epoch_seconds(train_once):
    """Measure the second epoch: the first one also traces and compiles."""
    train_once()
    began = time.perf_counter()
    train_once()
    return time.perf_counter() - began


whole = {"steps_per_execution": len(train)}
ways = {"fit": {}, "fit_whole": whole, "fit_whole_xla": whole | {"jit_compile": True}}
seconds = {}
for name, options in ways.items():
    fit = partial(build_model(**options).fit, train, epochs=1, verbose=0)
    seconds[name] = epoch_seconds(fit)
in_memory = tf.constant(train_images), tf.constant(train_labels)
order = tf.random.shuffle(tf.range(len(train_images)))
seconds["one_program"] = epoch_seconds(partial(train_epoch, build_model(), *in_memory, order))
for name, value in seconds.items():
    print(f"{name}: {value:.2f} s per epoch")

# %% [markdown]
# <!-- results: lesson-15-ways -->
# Seconds per epoch on two CPU cores, median and range of 3 runs:
#
# | way | seconds |
# | --- | --- |
# | `fit` | 2.78 (1.60 to 2.81) |
# | `fit_whole`: all steps in one call | 0.91 (0.65 to 1.03) |
# | `fit_whole_xla`: also with XLA | 0.69 (0.64 to 0.94) |
# | `one_program`: the whole epoch with XLA | 0.20 (0.20 to 0.30) |
# <!-- end -->
#
# The larger the layers and the batches, the more time the arithmetic takes, and the less there is
# to gain. XLA on a CPU is slow at convolutions and random numbers, so it does not suit every
# network.
#
# ## 7 Predict
# A model trained by our loop is an ordinary Keras model. `predict` expects a batch, so a single
# image needs the shape (1, 28, 28).

# %%
image = test_images[0]
probabilities = model.predict(image[np.newaxis], verbose=0)[0]
best = probabilities.argmax()
print(f"prediction: {CLASS_NAMES[best]} ({probabilities[best]:.1%})")
print("true class:", CLASS_NAMES[test_labels[0]])
lesson.finish(
    model,
    model.history,
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
    test_accuracy_of_fit=fit_test["accuracy"],
    eager_step_ms=eager_ms,
    function_step_ms=function_ms,
    **{f"{name}_epoch_s": value for name, value in seconds.items()},
)

# %% [markdown]
# ## Remember
# - A training step: forward pass under a tape, loss, gradients, `optimizer.apply`.
# - Compile the step with `tf.function`. Reset the metrics before each epoch. Validate with
#   `training=False` and without a tape.
# - `fit` is this loop plus conveniences. Write your own only when you need what `fit` cannot do.
#
# For a model of your own, first try `fit`. If only the step is unusual, override the method
# `train_step` of `keras.Model` (exercise 3): `fit` then runs your step and keeps the rest.

# %% [markdown]
# ## Exercises
# 1. How does the gain of `tf.function` depend on the batch size? Compare `--batch-size 16` with
#    `--batch-size 1024`.
# 2. Remove the two lines `accuracy.reset_state()`. What do the printed accuracies mean now?
# 3. Write a subclass of `keras.Model` whose method `train_step(self, data)` is our step; `data` is
#    (images, labels) of a batch, and the step returns a dictionary of metrics. Train it with `fit`.
#
# Solutions: notes/solutions/15_training_loop.md
