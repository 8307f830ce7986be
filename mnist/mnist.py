# %% [markdown]
"""
# MNIST: which digit did they write? Twelve networks answer

Twelve models for one task, from one hidden layer to convolutions with augmented images. Most differ
from a sibling in one idea. Every run adds to a report that compares them; README.md tells what they teach.

    python mnist/mnist.py                          mlp_one_layer
    python mnist/mnist.py -m conv_net              another one
    python mnist/mnist.py -m conv_net_fast         as good, in 7 epochs instead of 60
    python mnist/mnist.py -m all                   one after the other; stop with Ctrl-C,
    python mnist/mnist.py -m all --resume          go on
    python mnist/mnist.py --report                 compare the runs so far
    python mnist/mnist.py -m conv_net --dataset fashion_mnist
"""

# %%
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # there common/ and mnist/ are

from common.cli import LessonParser, share_or_zero
from common.precision import PRECISIONS, choose_precision
from mnist import report
from mnist.recipes import NAMES, SCHEDULES, fill_in

parser = LessonParser("mnist", __doc__, epochs=60, batch_size=256)
parser.set_defaults(epochs=None)  # 60, but some models have their own: mnist/recipes.py
parser.add_choice("-m", "--model", choices=[*NAMES, "all"], default=NAMES[0],
    help=f"one of {', '.join(NAMES)}, or all (default {NAMES[0]})", metavar="MODEL")  # fmt: skip
parser.add_experiment("--dataset", choices=["mnist", "fashion_mnist"], default="mnist",
    help="digits or pieces of clothing (default mnist)")  # fmt: skip
parser.add_experiment("--optimizer", choices=["adam", "rmsprop", "sgd"], default="adam",
    help="how the weights are changed (default adam)")  # fmt: skip
parser.add_training_flag("--schedule", choices=SCHEDULES,
    help="of the learning rate (default constant; fast and best: one_cycle)")  # fmt: skip
parser.add_training_flag("--label-smoothing", type=share_or_zero, metavar="SHARE",
    help="teach this much doubt (default 0; best: 0.05)")  # fmt: skip
parser.add_training_flag("--precision", choices=PRECISIONS, default="auto",
    help="bits to compute in; auto: 16 if the processor can, else 32 (default auto)")  # fmt: skip
parser.add_argument("--report", action="store_true", help="only write the report of all runs")
args = parser.read_args()
args.precision = choose_precision(args.precision)
if args.report:
    report.write(args.out)
    raise SystemExit
if args.model == "all":
    from mnist.run_all import run_all

    raise SystemExit(run_all(NAMES, args))
fill_in(args)
parser.start()  # Keras; only now, so that the above is answered at once

import keras
import numpy as np
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from common import plots
from common.batches import shuffled_batches
from common.run import Run
from mnist.models import MODELS

run = Run(args)  # sets the seed, keeps the record and the figures

# %% [markdown]
# ## 1 Load
# 70,000 grey images of 28x28 pixels, values 0 to 255, each with a label from 0 to 9. Convolutions
# expect a last axis for the colours: here there is one.

# %%
if args.dataset == "mnist":
    CLASS_NAMES = list("0123456789")
else:
    CLASS_NAMES = ["T-shirt", "trouser", "pullover", "dress", "coat",
                   "sandal", "shirt", "sneaker", "bag", "ankle boot"]  # fmt: skip

(train_images, train_labels), (test_images, test_labels) = run.load_dataset(args.dataset)
train_images, test_images = train_images[..., np.newaxis], test_images[..., np.newaxis]

# %% [markdown]
# ## 2 Prepare
# A tenth of the training images is held out for validation. The figures that others published (see
# README.md) were validated on the test images; ours use them neither to train nor to choose.
#
# To smooth labels (step 4) each becomes a row of ten numbers, of which one is 1: *one-hot* labels.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images, train_labels, test_size=0.1, random_state=args.seed, stratify=train_labels
)
targets = [train_labels, val_labels, test_labels]
if args.label_smoothing:
    targets = [np.eye(10, dtype="float32")[labels] for labels in targets]  # 2: 0 0 1 0 0 0 0 0 0 0
train_targets, val_targets, test_targets = targets
train = shuffled_batches(
    train_images, train_targets, args.batch_size, seed=args.seed, first_epoch=run.first_epoch
)
print(
    f"{len(train_images)} images to train, {len(val_images)} to validate, {len(test_images)} to test"
)

# %% [markdown]
# ## 3 Define
# The model is a function in models.py: read it beside its siblings. The summary shows the shape
# that leaves each layer, without the number of images (None), and the layer's parameters.
#
# With 16 bits the layers multiply `bfloat16` numbers: as large and as small as 32-bit ones, with two
# to three significant digits instead of seven. The weights themselves are kept in 32 bits, or many
# small steps would be rounded away.

