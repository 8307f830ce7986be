# %% [markdown]
"""
# 10 Time series: what comes next?

A *time series* is a sequence of values measured one after the other: sales per day, temperature per
hour. You will cut a series into training examples, forecast the next value and the next ten with
*recurrent neural networks* (RNN, LSTM, GRU), compare them with simpler forecasts, and see why a
simple RNN forgets.

Expect: test MSE 0.0018 (0.0017 to 0.0020) with the GRU, median and range of three seeds.
Takes: about 2 minutes on two CPU cores, at full length.

    python 10_time_series_rnn.py
    python 10_time_series_rnn.py --models linear gru --epochs 40
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=20,
    batch_size=50,  # a divisor of 7,000, so that all batches have one size (see section 4)
    data="sums of two sine waves",
    models=("linear", "simple_rnn", "deep_rnn", "lstm", "gru", "conv_gru", "ten_ahead"),
    series=Flag(7_000, "number of training series", at_most=7_000),
)

import keras
import numpy as np
import pandas as pd
from keras import layers

from forecasting import figures

# %% [markdown]
# ## 1 Load
# A formula from A. Géron's book *Hands-On Machine Learning* gives us 10,000 series: sums of two
# sine waves of random frequency and phase, plus noise. A series has 60 values, one per *step*: the
# network sees the first 50 and predicts the last ten.
#
# The noise cannot be predicted: at each step it is drawn uniformly between -0.05 and 0.05. Its mean
# square is 0.1²/12 = 0.00083 (the integral of x² over that range, divided by its width), and on
# average no forecast can have a lower mean squared error (MSE) than that. This is the *noise
# floor*.

# %%
STEPS, AHEAD, SERIES = 50, 10, 10_000
random = np.random.RandomState(42)  # the book's series, whatever `--seed` says
frequency_1, frequency_2, phase_1, phase_2 = random.rand(4, SERIES, 1)
time = np.arange(STEPS + AHEAD) / STEPS
series = 0.5 * np.sin((time - phase_1) * (10 + 10 * frequency_1))
series += 0.2 * np.sin((time - phase_2) * (20 + 20 * frequency_2))
# The book draws noise for 51 steps. We draw that first, so that these values are the book's.
noise = np.concatenate([random.rand(SERIES, STEPS + 1), random.rand(SERIES, AHEAD - 1)], axis=1)
series = (series + 0.1 * (noise - 0.5))[..., np.newaxis].astype("float32")
print("series:", series.shape, f"values from {series.min():.2f} to {series.max():.2f}")

# %% [markdown]
# ## 2 Prepare
# The first 7,000 series are for training, the next 2,000 for the final test, the last 1,000 for
# validation. A recurrent layer takes arrays of shape (examples, steps, features). Ours has one
# feature.
#
# Your own data is more likely to be one long series. Then you cut it into *windows*: with three
# values in a window, the series 1 2 3 4 5 gives three examples, 1 2 -> 3, 2 3 -> 4 and 3 4 -> 5.
# Below, for practice only, one series of 60 values gives ten windows of 51: 50 inputs and a target.
#
# Windows overlap. If you split them at random, the network sees most of the test values in training
# (*data leakage*). So train on the earlier part of the series and test on the later one.

# %%
inputs, targets = series[:, :STEPS], series[:, STEPS:, 0]  # (10000, 50, 1) and (10000, 10)
train_inputs, train_targets = inputs[: lesson.series], targets[: lesson.series]
_, test_inputs, val_inputs = np.split(inputs, [7_000, 9_000])
_, test_targets, val_targets = np.split(targets, [7_000, 9_000])
# Batches for two tasks: forecasting one step, and ten.
batches = {n: lesson.batches(train_inputs, train_targets[:, :n]) for n in (1, AHEAD)}

windows = np.lib.stride_tricks.sliding_window_view(series[0, :, 0], STEPS + 1)
print("windows:", windows[:, :STEPS, np.newaxis].shape, "targets:", windows[:, STEPS].shape)

# %% [markdown]
# ## 3 Define
# There are two *baselines*, simple forecasts that the networks have to beat. The *naive* forecast
# says that the next value equals the last one. `linear` is the simplest network, a weighted sum of
# the 50 values plus a bias.
#
# **A recurrent layer** reads one step at a time and keeps a *state*, its memory, which starts at 0.
# At each step it computes a new state from the value and the old state. In `SimpleRNN(1)` the state
# is a single number, and after the last step it is our forecast:
#
#     new_state = tanh(a * value + b * old_state + c)
#
# `tanh` squeezes any number to between -1 and 1. The same three parameters a, b, c serve at all 50
# steps. With 20 units the state is 20 numbers, and each unit sees all 20 old ones.
#
# `deep_rnn` stacks two such layers. By default a layer returns only its last state. With
# `return_sequences=True` it returns the state after every step, shape (50, 20), which is the input
# series of the second layer. A final `Dense(1)` turns 20 numbers into the forecast.
#
# **Gates.** A simple RNN overwrites its state at every step. A *gate* lets a layer learn when to
# keep it instead. Each unit has its own gate, a number between 0 (closed) and 1 (open), computed
# with parameters of its own. In a layer of one unit it is:
#
#     gate = sigmoid(p * value + q * old_state + r)
#
# A *GRU*, gated recurrent unit, computes a candidate for the new state, as a simple RNN would, and
# mixes it with the old state. Its *update gate* sets how much of the old state is kept:
#
#     new_state = update_gate * old_state + (1 - update_gate) * candidate
#
# Its second gate, the *reset gate*, sets how much of the old state goes into the candidate.
#
# An *LSTM*, long short-term memory, has two states: the *cell state* stores what may be needed
# later, the *hidden state* is what the layer returns now. Candidate and gates are computed from the
# value and the old hidden state. The *forget gate* sets how much of the old cell state is kept, the
# *input gate* how much of the candidate is added, and the *output gate* how much of the new cell
# state is returned:
#
#     new_cell = forget_gate * old_cell + input_gate * candidate
#     new_hidden = output_gate * tanh(new_cell)
#
# A simple RNN with v features and u units has u·(v + u + 1) parameters: 20·(1 + 20 + 1) = 440 for
# `SimpleRNN(20)`. An LSTM has four times as many, one set for the candidate and one for each gate.
#
# `conv_gru` begins with a *convolution* along time: each of 20 *filters* computes a weighted sum of
# four neighboring steps (*kernel size* 4), moves on by two (`strides`) and repeats. The GRU then
# reads (50 - 4) / 2 + 1 = 24 steps of 20 numbers each instead of 50 steps of one number.
# `ten_ahead` is the GRU with ten outputs, for section 7.


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
            body = [layers.LSTM(32)]
        case "gru":
            body = [layers.GRU(32)]
        case "conv_gru":
            body = [layers.Conv1D(20, 4, strides=2, activation="relu"), layers.GRU(32)]
        case "ten_ahead":
            body = [layers.GRU(32), layers.Dense(AHEAD)]
    return keras.Sequential([keras.Input((STEPS, 1)), *body, *head])


models = {name: build_model(name) for name in lesson.models}

# %% [markdown]
# ## 4 Compile
# Adam's learning rate falls from 0.008 to 0 along half a cosine wave: large steps at first, small
# ones at the end (lesson 16).
#
# In a recurrent network, gradients sometimes *explode*: they become so large that one step of
# gradient descent ruins the weights (section 6 shows why). *Gradient clipping* prevents it.
# `clipnorm=1` looks at the gradient of each array of weights. If its length, the *norm*, is more
# than 1, it is scaled down to 1.

# %%
steps = len(batches[1])  # per epoch
for model in models.values():
    rate = keras.optimizers.schedules.CosineDecay(0.008, decay_steps=lesson.epochs * steps)
    model.compile(
        optimizer=keras.optimizers.Adam(rate, clipnorm=1.0),
        loss="mse",
        steps_per_execution=steps,  # training steps in one call
        # The compiler XLA (lesson 02) makes the 50 time steps much faster. It has to compile anew
        # for every size of a batch.
        jit_compile=True if keras.backend.backend() == "tensorflow" else "auto",
    )

# %% [markdown]
# ## 5 Fit
# All networks are trained in the same way.


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
        error = model.evaluate(test_inputs, test_targets[:, :1], batch_size=1000, verbose=0)
        errors[f"test_mse_{name}"] = error
        print(f"{name}: test MSE {error:.5f}")

# %% [markdown]
# ## 6 Evaluate
# In the figure `models`, the dashed gray line is the naive forecast, the dotted one the noise
# floor.

# %%
one_ahead = [name for name in lesson.models if name != "ten_ahead"]
rows = [(name.removeprefix("test_mse_"), round(error, 5)) for name, error in errors.items()]
lesson.save_table("one_ahead", pd.DataFrame(rows, columns=["model", "test MSE"]))
if one_ahead:
    shown = {name: curves[name] for name in one_ahead}
    figure = figures.learning_curves(shown, errors["test_mse_naive"], noise_floor=0.1**2 / 12)
    lesson.save_figure("models", figure)

# %% [markdown]
# <!-- results: lesson-10-errors -->
# | model | test MSE, median (range) of three seeds |
# | --- | --- |
# | `naive` | 0.0202 (0.0202 to 0.0202) |
# | `linear` | 0.0031 (0.0031 to 0.0033) |
# | `simple_rnn` | 0.0109 (0.0109 to 0.0158) |
# | `deep_rnn` | 0.0025 (0.0024 to 0.0026) |
# | `lstm` | 0.0020 (0.0017 to 0.0021) |
# | `gru` | 0.0018 (0.0017 to 0.0020) |
# | `conv_gru` | 0.0015 (0.0015 to 0.0020) |
# <!-- end -->
#
# - `linear` is a strong baseline: it beats both the naive forecast and `simple_rnn` by far.
# - `deep_rnn`, with 20 units in each of two layers, beats both baselines.
# - With gates, `lstm` and `gru` beat `deep_rnn` with every seed. (They also have about three times
#   as many parameters.) The median of `gru` is about twice the noise floor.
# - With the convolution, the GRU is better with two of three seeds: its memory has to last for half
#   as many steps.
#
# **Why simple RNNs forget.** To train one, Keras applies backpropagation to all 50 steps, from the
# last to the first: *backpropagation through time*. By the chain rule, each step back multiplies
# the gradient by the derivative of the new state with respect to the old one. For one unit that is
# b·(1 - new_state²), because the derivative of tanh(x) is 1 - tanh²(x).
#
# With a factor of 0.9 per step, 0.9^50 = 0.005 is left after 50 steps: the gradient *vanishes*, and
# what happened long ago cannot be learned. With 1.1 it *explodes*: 1.1^50 = 117. A GRU whose update
# gate is 0.99 copies most of its state, and 0.99^50 = 0.6 survives.
#
# The gradient of the forecast with respect to an early input value contains the same factors. The
# figure `memory` shows it for each time step, as root mean square over 200 test series.

# %%
recurrent = [name for name in ("deep_rnn", "lstm", "gru") if name in models]
before = {name: build_model(name) for name in recurrent}  # the same networks, untrained
if recurrent:
    after = {name: models[name] for name in recurrent}
    lesson.save_figure("memory", figures.memory(before, after, test_inputs[:200]))

# %% [markdown]
# With 20 units, b becomes a 20x20 matrix, the *recurrent weights*. Keras starts it as an
# *orthogonal* matrix, which changes no vector's length. So before training the gradient of
# `deep_rnn` hardly shrinks.
#
# The gates of a GRU start about half open, the forget gate of an LSTM at about 0.73, so at first
# both lose a part of their state at every step. In training they learn to keep more. Afterwards all
# three networks depend on all 50 values. So here a good start already keeps the simple RNN from
# forgetting; the longer the series, the harder that gets, and the more the gates are worth.
#
# ## 7 Predict
# There are three ways to forecast ten steps: repeat the last value ten times (naive); predict one
# step, append the prediction to the series, predict the next, and so on (*autoregressive*, in the
# figure "one after the other"); or train a network to predict all ten at once (*direct*, "ten at
# once").

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
lesson.save_figure("forecasts", figures.compare_forecasts(test_inputs, test_targets, forecasts))
last = lesson.models[-1]  # `finish` saves one model; we take the last
lesson.finish(models[last], curves[last], training=last, **errors)

# %% [markdown]
# <!-- results: lesson-10-ten -->
# Test MSE over the ten steps, median and range of 3 seeds:
#
# - naive: 0.2864
# - one after the other: 0.0054 (0.0037 to 0.0067)
# - ten at once: 0.0025 (0.0025 to 0.0028)
# <!-- end -->
#
# An autoregressive forecast builds on earlier predictions, so errors add up. The direct one does
# better: its network was trained for exactly this question.
#
# ## Remember
# - A recurrent layer carries a state from step to step, with the same weights at every step.
# - Gradients through many steps vanish or explode. Gates (GRU, LSTM) help against the first,
#   gradient clipping against the second.
# - Compare with a naive forecast and a linear model, on data later than the training data.
#
# On your own data, try first: the naive forecast, then a linear model on windows, then a GRU with
# 20 to 50 units. Scale the values to about -1 to 1; compute the scale from the training part only.
# If the time of day matters, give it as two features, the sine and cosine of 2π·hour/24, so that
# 23:59 is close to 0:00.

# %% [markdown]
# ## Exercises
# 1. Which model suffers most from having few series? Compare `linear` and `gru` with `--series 300
#    --epochs 440`, which is about as many steps as before.
# 2. The linear network's best weights can be computed directly, by the method of least squares.
#    Does training come close?
# 3. Train the recurrent networks longer, `--epochs 60`. Does any come closer to the noise floor?
#
# Solutions: notes/solutions/10_time_series_rnn.md
