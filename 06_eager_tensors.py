# %% [markdown]
"""
# 06 Tensors: what do the numbers inside a network live in?

Images, weights, probabilities: all numbers in a network live in *tensors*, arrays that TensorFlow
computes with. You will learn to make them, combine them and compute with them fast, and then train
a classifier of handwritten digits by your own arithmetic.

Here is that training, one step per batch, without any layer. `images` has a row of 784 pixels for
each digit and `labels` a one-hot row, 1 for the right class and 0 for the others; `weights` and
`biases` are variables. The lesson explains every line.

    for images, labels in batches:
        powers = tf.exp(images @ weights + biases)
        probabilities = powers / tf.reduce_sum(powers, axis=1, keepdims=True)
        error = (probabilities - labels) / len(labels)
        weights.assign_sub(0.1 * tf.transpose(images) @ error)
        biases.assign_sub(0.1 * tf.reduce_sum(error, axis=0))

Expect: test accuracy 0.923 (0.922 to 0.924), median and range of three seeds.

    python 06_eager_tensors.py
    python 06_eager_tensors.py --epochs 20 --learning-rate 0.1
"""

# %%
from common.lesson import Lesson, expect_error

lesson = Lesson(__doc__, epochs=10, batch_size=32, learning_rate=0.1, backends=("tensorflow",))

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from sklearn.model_selection import train_test_split

# %% [markdown]
# ## 1 Load
# Images of handwritten digits, 28x28 pixels, with their labels 0 to 9. We need them in the second
# half of the lesson.

# %%
(train_images, train_labels), (test_images, test_labels) = lesson.load("mnist")

# %% [markdown]
# # Tensors
#
# ## Shape, rank and dtype
# A single number, a row of numbers, a table: all are tensors. The *shape* of a tensor is its length
# along each *axis*; the number of axes is its *rank*. A table of three rows and two columns has the
# shape (3, 2) and rank 2; axis 0 runs down the rows, axis 1 along the columns. The *dtype* is the
# type of its numbers. TensorFlow makes Python floats float32 and Python integers int32.

# %%
scalar = tf.constant(2)
vector = tf.constant([1.0, 2.0])
matrix = tf.constant([[1, 2], [3, 4], [5, 6]])
for tensor in (scalar, vector, matrix):
    print(f"shape {tensor.shape}, rank {tensor.ndim}, {tensor.dtype.name}")

# %% [markdown]
# NumPy converts dtypes when you mix them; TensorFlow refuses. Convert with `tf.cast`, which drops
# the decimals on the way to integers. (`expect_error` is a small helper: it prints the error that
# its block raises, and the lesson goes on.)

# %%
with expect_error(tf.errors.InvalidArgumentError, TypeError):
    tf.constant(1) + tf.constant(1.0)
print("2.9 cast to int32:", tf.cast(2.9, tf.int32).numpy())

# %% [markdown]
# ## Eager execution
# TensorFlow computes *eagerly*: every line has its result as soon as it has run. So you can print a
# tensor, and use it in Python's own `if`, `for` and `while`.

# %%
number = tf.constant(27)
if number % 2 == 1:
    print("27 is odd; 3 times 27 plus 1 is", (3 * number + 1).numpy())

# %% [markdown]
# ## To NumPy and back
# `tf.constant` turns an array into a tensor and `.numpy()` turns a tensor into an array. Both copy,
# so a later change of the array does not reach the tensor. The dtype is kept: NumPy's default,
# float64, stays float64.

# %%
array = np.array([1.0, 2.0, 3.0])
tensor = tf.constant(array)
array[0] = 99
print("array:", array, "tensor:", tensor.numpy(), tensor.dtype.name)

# %% [markdown]
# ## Variables
# A tensor cannot be changed: it is *immutable*. `tensor + 1` is a new tensor. But the weights of a
# network must change in training, so they are *variables*: a `tf.Variable` holds a tensor that you
# can replace (`assign`), add to (`assign_add`) or subtract from (`assign_sub`). Only its shape and
# dtype stay.

# %%
with expect_error(TypeError):
    tensor[0] = 5
variable = tf.Variable([1.0, 2.0])
variable.assign_add([10.0, 10.0])
print("variable:", variable.numpy())
with expect_error(ValueError):
    variable.assign([1.0, 2.0, 3.0])

