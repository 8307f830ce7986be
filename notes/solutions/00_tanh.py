"""Backpropagation through `tanh`, right and wrong, checked by finite differences."""

import numpy as np

x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
random = np.random.default_rng(42)
network = [random.normal(size=(2, 2)), np.zeros(2), random.normal(size=(2, 1)), np.zeros(1)]


def forward(w1, b1, w2, b2):
    h = np.tanh(x @ w1 + b1)
    return h, 1 / (1 + np.exp(-(h @ w2 + b2)))


def loss_of(p):
    return -np.log(np.where(y == 1, p, 1 - p)).mean()


def backward(derivative):
    h, p = forward(*network)
    dz2 = (p - y) / len(y)
    dz1 = dz2 @ network[2].T * derivative(h)
    return [x.T @ dz1, dz1.sum(axis=0), h.T @ dz2, dz2.sum(axis=0)]


def finite_differences(parameter, e=1e-5):
    found = np.zeros_like(parameter)
    for place in np.ndindex(parameter.shape):
        value, losses = parameter[place], []
        for parameter[place] in (value + e, value - e):
            losses.append(loss_of(forward(*network)[1]))
        parameter[place] = value
        found[place] = (losses[0] - losses[1]) / (2 * e)
    return found


measured = [finite_differences(parameter) for parameter in network]
differences = {}
for name, derivative in {"1 - h²": lambda h: 1 - h**2, "h (1 - h)": lambda h: h * (1 - h)}.items():
    found = zip(backward(derivative), measured, strict=True)
    differences[name] = [np.abs(one - other).max() for one, other in found]
    print(f"{name}: largest error in w1, b1, w2, b2:", *(f"{d:.1e}" for d in differences[name]))
assert max(differences["1 - h²"]) < 1e-9 < max(differences["h (1 - h)"][:2])
assert max(differences["h (1 - h)"][2:]) < 1e-9
