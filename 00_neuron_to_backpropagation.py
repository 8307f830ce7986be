# %% [markdown]
"""
# 00 From neuron to backpropagation: how does a network learn?

Build a neural network with NumPy alone: first one artificial neuron, then three of them, which
learn a task that no single one can do. You take every derivative by hand. In the other lessons
Keras, a library for neural networks, does all of this; after this one you know what it does.

Expect: of 20 random starts, 13 (11 to 16) learn the task: median and range of 3 runs.

    python 00_neuron_to_backpropagation.py
    python 00_neuron_to_backpropagation.py --seed 44
"""

# %%
from frame import Flag, Lesson

# `lesson` is this collection's helper. It makes flags of `epochs` and `learning_rate`:
# `--learning-rate 1` sets `lesson.learning_rate`, which is 2 by default. Every lesson has `--seed`,
# too, by default 42.
lesson = Lesson(
    __doc__,
    epochs=500,
    learning_rate=Flag(2.0, below=50),
    data="the four rows of the truth table",
    keras=False,
)

import numpy as np

from neuron import descent, figures, wave
from neuron.check import finite_differences

# %% [markdown]
# ## One neuron
#
# ### From the cell to a formula
# A nerve cell, or *neuron*, receives signals from thousands of others. Each arrives at a *synapse*,
# a connection that is strong or weak. The cell adds everything up, and if the sum is large enough,
# it sends a signal to other cells.
#
# The artificial neuron, also called a *unit*, imitates that. Each input has a *weight*, the
# synapse: large or small, positive or negative. The unit multiplies each input by its weight and
# adds up the products and one more number, its *bias*. The result is called z. If z is above 0, the
# unit outputs 1, otherwise 0. For two inputs a and b of 0 or 1, weights of 1 and a bias of -1.5
# compute "a and b": z = a + b - 1.5 is above 0 only for a = b = 1.
#
# NumPy computes z for many inputs at once: `A @ B` multiplies each row of A by each column of B,
# number by number, and adds up the products.


# %%
def step(z):
    return np.where(z > 0, 1, 0)


x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])  # a row for each input: a, b
weights = np.array([1, 1])
for name, bias in {"a and b": -1.5, "a or b": -0.5}.items():
    z = x @ weights + bias  # for each row a · 1 + b · 1 + bias
    print(f"{name}: z {z}, output {step(z)}")

# %% [markdown]
# ### Why a bias?
# The output changes where z = 0. With two inputs, these points form a straight line. The weights
# turn it, the bias shifts it. The figure `unit` shows the line with and without a bias; the output
# is 1 in the shaded part. Without a bias the line always passes through (0, 0). Then it cannot
# separate (1, 1), the blue point, from the other three, as "a and b" must.
#
# ### Activations, and why they must be nonlinear
# The function that turns z into the output is the *activation function*. The step is no good for
# learning: a small change of a weight hardly ever changes the output, so we cannot tell whether the
# change was an improvement. The *sigmoid*, 1 / (1 + e^-z), is a step with round edges: every change
# of z changes it. Two more are *tanh*, a similar curve from -1 to 1, and *relu*: z if it is above
# 0, otherwise 0.
#
# Could a unit simply output z? Then several *layers* of units, each fed by the one before, would be
# no better than one: a weighted sum of weighted sums is a weighted sum. So an activation must be
# *nonlinear*: its curve is not a straight line.


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


activations = {"step": step, "sigmoid": sigmoid, "tanh": np.tanh, "relu": lambda z: z * (z > 0)}
lesson.save_figure("unit", figures.borders_and_activations((0, -1.5), activations))

# %% [markdown]
# ## Three neurons
# From here on we follow the seven steps of all lessons.
#
# ## 1 Load
# *Exclusive or*, XOR, is 1 if exactly one of a and b is 1. Mark the four points on paper: no
# straight line separates (0, 1) and (1, 0) from the other two. So no single unit computes XOR. But
# three can: two of them draw a line each, and the third combines their outputs.

# %%
y = np.array([[0], [1], [1], [0]])  # the right answers: a xor b, for the four rows of x

