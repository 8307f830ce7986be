# %% [markdown]
"""
# 13 Distributed training: how do several devices train one model?

When one device, a GPU or a processor, is too slow, several can share the work. You will see how
*data parallelism* splits every batch among them, why the result is the same as with one device, and
whether it is faster. One computer will do: on TensorFlow one process uses two devices, on JAX there
are two processes. The third command below is for two computers (notes/several_computers.md).

Expect: test accuracy 0.979 (0.976 to 0.980), median and range of three seeds.

    python 13_distributed_training.py
    KERAS_BACKEND=jax python 13_distributed_training.py
    KERAS_BACKEND=jax python 13_distributed_training.py --addresses pc1:7000 pc2:7000 --process 0
"""

# %%
from distributed import workers
from frame import Lesson

# `workers.FLAGS` are `--addresses` (host and port of every JAX process), `--process` (which of them
# this is), and `--launched` (notes/several_computers.md).
lesson = Lesson(
    __doc__, epochs=3, batch_size=256, backends=("tensorflow", "jax"), devices=2, **workers.FLAGS
)

from contextlib import nullcontext

import keras
import numpy as np
import pandas as pd
from keras import layers

from common.errors import fail

# %% [markdown]
# ## 1 Load
# MNIST: 28x28 gray images of the digits 0 to 9.

# %%
(train_images, train_labels), (test_images, test_labels) = lesson.load("mnist")

# %% [markdown]
# ## 2 Prepare
# Every device is to get an equal part of every batch, so we leave out the last images, which would
# make a smaller batch. We choose no hyperparameters here, so we need no validation set.

# %%
whole = len(train_images) // lesson.batch_size * lesson.batch_size
if not whole:
    fail(f"--batch-size {lesson.batch_size}: there are only {len(train_images)} images")
train_images, train_labels = train_images[:whole], train_labels[:whole]
print(f"{whole} training images, {whole // lesson.batch_size} steps per epoch")


# %% [markdown]
# ## 3 Define
# A small convolutional network, as in lesson 11. It has no layer that draws random numbers in
# training, such as `Dropout`, so we can compare one device with two, number by number.


# %%
def build_model():
    """Build the network; the same seed gives the same initial weights."""
    keras.utils.set_random_seed(lesson.seed)
    return keras.Sequential([
        keras.Input((28, 28), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Reshape((28, 28, 1)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ])


# %% [markdown]
# ## 4 Compile
# In *data parallelism* every device holds a full copy of the model, a *replica*. One training step:
#
# 1. Split: of a *global batch* of 256 images, each of two devices takes 128, its *per-replica
#    batch*.
# 2. Each replica computes the loss and the gradient for its own 128 images.
# 3. *All-reduce*: the devices exchange their gradients, so that each ends up with the average.
# 4. Each device takes the same optimizer step with it. So the replicas stay equal.
#
# Why does this give the result of one device? The loss of a batch is the mean over its images, and
# the derivative of a mean is the mean of the derivatives. If the mean gradient of one half is 0.2
# and of the other 0.4, that of the whole batch is 0.3: their average, since the halves are equal.
#
# With twice the devices you would often double the batch size, and raise the learning rate with it
# (lesson 16). Here both stay the same, so that we can compare.
#
# Each device must have enough memory for the whole model. If the model is too large for that, you
# need *model parallelism*. It splits the model instead of the batch: each device holds a part of
# the weights.


# %%
def compile_model(model):
    """Compile a model, in the same way for one device and for several."""
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])


# %% [markdown]
# ## 5 Fit
# On **TensorFlow**, one process drives all devices, with a *strategy* of `tf.distribute`: an object
# that says on which devices the weights are and how the work is split. You create and compile the
# model inside the `scope()` of a `MirroredStrategy`. Each weight then gets a copy on every device,
# and `fit` splits the batches and does the all-reduce. Without GPUs, the lesson splits the CPU into
# two *logical devices* (`devices=2` above).
#
# On **JAX**, every process runs this whole script. `keras.distribution.initialize`, which `Lesson`
# calls, connects them, and `fit` does the all-reduce. But each process must pick its own part of
# every batch. A `PyDataset` is an object that Keras asks for batch number `index`. Ours gives one
# process the even rows and the other the odd ones:


# %%
class Share(keras.utils.PyDataset):
    """This process's share of every batch: every second row if there are two processes."""

    def __init__(self, batches, process: int, processes: int):
        super().__init__()
        self.batches, self.process, self.processes = batches, process, processes

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return tuple(part[self.process :: self.processes] for part in self.batches[index])

    def on_epoch_begin(self):  # called by `fit`; reshuffles
        self.batches.on_epoch_begin()


# %% [markdown]
# If one device fails, training stops on all. So a long training must save checkpoints (lesson 05).
# All replicas are equal, so one process is enough to save them: process 0. When training resumes,
# it sends the last checkpoint to the others.
#
# `fit_model` trains inside a scope: that of the strategy for TensorFlow's two devices, otherwise
# `nullcontext()`, which does nothing.


