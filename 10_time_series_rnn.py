# %% [markdown]
"""
# 10 Time series: what comes next?

A *time series* is a row of numbers measured one after the other: sales per day, temperature per
hour. What is the next one, and what are the next ten? You will cut a series into training examples,
forecast it with *recurrent neural networks* (RNN, LSTM, GRU), check that they beat simpler
forecasts, and see why a simple RNN forgets. Lesson 18 reads texts with such a network.

Expect: test MSE 0.0018 (0.0018 to 0.0018) with the GRU, median and range of three seeds.
Takes: about 6 minutes on two CPU cores, at full length.

    python 10_time_series_rnn.py
    python 10_time_series_rnn.py --models linear gru --epochs 40
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=20,
    batch_size=32,
    data="sums of two sine waves",
    models=("linear", "simple_rnn", "deep_rnn", "lstm", "gru", "conv_gru", "ten_ahead"),
    series=Flag(7_000, "number of training series", at_most=7_000),
)

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers

from common import plots
from common.introspection import input_gradients

# %% [markdown]
# ## 1 Load
# We compute 10,000 series by a formula from A. Géron's book *Hands-On Machine Learning*: two sine
# waves of random frequency and phase, added up, plus a little noise. A series has 60 values, one
# per *step*: 50 are shown to the network, and the last ten are those to predict.
#
# The noise cannot be predicted: at each step it is a random number between -0.05 and 0.05, all
# values equally likely. Its mean square is 0.1²/12 = 0.00083, the variance of a uniform
# distribution of width 0.1. On average no forecast, however good, has a lower mean squared error:
# this is the *noise floor*.

# %%
STEPS, AHEAD, SERIES = 50, 10, 10_000
random = np.random.RandomState(42)  # the book's series, whatever `--seed` says
speed_1, speed_2, start_1, start_2 = random.rand(4, SERIES, 1)  # speed: frequency, start: phase
time = np.arange(STEPS + AHEAD) / STEPS
series = 0.5 * np.sin((time - start_1) * (10 + 10 * speed_1))
series += 0.2 * np.sin((time - start_2) * (20 + 20 * speed_2))
# The noise is drawn in two parts, so that the first 51 steps equal those of the book.
noise = np.concatenate([random.rand(SERIES, STEPS + 1), random.rand(SERIES, AHEAD - 1)], axis=1)
series = (series + 0.1 * (noise - 0.5))[..., np.newaxis].astype("float32")
print("series:", series.shape, f"values from {series.min():.2f} to {series.max():.2f}")

# %% [markdown]
# ## 2 Prepare
# The first 7,000 series are for training, the next 2,000 for the final test, the last 1,000 for
# validation. A recurrent layer takes arrays of shape (examples, steps, values per step), here
# (7000, 50, 1). With temperature and pressure there would be two values per step.
#
# Your own data is more likely to be one long series. Then you cut it into *windows*. From the
# series 1 2 3 4 5, windows of three values give three examples: 1 2 -> 3, 2 3 -> 4 and 3 4 -> 5.
# Below, 60 values give ten windows of 51: 50 inputs and a target each.
#
# Windows overlap, so do not split them at random: the network would have seen most of the values
# that it is tested on (*data leakage*). Train on the earlier part of the series, test on the later.

# %%
inputs, targets = series[:, :STEPS], series[:, STEPS:, 0]  # (10000, 50, 1) and (10000, 10)
train_inputs, train_targets = inputs[: lesson.series], targets[: lesson.series]
_, test_inputs, val_inputs = np.split(inputs, [7_000, 9_000])
_, test_targets, val_targets = np.split(targets, [7_000, 9_000])
# Batches for two tasks: forecasting one step, and ten.
batches = {n: lesson.batches(train_inputs, train_targets[:, :n]) for n in (1, AHEAD)}

# Only an example: windows of one series, as if it were our only data. We do not train on them.
windows = np.lib.stride_tricks.sliding_window_view(series[0, :, 0], STEPS + 1)
print("windows:", windows[:, :STEPS, np.newaxis].shape, "targets:", windows[:, STEPS].shape)

# %% [markdown]
# ## 3 Define
# First, two *baselines*, simple methods to beat. The *naive* forecast says that the next value
# equals the last one: a network that does no better has learned nothing useful. The other one,
# `linear`, is the simplest network: a weighted sum of the 50 values, plus a bias.
#
# **A recurrent layer** reads one step at a time and keeps a *state*, its memory, which starts at 0.
# At each step it computes a new state from the value and the old state. With one unit,
# `SimpleRNN(1)`, the state is a single number, and at the end it is our forecast:
#
#     new_state = tanh(a * value + b * old_state + c)
#
# The same three parameters a, b, c serve at all 50 steps. (`tanh` squeezes any number to between -1
# and 1.) With 20 units the state is 20 numbers, and each unit sees all 20 old ones: `SimpleRNN(20)`
# has 20·1 weights for the value, 20·20 for the state and 20 biases, 440 parameters.
#
# `deep_rnn` stacks two such layers. Usually a layer returns only its last state. The first one has
# `return_sequences=True` and returns its state after every step, shape (50, 20): that is the input
# series of the second. A final `Dense(1)` turns 20 numbers into the forecast.
#
# **Gates.** A simple RNN overwrites its state at every step. A *gate* lets it learn when to keep it
# instead. It is a number between 0 (closed) and 1 (open), one for each unit, computed with
# parameters of its own. For one unit, with sigmoid(x) = 1 / (1 + exp(-x)):
#
#     gate = sigmoid(p * value + q * old_state + r)
#
# A *GRU*, gated recurrent unit, first computes a candidate for the new state, as a simple RNN
# would, and then mixes it with the old state:
#
#     new_state = update_gate * old_state + (1 - update_gate) * candidate
#
# With an update gate near 1 it keeps the old state. (Its second gate, the *reset gate*, sets how
# much of the old state goes into the candidate.)
#
# An *LSTM*, long short-term memory, keeps a second state, the *cell*: the cell stores what may be
# needed later, the first state is what the layer returns now. Three gates say how much of the old
# cell is kept, how much of the candidate is added, and how much of the cell is returned:
#
#     new_cell = forget_gate * old_cell + input_gate * candidate
#     new_state = output_gate * tanh(new_cell)
#
# The candidate and each gate have as many parameters as a simple RNN: notes/recurrent_networks.md
# counts them.
#
# `conv_gru` begins with a *convolution* along time: it computes 20 weighted sums (*filters*) of
# four neighboring steps (*kernel size* 4), moves on by two (`strides`) and repeats. The GRU then
# reads 24 steps instead of 50. `ten_ahead` is the GRU with ten outputs, for section 7.


# %%
def build_model(name):
    """Build a network; the same seed gives the same initial weights."""
    keras.utils.set_random_seed(lesson.seed)
    head = [] if name in ("simple_rnn", "ten_ahead") else [layers.Dense(1)]
    match name:
        case "linear":
            body = [layers.Flatten()]
        case "simple_rnn":
            body = [layers.SimpleRNN(1)]
        case "deep_rnn":
            body = [layers.SimpleRNN(20, return_sequences=True), layers.SimpleRNN(20)]
        case "lstm":
            body = [layers.LSTM(20, return_sequences=True), layers.LSTM(20)]
        case "gru":
            body = [layers.GRU(20, return_sequences=True), layers.GRU(20)]
        case "conv_gru":
            body = [layers.Conv1D(20, 4, strides=2, activation="relu")]
            body += [layers.GRU(20, return_sequences=True), layers.GRU(20)]
        case "ten_ahead":
            body = [layers.GRU(20, return_sequences=True), layers.GRU(20), layers.Dense(AHEAD)]
    return keras.Sequential([keras.Input((STEPS, 1)), *body, *head])


models = {name: build_model(name) for name in lesson.models}

# %% [markdown]
# ## 4 Compile
# The loss is the mean squared error (MSE). Adam's learning rate starts at 0.005 and falls to 0
# along half a cosine wave (lesson 16): large steps at first, small ones at the end, to settle.
#
# In a recurrent network, gradients sometimes *explode*: they become so large that one step ruins
# the weights (section 6 shows why). *Gradient clipping* prevents it: the length (*norm*) of a
# gradient is the root of the sum of its squares, and `clipnorm=1` scales the gradient of each array
# of weights down to length 1 if it is longer.

# %%
steps = len(batches[1])  # per epoch
for model in models.values():
    rate = keras.optimizers.schedules.CosineDecay(0.005, decay_steps=lesson.epochs * steps)
    model.compile(
        optimizer=keras.optimizers.Adam(rate, clipnorm=1.0),
        loss="mse",
        steps_per_execution=steps,  # return to Python once per epoch: faster
        # TensorFlow's compiler XLA makes the 50 small steps of a series about three times as fast.
        jit_compile=keras.backend.backend() == "tensorflow" or "auto",
    )

# %% [markdown]
# ## 5 Fit
# All networks are trained in the same way. We test each one right after its training, so that you
# need not wait for the last one to see the first result.


# %%
def mse(predicted, wanted) -> float:
    """Compute the mean squared error."""
    return float(np.mean((predicted - wanted) ** 2))


errors = {"test_mse_naive": mse(test_inputs[:, -1], test_targets[:, :1])}
print(f"naive: test MSE {errors['test_mse_naive']:.5f}")
curves = {}
for name, model in models.items():
    print(f"\n{name}: {model.count_params():,} parameters")
    ahead = model.output_shape[1]  # one step, or ten
    history = model.fit(
        batches[ahead],
        validation_data=(val_inputs, val_targets[:, :ahead]),
        validation_batch_size=1000,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name),  # checkpoints of its own, and a progress bar
        verbose=0,
    )
    curves[name] = history.history
    if ahead == 1:
        forecast = model.predict(test_inputs, batch_size=1000, verbose=0)
        errors[f"test_mse_{name}"] = error = mse(forecast, test_targets[:, :1])
        print(f"{name}: test MSE {error:.5f}")

# %% [markdown]
# ## 6 Evaluate
# In the figure the dashed gray line is the naive forecast, the dotted one the noise floor.

# %%
one_ahead = [name for name in lesson.models if name != "ten_ahead"]
rows = [(name.removeprefix("test_mse_"), round(error, 5)) for name, error in errors.items()]
lesson.save_table("one_ahead", pd.DataFrame(rows, columns=["model", "test MSE"]))
if one_ahead:
    shown = {name: curves[name] for name in one_ahead}
    figure = plots.compare_models(shown, "loss", "forecasting one step ahead", log=True)
    figure.axes[0].axhline(errors["test_mse_naive"], color="gray", linestyle="--")
    figure.axes[0].axhline(0.1**2 / 12, color="gray", linestyle=":")
    figure.axes[0].set(ylim=(0.0007, 0.1), ylabel="mean squared error")
    lesson.save_figure("models", figure)

# %% [markdown]
# <!-- results: lesson-10-errors -->
# | model | test MSE, median (range) of three seeds |
# | --- | --- |
# | `naive` | 0.0202 (0.0202 to 0.0202) |
# | `linear` | 0.0031 (0.0031 to 0.0033) |
# | `simple_rnn` | 0.0109 (0.0109 to 0.0152) |
# | `deep_rnn` | 0.0024 (0.0023 to 0.0024) |
# | `lstm` | 0.0022 (0.0021 to 0.0022) |
# | `gru` | 0.0018 (0.0018 to 0.0018) |
# | `conv_gru` | 0.0022 (0.0021 to 0.0022) |
# <!-- end -->
#
# One recurrent unit with three parameters beats the naive forecast but not the weighted sum.
# `deep_rnn` beats both, and gates help again: the GRU is best, at about twice the noise floor, and
# the LSTM comes next. The convolution makes the GRU worse here; it is meant for much longer series.
#
# **Why simple RNNs forget.** To train one, Keras applies backpropagation to all 50 steps, from the
# last to the first: *backpropagation through time*. By the chain rule, each step back multiplies
# the gradient by the derivative of the new state with respect to the old one. For one unit that is
# b·(1 - new_state²), because the derivative of tanh(x) is 1 - tanh²(x).
#
# With a factor of 0.9 per step, 0.9^50 = 0.005 is left after 50 steps: the gradient *vanishes*, and
# what happened long ago cannot be learned. With 1.1 it is 1.1^50 = 117: it *explodes*. A GRU whose
# update gate is 0.99 just copies most of its state, and 0.99^50 = 0.6 survives.
#
# We measure that gradient: how much the forecast changes with each input value, averaged over 200
# series (root mean square). `input_gradients` computes it by backpropagation, with respect to the
# inputs instead of the weights. `small start` is `deep_rnn` with its state weights halved.

# %%
recurrent = [name for name in ("deep_rnn", "lstm", "gru") if name in models]
before = {name: build_model(name) for name in recurrent}  # the same networks, untrained
if "deep_rnn" in models:
    before["deep_rnn, small start"] = build_model("deep_rnn")
    for layer in before["deep_rnn, small start"].layers[:2]:
        from_input, from_state, bias = layer.get_weights()
        layer.set_weights([from_input, 0.5 * from_state, bias])
figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained", sharey=True)
after = {name: models[name] for name in recurrent}
for panel, networks, when in zip(axes, (before, after), ("before", "after"), strict=True):
    for name, network in networks.items():
        gradients = input_gradients(network, test_inputs[:200])[:, ::-1, 0]  # last step first
        panel.plot(range(STEPS), np.sqrt((gradients**2).mean(axis=0)), label=name)
    panel.set(yscale="log", xlabel="steps before the last one", title=f"{when} training")
    panel.grid(alpha=0.3)
axes[0].set_ylabel("gradient of the forecast")
if recurrent:
    axes[0].legend()
    lesson.save_figure("memory", figure)

# %% [markdown]
# Before training, the gradient of `small start` vanishes fastest. That of `deep_rnn` hardly
# shrinks. Keras starts its state weights as an *orthogonal* matrix: multiplying by it does not
# change a vector's length. And at first the states are small, where the other factor, 1 - state²,
# is nearly 1. A GRU's gates start near 0.5, so about half of its state is lost per
# step. Training opens them: after it, all three depend on all 50 values, on the last ones most.
#
# ## 7 Predict
# To look ten steps ahead there are three ways: repeat the last value ten times (naive); predict one
# step, append the prediction to the series, predict the next, ten times over (*autoregressive*); or
# give the network ten outputs and train it to predict all ten at once (*direct*).

# %%
forecasts = {"naive": np.repeat(test_inputs[:, -1], AHEAD, axis=1)}
if "gru" in models:
    so_far = test_inputs
    for _ in range(AHEAD):
        following = models["gru"].predict(so_far[:, -STEPS:], batch_size=1000, verbose=0)
        so_far = np.concatenate([so_far, following[:, np.newaxis]], axis=1)
    forecasts["one after the other"] = so_far[:, STEPS:, 0]
if "ten_ahead" in lesson.models:
    forecasts["ten at once"] = models["ten_ahead"].predict(test_inputs, batch_size=1000, verbose=0)
for name, forecast in forecasts.items():
    errors[f"test_mse_ten_{name.replace(' ', '_')}"] = mse(forecast, test_targets)
    print(f"ten steps ahead, {name}: {mse(forecast, test_targets):.4f}")
figure, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained", sharey=True)
for number, panel in enumerate(axes):
    panel.plot(range(STEPS), test_inputs[number, :, 0], color="gray", label="input")
    panel.plot(range(STEPS, STEPS + AHEAD), test_targets[number], "k.", label="true values")
    for name, forecast in forecasts.items():
        panel.plot(range(STEPS, STEPS + AHEAD), forecast[number], label=name)
    panel.set(xlabel="step", title=f"test series {number}")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
lesson.save_figure("forecasts", figure)
last = lesson.models[-1]  # `finish` saves one model; we take the last
lesson.finish(models[last], curves[last], training=last, **errors)

# %% [markdown]
# <!-- results: lesson-10-ten -->
# Test MSE over the ten steps, median and range of 3 seeds:
#
# - naive: 0.2864
# - one after the other: 0.0046 (0.0044 to 0.0048)
# - ten at once: 0.0030 (0.0027 to 0.0033)
# <!-- end -->
#
# One after the other, each prediction builds on earlier ones, so errors add up. The network with
# ten outputs was trained for exactly this question.
#
# ## Remember
# - A recurrent layer carries a state from step to step; the same weights serve at every step.
# - Gradients through many steps vanish or explode. Gates (GRU, LSTM) help against the first,
#   gradient clipping against the second.
# - Compare with a naive forecast and a linear model, on data later than the training data.
#
# On your own data, try first: the naive forecast, then a linear model on windows, then a GRU with
# 20 to 50 units. Scale values to about -1 to 1, because tanh is flat for larger ones, and compute
# the scale from the training part only: otherwise test data leaks in.

# %% [markdown]
# ## Exercises
# 1. Which model suffers most from having few series? Compare `linear` and `gru` with `--series 300
#    --epochs 440`, which is about as many steps as before.
# 2. The linear network's best weights can be computed directly, by the method of least squares.
#    Does training come close?
# 3. Train the recurrent networks longer, `--epochs 60`. Does any come closer to the noise floor?
#
# Solutions: notes/solutions/10_time_series_rnn.md
