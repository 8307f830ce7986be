# %% [markdown]
"""
# 06 Tensors: what do the numbers inside a network live in?

Images, weights, probabilities: a network keeps all its numbers in *tensors*, arrays like NumPy's
that can also live on a GPU and take part in automatic differentiation (lesson 07). With tensors,
what a `Dense` layer does before its activation is one line:

    outputs = inputs @ weights + biases

You will learn to make tensors and to combine them as in this line. Then you will train a classifier
of handwritten digits with arithmetic of your own.

Expect: test accuracy 0.923 (0.922 to 0.924), median and range of three seeds.

    python 06_eager_tensors.py
    python 06_eager_tensors.py --epochs 20 --learning-rate 0.1
"""

# %%
from frame import Lesson, expect_error

# `backends`: this lesson calls TensorFlow directly, so it runs with no other back-end (lesson 02).
lesson = Lesson(__doc__, epochs=10, batch_size=32, learning_rate=0.1, backends=("tensorflow",))

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.model_selection import train_test_split

# %% [markdown]
# ## Tensors
#
# ### Shape, rank and dtype
# A single number, a row of numbers, a table: all are tensors. The *shape* of a tensor is its length
# along each *axis*; the number of axes is its *rank*. A table of three rows and two columns has the
# shape (3, 2) and rank 2: axis 0 counts the rows, axis 1 the columns. The *dtype* is the type of
# the numbers: by default, Python floats become float32 and Python integers int32.
#
# TensorFlow refuses to add an integer tensor and a float tensor, because converting one of them can
# cost precision or memory. Say what you want with `tf.cast`. A plain Python number does adapt:
# `vector + 1` works.

# %%
vector, integers = tf.constant([1.0, 2.0]), tf.constant([3, 4])
for tensor in (tf.constant(2.0), vector, tf.constant([[1, 2], [3, 4], [5, 6]])):
    print(f"shape {tensor.shape}, rank {tensor.ndim}, {tensor.dtype.name}")
with expect_error(tf.errors.InvalidArgumentError):  # prints the error, and the lesson goes on
    integers + vector
total = tf.cast(integers, tf.float32) + vector
print("cast first:", total.numpy())  # a NumPy array; tf.constant(array) is the way back

# %% [markdown]
# ### Variables
# A tensor cannot be changed: it is *immutable*. `vector + 1` is a new tensor. But the weights of a
# network must change in training, so they are *variables*. A `tf.Variable` holds a tensor; you can
# replace it (`assign`), add to it (`assign_add`) or subtract from it (`assign_sub`).

# %%
with expect_error(TypeError):
    vector[0] = 5.0
variable = tf.Variable(vector)
variable.assign_add([10.0, 10.0])
print("variable:", variable.numpy())

# %% [markdown]
# ### Index, reshape, transpose
# Single indices and slices work as in NumPy. `reshape` changes only the shape and keeps the order
# of the numbers; one length may be -1, "whatever fits". `transpose` swaps rows and columns. Below,
# both turn the shape (3, 4) into (4, 3), but the results differ.

# %%
table = tf.reshape(tf.range(12.0), (3, -1))
print("table:", table.numpy(), sep="\n")
print("second column:", table[:, 1].numpy())
print("first row after reshape to (4, 3):", tf.reshape(table, (4, 3))[0].numpy())
print("first row after transpose:", tf.transpose(table)[0].numpy())

# %% [markdown]
# ### Reduce
# A *reduction* such as `tf.reduce_sum` or `tf.reduce_mean` combines all numbers into one. Given an
# axis, it combines along that axis only, and the axis disappears: `axis=0` combines the rows, and
# the shape (3, 4) becomes (4,), one number per column. `axis=1` leaves one number per row, shape
# (3,). `keepdims=True` keeps the axis, with length 1. `tf.argmax` returns the index of the largest
# number: that is how ten probabilities become a predicted class.

# %%
print("sum:", tf.reduce_sum(table).numpy())
print("sum of each row:", tf.reduce_sum(table, axis=1).numpy())  # shape (3,)
print("with keepdims:", tf.reduce_sum(table, axis=1, keepdims=True).numpy().tolist())  # (3, 1)
print("index of the largest:", tf.argmax([0.1, 0.7, 0.2]).numpy())

