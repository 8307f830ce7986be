# %% [markdown]
"""
# 05 Save and restore: how do I keep what was trained?

A small network learns to read digits. Then we keep it in every form that Keras offers, load each
again, and check that the answers are the same to the last bit. We also look into the files.

Expect: test accuracy 0.972 (0.969 to 0.973), median and range of three seeds.

    python 05_save_restore.py
    python 05_save_restore.py --epochs 2
"""

# %%
from common.lesson import Lesson, expect_error

lesson = Lesson(__doc__, epochs=5, batch_size=32)

import json
import logging
import time
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common.batches import epoch_order
from common.callbacks import ModelCheckpoint  # Keras' own, but a file appears only once it is whole

# Keras would warn that `.h5` is an old form, and that a model read from it has no metrics yet.
EXPECTED = ("HDF5 file", "compiled metrics have yet to be built")
logging.getLogger("absl").addFilter(
    lambda record: not any(text in record.getMessage() for text in EXPECTED)
)

# %% [markdown]
# ## 1 Load
# MNIST: grayscale images of handwritten digits, 28x28 pixels.

# %%
(train_images, train_labels), (test_images, test_labels) = lesson.load("mnist")

# %% [markdown]
# ## 2 Prepare
# A tenth is held out for validation. The order of the batches depends on the seed and the number of
# the epoch alone, so that an epoch can be trained again with the very same batches.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images, train_labels, test_size=0.1, random_state=lesson.seed, stratify=train_labels
)
train = lesson.batches(train_images, train_labels)

# %% [markdown]
# ## 3 Define
# A function, since some files hold only weights: we must build the same network again to use them.


# %%
def build_model():
    """Build the network with fresh weights: 784·64 + 64 + 64·10 + 10 = 50,890."""
    return keras.Sequential([
        keras.Input((28, 28), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])


model = build_model()

# %% [markdown]
# ## 4 Compile
# The optimizer Adam has a state: two moving means for every weight, and the number of steps so far.
# That state is worth keeping too.


# %%
def compile_model(model):
    """Give a model its optimizer, loss and metric."""
    model.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=len(train),  # a whole epoch in one call: faster
    )
    model.optimizer.build(model.trainable_variables)  # make its state now, all zeros


compile_model(model)

# %% [markdown]
# ## 5 Fit
# `ModelCheckpoint` saves after every epoch. `{epoch:02d}` becomes 01, 02 and so on.
# `save_weights_only` decides what is saved, and the name must fit: `.weights.h5` for weights,
# `.keras` for a whole model.

# %%
saved = lesson.folder / "saved"
saved.mkdir(exist_ok=True)
model.save_weights(saved / "epoch-00.weights.h5")  # before any training
checkpoint = ModelCheckpoint(saved / "epoch-{epoch:02d}.weights.h5", save_weights_only=True)
history = model.fit(
    train,
    validation_data=(val_images, val_labels),
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(checkpoint),
    verbose=2,
)
print(*sorted(path.name for path in saved.iterdir()))

# %% [markdown]
# ## 6 Evaluate
# These probabilities are what every form below must give again.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
probabilities = model.predict(test_images, batch_size=1000, verbose=0)  # (images, 10)

# %% [markdown]
# ## 7 Predict: save, restore, and predict the same
# This function restores one form, measures how long that takes, and notes what came back out of the
# file: the weights, if all ten probabilities of every test image are equal to the last bit; the
# architecture and the compile settings, if our own code did not give them; the optimizer, if it
# knows how many steps it has made.

# %%
rows = []


def predict(restored):
    """Return the probabilities of the test images, by a Keras model or by a served function."""
    if isinstance(restored, keras.Model):
        return restored.predict(test_images, batch_size=1000, verbose=0)
    batches = np.split(test_images, range(1000, len(test_images), 1000))
    answers = [restored(keras.ops.convert_to_tensor(batch)) for batch in batches]
    return np.concatenate([answer["output_0"] for answer in answers])


