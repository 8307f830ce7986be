"""Checks derivatives without calculus."""

import numpy as np


def finite_differences(loss, parameters: list[np.ndarray], eps: float = 1e-5) -> list[np.ndarray]:
    """Measure the derivative of the loss with respect to every parameter.

    Args:
        loss: function without arguments that computes the loss from the current `parameters`.
        parameters: float arrays; each entry is moved up and down in place, then put back.
        eps: by how much.

    Returns:
        An array of derivatives for each array of parameters, of the same shape.
    """
    found = [np.zeros_like(parameter) for parameter in parameters]
    for parameter, derivatives in zip(parameters, found, strict=True):
        for place in np.ndindex(parameter.shape):
            value, losses = parameter[place], []
            for moved in (value + eps, value - eps):
                parameter[place] = moved
                losses.append(loss())
            parameter[place] = value
            derivatives[place] = (losses[0] - losses[1]) / (2 * eps)
    return found
