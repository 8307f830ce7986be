# %% [markdown]
"""
# 01 Fashion-MNIST: which piece of clothing is this?

A small network looks at 54,000 pictures of clothing and learns to name ten kinds. On the way we
meet the seven steps that every lesson has: load, prepare, define, compile, fit, evaluate and
predict.

Expect test accuracy 0.880 (0.879 to 0.884): the median and the range of three seeds. A seed is
the number that all random draws start from. TensorFlow's own tutorial reports about 0.88.

    python 01_fashion_mnist_classification.py
    python 01_fashion_mnist_classification.py --hidden 300 100 --optimizer sgd --epochs 30
"""

# %%
from common.cli import LessonParser, whole_number

parser = LessonParser("01_fashion_mnist_classification", __doc__, epochs=10, batch_size=32)
parser.add_experiment(
    "--hidden",
    nargs="*",
    type=whole_number(1),
    default=[128],
    metavar="UNITS",
    help="units of each hidden layer (default 128)",
)
parser.add_experiment(
    "--optimizer",
    choices=["adam", "rmsprop", "sgd"],
    default="adam",
    help="how the weights are changed (default adam)",
)
args = parser.parse_args()  # before the imports below, so that --help answers at once

import keras
import numpy as np
from keras import layers
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from common import plots
from common.batches import shuffled_batches
from common.run import Run

run = Run(args)  # sets the seed, keeps the record and the figures

# %% [markdown]
# ## 1 Load
# Grey pictures of 28x28 pixels, each with a label from 0 to 9. Always look at data before you
# train on it: at the shapes, at the range of the values, and at some of the pictures.

# %%
CLASS_NAMES = [
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
]

(train_images, train_labels), (test_images, test_labels) = run.load_dataset("fashion_mnist")
print(
    f"training images: {train_images.shape} {train_images.dtype}, "
    f"values {train_images.min()} to {train_images.max()}"
)
print(f"test images:     {test_images.shape} {test_images.dtype}")
print("training images of each kind:", np.bincount(train_labels, minlength=10))
titles = [CLASS_NAMES[label] for label in train_labels[:25]]
run.save_figure("samples", plots.image_grid(train_images[:25], titles))

# %% [markdown]
# ## 2 Prepare
# A tenth of the training images is held out as *validation data*: we watch it while we train. The
# test images wait until the end. If you chose settings by the test images, their score would no
# longer tell how well the network does on new pictures.
#
# An *epoch* is one pass over the training images, a *batch* the 32 images of one step.
# `model.fit(train_images, train_labels, batch_size=32)` would do. But once a seed is set, it shows
# the images in the same order in every epoch. `shuffled_batches` draws a new order for each epoch.
# Its batches never end; `steps_per_epoch` says how many make one epoch.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images,
    train_labels,
    test_size=0.1,
    random_state=args.seed,
    stratify=train_labels,  # the same share of each kind in both parts
)
train = shuffled_batches(
    train_images, train_labels, args.batch_size, seed=args.seed, first_epoch=run.first_epoch
)

# %% [markdown]
# ## 3 Define
# `Rescaling` brings the pixels from 0..255 to 0..1; until then they stay bytes, a quarter of the
# memory of 32-bit floats. `Flatten` lays the 28x28 pixels out as a row of 784 numbers. Each unit of
# a `Dense` layer multiplies every number by a weight of its own and adds the products and a bias;
# `relu` replaces a negative sum by 0. The last layer gives one score for each kind, and `softmax`
# turns ten scores into ten probabilities.
#
# Count the weights by hand and compare with the summary. With one layer of 128 units:
# 784·128 + 128 = 100,480 and 128·10 + 10 = 1,290. With `--hidden 300 100`:
# 784·300 + 300 = 235,500, then 300·100 + 100 = 30,100, then 100·10 + 10 = 1,010.

