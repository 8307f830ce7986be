# %% [markdown]
"""
# 08 Functional API: what if the layers do not form one chain?

A `Sequential` model is one chain: each layer passes its output to the next, from one input to one
output. Often that is enough. But to estimate a price from a photo *and* a row of a table, a model
needs two inputs; to answer three questions about one image, it needs three outputs. In this lesson
you build such models with the *functional API* of Keras, in which you call layers like functions.
Part one predicts house values and measures the mean squared error (MSE); part two is about images.

Expect: median test MSE: one hidden layer 0.350, two 0.318, two with a skip connection 0.320.

    python 08_functional_api.py
    python 08_functional_api.py --models deep wide_deep --epochs 50
"""

# %%
from common.lesson import Lesson

HOUSES = ("sequential", "deep", "wide_deep", "two_inputs", "two_outputs")
IMAGES = ("digits_only", "larger_only", "both_answers")
lesson = Lesson(__doc__, epochs=20, batch_size=32, models=HOUSES + IMAGES)

import math

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots
from common.introspection import diagram

# %% [markdown]
# ## 1 Load
# The 1990 census divided California into districts of about 1,400 people. Each row describes one
# district: its location, the median age of its houses, four counts, and the median income in units
# of 10,000 dollars per year. The last column, the median house value, is what we predict. Part two
# uses MNIST: images of handwritten digits, 28x28 pixels each.

# %%
districts = lesson.load("california_housing")
(train_digits, train_labels), (test_digits, test_labels) = lesson.load("mnist")
print(districts.describe().T[["mean", "std", "min", "max"]].round(1).to_string())

# %% [markdown]
# ## 2 Prepare
# A district with many people has many rooms, which says little about its houses. Rooms *per
# household* say more, so we divide rooms, bedrooms and people by the number of households. The
# population stays as well, as the size of the district. The target is in units of 100,000 dollars,
# so that errors are numbers near 1. A quarter of the rows is the test set; a quarter of the rest is
# for validation.

# %%
features = pd.DataFrame({
    "income": districts.median_income,
    "age": districts.housing_median_age,
    "rooms": districts.total_rooms / districts.households,
    "bedrooms": districts.total_bedrooms / districts.households,
    "population": districts.population,
    "people": districts.population / districts.households,
    "latitude": districts.latitude,
    "longitude": districts.longitude,
}).to_numpy("float32")
values = (districts.median_house_value / 100_000).to_numpy("float32")
train_features, test_features, train_values, test_values = train_test_split(
    features, values, random_state=lesson.seed
)
train_features, val_features, train_values, val_values = train_test_split(
    train_features, train_values, random_state=lesson.seed
)

# %% [markdown]
# For part two we put two random digits side by side into one image of 28x56 pixels. It has three
# labels (`answers` in the code): the left digit, the right digit, and whether the left one is
# larger. We split the digits first and pair them afterwards, so that no digit in a validation or
# test image occurs in training.


# %%
def pair_up(digits, labels, pairs: int):
    """Return uint8 images of shape (pairs, 28, 56, 1), and their labels by name."""
    random = np.random.default_rng(lesson.seed)
    left, right = random.integers(len(labels), size=(2, pairs))  # which digits to pair
    images = np.concatenate([digits[left], digits[right]], axis=2)[..., np.newaxis]
    larger = labels[left] > labels[right]
    return images, {"left": labels[left], "right": labels[right], "larger": larger.astype("uint8")}


train_digits, val_digits, train_labels, val_labels = train_test_split(
    train_digits, train_labels, test_size=0.1, random_state=lesson.seed, stratify=train_labels
)
train_images, train_answers = pair_up(train_digits, train_labels, min(20_000, len(train_labels)))
val_images, val_answers = pair_up(val_digits, val_labels, min(2_000, len(val_labels)))
test_images, test_answers = pair_up(test_digits, test_labels, min(10_000, len(test_labels)))

# %% [markdown]
# ## 3 Define
# ### One chain, written both ways
# First the familiar way: `Normalization`, a hidden layer of 30 units, and an output layer of one
# unit without an activation function, because we predict a number. `adapt` computes the mean and
# variance of each column of the training data, so that the layer can bring all columns to mean 0
# and variance 1.
#
# Then the same chain in the functional style. `keras.Input((8,))` describes what will come in: rows
# of eight numbers. It holds no numbers yet, only a shape and a type. Keras calls it a *symbolic
# tensor*, or `KerasTensor`. `layers.Dense(30, activation="relu")(x)` is two calls in one:
#
#     layer = layers.Dense(30, activation="relu")  # create the layer
#     x = layer(x)  # connect it to the old x; the new x is its output
#
# Nothing is computed yet; Keras only records the connections. `keras.Model(inputs, outputs)` then
# follows them from the outputs back to the inputs and collects the layers on the way.
#
# Initial weights are random numbers. We set the same seed before we build each model, so these two
# start from equal weights and must give equal predictions.

