"""Plain gradient descent, momentum and Adam, on the loss of a unit with two parameters."""

import numpy as np

POINTS = np.linspace(1, 4, 7)  # x; y is 2x - 1
MINIMUM = 2.0, -1.0


def plain(gradient, memory: dict, rate: float):
    """Return the step of gradient descent; each function here keeps what it needs in `memory`."""
    return -rate * gradient


def momentum(gradient, memory: dict, rate: float):
    """Return 0.9 of the step before plus the plain one."""
    memory["step"] = 0.9 * memory.get("step", 0) - rate * gradient
    return memory["step"]


def adam(gradient, memory: dict, rate: float):
    """Return the average of recent gradients, divided by their typical size, times the rate."""
    memory["steps"] = steps = memory.get("steps", 0) + 1
    memory["mean"] = 0.9 * memory.get("mean", 0) + 0.1 * gradient
    memory["square"] = 0.999 * memory.get("square", 0) + 0.001 * gradient**2
    mean = memory["mean"] / (1 - 0.9**steps)  # both averages start at 0: make up for that
    square = memory["square"] / (1 - 0.999**steps)
    return -rate * mean / (np.sqrt(square) + 1e-8)


def loss(w, b):
    """Return the mean squared error of the line w x + b; w and b may be arrays of one shape."""
    return sum((w * x + b - (2 * x - 1)) ** 2 for x in POINTS) / len(POINTS)


def descend(update, rate: float, start=(0.0, 4.0), steps: int = 60) -> np.ndarray:
    """Follow one of the functions above down the loss.

    Returns:
        w and b before each step and at the end: array of shape (steps + 1, 2).
    """
    path, memory = [np.array(start)], {}
    for _ in range(steps):
        w, b = path[-1]
        error = w * POINTS + b - (2 * POINTS - 1)
        gradient = 2 * np.array([(error * POINTS).mean(), error.mean()])
        path.append(path[-1] + update(gradient, memory, rate))
    return np.array(path)
