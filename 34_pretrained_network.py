# %% [markdown]
"""
# 34 A pretrained network: how can a few pictures be enough?

Twelve pictures of each class are far too few to learn how to see. But somebody else may have
taught a network to see already, with more than a million photos, and given its weights away. You
put a new head on such a network, train only that, and then carefully adapt the rest
(*fine-tuning*). You compare this with training from scratch on the same pictures, and look at the
places that the network looks at.

Expect: median test accuracy with 12 pictures of each letter: from scratch 0.3, fine-tuned 0.7.

    python 34_pretrained_network.py
    python 34_pretrained_network.py --pictures DIR    # your own: one sub-folder per class
    python 34_pretrained_network.py --predict FILE    # afterwards: which class is this picture?
"""

# %%
from pathlib import Path

from frame import Flag, Lesson
from pictures.weights import check_flags

lesson = Lesson(
    __doc__,
    epochs=Flag(40, "epochs of the new head, and again of fine-tuning"),
    batch_size=16,
    data=Flag(
        ["auto", "real", "sample"],
        "weights: of ImageNet if available, else trained here on letters",
        role="free",
    ),
    on_flags=check_flags,  # with --predict, nothing is trained
    pictures=Flag(Path, "folder with your own pictures: one sub-folder per class"),
    predict=Flag(Path, "let the newest trained model classify this picture, and exit"),
    weights=Flag(Path, "file with weights for the body, instead of a download"),
    examples=Flag(
        int, "use only N training pictures per class (default: 12 letters, all of yours)"
    ),
    side=Flag(64, "scale all pictures to N x N pixels", at_least=32, at_most=224),
    unfreeze=Flag(13, "fine-tune the blocks from this one on", at_least=1, at_most=16),
    pretraining=Flag(200, "without ImageNet: pictures of each of 20 letters to pretrain on"),
)

import keras
import numpy as np
import pandas as pd
from keras import layers
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from common.introspection import input_gradients
from pictures.duplicates import group_near_duplicates, group_series
from pictures.figures import picture_grid
from pictures.folders import load_pictures
from pictures.letters import draw_series
from pictures.weights import find_weights, readable

# %% [markdown]
# ## 1 Load
# The pictures are read as in lesson 33, odd files are reported. Without `--pictures` the helper
# draws six letters. They are hard to read: turned, slanted, blurred, of little contrast, with lines
# and shapes behind them and in front. Within the folder of a class there is one for each font:
#
#     letters/A/cmr10/00.png

# %%
images, labels, classes, files = load_pictures(lesson, draw_series)
some = np.random.default_rng(lesson.seed).permutation(len(images))[:16]
lesson.save_figure("pictures", picture_grid(images[some], [classes[labels[i]] for i in some]))

# %% [markdown]
# The package `keras.applications` contains some forty networks for images, together with weights
# from *ImageNet*, more than a million photos of 1,000 classes. We take MobileNetV2, which was made
# for phones, in its smallest version (`alpha=0.35`: 35% of the filters). Its weights, without the
# last layer, are a file of two megabytes, which is downloaded once. You can also pass a file of
# weights that you have: `--weights FILE`.
#
# Where neither is possible, the lesson says so and uses a substitute: it trains the same network
# here, for less than a minute, on pictures of 20 *other* letters, saves its weights and continues
# with that file, just as it would with that of ImageNet. It has never seen an A or a B. Our
# measurements are those of the substitute, so that everybody can repeat them.

# %%
weights = find_weights(lesson)

# %% [markdown]
# ## 2 Prepare
# In lesson 33, near-duplicates stayed on one side of the split. More can tie pictures together: the
# same place, the same day, the same person; here, the same font. We want to know how well the
# network reads fonts that it has not seen. For that, put each such *series* into a folder of its
# own, within that of its class: pictures in folders of the same name form one group. A third of the
# groups is the test set.
#
# Of the rest, we pretend to have only a few: 12 pictures of each letter. We can spare none for
# validation. So the learning rates and numbers of epochs were chosen once, on other drawings.

# %%
groups = group_series(group_near_duplicates(images), files, labels, classes)
folds = StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=lesson.seed)
rest, test_rows = next(folds.split(images, labels, groups))
examples = lesson.examples or (len(rest) if lesson.pictures else 12)
shuffled = np.random.default_rng(lesson.seed).permutation(rest)
train_rows = np.concatenate([
    shuffled[labels[shuffled] == label][:examples] for label in range(len(classes))
])
train_images, train_labels = images[train_rows], labels[train_rows]
test_images, test_labels = images[test_rows], labels[test_rows]
print(f"{len(train_rows)} training pictures, {len(test_rows)} test pictures of other series")
train = lesson.batches(train_images, train_labels)  # reshuffled for every epoch

# %% [markdown]
# ## 3 Define
# The pretrained part is the *body*, or *feature extractor* (lesson 11): everything but the last
# layer (`include_top=False`). A new *head* for our classes goes on top.
#
# MobileNetV2 was trained on pixels from -1 to 1, so ours must be scaled likewise. Each network of
# `keras.applications` comes with a function `preprocess_input` that does it, but for this one a
# `Rescaling` layer does the same and is saved with the model.


