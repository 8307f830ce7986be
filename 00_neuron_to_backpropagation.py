# %% [markdown]
"""
# 00 From neuron to backpropagation: how does a network learn?

Build a neural network with NumPy alone, the library for arrays of numbers: first one artificial
neuron, then three of them, which learn a task that no single one can do. You see every number that
the network computes, and take every derivative by hand. In the other lessons Keras does all of
this; after this one you know what it does.

Expect: of 20 starts, 16 (15 to 16) learn XOR, median and range of three seeds.

    python 00_neuron_to_backpropagation.py
    python 00_neuron_to_backpropagation.py --seed 44
"""

# %%
from frame import Flag, Lesson

# `lesson` is this collection's helper. It makes a command-line flag of each name below:
# `--learning-rate`, 2 if you do not give it, is `lesson.learning_rate` in the code. It also saves
# figures and results to a folder whose name it prints.
lesson = Lesson(
    __doc__,
    epochs=500,
    learning_rate=Flag(2.0, below=50),
    data="the four rows of the truth table",
    keras=False,
)

import numpy as np

from neuron import descent, figures, wave

# %% [markdown]
# # One neuron
#
# ## From the cell to a formula
# A nerve cell, or *neuron*, receives signals from thousands of others. Some connections are strong,
# some weak; some excite the cell, others inhibit it. If it is excited enough, it fires: it sends a
# signal to other cells.
#
# The artificial neuron, also called a *unit*, imitates just that. It multiplies each input by a
# *weight* of its own (positive or negative, large or small) and adds up the products. To this
# weighted sum it adds one more number, its *bias*. If the result is above 0, it outputs 1,
# otherwise 0. Let there be two inputs, a and b, which are 0 or 1. With weights of 1 and a bias of
# -1.5 the unit computes "a and b": only for a = b = 1 is the sum, 1 + 1 - 1.5, above 0.


# %%
def step(z):
    return np.where(z > 0, 1, 0)


x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])  # a row for each input: a, b
weights = np.array([1, 1])
for name, bias in {"a and b": -1.5, "a or b": -0.5, "without a bias": 0}.items():
    z = x @ weights + bias  # a · 1 + b · 1 + bias, for all four rows at once
    print(f"{name}: {z} -> {step(z)}")

# %% [markdown]
# ## Why a bias?
# The output changes where the sum is 0. With two inputs, these points form a straight line, here
# a + b - 1.5 = 0. The weights turn that line, the bias shifts it. Without a bias the line always
# passes through the point (0, 0), and then no unit can separate (1, 1) from the other three points.
# See the figure `unit`: in its shaded part the output is 1.
#
# ## Activations, and why they must bend
# The function that turns the sum into the output is the *activation function*. The step is no good
# for learning: if a weight changes a little, the output hardly ever changes, so nothing tells
# whether the change was for the better. The *sigmoid*, 1 / (1 + e^-z), is a step with round edges:
# nearly 0 if the sum z is far below 0, nearly 1 if it is far above, and every change of z changes
# it. The figure has two more activations, which other lessons use.
#
# Could a unit simply output the sum? Then several *layers* of units, each fed by the one before,
# would be no better than one: a weighted sum of weighted sums is a weighted sum. Below, two layers
# without an activation give the same numbers as a single layer. So an activation must *bend*: its
# curve must not be a straight line.


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


activations = {"step": step, "sigmoid": sigmoid, "tanh": np.tanh, "relu": lambda z: z * (z > 0)}
lesson.save_figure("unit", figures.borders_and_activations((0, -1.5), activations))

first, second = np.array([[1, 2, -1], [3, 0, 1]]), np.array([[1], [-2], [2]])
print("two layers:", ((x @ first) @ second).ravel())
print("one layer: ", (x @ (first @ second)).ravel(), "with weights", (first @ second).ravel())

# %% [markdown]
# # Three neurons
#
# ## 1 Load
# *Exclusive or*, XOR, is 1 if exactly one of a and b is 1. Mark the four points on paper: no
# straight line separates (0, 1) and (1, 0) from the other two. So no single unit computes XOR, but
# three units can.

# %%
y = np.array([[0], [1], [1], [0]])  # a xor b, for the four rows of x

