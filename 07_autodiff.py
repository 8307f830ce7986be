# %% [markdown]
"""
# 07 Automatic differentiation: which way is downhill?

Training a network means making its loss smaller. For that it needs the derivative of the loss with
respect to every weight, and TensorFlow computes all of them for you: `tf.GradientTape`. You will
check it against formulas you know from school, and then train the smallest of all models, a
straight line, without any help from Keras.

Expect: w 3.06 (3.01 to 3.06), b 2.00 (1.97 to 2.02), median and range of three seeds.

    python 07_autodiff.py
    python 07_autodiff.py --batch-size 10
"""

# %%
from frame import Lesson

# The points are made below, so there is no data set to load. The tape exists only in TensorFlow.
lesson = Lesson(
    __doc__, epochs=100, batch_size=100, data="points near a line", backends=("tensorflow",)
)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

# %% [markdown]
# ## Derivatives by tape
#
# ### One derivative
# The derivative of f(x) = x³ - 2x is 3x² - 2. At x = 2 that is 10: if x grows by a tiny amount, f
# grows ten times as much. Can TensorFlow find this out by itself?
#
# Below, x is a *variable*: a tensor that can be changed, like the weights of a network (lesson 06).
# Inside the `with` block, the *tape* records every operation on a variable or on something computed
# from one. Then `tape.gradient(y, x)` goes back through the record and computes the derivative of y
# with respect to x. This is *automatic differentiation*. It is exact, apart from rounding:
# TensorFlow knows the derivative of each single operation, and combines them.
#
# We can check it without any calculus, by *finite differences* (lesson 00): move x a little to both
# sides, and divide the change of f by the change of x. They are only an approximation: the slope
# between two points, not at one.


# %%
def f(x):
    return x**3 - 2 * x


x = tf.Variable(2.0)
with tf.GradientTape() as tape:
    y = f(x)
print("with the tape:", tape.gradient(y, x).numpy())
print("with finite differences:", (f(2.001) - f(1.999)) / 0.002)

# %% [markdown]
# Finite differences are slow, too: they would run a network with 100,000 weights 200,000 times for
# one training step. The tape needs one run forward and one backward.
#
# ### The chain rule, backward
# A network is a chain of functions: each layer takes what the one before computed. The *chain rule*
# says how to differentiate a chain: multiply the derivatives of its links. Take y = sin(u) with
# u = x². Then dy/du = cos(u) and du/dx = 2x, so dy/dx = cos(u) · 2x.
#
# The tape does the same. It starts at the end, with dy/du, and works its way back to x, one link at
# a time (*reverse mode*). Applied to the loss of a network, from the last layer back to the first,
# this is *backpropagation*.
#
# Why backward? Every early layer needs the derivatives of all later ones as factors. Backward, they
# are computed once and used by all earlier layers. So one pass gives the derivatives for all
# weights. A pass from the front (*forward mode*) starts at one weight and carries along how that
# weight changes everything after it. For the next weight it has to start again: 100,000 weights
# would need 100,000 passes.

# %%
x = tf.Variable(1.5)
with tf.GradientTape() as tape:
    u = x**2
    y = tf.sin(u)
dy_du, dy_dx = tape.gradient(y, [u, x])  # a list of variables or intermediate results
print(f"dy/du {dy_du:.4f}, by the formula {np.cos(1.5**2):.4f}")
print(f"dy/dx {dy_dx:.4f}, by the formula {np.cos(1.5**2) * 2 * 1.5:.4f}")

# %% [markdown]
# ### Gradients
# A loss depends on many weights. Its derivative with respect to one of them, with the others fixed,
# is a *partial derivative*; the vector of all of them is the *gradient*. For z = 4w + b² at w = 3
# and b = 1 it is (4, 2b) = (4, 2), and `tape.gradient(z, [w, b])` returns these two: z rises if w
# or b grows, and twice as fast for w.
#
# Drawn as an arrow, the gradient points uphill, where z rises most steeply: a step of length 0.01
# raises z by about 0.040 along w, by 0.020 along b, and by 0.045 along the arrow. So to make a loss
# *smaller*, step *against* the gradient: subtract a little of it from the weights. That is
# *gradient descent*, and the idea behind all training.
#
# ### When the gradient is None
# `None` means that the tape knows no way from the result back to x. There are two usual causes:
#
# - x is a constant. By itself the tape watches only variables. For a constant, call `tape.watch(x)`
#   at the beginning of the `with` block.
# - The computation left TensorFlow on its way, for example through NumPy: the record has a gap.
#
# A tape keeps all intermediate results. `gradient` frees that memory, so you can ask only once. A
# tape made with `persistent=True` keeps them.

