# %% [markdown]
"""
# 07 Automatic differentiation: which way is down?

Training needs the derivative of the loss with respect to every weight. `tf.GradientTape` computes
derivatives of TensorFlow code. We check it against formulas, fit a line by hand, and write the
loop that `fit` hides.

As in lesson 06, `assert` checks what the text says.

Expect: test accuracy 0.858 (0.857 to 0.862), median and range of three seeds.

    python 07_autodiff.py
    python 07_autodiff.py --epochs 10 --batch-size 128
"""

# %%
from common.lesson import Lesson, expect_error

lesson = Lesson(__doc__, epochs=5, batch_size=64, backends=("tensorflow",))

import logging
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.model_selection import train_test_split

# %% [markdown]
# ## 1 Load
# Fashion-MNIST, as in lesson 01. We need it only at the end, but a missing file should be reported
# at the start.

# %%
(train_images, train_labels), (test_images, test_labels) = lesson.load("fashion_mnist")

# %% [markdown]
# ## A derivative, checked
# While the tape records, TensorFlow notes every operation on a variable. `gradient` then walks back
# through the notes by the chain rule. The derivative of x³ - 2x is 3x² - 2, at 2 so 10. *Finite
# differences* give about the same: the slope between two near points.

# %%
x = tf.Variable(2.0)
with tf.GradientTape() as tape:
    y = x**3 - 2 * x
slope = tape.gradient(y, x)


def cubic(x):
    return x**3 - 2 * x


finite = (cubic(2.001) - cubic(1.999)) / 0.002
print(f"by the tape {slope:.6f}, by the formula {3 * 2**2 - 2}, by finite differences {finite:.6f}")
assert slope == 10 and abs(finite - 10) < 1e-5

# %% [markdown]
# ## Chains and several sources
# The derivative of sin(x²) is cos(x²)·2x: the tape multiplies along the chain. It takes a list or a
# dictionary of sources too, and answers in kind. If y is not one number, it differentiates the sum.

# %%
x = tf.Variable(1.5)
with tf.GradientTape() as tape:
    y = tf.sin(x**2)
np.testing.assert_allclose(tape.gradient(y, x), np.cos(1.5**2) * 2 * 1.5, rtol=1e-5)

w, b = tf.Variable(3.0), tf.Variable(1.0)
with tf.GradientTape() as tape:
    y = w * 4 + b**2
slopes = tape.gradient(y, {"w": w, "b": b})
assert slopes["w"] == 4 and slopes["b"] == 2
x = tf.Variable([1.0, 2.0, 3.0])
with tf.GradientTape() as tape:
    y = x**2  # three numbers
assert tape.gradient(y, x).numpy().tolist() == [2, 4, 6]

# %% [markdown]
# ## What is watched
# Trainable variables are watched by themselves; a constant only if you say so. A tape answers once
# and forgets, unless it is `persistent`.

# %%
constant = tf.constant(3.0)
with tf.GradientTape() as tape:
    y = constant**2
assert tape.gradient(y, constant) is None
with tf.GradientTape(persistent=True) as tape:
    tape.watch(constant)
    y = constant**2
    z = y**2
assert tape.gradient(y, constant) == 6 and tape.gradient(z, constant) == 4 * 3**3
with tf.GradientTape() as tape:
    y = x**2
tape.gradient(y, x)
with expect_error(RuntimeError):
    tape.gradient(y, x)

# %% [markdown]
# ## Control flow
# The tape records what is run. Of an `if` that is one branch, of a loop every round.


# %%
def branch(x):
    """Compute x² for positive x, else -x; then double it twice."""
    y = x**2 if x > 0 else -x
    for _ in range(2):
        y = 2 * y
    return y


for value, expected in [(3.0, 24), (-3.0, -4)]:
    x = tf.Variable(value)
    with tf.GradientTape() as tape:
        y = branch(x)
    assert tape.gradient(y, x) == expected