# %% [markdown]
# ## Index and reshape
# Indices and slices work as in NumPy: they count from 0, a negative index counts from the end, and
# `:` means the whole axis. `reshape` fills another shape with the same numbers in the same order;
# one length may be -1, "whatever fits". `transpose` swaps rows and columns.

# %%
table = tf.reshape(tf.range(12.0), (3, -1))
print("table:", table.numpy(), sep="\n")
print("first row, last column:", table[0, -1].numpy())
print("second column:", table[:, 1].numpy())
print("first row after reshape to (4, 3):", tf.reshape(table, (4, 3))[0].numpy())
print("first row after transpose:", tf.transpose(table)[0].numpy())

# %% [markdown]
# ## Reduce
# A *reduction* such as `tf.reduce_sum`, `reduce_mean` or `reduce_max` combines all numbers into
# one. With `axis=0` it combines the rows, and one number per column is left. `keepdims=True` keeps
# the reduced axis, with length 1. `argmax` returns not the largest number but its index: that is
# how ten probabilities become a predicted class.

# %%
print("sum:", tf.reduce_sum(table).numpy(), "of each column:", tf.reduce_sum(table, axis=0).numpy())
print("largest of each row:", tf.reduce_max(table, axis=1).numpy())
print("shape with keepdims:", tf.reduce_max(table, axis=1, keepdims=True).shape)
print("index of the largest in the first row:", tf.argmax(table[0]).numpy())

# %% [markdown]
# ## Multiply
# `*` multiplies number by number. `@` is the *matrix product*, the workhorse of neural networks:
# the result in row i and column j combines row i of the left with column j of the right. Multiply
# their first numbers, their second numbers and so on, and add the products. So the left must have
# as many columns as the right has rows.

# %%
left = tf.constant([[1.0, 2.0], [3.0, 4.0]])
right = tf.constant([[0.0, 1.0], [1.0, 0.0]])
print("left * right:", (left * right).numpy().tolist())
print("left @ right:", (left @ right).numpy().tolist())  # 1·0 + 2·1 = 2, 1·1 + 2·0 = 1, ...

# %% [markdown]
# ## Broadcasting
# What if the shapes differ, as when ten biases are added to each row of a batch? TensorFlow
# compares the shapes from the right. Two lengths fit if they are equal, or if one of them is 1 or
# missing; then the shorter tensor is repeated along that axis. This is called *broadcasting*.

# %%
column, row = tf.constant([[10.0], [20.0], [30.0]]), tf.constant([1.0, 2.0, 3.0, 4.0])
print("(3, 1) + (4,) gives (3, 4):", (column + row).numpy(), sep="\n")
with expect_error(tf.errors.InvalidArgumentError):
    table + tf.constant([1.0, 2.0, 3.0])  # (3, 4) and (3,): 4 is not 3

# %% [markdown]
# `keras.ops` has these operations for all back-ends, TensorFlow, JAX and PyTorch, mostly under
# NumPy's names: `ops.reshape`, `ops.sum`, `ops.matmul`. Text, rows of different lengths, sparse
# data, random numbers and GPUs are in [notes/tensors.md](notes/tensors.md).
#
# ## tf.function: from eager to a graph
# Eager execution is convenient, but between any two operations Python has to run. `tf.function`
# avoids that. At the first call it *traces* your function: it runs it once, with placeholders
# instead of numbers, and records the operations as a *graph*. Later calls run the graph, without
# your Python code. So a Python `print`, or the `append` below, happens only while tracing.
#
# A graph is made for one shape and dtype. Others are traced again, and so is every new *Python*
# number: pass tensors.

# %%
traces = []


@tf.function
def double(x):
    traces.append(x)  # Python: runs only while tracing
    return 2 * x


for x in (tf.constant(1.0), tf.constant(2.0), tf.constant([1.0, 2.0]), 3, 4, 4):
    double(x)
    print(f"double({x}): traced {len(traces)} times so far")

# %% [markdown]
# ## How fast is it?
# As an example we compute cube roots by Newton's method: start with a guess, improve it 20 times by
# a formula, 140 small operations in all. We do it with NumPy, eagerly, and as a graph, for arrays
# of ten to a million numbers. Each time is the median of several calls, after one call to warm up.