# %% [markdown]
# ### Multiply
# `*` multiplies two tensors of equal shape number by number. `@` is the *matrix product*: for the
# number in row i and column j, multiply row i of the left by column j of the right, number by
# number, and add up the products. So the left needs as many columns as the right has rows: (2, 3) @
# (3, 5) gives (2, 5).

# %%
left = tf.constant([[1.0, 2.0], [3.0, 4.0]])
right = tf.constant([[0.0, 1.0], [1.0, 0.0]])
print("left * right:", (left * right).numpy().tolist())
print("left @ right:", (left @ right).numpy().tolist())  # 1·0 + 2·1 = 2, 1·1 + 2·0 = 1, ...

# %% [markdown]
# ### Broadcasting
# `+` and `*` also accept some unequal shapes, for example to add ten biases to each row of a batch.
# TensorFlow compares the shapes from the right. Two lengths fit if they are equal, or if one of
# them is 1 or missing: that tensor is then repeated along that axis. This is called *broadcasting*.
# Below, the column is repeated four times to the right, and the row three times downward.

# %%
column, row = tf.constant([[10.0], [20.0], [30.0]]), tf.constant([1.0, 2.0, 3.0, 4.0])
print("(3, 1) + (4,) gives (3, 4):", (column + row).numpy(), sep="\n")
with expect_error(tf.errors.InvalidArgumentError):
    table + tf.constant([1.0, 2.0, 3.0])  # (3, 4) and (3,): 4 does not match 3

# %% [markdown]
# ### tf.function: from eager to a graph
# So far TensorFlow computed *eagerly*: each line ran at once and had a result that we could print.
# That is convenient, but Python has to run between any two operations, which takes time.
#
# `tf.function` avoids that. At the first call it *traces* your function: it runs it once, with
# placeholders instead of numbers, and records the operations as a *graph*. Later calls run the
# graph, without your Python code. So a Python `print` happens only while tracing. Lesson 15
# measures how much faster a graph is for a training step.
#
# A graph is made for one shape and dtype; a call with another shape or dtype traces again. So does
# every new *Python* number, because it becomes a constant of the graph. Tracing takes much longer
# than running a graph, so pass tensors.


# %%
@tf.function
def double(x):
    print("  tracing with", x)  # Python: runs only while tracing
    return 2 * x


for x in (tf.constant(1.0), tf.constant(2.0), tf.constant([1.0, 2.0]), 3, 4, 4):
    print("calling with", x)
    double(x)

# %% [markdown]
# ## A digit classifier made of tensors
#
# ## 1 Load
# Images of handwritten digits, as in lesson 05.

# %%
(all_images, all_labels), (test_images, test_labels) = lesson.load("mnist")

# %% [markdown]
# ## 2 Prepare
# As in lesson 01, a tenth of the training images is for validation, and the rest comes in batches.
# Our arithmetic needs each image as a row of floats.


# %%
def to_rows(images):
    """Convert uint8 images (n, 28, 28) to float32 rows (n, 784) with values from 0 to 1."""
    return tf.reshape(tf.cast(images, tf.float32) / 255, (-1, 784))


train_images, val_images, train_labels, val_labels = train_test_split(
    all_images, all_labels, test_size=0.1, random_state=lesson.seed, stratify=all_labels
)
train = lesson.batches(train_images, train_labels)

# %% [markdown]
# ## 3 Define
# Our classifier is a single dense layer with softmax. For each class it multiplies the 784 pixels
# by 784 weights, adds everything up and adds a bias: that is the *score* of the class. For a batch
# of 32 images this is one matrix product, (32, 784) @ (784, 10), and the ten biases are broadcast
# over the 32 rows. Softmax (lesson 01) takes e to the power of each score and divides by their sum.
#
# The arithmetic is ours, but the variables belong to a Keras model, which draws their initial
# values and can evaluate and save them in the end. The `value` of a Keras variable is the
# `tf.Variable` inside.

# %%
model = keras.Sequential([
    keras.Input((28, 28), dtype="uint8"),
    layers.Rescaling(1 / 255),
    layers.Flatten(),
    layers.Dense(10, activation="softmax"),
])
weights, biases = (variable.value for variable in model.trainable_variables)
print("weights:", weights.shape, "biases:", biases.shape, "parameters:", model.count_params())


def predict(rows):
    """Return probabilities, shape (n, 10). (`tf.nn.softmax` works for scores above 88 too.)"""
    powers = tf.exp(rows @ weights + biases)  # shape (n, 10), divided below by shape (n, 1)
    return powers / tf.reduce_sum(powers, axis=1, keepdims=True)


