# %% [markdown]
"""
# XOR: the smallest task that needs a hidden layer

The *exclusive or* (XOR) of two inputs is 1 if exactly one of them is 1. Draw the four possible
inputs as the corners of a square: no straight line separates the ones from the zeros. Watch a small
network bend its *decision boundary*, the line between its two answers, until it fits. From some
starting weights it never does.

Expect: of 20 starts, 18 solve it; with --activation tanh --learning-rate 0.01, 20.

    python xor/xor.py
    python xor/xor.py --hidden                     # no hidden layer: it cannot be done
    python xor/xor.py --seeds 20                   # how many of 20 starts solve it?
    python xor/xor.py --seeds 20 --activation tanh
"""

# %%
import sys
from pathlib import Path

script = globals().get("__file__", "xor.py")  # a notebook has no `__file__`
sys.path.insert(0, str(Path(script).resolve().parent.parent))  # the folder that holds common/

from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=500,
    batch_size=1,
    data="the four rows of the truth table",
    hidden=[8, 4],
    activation=["relu", "leaky_relu", "elu", "tanh", "sigmoid"],
    optimizer=["adam", "rmsprop", "sgd"],
    learning_rate=0.001,
    seeds=Flag(1, "train N networks with seeds from --seed on, count the solutions", at_most=1000),
)

import math

import keras
import numpy as np
import pandas as pd
from keras import layers
from keras.ops import convert_to_numpy

from common import plots, runs
from common.files import atomic_write
from xor import figures

# %% [markdown]
# ## 1 Load
# The truth table has four rows, and we train on all of them. There is nothing to hold out: three
# rows do not determine the fourth, so a network that has not seen it can only guess.

# %%
inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype="float32")
targets = np.array([[0], [1], [1], [0]], dtype="float32")

# %% [markdown]
# ## 2 Prepare
# The inputs are 0 and 1, so they need no scaling. A batch is a single row, and an epoch has four
# steps. For the figure we make a grid of points that covers the square and a margin around it.

# %%
steps = math.ceil(len(inputs) / lesson.batch_size)  # per epoch
across = np.linspace(-0.5, 1.5, 81, dtype="float32")
grid = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)  # (6561, 2)

# %% [markdown]
# ## 3 Define
# The output unit computes a weighted sum, and `sigmoid` maps it to a number between 0 and 1: the
# probability that the answer is 1. Without a hidden layer the decision boundary is a straight line.
# Hidden units with an activation function such as `relu` can bend it. Without one they could not: a
# weighted sum of weighted sums is again a weighted sum.


# %%
def build_model(seed: int):
    """Build a network; the seed determines its initial weights."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((2,))])
    for units in lesson.hidden:
        model.add(layers.Dense(units, activation=lesson.activation))
    model.add(layers.Dense(1, activation="sigmoid"))
    return model


def truth_table(model) -> pd.DataFrame:
    """Return the truth table with the network's probabilities and answers."""
    probabilities = model.predict(inputs, verbose=0)  # (4, 1)
    table = pd.DataFrame(inputs.astype(int), columns=["a", "b"])
    table["a xor b"] = targets.astype(int)
    table["probability of 1"] = probabilities.round(3)
    table["answer"] = (probabilities > 0.5).astype(int)
    return table


def share_right(table: pd.DataFrame) -> float:
    """Return the fraction of correct answers in a truth table: 1 if it is solved."""
    return float((table["answer"] == table["a xor b"]).mean())


model = build_model(lesson.seed)
model.summary()
print("before training:")
print(truth_table(model).to_string(index=False))

# %% [markdown]
# ## 4 Compile
# The loss is the binary cross-entropy of lesson 02: -log(p) if the answer is 1 and -log(1 - p) if
# it is 0, where p is the predicted probability of a 1. If p is always 0.5, that is log(2) = 0.693.


# %%
def compile_model(model) -> None:
    """Give a network its optimizer, loss and metric."""
    optimizer = keras.optimizers.get(lesson.optimizer)
    optimizer.learning_rate = lesson.learning_rate
    model.compile(
        optimizer=optimizer,
        loss="binary_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps,  # a whole epoch in one call: faster
    )


# %% [markdown]
# ## 5 Fit
# We write a callback of our own (lesson 02). It stores the weights before the training and at 48
# moments of it, so that we can draw afterwards what the network said at each of them.


# %%
class Snapshots(keras.callbacks.Callback):
    """Stores the weights before the training and after each 48th of it, for the figures."""

    def __init__(self):
        super().__init__()
        self.epochs, self.weights = [], []

    def on_train_begin(self, logs=None):
        self.moments = [round(lesson.epochs * part / 48) for part in range(1, 49)]
        self.store(0)

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 in self.moments:
            self.store(epoch + 1)

    def store(self, epoch):
        self.epochs.append(epoch)
        self.weights += self.model.get_weights()