# %%
x, constant = tf.Variable(3.0), tf.constant(3.0)
with tf.GradientTape(persistent=True) as tape:
    by_numpy = tf.constant(np.square(x.numpy()))
    of_constant = constant**2
print("through NumPy:", tape.gradient(by_numpy, x))
print("with respect to a constant:", tape.gradient(of_constant, constant))

# %% [markdown]
# [notes/gradients.md](notes/gradients.md) has what experts ask: gradients of arrays, second
# derivatives, gradients of your own.
#
# ## A line, fitted by hand
#
# ## 1 Load
# We make the data ourselves: points near the line y = 3x + 2, with random noise added to every y.
# Can gradient descent find the 3 and the 2 again?

# %%
random = np.random.default_rng(lesson.seed)


def make_points(count):
    """Return x (normally distributed) and y = 3x + 2 + noise, both of shape (count, 1)."""
    x = random.normal(size=(count, 1))
    y = 3 * x + 2 + random.normal(scale=0.5, size=(count, 1))
    return x.astype("float32"), y.astype("float32")


train_x, train_y = make_points(100)
test_x, test_y = make_points(50)

# %% [markdown]
# ## 2 Prepare
# Nothing needs scaling. Keras, which we use later, wants batches. In this lesson a batch holds all
# 100 points, so an epoch is a single step.

# %%
train = lesson.batches(train_x, train_y)

# %% [markdown]
# ## 3 Define
# The model is a straight line, w·x + b, with two parameters: the *weight* w and the *bias* b.


# %%
def predict(x, w, b):
    return w * x + b


# %% [markdown]
# ## 4 Compile
# `compile` would get a loss and an optimizer. By hand, they are a formula and a subtraction. The
# loss is the *mean squared error* (MSE): the average of (prediction - y)² over all points. As a
# function of w and b it is a bowl with a single lowest point. Gradient descent starts somewhere on
# its side, here at w = 0 and b = -1, and repeats: compute the loss, compute its gradient, subtract
# the gradient times a small number, the *learning rate*, from the parameters.


# %%
def fit_line(rate):
    """Fit w and b by gradient descent; return them and the loss before each step."""
    w, b, losses = tf.Variable(0.0), tf.Variable(-1.0), []
    for _ in range(100):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((predict(train_x, w, b) - train_y) ** 2)
        dloss_dw, dloss_db = tape.gradient(loss, [w, b])
        w.assign_sub(rate * dloss_dw)
        b.assign_sub(rate * dloss_db)
        losses.append(float(loss))
    return float(w), float(b), losses


# %% [markdown]
# ## 5 Fit
# How large should the learning rate be? We try three.

# %%
fits = {rate: fit_line(rate) for rate in (0.001, 0.1, 1.1)}
for rate, (w, b, losses) in fits.items():
    print(f"rate {rate}: w {w:.4g}, b {b:.4g}, loss {losses[0]:.4g} -> {losses[-1]:.4g}")
w, b, losses = fits[0.1]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
ends = np.array([train_x.min(), train_x.max()])
left.scatter(train_x, train_y, s=12, label="training points")
left.plot(ends, predict(ends, 0, -1), "--", color="gray", label="before: w = 0, b = -1")
left.plot(ends, predict(ends, w, b), color="tab:red", label=f"after: w = {w:.2f}, b = {b:.2f}")
left.set(xlabel="x", ylabel="y", title="the line before and after 100 steps")
left.legend()
for rate, (*_, losses_of_rate) in fits.items():
    right.plot(losses_of_rate, label=f"learning rate {rate}")
right.set(xlabel="step", ylabel="mean squared error", title="the loss during training")
right.set(yscale="log", ylim=(min(losses) / 3, 1e4))
right.legend()
lesson.save_figure("line", figure)