# %% [markdown]
# ## 2 Prepare
# The inputs are fine as they are. The numbers that training will change, the weights and biases,
# are the *parameters*. The weights start at random, because two units that start alike would stay
# alike forever. The *seed* fixes the random numbers.


# %%
def new_network(seed):
    """Draw the parameters of two hidden units, w1 and b1, and of the output unit, w2 and b2."""
    random = np.random.default_rng(seed)
    return [random.normal(size=(2, 2)), np.zeros(2), random.normal(size=(2, 1)), np.zeros(1)]


# %% [markdown]
# ## 3 Define
# Both inputs go to each unit of a *hidden* layer of two, and their outputs go to the output unit:
# a 2-2-1 network. Its output p lies between 0 and 1. We take it as the probability that the answer
# is 1. Computing p from the inputs, layer by layer, is the *forward pass*. Column j of `w1` holds
# the weights of hidden unit j.


# %%
def forward(x, w1, b1, w2, b2):
    """Return sums and outputs of the hidden units, then those of the output unit."""
    z1 = x @ w1 + b1  # shape (4, 2): a row for each input, a column for each hidden unit
    h = sigmoid(z1)
    z2 = h @ w2 + b2  # (4, 1)
    p = sigmoid(z2)
    return z1, h, z2, p


def show_forward(network):
    print(" a b   hidden sums z1    outputs h     sum z2      p   a xor b")
    for row in np.hstack([x, *forward(x, *network), y]):
        print("{:2.0f}{:2.0f}{:8.2f}{:7.2f} ->{:6.3f}{:6.3f}{:9.2f} ->{:6.3f}{:5.0f}".format(*row))


network = new_network(lesson.seed)
start = [parameter.copy() for parameter in network]
show_forward(network)

# %% [markdown]
# ## 4 Compile
# Keras' `compile` sets up a loss and the way to make it smaller. We write both ourselves.
#
# **The loss** measures how wrong the answers are. Let q be the probability that the network gives
# to the right answer: p if that is 1, and 1 - p if it is 0. The loss of one row is -log(q). It is
# near 0 if the network is sure and right, 0.69 for q = 0.5, and grows without limit as q goes to 0.
# The loss of the network, L, is the average over all rows, the *cross-entropy*.


# %%
def loss_of(p):
    q = np.where(y == 1, p, 1 - p)
    return -np.log(np.maximum(q, 1e-12)).mean()  # at least 1e-12: the log of 0 would be infinite


# %% [markdown]
# **The gradient.** Should a parameter grow or shrink? The *derivative* of the loss with respect to
# it says how fast the loss rises if only this parameter grows. The derivatives with respect to all
# nine parameters are the *gradient*.
#
# Take a single row, so that L is its loss. A weight w2 of the output unit acts on L through a
# chain: it changes the sum z2, which changes p, which changes L. The *chain rule* says that the
# derivative of a chain is the product of the derivatives of its links:
#
#     dL/dw2 = dL/dp · dp/dz2 · dz2/dw2
#
#     dL/dp   = -1 / p           if y = 1, as then L = -log(p)
#     dp/dz2  = p · (1 - p)      the derivative of the sigmoid
#     dz2/dw2 = h                as z2 = w2 · h + ...
#
# The product of the first two is dL/dz2 = -(1 - p) = p - 1. If y = 0, then dL/dp = 1 / (1 - p), and
# the product is p. So in both cases dL/dz2 = p - y: the answer minus the truth.
#
# A weight of the hidden layer acts through a longer chain: z1, h, z2, p, L. But it has the same
# end, for which we know dL/dz2 already. So we start at the loss and go backward, layer by layer,
# and each layer uses what was computed for the layer after it. That is *backpropagation*.
#
# In the code, `dz2` stands for dL/dz2, and so on. `h.T @ dz2` multiplies h and dz2 in every row and
# adds up the rows.


# %%
def backward(h, p, w2):
    """Return the derivatives of the loss with respect to w1, b1, w2 and b2."""
    dz2 = (p - y) / len(y)  # the loss is an average over the rows, hence the division
    dw2 = h.T @ dz2  # dz2/dw2 = h
    db2 = dz2.sum(axis=0)  # dz2/db2 = 1
    dh = dz2 @ w2.T  # dz2/dh = w2
    dz1 = dh * h * (1 - h)  # dh/dz1 = h · (1 - h), the sigmoid again
    dw1 = x.T @ dz1  # dz1/dw1 = x
    db1 = dz1.sum(axis=0)  # dz1/db1 = 1
    return [dw1, db1, dw2, db2]


