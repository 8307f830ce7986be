# %% [markdown]
"""
# 08 Functional API: what if the layers do not form one chain?

A `Sequential` model is one chain: each layer passes its output to the next. Some problems need
more: two inputs, two outputs, or a layer that is used twice. You will build all of these with the
*functional API*, in which you say for every layer where its input comes from. The first part
predicts house values, the second answers three questions about one image.

Expect: test MSE 0.320 (0.303 to 0.338) with wide_deep, median and range of three seeds.

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
# of 10,000 dollars per year. The last column, the median house value, is what we predict. The
# second part uses the handwritten digits of MNIST, images of 28x28 pixels.

# %%
districts = lesson.load("california_housing")
(train_digits, train_labels), (test_digits, test_labels) = lesson.load("mnist")
print(districts.describe().loc[["mean", "std", "min", "max"]].round(1).T.to_string())

# %% [markdown]
# ## 2 Prepare
# The number of rooms in a district says little: a large district has many. Rooms per household say
# more, so we divide the counts by the number of households (and keep the population too). House
# values are in units of 100,000 dollars, so that errors are numbers near 1. A quarter of the rows
# is the test set, and a quarter of the rest is for validation.

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
# For the second part we put two random digits side by side into one image of 28x56 pixels. It has
# three labels: the left digit, the right digit, and whether the left one is larger. We split the
# digits first and pair them afterwards, so no digit of a validation or test image was seen in
# training.


# %%
def pair_up(digits, labels, pairs: int):
    """Return uint8 images of shape (pairs, 28, 56, 1), and their labels by name."""
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
# ### One chain, written both ways

# %%
normalization = layers.Normalization()
normalization.adapt(train_features)

keras.utils.set_random_seed(lesson.seed)
sequential = keras.Sequential([
    keras.Input((8,)),
    normalization,
    layers.Dense(30, activation="relu"),
    layers.Dense(1),
])

keras.utils.set_random_seed(lesson.seed)  # the same initial weights again
inputs = keras.Input((8,))
x = normalization(inputs)
x = layers.Dense(30, activation="relu")(x)
outputs = layers.Dense(1)(x)
functional = keras.Model(inputs, outputs)

print("a symbolic tensor:", outputs)
both = [model.predict(train_features[:3], verbose=0)[:, 0] for model in (sequential, functional)]
print("the same predictions:", *both)

# %% [markdown]
# ### A branch

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
both = layers.Concatenate()([normalized, hidden])  # 8 + 30 = 38 numbers
wide_deep = keras.Model(inputs, layers.Dense(1)(both))

hidden_output = keras.Model(inputs, hidden)

# %% [markdown]
# ### Two inputs

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

# %%
first, second = keras.Input((8,)), keras.Input((8,))
difference = layers.Subtract()([deep(first), deep(second)])
comparison = keras.Model([first, second], difference)
print("parameters of deep and comparison:", deep.count_params(), comparison.count_params())

# %% [markdown]
# ### Three questions about one image


# %%
def trunk():
    """Return the input for an image and the 64 numbers that the trunk computes from it."""
    image = keras.Input((28, 56, 1), dtype="uint8")
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

# %%
for model in (sequential, deep, wide_deep, two_inputs):
    model.compile(optimizer="adam", loss="mse")
two_outputs.compile(optimizer="adam", loss=["mse", "mse"], loss_weights=[0.9, 0.1])

digit_loss = "sparse_categorical_crossentropy"
digits_only.compile(
    optimizer="adam",
    loss={"left": digit_loss, "right": digit_loss},
    metrics={"left": "accuracy", "right": "accuracy"},
)
larger_only.compile(
    optimizer="adam", loss={"larger": "binary_crossentropy"}, metrics={"larger": "accuracy"}
)
both_answers.compile(
    optimizer="adam",
    loss={"left": digit_loss, "right": digit_loss, "larger": "binary_crossentropy"},
    metrics={"left": "accuracy", "right": "accuracy", "larger": "accuracy"},
)

# %% [markdown]
# ## 5 Fit


# %%
def examples(features, values, images, answers):
    """Return for each model what goes in and what should come out."""
    parts = features[:, WIDE], features[:, DEEP]
    digits = {"left": answers["left"], "right": answers["right"]}
    return {
        "sequential": (features, values),
        "deep": (features, values),
        "wide_deep": (features, values),
        "two_inputs": (parts, values),
        "two_outputs": (parts, (values, values)),
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
    if name in IMAGES:  # more examples: fewer epochs, larger batches
        epochs, batch_size = math.ceil(epochs / 4), 4 * batch_size
    print(f"\n{name}: {model.count_params():,} parameters")
    batches = lesson.batches(*train[name], batch_size)
    model.steps_per_execution = len(batches)  # a whole epoch per call: faster
    history = model.fit(
        batches,
        validation_data=val[name],
        validation_batch_size=1000,
        epochs=epochs,
        callbacks=lesson.callbacks(training=name),
        verbose=0,
    )
    histories[name] = history.history
    lesson.save_figure(f"{name}_diagram", diagram(model, name))

# %% [markdown]
# ## 6 Evaluate

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
    figure = plots.compare_models(houses, "loss", "models of house values", log=True)
    lesson.save_figure("houses", figure)

# %% [markdown]
# ## 7 Predict

# %%
a, b = test_features[:1], test_features[1:2]
print("values of two districts:", deep.predict(a, verbose=0), deep.predict(b, verbose=0))
print("their difference:", comparison.predict((a, b), verbose=0))
print("what the last hidden layer says of one:", hidden_output.predict(a, verbose=0).round(2))

if "both_answers" in lesson.models:
    answers = both_answers.predict(test_images[:25], verbose=0)
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
lesson.finish(models[last], histories[last], training=last, **scores)

# %% [markdown]
# ## Exercises
# 1. Count the weights of `wide_deep` by hand, then look at what the lesson prints.
# 2. Does the skip connection still help after five times as many epochs?
# 3. Build a network that reads two digits with *one* set of convolutions, called twice.
#
# Solutions: notes/solutions/08_functional_api.md