# %% [markdown]
# ## 2 Prepare
# Nothing to do: numbers between 0 and 1 suit a network.
#
# ## 3 Define
# Both inputs go to each of two units. Their layer is called *hidden*, because its outputs stay
# inside the network: they go to the *output unit*. This is a 2-2-1 network: two inputs, two hidden
# units, one output unit. Its output p, between 0 and 1, is taken as the probability that the right
# answer y is 1. Computing p from the inputs is the *forward pass*.
#
# The weights and biases, which training will change, are the *parameters*: here six weights and
# three biases. The weights start at random: if the two hidden units had equal weights, they would
# give equal outputs and change in the same way, so the two could do no more than one. The same
# *seed* always gives the same random numbers.
#
# The program prints the parameters, then a row for each input, with every number on its way to p.
# Check one of them by hand.


# %%
def new_network(seed):
    random = np.random.default_rng(seed)
    # w1, where column j has the weights of hidden unit j; b1; w2; b2
    return [random.normal(size=(2, 2)), np.zeros(2), random.normal(size=(2, 1)), np.zeros(1)]


def forward(x, w1, b1, w2, b2):
    z1 = x @ w1 + b1  # shape (4, 2): a row for each input, a column for each hidden unit
    h = sigmoid(z1)
    z2 = h @ w2 + b2
    p = sigmoid(z2)
    return z1, h, z2, p


names = ["w1", "b1", "w2", "b2"]
network = new_network(lesson.seed)
start = [parameter.copy() for parameter in network]
for name, parameter in zip(names, network, strict=True):
    print(name, parameter.round(2).tolist())
figures.print_rows(x, *forward(x, *network), y)

# %% [markdown]
# ## 4 Compile
# Keras' `compile` chooses a loss and the way to make it smaller. We write both ourselves.
#
# **The loss** measures how wrong the outputs are. Let q be the probability that the network gives
# to the right answer: p if y = 1, and 1 - p if y = 0. The loss of one row is -log(q), with the
# natural logarithm. It is near 0 if the network is sure and right, 0.69 for q = 0.5, and grows
# without limit as q goes to 0. The loss of the network, L, is the average over all rows, the
# *cross-entropy*.
#
# **The gradient.** Should a parameter grow or shrink? The *derivative* of the loss with respect to
# it says how fast the loss rises if only this parameter grows. All nine derivatives together are
# the *gradient*. It points in the direction in which the loss rises fastest.
#
# Take a single row, so that L is its loss, and one weight of the output unit, here w2. It acts on L
# through a chain: it changes z2, which changes p, which changes L. The *chain rule* says that the
# derivative of a chain is the product of the derivatives of its links:
#
#     dL/dw2 = dL/dp · dp/dz2 · dz2/dw2
#
#     dL/dp   = -1 / p           if y = 1, as then L = -log(p)
#     dp/dz2  = p · (1 - p)      as p = 1 / (1 + e^-z2): e^-z2 / (1 + e^-z2)² = p · (1 - p)
#     dz2/dw2 = h                as z2 = w2 · h + ...
#
# The product of the first two is dL/dz2 = p - 1. If y = 0, then L = -log(1 - p) and dL/dp = 1 / (1
# - p), so dL/dz2 = p. So in both cases dL/dz2 = p - y: the output minus the right answer.
#
# A weight of a hidden unit, w1, acts through a longer chain: z1, h, z2, p, L. The derivative of its
# last part, from z2 to L, we already know:
#
#     dL/dw1 = dL/dz2 · dz2/dh · dh/dz1 · dz1/dw1 = (p - y) · w2 · h · (1 - h) · x
#
# So we go backward from the loss, layer by layer, and each layer uses what was computed for the one
# after it. That is *backpropagation*.
#
# In the code, `dz2` stands for dL/dz2, and so on; `.T` swaps rows and columns. The loss is the
# average over the rows, so `dz2` is divided by their number. Then `h.T @ dz2` multiplies h by dz2
# in every row and adds up the four products.


# %%
def loss_of(p):
    q = np.where(y == 1, p, 1 - p)
    return -np.log(np.maximum(q, 1e-12)).mean()  # at least 1e-12: the log of 0 would be infinite


def backward(h, p, w2):
    dz2 = (p - y) / len(y)  # shape (4, 1), as z2
    dw2 = h.T @ dz2  # (2, 4) @ (4, 1) gives (2, 1), as w2; dz2/dw2 = h
    db2 = dz2.sum(axis=0)  # dz2/db2 = 1
    dh = dz2 @ w2.T  # (4, 1) @ (1, 2) gives (4, 2), as h; dz2/dh = w2
    dz1 = dh * h * (1 - h)  # number by number
    dw1 = x.T @ dz1  # dz1/dw1 = x
    db1 = dz1.sum(axis=0)  # dz1/db1 = 1
    return [dw1, db1, dw2, db2]