# %% [markdown]
# Is it right? A mistake here is easily made and hard to see, as the program runs all the same. So
# we check: move one parameter up by a tiny e, then down, and divide the difference of the two
# losses by 2e. These *finite differences* need no calculus, but two forward passes for each
# parameter. That is fine for nine parameters, and far too slow for millions.


# %%
def finite_differences(network, e=1e-5):
    found = [np.zeros_like(parameter) for parameter in network]
    for parameter, derivatives in zip(network, found, strict=True):
        for place in np.ndindex(parameter.shape):
            value, losses = parameter[place], []
            for moved in (value + e, value - e):
                parameter[place] = moved  # in the network itself
                losses.append(loss_of(forward(x, *network)[-1]))
            parameter[place] = value
            derivatives[place] = (losses[0] - losses[1]) / (2 * e)
    return found


names = ["w1", "b1", "w2", "b2"]
_, h, _, p = forward(x, *network)
gradient, measured = backward(h, p, w2=network[2]), finite_differences(network)
for name, one, other in zip(names, gradient, measured, strict=True):
    print(f"{name}: backpropagation {one.ravel().round(5)}, measured {other.ravel().round(5)}")

# %% [markdown]
# ## 5 Fit
# If a derivative is positive, the loss rises when the parameter grows, so the parameter should
# shrink; if it is negative, the parameter should grow. Both happen when we subtract the derivative
# times a positive number, the *learning rate*. Then we compute the gradient anew, and repeat. That
# is *gradient descent*. One pass over all the data is an *epoch*; here every step is one.


# %%
def train(network, epochs):
    """Change the parameters in place, a step for each epoch; return the loss before each step."""
    losses = []
    for _ in epochs:
        _, h, _, p = forward(x, *network)
        losses.append(loss_of(p))
        for parameter, derivative in zip(network, backward(h, p, w2=network[2]), strict=True):
            parameter -= lesson.learning_rate * derivative
    return losses


losses = train(network, lesson.timed_epochs())  # as many as `lesson.epochs`
final_loss = loss_of(forward(x, *network)[-1])
print(f"loss {losses[0]:.3f} before training, {final_loss:.3f} after {len(losses)} steps")
lesson.save_figure(
    "network", figures.networks({"before training": start, "after training": network})
)
show_forward(network)

# %% [markdown]
# The figure `loss` shows the loss along the way. With the default seed it soon reaches a *plateau*
# near 0.69, where the network answers about 0.5 to everything and the derivatives are small. Then
# the hidden units begin to differ, and the loss drops.
#
# The figure `network` shows the network before and after: a line is as wide as its weight is large,
# blue if positive, red if negative; the number in a unit is its bias. What do the hidden units
# compute? The second table has their outputs h. With the default seed, the first unit is near 0
# only for (0, 1), the second only for (1, 0), and the output unit says 1 if either of them is near
# 0. With `--seed 44` one computes "a or b", the other "a and b", and XOR is "or, but not and".
# Nobody told the units what to compute: gradient descent found it.
#
# ## 6 Evaluate
# All four rows were needed for training, so there are none left for a test. But was it luck? We
# train from twenty starts, and count those after which all four answers are right.

# %%
solved = 0
for seed in range(lesson.seed, lesson.seed + 20):
    another = new_network(seed)
    train(another, range(lesson.epochs))
    answers = forward(x, *another)[-1] > 0.5
    solved += int((answers == y).all())
print(f"{solved} of 20 starts learn XOR")

# %% [markdown]
# Not all of them do. Gradient descent goes downhill from where it starts, and some starts lead to a
# place where every direction is flat or goes up, although the loss is still high. With more hidden
# units there are more ways down, and fewer starts fail: [xor/](xor/README.md) solves the task with
# larger networks in Keras, and counts.
#
# ## 7 Predict
# To use the network, run the forward pass. It also answers where it was never trained, such as at
# (0.5, 0.5). Whether that answer is worth anything is another question.

