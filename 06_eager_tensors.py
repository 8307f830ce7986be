# %% [markdown]
"""
# 06 Tensors: what do the numbers inside a network live in?

A tensor is an array of numbers that TensorFlow computes with. We meet tensors one property at a
time, and then train a digit reader with arithmetic of our own: Keras only keeps its weights.

A line with `assert` stops the lesson if what it says is wrong: that is how the statements below are
checked.

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
from keras import layers, ops
from sklearn.model_selection import train_test_split

# %% [markdown]
# ## 1 Load
# Handwritten digits, 28x28 gray pixels. We need them only at the end, but a missing file should be
# reported at the start.

# %%
(train_images, train_labels), (test_images, test_labels) = lesson.load("mnist")

# %% [markdown]
# ## Values at once
# TensorFlow computes *eagerly*: each line gives its value when it runs, so that Python's own `if`,
# `for` and `print` work on it. A tensor has a *shape*, the length of each axis; a *rank*, the
# number of axes; and a *dtype*, the type of its numbers. Python floats become float32, integers
# int32.

# %%
scalar = tf.constant(2)
vector = tf.constant([1.0, 2.0])
matrix = tf.constant([[1, 2], [3, 4], [5, 6]])
for name, tensor in {"scalar": scalar, "vector": vector, "matrix": matrix}.items():
    print(f"{name}: rank {tensor.ndim}, shape {tensor.shape}, {tensor.dtype.name}")
assert (scalar.ndim, vector.ndim, matrix.ndim) == (0, 1, 2) and matrix.shape == (3, 2)
assert vector.dtype == tf.float32 and matrix.dtype == tf.int32

steps = 0  # the Collatz sequence: halve an even number, take 3n + 1 of an odd one
number = tf.constant(27)
while number != 1:
    number = number // 2 if number % 2 == 0 else 3 * number + 1
    steps += 1
print(f"from 27 down to 1 in {steps} steps")
assert steps == 111

assert tf.zeros((2, 3)).shape == (2, 3) and tf.range(3).numpy().tolist() == [0, 1, 2]
assert tf.cast(2.9, tf.int32) == 2  # `cast` changes the dtype, and cuts off
with expect_error(tf.errors.InvalidArgumentError, TypeError):
    tf.constant(1) + tf.constant(1.0)  # unlike NumPy, TensorFlow never changes a dtype by itself

# %% [markdown]
# ## NumPy and back
# `tf.constant` copies an array, and `.numpy()` copies a tensor. `np.asarray` does not (unless the
# tensor lives on a GPU): its array looks into the tensor's own memory and is read-only. Two tensors
# can share memory as well: a reshaped one does; this slice is a copy. NumPy's float64 stays
# float64.

# %%
array = np.array([1.0, 2.0, 3.0, 4.0])
tensor = tf.constant(array)
array[0] = 99
copy, view = tensor.numpy(), np.asarray(tensor)
copy[1] = 99
print("array:", array, "tensor:", tensor.numpy(), "its copy:", copy)
assert tensor.numpy().tolist() == [1, 2, 3, 4] and tensor.dtype == tf.float64
assert not view.flags.writeable and not np.shares_memory(copy, view)
if tensor.device.endswith("CPU:0"):
    assert np.shares_memory(view, np.asarray(tensor))
    assert np.shares_memory(view, np.asarray(tf.reshape(tensor, (2, 2))))
    assert not np.shares_memory(view, np.asarray(tensor[:2]))

# %% [markdown]
# ## Tensors do not change, variables do
# A tensor is *immutable*. What looks like a change makes a new tensor. A `tf.Variable` has one
# place in memory and can be assigned to, but its shape and dtype stay. The weights of a network are
# such.

# %%
with expect_error(TypeError):
    tensor[0] = 5
before = tensor
tensor += 1  # a new tensor under the old name
assert tensor is not before and before[0] == 1 and tensor[0] == 2

variable = tf.Variable([1.0, 2.0])
variable.assign_add([10.0, 10.0])
variable[0].assign(0.0)
print("variable:", variable.numpy())
assert variable.numpy().tolist() == [0, 12]
with expect_error(ValueError):
    variable.assign([1.0, 2.0, 3.0])

# %% [markdown]
# ## Index, reshape, reduce, multiply
# Indices are NumPy's: from 0, from the end with minus, slices `start:stop:step`. Axis 0 comes
# first. `-1` in `reshape` means "whatever is left"; the order of the numbers stays, unlike in
# `transpose`. A reduction takes one axis away, or all. `*` multiplies number by number; `@` is the
# matrix product.

# %%
table = tf.reshape(tf.range(12.0), (3, -1))
print(table.numpy())
assert table[0, -1] == 3 and table[:, 1].numpy().tolist() == [1, 5, 9]
assert table[::2].shape == (2, 4) and table[..., tf.newaxis].shape == (3, 4, 1)
assert tf.gather(table, [2, 0])[0, 0] == 8 and tf.boolean_mask(table, table > 9).shape == (2,)
assert tf.reshape(table, (4, 3))[0].numpy().tolist() == [0, 1, 2]
assert tf.transpose(table)[0].numpy().tolist() == [0, 4, 8]

assert tf.reduce_sum(table) == 66
assert tf.reduce_sum(table, axis=0).numpy().tolist() == [12, 15, 18, 21]
assert tf.reduce_max(table, axis=1, keepdims=True).shape == (3, 1) and tf.argmax(table[0]) == 3
assert tf.reduce_mean(table) == 5.5
assert tf.reduce_mean(tf.range(12)) == 5  # whole numbers stay whole

left, right = tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([[0.0, 1.0], [1.0, 0.0]])
assert (left * right).numpy().tolist() == [[0, 2], [3, 0]]
assert (left @ right).numpy().tolist() == [[2, 1], [4, 3]]
assert (tf.ones((5, 2, 3)) @ tf.ones((3, 4))).shape == (5, 2, 4)  # five products at once
with expect_error(tf.errors.InvalidArgumentError):
    tf.ones((2, 3)) @ tf.ones((2, 3))

# %% [markdown]
# ## Broadcasting
# Shapes are compared from the right. Lengths must be equal, or one of them 1 or missing; that side
# is then repeated, without a copy in your code.

# %%
column, row = tf.constant([[10.0], [20.0], [30.0]]), tf.constant([1.0, 2.0, 3.0, 4.0])
print((column + row).numpy())
assert (column + row).shape == (table + row).shape == (table * 2).shape == (3, 4)
with expect_error(tf.errors.InvalidArgumentError):
    table + tf.constant([1.0, 2.0, 3.0])  # 4 against 3

# %% [markdown]
# ## Strings
# A string is one item, of bytes. Letters outside ASCII take more than one byte.

# %%
words = tf.constant(["film", "Größe"])
assert words.shape == (2,) and words.dtype == tf.string
assert tf.strings.length(words).numpy().tolist() == [4, 7]
assert tf.strings.length(words, unit="UTF8_CHAR").numpy().tolist() == [4, 5]

# %% [markdown]
# ## Ragged tensors
# Rows of different lengths, such as sentences. The length of that axis is `None`.

# %%
sentences = tf.strings.split(["a small film", "great"])
print(sentences)
assert isinstance(sentences, tf.RaggedTensor) and sentences.shape == (2, None)
assert sentences.row_lengths().numpy().tolist() == [3, 1]
with expect_error(ValueError):
    tf.constant([[1], [2, 3]])

# %% [markdown]
# ## Sparse tensors
# Only the places that are not 0 are stored, as in lesson 04.

# %%
sparse = tf.sparse.from_dense([[0, 0, 3], [4, 0, 0]])
assert sparse.indices.numpy().tolist() == [[0, 2], [1, 0]]
assert sparse.values.numpy().tolist() == [3, 4]
assert tf.sparse.to_dense(sparse).numpy().tolist() == [[0, 0, 3], [4, 0, 0]]

# %% [markdown]
# ## Where a tensor lives
# On a GPU if there is one and it can, else on the CPU. `tf.device` asks for a place; if that does
# not exist, TensorFlow takes another without a word.

# %%
print("devices:", *[device.name for device in tf.config.list_logical_devices()])
with tf.device("CPU:0"):
    on_cpu = tf.constant(1)
with tf.device("GPU:99"):
    elsewhere = tf.constant(1)
print("GPU:99 gives", elsewhere.device)
assert on_cpu.device.endswith("CPU:0") and not elsewhere.device.endswith("GPU:99")

# %% [markdown]
# ## Random numbers
# A generator with a seed gives the same numbers again. The bars show how often values came; the
# lines are the densities: 1/2 between -1 and 1, and the bell curve of mean 0 and standard deviation
# 1.

# %%
DRAWS = 100_000
generator = tf.random.Generator.from_seed(lesson.seed)
uniform, normal = generator.uniform([DRAWS], -1, 1), generator.normal([DRAWS])
assert tf.reduce_all(uniform == tf.random.Generator.from_seed(lesson.seed).uniform([DRAWS], -1, 1))
assert abs(tf.reduce_mean(normal)) < 0.02 and abs(tf.math.reduce_std(normal) - 1) < 0.02
assert tf.reduce_min(uniform) >= -1 and tf.reduce_max(uniform) < 1

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
points = np.linspace(-4, 4, 401)
bell = np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi)
for panel, name, draws, density in [
    (axes[0], "uniform", uniform, (abs(points) <= 1) / 2),
    (axes[1], "normal", normal, bell),
]:
    label = f"{DRAWS:,} draws"
    panel.hist(draws.numpy(), bins=80, range=(-4, 4), density=True, alpha=0.5, label=label)
    panel.plot(points, density, "k", linewidth=1, label="density")
    panel.set(xlabel="value", ylabel="density", title=f"{name} random numbers")
    panel.legend()
lesson.save_figure("random_numbers", figure)

# %% [markdown]
# ## tf.function: record once, run often
# `tf.function` *traces* a Python function: it runs it once with stand-ins for the tensors, records
# the operations as a graph, and from then on runs the graph. So a Python `print` happens only when
# it traces. It traces again for another shape or dtype, and for every new Python number: give
# tensors.

# %%
traces = []


@tf.function
def double(x):
    """Double x, and remember each tracing."""
    traces.append(str(x))  # Python: runs only while tracing
    return 2 * x


double(tf.constant(1.0))
double(tf.constant(2.0))
assert len(traces) == 1  # same shape and dtype: recorded once
double(tf.constant([1.0, 2.0]))
assert len(traces) == 2  # another shape
double(3)
double(4)
assert len(traces) == 4  # each Python number
double(4)
assert len(traces) == 4
print("traced for:", *traces, sep="\n  ")

# %% [markdown]
# ## How fast is it?
# One Python function, for NumPy, eagerly, and as `tf.function`: Newton's method for cube roots, 140
# small operations. The comparison with NumPy traces it; then one call to warm up, and the median of
# 5 to 50. TensorFlow's times include the way back to NumPy.
#
# <!-- results: lesson-06-timings -->
# On two CPU cores the function took:
#
# - for ten numbers: 0.059 ms in NumPy, 4.8 ms eagerly, 0.38 ms as `tf.function`
# - for a million numbers: 51 ms in NumPy, 64 ms eagerly, 29 ms as `tf.function`
# <!-- end -->
#
# With few numbers the three are far apart, with many they come closer.


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


traced = tf.function(cube_root)
graph = traced.get_concrete_function(tf.constant([1.0])).graph
assert sum(op.type in ("Mul", "Sub", "RealDiv") for op in graph.get_operations()) == 140
rows = []
for size in (10, 1_000, 100_000, 1_000_000):
    x = np.linspace(1, 10, size, dtype="float32")
    np.testing.assert_allclose(traced(tf.constant(x)), np.cbrt(x), rtol=1e-5)
    calls = min(50, max(5, 100_000 // size))
    rows.append({
        "numbers": size,
        "numpy_ms": median_ms(cube_root, x, calls),
        "eager_ms": median_ms(lambda x: cube_root(x).numpy(), tf.constant(x), calls),
        "function_ms": median_ms(lambda x: traced(x).numpy(), tf.constant(x), calls),
    })
timings = pd.DataFrame(rows).round(3)
lesson.save_table("timings", timings)

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for column, label in [("numpy_ms", "NumPy"), ("eager_ms", "eager"), ("function_ms", "tf.function")]:
    axes.loglog(timings.numbers, timings[column], "o-", label=label)
axes.set(xlabel="numbers in the array", ylabel="time of one call [ms]")
axes.set_title("cube roots in three ways")
axes.grid(alpha=0.3)
axes.legend()
lesson.save_figure("timings", figure)

# %% [markdown]
# ## The same ideas in keras.ops
# `keras.ops` has most of these operations for all back-ends, mostly under NumPy's names. On this
# one it gives TensorFlow's tensors.

# %%
again = ops.reshape(ops.arange(12.0), (3, -1))
assert isinstance(again, tf.Tensor) and ops.sum(again) == 66 and again.shape == (3, 4)
assert ops.matmul(left, right).numpy().tolist() == (left @ right).numpy().tolist()
assert ops.max(again, axis=1, keepdims=True).shape == (3, 1) and ops.cast(2.9, "int32") == 2

# %% [markdown]
# # A digit reader made of tensors
#
# ## 2 Prepare
# A tenth for validation, and batches in a new order for each epoch, as in lesson 01.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images, train_labels, test_size=0.1, random_state=lesson.seed, stratify=train_labels
)
train = lesson.batches(train_images, train_labels)

# %% [markdown]
# ## 3 Define
# One layer: 784 pixels times weights of shape (784, 10), plus 10 biases, and `softmax`. Keras makes
# the variables, 7,850 numbers; the arithmetic we write ourselves. `softmax` takes e to the power of
# each score and divides by the sum, so that ten positive numbers add up to 1.

# %%
model = keras.Sequential([
    keras.Input((28, 28), dtype="uint8"),
    layers.Rescaling(1 / 255),
    layers.Flatten(),
    layers.Dense(10, activation="softmax"),
])
weights, biases = (variable.value for variable in model.trainable_variables)
assert isinstance(weights, tf.Variable) and weights.shape == (784, 10)
assert model.count_params() == 7850


def to_rows(images):
    """Turn bytes of shape (images, 28, 28) into float32 of shape (images, 784), from 0 to 1."""
    return tf.reshape(tf.cast(images, tf.float32) / 255, (-1, 784))


def predict(rows):
    """Return probabilities of shape (images, 10)."""
    scores = tf.exp(rows @ weights + biases)
    return scores / tf.reduce_sum(scores, axis=1, keepdims=True)


# %% [markdown]
# ## 4 Compile
# `tf.function` is what compiling means here. The rule of one step: where a digit got too much
# probability, lower the weights of the pixels that were on; where too little, raise them. Lesson 07
# shows that this is the gradient of the cross-entropy.


# %%
@tf.function
def train_step(images, labels):
    """Change the variables by one batch; return its loss and the number of right answers."""
    rows = to_rows(images)
    probabilities = predict(rows)
    truth = tf.one_hot(labels, 10)
    too_much = (probabilities - truth) / len(truth)
    weights.assign_sub(lesson.learning_rate * (tf.transpose(rows) @ too_much))
    biases.assign_sub(lesson.learning_rate * tf.reduce_sum(too_much, axis=0))
    loss = -tf.reduce_sum(truth * tf.math.log(probabilities + 1e-7), axis=1)
    right = tf.argmax(probabilities, axis=1) == tf.cast(labels, tf.int64)
    return tf.reduce_sum(loss), tf.reduce_sum(tf.cast(right, tf.float32))


# For `evaluate` and the record; its optimizer stays unused.
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])

# %% [markdown]
# ## 5 Fit
# A plain loop over epochs and batches. `CallbackList` calls the callbacks as `fit` does. They time
# the epochs, and keep what a stopped run needs: then `first_epoch` is where it goes on.

# %%
callbacks = keras.callbacks.CallbackList(
    lesson.callbacks(), add_history=True, model=model, epochs=lesson.epochs
)
callbacks.on_train_begin()
for epoch in range(lesson.first_epoch, lesson.epochs):
    callbacks.on_epoch_begin(epoch)
    loss = right = 0.0
    for images, labels in train:
        step_loss, step_right = train_step(images, labels)
        loss, right = loss + step_loss, right + step_right
    val_right = tf.argmax(predict(to_rows(val_images)), axis=1) == val_labels
    logs = {
        "loss": float(loss) / len(train_labels),
        "accuracy": float(right) / len(train_labels),
        "val_accuracy": float(tf.reduce_mean(tf.cast(val_right, tf.float32))),
    }
    callbacks.on_epoch_end(epoch, logs)
    print(f"epoch {epoch + 1}:", ", ".join(f"{name} {value:.4f}" for name, value in logs.items()))
callbacks.on_train_end()
assert train_step.experimental_get_tracing_count() <= 2  # the last, smaller batch has its own

# %% [markdown]
# ## 6 Evaluate
# The Keras layer has seen nothing of this, but the variables are its own: it knows what we trained.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
probabilities = model.predict(test_images, batch_size=1000, verbose=0)  # (images, 10)
np.testing.assert_allclose(probabilities, predict(to_rows(test_images)), atol=1e-4)

# %% [markdown]
# ## 7 Predict
# The weights of each digit have the shape of a picture: red pixels speak for the digit, blue
# against.

# %%
print("first test image:", tf.argmax(probabilities[0]).numpy(), "true:", test_labels[0])
figure, axes = plt.subplots(2, 5, figsize=(10, 4.5), layout="constrained")
pictures = weights.numpy().T.reshape(10, 28, 28)
largest = np.abs(pictures).max()
for digit, panel in enumerate(axes.flat):
    panel.imshow(pictures[digit], cmap="RdBu_r", vmin=-largest, vmax=largest)
    panel.set_title(f"weights of {digit}")
    panel.axis("off")
lesson.save_figure("weights", figure)
lesson.finish(model, model.history, test_loss=test["loss"], test_accuracy=test["accuracy"])

# %% [markdown]
# ## Exercises
# 1. What happens with `--learning-rate 5`, and with `--learning-rate 0.001`?
# 2. Make the batches eight times as large. What happens to the time per epoch, and to the accuracy?
#    Can a larger learning rate help?
# 3. Give each column of a matrix mean 0 and variance 1, without a loop.
#
# Solutions: notes/solutions/06_eager_tensors.md
