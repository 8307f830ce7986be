# %% [markdown]
"""
# 11 Transfer learning: what you know of one task helps with the next

A network learns the digits 0 to 4 from thousands of pictures. Its convolutions then know strokes and
bends, and these are in the digits 5 to 9 too. How many pictures of those does it still need? We compare
a network that starts from nothing with one that keeps what it knows, and then let that change a little.

Expect test accuracy 0.936 (0.893 to 0.939) from ten pictures of each digit, and 0.876 (0.829 to
0.884) without what was learnt before: medians and ranges of three seeds.

    python 11_transfer_learning.py
    python 11_transfer_learning.py --imagenet cat.jpg    a large network that others have trained
"""

# %%
from pathlib import Path

from common.flags import LessonParser, whole_number

parser = LessonParser("11_transfer_learning", __doc__, epochs=3, batch_size=64)
parser.add_experiment(
    "--steps",
    type=whole_number(1),
    default=400,
    metavar="N",
    help="steps of each training of the second task (default 400)",
)
parser.add_argument(
    "--imagenet",
    type=Path,
    metavar="PICTURE",
    help="name what is on this picture, by a network trained on ImageNet, and end",
)
parser.add_argument(
    "--network",
    choices=["MobileNetV2", "ResNet50"],
    default="MobileNetV2",
    help="for --imagenet (default MobileNetV2: 14 MB to download; ResNet50: 103 MB)",
)
args = parser.parse_args()  # before the imports below, so that --help answers at once

import keras
import numpy as np
import pandas as pd
from common.imagenet import name_picture
from keras import layers
from sklearn.model_selection import train_test_split

from common import plots
from common.batches import shuffled_batches
from common.callbacks import OneLineProgress
from common.run import Run

if args.imagenet:
    name_picture(args.imagenet, args.network)
    raise SystemExit
run = Run(args)  # sets the seed, keeps the record and the figures

# %% [markdown]
# ## 1 Load
# Handwritten digits. The first task has the digits 0 to 4, the second 5 to 9, which become the labels 0 to 4.

# %%
(train_images, train_labels), (test_images, test_labels) = run.load_dataset("mnist")


def digits(images, labels, first: int):
    """Keep five digits from `first` on; their labels become 0 to 4."""
    chosen = (labels >= first) & (labels < first + 5)
    return images[chosen, ..., np.newaxis], labels[chosen] - first


low_images, low_labels = digits(train_images, train_labels, 0)
high_images, high_labels = digits(train_images, train_labels, 5)
test_images, test_labels = digits(test_images, test_labels, 5)

# %% [markdown]
# ## 2 Prepare
# For the first task a tenth is held out for validation. For the second we pretend to have 10, 100 or
# 1,000 pictures of each digit. These are too few to hold some out, so nothing could tell us when to stop: the number of
# steps is fixed beforehand.

# %%
low_images, val_images, low_labels, val_labels = train_test_split(
    low_images, low_labels, test_size=0.1, random_state=args.seed, stratify=low_labels
)
fewest = int(np.bincount(high_labels, minlength=5).min())
SIZES = [size for size in (10, 100, 1000) if size <= fewest] or [fewest]


def take(size: int):
    """Draw `size` pictures of each digit of the second task; the larger sets hold the smaller ones."""
    random = np.random.default_rng(args.seed)
    places = [random.permutation(np.flatnonzero(high_labels == label))[:size] for label in range(5)]
    places = np.concatenate(places)
    return high_images[places], high_labels[places]


few_images, few_labels = take(SIZES[0])
titles = [str(label + 5) for label in few_labels]
run.save_figure("few", plots.image_grid(few_images[..., 0], titles, columns=10))


# %% [markdown]
# ## 3 Define
# A *convolution* slides a window of 3x3 weights, a *filter*, over the picture; at each place it gives the weighted
# sum. 32 filters make 32 new pictures, the *channels* that the next layer sees. *Pooling* keeps the largest of each
# 2x2 pixels.
#
# The network has two parts. The *features*, convolutions and pooling, turn a picture into 5·5·64 = 1,600 numbers
# that say where which strokes are. The *head*, two dense layers, turns them into an answer. The features go to the
# next task; the head does not, for its five answers mean other digits now.


# %%
def build_features():
    """Build the part that is kept."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
        ],
        name="features",
    )


def with_head(features):
    """Put a new head on the features."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        features,
        layers.Dense(64, activation="relu"),
        layers.Dense(5, activation="softmax"),
    ])


features = build_features()
model = with_head(features)
model.summary(expand_nested=True)

# %% [markdown]
# ## 4 Compile
# `trainable = False` freezes a layer or a whole part: its weights are left out of training. It counts from the
# next `compile` on.


# %%
def compile_model(model, train, rate=0.001):
    """Make a model ready to train at a learning rate."""
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=train.steps_per_execution,  # a whole epoch in one call: fast
    )


