"""A network with any number of hidden layers learns a wave: backpropagation in a loop."""

from itertools import pairwise

import numpy as np

from neuron.descent import adam

X = np.linspace(-1, 1, 101)[:, np.newaxis]
WAVE = np.sin(3 * np.pi * X)


def both_passes(weights: list, biases: list):
    """Run the network on all points, forward and backward.

    Args:
        weights: arrays of shape (inputs, units), one for each layer.
        biases: arrays of shape (units,).

    Returns:
        What the network predicts, shape (101, 1), and the derivatives of the mean squared error
        with respect to all weights, then all biases: a list of arrays.
    """
    outputs = [X]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        outputs.append(np.tanh(outputs[-1] @ w + b))
    predicted = outputs[-1] @ weights[-1] + biases[-1]  # no activation: any number is possible

    dz = 2 * (predicted - WAVE) / len(X)
    dw, db = [], []
    for w, inputs in zip(reversed(weights), reversed(outputs), strict=True):
        dw.insert(0, inputs.T @ dz)
        db.insert(0, dz.sum(axis=0))
        dz = dz @ w.T * (1 - inputs**2)  # the derivative of tanh; of no use before the first layer
    return predicted, dw + db


def learn(hidden: list[int], seed: int, steps: int = 500, rate: float = 0.03):
    """Train hidden layers of tanh units by Adam, with all points in every step.

    Args:
        hidden: units of each hidden layer.
        seed: what the initial parameters are drawn from.
        steps: how many steps.
        rate: Adam's learning rate.

    Returns:
        What the network predicts before its last step, shape (101, 1); the mean squared error
        before each step; and how many parameters the network has.
    """
    random, sizes = np.random.default_rng(seed), [1, *hidden, 1]
    weights = [random.normal(size=(n, m)) / np.sqrt(n) for n, m in pairwise(sizes)]
    biases = [random.uniform(-1, 1, size=n) for n in hidden] + [np.zeros(1)]
    parameters = weights + biases
    memories, losses = [{} for _ in parameters], []
    for _ in range(steps):
        predicted, derivatives = both_passes(weights, biases)
        losses.append(((predicted - WAVE) ** 2).mean())
        for parameter, derivative, memory in zip(parameters, derivatives, memories, strict=True):
            parameter += adam(derivative, memory, rate)
    return predicted, losses, sum(parameter.size for parameter in parameters)
