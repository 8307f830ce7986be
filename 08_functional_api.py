# %% [markdown]
"""
# 08 Functional API: what if the layers do not form one chain?

A `Sequential` model is a chain: each layer hands its output to the next. The *functional API*
builds any graph without loops: with branches, several inputs, several outputs. First we predict the
value of houses in California with five models, then we ask two kinds of questions about one
picture.

A. Géron's book reports a test error (MSE, in units of 100,000 dollars squared) of 0.4212 for the
chain and 0.4032 for wide and deep.

Expect: test MSE 0.320 (0.303 to 0.338) with wide_deep, median and range of three seeds.

    python 08_functional_api.py
    python 08_functional_api.py --models wide_deep two_inputs --epochs 50
"""

# %%
from common.lesson import Lesson

HOUSES = ("sequential", "deep", "wide_deep", "two_inputs", "two_outputs")
PICTURES = ("digits_only", "larger_only", "both_answers")
lesson = Lesson(__doc__, epochs=20, batch_size=32, models=HOUSES + PICTURES)

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
# The census of 1990 cut California into districts of some 1,400 people. A row holds a district's
# place, the age of its houses, four counts and the median income (in 10,000 dollars a year); the
# last column is the median value of its houses. And the handwritten digits of MNIST, for the second
# half.

# %%
districts = lesson.load("california_housing")
(train_digits, train_labels), (test_digits, test_labels) = lesson.load("mnist")
print(districts.describe().loc[["mean", "std", "min", "max"]].round(1).T.to_string())

# %% [markdown]
# ## 2 Prepare
# Counts say how large a district is, not how people live: we divide them by the households. The
# population stays as well: it says how large the district is. The target is in units of 100,000
# dollars, so that errors are numbers near 1. A quarter of the rows is the test set, a quarter of
# the rest is held out for validation.

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
# For the pictures we lay two digits side by side. Each picture has three answers: the left digit,
# the right digit, and whether the left one is larger. We split the digits first and pair them then:
# no digit of a picture for validation or test was seen in training. There are 20,000 pictures for
# training, 2,000 for validation and 10,000 for the test.


# %%
def pair_up(digits, labels, pairs: int):
    """Put random digits side by side.

    Returns:
        uint8 images of shape (pairs, 28, 56, 1), and their answers by name.
    """
    left, right = np.random.default_rng(lesson.seed).integers(len(labels), size=(2, pairs))
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
# `keras.Input((8,))` is a place where rows of eight numbers will come in. `x = layer(place)`
# computes nothing yet: it notes that this layer takes what comes from there, and `x` is the place
# of its output. `keras.Model(inputs, outputs)` follows these notes back from the outputs to the
# inputs.
#
# - `sequential` is the usual chain, with one hidden layer; `deep` has two.
# - `wide_deep` is `deep` with a *skip connection*: `Concatenate` puts the inputs beside the output
#   of the hidden layers. Simple rules can take this wide path, and the deep one is free for the
#   rest.
# - `two_inputs` sends the first five columns down the wide path and the last six down the deep
#   path. Three take both.
# - `two_outputs` is the same, and the deep path must also predict alone. This second output is not
#   used later: it makes sure that the deep path learns something by itself.
#
# `Normalization` learns mean and variance of each column of the training rows.


# %%
def normalize(x, columns):
    """Normalize an input that holds these columns of the features."""
    normalization = layers.Normalization()
    normalization.adapt(train_features[:, columns])
    return normalization(x)


ALL, WIDE, DEEP = slice(0, 8), slice(0, 5), slice(2, 8)  # features[:, WIDE] is features[:, 0:5]


def sequential(hidden_layers=1):
    normalization = layers.Normalization()
    normalization.adapt(train_features)
    hidden = [layers.Dense(30, activation="relu") for _ in range(hidden_layers)]
    return keras.Sequential([keras.Input((8,)), normalization, *hidden, layers.Dense(1)])


def deep():
    return sequential(hidden_layers=2)


def wide_deep():
    inputs = keras.Input((8,))
    normalized = normalize(inputs, ALL)
    hidden = layers.Dense(30, activation="relu")(normalized)
    hidden = layers.Dense(30, activation="relu")(hidden)
    both = layers.Concatenate()([normalized, hidden])
    return keras.Model(inputs, layers.Dense(1)(both))


