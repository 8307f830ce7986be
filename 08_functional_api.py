# %% [markdown]
"""
# 08 Functional API: what if the layers do not form one chain?

A `Sequential` model is one chain: each layer passes its output to the next, from one input to one
output. But to estimate a price from a photo *and* a row of a table, a model needs two inputs. With
the *functional API* of Keras, in which you call layers like functions, you build models with
branches, several inputs, several outputs and shared layers. Do they predict house values better
than a chain? We compare mean squared errors (MSE), with values in units of 100,000 dollars.

Expect: median test MSE: one hidden layer 0.350, two 0.318, two with a skip connection 0.320.

    python 08_functional_api.py
    python 08_functional_api.py --epochs 100
"""

# %%
from frame import Lesson

lesson = Lesson(__doc__, epochs=20, batch_size=32)  # this collection's helper; see lesson 01

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
# district: its location, the age of its houses, how many rooms and people it has, and the median
# income. The last column, the median house value, is what we predict.

# %%
districts = lesson.load("california_housing")
print(districts.describe().T[["mean", "std", "min", "max"]].round(1).to_string())

# %% [markdown]
# ## 2 Prepare
# Rooms *per household* say more about the houses than the number of rooms in the whole district. So
# we divide rooms, bedrooms and people by the number of households. The population stays a column as
# well: it says how large a district is. A quarter of the rows is the test set; a quarter of the
# rest is for validation.

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
train = lesson.batches(train_features, train_values)  # reshuffled for every epoch

# %% [markdown]
# ## 3 Define
# ### One chain, written both ways
# We write a chain like that of lesson 03 first as `Sequential`, then in the functional style.
# `keras.Input((8,))` stands for the rows of eight numbers that will come in. It is a *symbolic
# tensor* (`KerasTensor`): an array with a shape and a type, but without numbers yet. Its shape
# begins with `None`, for the number of rows in a batch, which is left open. `layers.Dense(30,
# activation="relu")(x)` is two calls in one:
#
#     layer = layers.Dense(30, activation="relu")  # create the layer
#     x = layer(x)  # connect it: its input is the old x, its output the new x
#
# Nothing is computed yet; Keras only records the connections. `keras.Model(inputs, outputs)` then
# follows them from the outputs back to the inputs and collects the layers on the way.
#
# We set the same seed before we build each model. So these two start from the same random weights
# and must give equal predictions.

# %%
normalization = layers.Normalization()
normalization.adapt(train_features)  # mean and variance of each column (lesson 03)

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
# The predictions are equal: it is the same model, written in two ways. But a functional model need
# not be a chain. Its layers may form any *directed acyclic graph*: data flow one way along each
# connection, and no path leads back to its start.
#
# ### A branch
# `deep` is a chain with two hidden layers. `wide_deep` also has a *skip connection*, a path around
# them: the normalized inputs go to the first hidden layer and also straight to the output layer.
# `Concatenate` joins the 8 inputs and the 30 outputs of the last hidden layer into one row of 38.
#
# Such a model is called *wide and deep*. The skip connection is its *wide* path. It suits a linear
# rule, such as "the higher the income, the higher the value". The *deep* path through the hidden
# layers can learn the rest. To see whether the skip connection helps, we compare `wide_deep` with
# `deep`, which has the same hidden layers.
#
# ### A model of a part
# What do the hidden layers compute? To look, we need a model that ends there. Any symbolic tensor
# of the graph can be an output, so one line makes it. `hidden_output` uses the same layers as
# `wide_deep`, not copies: when we train `wide_deep`, `hidden_output` changes with it.

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
hidden_output = keras.Model(inputs, hidden)

wide_deep.summary()
# `keras.utils.plot_model` draws the graph too, but needs the program Graphviz.
lesson.save_figure("wide_deep_diagram", diagram(wide_deep, "wide_deep"))

# %% [markdown]
# ### Two inputs
# We have only one table, so for practice we give the wide path its first five columns and the deep
# path its last six: three columns go to both. Layers can have names, which summary and history
# show.

# %%
train_parts = train_features[:, :5], train_features[:, 2:]  # for the wide and the deep path
val_parts = val_features[:, :5], val_features[:, 2:]
test_parts = test_features[:, :5], test_features[:, 2:]
normalize_wide, normalize_deep = layers.Normalization(), layers.Normalization()
normalize_wide.adapt(train_parts[0])
normalize_deep.adapt(train_parts[1])

keras.utils.set_random_seed(lesson.seed)
wide_input, deep_input = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
hidden = layers.Dense(30, activation="relu")(normalize_deep(deep_input))
hidden = layers.Dense(30, activation="relu")(hidden)
both = layers.Concatenate()([normalize_wide(wide_input), hidden])
value = layers.Dense(1, name="value")(both)
two_inputs = keras.Model([wide_input, deep_input], value)

# %% [markdown]
# ### Two outputs
# Both paths learn from the same error. The gradient of the MSE is proportional to the error. The
# wide path learns its simple rule quickly, so the error soon is small, and the deep path gets only
# small gradients. An *auxiliary output* works against that: a second output layer must predict the
# value from the deep path alone. After training we ignore it.
#
# The architecture is that of `two_inputs` plus the layer `deep_alone`. But every trainable layer is
# created anew: if both models shared one, it would be trained twice.

# %%
keras.utils.set_random_seed(lesson.seed)
wide_input, deep_input = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
hidden = layers.Dense(30, activation="relu")(normalize_deep(deep_input))
hidden = layers.Dense(30, activation="relu")(hidden)
both = layers.Concatenate()([normalize_wide(wide_input), hidden])
value = layers.Dense(1, name="value")(both)
deep_alone = layers.Dense(1, name="deep_alone")(hidden)
two_outputs = keras.Model([wide_input, deep_input], [value, deep_alone])
lesson.save_figure("two_outputs_diagram", diagram(two_outputs, "two_outputs"))