# %%
normalization = layers.Normalization()
normalization.adapt(train_features)  # once: training does not change it, so four models can use it

keras.utils.set_random_seed(lesson.seed)
sequential = keras.Sequential([
    keras.Input((8,)),
    normalization,
    layers.Dense(30, activation="relu"),
    layers.Dense(1),
])

keras.utils.set_random_seed(lesson.seed)
inputs = keras.Input((8,))
x = normalization(inputs)
x = layers.Dense(30, activation="relu")(x)
outputs = layers.Dense(1)(x)
functional = keras.Model(inputs, outputs)

print("a symbolic tensor:", outputs)
for model in (sequential, functional):
    print("predictions before training:", model.predict(train_features[:3], verbose=0)[:, 0])

# %% [markdown]
# They do: it is the same model, written in two ways. But a functional model need not be a chain.
# Its layers may form any *directed acyclic graph*: a *graph* is a set of nodes, here layers, and
# connections between them; *directed*, because data flow one way along each connection; *acyclic*,
# because no path leads back to its start. (Any other model, such as one that loops until it is
# done, is written as a subclass of `keras.Model`.)
#
# ### A branch
# `deep` is a chain with two hidden layers. `wide_deep` has these two and also a *skip connection*:
# the normalized inputs go to the first hidden layer and also straight to the output layer.
# `Concatenate` puts the 8 inputs and the 30 numbers of the hidden layer into one row of 38.
#
# Such a model is called *wide and deep*. The output layer computes a weighted sum, so a linear rule
# ("the higher the income, the higher the value") can take the short *wide* path, and the *deep*
# path through the hidden layers can learn the rest. Does that help? Compare it with `deep`, the
# same model without the skip connection. Compared with `sequential`, the skip connection would be
# credited with the second hidden layer too.

# %%
keras.utils.set_random_seed(lesson.seed)
deep = keras.Sequential([
    keras.Input((8,)),
    normalization,
    layers.Dense(30, activation="relu"),
    layers.Dense(30, activation="relu"),
    layers.Dense(1),
])

keras.utils.set_random_seed(lesson.seed)
inputs = keras.Input((8,))
normalized = normalization(inputs)
hidden = layers.Dense(30, activation="relu")(normalized)
hidden = layers.Dense(30, activation="relu")(hidden)
both = layers.Concatenate()([normalized, hidden])
wide_deep = keras.Model(inputs, layers.Dense(1)(both))

# %% [markdown]
# ### The output of an inner layer
# To see what the hidden layers compute, make a model that ends there: any symbolic tensor of the
# graph can be an output. `hidden_output` uses the same layers as `wide_deep`, not copies. When we
# train `wide_deep`, `hidden_output` changes with it.

# %%
hidden_output = keras.Model(inputs, hidden)

# %% [markdown]
# ### Two inputs
# A table and a photo would be two inputs. We have only one table, so we split it for practice: the
# wide path gets the first five columns and the deep path the last six (three columns are in both).
# Each path has an `Input` and a `Normalization` layer of its own. Layers can be given names; the
# diagram and the history of `fit` show them.

# %%
WIDE, DEEP = slice(0, 5), slice(2, 8)  # features[:, WIDE] is features[:, 0:5]
normalize_wide, normalize_deep = layers.Normalization(), layers.Normalization()
normalize_wide.adapt(train_features[:, WIDE])
normalize_deep.adapt(train_features[:, DEEP])

keras.utils.set_random_seed(lesson.seed)
wide_input, deep_input = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
hidden = layers.Dense(30, activation="relu")(normalize_deep(deep_input))
hidden = layers.Dense(30, activation="relu")(hidden)
both = layers.Concatenate()([normalize_wide(wide_input), hidden])
value = layers.Dense(1, name="value")(both)
two_inputs = keras.Model([wide_input, deep_input], value)

# %% [markdown]
# ### Two outputs
# If the wide path alone predicts fairly well, little error is left, and the deep path may learn
# little from it. An *auxiliary output* works against that: a second output layer must predict the
# value from the deep path alone. It is used in training only; afterwards we ignore it. We build all
# layers again, because layers shared with `two_inputs` would be trained twice. Only the last two
# lines below are new.