# %% [markdown]
# Is it right? A mistake here is easily made and hard to see. So we compute the loss with a weight w
# moved up by a tiny eps, then down. The *finite difference* (L(w + eps) - L(w - eps)) / (2 · eps)
# should agree with dL/dw to several digits. For training it would be far too slow: it needs two
# forward passes for every parameter.

# %%
_, h, _, p = forward(x, *network)
gradient = backward(h, p, w2=network[2])
measured = finite_differences(lambda: loss_of(forward(x, *network)[-1]), network)
for name, one, other in zip(names, gradient, measured, strict=True):
    print(f"{name}: backpropagation {one.ravel().round(5)}, measured {other.ravel().round(5)}")

# %% [markdown]
# ## 5 Fit
# If a derivative is positive, the parameter should shrink; if it is negative, the parameter should
# grow. Both happen when we subtract the derivative times a positive number, the *learning rate*.
# Then we compute the gradient anew, and repeat. That is *gradient descent*. One pass over all the
# data is an *epoch*; here every step uses all four rows, so a step is an epoch.


# %%
def train(network, epochs):
    """Take a step for each of `epochs`, as in range(500); return the loss before each step."""
    losses = []
    for _ in epochs:
        _, h, _, p = forward(x, *network)
        losses.append(loss_of(p))
        for parameter, derivative in zip(network, backward(h, p, w2=network[2]), strict=True):
            parameter -= lesson.learning_rate * derivative  # changes the network itself
    return losses


losses = train(network, lesson.timed_epochs())  # range(lesson.epochs), timed
final_loss = loss_of(forward(x, *network)[-1])
print(f"loss {losses[0]:.3f} before training, {final_loss:.3f} after {len(losses)} steps")
panels = {"before training": start, "after training": network}
lesson.save_figure("network", figures.networks(panels))
figures.print_rows(x, *forward(x, *network), y)

# %% [markdown]
# The figure `loss`, which `lesson.finish` draws at the end, shows the loss before each step. With
# the default seed, 42, it soon reaches a *plateau*, a stretch on which it hardly falls. There p is
# about 0.5 for every input, and the loss is near 0.69. Then the hidden units begin to respond to
# different inputs, and the loss drops.
#
# The figure `network` shows the weights before and after, blue if positive, red if negative; the
# number in a unit is its bias. With seed 42, as the second table shows, the output h of the first
# hidden unit is near 0 only for (0, 1), that of the second only for (1, 0). So the output unit only
# has to tell "both near 1" from the rest, and a single unit can do that. Nobody told the hidden
# units what to do: gradient descent found it.
#
# ## 6 Evaluate
# The network needed all four rows to learn, so none are left for a *test set*: data that a network
# has not been trained on, to measure how good it is. But was it luck? We count how many of twenty
# random starts end with p on the right side of 0.5 in all four rows.

# %%
solved = 0
for seed in range(lesson.seed, lesson.seed + 20):
    another = new_network(seed)
    train(another, range(lesson.epochs))
    solved += int(((forward(x, *another)[-1] > 0.5) == y).all())
print(f"{solved} of 20 starts learn XOR")

# %% [markdown]
# Some starts that fail only need more steps. Most of the others are stuck. Gradient descent goes
# downhill from where it starts, and may end in a flat region or a *local minimum*, lower than
# everything around it, but not the lowest point of all. Larger networks usually fail less often:
# see [xor/](xor/README.md).
#
# ## 7 Predict
# To use the network, run the forward pass, and read a p above 0.5 as 1. It also answers inputs on
# which it was never trained, such as (0.5, 0.5), but that may be worth nothing: with seed 42 p is
# near 0, with 44 near 1.

# %%
for a, b in ((0, 1), (1, 1), (0.5, 0.5)):
    print(f"a = {a}, b = {b}: p = {forward(np.array([[a, b]]), *network)[-1].item():.3f}")