# %% [markdown]
# ## Second derivatives
# A derivative taken inside another tape can be differentiated again. Where the first derivative is
# 0 the curve is level; where the second is positive it bends upwards.

# %%
x = tf.Variable(np.linspace(-3, 3, 301))
with tf.GradientTape() as outer:
    with tf.GradientTape() as inner:
        y = tf.sin(2 * x) * tf.exp(-(x**2) / 4)
    first = inner.gradient(y, x)
second = outer.gradient(first, x)
wave = np.exp(-(x.numpy() ** 2) / 4)
sine, cosine, values = np.sin(2 * x.numpy()), np.cos(2 * x.numpy()), x.numpy()
by_formula = wave * (2 * cosine - values / 2 * sine)
np.testing.assert_allclose(first, by_formula, atol=1e-12)
by_formula = wave * ((values**2 / 4 - 4.5) * sine - 2 * values * cosine)
np.testing.assert_allclose(second, by_formula, atol=1e-12)
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
axes.plot(values, y, label="sin(2x)·exp(-x²/4)")
axes.plot(values, first, label="first derivative")
axes.plot(values, second, label="second derivative")
axes.axhline(0, color="gray", linewidth=0.8)
axes.set(xlabel="x", ylabel="value", title="a function and its derivatives, by the tape")
axes.grid(alpha=0.3)
axes.legend()
lesson.save_figure("derivatives", figure)

# %% [markdown]
# ## Jacobian and Hessian
# For several outputs, the *Jacobian* holds the derivative of each output by each input. The
# *Hessian* holds the second derivatives of one output: it is the Jacobian of the gradient.

# %%
x = tf.Variable([1.0, 2.0])
with tf.GradientTape() as tape:
    outputs = tf.stack([x[0] * x[1], x[0] ** 2, 3 * x[1]])
assert tape.jacobian(outputs, x).numpy().tolist() == [[2, 1], [2, 0], [0, 3]]

with tf.GradientTape() as outer:
    with tf.GradientTape() as inner:
        y = x[0] ** 2 * x[1]
    gradient = inner.gradient(y, x)
hessian = outer.jacobian(gradient, x)
print("Hessian of x²y at (1, 2):", hessian.numpy().tolist())
assert gradient.numpy().tolist() == [4, 1] and hessian.numpy().tolist() == [[4, 2], [2, 0]]

# %% [markdown]
# ## stop_gradient
# `tf.stop_gradient` lets the number through and tells the tape that it is a constant.

# %%
x = tf.Variable(3.0)
with tf.GradientTape() as tape:
    y = x * tf.stop_gradient(x)
assert y == 9 and tape.gradient(y, x) == 3  # not 6

# %% [markdown]
# ## When the gradient is None
# `None` means: the tape sees no way from y back to x. The usual causes: y does not depend on x; x
# is a constant that nobody watched (above); a step left TensorFlow; the numbers are whole; the
# variable was replaced by a tensor. Ask for zeros instead with `unconnected_gradients`.

# %%
logging.getLogger("tensorflow").addFilter(
    lambda record: "must be floating" not in record.getMessage()
)
x, other = tf.Variable(2.0), tf.Variable(3.0)
whole = tf.Variable(2)
with tf.GradientTape(persistent=True) as tape:
    unconnected = other**2
    by_numpy = tf.constant(np.square(x.numpy()))
    by_cast = tf.cast(tf.cast(x, tf.int32), tf.float32) ** 2
    of_whole = whole**2
assert tape.gradient(unconnected, x) is None
assert tape.gradient(by_numpy, x) is None
assert tape.gradient(by_cast, x) is None and tape.gradient(of_whole, whole) is None
zero = tape.gradient(unconnected, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)
assert zero == 0

replaced = tf.Variable(2.0)
for round_ in range(2):
    with tf.GradientTape() as tape:
        y = replaced**2
    slope = tape.gradient(y, replaced)
    print("round", round_ + 1, type(replaced).__name__, "gradient:", slope)
    replaced = replaced + 1  # makes a tensor; `assign_add` would keep the variable