def train(seed: int, *callbacks, progress: bool = False):
    """Train a new network; return the network and its history."""
    model = build_model(seed)
    compile_model(model)
    history = model.fit(
        lesson.batches(inputs, targets, seed=seed, repeat=True),  # endless, as epochs are short
        steps_per_epoch=steps,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(
            *callbacks, training=f"seed-{seed}", seed=seed, progress=progress
        ),
        verbose=0,
    )
    return model, history.history


snapshots = Snapshots()
model, history = train(lesson.seed, snapshots, progress=True)

# %% [markdown]
# ## 6 Evaluate
# The accuracy that `fit` reports is an average over the epoch, in which the weights change after
# every row. So we evaluate all four rows again, with the final weights. In the figure blue stands
# for 0 and red for 1. The black line, where the probability is 0.5, is the decision boundary. Open
# `decision.gif` in a browser to see it move.

# %%
print("after training:")
table = truth_table(model)
print(table.to_string(index=False))
accuracy = share_right(table)
surfaces, arrays = {}, len(model.weights)  # surfaces by epoch
for number, epoch in enumerate(snapshots.epochs):  # the last weights are the model's own
    model.set_weights(snapshots.weights[number * arrays : (number + 1) * arrays])
    surfaces[epoch] = convert_to_numpy(model(grid)).reshape(81, 81)
sixths = {round(lesson.epochs * part / 6) for part in range(1, 7)}
sixths = {epoch: surface for epoch, surface in surfaces.items() if epoch in sixths}
lesson.save_figure("decision_surface", figures.decision_surfaces(sixths, across, inputs, targets))
with atomic_write(lesson.folder / "decision.gif") as file:
    figures.save_animation(file, surfaces, across, inputs, targets)
lesson.tell("animation", "decision.gif")

# %% [markdown]
# ## 7 Predict
# Success depends on the random starting weights. `--seeds 20` trains 20 networks, each from other
# weights, and counts those that solve the task. In their table, `last_mistake` is the last epoch
# with a wrong answer. The table at the end lists the settings that you have tried with several
# seeds.
#
# A hidden `relu` unit that outputs 0 for all four rows is a *dead unit*: its gradient is 0 too, so
# its weights no longer change. (In a later hidden layer it can recover if its inputs change.) If
# too many units die, the rest cannot solve the task.


# %%
def describe_start(seed: int, model, history: dict) -> dict:
    """Describe a trained network as a row of the table."""
    mistakes = [epoch for epoch, value in enumerate(history["accuracy"], 1) if value < 1]
    outputs, dead = inputs, 0
    for layer in model.layers[:-1]:
        outputs = convert_to_numpy(layer(outputs))  # (4, units)
        dead += int((outputs == 0).all(axis=0).sum())
    return {
        "seed": seed,
        "solved": share_right(truth_table(model)) == 1,
        "last_mistake": mistakes[-1] if mistakes else 0,
        "loss": history["loss"][-1],
        "dead_units": dead,
    }


starts, losses = [describe_start(lesson.seed, model, history)], {lesson.seed: history["loss"]}
for seed in range(lesson.seed + 1, lesson.seed + lesson.seeds):
    other, other_history = train(seed)
    starts.append(describe_start(seed, other, other_history))
    losses[seed] = other_history["loss"]
    print(f"seed {seed}: {'solved' if starts[-1]['solved'] else 'not solved'}", flush=True)
starts = pd.DataFrame(starts)
solved = int(starts.solved.sum())
if lesson.seeds > 1:
    figure, axes = plots.new_figure()
    for values, right in zip(losses.values(), starts.solved, strict=True):
        plots.draw_curve(axes, values, "", "tab:blue" if right else "tab:red")
    axes.plot([], [], color="tab:blue", label=f"solved: {solved}")
    axes.plot([], [], color="tab:red", label=f"not solved: {lesson.seeds - solved}")
    axes.set(xlabel="epoch", ylabel="loss", title=f"training loss with {lesson.seeds} seeds")
    axes.legend()
    lesson.save_figure("starts", figure)
    lesson.save_table("starts", starts.round({"loss": 4}))
lesson.finish(
    model,
    history,
    training=f"seed-{lesson.seed}",
    accuracy=accuracy,
    solved=solved,
    last_mistake=starts.last_mistake[0],
)
print(f"\n{solved} of {lesson.seeds} solved")
settings = [
    {
        **record["flags"],
        "solved": f"{record['metrics']['solved']:.0f} of {record['flags']['seeds']}",
    }
    for record in runs.finished_runs(lesson.out, "xor")
    if record["flags"]["seeds"] > 1
]
columns = ["hidden", "activation", "optimizer", "learning_rate", "epochs", "batch_size", "solved"]
if settings:
    print("all settings tried so far with several seeds:")
    print(pd.DataFrame(settings, columns=columns).to_string(index=False))