# %% [markdown]
# With 0.001 the loss has fallen by only about a quarter after 100 steps. With 0.1 it stops falling
# long before the end: the line has arrived. With 1.1 the loss *diverges*: it grows without limit.
# Why?
#
# Look at b alone, with w fixed. The loss, an average of squares, is then the parabola (b - best)² +
# c: c is the lowest loss, and `best` is the b that has it. Its derivative is 2·(b - best). A step
# subtracts rate·2·(b - best), so it multiplies the distance b - best by the factor (1 - 2·rate):
#
# - rate 0.1: the factor is 0.8, and the distance shrinks quickly
# - rate 0.001: the factor is 0.998, and it shrinks slowly
# - rate 1.1: the factor is -1.2, so each step jumps over the minimum and lands farther away
#
# ### The same with Keras
# A `Dense` layer with one unit computes w·x + b. The two initializers give it our starting values;
# Keras calls w the *kernel* of the layer. `"mse"` is our loss, and `SGD`, stochastic gradient
# descent (lesson 01), makes our update.

# %%
model = keras.Sequential([
    keras.Input((1,)),
    layers.Dense(1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(-1)),
])
model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.1), loss="mse")
history = model.fit(train, epochs=lesson.epochs, callbacks=lesson.callbacks(), verbose=0)
keras_w, keras_b = (float(np.squeeze(parameter)) for parameter in model.get_weights())

# %% [markdown]
# ## 6 Evaluate
# For a straight line a formula gives the best w and b directly (*least squares*); `np.polyfit` uses
# it. How well does the line of Keras do on new points? The noise has standard deviation 0.5, so its
# mean square is 0.5² = 0.25. No line can predict noise: expect a test MSE of about that.

# %%
best_w, best_b = np.polyfit(train_x[:, 0], train_y[:, 0], 1)
print(f"our loop:      w {w:.4f}, b {b:.4f}")
print(f"Keras' fit:    w {keras_w:.4f}, b {keras_b:.4f}")
print(f"least squares: w {best_w:.4f}, b {best_b:.4f}")
test_mse = model.evaluate(test_x, test_y, verbose=0)
print(f"test MSE: {test_mse:.3f}")

# %% [markdown]
# All three agree, if you kept the default flags. They are near 3 and 2 but not equal to them: other
# noisy points would give a slightly different line. Then why gradient descent? For a neural network
# there is no such formula.
#
# ## 7 Predict
# The value at x = 2, by hand and by Keras; the true line has 3 · 2 + 2 = 8.

# %%
by_keras = model.predict(np.array([[2.0]]), verbose=0)[0, 0]
print(f"prediction at x = 2: by hand {predict(2, w, b):.3f}, by Keras {by_keras:.3f}")
lesson.finish(model, history, w=keras_w, b=keras_b, test_mse=test_mse)

# %% [markdown]
# ## Remember
# - `tf.GradientTape` records a computation; `tape.gradient` goes back through it by the chain rule.
#   For the loss of a network this is called backpropagation.
# - The gradient points uphill. Gradient descent subtracts it, times the learning rate.
# - Too small a learning rate wastes time; too large a one makes the loss diverge.
#
# For a network of your own, first try the optimizer's default learning rate. If the loss grows
# becomes `inf` (too large for float32) or `nan` (*not a number*, such as inf - inf), divide the
# rate by ten; if the loss hardly falls, multiply it by three. Lesson 15 trains a network by a tape
# and a loop of its own.

# %% [markdown]
# ## Exercises
# 1. The derivative of x³ can be differentiated once more. Compute the second derivative of x³ at 2
#    with two tapes, one inside the other, and check it by the formula.
# 2. Find the minimum of (x - 3)² + 1 by gradient descent from 0. How many steps does it take until
#    x is less than 0.001 from the minimum, with the learning rates 0.1, 0.5 and 1.1?
# 3. With `--batch-size 10`, `fit` takes ten steps per epoch, each with ten of the points. Compare
#    the `loss.png` of a run with this flag and of one without. What is different, and why?
#
# Solutions: notes/solutions/07_autodiff.md