# %% [markdown]
# ## 5 Fit
# The first task, with all pictures.

# %%
train = shuffled_batches(
    low_images, low_labels, args.batch_size, seed=args.seed, first_epoch=run.first_epoch
)
compile_model(model, train)
history = model.fit(
    train.dataset,
    steps_per_epoch=train.steps_per_epoch,
    shuffle=False,  # the batches come shuffled
    validation_data=(val_images, val_labels),
    validation_batch_size=1000,
    epochs=args.epochs,
    initial_epoch=run.first_epoch,  # 0, unless --resume continues a stopped run
    callbacks=run.callbacks(),
    verbose=2,
)
learnt = features.get_weights()

# %% [markdown]
# The second task, three ways:
#
# - **from nothing**: new features, a new head, everything learns;
# - **frozen**: the features of the first task stay as they are, only a new head learns;
# - **fine-tuned**: the frozen one goes on with everything unfrozen, at a tenth of the rate, so that the
#   features change a little and are not forgotten.
#
# Fine-tuning comes on top of the frozen training; so that from nothing has as many steps, it gets twice as many.


# %%
def fit_few(name, model, size, rate=0.001, steps=args.steps):
    """Train a model on a few pictures of each digit; return its test accuracy."""
    print(f"{name}, {size} pictures of each digit")
    training = run.training(f"{name}-{size}")
    images, labels = take(size)
    train = shuffled_batches(
        images, labels, args.batch_size, seed=args.seed, first_epoch=training.first_epoch
    )
    compile_model(model, train, rate)
    curves[f"{name}-{size}"] = model.fit(
        train.dataset,
        steps_per_epoch=train.steps_per_epoch,
        shuffle=False,
        epochs=-(-steps // train.steps_per_epoch),
        initial_epoch=training.first_epoch,
        callbacks=training.callbacks(OneLineProgress()),
        verbose=0,
    ).history
    test = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0, return_dict=True)
    return test["accuracy"]


rows, curves = [], {}
for size in SIZES:
    keras.utils.set_random_seed(args.seed)
    accuracy = {
        "from nothing": fit_few(
            "from-nothing", with_head(build_features()), size, steps=2 * args.steps
        )
    }
    known = build_features()
    known.set_weights(learnt)
    known.trainable = False
    second = with_head(known)
    accuracy["frozen"] = fit_few("frozen", second, size)
    known.trainable = True
    accuracy["fine-tuned"] = fit_few("fine-tuned", second, size, rate=0.0001)
    rows.append({"pictures of each digit": size, **accuracy})

# %% [markdown]
# ## 6 Evaluate
# With ten pictures of each digit, what was learnt from the other digits brings 0.893 instead of 0.829. With a hundred
# it is 0.972 instead of 0.961, with a thousand 0.989 both times: who has enough pictures needs no transfer.
# Fine-tuning hardly changes anything here (0.889, 0.972, 0.989): the few pictures were learnt by heart before. (These
# are the figures of seed 42.)

# %%
val = model.evaluate(val_images, val_labels, batch_size=1000, verbose=0, return_dict=True)
table = pd.DataFrame(rows)
run.save_table("transfer", table.round(4))
figure, axes = plots.new_figure()
for way in ["from nothing", "frozen", "fine-tuned"]:
    axes.plot(table["pictures of each digit"], table[way], marker="o", label=way)
axes.set(
    xscale="log",
    xlabel="pictures of each digit",
    ylabel="test accuracy",
    title="the digits 5 to 9, learnt after 0 to 4",
)
axes.legend()
axes.grid(alpha=0.3)
run.save_figure("transfer", figure)

# %% [markdown]
# ## 7 Predict
# The fine-tuned network with the most pictures answers for some test pictures. It is the one that is kept.

# %%
guesses = second.predict(test_images[:25], verbose=0).argmax(axis=1) + 5
titles = [
    f"{guess}" + (f" (is {label + 5})" if guess != label + 5 else "")
    for guess, label in zip(guesses, test_labels, strict=False)
]
run.save_figure("predictions", plots.image_grid(test_images[:25, ..., 0], titles))
last = f"fine-tuned-{SIZES[-1]}"
run.save(
    second,
    curves[last],
    training=last,
    val_accuracy=val["accuracy"],
    **{
        f"test_accuracy_{way.replace(' ', '_').replace('-', '_')}_{row['pictures of each digit']}": row[
            way
        ]
        for row in rows
        for way in ("from nothing", "frozen", "fine-tuned")
    },
)

# %% [markdown]
# ## Exercises
# 1. Do features that have learnt the first task for longer transfer better?
# 2. And if the first task has only few pictures, `--limit 600`? (For the second there are some 40 of each
#    digit then.)
# 3. What does a network trained on ImageNet, 1.3 million photos of 1,000 kinds of things, say about a photo of
#    yours?
#
# Solutions: notes/solutions/11_transfer_learning.md