def try_form(form, path, restore, from_our_code=False):
    """Restore a model by `restore()`, note what it has, and return it."""
    began = time.perf_counter()
    restored = restore()
    seconds = time.perf_counter() - began
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    optimizer = getattr(restored, "optimizer", None)
    steps = int(optimizer.iterations) if optimizer else 0
    is_model = isinstance(restored, keras.Model)
    rows.append({
        "form": form,
        "files": path.name + (f" ({len(files)} files)" if path.is_dir() else ""),
        "kB": sum(file.stat().st_size for file in files) / 1000,
        "weights": np.array_equal(predict(restored), probabilities),
        "architecture": is_model and not from_our_code,
        "compile_settings": is_model and restored.compiled and not from_our_code,
        "optimizer": steps == int(model.optimizer.iterations),
        "seconds": seconds,
    })
    return restored


# %% [markdown]
# ### Weights
# The newest checkpoint has the highest epoch in its name. We load it into a new network. A
# `.weights.h5` file of a compiled model holds the optimizer's state too, and is about three times
# as large as without.


# %%
def restore_weights(path, compiled):
    """Build the network anew and fill it from a file of weights."""
    fresh = build_model()
    if compiled:
        compile_model(fresh)
    fresh.load_weights(path)
    return fresh


newest = max(saved.glob("epoch-*.weights.h5"), key=lambda path: int(path.name[6:].split(".")[0]))
assert newest.name == f"epoch-{lesson.epochs:02d}.weights.h5"
try_form("weights, each epoch", newest, lambda: restore_weights(newest, True), from_our_code=True)

by_hand = saved / "by_hand.weights.h5"
model.save_weights(by_hand)
try_form("weights, by hand", by_hand, lambda: restore_weights(by_hand, True), from_our_code=True)

alone = saved / "alone.weights.h5"
restore_weights(by_hand, compiled=False).save_weights(alone)
try_form("weights, not compiled", alone, lambda: restore_weights(alone, False), from_our_code=True)

# %% [markdown]
# ### The whole model: `.keras`
# This is the form to use. It is a zip archive of the architecture with the compile settings (JSON),
# the weights with the optimizer's state (HDF5), and a note of the version.

# %%
whole = saved / "whole.keras"
model.save(whole)
loaded = try_form("whole model", whole, lambda: keras.models.load_model(whole))
print("whole.keras holds", *sorted(zipfile.ZipFile(whole).namelist()))

# %% [markdown]
# ### The old form: `.h5`
# One HDF5 file: groups like folders, datasets like arrays, and attributes, which are notes on both.
# It is older than Keras 3 and still written and read.
#
# We save the loaded copy. In Keras 3.15 saving as `.h5` takes the optimizer out of the compile
# settings of the model in memory, so that a `.keras` saved after it comes back with RMSprop.

# %%
legacy = saved / "legacy.h5"
loaded.save(legacy)
try_form("old form", legacy, lambda: keras.models.load_model(legacy))
assert "optimizer" in model.get_compile_config() and "optimizer" not in loaded.get_compile_config()


def show_node(name, node):
    """Print a group or dataset of an HDF5 file, indented by its depth, with its attributes."""
    shape = f" {node.shape} {node.dtype}" if isinstance(node, h5py.Dataset) else "/"
    notes = "".join(f"  [{key}: {str(value)[:40]!r}]" for key, value in node.attrs.items())
    print("  " * name.count("/") + "  " + name.split("/")[-1] + shape + notes.replace("\\n", ""))


with h5py.File(legacy) as file:
    show_node("legacy.h5", file)
    file.visititems(show_node)

# %% [markdown]
# ### All but the numbers: JSON
# Text that you can read and compare: the architecture and the compile settings. It has no weights:
# until we load some, the answers are those of an untrained network.

# %%
architecture = saved / "architecture.json"
architecture.write_text(json.dumps(json.loads(model.to_json()), indent=1))
untrained = try_form(
    "architecture", architecture, lambda: keras.models.model_from_json(architecture.read_text())
)
untrained.set_weights(model.get_weights())
assert np.array_equal(predict(untrained), probabilities)

# %% [markdown]
# ### For serving: SavedModel
# `export` writes the computation itself, which TensorFlow runs without Keras, in Python or
# elsewhere. It cannot be trained on, and `load_model` does not read it. Its *signature* is the
# function that a server calls. Only the TensorFlow back-end writes one here.

