# %% [markdown]
"""
# 05 Save and restore: how do I keep what was trained?

A trained model lives in memory and is gone when the program ends. Two lines keep it:

    model.save("digits.keras")  # after model.fit(...)

    model = keras.models.load_model("digits.keras")  # in another program, on another day

For most purposes that is all. This lesson shows what is in the file, how to keep the best epoch
while training, how to continue training as if it had never stopped, how to save layers that you
wrote yourself, and which other formats there are.

Expect: test accuracy 0.972 (0.969 to 0.973), median and range of three seeds.

    python 05_save_restore.py
    python 05_save_restore.py --epochs 2
"""

# %%
from frame import Lesson, expect_error

# As in lesson 01: flags, seed, and a folder for the results, `lesson.folder`.
lesson = Lesson(__doc__, epochs=5, batch_size=32)

import contextlib
import zipfile

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common.batches import epoch_order
from common.callbacks import ModelCheckpoint  # as in Keras, but a crash leaves no half-written file

# %% [markdown]
# ## 1 Load
# MNIST holds images of handwritten digits, 28x28 pixels.

# %%
(images, labels), (test_images, test_labels) = lesson.load("mnist")

# %% [markdown]
# ## 2 Prepare
# A tenth of the training images is held out for validation.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    images, labels, test_size=0.1, random_state=lesson.seed, stratify=labels
)
train = lesson.batches(train_images, train_labels)  # a new order in every epoch

# %% [markdown]
# ## 3 Define
# A model consists of its *architecture* (which layers, in which order, how large) and its weights.
# Some files hold only the weights; to use them, we must build the same architecture again. So we
# write a function that builds it. The network has 784·64 + 64 + 64·10 + 10 = 50,890 parameters.


# %%
def build_model():
    """Build the network with new random weights."""
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
# The *state* of an optimizer is what it remembers from step to step. For every parameter, Adam
# keeps two running averages: one of the derivatives, one of their squares (lesson 00). It also
# counts its steps. To continue training later you need this state too.
#
# The first training step would create the state; `optimizer.build` creates it now. We need that for
# `load_weights`, further below: if there is no state yet, it leaves the saved one out and only
# warns.


# %%
def compile_model(model):
    """Give a model its optimizer, loss and metric."""
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)


compile_model(model)

# %% [markdown]
# ## 5 Fit
# Saving at the end is too late if the program crashes, and the last epoch need not be the best. The
# callback `ModelCheckpoint` saves after every epoch; such a file is called a *checkpoint*. We use
# two of them:
#
# - `save_best_only=True` overwrites `best.keras` only if the validation loss falls below its lowest
#   value so far.
# - `save_weights_only=True` saves just the weights, here one file per epoch: `{epoch:02d}` becomes
#   01, 02 and so on.
#
# The name must match: it ends in `.keras` for a whole model, in `.weights.h5` for weights only.

# %%
saved = lesson.folder / "saved"
saved.mkdir(exist_ok=True)
keep_best = ModelCheckpoint(saved / "best.keras", monitor="val_loss", save_best_only=True)
keep_all = ModelCheckpoint(saved / "epoch-{epoch:02d}.weights.h5", save_weights_only=True)
model.save_weights(saved / "epoch-00.weights.h5")  # before epoch 1
history = model.fit(
    train,
    validation_data=(val_images, val_labels),
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(keep_best, keep_all),
    verbose=2,
)
print(*sorted(path.name for path in saved.iterdir()))

best = keras.models.load_model(saved / "best.keras")
best_loss, _ = best.evaluate(val_images, val_labels, batch_size=1000, verbose=0)
lowest = min(history.history["val_loss"])
print(f"lowest validation loss: in training {lowest:.4f}, of best.keras {best_loss:.4f}")

# %% [markdown]
# ## 6 Evaluate
# We keep the ten probabilities of every test image, to compare them with those of loaded models.


# %%
def predict(model):
    return model.predict(test_images, batch_size=1000, verbose=0)


test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
probabilities = predict(model)