def two_inputs(outputs=1):
    wide, deep = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
    hidden = layers.Dense(30, activation="relu")(normalize(deep, DEEP))
    hidden = layers.Dense(30, activation="relu")(hidden)
    both = layers.Concatenate()([normalize(wide, WIDE), hidden])
    value = layers.Dense(1, name="value")(both)
    if outputs == 1:
        return keras.Model([wide, deep], value)
    return keras.Model([wide, deep], [value, layers.Dense(1, name="deep_alone")(hidden)])


def two_outputs():
    return two_inputs(outputs=2)


# %% [markdown]
# The three networks for pictures begin alike, with convolutions (mnist/ explains them).
# `digits_only` ends in two softmax layers of ten units, `larger_only` in one sigmoid unit. In
# `both_answers` all three outputs share one trunk: its weights get gradients from all three losses.


# %%
def picture_model(left_right: bool, larger: bool):
    image = keras.Input((28, 56, 1), dtype="uint8")
    x = layers.Rescaling(1 / 255)(image)
    for filters in (16, 32):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(64, activation="relu")(x)
    answers = {}
    if left_right:
        answers["left"] = layers.Dense(10, activation="softmax", name="left")(x)
        answers["right"] = layers.Dense(10, activation="softmax", name="right")(x)
    if larger:
        answers["larger"] = layers.Dense(1, activation="sigmoid", name="larger")(x)
    return keras.Model(image, answers)


BUILDERS = {
    "sequential": sequential,
    "deep": deep,
    "wide_deep": wide_deep,
    "two_inputs": two_inputs,
    "two_outputs": two_outputs,
    "digits_only": lambda: picture_model(left_right=True, larger=False),
    "larger_only": lambda: picture_model(left_right=False, larger=True),
    "both_answers": lambda: picture_model(left_right=True, larger=True),
}

# %% [markdown]
# ## 4 Compile
# Each output has a loss of its own; training minimizes their weighted sum. For `two_outputs` the
# value counts 0.9 and the deep path alone 0.1. Digits are classes and `larger` is a yes or no: two
# kinds of loss in one model, named by output.

# %%
LOSSES = {
    "left": "sparse_categorical_crossentropy",
    "right": "sparse_categorical_crossentropy",
    "larger": "binary_crossentropy",
}


def compile_model(name, model, steps):
    """Give a model its optimizer, a loss for each output, and metrics."""
    loss, weights, metrics = "mse", None, None
    if name == "two_outputs":
        loss, weights = ["mse", "mse"], [0.9, 0.1]
    elif name in PICTURES:
        loss = {answer: LOSSES[answer] for answer in model.output_names}
        metrics = {answer: "accuracy" for answer in model.output_names}
    model.compile(
        optimizer="adam",
        loss=loss,
        loss_weights=weights,
        metrics=metrics,
        steps_per_execution=steps,  # a whole epoch in one call: faster
    )


# %% [markdown]
# ## 5 Fit
# A model of several inputs or outputs gets a tuple of arrays, or a dictionary by name. Nothing is
# trained yet: the loop of step 6 uses these functions.


# %%
def inputs_for(name, features):
    """Cut the features as a model takes them."""
    if name in ("two_inputs", "two_outputs"):
        return features[:, WIDE], features[:, DEEP]
    return features


def targets_for(name, targets):
    """Give a model's outputs their targets."""
    if name == "two_outputs":
        return targets, targets  # the same for both
    if name == "digits_only":
        return {answer: targets[answer] for answer in ("left", "right")}
    if name == "larger_only":
        return {"larger": targets["larger"]}
    return targets


def fit_model(name, model):
    """Train a model; return its history, for the loss and every metric one value per epoch."""
    x, y, val_x, val_y = train_features, train_values, val_features, val_values
    epochs, batch_size = lesson.epochs, lesson.batch_size
    if name in PICTURES:  # a quarter of the epochs, in batches of four times the size
        x, y, val_x, val_y = train_images, train_answers, val_images, val_answers
        epochs, batch_size = math.ceil(lesson.epochs / 4), 4 * lesson.batch_size
    train = lesson.batches(inputs_for(name, x), targets_for(name, y), batch_size)
    compile_model(name, model, len(train))
    history = model.fit(
        train,
        validation_data=(inputs_for(name, val_x), targets_for(name, val_y)),
        validation_batch_size=1000,
        epochs=epochs,
        callbacks=lesson.callbacks(training=name),
        verbose=0,
    )
    return history.history