# %% [markdown]
# ### A shared layer
# How much more are the houses of one district worth than those of another? Both must be judged by
# the same rule. A *shared layer* is called in several places but has only one set of weights. A
# whole model can be called like a layer, too: here we call `deep` twice and subtract. `comparison`
# has no weights of its own, so it is trained as soon as `deep` is.

# %%
first, second = keras.Input((8,)), keras.Input((8,))
difference = layers.Subtract()([deep(first), deep(second)])
comparison = keras.Model([first, second], difference)
print("parameters of `deep` and `comparison`:", deep.count_params(), comparison.count_params())

# %% [markdown]
# ## 4 Compile
# With several outputs, each has a loss of its own, and training minimizes their weighted sum. The
# output that we want to use gets the larger weight:
#
#     loss of two_outputs = 0.9 * MSE of value + 0.1 * MSE of deep_alone

# %%
steps = len(train)  # all steps of an epoch in one call: faster
for model in (sequential, deep, wide_deep, two_inputs):
    model.compile(optimizer="adam", loss="mse", steps_per_execution=steps)
two_outputs.compile(
    optimizer="adam", loss=["mse", "mse"], loss_weights=[0.9, 0.1], steps_per_execution=steps
)

# %% [markdown]
# ## 5 Fit
# A model with two inputs takes a tuple of two arrays, and one with two outputs takes a tuple of two
# targets, here the same values twice. Without the loop and our helper, training `two_outputs` takes
# one line:
#
#     two_outputs.fit(train_parts, (train_values, train_values), batch_size=32, epochs=20)

# %%
train_two_inputs = lesson.batches(train_parts, train_values)
train_two_outputs = lesson.batches(train_parts, (train_values, train_values))
histories = {}
for name, model, batches, validation in [
    ("sequential", sequential, train, (val_features, val_values)),
    ("deep", deep, train, (val_features, val_values)),
    ("wide_deep", wide_deep, train, (val_features, val_values)),
    ("two_inputs", two_inputs, train_two_inputs, (val_parts, val_values)),
    ("two_outputs", two_outputs, train_two_outputs, (val_parts, (val_values, val_values))),
]:
    print(f"\n{name}: {model.count_params():,} parameters")
    history = model.fit(
        batches,
        validation_data=validation,
        validation_batch_size=1000,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name),  # progress bar, checkpoints
        verbose=0,
    )
    histories[name] = history.history

# %% [markdown]
# ## 6 Evaluate
# An MSE of 0.36 means a *root mean squared error* (RMSE) of √0.36 = 0.6, or 60,000 dollars. A model
# with two outputs returns a list of two arrays. We score only the first, the main output; in the
# history its loss is called `value_loss`, after the layer.

# %%
predictions = {
    "sequential": sequential.predict(test_features, batch_size=1000, verbose=0),
    "deep": deep.predict(test_features, batch_size=1000, verbose=0),
    "wide_deep": wide_deep.predict(test_features, batch_size=1000, verbose=0),
    "two_inputs": two_inputs.predict(test_parts, batch_size=1000, verbose=0),
    "two_outputs": two_outputs.predict(test_parts, batch_size=1000, verbose=0)[0],  # value
}
mse = {name: np.mean((rows[:, 0] - test_values) ** 2) for name, rows in predictions.items()}
scores = {f"test_mse_{name}": error for name, error in mse.items()}
main = histories["two_outputs"]  # from here on, only the loss of its main output
histories["two_outputs"] = {"loss": main["value_loss"], "val_loss": main["val_value_loss"]}
val_mse = [history["val_loss"][-1] for history in histories.values()]
table = pd.DataFrame({"model": list(mse), "validation": val_mse, "test": list(mse.values())})
lesson.save_table("scores", table.round(4))
figure = plots.compare_models(histories, "loss", "mean squared error of house values")
lesson.save_figure("houses", figure)
mean_mse = np.mean((test_values - train_values.mean()) ** 2)
print(f"baseline, always predicting the mean: test MSE {mean_mse:.4f}")

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
# <!-- end -->
#
# `deep` has the lowest error with every seed. So the gain over `sequential` comes from the second
# hidden layer; the skip connection, the separate inputs and the auxiliary output add nothing here.
# For these data a plain chain is the better choice. Skip connections matter in networks with dozens
# of layers: there the gradient may vanish on its way back to the first layers (lesson 00), and a
# skip connection is a way around.
#
# ## 7 Predict
# A positive number from `comparison` means that the first district has the more valuable houses.
# `hidden_output` returns the 30 numbers that the hidden layers of `wide_deep` compute.

# %%
one, other = test_features[:1], test_features[1:2]
print("deep:", deep.predict(one, verbose=0), "and", deep.predict(other, verbose=0))
print("comparison:", comparison.predict((one, other), verbose=0))
print("hidden_output:", hidden_output.predict(one, verbose=0).round(2))
# Saved as an example of a model with two outputs; `deep` predicts house values better.
lesson.finish(two_outputs, histories["two_outputs"], training="two_outputs", **scores)

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
# 1. Count the parameters of `wide_deep` by hand, then compare with its summary.
# 2. After 20 epochs the skip connection of `wide_deep` is no improvement. And after 100 epochs?
# 3. Write `wide_deep` with `Add` instead of `Concatenate`, so that the new model can represent
#    every function that the old one can. `Add` adds arrays of equal shape, number by number. (A
#    weighted sum of 38 numbers is the sum of two weighted sums.)
#
# Solutions: notes/solutions/08_functional_api.md