# %%
keras.config.set_dtype_policy("mixed_bfloat16" if args.precision == "bfloat16" else "float32")
mirrored = args.model == "conv_net_best" and args.dataset == "fashion_mnist"
model = MODELS[args.model](clothing=True) if mirrored else MODELS[args.model]()
lines = []
model.summary(print_fn=lines.append)
run.save_text("summary", "\n".join(lines))

# %% [markdown]
# ## 4 Compile
# One label out of ten: softmax and (sparse) categorical cross-entropy. Sigmoid would be for labels
# that do not exclude each other.
#
# *Label smoothing* asks for a little less than certainty: with 0.05, for 0.955 at the right digit and
# 0.005 at each other one. To come ever closer to 1 a network would have to make its weights ever
# larger; now that no longer pays.
#
# The learning rate is the size of the steps. At a constant one training never settles: the last
# steps are as large as the first. `one_cycle` begins with small steps, since the first gradients
# are wild, grows them to three times the usual size in three tenths of the time, and shrinks them to 0
# along half a wave of the cosine. With it the optimizer also keeps a running average of the weights
# (*EMA*, exponential moving average) over about the last twentieth of the steps; when `fit` ends,
# the average becomes the model. The end of training is then its best moment.

# %%
optimizer = keras.optimizers.get(args.optimizer)
if args.schedule == "one_cycle":
    steps = train.steps_per_epoch * args.epochs
    peak = 3 * float(optimizer.learning_rate)
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 10, warmup_steps=0.3 * steps, warmup_target=peak, decay_steps=0.7 * steps
    )
    optimizer = type(optimizer)(rate, use_ema=True, ema_momentum=max(0, 1 - 20 / steps))
loss = "sparse_categorical_crossentropy"
if args.label_smoothing:  # for labels as rows
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=args.label_smoothing)
model.compile(
    optimizer=optimizer,
    loss=loss,
    metrics=["accuracy"],
    steps_per_execution=train.steps_per_execution,
)

# %% [markdown]
# ## 5 Fit
# `ModelCheckpoint` keeps the model of the best epoch so far, by its validation accuracy. The last
# one is kept as `model.keras`.

# %%
best = keras.callbacks.ModelCheckpoint(
    str(run.folder / "best.keras"), monitor="val_accuracy", mode="max", save_best_only=True
)
history = model.fit(
    train.dataset,
    steps_per_epoch=train.steps_per_epoch,
    shuffle=False,  # the batches come shuffled
    validation_data=(val_images, val_targets),
    validation_batch_size=250,
    epochs=args.epochs,
    initial_epoch=run.first_epoch,
    callbacks=run.callbacks(best),
    verbose=2,
)

# %% [markdown]
# ## 6 Evaluate
# The figure to compare is that of the last epoch, as the published ones are. The model of the best
# epoch is measured too: is it better on images that did not choose it?
#
# A coat in the mirror is a coat. A network that has learnt with mirror images can look at both, and
# the mean of its two answers is right more often (*test-time augmentation*).

# %%
test = model.evaluate(test_images, test_targets, batch_size=250, verbose=0, return_dict=True)
model.steps_per_execution = 1  # to predict many batches in one call takes more memory
looks = [test_images, test_images[:, :, ::-1]] if mirrored else [test_images]
probabilities = np.mean(  # of shape (images, 10)
    [model.predict(look, batch_size=250, verbose=0) for look in looks], axis=0
)
predicted_labels = probabilities.argmax(axis=1)
best_model = keras.models.load_model(run.folder / "best.keras", compile=False)
labels_of_best = best_model.predict(test_images, batch_size=250, verbose=0).argmax(axis=1)
run.save_text(
    "classification_report",
    classification_report(
        test_labels, predicted_labels, target_names=CLASS_NAMES, digits=4, zero_division=0
    ),
)
figure = plots.confusion_matrix(test_labels, predicted_labels, CLASS_NAMES)
run.save_figure("confusion_matrix", figure)

# %% [markdown]
# ## 7 Predict
# The mistakes that the model was surest of. Some of these images would puzzle a person too.

# %%
confidence = probabilities.max(axis=1)
mistakes = np.flatnonzero(predicted_labels != test_labels)
surest = mistakes[np.argsort(-confidence[mistakes], kind="stable")][:25]
titles = [
    f"{CLASS_NAMES[predicted_labels[i]]} {confidence[i]:.0%}\n(is {CLASS_NAMES[test_labels[i]]})"
    for i in surest
]
if titles:  # a small test set may have none
    run.save_figure("mistakes", plots.image_grid(test_images[surest, ..., 0], titles))

val_accuracy = history.history["val_accuracy"]
run.save(
    model,
    history.history,
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
    **({"test_accuracy_two_looks": np.mean(predicted_labels == test_labels)} if mirrored else {}),
    val_accuracy=val_accuracy[-1],
    best_epoch=1 + int(np.argmax(val_accuracy)),
    test_accuracy_of_best=np.mean(labels_of_best == test_labels),
)
report.write(args.out)