# %% [markdown]
# ## 4 Compile
# Where `compile` would get a loss and an optimizer, we write both ourselves. The loss of an image
# is the cross-entropy of lesson 01, -log(p) for the probability p of the true class. Its derivative
# with respect to the score of a class is the probability of the class, minus 1 if the class is the
# true one ([notes/gradients.md](notes/gradients.md#the-gradient-of-a-classifiers-loss) derives it).
# We call this number the *error* of the class.
#
# Suppose an image shows a 3. If the network gives class 8 the probability 0.2, the error of class 8
# is 0.2: too much. If it gives class 3 only 0.7, the error of class 3 is 0.7 - 1 = -0.3.
#
# A score is the sum of all pixels times their weights, plus the bias. So, by the chain rule, the
# derivative with respect to a weight is pixel times error, and with respect to a bias it is the
# error itself. Together these derivatives are the *gradient*. Gradient descent subtracts it times
# the *learning rate*: where the image has ink, the weights of class 8 become smaller. For weight
# (i, j) we need pixel i times error j, averaged over the 32 images of a batch, so we divide the
# errors by 32 and add up. That is row i of the *transposed* pixels, (784, 32), times column j of
# the errors, (32, 10): a matrix product again.


# %%
@tf.function  # try it without: the step computes the same, but takes longer
def train_step(images, labels):
    """Update the variables; return the sum of the losses and the number of correct answers."""
    rows = to_rows(images)
    probabilities = predict(rows)
    truth = tf.one_hot(labels, 10)  # rows with a 1 at the label, 0 elsewhere
    error = (probabilities - truth) / len(truth)  # divided by the batch size: an average
    weights.assign_sub(lesson.learning_rate * (tf.transpose(rows) @ error))
    biases.assign_sub(lesson.learning_rate * tf.reduce_sum(error, axis=0))
    losses = -tf.reduce_sum(truth * tf.math.log(probabilities + 1e-7), axis=1)  # -log(p)
    correct = tf.argmax(probabilities, axis=1) == tf.cast(labels, tf.int64)  # argmax gives int64
    return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(correct, tf.float32))


# %% [markdown]
# ## 5 Fit
# Two loops, over epochs and over batches, and after each epoch the validation accuracy. As `fit`
# would, our loop calls the *callbacks* at the beginning and end of each epoch (lesson 15). With
# `add_history=True`, one of them collects the losses and accuracies that we pass as `logs`: the
# history. (`compile` is only for `evaluate` below: its optimizer is never used.)

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
    val_predicted = tf.argmax(predict(to_rows(val_images)), axis=1)
    val_correct = val_predicted == tf.cast(val_labels, tf.int64)
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
# The variables belong to the model's `Dense` layer. So the model has learned what we trained, and
# computes the same probabilities.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
probabilities = model.predict(test_images, batch_size=1000, verbose=0)  # (images, 10)
np.testing.assert_allclose(probabilities, predict(to_rows(test_images)), atol=1e-4)

# %% [markdown]
# ## 7 Predict
# What has it learned? The 784 weights of a digit can be drawn as an image. Ink on a red pixel
# raises the score of that digit; ink on a blue one lowers it. Look at the 0: ink in the middle
# speaks against it.

# %%
print(f"first test image: predicted {probabilities[0].argmax()}, label {test_labels[0]}")
figure, axes = plt.subplots(2, 5, figsize=(10, 4.5), layout="constrained")
weight_images = weights.numpy().T.reshape(10, 28, 28)
largest = np.abs(weight_images).max()
for digit, panel in enumerate(axes.flat):
    panel.imshow(weight_images[digit], cmap="RdBu_r", vmin=-largest, vmax=largest)
    panel.set_title(f"weights of class {digit}")
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
# [notes/tensors.md](notes/tensors.md) is about text, *ragged* tensors (rows of different lengths)
# and *sparse* ones (mostly zeros, of which only the others are stored).

# %% [markdown]
# ## Exercises
# 1. What happens with `--learning-rate 5`, and with `--learning-rate 0.001`?
# 2. Make the batches eight times as large. What happens to the time per epoch and to the accuracy?
#    Can a larger learning rate help?
# 3. Standardize a matrix: give each column mean 0 and variance 1, without a loop.
#
# Solutions: notes/solutions/06_eager_tensors.md