# %%
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    exported = saved / "exported"
    model.export(exported, verbose=False)
    try_form(
        "export", exported, lambda: tf.saved_model.load(exported).signatures["serving_default"]
    )
    with expect_error(ValueError):
        keras.models.load_model(exported)

table = pd.DataFrame(rows).round({"kB": 1, "seconds": 3})
lesson.save_table("forms", table.replace({True: "yes", False: "no"}))

# %% [markdown]
# ### Go on training, with and without the optimizer's state
# We go back to the checkpoint before the last epoch and train that epoch again, on the same
# batches. With the optimizer's state we end with the very weights that `model` has. Without it Adam
# starts from zero again, and we end elsewhere.
#
# Mind the trap: if the new optimizer has no state yet, `load_weights` leaves the saved one out and
# only warns. That is why `compile_model` calls `optimizer.build`.


# %%
def train_last_epoch_again(restored):
    """Train the last epoch again; return the largest difference to a weight of `model`."""
    order = epoch_order(len(train_labels), lesson.seed, epoch=lesson.epochs - 1)
    restored.fit(
        train_images[order],
        train_labels[order],
        batch_size=lesson.batch_size,
        shuffle=False,  # they are in that epoch's order already
        verbose=0,
    )
    pairs = zip(restored.get_weights(), model.get_weights(), strict=True)
    return max(np.abs(one - other).max() for one, other in pairs)


before_last = saved / f"epoch-{lesson.epochs - 1:02d}.weights.h5"
with_state = train_last_epoch_again(restore_weights(before_last, compiled=True))
forgetful = restore_weights(before_last, compiled=False)
compile_model(forgetful)  # only now: its optimizer knows nothing of the earlier steps
without_state = train_last_epoch_again(forgetful)
print(
    f"largest difference of a weight, with the optimizer's state: {with_state:.6f}, "
    f"without: {without_state:.6f}"
)
assert with_state == 0

unbuilt = build_model()
unbuilt.compile("adam", "sparse_categorical_crossentropy")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    unbuilt.load_weights(newest)
print(caught[0].message)

# %% [markdown]
# ### What is gone, and what is refused
# Old tutorials save models as YAML: `to_yaml` is gone, since reading YAML could run code. They give
# `ModelCheckpoint` a name in `.hdf5`, which is refused, and a `period`; instead there is
# `save_freq`, counted in batches. They save models of `loss="mse"` as `.h5`: such a file cannot be
# loaded unless you leave the compile settings out.

# %%
with expect_error(AttributeError):
    model.to_yaml()
with expect_error(ValueError):
    keras.callbacks.ModelCheckpoint(saved / "old.hdf5")
with expect_error(TypeError):
    keras.callbacks.ModelCheckpoint(saved / "old.keras", period=5)

line = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
line.compile("sgd", "mse")
line.save(saved / "mse.h5")
with expect_error(ValueError):
    keras.models.load_model(saved / "mse.h5")
keras.models.load_model(saved / "mse.h5", compile=False)

# %% [markdown]
# A `.keras` file can hold a Python function, as code. To load it is to run it, whatever it does:
# with a stranger's file that could be anything. So Keras refuses, and that is right. Do not switch
# this off (`safe_mode=False`) for a file that you did not write. Use a layer: `Rescaling` needs no
# lambda.

# %%
with_lambda = keras.Sequential([keras.Input((28, 28)), layers.Lambda(lambda x: x / 255)])
with_lambda.save(saved / "lambda.keras")
with expect_error(ValueError):
    keras.models.load_model(saved / "lambda.keras")
lesson.finish(model, history, test_loss=test["loss"], test_accuracy=test["accuracy"])

# %% [markdown]
# ## Exercises
# 1. Which of the files are larger, and by how much? Explain it with the summary's number of
#    parameters.
# 2. Carry only the first layer of the saved model over into a new one with more classes.
# 3. Interrupt the lesson with Ctrl-C in its third epoch. What do you have to type to go on, and
#    what is printed at the end?
#
# Solutions: notes/solutions/05_save_restore.md