# %% [markdown]
# ## 7 Predict: save, load, and predict the same
# ### The whole model: `.keras`
# This is the format to use. The file is a zip archive with three parts: `config.json` (the
# architecture and the arguments of `compile`), `model.weights.h5` (the weights and the optimizer's
# state) and `metadata.json` (the version of Keras).

# %%
whole = saved / "digits.keras"
model.save(whole)
loaded = keras.models.load_model(whole)
assert np.array_equal(predict(loaded), probabilities)  # equal to the last bit
print(whole.name, "contains", *sorted(zipfile.ZipFile(whole).namelist()))

# %% [markdown]
# ### Weights only: `.weights.h5`
# Use this format if your program builds the model itself. `load_weights` fills a model of the same
# architecture. The file of a compiled model also holds the optimizer's state. To see how much room
# that takes, we also save a model without an optimizer.

# %%
weights = saved / "digits.weights.h5"
model.save_weights(weights)
twin = build_model()
compile_model(twin)
twin.load_weights(weights)
assert np.array_equal(predict(twin), probabilities)

uncompiled = build_model()
uncompiled.load_weights(weights)
without_optimizer = saved / "without_optimizer.weights.h5"
uncompiled.save_weights(without_optimizer)

# %% [markdown]
# ### What each file holds
# The table shows what comes from each file. What is missing, our code had to supply: with a "no"
# under `architecture`, for example, the model. The `compile_settings` are the optimizer, the loss
# and the metric. The column `optimizer` is about its state: "yes" means that the loaded optimizer
# has counted as many steps as that of `model`.

# %%
rows = []


def add_row(form, path, predicted, restored=None, optimizer=None):
    """Record what a file restores.

    Args:
        form, path: what kind of file it is, and where.
        predicted: the predictions of the model that was loaded from it.
        restored: that model, if the file alone was enough to build it.
        optimizer: the optimizer whose state came from the file, if it holds one.
    """
    # the file itself, or all files in the folder
    files = [file for file in (path, *path.rglob("*")) if file.is_file()]
    steps = int(optimizer.iterations) if optimizer else 0
    rows.append({
        "form": form,
        "files": f"{path.name} ({len(files)} files)" if path.is_dir() else path.name,
        "kB": sum(file.stat().st_size for file in files) / 1000,
        "weights": np.array_equal(predicted, probabilities),
        "architecture": restored is not None,
        "compile_settings": restored is not None and restored.compiled,
        "optimizer": steps == int(model.optimizer.iterations),
    })


add_row("whole model", whole, predict(loaded), loaded, loaded.optimizer)
add_row("weights", weights, predict(twin), optimizer=twin.optimizer)
add_row("weights, not compiled", without_optimizer, predict(uncompiled))

# %% [markdown]
# ### Other programs: `export`
# A server or a phone needs predictions, but often has neither your code nor Keras. `export` writes
# only the computation of a prediction (*inference*). It cannot be trained further, and `load_model`
# does not read it: keep the `.keras` file too. With TensorFlow as the back-end (lesson 02) we write
# a *SavedModel*: a folder for TensorFlow and for the server program TensorFlow Serving.
# notes/saving.md lists the other formats, and lesson 36 writes one for phones.

# %%
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    exported = saved / "exported"
    model.export(exported, verbose=False)
    with contextlib.chdir(saved):  # a [ or * in a full path would confuse TensorFlow
        served = tf.saved_model.load("exported")  # not a Keras model; call its function `serve`
    parts = [served.serve(test_images[i : i + 1000]) for i in range(0, len(test_images), 1000)]
    add_row("export", exported, np.concatenate(parts))
    with expect_error(ValueError):  # prints the error
        keras.models.load_model(exported)

table = pd.DataFrame(rows).round({"kB": 1})
lesson.save_table("forms", table.replace({True: "yes", False: "no"}))

