# %% [markdown]
"""
# 10 Time series: what comes next?

A series of numbers, one after the other: what is the next one, and the next ten? Recurrent networks
read it step by step and carry along what they have seen. We compare them with guesses that need no
network, look at why they forget, and let one read film reviews.

For one step ahead A. Géron's book reports a mean squared error of 0.0042 for a linear network and
0.0029 for its best recurrent network of this size.

Expect: test MSE 0.0018 (0.0018 to 0.0018) with the GRU, median and range of three seeds.

    python 10_time_series_rnn.py
    python 10_time_series_rnn.py --models linear gru --epochs 40
"""

# %%
from common.lesson import Lesson

NAMES = ("linear", "simple_rnn", "deep_rnn", "lstm", "gru", "conv_gru", "ten_ahead", "reviews")
lesson = Lesson(__doc__, epochs=20, batch_size=32, models=NAMES)

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots
from common.introspection import input_gradients

# %% [markdown]
# ## 1 Load
# The series are computed: two sines of random frequency and phase, and a little noise. 50 steps are
# given, ten more are to be predicted. The noise cannot be predicted: every value between -0.05 and
# 0.05 is equally likely. Its mean square, 0.1²/12 = 0.00083, is on average the lowest error that
# anybody can reach. The first 51 values are those of A. Géron's book, so they are the same for
# every `--seed`. The film reviews of lesson 02 serve at the end.

# %%
STEPS, AHEAD = 50, 10


def make_series(count: int):
    """Compute series of shape (count, STEPS + AHEAD, 1) and dtype float32."""
    random = np.random.RandomState(42)  # the generator, and the order of the draws, of the book
    speed_1, speed_2, start_1, start_2 = random.rand(4, count, 1)
    time = np.arange(STEPS + AHEAD) / STEPS
    series = 0.5 * np.sin((time - start_1) * (10 + 10 * speed_1))
    series += 0.2 * np.sin((time - start_2) * (20 + 20 * speed_2))
    noise = np.concatenate([random.rand(count, STEPS + 1), random.rand(count, AHEAD - 1)], axis=1)
    return (series + 0.1 * (noise - 0.5))[..., np.newaxis].astype("float32")


series = make_series(10_000)
print("series:", series.shape, f"values from {series.min():.2f} to {series.max():.2f}")
(train_reviews, train_labels), (test_reviews, test_labels), word_index = lesson.load("imdb")

# %% [markdown]
# ## 2 Prepare
# 7,000 series for training. The next 2,000 are the test set: the book validates with these, and its
# results are for them. The last 1,000 are for validation. For one step ahead the target is step 51.

# %%
train_series, test_series, val_series = np.split(series, [7_000, 9_000])
train_series = train_series[: lesson.limit]  # all, if it is None


def one_ahead(series):
    """Split series into what is given and the next value, of shape (n, 1)."""
    return series[:, :STEPS], series[:, STEPS]


def ten_ahead(series):
    """Split series into what is given and the next ten values, of shape (n, 10)."""
    return series[:, :STEPS], series[:, STEPS:, 0]


# %% [markdown]
# ## 3 Define
# - *naive*: the next value is the last one. No network; a network that is worse is useless.
# - `linear`: each of the 50 values has a weight, and the next one is their weighted sum.
# - `simple_rnn`: one recurrent unit. It keeps a number, its *state*, and at each step makes a new
#   one: state = tanh(a · value + b · state + c), always with the same three weights a, b, c.
# - `deep_rnn`: two layers of 20 units. The first returns its state after every step
#   (`return_sequences`).
# - `lstm`, `gru`: the same with *gates*. A gate is a number between 0 and 1, computed at each step,
#   by which the old state, or what is new, is multiplied: near 1 it is kept, near 0 it is dropped.
# - `conv_gru`: first a *convolution*. It takes a weighted sum of four neighboring steps, moves on
#   by two, takes the next: 50 steps become 24.


# %%
def build_model(name):
    """Build a network for one step ahead."""
    keras.utils.set_random_seed(lesson.seed)  # every model starts from the same draws
    body = {  # lambda: only the layers of the model asked for are made
        "linear": lambda: [layers.Flatten()],
        "simple_rnn": lambda: [layers.SimpleRNN(1)],
        "deep_rnn": lambda: [layers.SimpleRNN(20, return_sequences=True), layers.SimpleRNN(20)],
        "lstm": lambda: [layers.LSTM(20, return_sequences=True), layers.LSTM(20)],
        "gru": lambda: [layers.GRU(20, return_sequences=True), layers.GRU(20)],
        "conv_gru": lambda: [
            layers.Conv1D(20, 4, strides=2, activation="relu"),
            layers.GRU(20, return_sequences=True),
            layers.GRU(20),
        ],
    }
    head = [] if name == "simple_rnn" else [layers.Dense(1)]
    return keras.Sequential([keras.Input((STEPS, 1)), *body[name](), *head])