# %%
keras.utils.set_random_seed(lesson.seed)
wide_input, deep_input = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
hidden = layers.Dense(30, activation="relu")(normalize_deep(deep_input))
hidden = layers.Dense(30, activation="relu")(hidden)
both = layers.Concatenate()([normalize_wide(wide_input), hidden])
value = layers.Dense(1, name="value")(both)
deep_alone = layers.Dense(1, name="deep_alone")(hidden)
two_outputs = keras.Model([wide_input, deep_input], [value, deep_alone])

# %% [markdown]
# ### A shared layer
# How much more valuable is one district than another? Both must be judged by the same rule, so we
# call the same layers twice. A *shared layer* is called in several places but has only one set of
# weights; in training, the gradients from all its calls are added. A whole model can be called like
# a layer too: here we call `deep` twice and subtract. `comparison` has no weights of its own, so it
# is ready as soon as `deep` is trained.

# %%
first, second = keras.Input((8,)), keras.Input((8,))
difference = layers.Subtract()([deep(first), deep(second)])
comparison = keras.Model([first, second], difference)
print("parameters of deep and comparison:", deep.count_params(), comparison.count_params())

# %% [markdown]
# ### Three questions about one image
# Part two: from one image we want the left digit, the right digit, and whether the left one is
# larger. A chain has a single output with a single loss, so here we need the graph. A model that
# learns several tasks at once is a *multi-task model*. It has a *trunk*, the layers that all tasks
# share, and for each task a *head*, the layers that turn the trunk's output into an answer.
#
# The trunk has two convolutional layers. `Conv2D(16, 3)` slides 16 *filters*, small windows of 3x3
# weights, over the image; each learns to respond to one local pattern, such as an edge.
# `MaxPooling2D(2)` halves height and width: it keeps the largest number of every 2x2 block.
# `Flatten` then puts all numbers into one row. The head for a digit is a softmax layer with ten
# units, one per class; the head for "larger" is one sigmoid unit, which gives a probability.
#
# Does sharing a trunk help or harm? To find out, we also build a model for the digits only and one
# for "larger" only.


