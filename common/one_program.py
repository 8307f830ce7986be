"""Run each epoch of many small steps as one compiled program, behind the plain `fit`.

A step of a small network takes less time than TensorFlow needs to start its operations one by one
and to gather the step's batch. XLA compiles all steps of an epoch to one program, which takes its
batches from arrays in memory. Compiling takes seconds, so this pays only with many steps per epoch.
"""

import keras

FEWEST = 500  # steps per epoch: with fewer, compiling takes longer than it saves in a few epochs
LARGEST = 2**23  # examples times parameters in a step: above, arithmetic takes most of the time
# XLA on a CPU draws random numbers (`Dropout`) slowly, and computes convolutions slowly.
SUITABLE = "InputLayer Rescaling Normalization Flatten Reshape Dense Activation Add Concatenate"
PLAIN, COMPILED = "one step after the other", "one program per epoch"


def suits(model, epochs) -> bool:
    """Return whether to train a model by one program per epoch.

    That is so on a CPU with TensorFlow if there are many steps, a step does little arithmetic, the
    model holds only `SUITABLE` layers and has Keras' own training step, and `steps_per_execution`
    in `compile` asks for whole epochs.

    Args:
        model: a compiled model.
        epochs: the `common.batches.Epochs` to train it on; None for data from elsewhere.
    """
    if epochs is None:
        return False
    import tensorflow as tf

    layers = [layer for layer in model._flatten_layers() if not isinstance(layer, keras.Model)]
    return (
        (steps := -(-epochs.examples // epochs.batch_size)) >= FEWEST
        and model.steps_per_execution == steps
        and model.built  # a subclass may not be, before its first step
        and epochs.batch_size * model.count_params() <= LARGEST
        and all(type(layer).__name__ in SUITABLE.split() for layer in layers)
        and type(model).train_step is keras.Model.train_step
        and not model.run_eagerly
        and model.distribute_strategy.num_replicas_in_sync == 1
        and not tf.config.list_logical_devices("GPU")
    )


class OneProgram(keras.callbacks.Callback):
    """Replaces the model's training function during `fit` by one program per epoch, if it `suits`.

    Attributes:
        way: how the latest epoch was computed, `PLAIN` or `COMPILED`; None before the first.
    """

    def __init__(self):
        super().__init__()
        self.way = self._usual = None

    def on_train_begin(self, logs=None):
        self._epochs = self._program = None
        usual = self.model.train_function  # `self.train` if an earlier `fit` was interrupted
        if keras.backend.backend() == "tensorflow" and usual not in (None, self.train):
            self._usual, self.model.train_function = usual, self.train

    def train(self, iterator):
        """Train for an epoch, or else do what Keras' own training function does."""
        # The iterator is not asked for a batch, so its pipeline does nothing.
        epochs = getattr(getattr(iterator, "_dataset", None), "epochs", None)
        if epochs is not self._epochs:
            self._epochs = epochs
            self._program = compiled(self.model, epochs) if suits(self.model, epochs) else None
        return self._program() if self._program else self._usual(iterator)

    def on_epoch_end(self, epoch, logs=None):
        self.way = COMPILED if self._program else PLAIN

    def on_train_end(self, logs=None):
        if self._usual:
            self.model.train_function, self._usual = self._usual, None
        self._epochs = self._program = None
        self.set_model(None)  # free the model


def compiled(model, epochs):
    """Return a function that trains a model for the next epoch and returns its metrics."""
    import tensorflow as tf

    arrays = keras.tree.map_structure(tf.constant, epochs.arrays)
    full, rest = divmod(epochs.examples, epochs.batch_size)

    def step(rows):
        model.train_step(keras.tree.map_structure(lambda array: tf.gather(array, rows), arrays))

    @tf.function(jit_compile=True)
    def train_all_steps(order):
        for number in tf.range(full):
            step(tf.slice(order, [number * epochs.batch_size], [epochs.batch_size]))
        if rest:
            step(order[-rest:])
        return model.get_metrics_result()

    return lambda: train_all_steps(tf.constant(epochs.draw().astype("int32")))
