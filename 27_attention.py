# %% [markdown]
"""
# 27 Attention: how can a network look back?

A recurrent network (lesson 10) reads a sequence step by step, and whatever it needs later has to
fit into its state. *Attention* looks back instead: at all steps at once, to pick out what it needs
now. You will build attention from a few lines of arithmetic, compare it with a GRU on a task made
for looking back, see where it looks, and find out why it must be told the order.

Expect: median test accuracy: GRU 0.29, attention 0.85, with positions 0.98.

    python 27_attention.py
    python 27_attention.py --models gru positions --longest 3
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=6,
    batch_size=64,
    data="lists of assignments",
    models=("gru", "attention", "positions"),
    longest=Flag(20, "lines of the longest list", at_least=3, at_most=200),
    lists=Flag(20_000, "number of training lists", at_most=1_000_000),
)

import random
from string import ascii_lowercase

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from attention.figures import lengths_figure, weights_figure

# %% [markdown]
# ## 1 Load
# The task is what Python does with variables. A list of assignments ends with a question, as in
# `c=4 a=1 c=7 c=?`, and the answer is the digit that was assigned *last*, here 7. A list has 2 to
# 20 lines with random letters and digits. A dictionary knows the answers: if a key is assigned
# twice, it keeps the last value.


# %%
def make_lists(count, draw):
    """Return `count` lists such as ["c=4", "a=1", "c=?"], and the digits that are asked for."""
    lists, answers = [], []
    for _ in range(count):
        size = draw.randint(2, lesson.longest)
        letters = draw.choices(ascii_lowercase, k=size)
        digits = draw.choices("0123456789", k=size)
        asked = draw.choice(letters)
        lines = [f"{letter}={digit}" for letter, digit in zip(letters, digits, strict=True)]
        lists.append([*lines, f"{asked}=?"])
        answers.append(int(dict(zip(letters, digits, strict=True))[asked]))
    return lists, np.array(answers)


draw = random.Random(lesson.seed)
train_lists, train_answers = make_lists(lesson.lists, draw)
val_lists, val_answers = make_lists(2_000, draw)
test_lists, test_answers = make_lists(10_000, draw)
print(*test_lists[0], "answer:", test_answers[0])

# %% [markdown]
# ## 2 Prepare
# Each line becomes two numbers: the letter, 1 to 26, and the digit, 0 to 9, or 10 for the question
# mark. As in lesson 18 we pad at the front, with zeros, so that the question always comes last.


# %%
def to_numbers(lists):
    """Convert lists of lines to an int32 array of shape (lists, longest + 1, 2)."""
    numbers = np.zeros((len(lists), lesson.longest + 1, 2), "int32")
    for row, lines in zip(numbers, lists, strict=True):
        pairs = [(ascii_lowercase.index(a) + 1, "0123456789?".index(b)) for a, _, b in lines]
        row[-len(lines) :] = pairs
    return numbers


train_lines, val_lines, test_lines = map(to_numbers, (train_lists, val_lists, test_lists))
train = lesson.batches(train_lines, train_answers)
print("as numbers:", *test_lines[0].tolist())

# %% [markdown]
# ## 3 Define
# After 20 lines, a GRU with 64 units has 64 numbers in which to keep them all, because it does not
# know yet which letter will be asked for. You would not memorize the list either: you would wait
# for the question and then look it up.
#
# **Attention looks it up**, in a dictionary that tolerates inexact keys. Each line has two vectors:
# a *key*, by which it is found, and a *value*, what it contributes. The question has a third one,
# the *query*, which says what is looked for. Then:
#
# 1. Compare the query with each key. The *score* is their *dot product*: multiply the numbers at
#    the same place and add up. It is large if both vectors point in the same direction.
# 2. Divide the scores by √d, where d is how many numbers a key has.
# 3. `softmax` turns the scores into *attention weights*: positive numbers that sum to 1.
# 4. The output is the sum of the values, each multiplied by its weight.
#
# An example with d = 4: the query (2, 0, 2, 0) meets three keys.
#
#     key            dot product      score      e^score   weight   value
#     (2, 0, 0, 0)   2·2       = 4    4/√4 = 2     7.4      0.12      10
#     (0, 1, 0, 1)               0           0     1.0      0.02      20
#     (2, 0, 2, 0)   2·2 + 2·2 = 8           4    54.6      0.87      30
#
# The output is 0.12·10 + 0.02·20 + 0.87·30 = 27.5, close to the value of the best match. If one
# score is far above the others, attention picks one value; if all are equal, it averages. Either
# way the output has a gradient, so queries, keys and values can be learned.


# %%
def attend(queries, keys, values, mask=True):
    """Compute scaled dot-product attention.

    Args:
        queries: array of shape (..., q, d), one query per row.
        keys, values: arrays of shape (..., k, d) and (..., k, v).
        mask: where it is false, the query (row) does not see the key (column).

    Returns:
        The outputs, shape (..., q, v), and the weights, shape (..., q, k).
    """
    scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2)) / keys.shape[-1] ** 0.5
    weights = ops.softmax(ops.where(mask, scores, -1e9))  # e^-1000000000 is 0
    return ops.matmul(weights, values), weights


query = np.array([[2, 0, 2, 0]], "float32")
keys = np.array([[2, 0, 0, 0], [0, 1, 0, 1], [2, 0, 2, 0]], "float32")
values = np.array([[10], [20], [30]], "float32")
output, weights = map(ops.convert_to_numpy, attend(query, keys, values))
print("weights:", weights.round(2), "output:", output.round(1))

# %% [markdown]
# **Why divide by √d?** If the numbers in query and key are random with mean 0 and variance 1, each
# of the d products has variance 1 as well, so their sum has variance d: scores are about as large
# as √d. With d = 1,024 they are around 32 apart, and the weights e^32 : 1. Before anything has been
# learned, nearly all weight falls on one random key. It also hardly learns from there: the
# derivative of a softmax weight w with respect to its score is w·(1 - w), almost 0 for w near 0 or
# 1. Dividing by √d brings the variance back to 1. We try it with 20 random keys:

# %%
for d in (4, 64, 1024):
    vectors = np.random.default_rng(0).normal(size=(1000, 21, d)).astype("float32")
    queries, keys = vectors[:, :1], vectors[:, 1:]
    # A query that is √d times as long undoes the division.
    raw, scaled = (
        ops.convert_to_numpy(attend(length * queries, keys, keys)[1]).max(axis=-1).mean()
        for length in (d**0.5, 1)
    )
    print(f"d = {d}: mean of the largest weight {raw:.2f}, with the division {scaled:.2f}")

# %% [markdown]
# **Masks** hide keys: a huge negative score makes a weight of 0. A *padding mask* hides padding,
# which does not belong to the sequence. A *causal mask* hides the future. It is for
# *self-attention*, in which every step of a sequence asks a query of its own: with the mask, a step
# sees only itself and earlier steps. A network that learns to predict the next word needs that;
# otherwise it would simply look at the answer. Below, the first of four steps is padding.

# %%
steps = np.random.default_rng(1).normal(size=(4, 8)).astype("float32")
real = np.array([False, True, True, True])
causal = np.tril(np.ones((4, 4), bool))  # lower triangle: the key is not later than the query
for name, mask in {"padding": real, "causal": causal}.items():
    weights = ops.convert_to_numpy(attend(steps, steps, steps, mask)[1])
    print(f"weights with {name} mask (rows: queries, columns: keys)", weights.round(2), sep="\n")

# %% [markdown]
# **Where do queries, keys and values come from?** `layers.MultiHeadAttention` computes them from
# the vectors of the steps, with three dense layers (without activation) for each of its *heads*.
# Several heads can look for several things: one for the same letter, another for the line before.
# A last dense layer turns the outputs of all heads into one vector. If that is all, `attend` must
# give the same output with the same weights:

# %%
layer = layers.MultiHeadAttention(num_heads=2, key_dim=3)
output = ops.convert_to_numpy(layer(steps[None], steps[None], use_causal_mask=True))[0]
to_query, query_bias, to_key, key_bias, to_value, value_bias, to_output, bias = layer.get_weights()
ours = bias
for head in range(2):
    queries = steps @ to_query[:, head] + query_bias[head]
    keys = steps @ to_key[:, head] + key_bias[head]
    values = steps @ to_value[:, head] + value_bias[head]
    ours = ours + ops.convert_to_numpy(attend(queries, keys, values, causal)[0]) @ to_output[head]
print(f"Keras' layer and ours differ by at most {np.abs(output - ours).max():.1g}")

# %% [markdown]
# **Three networks.** All begin with one vector of 32 numbers per line: the embedding of its letter
# (lesson 02) plus that of its digit. All end with a dense layer for the ten digits.
#
# - `gru` reads line by line, the question last.
# - `attention` makes one query from the question, and keys and values from the lines before it.
#   That is *cross-attention*: the query comes from elsewhere than the keys.
# - `positions` adds a third embedding to each line, that of its *position*: 0 for the first step, 1
#   for the next. Section 6 shows what for.


# %%
def build_model(name):
    """Build a network; the same seed gives the same initial weights."""
    keras.utils.set_random_seed(lesson.seed)
    lines = keras.Input((lesson.longest + 1, 2), dtype="int32")
    letters, digits = lines[..., 0], lines[..., 1]
    vectors = layers.Embedding(27, 32)(letters) + layers.Embedding(11, 32)(digits)
    if name == "gru":
        found = layers.GRU(64)(vectors)
    else:
        if name == "positions":
            positions = ops.cumsum(ops.ones_like(letters), axis=1) - 1  # 0, 1, 2 and so on
            vectors = vectors + layers.Embedding(lesson.longest + 1, 32)(positions)
        found, _ = layers.MultiHeadAttention(num_heads=1, key_dim=32, name="look")(
            query=vectors[:, -1:],  # the question
            value=vectors[:, :-1],  # the lines; the keys are made from them, too
            attention_mask=letters[:, None, :-1] > 0,  # no padding
            return_attention_scores=True,  # the weights, for section 7
        )
        found = layers.Flatten()(found)
    return keras.Model(lines, layers.Dense(10, activation="softmax")(found))


models = {name: build_model(name) for name in lesson.models}

# %% [markdown]
# ## 4 Compile
# The answer is one of ten classes, so the loss is cross-entropy, as in lesson 01. All networks get
# the same optimizer.

# %%
for model in models.values():
    model.compile(
        optimizer=keras.optimizers.Adam(0.003, clipnorm=1.0),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=len(train),  # return to Python once per epoch: faster
        jit_compile=keras.backend.backend() == "tensorflow" or "auto",  # as in lesson 10
    )

# %% [markdown]
# ## 5 Fit

# %%
curves = {}
for name, model in models.items():
    print(f"\n{name}: {model.count_params():,} parameters")
    history = model.fit(
        train,
        validation_data=(val_lines, val_answers),
        validation_batch_size=1000,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name),
        verbose=0,
    )
    curves[name] = history.history
    print(f"{name}: validation accuracy {curves[name]['val_accuracy'][-1]:.3f}")

# %% [markdown]
# ## 6 Evaluate
# We score two kinds of test lists apart: those in which the letter asked for was assigned once, and
# those in which it was assigned again. Two baselines: say the digit that is most frequent in the
# list (`most_frequent`), or pick one of the lines with the right letter at random (`picked`).

# %%
letters, digits = test_lines[:, :-1, 0], test_lines[:, :-1, 1]
counts = np.stack([((digits == digit) & (letters > 0)).sum(axis=1) for digit in range(10)], axis=1)
matches = letters == test_lines[:, -1:, 0]  # the lines with the letter asked for
once = matches.sum(axis=1) == 1
hits = matches & (digits == test_answers[:, None])
probabilities = {
    name: model.predict(test_lines, batch_size=1000, verbose=0) for name, model in models.items()
}
right = {"most_frequent": counts.argmax(axis=1) == test_answers}
right |= {name: p.argmax(axis=1) == test_answers for name, p in probabilities.items()}
lesson.save_figure("lengths", lengths_figure(right, (letters > 0).sum(axis=1)))

right["picked"] = hits.sum(axis=1) / matches.sum(axis=1)  # the chance that it is right
scores, rows = {}, []
for name, values in right.items():
    kinds = {"once": values[once].mean(), "again": values[~once].mean(), "all": values.mean()}
    scores |= {f"test_accuracy_{kind}_{name}": float(mean) for kind, mean in kinds.items()}
    rows.append({"model": name, **kinds})
lesson.save_table("scores", pd.DataFrame(rows).round(3))

# %% [markdown]
# <!-- results: lesson-27-scores -->
# Test accuracy, median and range of 3 seeds:
#
# | model | letter assigned once | assigned again |
# | --- | --- | --- |
# | `most_frequent` | 0.32 (0.31 to 0.32) | 0.27 (0.27 to 0.27) |
# | `picked` | 1.00 (1.00 to 1.00) | 0.52 (0.52 to 0.52) |
# | `gru` | 0.30 (0.29 to 0.30) | 0.26 (0.26 to 0.27) |
# | `attention` | 1.00 (1.00 to 1.00) | 0.53 (0.53 to 0.54) |
# | `positions` | 1.00 (0.99 to 1.00) | 0.94 (0.91 to 0.94) |
# <!-- end -->
#
# - *The GRU* does no better than saying the most frequent digit. What to keep of a line it has to
#   learn from a question that comes up to 20 steps later, and six epochs are not enough for that.
#   It can learn more: exercise 2 gives it more lists and more time.
# - *Attention* finds the letter, however far back it is, with less than a third of the parameters.
#   But if the letter was assigned again, it does about as well as picking a line at random.
# - *With positions* it takes the last of them, most of the time.
#
# **To attention, the order is invisible.** A sum does not depend on the order of its terms, and
# softmax treats all scores alike: `b=2 b=5 b=?` and `b=5 b=2 b=?` give the same output. To see
# that, we shuffle the lines of every test list and compare the probabilities.

# %%
mixed = [[*draw.sample(lines[:-1], len(lines) - 1), lines[-1]] for lines in test_lists]
looking = [name for name in ("attention", "positions") if name in models]
for name in looking:
    again = models[name].predict(to_numbers(mixed), batch_size=1000, verbose=0)
    scores[f"moved_{name}"] = moved = float(np.abs(again - probabilities[name]).max())
    print(f"{name}: after shuffling, probabilities differ by at most {moved:.2g}")

# %% [markdown]
# Without positions, nothing changes but the rounding. With them, the vector of a line says where it
# is. Then a score is a sum of two parts: one that is large for the right letter, and one that can
# grow from the first position to the last. (A GRU needs no positions: it reads in order.)
#
# **Why it needs no recurrence.** A GRU computes its state at step 20 from that at step 19, and so
# on: 20 computations that wait for each other, and on the way back the gradient passes through all
# of them. Attention computes all scores in one product of matrices, so many processors can work at
# the same time. And every line is one step away from the question, the first as well as the last:
# there is no long way on which a gradient could vanish.
#
# **What it costs.** In self-attention, n steps ask n queries of n keys, so there are n² weights. In
# the long run twice the length means four times the work and memory; for a recurrent layer, twice.
# One training step of a layer with 20 units, eight series per batch:
#
# <!-- results: lesson-27-cost -->
# | steps | LSTM [ms] | GRU [ms] | attention [ms] | LSTM [MB] | GRU [MB] | attention [MB] |
# | ----- | --------- | -------- | -------------- | --------- | -------- | -------------- |
# | 50    | 2.4       | 2.4      | 1.0            | 28        | 30       | 26             |
# | 200   | 7.8       | 7.3      | 3.5            | 33        | 35       | 34             |
# | 800   | 37        | 36       | 27             | 44        | 43       | 116            |
# | 3200  | 275       | 420      | 341            | 90        | 70       | 1395           |
# <!-- end -->
#
# The times are close. (In this measurement, four times the steps cost the recurrent layers, too,
# more than four times the time.) Attention does more arithmetic, but in a few large products
# instead of thousands of small ones one after the other. The memory for the n² weights is what
# limits it. notes/attention.md has the figure, and says how it was measured.
# For short series attention is faster, because it computes a few large products instead of many
# small ones one after the other. At 3,200 steps this lead is gone (and the recurrent layers, too,
# take more than twice the time for twice the length). The memory for the n² weights is what limits
# attention. notes/attention.md has the figure, and says how it was measured.
#
# ## 7 Predict
# Where does the network look? The attention weights tell. A second model with the same layers
# returns them.

# %%
answering = lesson.longest - 1 - matches[:, ::-1].argmax(axis=1)  # the last line with the letter
shown = np.flatnonzero(matches.sum(axis=1) == 2)[:6]  # lists with two lines to choose from
drawn = {}
for name in looking:
    looker = keras.Model(models[name].input, models[name].get_layer("look").output[1])
    weights = looker.predict(test_lines, batch_size=1000, verbose=0)[:, 0, 0]
    drawn[name] = weights[shown]
    scores[f"weight_{name}"] = float(weights[range(len(weights)), answering][~once].mean())
    print(f"{name}: {scores[f'weight_{name}']:.2f} of the weight is on the line with the answer")
if looking:
    lesson.save_figure("weights", weights_figure(drawn, [test_lists[i] for i in shown]))

# %% [markdown]
# In the figure each row is a list in which the letter was assigned twice; the question is on the
# left. Without positions both lines get weight, with them most of it goes to the later one.
#
# <!-- results: lesson-27-weight -->
# Where the letter was assigned again, the line with the answer has 0.41 (0.41 to 0.41) of the
# weight without positions and 0.73 (0.70 to 0.75) with them, means over the test lists, median and
# range of 3 seeds.
# <!-- end -->
#
# Finally, a list of our own:

# %%
last = lesson.models[-1]  # `finish` saves one model; we take the last
own = ["a=1 b=2 a=3 a=?".split(), "a=1 b=2 a=3 b=?".split()]
for lines, p in zip(own, models[last].predict(to_numbers(own), verbose=0), strict=True):
    print(*lines, f"answer: {p.argmax()}, with probability {p.max():.2f}")
lesson.finish(models[last], curves[last], training=last, **scores)

# %% [markdown]
# ## Remember
# - Attention compares a query with all keys; the output is the average of the values, weighted by
#   the softmax of the scores. Nothing has to be carried along in a state.
# - It sees a set, not a sequence: add position embeddings if the order matters, and mask what must
#   not be seen.
# - It computes all steps at once, but time and memory grow with the square of the length.
#
# On your own sequences, try first: up to some hundreds of steps, one `MultiHeadAttention` with
# position embeddings, and compare it on validation data with a GRU of the same size. This task was
# made for attention; yours may not be.

# %% [markdown]
# ## Exercises
# 1. How long may a list be for the GRU? Compare `--models gru positions` with `--longest 3`, 5
#    and 10.
# 2. Give the GRU more lists and more time: `--models gru --lists 100000 --epochs 15`. Does it learn
#    to look back?
# 3. Remove the line with `attention_mask`. Does the accuracy fall? Why not, and when would it?
#
# Solutions: notes/solutions/27_attention.md