assert slope is None

# %% [markdown]
# ## A gradient of your own
# log(1 + e^x) is nearly x for large x, so its slope there is 1. But e^100 is too large for float32:
# it becomes infinity, and the chain rule multiplies 0 by infinity: *not a number*. With
# `tf.custom_gradient` we give the slope in a form that stays finite. The value itself is still
# infinite; `tf.math.softplus` mends both.


# %%
def naive(x):
    return tf.math.log(1 + tf.exp(x))


@tf.custom_gradient
def finite_slope(x):
    """Compute log(1 + e^x) with the slope 1 - 1 / (1 + e^x)."""
    power = tf.exp(x)
    return tf.math.log(1 + power), lambda upstream: upstream * (1 - 1 / (1 + power))


x = tf.Variable([0.0, 100.0])
with tf.GradientTape(persistent=True) as tape:
    plain, careful = naive(x), finite_slope(x)
naive_slopes, our_slopes = tape.gradient(plain, x).numpy(), tape.gradient(careful, x).numpy()
print("naive slopes:", naive_slopes, "our own:", our_slopes)
assert np.isnan(naive_slopes[1]) and our_slopes.tolist() == [0.5, 1]

# %% [markdown]
# ## A line by hand
# Points near y = 3x + 2. We look for `w` and `b` so that the mean squared error is smallest, from
# w = 0 and b = -1: 200 times compute the gradient and take a step of 0.1 times it downhill.

# %%
POINTS, STEPS, RATE = 100, 200, 0.1
random = np.random.default_rng(lesson.seed)
xs = random.normal(size=POINTS).astype("float32")
ys = (3 * xs + 2 + random.normal(scale=0.5, size=POINTS)).astype("float32")


def fit_line(rate, steps=STEPS, show=False):
    """Fit w and b by gradient descent; return both and the loss before every step."""
    w, b, losses = tf.Variable(0.0), tf.Variable(-1.0), []
    for step in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((w * xs + b - ys) ** 2)
        slope_w, slope_b = tape.gradient(loss, [w, b])
        w.assign_sub(rate * slope_w)
        b.assign_sub(rate * slope_b)
        losses.append(float(loss))
        if show and step % 20 == 0:
            print(f"step {step:3d}  loss {loss:.4f}  w {w.numpy():.4f}  b {b.numpy():.4f}")
    return float(w), float(b), losses


w, b, losses = fit_line(RATE, show=True)
best_w, best_b = np.polyfit(xs, ys, 1)
print(f"after {STEPS} steps w {w:.4f}, b {b:.4f}; least squares: w {best_w:.4f}, b {best_b:.4f}")
assert abs(w - best_w) < 1e-3 and abs(b - best_b) < 1e-3

# %% [markdown]
# How large may the rate be? The loss is a bowl, and its Hessian says how steeply it bends: along
# its steepest direction by the largest eigenvalue. Above 2 divided by that number each step leaps
# farther up the other side. 0.001 is too small for 200 steps, 0.1 is right, and 1.1 diverges.

# %%
with tf.GradientTape() as outer:
    line = tf.Variable([0.0, -1.0])
    with tf.GradientTape() as inner:
        loss = tf.reduce_mean((line[0] * xs + line[1] - ys) ** 2)
    gradient = inner.gradient(loss, line)
limit = 2 / np.linalg.eigvalsh(outer.jacobian(gradient, line)).max()
rates = {rate: fit_line(rate) for rate in (0.001, RATE, 1.1)}
print(
    f"rates above {limit:.2f} diverge; loss after {STEPS} steps:",
    ", ".join(f"rate {rate}: {lost[-1]:.3g}" for rate, (*_, lost) in rates.items()),
)
assert RATE < limit < 1.1
assert 1000 > rates[0.001][2][-1] > 2 * rates[RATE][2][-1]
assert not rates[1.1][2][-1] < 1000  # so large that it may be infinite or no number at all

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
left.scatter(xs, ys, s=12, label="points")
ends = np.array([xs.min(), xs.max()])
left.plot(ends, -1 + 0 * ends, "--", color="gray", label="before: w = 0, b = -1")
left.plot(ends, w * ends + b, color="tab:red", label=f"after: w = {w:.2f}, b = {b:.2f}")
left.set(xlabel="x", ylabel="y", title="the line")
middle.plot(losses)
middle.set(xlabel="step", ylabel="mean squared error", title=f"the loss, rate {RATE}")
for rate, (*_, lost) in rates.items():
    right.plot(lost, label=f"rate {rate}")
