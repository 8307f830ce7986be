# %% [markdown]
"""
# 13 Distributed training: one model, several devices

When one device is too slow, several share the work: each takes a part of every batch, and all keep
the same weights. This is *data parallel* training. On TensorFlow one process uses two devices; on
JAX there are two processes, which could as well be on two computers. Then we compare with one
device alone: together the losses should be the same, up to rounding.

Expect: test accuracy 0.979 (0.976 to 0.980), median and range of three seeds.

    python 13_distributed_training.py
    KERAS_BACKEND=jax python 13_distributed_training.py
    KERAS_BACKEND=jax python 13_distributed_training.py --addresses pc1:7000 pc2:7000 --process 0
"""

# %%
from common.lesson import Flag, Lesson
from distributed import workers

lesson = Lesson(
    __doc__,
    epochs=3,
    batch_size=256,
    backends=("tensorflow", "jax"),
    devices=2,
    addresses=Flag([str], "on JAX: HOST:PORT of each process; the same for all", role="free"),
    process=Flag(int, "with --addresses: which of them this is, from 0", at_least=0, role="free"),
    on_flags=workers.take_part,
)

from contextlib import nullcontext

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers

from common.errors import fail

# %% [markdown]
# ## 1 Load
# Handwritten digits, 28x28 grey pixels from 0 to 255.

# %%
(train_images, train_labels), (test_images, test_labels) = lesson.load("mnist")

# %% [markdown]
# ## 2 Prepare
# Every device gets an equal part of every batch. So that this works out, we leave out the last
# images, which do not fill a batch. Nothing is chosen here, so there is no validation set.

# %%
whole = len(train_images) // lesson.batch_size * lesson.batch_size
if not whole:
    fail(f"--batch-size {lesson.batch_size}: there are only {len(train_images)} images")
train_images, train_labels = train_images[:whole], train_labels[:whole]
print(f"{whole} images to train, {whole // lesson.batch_size} steps per epoch")


# %% [markdown]
# ## 3 Define
# A small convolutional network, with nothing random in it: so training alone and training together
# can be compared digit by digit.


# %%
def build_model():
    """Build the network; the same seed gives the same starting weights."""
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
# A step of data parallel training:
#
# 1. *Split*: of a batch of 256, each of two devices takes 128 images.
# 2. Each computes the loss of its images, and the gradients.
# 3. *All-reduce*: the gradients are summed over all devices, and divided by the size of the whole
#    batch. Now all devices have the gradients of the whole batch, the same that one device would
#    have computed.
# 4. Each does the same step. So the weights, equal before, are equal after.
#
# With twice the devices one often uses twice the batch size, so that each stays busy. Then there
# are half as many steps, and they are usually made larger: twice the learning rate for SGD, 1.4
# times (the square root of 2) for Adam (lesson 09 tries it). Here the batch size stays the same, to
# compare.


# %%
def compile_model(model):
    """Make a model ready to train, a step at a time: MirroredStrategy knows no other way."""
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])


# %% [markdown]
# ## 5 Fit
# On **TensorFlow** one process drives all devices: whatever is created within `strategy.scope()`
# exists on each of them, and `fit` splits the batches. Without a second GPU we make two devices of
# one processor.
#
# On **JAX** every process runs this whole script, and `keras.distribution` makes them one. Each
# takes its own part of every batch:


# %%
class Share(keras.utils.PyDataset):
    """Of every batch the rows that this process is to have: one of two has every second row."""

    def __init__(self, batches, process: int, processes: int):
        super().__init__()
        self.batches, self.process, self.processes = batches, process, processes

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return tuple(part[self.process :: self.processes] for part in self.batches[index])

    def on_epoch_begin(self):
        self.batches.on_epoch_begin()


def fit_model(name, scope, share=None):
    """Train a new model within a scope, on all of each batch or on a share of it."""
    train = lesson.batches(train_images, train_labels)
    if share:
        train = Share(train, *share)
        # If a stopped run goes on, all begin where the first process was.
        workers.share_file(lesson.folder / f"checkpoint-{name}.npz")
    training = lesson.training(name)
    with scope:
        model = build_model()
        compile_model(model)
        history = model.fit(train, epochs=lesson.epochs, callbacks=training.callbacks(), verbose=0)
    return model, history.history, training.timer.total