# %%
def cube_root(x):
    """Compute the cube roots of an array or tensor of numbers from 1 to 10."""
    root = x
    for _ in range(20):
        root = root - (root * root * root - x) / (3 * root * root)
    return root


def median_ms(function, x, calls):
    """Call once to warm up, then time each call; return the median in milliseconds."""
    function(x)
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        function(x)
        seconds.append(time.perf_counter() - began)
    return 1000 * np.median(seconds)


graph = tf.function(cube_root)
rows = []
for size in (10, 1_000, 100_000, 1_000_000):
    x = np.linspace(1, 10, size, dtype="float32")
    np.testing.assert_allclose(graph(tf.constant(x)), np.cbrt(x), rtol=1e-5)  # also traces it
    calls = min(50, max(5, 100_000 // size))
    rows.append({
        "numbers": size,
        "numpy_ms": median_ms(cube_root, x, calls),
        "eager_ms": median_ms(lambda x: cube_root(x).numpy(), tf.constant(x), calls),
        "function_ms": median_ms(lambda x: graph(x).numpy(), tf.constant(x), calls),
    })
timings = pd.DataFrame(rows).round(3)
lesson.save_table("timings", timings)

# %% [markdown]
# <!-- results: lesson-06-timings -->
# On two CPU cores the function took:
#
# - for ten numbers: 0.059 ms in NumPy, 4.8 ms eagerly, 0.38 ms as `tf.function`
# - for a million numbers: 51 ms in NumPy, 64 ms eagerly, 29 ms as `tf.function`
# <!-- end -->
#
# For ten numbers there is hardly any arithmetic: the time goes into starting 140 operations. NumPy
# is the fastest at that, and a graph is much faster than eager execution. For a million numbers the
# arithmetic dominates, and the three come closer together. Now the graph is even ahead of NumPy: it
# can run independent operations on two cores at once.
#
# # A digit classifier made of tensors
#
# ## 2 Prepare
# As in lesson 01, a tenth of the training images is for validation, and the rest comes in batches,
# in a new random order in each epoch.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images, train_labels, test_size=0.1, random_state=lesson.seed, stratify=train_labels
)
train = lesson.batches(train_images, train_labels)

# %% [markdown]
# ## 3 Define
# Our classifier is a single dense layer with softmax. For each class it multiplies the 784 pixels
# by 784 weights, adds everything up and adds a bias: that is the *score* (or *logit*) of the class.
# For a batch of 32 images this is one matrix product, (32, 784) @ (784, 10), and the ten biases are
# broadcast over the 32 rows. *Softmax* turns the ten scores into probabilities: take e to the power
# of each, and divide by their sum.
#
# Keras makes the variables for us and sets their random initial values. The arithmetic is ours.

# %%
model = keras.Sequential([
    keras.Input((28, 28), dtype="uint8"),
    layers.Rescaling(1 / 255),
    layers.Flatten(),
    layers.Dense(10, activation="softmax"),
])
weights, biases = (variable.value for variable in model.trainable_variables)  # tf.Variables
print("weights:", weights.shape, "biases:", biases.shape, "parameters:", model.count_params())


def to_rows(images):
    """Turn bytes of shape (images, 28, 28) into float32 of shape (images, 784), from 0 to 1."""
    return tf.reshape(tf.cast(images, tf.float32) / 255, (-1, 784))


def predict(rows):
    """Return probabilities of shape (images, 10)."""
    powers = tf.exp(rows @ weights + biases)
    return powers / tf.reduce_sum(powers, axis=1, keepdims=True)


# %% [markdown]
# ## 4 Compile
# How should the weights change? The loss is the cross-entropy of lesson 01, -log(probability of the
# true class). Its *gradient* says how fast the loss rises with each weight, and training subtracts
# the gradient times a small *learning rate*. For this classifier the gradient has a simple formula.
# With respect to the scores it is probabilities minus one-hot label; lesson 07 checks that. If the
# network gave a 3 the probability 0.2 of being an 8, the error of score 8 is 0.2 - 0: too much. So
# the weights of the 8 are lowered wherever the image has ink. If it gave the 3 itself only 0.7, the
# error is 0.7 - 1 = -0.3, and the weights of the 3 are raised there.
#
# Pixels times errors, added up over the batch, is again a matrix product: (784, 32) @ (32, 10).
# `@tf.function` compiles the step to a graph.


# %%
@tf.function
def train_step(images, labels):
    """Change the variables by one batch; return the sum of its losses and its correct answers."""
    rows = to_rows(images)
    probabilities = predict(rows)
    truth = tf.one_hot(labels, 10)
    error = (probabilities - truth) / len(truth)  # divided by the batch size: an average
    weights.assign_sub(lesson.learning_rate * (tf.transpose(rows) @ error))
    biases.assign_sub(lesson.learning_rate * tf.reduce_sum(error, axis=0))
    losses = -tf.reduce_sum(truth * tf.math.log(probabilities + 1e-7), axis=1)  # never log(0)
    correct = tf.argmax(probabilities, axis=1) == tf.cast(labels, tf.int64)
    return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(correct, tf.float32))