# %% [markdown]
# ## 4 Compile
# The forecasts use the mean squared error, and Adam. Its learning rate begins at five times the
# usual one, for these networks are small, and falls to 0 along half a wave of the cosine (lesson
# 09). `clipnorm` shortens the gradient of each array of weights to length 1 if it is longer; in
# recurrent networks it can be huge in a single step.


# %%
def compile_model(model, train, loss="mse", metrics=None, rate=0.001):
    """Make a model ready to train."""
    model.compile(
        optimizer=keras.optimizers.Adam(rate, clipnorm=1.0),
        loss=loss,
        metrics=metrics,
        steps_per_execution=len(train),  # a whole epoch in one call: faster
    )


# %% [markdown]
# ## 5 Fit


# %%
def fit_model(name, model, split=one_ahead):
    """Train a model on the series; return a list of values, one per epoch, for every loss."""
    train = lesson.batches(*split(train_series))
    schedule = keras.optimizers.schedules.CosineDecay(0.005, lesson.epochs * len(train))
    compile_model(model, train, rate=schedule)
    history = model.fit(
        train,
        validation_data=split(val_series),
        validation_batch_size=1000,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name),
        verbose=0,
    )
    return history.history


def mse(predicted, wanted) -> float:
    """Compute the mean squared error."""
    return float(np.mean((predicted - wanted) ** 2))


shown, wanted = one_ahead(test_series)
curves, models, errors = {}, {}, {"test_mse_naive": mse(shown[:, -1], wanted)}
for name in [name for name in NAMES[:6] if name in lesson.models]:
    models[name] = build_model(name)
    print(f"\n{name}: {models[name].count_params():,} parameters")
    curves[name] = fit_model(name, models[name])
    answer = models[name].predict(shown, batch_size=1000, verbose=0)
    errors[f"test_mse_{name}"] = mse(answer, wanted)

# %% [markdown]
# ## 6 Evaluate
# The dashed line is *naive*, the dotted one the noise. Three weights are too few to beat the
# weighted sum of 50 values; twenty units twice are better than both, and gates help again.
#
# <!-- results: lesson-10-errors -->
# Test MSE with seed 42: `naive` 0.0202, `linear` 0.0031, `simple_rnn` 0.0109, `deep_rnn` 0.0024,
# `gru` 0.0018.
# <!-- end -->

# %%
rows = [
    {"model": name.removeprefix("test_mse_"), "test MSE": value} for name, value in errors.items()
]
lesson.save_table("one_ahead", pd.DataFrame(rows).round(5))
if curves:
    figure = plots.compare_models(curves, "loss", "one step ahead", log=True)
    figure.axes[0].axhline(errors["test_mse_naive"], color="gray", linestyle="--")
    figure.axes[0].axhline(0.1**2 / 12, color="gray", linestyle=":")
    figure.axes[0].set_ylim(0.0007, 0.1)
    lesson.save_figure("models", figure)

# %% [markdown]
# **Why they forget.** Training goes back through the steps, *backpropagation through time*: the
# gradient of the answer with respect to the value d steps ago is a product of d factors, one per
# step. Where these are below 1 it *vanishes*, and what happened d steps ago cannot be learned;
# above 1 it *explodes*. The figure shows the size of that gradient (the root of its mean square).
# `rnn, small start` is deep_rnn with half the initial weights between its steps, and vanishes
# first. Keras' own are *orthogonal*: multiplying by them does not change a vector's length. The
# gates of a GRU begin near 0.5. Training opens them, and what is long past counts less than what is
# near, as it should.

# %%
recurrent = [name for name in ("deep_rnn", "lstm", "gru") if name in models]
before = {name: build_model(name) for name in recurrent}
if "deep_rnn" in models:
    small = before["rnn, small start"] = build_model("deep_rnn")
    for layer in small.layers[:2]:
        from_input, from_state, bias = layer.get_weights()
        layer.set_weights([from_input, 0.5 * from_state, bias])
figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for panel, networks in ((axes[0], before), (axes[1], {name: models[name] for name in recurrent})):
    for name, network in networks.items():
        gradients = input_gradients(network, test_series[:200, :STEPS])[:, ::-1, 0]
        panel.plot(range(STEPS), np.sqrt((gradients**2).mean(axis=0)), label=name)
for panel, title in zip(axes, ("before training", "after training"), strict=True):
    panel.set(yscale="log", xlabel="steps ago", title=title)
    panel.grid(alpha=0.3)
