# %% [markdown]
"""
# 13 Distributed training: one model, several devices

When one device is too slow, several share the work: each takes a part of every batch, and all keep the
same weights. This is *data parallel* training. On TensorFlow one process uses two devices; on JAX there
are two processes, which could as well be two computers. Then we compare with one device alone.

Expect test accuracy 0.979 (0.976 to 0.980): the median and the range of three seeds, on TensorFlow; and
together the same losses as alone, within rounding.

    python 13_distributed_training.py
    KERAS_BACKEND=jax python 13_distributed_training.py
    KERAS_BACKEND=jax python 13_distributed_training.py --addresses 10.0.0.1:7000 10.0.0.2:7000 --process 0
"""

# %%
from common import workers
from common.flags import LessonParser, whole_number

parser = LessonParser(
    "13_distributed_training",
    __doc__,
    epochs=3,
    batch_size=256,
    only=("tensorflow", "jax"),
    devices=2,
)
parser.add_argument(
    "--addresses",
    nargs="+",
    metavar="HOST:PORT",
    help="on JAX: where each process is; give the same to all, and --process",
)
parser.add_argument(
    "--process",
    type=whole_number(0),
    metavar="K",
    help="with --addresses: this is process K, counted from 0",
)
args = parser.read_args()
if (args.addresses is None) != (args.process is None):
    parser.error("--addresses and --process belong together")
if args.addresses and args.process >= len(args.addresses):
    parser.error(f"--process {args.process}: there are {len(args.addresses)} addresses")
workers.take_part(args.addresses, args.process)
parser.start()  # before the imports below, so that --help answers at once

import tempfile
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras import layers

from common import plots, runs
from common.batches import shuffled_batches
from common.callbacks import OneLineProgress
from common.run import Run

if args.process:  # only process 0 keeps what comes out
    args.out, args.resume = Path(tempfile.mkdtemp()), None
run = Run(args)  # sets the seed, keeps the record and the figures

# %% [markdown]
# ## 1 Load
# Handwritten digits, 28x28 grey pixels from 0 to 255.

# %%
(train_images, train_labels), (test_images, test_labels) = run.load_dataset("mnist")

# %% [markdown]
# ## 2 Prepare
# Every device gets an equal part of every batch. So that this works out, we leave out the last images, which do
# not fill a batch. Nothing is chosen here, so none are held out for validation.

# %%
whole = len(train_images) // args.batch_size * args.batch_size
if not whole:
    parser.error(f"--batch-size {args.batch_size}: there are only {len(train_images)} images")
train_images, train_labels = train_images[:whole], train_labels[:whole]
print(f"{whole} images to train, {whole // args.batch_size} steps an epoch")


# %% [markdown]
# ## 3 Define
# A small network of convolutions, with nothing random in it: so training alone and training together can be
# compared digit by digit.


# %%
def build_model():
    """Build the network; the same seed gives the same starting weights."""
    keras.utils.set_random_seed(args.seed)
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
# 2. Each computes the loss of its images, and the gradients: which way each weight should go.
# 3. *All-reduce*: the gradients are summed over all devices, and divided by the size of the whole batch. Now all
#    devices have the gradients of the whole batch, the same that one device would have computed.
# 4. Each does the same step. So the weights, equal before, are equal after.
#
# With twice the devices one often takes twice the batch, so that each stays busy. Then there are half as many steps,
# and they are usually made larger: twice the rate for SGD, the root of two for Adam (lesson 09 tries it). Here
# the batch stays as it is, to compare.


# %%
def compile_model(model):
    """Make a model ready to train, a step at a time: MirroredStrategy knows no other way."""
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])


# %% [markdown]
# ## 5 Fit
# On **TensorFlow** one process drives all devices: whatever is made within `strategy.scope()` exists on each of
# them, and `fit` splits the batches. Without a second GPU we make two devices of one processor.
#
# On **JAX** every process runs this whole script, and `keras.distribution` makes them one. Each cuts its own part
# out of every batch:


# %%
class Share(keras.utils.PyDataset):
    """Of every batch the rows that this process is to have: one of two has every second row."""

    def __init__(self, batches, process: int, processes: int):
        super().__init__()
        self.batches, self.process, self.processes = batches, process, processes

    @property
    def num_batches(self):
        return None  # there is no last one

    def __getitem__(self, index):
        return tuple(part[self.process :: self.processes] for part in self.batches[index])