# %% [markdown]
# ## 6 Evaluate
# <!-- results: lesson-08-scores -->
# With seed 42:
#
# - test MSE of the house values: `sequential` 0.356, `deep` 0.318, `wide_deep` 0.320, `two_inputs`
#   0.330, `two_outputs` 0.326
# - left digit right: `digits_only` 97.2%, `both_answers` 97.0%
# - larger digit right: `larger_only` 91.5%, `both_answers` 89.3%
# <!-- end -->
#
# Compare `wide_deep` with `deep`, too. Whoever compares it only with `sequential` gives the skip
# connection the credit of the second layer.
#
# Which of two digits is larger is a harder question than which digits they are: the network must
# find out by itself that it has to read them. `both_answers` is told the digits as well, and takes
# the place of two networks.

# %%
curves, scores, models, rows = {}, {}, {}, []
for name in lesson.models:
    keras.utils.set_random_seed(lesson.seed)  # every model starts from the same draws
    model = models[name] = BUILDERS[name]()
    print(f"\n{name}: {model.count_params():,} parameters")
    curve = curves[name] = fit_model(name, model)
    if name in PICTURES:
        targets = targets_for(name, test_answers)
        test = model.evaluate(test_images, targets, batch_size=1000, verbose=0, return_dict=True)
        for answer in model.output_names:
            key = "accuracy" if len(model.outputs) == 1 else f"{answer}_accuracy"
            scores[f"test_accuracy_{answer}_{name}"] = test[key]
            rows.append([name, f"accuracy of {answer}", curve[f"val_{key}"][-1], test[key]])
    else:
        values = model.predict(inputs_for(name, test_features), batch_size=1000, verbose=0)
        if name == "two_outputs":  # the first output is the value: only its error is compared
            values = values[0]
            curve = {"loss": curve["value_loss"], "val_loss": curve["val_value_loss"]}
            curves[name] = curve
        test_mse = scores[f"test_mse_{name}"] = np.mean((values[:, 0] - test_values) ** 2)
        rows.append([name, "MSE", curve["val_loss"][-1], test_mse])
    lesson.save_figure(f"{name}_diagram", diagram(model, name))

mean_mse = np.mean((test_values - train_values.mean()) ** 2)
not_larger = 1 - test_answers["larger"].mean()
print(f"always guessing the mean value: test MSE {mean_mse:.4f};", end=" ")
print(f"always saying 'not larger': right in {not_larger:.1%}")
table = pd.DataFrame(rows, columns=["model", "what", "validation", "test"])
lesson.save_table("scores", table.round(4))
houses = {name: curve for name, curve in curves.items() if name in HOUSES}
if houses:
    figure = plots.compare_models(houses, "loss", "models of house values", log=True)
    lesson.save_figure("houses", figure)

# %% [markdown]
# ## 7 Predict
# A model whose outputs were given as a dictionary answers with a dictionary; one with a list of
# outputs answers with a list. The three answers need not agree: the network may read 3 and 5 and
# still call the left one larger.

# %%
if "both_answers" in models:
    answers = models["both_answers"].predict(test_images[:25], verbose=0)
    left, right = answers["left"].argmax(axis=1), answers["right"].argmax(axis=1)
    larger = answers["larger"][:, 0] > 0.5
    titles = [f"{a} {'>' if p else '≤'} {b}" for a, b, p in zip(left, right, larger, strict=True)]
    wrong = (
        (left != test_answers["left"][:25])
        | (right != test_answers["right"][:25])
        | (larger != test_answers["larger"][:25])
    )
    colors = ["red" if one else "black" for one in wrong]
    lesson.save_figure("pairs", plots.image_grid(test_images[:25, ..., 0], titles, colors))
last = lesson.models[-1]  # the one that is kept
lesson.finish(models[last], curves[last], training=last, **scores)

# %% [markdown]
# ## Exercises
# 1. Count the weights of `wide_deep` by hand, then look at what the lesson prints.
# 2. Does the skip connection still help after five times as many epochs?
# 3. Build a network that reads two digits with *one* set of convolutions, called twice.
#
# Solutions: notes/solutions/08_functional_api.md