axes[0].set_ylabel("how much the answer moves with that value")
axes[1].sharey(axes[0])
if recurrent:
    axes[0].legend()
    lesson.save_figure("memory", figure)

# %% [markdown]
# ## 7 Predict
# **Ten steps ahead**, three ways: the last value ten times; one step ten times over, each time with
# the predictions so far appended to the series; or a network with ten outputs.

# %%
shown, wanted = ten_ahead(test_series)
forecasts = {"naive": np.repeat(shown[:, -1], AHEAD, axis=1)}
if "gru" in models:
    so_far = shown
    for _ in range(AHEAD):
        following = models["gru"].predict(so_far[:, -STEPS:], batch_size=1000, verbose=0)
        so_far = np.concatenate([so_far, following[:, np.newaxis]], axis=1)
    forecasts["one after the other"] = so_far[:, STEPS:, 0]
if "ten_ahead" in lesson.models:
    keras.utils.set_random_seed(lesson.seed)
    models["ten_ahead"] = keras.Sequential([
        keras.Input((STEPS, 1)),
        layers.GRU(20, return_sequences=True),
        layers.GRU(20),
        layers.Dense(AHEAD),
    ])
    curves["ten_ahead"] = fit_model("ten_ahead", models["ten_ahead"], ten_ahead)
    forecasts["ten at once"] = models["ten_ahead"].predict(shown, batch_size=1000, verbose=0)
for name, forecast in forecasts.items():
    errors[f"test_mse_ten_{name.replace(' ', '_')}"] = mse(forecast, wanted)
    print(f"ten steps ahead, {name}: {mse(forecast, wanted):.4f}")
figure, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained")
for panel, number in zip(axes, range(3), strict=True):
    panel.plot(range(STEPS), shown[number, :, 0], color="gray")
    panel.plot(range(STEPS, STEPS + AHEAD), wanted[number], "k.", label="what came")
    for name, forecast in forecasts.items():
        panel.plot(range(STEPS, STEPS + AHEAD), forecast[number], label=name)
    panel.set(xlabel="step", ylim=(-1, 1))
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
lesson.save_figure("forecasts", figure)

# %% [markdown]
# **A text is a series too.** In lesson 02 the words of a review were averaged: their order was
# lost. Here an LSTM reads them forwards and another backwards, `Bidirectional`. Two epochs, the
# last 200 words of each review. Short reviews are padded with 0 in front, so that the forward
# reader ends with the last word.

# %%
if "reviews" in lesson.models:
    WORDS, LENGTH = 10_000, 200

    def to_numbers(reviews):
        """Cut reviews to the last LENGTH words; 0 fills up short ones, 1 stands for rare words."""
        numbers = [np.where(review < WORDS - 1, review + 1, 1) for review in reviews]
        return keras.utils.pad_sequences(numbers, LENGTH)

    train_numbers, val_numbers, train_answers, val_answers = train_test_split(
        to_numbers(train_reviews),
        train_labels,
        test_size=0.1,
        stratify=train_labels,
        random_state=lesson.seed,
    )
    train = lesson.batches(train_numbers, train_answers, 2 * lesson.batch_size)
    keras.utils.set_random_seed(lesson.seed)
    reader = models["reviews"] = keras.Sequential([
        keras.Input((LENGTH,), dtype="int32"),
        layers.Embedding(WORDS, 32),
        layers.Bidirectional(layers.LSTM(32)),
        layers.Dense(1, activation="sigmoid"),
    ])
    compile_model(reader, train, "binary_crossentropy", ["accuracy"])
    curves["reviews"] = reader.fit(
        train,
        validation_data=(val_numbers, val_answers),
        validation_batch_size=500,
        epochs=min(2, lesson.epochs),
        callbacks=lesson.callbacks(training="reviews"),
        verbose=0,
    ).history
    test = reader.evaluate(
        to_numbers(test_reviews), test_labels, batch_size=500, verbose=0, return_dict=True
    )
    errors["test_accuracy_reviews"] = test["accuracy"]
    print(f"reviews judged right: {test['accuracy']:.4f}")

last = lesson.models[-1]  # the one that is saved
lesson.finish(models[last], curves[last], training=last, **errors)

# %% [markdown]
# ## Exercises
# 1. Which model suffers most from few series? Try `--limit 300 --epochs 440`: about as many steps
#    as before.
# 2. The linear network's best weights have a formula, the method of least squares. Is training as
#    good?
# 3. Train the recurrent networks longer. Does any of them come closer to the noise, which nobody
#    can predict?
#
# Solutions: notes/solutions/10_time_series_rnn.md