def fit_model(name, scope, share=None):
    """Train a new model within a scope, on all of each batch or on a share of it."""
    if share:  # all go on where process 0 stopped
        workers.share_file(run.folder / f"checkpoint-{name}.npz")
    training = run.training(name)
    train = shuffled_batches(
        train_images,
        train_labels,
        args.batch_size,
        seed=args.seed,
        first_epoch=training.first_epoch,
    )
    with scope:
        model = build_model()
        compile_model(model)
        history = model.fit(
            Share(train.dataset, *share) if share else train.dataset,
            steps_per_epoch=train.steps_per_epoch,
            shuffle=False,  # the batches come shuffled
            epochs=args.epochs,
            initial_epoch=training.first_epoch,  # 0, unless --resume continues a stopped run
            callbacks=training.callbacks(OneLineProgress()),
            verbose=0,
        )
    return model, history.history, training.timer.total


if args.process is None:
    print("\nalone")
    model, alone, seconds_alone = fit_model("alone", nullcontext())
    weights_alone = model.get_weights()

# %% [markdown]
# Together. On JAX this process now starts two others and waits; you see what the first of them says. What follows
# `elif` is what those two do.

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
    copies = [
        [
            strategy.experimental_local_results(weight.value)[device].numpy()
            for weight in model.weights
        ]
        for device in range(devices)
    ]
    equal = all(
        np.array_equal(*pair) for copy in copies for pair in zip(copies[0], copy, strict=True)
    )
elif args.process is not None:
    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(distribution)
    share = args.process, len(args.addresses)
    model, together, seconds_together = fit_model("together", nullcontext(), share)
    equal = workers.all_equal(model.get_weights())
    keras.distribution.set_distribution(None)  # from here on each process is alone again
    if args.process == 0:
        run.save(model, together, training="together", equal=equal, fit_seconds=seconds_together)
    raise SystemExit
else:
    devices = 2
    print(f"\ntogether: {devices} processes")
    part = run.folder / "together"
    if not (done := workers.finished(part)):
        workers.start_and_wait(devices, workers.flags_for(args, part), run.how_to_go_on())
        done = workers.finished(part)
    model = keras.models.load_model(done / "model.keras")
    kept = runs.read_history(done)
    together = {name: kept[name] for name in alone}
    metrics = runs.read_record(done)["metrics"]
    equal, seconds_together = bool(metrics["equal"]), metrics["fit_seconds"]

# %% [markdown]
# ## 6 Evaluate
# *Efficiency* is how many times quicker than alone, divided by the number of devices: 1 would be perfect. Here it is
# below one half, for our two devices are halves of one processor, which was busy before. Two GPUs would each bring
# their own power, and lose some of it to the all-reduce.
#
# The losses differ by less than 0.0001: numbers are added in another order, so they are rounded otherwise. The
# weights differ more, by up to 0.004 with seed 42, since Adam divides by the size of the gradients: where these
# are near 0, rounding counts.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
difference = max(abs(a - b) for a, b in zip(alone["loss"], together["loss"], strict=True))
moved = max(np.abs(a - b).max() for a, b in zip(weights_alone, model.get_weights(), strict=True))
images = args.epochs * whole
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
run.save_table("throughput", pd.DataFrame(rows).round(2))
print(f"the weights on all devices are {'equal to the bit' if equal else 'NOT equal'}")
print(
    f"largest difference of the losses to training alone: {difference:.2g}, of a weight: {moved:.2g}"
)
figure, axes = plots.new_figure()
numbers = range(1, args.epochs + 1)
axes.plot(numbers, alone["loss"], linewidth=6, alpha=0.4, label="alone")
axes.plot(numbers, together["loss"], "k.--", label=f"together, {devices} devices")
axes.set(xlabel="epoch", ylabel="training loss", xticks=numbers)
axes.legend()
run.save_figure("losses", figure)

# %% [markdown]
# ## 7 Predict
# The model knows nothing of how it was trained. It answers on one device.

# %%
predicted_labels = model.predict(test_images[:10], verbose=0).argmax(axis=1)
print("predicted:", *predicted_labels)
print("labels:   ", *test_labels[:10])
run.save(
    model,
    together,
    training="together" if "together" in run.trainings else "alone",
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
