# %% [markdown]
"""
# 27 Attention: how can a network look back?

A recurrent network (lesson 10) reads a sequence step by step, and whatever it needs later has to
fit into its state. *Attention* looks back instead, at all steps at once, and picks out what it
needs now. You will build it from a few lines of arithmetic, compare it with a GRU on a task made
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

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from attention.figures import lengths_figure, weights_figure
from attention.lists import baselines, make_lists, to_numbers

# %% [markdown]
# ## 1 Load
# The task is what Python does with variables. A list of assignments ends with a question, as in
# `c=4 a=1 c=7 c=?`, and the answer is the digit that was assigned *last*, here 7. A list has 2 to
# 20 assignments (its *lines*), with random letters and digits.

# %%
draw = random.Random(lesson.seed)
train_lists, train_answers = make_lists(lesson.lists, lesson.longest, draw)
val_lists, val_answers = make_lists(2_000, lesson.longest, draw)
test_lists, test_answers = make_lists(10_000, lesson.longest, draw)
print(*test_lists[0], "answer:", test_answers[0])

# %% [markdown]
# ## 2 Prepare
# Each line, and the question as well, becomes two numbers: the letter, 1 to 26, and the digit, 0 to
# 9, or 10 for the question mark. As in lesson 18 we pad at the front, with zeros, so that the
# question always comes last.

# %%
train_lines, val_lines, test_lines = (
    to_numbers(lists, lesson.longest) for lists in (train_lists, val_lists, test_lists)
)
train = lesson.batches(train_lines, train_answers)
print("as numbers:", *test_lines[0].tolist())

# %% [markdown]
# ## 3 Define
# A GRU with 64 units has to keep all 20 lines in 64 numbers, because it does not know yet which
# letter will be asked for. You would not memorize the list: you would wait for the question and
# then look it up.
#
# **Attention looks it up**, in a dictionary that tolerates inexact keys. Each line has two vectors:
# a *key*, by which it is found, and a *value*, which is what it contributes. The question has a
# single vector, the *query*, which says what to look for. Then:
#
# 1. Compare the query with each key. The *score* is their *dot product*: multiply the numbers in
#    the same place and add up. The more the two vectors agree, the larger it is.
# 2. Divide the scores by √d, where d is how many numbers a key has.
# 3. `softmax` turns the scores into *attention weights*: positive numbers that sum to 1.
# 4. The output is the sum of the values, each multiplied by its weight.
#
# With queries, keys and values as the rows of matrices, that is softmax(Q·Kᵀ/√d)·V, *scaled
# dot-product attention*. An example with d = 4: the query (2, 0, 2, 0) meets three keys.
#
#     key            dot product      score      e^score   weight   value
#     (2, 0, 0, 0)   2·2       = 4    4/√4 = 2     7.4      0.117     10
#     (0, 1, 0, 1)               0           0     1.0      0.016     20
#     (2, 0, 2, 0)   2·2 + 2·2 = 8           4    54.6      0.867     30
#
# The output is 0.117·10 + 0.016·20 + 0.867·30 = 27.5, close to the value of the best match. If one
# score is far above the others, attention picks one value; if all are equal, it averages. Unlike
# the lookup in a real dictionary, this one can be differentiated: a small change of a query or a
# key changes the weights a little. So queries, keys and values can be learned.


# %%
def attend(queries, keys, values, mask=True):
    """Return the outputs, shape (..., q, v), and the weights, shape (..., q, k), of attention.

    The shapes of queries, keys and values are (..., q, d), (..., k, d) and (..., k, v). Where
    `mask` is false, the query (row) does not see the key (column).
    """
    scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2)) / keys.shape[-1] ** 0.5
    weights = ops.softmax(ops.where(mask, scores, -1e9))  # e^-1000000000 is 0
    return ops.matmul(weights, values), weights


# %% [markdown]
# **Why divide by √d?** A score is a sum of d products. If these are independent with variance 1,
# the sum has variance d, a standard deviation of √d. With d = 1,024 that is 32, so two scores would
# easily be 32 apart, and one weight would be e^32 times the other. So one random key would have
# nearly all the weight before anything was learned, and training would be very slow from there:
# where softmax gives weights near 0 or 1, its gradient is almost 0. The division brings the
# variance back to 1. (notes/attention.md measures it.)
#
# **Masks** hide keys: a huge negative score makes a weight of 0. A *padding mask* hides padding. In
# *self-attention*, every step of a sequence has a query of its own and looks at all steps of the
# same sequence. There a *causal mask* hides the future, so that each step sees only itself and
# earlier steps. A network that learns to predict the next word needs it, or it would simply look at
# the answer. Here is one for four steps:

# %%
steps = np.random.default_rng(1).normal(size=(4, 8)).astype("float32")
causal = np.tril(np.ones((4, 4), bool))  # lower triangle: the key is not later than the query
_, weights = attend(steps, steps, steps, causal)
print("weights (rows: queries, columns: keys)", ops.convert_to_numpy(weights).round(2), sep="\n")

# %% [markdown]
# **Where do queries, keys and values come from?** `layers.MultiHeadAttention(num_heads, key_dim)`
# computes them from the vectors of the steps, by dense layers without activation. It computes
# attention several times side by side, in its *heads*, with `key_dim` numbers per query, key and
# value. Each head can look for something different. A last dense layer turns the outputs of all
# heads into one vector. Called without names, its arguments are query, value and key, in this
# order. The weights that it returns have the shape (lists, heads, queries, keys).
#
# **Three networks.** All begin with one vector of 32 numbers per line, the sum of two embeddings:
# one of its letter, one of its digit. All end with a dense layer for the ten digits.
#
# - `gru` reads line by line, the question last.
# - `attention` makes one query from the question, and keys and values from the lines before it.
#   That is *cross-attention*: the query comes from elsewhere than the keys.
# - `positions` adds a third embedding to each line, that of its *position*: 0 for the first step, 1
#   for the next. (Padding counts, so the last line always has position 19.) Section 6 shows why.


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
            positions = ops.cumsum(ops.ones_like(letters), axis=1) - 1  # 0, 1, 2, ... per list
            vectors = vectors + layers.Embedding(lesson.longest + 1, 32)(positions)
        found, _ = layers.MultiHeadAttention(num_heads=1, key_dim=32, name="look")(
            query=vectors[:, -1:],  # the question
            value=vectors[:, :-1],  # the lines; the keys are made from them, too
            attention_mask=letters[:, None, :-1] > 0,  # (lists, 1 query, keys): no padding
            return_attention_scores=True,  # the weights, for section 7
        )
        found = layers.Flatten()(found)
    return keras.Model(lines, layers.Dense(10, activation="softmax")(found))


models = {name: build_model(name) for name in lesson.models}

# %% [markdown]
# ## 4 Compile
# The loss is cross-entropy, as in lesson 01. All networks get the same optimizer, with gradient
# clipping (lesson 10).

# %%
for model in models.values():
    model.compile(
        optimizer=keras.optimizers.Adam(0.003, clipnorm=1.0),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=len(train),  # return to Python once per epoch: faster
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
# We evaluate two kinds of test lists separately: in some the letter asked for was assigned once, in
# the others more than once (`again`). There are two baselines: `most_frequent` answers with the
# most frequent digit of the list, `picked` with the digit of a random line among those with the
# right letter.

# %%
letters = test_lines[:, :-1, 0]
matches = letters == test_lines[:, -1:, 0]  # the lines with the letter asked for
once = matches.sum(axis=1) == 1
probabilities = {
    name: model.predict(test_lines, batch_size=1000, verbose=0) for name, model in models.items()
}
frequent, picked = baselines(test_lines, test_answers)
right = {"most_frequent": frequent}
right |= {name: p.argmax(axis=1) == test_answers for name, p in probabilities.items()}
lesson.save_figure("lengths", lengths_figure(right, (letters > 0).sum(axis=1)))

right["picked"] = picked  # the chance that it is right
metrics, rows = {}, []
for name, values in right.items():
    kinds = {"once": values[once].mean(), "again": values[~once].mean(), "all": values.mean()}
    metrics |= {f"test_accuracy_{kind}_{name}": float(mean) for kind, mean in kinds.items()}
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
# - *The GRU* does no better than the most frequent digit. Only the question, up to 20 steps later,
#   reveals which line it should have kept, and six epochs are not enough to learn that.
# - *Attention* finds the letter, however far back it is. But if the letter was assigned more than
#   once, it does about as well as `picked`, which chooses one of its lines at random.
# - *With positions* it takes the last of them, most of the time.
#
# **To attention, the order is invisible.** A sum does not depend on the order of its terms, and
# softmax treats all scores alike: `b=2 b=5 b=?` and `b=5 b=2 b=?` give the same output. To see
# that, we shuffle the lines of every test list and compare the probabilities.

# %%
mixed = [[*draw.sample(lines[:-1], len(lines) - 1), lines[-1]] for lines in test_lists]
looking = [name for name in ("attention", "positions") if name in models]
for name in looking:
    again = models[name].predict(to_numbers(mixed, lesson.longest), batch_size=1000, verbose=0)
    metrics[f"moved_{name}"] = moved = float(np.abs(again - probabilities[name]).max())
    print(f"{name}: after shuffling, probabilities differ by at most {moved:.2g}")

# %% [markdown]
# Without positions, nothing changes but the rounding. With them, a vector is the sum of letter,
# digit and position. The key is computed from it by a dense layer, so key and score are sums, too:
# the letter's part of the score can be large for the right letter, and the position's part can grow
# from the first line to the last. The highest total then belongs to the last line with that letter.
#
# **Why it needs no recurrence.** A GRU computes its state at step 20 from that at step 19, and so
# on: 20 computations that wait for each other. Attention computes all scores in one product of
# matrices, so many processors can work at the same time. And every line is one step away from the
# question: there is no long way on which a gradient could vanish.
#
# **What it costs.** In self-attention, n queries meet n keys, so there are n² weights. For long
# sequences, twice the length means four times the work and memory; for a recurrent layer, twice.
# One training step of a layer with 20 units, for eight series of 50 to 3,200 time steps:
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
# For short series attention is faster. At 3,200 steps it has lost this lead to the LSTM, and the
# memory for the n² weights is what limits it. (The times do not follow the rule exactly: a small
# product does not keep the processor busy, and a long series no longer fits into its cache.)
#
# ## 7 Predict
# Where does the network look? A second model with the same layers returns the attention weights.

# %%
answering = lesson.longest - 1 - matches[:, ::-1].argmax(axis=1)  # the last line with the letter
shown = np.flatnonzero(matches.sum(axis=1) == 2)[:6]  # lists with two lines to choose from
drawn = {}
for name in looking:
    looker = keras.Model(models[name].input, models[name].get_layer("look").output[1])
    weights = looker.predict(test_lines, batch_size=1000, verbose=0)[:, 0, 0]  # the only head
    drawn[name] = weights[shown]
    metrics[f"weight_{name}"] = float(weights[range(len(weights)), answering][~once].mean())
    print(f"{name}: {metrics[f'weight_{name}']:.2f} of the weight is on the line with the answer")
if looking:
    lesson.save_figure("weights", weights_figure(drawn, [test_lists[i] for i in shown]))

own = ["a=1 b=2 a=3 a=?".split(), "a=1 b=2 a=3 b=?".split()]
last = lesson.models[-1]  # `finish` saves one model; we take the last
answers = models[last].predict(to_numbers(own, lesson.longest), verbose=0)
for lines, p in zip(own, answers, strict=True):
    print(*lines, f"answer: {p.argmax()}, with probability {p.max():.2f}")
lesson.finish(models[last], curves[last], training=last, **metrics)

# %% [markdown]
# In the figure each row is a list in which the letter was assigned twice, with the question on the
# left. Without positions both lines get weight, with them most of it goes to the later one.
#
# <!-- results: lesson-27-weight -->
# Where the letter was assigned again, the line with the answer has 0.41 (0.41 to 0.41) of the
# weight without positions and 0.73 (0.70 to 0.75) with them, means over the test lists, median and
# range of 3 seeds.
# <!-- end -->
#
# ## Remember
# - Attention compares a query with all keys; the output is the average of the values, weighted by
#   the softmax of the scores. Nothing has to be carried along in a state.
# - It sees a set, not a sequence: add position embeddings if the order matters, and mask what must
#   not be seen.
# - It computes all steps at once, but time and memory grow with the square of the length.
#
# On your own sequences of up to a few hundred steps, try first: one `MultiHeadAttention` with
# position embeddings. Compare it on validation data with a GRU of the same size: this task was made
# for attention, yours may not be.

# %% [markdown]
# ## Exercises
# 1. How long may a list be for the GRU? Compare `--models gru positions` with `--longest 3`, 5
#    and 10.
# 2. Give the GRU more lists and more time: `--models gru --lists 100000 --epochs 15`. Does it learn
#    to look back?
# 3. Remove the line with `attention_mask`. Does the accuracy fall? Why not, and when would it?
#
# Solutions: notes/solutions/27_attention.md