right.set(xlabel="step", ylabel="mean squared error", title="three learning rates")
right.set(yscale="log", ylim=(min(losses) / 3, 1e4))
left.legend()
right.legend()
lesson.save_figure("line", figure)

# %% [markdown]
# The same by Keras: one `Dense` unit has one weight and one bias. `SGD` is the step above.

# %%
line = keras.Sequential([
    keras.Input((1,)),
    layers.Dense(1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(-1)),
])
line.compile(keras.optimizers.SGD(RATE), "mse")
all_points = tf.data.Dataset.from_tensors((xs[:, np.newaxis], ys[:, np.newaxis])).repeat(STEPS)
line.fit(all_points, shuffle=False, verbose=0)  # one epoch of 200 steps, all points in each
keras_w, keras_b = (float(np.squeeze(part)) for part in line.get_weights())
print(f"by fit: w {keras_w:.4f}, b {keras_b:.4f}")
assert abs(keras_w - w) < 5e-4 and abs(keras_b - b) < 5e-4

# %% [markdown]
# # The loop that `fit` hides
#
# ## 2 Prepare
# As in lesson 01: a tenth for validation, and batches in a new order for each epoch.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images, train_labels, test_size=0.1, random_state=lesson.seed, stratify=train_labels
)
train = lesson.batches(train_images, train_labels)

# %% [markdown]
# ## 3 Define


