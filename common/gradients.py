"""The derivative of a model's answers by its inputs, on every back-end.

Keras has no call for it. But training is made of derivatives: so the inputs become weights, and the
model is called as in prediction. After one step of SGD with rate 1 its momentum, 0 before, is minus the
derivative. (The change of the weights themselves would lose tiny slopes to rounding. How large
`momentum` is plays no part in a first step.)
"""

import keras
import numpy as np


def input_gradients(model, inputs, chosen=None) -> np.ndarray:
    """Compute how much an answer changes with each number of its input.

    Args:
        model: takes float arrays; one output of shape (n, outputs). Its weights stay as they are.
        inputs: array of shape (n, ...).
        chosen: the output to look at, for each example: n whole numbers. If left out, the sum of all.

    Returns:
        float32 array of the shape of `inputs`.
    """
    outputs = model.output_shape[-1]
    chosen = np.ones((len(inputs), outputs)) if chosen is None else np.eye(outputs)[chosen]
    asker = InputsAsWeights(model, inputs)
    optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
    asker.compile(
        optimizer,
        loss=lambda mask, answer: keras.ops.sum(mask * answer),
        run_eagerly=True,  # a single step: to compile it would take longer than to run it
    )
    asker.train_on_batch(np.zeros((len(inputs), 1), "float32"), chosen.astype("float32"))
    return -keras.ops.convert_to_numpy(optimizer.momentums[0])  # minus rate times slope


class InputsAsWeights(keras.Model):
    """A model whose only weights are the inputs of another one."""

    def __init__(self, model, inputs):
        super().__init__()
        # Not as an attribute: its weights would become weights of this model, and be trained.
        self.answer = lambda inputs: model(inputs, training=False)
        self.inputs_as_weights = self.add_weight(
            shape=inputs.shape, initializer="zeros", name="inputs"
        )
        self.inputs_as_weights.assign(inputs)

    def call(self, _):
        """Ignore what comes in: the inputs are known."""
        return self.answer(self.inputs_as_weights)