# %%
for a, b in ((0, 1), (1, 1), (0.5, 0.5)):
    p = forward(np.array([[a, b]]), *network)[-1].item()
    print(f"a = {a}, b = {b}: p = {p:.3f}, answer {p > 0.5:d}")

# %% [markdown]
# # Better steps
# Picture the loss as a landscape. In a narrow valley the gradient points up the near slope, hardly
# along the valley, so plain gradient descent zigzags between the slopes. To draw a landscape, we
# need a loss of only two parameters: a unit without an activation, w·x + b, has to fit points on
# the line y = 2x - 1. Its loss is the *mean squared error*, the average of (w·x + b - y)².
#
# - *Momentum*: a step is the plain one plus 0.9 of the step before, as a rolling ball keeps its
#   speed. Steps across the valley cancel out; steps along it add up.
# - *Adam* averages recent derivatives, as momentum does, and divides by their typical size. So all
#   parameters move at a similar pace, however steep the loss is.
#
# Each is a function of a few lines in [neuron/descent.py](neuron/descent.py).

# %%
paths = {}
for update, rate in ((descent.plain, 0.1), (descent.momentum, 0.02), (descent.adam, 0.3)):
    path = descent.descend(update, rate)
    paths[f"{update.__name__}, learning rate {rate}"] = path
    print(f"{update.__name__}: loss {descent.loss(*path[-1]):.4f} after {len(path) - 1} steps")
lesson.save_figure("paths", figures.paths(descent.loss, paths, descent.MINIMUM))

# %% [markdown]
# In the figure `paths`, a dot is a step. Plain gradient descent zigzags, then creeps along the
# valley in ever smaller steps, and 60 of them are not enough. Momentum and Adam swing from side to
# side but arrive, Adam after rolling past the minimum and back. The learning rates were found by
# trial; with 0.3, plain gradient descent *diverges*: its loss grows without limit. No method is the
# best everywhere. Adam often works without a search for its learning rate, so most lessons start
# with it.
#
# # What "deep" means
# A network is *deep* if it has several hidden layers. In theory one is enough: if it is wide
# enough, it comes as close as you like to any continuous function on a bounded range. That is the
# *universal approximation theorem*. But it does not say how wide is enough, nor that gradient
# descent finds the weights.
#
# So we measure. Two networks with about as many parameters learn a wave in 500 steps of Adam: one
# has a single layer of 54 units, the other three layers of 8. [neuron/wave.py](neuron/wave.py)
# does what you have seen above, in a loop over the layers.

# %%
shapes = {"one layer of 54": [54], "three layers of 8": [8, 8, 8]}
waves = {name: wave.learn(hidden, lesson.seed) for name, hidden in shapes.items()}
for name, (_, errors, parameters) in waves.items():
    print(f"{name}: {parameters} parameters, mean squared error {errors[-1]:.4f}")
lesson.save_figure("depth", figures.waves(wave.X, wave.WAVE, waves))
lesson.finish(
    dict(zip(names, network, strict=True)),
    {"loss": losses},
    final_loss=final_loss,
    solved_starts=solved,
    wide_mse=waves["one layer of 54"][1][-1],
    deep_mse=waves["three layers of 8"][1][-1],
)

# %% [markdown]
# <!-- results: lesson-00-depth -->
# Mean squared error, median and range of 3 seeds: one layer of 54 units 0.0331 (0.0156 to 0.0374),
# three layers of 8 0.0006 (0.0001 to 0.0142).
# <!-- end -->
#
# Here depth wins. A reason: the units of the second layer combine curves that are bent already, so
# a few of them make many bends. But this is one task, and one number of steps: with 2,000 steps the
# wide network fits the wave, too. Depth also has a price: on its way back through many layers the
# gradient is multiplied by one derivative after the other, and may nearly vanish. Lesson 20
# compares wide and deep networks on real data.
#
# ## Remember
# - A unit: a weighted sum of its inputs, plus a bias, through a function that bends.
# - Backpropagation finds the derivative of the loss with respect to every parameter, by the chain
#   rule, from the last layer back to the first.
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
# 3. Give the hidden units `np.tanh`, whose derivative is 1 - tanh². Which line of `backward` has to
#    change? What do the finite differences show if you forget it?
#
# Solutions: notes/solutions/00_neuron_to_backpropagation.md