if lesson.process is None:
    print("\nalone")
    model, alone, seconds_alone = fit_model("alone", nullcontext())
    weights_alone = model.get_weights()

# %% [markdown]
# Together. On JAX this process now starts two others and waits; you see what the first of them
# prints. What follows `elif` is what those two do.

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
    copies = [strategy.experimental_local_results(weight.value) for weight in model.weights]
    equal = all(np.array_equal(copy, first) for first, *others in copies for copy in others)
elif lesson.process is not None:
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(distribution)
    share = lesson.process, len(lesson.addresses)
    model, together, seconds_together = fit_model("together", nullcontext(), share)
    equal = workers.all_equal(model.get_weights())
    keras.distribution.set_distribution(None)  # from here on each process is alone again
    if lesson.process == 0:
        scores = {"equal": equal, "fit_seconds": seconds_together}
        lesson.finish(model, together, training="together", **scores)
    raise SystemExit
else:
    devices = 2
    print(f"\ntogether: {devices} processes")
    model, together, equal, seconds_together = workers.train_together(lesson, devices)

# %% [markdown]
# ## 6 Evaluate
# *Efficiency* is how many times faster training is than alone, divided by the number of devices: 1
# would be perfect. Here it is below one half, for our two devices are halves of one processor,
# which was busy before. Two GPUs would each bring their own power, and lose some of it to the
# all-reduce.
#
# The losses differ a little: numbers are added in another order, so they are rounded differently.
# The weights differ more, since Adam divides by the size of the gradients: where these are near 0,
# rounding counts.
#
# <!-- results: lesson-13-difference -->
# With seed 42 the weights differ by up to 0.004.
# <!-- end -->

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
difference = max(abs(a - b) for a, b in zip(alone["loss"], together["loss"], strict=True))
moved = max(np.abs(a - b).max() for a, b in zip(weights_alone, model.get_weights(), strict=True))
images = lesson.epochs * whole
rows = [
    {
        "training": name,
        "seconds": seconds,
        "images a second": round(images / seconds),
        "efficiency": seconds_alone / seconds / count,
    }
    for name, seconds, count in [
        ("alone", seconds_alone, 1),
        ("together", seconds_together, devices),
    ]
]
lesson.save_table("throughput", pd.DataFrame(rows).round(2))
print(f"the weights on all devices are {'equal to the bit' if equal else 'NOT equal'}")
print(
    f"largest difference to training alone: of the losses {difference:.2g}, of a weight {moved:.2g}"
)
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
numbers = range(1, lesson.epochs + 1)
axes.plot(numbers, alone["loss"], linewidth=6, alpha=0.4, label="alone")
axes.plot(numbers, together["loss"], "k.--", label=f"together, {devices} devices")
axes.set(xlabel="epoch", ylabel="training loss", xticks=numbers)
axes.legend()
lesson.save_figure("losses", figure)

# %% [markdown]
# ## 7 Predict
# The model knows nothing about how it was trained. It predicts on one device.

# %%
predicted_labels = model.predict(test_images[:10], verbose=0).argmax(axis=1)
print("predicted:", *predicted_labels)
print("labels:   ", *test_labels[:10])
lesson.finish(
    model,
    together,
    training="together" if keras.backend.backend() == "tensorflow" else "alone",
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
    equal=equal,
    loss_difference=difference,
    weight_difference=moved,
    efficiency=rows[1]["efficiency"],
)

# %% [markdown]
# ## Exercises
# 1. Is it more efficient with larger batches? Try `--batch-size 1024`.
# 2. What would be different with `Dropout` in the network? And with `BatchNormalization`?
# 3. Kill one of the two processes of JAX while they train. What do you see? Go on with `--resume`.
#
# Solutions: notes/solutions/13_distributed_training.md
