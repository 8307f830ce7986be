"""Measure drawn images with a network that classifies real ones."""

import numpy as np


def image_reader(judge):
    """Return a function that reads images with a trained classifier.

    Args:
        judge: a network whose fourth layer from the end is the batch normalization of its last
            convolution, flattened, as in `mnist.models.conv_net_fast`.

    Returns:
        A function. It takes uint8 images of shape (n, 28, 28), and returns their features, which
        are the outputs of that layer, shape (n, 512), and the classes that the judge gives them.
    """
    import keras

    reader = keras.Model(judge.inputs[0], [judge.layers[-4].output, judge.outputs[0]])

    def read(images):
        features, probabilities = reader.predict(images[..., np.newaxis], batch_size=500, verbose=0)
        return features, probabilities.argmax(axis=1)

    return read


def frechet_distance(features, others) -> float:
    """Return the squared Fréchet distance of two normal distributions fitted to features.

    Args:
        features, others: arrays of shape (n, numbers per image).
    """
    difference = features.mean(axis=0) - others.mean(axis=0)
    one, other = np.cov(features, rowvar=False), np.cov(others, rowvar=False)
    # The trace of a root is the sum of the roots of the eigenvalues. Rounding makes some negative.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(one @ other).real, 0))
    return difference @ difference + np.trace(one + other) - 2 * roots.sum()