# %%
def fit_model(name, scope, share=None):
    """Train a new model inside a scope, on complete batches or on a share of each."""
    train = lesson.batches(train_images, train_labels)
    if share:
        train = Share(train, *share)
        workers.share_file(lesson.folder / f"checkpoint-{name}.npz")  # from process 0 to all others
    training = lesson.training(name)  # holds this training's checkpoints and time
    with scope:
        model = build_model()
        compile_model(model)
        history = model.fit(train, epochs=lesson.epochs, callbacks=training.callbacks(), verbose=0)
    return model, history.history, training.timer.total


if lesson.process is None:  # not one of the two JAX processes started below
    print("\nalone")
    model, alone, seconds_alone = fit_model("alone", nullcontext())
    weights_alone = model.get_weights()

# %% [markdown]
# Now two devices together. On TensorFlow that is the first branch below. On JAX, the process that
# you started takes the last branch: `workers.train_together` starts this script twice more, with
# `--process 0` and `--process 1`. These two take the middle branch. `DataParallel` tells `fit` that
# they train one model, and `auto_shard_dataset=False` that the batches are split already. Process 0
# saves the model, and `train_together` loads it.

# %%
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(
        [device.name for device in tf.config.list_logical_devices("GPU")]
        or [device.name for device in tf.config.list_logical_devices("CPU")]
    )
    devices = strategy.num_replicas_in_sync
    print(f"\ntogether: {devices} devices of one process")
    model, together, seconds_together = fit_model("together", strategy.scope())
    # For each weight, a tuple of its copies, one per device:
    copies = [strategy.experimental_local_results(weight.value) for weight in model.weights]
    equal = all(np.array_equal(copy, same[0]) for same in copies for copy in same)
elif lesson.process is not None:
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(distribution)
    share = lesson.process, len(lesson.addresses)
    model, together, seconds_together = fit_model("together", nullcontext(), share)
    equal = workers.all_equal(model.get_weights())  # compares all processes
    keras.distribution.set_distribution(None)  # from now on, each process works alone
    if lesson.process == 0:
        measured = {"equal": equal, "fit_seconds": seconds_together}
        lesson.finish(model, together, training="together", **measured)
    raise SystemExit
else:
    devices = 2
    print(f"\ntogether: {devices} processes")
    model, together, equal, seconds_together = workers.train_together(lesson, devices)

# %% [markdown]
# ## 6 Evaluate
# Was training faster, and is the model the same? With n devices, the *speedup* is (seconds alone) /
# (seconds together), at best n. The *efficiency* is the speedup divided by n: 1 is perfect. If two
# devices need as long as one, it is 0.5, and the second device is of no use.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
difference = max(abs(a - b) for a, b in zip(alone["loss"], together["loss"], strict=True))
moved = max(np.abs(a - b).max() for a, b in zip(weights_alone, model.get_weights(), strict=True))
images = lesson.epochs * whole
rows = []
for name, seconds, count in [("alone", seconds_alone, 1), ("together", seconds_together, devices)]:
    rows.append({
        "training": name,
        "seconds": seconds,
        "images per second": round(images / seconds),
        "efficiency": seconds_alone / (count * seconds),
    })
lesson.save_table("throughput", pd.DataFrame(rows).round(2))
print(f"the weights on all devices are {'equal to the bit' if equal else 'NOT equal'}")
print(f"largest difference from training alone: loss {difference:.2g}, weight {moved:.2g}")

# %% [markdown]
# <!-- results: lesson-13-efficiency -->
# Efficiency of two devices made of one processor: 0.47 (0.43 to 0.48), median and range of 3 seeds.
# <!-- end -->
#
# Below 0.5, training together is *slower*. Our two devices share one processor, and one device
# alone already keeps all of it busy. So there is no computing power to gain, and the all-reduce
# costs time. Two GPUs would each bring their own computing power.
#
# The replicas stay equal to the bit. Compared with training alone, losses differ a little, because
# the numbers are added in another order and so rounded differently. Weights differ more, since Adam
# makes a whole step even with a tiny gradient, which may be hardly more than a rounding error.
#
# <!-- results: lesson-13-difference -->
# With seed 42 the weights differ by up to 0.004.
# <!-- end -->
#
# ## 7 Predict
# The trained model is an ordinary model, and predicts on one device.

# %%
predicted_labels = model.predict(test_images[:10], verbose=0).argmax(axis=1)
print("predicted:", *predicted_labels)
print("labels:   ", *test_labels[:10])
lesson.finish(
    model,
    together,
    training="together",
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
    equal=equal,
    loss_difference=difference,
    weight_difference=moved,
    efficiency=rows[1]["efficiency"],
)

# %% [markdown]
# ## Remember
# - Data parallelism: a replica on each device, a part of each batch for each replica.
# - An all-reduce averages the gradients in every step, so all replicas stay equal.
# - Measure the efficiency: communication costs time, and a small model may not gain anything.
#
# For a model of your own, try first: one GPU with larger batches. Add devices only when it is busy
# all the time and still too slow.

# %% [markdown]
# ## Exercises
# 1. Are larger batches more efficient? Try `--batch-size 1024`.
# 2. What would be different with `Dropout` in the network? And with `BatchNormalization`?
# 3. Kill one of the two JAX processes while they train. What do you see? Continue with `--resume`.
#
# Solutions: notes/solutions/13_distributed_training.md