# %% [markdown]
# ## Better steps
# Picture the loss as a landscape. In a narrow valley the steepest direction runs across the valley
# rather than along it, so plain gradient descent jumps from one slope to the other. To draw such a
# valley, we need a loss of two parameters: a unit without an activation, w·x + b, has to fit points
# on a line. Its loss is the *mean squared error*, the average squared difference of output and
# right answer.
#
# - *Momentum* adds 0.9 of the step before to each step, as a rolling ball keeps its speed. Steps
#   across the valley cancel out; steps along it add up.
# - *Adam* averages recent derivatives instead of adding them up, and divides by their typical size.
#   So all parameters move at a similar pace, however steep the loss is.
#
# The figure `paths` shows the steps, each as a dot (the functions are in
# [neuron/descent.py](neuron/descent.py)). Plain gradient descent zigzags, then creeps along the
# valley, and does not reach the minimum in 60 steps. Momentum and Adam swing from side to side but
# arrive. Adam often works without a search for its learning rate, so most lessons start with it.

# %%
paths = {}
for update, rate in ((descent.plain, 0.1), (descent.momentum, 0.02), (descent.adam, 0.3)):
    path = descent.descend(update, rate)
    paths[f"{update.__name__}, learning rate {rate}"] = path
    print(f"{update.__name__}: loss {descent.loss(*path[-1]):.4f} after {len(path) - 1} steps")
lesson.save_figure("paths", figures.paths(descent.loss, paths, descent.MINIMUM))

# %% [markdown]
# ## What "deep" means
# A network is *deep* if it has several hidden layers, *wide* if they have many units. In theory one
# hidden layer will do: with enough units the network comes as close as you like to any continuous
# function on a bounded range. But this *universal approximation theorem* does not say how many
# units are enough, nor that gradient descent finds the weights.
#
# So we measure. The inputs are 101 numbers x from -1 to 1, and the right answer is a wave,
# sin(3πx). Two networks of tanh units with about as many parameters learn it in 500 steps of Adam:
# one has a hidden layer of 54 units, the other three of 8. `wave.learn` does what you have seen
# above, in a loop over the layers. The figure `depth` shows what they have learned.

# %%
shapes = {"one layer of 54": [54], "three layers of 8": [8, 8, 8]}
waves = {name: wave.learn(hidden, lesson.seed) for name, hidden in shapes.items()}
for name, (_, errors, count) in waves.items():  # outputs, error before each step, parameters
    print(f"{name}: {count} parameters, mean squared error {errors[-1]:.4f}")
lesson.save_figure("depth", figures.waves(wave.X, wave.WAVE, waves))
wide, deep = (errors[-1] for _, errors, _ in waves.values())
scores = {"final_loss": final_loss, "solved_starts": solved, "wide_mse": wide, "deep_mse": deep}
parameters = dict(zip(names, network, strict=True))
lesson.finish(parameters, {"loss": losses}, **scores)

# %% [markdown]
# <!-- results: lesson-00-depth -->
# Mean squared error after 500 steps, median and range of 3 seeds:
#
# | hidden layers | mean squared error |
# | --- | --- |
# | one of 54 units | 0.0374 (0.0193 to 0.0471) |
# | three of 8 units | 0.0131 (0.0005 to 0.0142) |
# <!-- end -->
#
# Here the deep network comes closer. A possible reason: the second layer combines curves that are
# bent already, so few units make many bends. But depth has a price. On its way back the gradient is
# multiplied by the derivative of one activation after another. Where these are small, it may
# *vanish*, and the first layers hardly learn. Lesson 20 compares wide and deep networks on real
# data.
#
# ## Remember
# - A unit: a weighted sum of its inputs, plus a bias, through a nonlinear function.
# - Backpropagation finds the gradient by the chain rule, from the last layer back to the first.
# - Gradient descent subtracts the gradient times the learning rate. Where it ends depends on where
#   it starts.
#
# On your own data, let Keras take the derivatives, and try first what lesson 01 does: one hidden
# layer, and Adam. If you must write a derivative by hand, check it by finite differences.

# %% [markdown]
# ## Exercises
# 1. Find, on paper, weights and biases of a 2-2-1 network that computes XOR with the step as its
#    activation. Check them with a few lines of NumPy.
# 2. Run `--learning-rate 0.2`, then `--learning-rate 0.2 --epochs 5000`, then `--learning-rate 30`.
#    What do the loss and the number of successful starts tell you?
# 3. Give the hidden units `np.tanh`, whose derivative at z is 1 - tanh(z)². Which line of
#    `backward` has to change? What do the finite differences show if you forget it?
#
# Solutions: notes/solutions/00_neuron_to_backpropagation.md