# %% [markdown]
# Only `digits.keras` restores everything.
#
# ### Continue training
# An interrupted training goes on in three steps: build and compile the model, load the last
# checkpoint, and tell `fit` how many epochs are done. It trains only those that are missing:
#
#     compile_model(model)
#     model.load_weights("epoch-03.weights.h5")
#     model.fit(train, initial_epoch=3, epochs=5)
#
# (From a `.keras` file, `load_model` does the first two at once.)
#
# Does the optimizer's state matter? We load the checkpoint before the last epoch and train that
# epoch again, with the state and without it. (So that the batches are the same as before, we give
# `fit` the images in the order of that epoch.) With it we reach exactly the weights of `model`.
# Without it Adam starts again from zero, and the weights differ.


# %%
def train_last_epoch_again(restored):
    """Repeat the last epoch; return the largest difference of any weight from `model`."""
    # The order of the images in that epoch of `fit` above. Here epochs count from 0.
    order = epoch_order(len(train_labels), lesson.seed, lesson.epochs - 1)
    restored.fit(
        train_images[order],
        train_labels[order],
        batch_size=lesson.batch_size,
        shuffle=False,
        verbose=0,
    )
    pairs = zip(restored.get_weights(), model.get_weights(), strict=True)
    return max(np.abs(one - other).max() for one, other in pairs)


before_last = saved / f"epoch-{lesson.epochs - 1:02d}.weights.h5"
remembering = build_model()
compile_model(remembering)
remembering.load_weights(before_last)  # weights and optimizer's state
forgetful = build_model()
forgetful.load_weights(before_last)  # weights only: it has no optimizer yet
compile_model(forgetful)

with_state = train_last_epoch_again(remembering)
without_state = train_last_epoch_again(forgetful)
print(f"largest weight difference with the optimizer's state: {with_state:.6f}")
print(f"largest weight difference without it: {without_state:.6f}")
assert with_state == 0

# %% [markdown]
# ### Layers of your own
# If Keras has no layer for what you need, you can write one. It is a class: `build` creates its
# weights, `call` computes its output.
#
# A file holds a layer's name and arguments, not its code. So Keras needs two things to load it.
# `register_keras_serializable` registers the class under a name, by which Keras finds it. And
# `get_config` returns the arguments: those that every layer has, such as its name, and your own,
# here `start`. A program that loads the model has to import the class before it calls `load_model`.
# (The layer `Lambda`, which wraps a Python function, is an exception: its code is in the file. A
# stranger's file could run anything that way, so `load_model` refuses it unless you say
# `safe_mode=False`.)


# %%
@keras.saving.register_keras_serializable(package="lesson05")  # as "lesson05>Scale"
class Scale(layers.Layer):
    """Multiplies its inputs by one trainable number."""

    def __init__(self, start=1.0, **options):
        super().__init__(**options)
        self.start = start

    def build(self, input_shape):
        # Keras calls this once, when it knows the shape of the inputs.
        self.factor = self.add_weight(initializer=keras.initializers.Constant(self.start))

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "start": self.start}


with_own = keras.Sequential([keras.Input((3,)), Scale(start=2.0)])
with_own.save(saved / "own_layer.keras")
own = keras.models.load_model(saved / "own_layer.keras")
print("custom layer, loaded:", own.layers[0].start, own.predict(np.ones((1, 3)), verbose=0))
lesson.finish(
    model,
    history,
    classes=list("0123456789"),
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
)

# %% [markdown]
# ## Remember
# - `model.save("name.keras")` and `keras.models.load_model("name.keras")` keep architecture,
#   weights, compile settings and the optimizer's state, but not the code of your own layers.
# - `ModelCheckpoint(..., save_best_only=True)` keeps the best epoch while you train.
# - To continue training you need the optimizer's state, not only the weights.
#
# With your own model, start with `ModelCheckpoint("best.keras", save_best_only=True)`, which
# watches `val_loss` and so needs validation data. Then load `best.keras`.

# %% [markdown]
# ## Exercises
# 1. Order the files by size. Explain the differences with the number of parameters.
# 2. Transfer only the first Dense layer of the saved model to a new model with more classes.
# 3. Stop the lesson with Ctrl-C in its third epoch. What do you have to type to continue
#    (notes/running.md says it), and what is printed at the end?
#
# Solutions: notes/solutions/05_save_restore.md
