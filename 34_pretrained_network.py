# %% [markdown]
"""
# 34 A pretrained network: how can a few pictures be enough?

Twelve pictures of each class are far too few to learn how to see. But somebody else may already
have taught a network to see, with more than a million photos, and given its weights away. You put a
new head on such a network, train only that, and then carefully adapt the last layers, too
(*fine-tuning*). You compare this with training from scratch, and see which places in a picture the
network looks at.

Expect: median test accuracy on the sample: from scratch 0.36, frozen 0.73, fine-tuned 0.75.

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
    epochs=Flag(10, "epochs of the new head, and again of fine-tuning"),
    batch_size=32,
    data=Flag(
        ["auto", "real", "sample"],
        "network: of ImageNet if available, else trained here on letters",
        role="free",
    ),
    on_flags=check_flags,  # with --predict, nothing is trained
    pictures=Flag(Path, "folder with your own pictures: one sub-folder per class"),
    predict=Flag(Path, "let the newest trained model classify this picture, and exit"),
    weights=Flag(Path, "file with a pretrained network, instead of a download"),
    examples=Flag(
        int, "use only N training pictures per class (default: 12 letters, all of yours)"
    ),
    variants=Flag(10, "augmented variants of each training picture"),
    side=Flag(40, "scale all pictures to N x N pixels", at_least=32, at_most=224),
    unfreeze=Flag(50, "percentage of the body's layers to fine-tune", at_least=1, at_most=100),
    pretraining=Flag(200, "without ImageNet: pictures of each of 20 letters to pretrain on"),
)

import math

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import StratifiedGroupKFold

from common.introspection import input_gradients
from pictures.cluttered import draw_series
from pictures.duplicates import group_near_duplicates, group_series
from pictures.figures import heat_over, picture_grid
from pictures.folders import load_pictures
from pictures.weights import check_input, find_weights, readable

# %% [markdown]
# ## 1 Load
# The pictures are read as in lesson 33. Without `--pictures` the helper draws the letters A, B, E,
# F, P and R among lines and shapes. The folder of each class has a sub-folder for each font:
#
#     letters/A/cmr10/00.png

# %%
images, labels, classes, files = load_pictures(lesson, draw_series)
some = np.random.default_rng(lesson.seed).permutation(len(images))[:16]
lesson.save_figure("pictures", picture_grid(images[some], [classes[labels[i]] for i in some]))

# %% [markdown]
# The package `keras.applications` contains about forty networks for images, together with weights
# from *ImageNet*, more than a million photos of 1,000 classes. We take MobileNetV2 in its smallest
# version (`alpha=0.35`: 35% of the filters). Its weights are a file of two megabytes, which is
# downloaded once. Larger networks recognize more, but are slower. (Look up the license of the
# weights before you publish something.)
#
# Without internet, the lesson says so and trains a substitute for about a minute: a small network
# like that of lesson 33, but with batch normalization. It learns from drawings of 20 *other*
# letters, in all fonts. For photos it is no match for MobileNetV2, but the lesson is the same with
# both.

# %%
weights = find_weights(lesson)

# %% [markdown]
# ## 2 Prepare
# In lesson 33, near-duplicates stayed on one side of the split. Pictures can be tied together in
# other ways, too: by the same place or day; here, by the same font. If such a *series* is in both
# the training and the test set, the network may recognize the place instead of the class, and the
# test accuracy is too high. So no font occurs in both training and test pictures. A third of the
# groups is the test set. (Put photos of your own from one place or day into a sub-folder of their
# class, with the same name in every class: they stay on one side.)
#
# Of the rest, we pretend to have only a few: 12 pictures of each letter. We can spare none for
# validation, so we fix the learning rates and the numbers of epochs beforehand.

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
print(f"{len(train_rows)} training pictures, {len(test_rows)} test pictures of other groups")

# %% [markdown]
# Augmentation (lesson 33) makes more of them. We draw ten variants of each picture beforehand,
# because we want to compute their features only once (section 3). The price: every epoch sees the
# same ten.

# %%
keras.utils.set_random_seed(lesson.seed)
augment = keras.Sequential([layers.RandomTranslation(0.1, 0.1), layers.RandomRotation(0.03)])
variants = [augment(train_images, training=True) for _ in range(lesson.variants)]
train_images = np.concatenate([keras.ops.convert_to_numpy(variant) for variant in variants])
train_images = train_images.round().astype("uint8")
train_labels = np.tile(train_labels, lesson.variants)

# %% [markdown]
# ## 3 Define
# The pretrained part is the *body*, or *feature extractor* (lesson 11): everything but the last
# layers, which are made for other classes. It ends with *feature maps* (lesson 12).
#
# The substitute is a whole `.keras` model. From it we take the body ourselves: a new `keras.Model`
# can end at any layer. For MobileNetV2, `include_top=False` leaves the last layers out. That
# network was trained on pixels from -1 to 1, so a `Rescaling` layer must scale ours likewise: 255
# becomes 255 / 127.5 - 1 = 1. If it did not, no error would tell you, and the features would be
# worse.


# %%
def load_body(weights):
    """Load a pretrained body, which turns pictures into feature maps, from a file."""
    if weights.suffix == ".keras":
        whole = keras.models.load_model(weights)
        # the last with feature maps: (pictures, rows, columns, channels)
        last = [layer for layer in whole.layers if len(layer.output.shape) == 4][-1]
        return keras.Model(whole.inputs, last.output)  # without the head
    inputs = keras.Input((lesson.side, lesson.side, 3), dtype="uint8")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    return keras.applications.MobileNetV2(
        input_tensor=x, alpha=0.35, include_top=False, weights=weights
    )


with readable(weights, lesson):  # for a clear error, should a file not fit (from pictures/)
    body = load_body(weights)
check_input(body, lesson)
print(f"body: {body.count_params():,} parameters, feature maps {body.output.shape[1:]}")

# %% [markdown]
# Now put a new *head* for our classes on top. Global average pooling turns each feature map into
# one number, its mean. These numbers are the *features* of a picture. Only the step from them to
# our classes has to be learned. With 128 features and six classes that is 128·6 + 6 = 774
# parameters, for which a few pictures can be enough.
#
# For comparison we also need the same network with random weights. `clone_model` copies layers, but
# not their weights.


# %%
def build_model(body):
    """Put a new head on a body."""
    x = layers.GlobalAveragePooling2D(name="features")(body.output)
    x = layers.Dropout(0.2, name="head_dropout")(x)
    x = layers.Dense(len(classes), name="scores")(x)  # Grad-CAM needs them before Softmax
    return keras.Model(body.inputs, layers.Softmax(name="probabilities")(x))


keras.utils.set_random_seed(lesson.seed)
random_body = keras.models.clone_model(body)
model, scratch = build_model(body), build_model(random_body)

# %% [markdown]
# A body that does not change always returns the same features for the same picture. So we compute
# them once, and train the head on them as a small network of its own. (That is also called a
# *linear probe*.)

# %%
extract = keras.Model(model.input, model.get_layer("features").output)
train_features = extract.predict(train_images, batch_size=100, verbose=0)
test_features = extract.predict(test_images, batch_size=100, verbose=0)
head = keras.Sequential([
    keras.Input((train_features.shape[1],)),
    layers.Dropout(0.2),
    layers.Dense(len(classes)),
    layers.Softmax(),
])

# %% [markdown]
# ## 4 Compile


# %%
def compile_model(model, rate, steps):
    """Compile a model for training with this learning rate and so many steps per epoch."""
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps,  # return to Python once per epoch: faster
    )


# %% [markdown]
# ## 5 Fit
# **Step one: the head.** It starts random, so its first gradients are large and mean little. They
# would ruin the body if it were trained as well. So the body stays as it is, *frozen*: the network
# `head` does not even contain it. Afterwards we copy the trained head into the whole model.

# %%
results = {}  # the accuracy on the test pictures


def fit(way, model, epochs, train, test_inputs):
    """Train a compiled model, evaluate it once on the test pictures, and return its history."""
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    print(f"{way}: trains {trained:,} parameters")
    history = model.fit(train, epochs=epochs, callbacks=lesson.callbacks(training=way), verbose=0)
    _, results[way] = model.evaluate(test_inputs, test_labels, batch_size=100, verbose=0)
    return history


train = lesson.batches(train_features, train_labels)
compile_model(head, 0.003, len(train))
fit("frozen", head, lesson.epochs, train, test_features)
model.get_layer("scores").set_weights(head.layers[-2].get_weights())

# %% [markdown]
# **Step two: fine-tuning.** The first layers of the network find edges and colors, which all
# pictures have in common. The last ones are the most specialized. So we train these, the last half
# of the layers, together with the head. The learning rate is ten times smaller: the features are
# good already, and large steps would overwrite them. The other layers stay frozen (`trainable` is
# False). `model` contains the layers of `body` themselves, not copies, so what we set there also
# holds for `model`. `compile` notes which layers are trainable, so set this first.
#
# The layers of *batch normalization* (lesson 04) stay frozen, too. In training, such a layer
# normalizes each channel by the mean and variance of the current batch, in prediction by *moving
# averages* of both, which it collected in training. A few new pictures would change these averages,
# but the layers after it rely on those from pretraining. In Keras, a frozen batch normalization
# computes as in prediction and keeps its averages.

# %%
first = len(body.layers) * (100 - lesson.unfreeze) // 100
for number, layer in enumerate(body.layers):
    normalizes = isinstance(layer, layers.BatchNormalization)
    layer.trainable = number >= first and not normalizes
train = lesson.batches(train_images, train_labels)
compile_model(model, 0.0003, len(train))
history = fit("fine-tuned", model, lesson.epochs, train, test_images)

# %% [markdown]
# **For comparison, from scratch:** the network with random weights, all of them trained, for as
# many epochs as both steps had together. Now batch normalization must learn its averages, in a few
# hundred steps. So each step keeps only 90% of the old average instead of Keras' 99% (`momentum =
# 0.9`).

# %%
keras.utils.set_random_seed(lesson.seed)
for layer in random_body.layers:
    if isinstance(layer, layers.BatchNormalization):
        layer.momentum = 0.9
train = lesson.batches(train_images, train_labels)
compile_model(scratch, 0.003, len(train))
fit("from-scratch", scratch, 2 * lesson.epochs, train, test_images)

# %% [markdown]
# ## 6 Evaluate

# %%
table = pd.DataFrame(results.items(), columns=["way", "test accuracy"])
lesson.save_table("ways", table.round(4))

# %% [markdown]
# <!-- results: lesson-34-ways -->
# Medians and ranges of three seeds:
#
# | way          | test accuracy       |
# | ------------ | ------------------- |
# | from scratch | 0.36 (0.35 to 0.38) |
# | frozen       | 0.73 (0.71 to 0.73) |
# | fine-tuned   | 0.75 (0.74 to 0.82) |
# <!-- end -->
#
# (Measured with the substitute: `--data sample`. With ImageNet's weights your numbers will differ.)
# The network from scratch gets most test pictures wrong; guessing gets 0.17. The frozen body was
# trained on none of these letters, and yet a head of 774 parameters on its features is right about
# twice as often. Fine-tuning improved on that with each of the three seeds, though part of the gain
# may come from training the head longer. The less your pictures resemble those of pretraining
# (X-rays, say), the less its features fit: if `frozen` is hardly better than `from scratch`,
# fine-tune more layers.

# %% [markdown]
# ## 7 Predict
# Does the network look at the letter, or at something else that happens to be in the pictures?
# *Grad-CAM* answers with a coarse map. Take the feature maps of a late layer. Compute the gradient
# of the score of one class, here the network's guess, with respect to these maps. Its average over
# one map tells how much this map speaks for the class. Multiply each map by that number, add them
# up, and keep what is positive. (The score is the number before `Softmax`.)
#
# `keras.Model` cuts the network in two at that layer; our helper `input_gradients` computes the
# gradient (lesson 12). Very small maps cannot show a place, so we take the last layer whose maps
# have at least 5 rows.


# %%
def grad_cam(model, layer, pictures, labels):
    """Return how much each place in the feature maps of a layer speaks for the given labels.

    The model is functional or Sequential, and its last layer is `Softmax`.
    """
    to_maps = keras.Model(model.inputs, layer.output)
    to_scores = keras.Model(layer.output, model.layers[-1].input)
    maps = to_maps.predict(pictures, verbose=0)  # (pictures, rows, columns, channels)
    gradients = input_gradients(to_scores, maps, labels)  # likewise
    importance = gradients.mean(axis=(1, 2), keepdims=True)  # (pictures, 1, 1, channels)
    return np.maximum((importance * maps).sum(axis=-1), 0)  # (pictures, rows, columns)


probabilities = model.predict(test_images, batch_size=100, verbose=0)
guesses = probabilities.argmax(axis=1)
some = np.linspace(0, len(test_images) - 1, 8).astype(int)
late = [
    layer
    for layer in body.layers
    if layer.output.shape[1] >= 5 and not isinstance(layer, layers.ZeroPadding2D)
][-1]
heats = grad_cam(model, late, test_images[some], guesses[some])
shown, titles = [], []
for row, heat in zip(some, heats, strict=True):
    shown += [test_images[row], heat_over(test_images[row], heat)]
    titles += [classes[test_labels[row]], f"{classes[guesses[row]]} {probabilities[row].max():.2f}"]
lesson.save_figure("grad_cam", picture_grid(shown, titles))
scores = {f"test_accuracy_{way.replace('-', '_')}": value for way, value in results.items()}
lesson.finish(model, history, training="fine-tuned", classes=classes, **scores)

# %% [markdown]
# The figure `grad_cam` shows each picture twice. The first has its true class as the title. The
# second is darkened where the map is low; its title is the network's guess and its probability. If
# the letter is bright, the network looked at it.
#
# ## Remember
# - With few pictures, start from a network that others have trained, and scale the pixels as they
#   were scaled in its training.
# - First train a new head on the frozen body, then the last layers as well, at a learning rate ten
#   times smaller. Batch normalization stays frozen.
# - Grad-CAM shows where a network looked. Check it before you trust a high accuracy.
#
# With photos of your own, try first: ImageNet's weights at `--side 96` to 224, the sizes that they
# were trained on, and compare the rows *frozen* and *fine-tuned*.

# %% [markdown]
# ## Exercises
# 1. How many pictures is pretraining worth? Compare `--examples 4`, 12 and 40. With how many does
#    training from scratch reach what the frozen body reaches with 12?
# 2. How much pretraining is needed? With `--data sample`, try `--pretraining 20` and 400.
# 3. How many parameters are trained with `--unfreeze 20`, 50 and 100, and which is best?
#
# Solutions: notes/solutions/34_pretrained_network.md