# %%
model = keras.Sequential([keras.Input((28, 28), dtype="uint8"), layers.Rescaling(1 / 255)])
model.add(layers.Flatten())
for units in args.hidden:
    model.add(layers.Dense(units, activation="relu"))
model.add(layers.Dense(10, activation="softmax"))
model.summary()

# %% [markdown]
# ## 4 Compile
# The *loss* is what training makes smaller. *Cross-entropy* is small when the true kind gets a high
# probability; *sparse* means that labels are numbers (3), not rows such as 0 0 0 1 0 0 0 0 0 0.
#
# One step of training: take a batch, compute its loss, find for every weight the direction in which
# the loss falls, and move the weight a little that way. The *optimizer* decides how far; `adam` is
# a good first choice. Accuracy, the share of right answers, is what we want to know, but it cannot
# be followed like that: a tiny change of a weight almost never changes it.

# %%
model.compile(
    optimizer=args.optimizer,
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=train.steps_per_execution,  # many steps in one call: fast
)

# %% [markdown]
# ## 5 Fit
# Compare the training and the validation figures of an epoch. Where training goes on improving and
# validation does not, the network *overfits*: it learns these images by heart.

# %%
history = model.fit(
    train.dataset,
    steps_per_epoch=train.steps_per_epoch,
    shuffle=False,  # the batches come shuffled
    validation_data=(val_images, val_labels),
    epochs=args.epochs,
    initial_epoch=run.first_epoch,  # 0, unless --resume continues a stopped run
    callbacks=run.callbacks(),  # what runs after every epoch: timer and checkpoints
    verbose=2,  # one line an epoch
)

# %% [markdown]
# ## 6 Evaluate
# Only now do we use the test images. For each kind the report gives *precision*, of the images that
# got this name the share that deserve it, and *recall*, of the images of this kind the share that
# got the name. The f1-score combines both; support counts the images. In the confusion matrix a row
# is the true kind, a column the answer: shirts, T-shirts, pullovers and coats are often confused.

# %%
test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
probabilities = model.predict(test_images, batch_size=1000, verbose=0)  # (images, 10)
predicted_labels = probabilities.argmax(axis=1)
print(
    classification_report(
        test_labels, predicted_labels, target_names=CLASS_NAMES, digits=3, zero_division=0
    )
)
figure = plots.confusion_matrix(test_labels, predicted_labels, CLASS_NAMES)
run.save_figure("confusion_matrix", figure)

# %% [markdown]
# ## 7 Predict
# For each test image `predict` gave ten probabilities. We print the three highest of one image and
# show the answers to 25, the wrong ones in red with the true name below. Is the network less sure where it
# is wrong? Not always: a high probability is no promise.
#
# `run.save` draws loss and accuracy of every epoch, saves the model and prints the test figures.

# %%
highest = probabilities[0].argsort()[::-1][:3]
answers = [f"{CLASS_NAMES[i]} {probabilities[0, i]:.3f}" for i in highest]
print("first test image:", ", ".join(answers))
titles, colors = [], []
for row, truth in zip(probabilities[:25], test_labels[:25], strict=True):
    answer = row.argmax()
    right = answer == truth
    below = "" if right else f"\n(is {CLASS_NAMES[truth]})"
    titles.append(f"{CLASS_NAMES[answer]} {row[answer]:.0%}{below}")
    colors.append(plots.RIGHT if right else plots.WRONG)
run.save_figure("predictions", plots.image_grid(test_images[:25], titles, colors))
run.save(model, history.history, test_loss=test["loss"], test_accuracy=test["accuracy"])

# %% [markdown]
# ## Exercises
# 1. How many weights has the network of `--hidden 300 100`? Count first, then look at the summary.
# 2. Take the hidden layer away with `--hidden`. What is lost, and what is not?
# 3. Which two kinds are taken for each other most often? Let a short script find out from the saved
#    model.
#
# Solutions: notes/solutions/01_fashion_mnist_classification.md