# %%
def build_model():
    """Build the network; the same seed gives the same starting weights."""
    keras.utils.set_random_seed(lesson.seed)
    return keras.Sequential([
        keras.Input((28, 28), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])


def compile_model(model, steps_per_execution=1):
    """Give a model its optimizer, loss and metric."""
    model.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    model.optimizer.build(model.trainable_variables)
    return model


# %% [markdown]
# ## 4 Compile
# The loop needs a loss, an optimizer and a metric. A metric collects over batches and is reset for
# every epoch. First the arithmetic itself: for a layer with `softmax`, the gradient of the
# cross-entropy is the rule of lesson 06.

# %%
loss_function = keras.losses.SparseCategoricalCrossentropy()
accuracy = keras.metrics.SparseCategoricalAccuracy()
mean_loss = keras.metrics.Mean()


def train_step(model, images, labels):
    """Change the weights by one batch, and tell the metrics."""
    with tf.GradientTape() as tape:
        probabilities = model(images, training=True)
        loss = loss_function(labels, probabilities)
    gradients = tape.gradient(loss, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    mean_loss.update_state(loss, sample_weight=tf.shape(labels)[0])
    accuracy.update_state(labels, probabilities)
    return gradients


model = compile_model(build_model())
images, labels = train_images[:100], train_labels[:100]
too_much = (model(images).numpy() - np.eye(10)[labels]) / len(labels)
hidden = images
for layer in model.layers[:-1]:
    hidden = layer(hidden)
gradients = train_step(compile_model(build_model()), images, labels)
np.testing.assert_allclose(gradients[-1], too_much.sum(axis=0), atol=1e-6)  # by the biases
np.testing.assert_allclose(gradients[-2], hidden.numpy().T @ too_much, atol=1e-6)  # by the weights

# %% [markdown]
# How long is a step, eagerly and as `tf.function`? We train two copies of the model for 50 steps
# after five to warm up, on the same batches.
#
# <!-- results: lesson-07-speedup -->
# On two CPU cores the step that `tf.function` compiled was 16 (15 to 16) times as fast as the eager
# one (median and range of three runs).
# <!-- end -->

# %%
WARM_UP, TIMED = 5, 50
some_batches = list(train.repeat().take(WARM_UP + TIMED))


def step_ms(step, model):
    """Measure the milliseconds of one training step; return their median."""
    seconds = []
    for images, labels in some_batches:
        began = time.perf_counter()
        step(model, images, labels)
        seconds.append(time.perf_counter() - began)
    return 1000 * np.median(seconds[WARM_UP:])


eager_model, compiled_model = compile_model(build_model()), compile_model(build_model())
eager_ms = step_ms(train_step, eager_model)
function_ms = step_ms(tf.function(train_step), compiled_model)
print(
    f"a training step takes {eager_ms:.2f} ms eagerly, {function_ms:.2f} ms as tf.function: "
    f"{eager_ms / function_ms:.1f} times as fast"
)
for one, other in zip(eager_model.weights, compiled_model.weights, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-3)  # the same but for rounding

# %% [markdown]
# ## 5 Fit
# Epochs, batches, metrics, validation, callbacks: this is `fit`, written out.

# %%
fast_step = tf.function(train_step)
callbacks = keras.callbacks.CallbackList(
    lesson.callbacks(), add_history=True, model=model, epochs=lesson.epochs
)
callbacks.on_train_begin()
for epoch in range(lesson.first_epoch, lesson.epochs):
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
# `fit` with the same start and the same batches should come to the same accuracy, but for rounding.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
train = lesson.batches(train_images, train_labels)  # the orders of the first epochs again
by_fit = compile_model(build_model(), steps_per_execution=len(train))
by_fit.fit(train, epochs=lesson.epochs, verbose=0)
fit_test = by_fit.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
print(f"test accuracy: our loop {test['accuracy']:.4f}, fit {fit_test['accuracy']:.4f}")

# %% [markdown]
# ## 7 Predict
# A gradient can also go to the *input*: which pixels would change the answer? More ink on a red
# pixel speaks for the answer, on a blue one against it. The model turns its input into bytes, and
# whole numbers have no gradient; so we call its layers one after the other.

# %%
images = tf.cast(test_images[:5], tf.float32)
with tf.GradientTape() as tape:
    tape.watch(images)
    values = images
    for layer in model.layers:
        values = layer(values)
    answers = tf.reduce_max(values, axis=1)
input_gradients = tape.gradient(answers, images).numpy()
with tf.GradientTape() as tape:
    tape.watch(images)
    answers = model(images)
assert tape.gradient(answers, images) is None
answer_labels = values.numpy().argmax(axis=1)
figure, axes = plt.subplots(2, 5, figsize=(10, 4.5), layout="constrained")
for place, gradient in enumerate(input_gradients):
    axes[0, place].imshow(test_images[place], cmap="gray_r")
    axes[0, place].set_title(f"answer {answer_labels[place]}, true {test_labels[place]}")
    largest = np.abs(gradient).max()
    axes[1, place].imshow(gradient, cmap="RdBu_r", vmin=-largest, vmax=largest)
for panel in axes.flat:
    panel.axis("off")
lesson.save_figure("input_gradients", figure)
scores = {
    "test_loss": test["loss"],
    "test_accuracy": test["accuracy"],
    "test_accuracy_of_fit": fit_test["accuracy"],
}
lesson.finish(model, model.history, **scores, eager_step_ms=eager_ms, function_step_ms=function_ms)

# %% [markdown]
# ## Exercises
# 1. Compute the second derivative of x³ at 2 with two tapes, and check it by the formula.
# 2. Find the minimum of (x - 3)² + 1 by gradient descent from 0. How many steps until x is right to
#    0.001, with rates 0.1, 0.5 and 1.1?
# 3. Is a step really faster inside `tf.function`? Compare `--batch-size 16` with `--batch-size
#    1024`.
#
# Solutions: notes/solutions/07_autodiff.md