# %%
def trunk():
    """Return the input for an image and the 64 numbers that the trunk computes from it."""
    image = keras.Input((28, 56, 1), dtype="uint8")  # height, width, one gray channel
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(16, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(32, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    return image, layers.Dense(64, activation="relu")(x)


keras.utils.set_random_seed(lesson.seed)
image, x = trunk()
left = layers.Dense(10, activation="softmax", name="left")(x)
right = layers.Dense(10, activation="softmax", name="right")(x)
digits_only = keras.Model(image, {"left": left, "right": right})

keras.utils.set_random_seed(lesson.seed)
image, x = trunk()
larger = layers.Dense(1, activation="sigmoid", name="larger")(x)
larger_only = keras.Model(image, {"larger": larger})

keras.utils.set_random_seed(lesson.seed)
image, x = trunk()
left = layers.Dense(10, activation="softmax", name="left")(x)
right = layers.Dense(10, activation="softmax", name="right")(x)
larger = layers.Dense(1, activation="sigmoid", name="larger")(x)
both_answers = keras.Model(image, {"left": left, "right": right, "larger": larger})

# %% [markdown]
# ## 4 Compile
# For house values the loss is the mean squared error (MSE). With several outputs, each has a loss
# of its own, and training minimizes their weighted sum. `loss_weights` gives the weights:
#
#     loss of two_outputs = 0.9 * MSE of value + 0.1 * MSE of deep_alone
#
# If the two errors are 0.3 and 0.5, the loss is 0.27 + 0.05 = 0.32. The output that we want to use
# gets the larger weight. The losses of the image models are given by the names of the outputs:
# cross-entropy for the ten classes of a digit, binary cross-entropy for the yes/no question. Here
# every weight is 1, the default.

# %%
for model in (sequential, deep, wide_deep, two_inputs):
    model.compile(optimizer="adam", loss="mse")
two_outputs.compile(optimizer="adam", loss=["mse", "mse"], loss_weights=[0.9, 0.1])

losses = {
    "left": "sparse_categorical_crossentropy",
    "right": "sparse_categorical_crossentropy",
    "larger": "binary_crossentropy",
}
for model in (digits_only, larger_only, both_answers):
    model.compile(
        optimizer="adam",
        loss={name: losses[name] for name in model.output_names},
        metrics={name: "accuracy" for name in model.output_names},
    )

# %% [markdown]
# ## 5 Fit
# A model with two inputs takes a tuple of two arrays, and one with two outputs needs two arrays of
# targets. For `two_outputs`, in plain Keras:
#
#     two_outputs.fit((wide_columns, deep_columns), (values, values), epochs=20)
#
# Instead of tuples you may use dictionaries with the names of the inputs or outputs, as we do for
# the three labels. `examples` lists what goes into each model and what should come out. The loop
# then trains one model after the other and draws its diagram (`keras.utils.plot_model` draws one
# too, if Graphviz is installed). The epochs of the image models take longer, so these models get
# fewer epochs and larger batches.


# %%
def examples(features, values, images, answers):
    """Return for each model what goes in and what should come out."""
    parts = features[:, WIDE], features[:, DEEP]  # the columns for each of two inputs
    digits = {"left": answers["left"], "right": answers["right"]}
    return {
        "sequential": (features, values),
        "deep": (features, values),
        "wide_deep": (features, values),
        "two_inputs": (parts, values),
        "two_outputs": (parts, (values, values)),  # both outputs predict the same value
        "digits_only": (images, digits),
        "larger_only": (images, {"larger": answers["larger"]}),
        "both_answers": (images, answers),
    }


train = examples(train_features, train_values, train_images, train_answers)
val = examples(val_features, val_values, val_images, val_answers)
test = examples(test_features, test_values, test_images, test_answers)
models = {
    "sequential": sequential, "deep": deep, "wide_deep": wide_deep,
    "two_inputs": two_inputs, "two_outputs": two_outputs,
    "digits_only": digits_only, "larger_only": larger_only, "both_answers": both_answers,
}  # fmt: skip
histories = {}
for name in lesson.models:
    model, epochs, batch_size = models[name], lesson.epochs, lesson.batch_size
    if name in IMAGES:
        epochs, batch_size = math.ceil(epochs / 4), 4 * batch_size
    print(f"\n{name}: {model.count_params():,} parameters")
    batches = lesson.batches(*train[name], batch_size)  # in a new random order every epoch
    model.steps_per_execution = len(batches)  # as in `compile`; a whole epoch per call is faster
    history = model.fit(
        batches,
        validation_data=val[name],
        validation_batch_size=1000,
        epochs=epochs,
        callbacks=lesson.callbacks(training=name),  # progress bar, checkpoints
        verbose=0,
    )
    histories[name] = history.history
    lesson.save_figure(f"{name}_diagram", diagram(model, name))

# %% [markdown]
# ## 6 Evaluate
# The loop puts the scores into a table. For house values they are MSEs: 0.36 means a typical error
# of √0.36 = 0.6, that is 60,000 dollars. Of `two_outputs` we score only the main output; Keras
# calls its loss `value_loss`: the name of the output, then `loss`. Below the table stands what you
# get without any network: from always predicting the mean value, or always "not larger".

# %%
scores, rows = {}, []
for name in lesson.models:
    model, curve, (inputs, targets) = models[name], histories[name], test[name]
    if name in HOUSES:
        predicted = model.predict(inputs, batch_size=1000, verbose=0)
        if name == "two_outputs":  # only its main output is compared
            predicted = predicted[0]
            curve = {"loss": curve["value_loss"], "val_loss": curve["val_value_loss"]}
            histories[name] = curve
        mse = scores[f"test_mse_{name}"] = np.mean((predicted[:, 0] - test_values) ** 2)
        rows.append([name, "MSE", curve["val_loss"][-1], mse])
        continue
    results = model.evaluate(inputs, targets, batch_size=1000, verbose=0, return_dict=True)
    for output in targets:
        # With several outputs, Keras puts an output's name before the metric's.
        key = "accuracy" if len(targets) == 1 else f"{output}_accuracy"
        scores[f"test_accuracy_{output}_{name}"] = results[key]
        rows.append([name, f"accuracy of {output}", curve[f"val_{key}"][-1], results[key]])
table = pd.DataFrame(rows, columns=["model", "what", "validation", "test"])
lesson.save_table("scores", table.round(4))
mean_mse = np.mean((test_values - train_values.mean()) ** 2)
print(f"always predicting the mean value: test MSE {mean_mse:.4f};", end=" ")
print(f"always answering 'not larger': accuracy {1 - test_answers['larger'].mean():.1%}")
houses = {name: curve for name, curve in histories.items() if name in HOUSES}
if houses:
    figure = plots.compare_models(houses, "loss", "mean squared error of house values", log=True)
    lesson.save_figure("houses", figure)

# %% [markdown]
# <!-- results: lesson-08-scores -->
# Median and range of 3 seeds:
#
# | model | hidden layers | test MSE |
# | --- | --- | --- |
# | `sequential` | one | 0.350 (0.344 to 0.356) |
# | `deep` | two | 0.318 (0.294 to 0.321) |
# | `wide_deep` | two, skip connection | 0.320 (0.303 to 0.338) |
# | `two_inputs` | two, skip connection | 0.330 (0.314 to 0.342) |
# | `two_outputs` | two, skip connection | 0.342 (0.326 to 0.360) |
#
# | test accuracy | left digit | right digit | larger? |
# | --- | --- | --- | --- |
# | `digits_only` | 0.972 (0.968 to 0.973) | 0.975 (0.970 to 0.977) | |
# | `larger_only` | | | 0.913 (0.912 to 0.915) |
# | `both_answers` | 0.970 (0.970 to 0.973) | 0.973 (0.970 to 0.974) | 0.893 (0.884 to 0.919) |
# <!-- end -->
#
# `deep` has the lowest error with every seed. So the gain over `sequential` comes from the second
# hidden layer; the skip connection, the separate inputs and the auxiliary output add nothing here.
# For these data a plain chain is the better choice. Skip connections matter in networks with dozens
# of layers: each layer multiplies the gradient on its way back, so it can shrink to almost nothing
# before it reaches the first layers (*vanishing gradients*). A skip connection is a way around.
#
# "Which one is larger?" is the hardest of the three questions, and `larger_only` must even find out
# by itself how to read digits. `both_answers` is told the digits and reads them about as well as
# `digits_only`, with only half the parameters of the two other image models together. Yet with two
# of three seeds it answers "larger" less reliably than `larger_only`, so it does not replace both
# without a loss.
# Tasks that share a trunk may help each other or get in each other's way. If one of them matters
# most, try a larger loss weight for it, or train a separate model.
#
# ## 7 Predict
# Two models of step 3 use the layers of a trained model. `comparison` predicts the difference
# between two predictions of `deep`. `hidden_output` returns the 30 numbers that the hidden layers
# of `wide_deep` compute for one district; many are 0, because `relu` replaces negative values by 0.

# %%
one, other = test_features[:1], test_features[1:2]
if "deep" in lesson.models:  # it was trained
    print("deep:", deep.predict(one, verbose=0), "and", deep.predict(other, verbose=0))
    print("comparison:", comparison.predict((one, other), verbose=0))
if "wide_deep" in lesson.models:
    print("hidden_output:", hidden_output.predict(one, verbose=0).round(2))

# %% [markdown]
# The outputs of `both_answers` were given as a dictionary, so `predict` returns one (with a list of
# outputs it returns a list). Above each image we write its three answers, such as "3 ≤ 5", in red
# if one is wrong. The heads do not check each other: the model may read 3 and 5 and still say ">".

# %%
if "both_answers" in lesson.models:
    probabilities = both_answers.predict(test_images[:25], verbose=0)
    answers = {
        "left": probabilities["left"].argmax(axis=1),  # the most probable of ten digits
        "right": probabilities["right"].argmax(axis=1),
        "larger": probabilities["larger"][:, 0] > 0.5,
    }
    wrong = np.any([answers[name] != test_answers[name][:25] for name in answers], axis=0)
    titles = [f"{a} {'>' if p else '≤'} {b}" for a, b, p in zip(*answers.values(), strict=True)]
    colors = ["red" if one else "black" for one in wrong]
    lesson.save_figure("pairs", plots.image_grid(test_images[:25, ..., 0], titles, colors))
last = lesson.models[-1]  # a run keeps one model
lesson.finish(models[last], histories[last], training=last, **scores)

# %% [markdown]
# ## Remember
# - `x = layer(x)` connects a layer, and `keras.Model(inputs, outputs)` makes a model of all layers
#   in between. Layers can branch, join and be shared.
# - With several outputs each has its own loss; training minimizes their weighted sum.
# - Judge a new architecture against a plain chain of the same depth.
#
# On your own data, try `Sequential` first. Change to the functional API when your data or your
# question has several parts: a table and a photo, or two things to predict from the same input.

# %% [markdown]
# ## Exercises
# 1. Count the parameters of `wide_deep` by hand, then compare with what the lesson prints.
# 2. After 20 epochs the skip connection of `wide_deep` is no improvement. Is it after 100?
# 3. Build a model that reads two digits with *one* set of convolutions, called twice.
#
# Solutions: notes/solutions/08_functional_api.md