# %% [markdown]
# ## 5 Fit
# Two loops, over epochs and over batches, and after each epoch the validation accuracy. `compile`
# is only for `evaluate` below; the optimizer it names does nothing here. Also, `fit` would call
# *callbacks* for us at the beginning and end of each epoch, to time it or to save the weights. In a
# loop of our own a `CallbackList` does that; lesson 15 explains it.

# %%
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
callbacks = keras.callbacks.CallbackList(
    lesson.callbacks(), add_history=True, model=model, epochs=lesson.epochs
)
callbacks.on_train_begin()
for epoch in range(lesson.first_epoch, lesson.epochs):  # from 0, unless a stopped run is resumed
    callbacks.on_epoch_begin(epoch)
    loss = correct = 0.0
    for images, labels in train:
        step_loss, step_correct = train_step(images, labels)
        loss, correct = loss + step_loss, correct + step_correct
    val_correct = tf.argmax(predict(to_rows(val_images)), axis=1) == val_labels
    logs = {
        "loss": float(loss) / len(train_labels),
        "accuracy": float(correct) / len(train_labels),
        "val_accuracy": float(tf.reduce_mean(tf.cast(val_correct, tf.float32))),
    }
    callbacks.on_epoch_end(epoch, logs)
    print(f"epoch {epoch + 1}:", ", ".join(f"{name} {value:.4f}" for name, value in logs.items()))
callbacks.on_train_end()

# %% [markdown]
# ## 6 Evaluate
# Keras took no part in the training, but the variables belong to its `Dense` layer. So the model
# has learned what we trained, and computes the same probabilities.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
print(f"test accuracy: {test['accuracy']:.4f}")
probabilities = model.predict(test_images, batch_size=1000, verbose=0)  # (images, 10)
np.testing.assert_allclose(probabilities, predict(to_rows(test_images)), atol=1e-4)

# %% [markdown]
# ## 7 Predict
# What has it learned? The 784 weights of a digit can be drawn as an image. Ink on a red pixel
# raises the score of that digit, ink on a blue one lowers it. Look at the 0: ink in the middle
# speaks against it.

# %%
print("first test image: predicted", probabilities[0].argmax(), "label", test_labels[0])
figure, axes = plt.subplots(2, 5, figsize=(10, 4.5), layout="constrained")
weight_images = weights.numpy().T.reshape(10, 28, 28)
largest = np.abs(weight_images).max()
for digit, panel in enumerate(axes.flat):
    panel.imshow(weight_images[digit], cmap="RdBu_r", vmin=-largest, vmax=largest)
    panel.set_title(f"weights of {digit}")
    panel.axis("off")
lesson.save_figure("weights", figure)
lesson.finish(model, model.history, test_loss=test["loss"], test_accuracy=test["accuracy"])

# %% [markdown]
# ## Remember
# - A tensor has a shape and a dtype and cannot change; a variable can. Weights are variables.
# - Shapes are compared from the right, and lengths of 1 are repeated: broadcasting.
# - TensorFlow runs eagerly; `tf.function` traces a function once and then runs its graph.
#
# When something fails in your own code, first print the shapes and dtypes.

# %% [markdown]
# ## Exercises
# 1. What happens with `--learning-rate 5`, and with `--learning-rate 0.001`?
# 2. Make the batches eight times as large. What happens to the time per epoch and to the accuracy?
#    Can a larger learning rate help?
# 3. Standardize a matrix: give each column mean 0 and variance 1, without a loop.
#
# Solutions: notes/solutions/06_eager_tensors.md
