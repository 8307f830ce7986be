"""Our own training step inside `fit`: a subclass of `keras.Model` overrides `train_step`."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers


class OwnStep(keras.Model):
    def train_step(self, data):
        examples, labels = data
        with tf.GradientTape() as tape:
            probabilities = self(examples, training=True)
            loss = self.compute_loss(y=labels, y_pred=probabilities)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(labels)[0])
            else:
                metric.update_state(labels, probabilities)
        return {metric.name: metric.result() for metric in self.metrics}


def train(kind) -> list[np.ndarray]:
    """Train a small network on made-up points; return its parameters."""
    keras.utils.set_random_seed(42)
    points = np.random.default_rng(42).normal(size=(640, 2)).astype("float32")
    labels = (points[:, 0] > points[:, 1]).astype("int32")
    inputs = keras.Input((2,))
    hidden = layers.Dense(16, activation="relu")(inputs)
    model = kind(inputs, layers.Dense(2, activation="softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(points, labels, epochs=5, verbose=0).history
    print(kind.__name__, {name: round(values[-1], 4) for name, values in history.items()})
    return model.get_weights()


ours, keras_own = train(OwnStep), train(keras.Model)
assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(ours, keras_own, strict=True))