# %%
def build_model(weights):
    """Build a classifier: a body with the weights from a file, or random ones, and a new head."""
    inputs = keras.Input((lesson.side, lesson.side, 3), dtype="uint8")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.RandomTranslation(0.1, 0.1)(x)
    x = layers.RandomRotation(0.03)(x)
    body = keras.applications.MobileNetV2(
        input_tensor=x, alpha=0.35, include_top=False, weights=weights
    )
    x = layers.GlobalAveragePooling2D()(body.output)  # one number for each channel
    x = layers.Dropout(0.2)(x)
    x = layers.Dense(len(classes), name="scores")(x)
    return body, keras.Model(inputs, layers.Softmax()(x))


keras.utils.set_random_seed(lesson.seed)
with readable(weights):  # of lesson: a clear error if the file holds other weights
    body, model = build_model(weights)
print(f"body: {body.count_params():,} parameters, output {body.output.shape[1:]}")

# %% [markdown]
# ## 4 Compile
# *Freezing* the body means that training leaves its weights as they are. Its layers of batch
# normalization (lesson 04) need a word of their own. In training, such a layer normalizes each
# channel by the mean and variance of the current batch, in prediction by *moving averages* of both,
# which it collected in training. What do 16 pictures know about the mean of a channel? Next to
# nothing, so the averages from pretraining are better. In Keras, a frozen batch normalization also
# computes as in prediction, and keeps its averages.

# %%
body.trainable = False


def compile_model(model, rate):
    """Compile a model for training with this learning rate."""
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=len(train),  # return to Python once per epoch: faster
    )


# %% [markdown]
# ## 5 Fit
# Step one: only the head is trained, 1,280 weights per class and a bias. It starts random, so that
# its first gradients are large and mean little. They would ruin the body, if that were not frozen.

# %%
trained = {}  # the accuracy on the test pictures


def fit(name, model, epochs):
    """Train a compiled model on the few pictures, and evaluate it once."""
    print(f"{name}: trains {sum(map(np.size, model.trainable_weights)):,} parameters")
    callbacks = lesson.callbacks(training=name)
    history = model.fit(train, epochs=epochs, callbacks=callbacks, verbose=0)
    _, trained[name] = model.evaluate(test_images, test_labels, batch_size=100, verbose=0)
    return history


compile_model(model, 0.003)
fit("frozen", model, lesson.epochs)

# %% [markdown]
# Step two: *fine-tuning*. The first blocks of the network find edges and colors, which are the same
# for all pictures. The last ones are the most special, so these are unfrozen, from block 13 of 16
# on, and trained with a learning rate that is ten times smaller. The layers of batch normalization
# stay frozen, for the same reason as before. `compile` notes which weights are trained, so compile
# again after each change of `trainable`.

# %%
body.trainable = True
names = [layer.name for layer in body.layers]
first = names.index(f"block_{lesson.unfreeze}_expand") if lesson.unfreeze > 1 else 0
for number, layer in enumerate(body.layers):
    normalizes = isinstance(layer, layers.BatchNormalization)
    layer.trainable = number >= first and not normalizes
compile_model(model, 0.0003)
history = fit("fine-tuned", model, lesson.epochs)

# %% [markdown]
# For comparison, the same network *from scratch*: random weights, all of them trained, for as many
# epochs as both steps together. Here batch normalization must learn its averages. In MobileNetV2
# they go over about 1,000 steps, and we have a few hundred, so we shorten them to 10 steps. Without
# that, its predictions would be no better than chance.

# %%
keras.utils.set_random_seed(lesson.seed)
new_body, scratch = build_model(weights=None)
for layer in new_body.layers:
    if isinstance(layer, layers.BatchNormalization):
        layer.momentum = 0.9
compile_model(scratch, 0.001)
fit("from-scratch", scratch, 2 * lesson.epochs)

# %% [markdown]
# ## 6 Evaluate

# %%
table = pd.DataFrame(trained.items(), columns=["way", "test accuracy"])
lesson.save_table("ways", table.round(4))

# %% [markdown]
# ## 7 Predict
# Is it the letter that the network looks at, or something else that happens to be in the pictures?
# *Grad-CAM* answers with a coarse map. Take the *feature maps* of a late layer: each is an image
# that is bright where its channel has found something. Compute the gradient of the score of a class
# with respect to these maps (lesson 12). Its average over a map tells how much that map speaks for
# the class. Weight the maps with these numbers, add them up, and keep what is positive. The score
# is the output before `Softmax`. Our helper `input_gradients` computes gradients on every back-end;
# in TensorFlow alone, `GradientTape` would do (lesson 07).


# %%
def grad_cam(model, layer, picture, label):
    """Compute Grad-CAM: how much each place in a layer's feature maps speaks for a class.

    It works for functional and Sequential models whose last layer is a `Softmax`.
    """
    to_maps = keras.Model(model.inputs, layer.output)
    to_scores = keras.Model(layer.output, model.layers[-1].input)
    maps = to_maps.predict(picture[np.newaxis], verbose=0)  # (1, rows, columns, channels)
    gradients = input_gradients(to_scores, maps, [label])
    importance = gradients.mean(axis=(1, 2), keepdims=True)  # (1, 1, 1, channels)
    return np.maximum((importance * maps).sum(axis=-1), 0)[0]  # (rows, columns)


def overlay(picture, heat):
    """Darken a picture where the heat is low."""
    heat = Image.fromarray(heat / max(heat.max(), 1e-9)).resize(picture.shape[:2])
    return (picture * (0.15 + 0.85 * np.clip(heat, 0, 1)[..., np.newaxis])).astype("uint8")


probabilities = model.predict(test_images, batch_size=100, verbose=0)
guesses = probabilities.argmax(axis=1)
lesson.finish(model, history, training="fine-tuned", classes=classes)
