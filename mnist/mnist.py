# %% [markdown]
"""
# MNIST: which digit did they write? Twelve networks answer

Twelve models for one task, from one hidden layer to convolutions with augmented images. Most differ
from a sibling in one idea. Every run adds to a report that compares them; README.md tells what they teach.

    python mnist/mnist.py                          mlp_one_layer
    python mnist/mnist.py -m conv_net              another one
    python mnist/mnist.py -m conv_net_fast         as good, in 5 epochs instead of 60
    python mnist/mnist.py -m all                   one after the other; stop with Ctrl-C,
    python mnist/mnist.py -m all --resume          go on
    python mnist/mnist.py --report                 compare the runs so far
    python mnist/mnist.py -m conv_net --dataset fashion_mnist
"""

# %%
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # there common/ and mnist/ are

from mnist import report
from mnist.flags import read_flags

args = read_flags(__doc__)  # and start Keras; it does -m all and --report as well

import keras
import numpy as np
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from common import plots
from common.batches import ordered_batches, shuffled_batches
from common.callbacks import ModelCheckpoint
from common.convolutions import quicken_convolutions
from common.run import Run
from mnist.models import MODELS, conv_net_best_of_clothing
from mnist.recipes import is_best_of_clothing

run = Run(args)  # sets the seed, keeps the record and the figures

# %% [markdown]
# ## 1 Load
# 70,000 grey images of 28x28 pixels, values 0 to 255, each with a label from 0 to 9. Convolutions
# expect a last axis for the colours: here there is one.

# %%
if args.dataset == "mnist":
    CLASS_NAMES = list("0123456789")
else:
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
# small steps would be rounded away. On some processors TensorFlow is slow at one part of that;
# `quicken_convolutions` computes it another way, with the same result but for rounding.

# %%
keras.config.set_dtype_policy("mixed_bfloat16" if args.precision == "bfloat16" else "float32")
best_of_clothing = is_best_of_clothing(args)
model = conv_net_best_of_clothing() if best_of_clothing else MODELS[args.model]()
quicken_convolutions(model)
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
# The learning rate is the size of the steps. At a constant one training never fsyncs: the last
# steps are as large as the first. `one_cycle` begins with small steps, since the first gradients
# are wild, grows them to `--peak` times the usual size in three tenths of the time, and shrinks them
# to 0 along half a wave of the cosine. With it the optimizer also keeps a running average of the weights
# (*EMA*, exponential moving average) over about the last twentieth of the steps; when `fit` ends,
# the average becomes the model. The end of training is then its best moment.

# %%
optimizer = keras.optimizers.get(args.optimizer)
if args.schedule == "one_cycle":
    steps = train.steps_per_epoch * args.epochs
    peak = args.peak * float(optimizer.learning_rate)
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 10, warmup_steps=0.3 * steps, warmup_target=peak, decay_steps=0.7 * steps
    )
    window = max(1, steps / 20)  # of the average, in steps
    optimizer = type(optimizer)(rate, use_ema=True, ema_momentum=1 - 1 / window)
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
# one is kept as `model.keras`. (It is Keras' callback, but the file stays whole at every moment.)

# %%
best = ModelCheckpoint(
    run.folder / "best.keras", monitor="val_accuracy", mode="max", save_best_only=True
)
history = model.fit(
    train.dataset,
    steps_per_epoch=train.steps_per_epoch,
    shuffle=False,  # the batches come shuffled
    validation_data=ordered_batches(val_images, val_targets, 250),
    epochs=args.epochs,
    initial_epoch=run.first_epoch,
    callbacks=run.callbacks(best),
    verbose=2,
)

# %% [markdown]
# ## 6 Evaluate
# The figure to compare is that of the last epoch, as the published ones are. The model of the best
# epoch is measured too: is it better on images that did not choose it? (With `one_cycle` it holds the
# weights of a single step, not their average.)
#
# Only for conv_net_best on clothing: a coat in the mirror is a coat, and so is one that stands a pixel
# further left. The network has learnt with such images. So it looks at each in five places, and in the
# mirror, and the mean of its ten answers counts (*test-time augmentation*).

# %%
del train, train_images  # 42 MB that are no longer needed
val = model.evaluate(val_images, val_targets, batch_size=250, verbose=0, return_dict=True)
test = model.evaluate(test_images, test_targets, batch_size=250, verbose=0, return_dict=True)
looks = [test_images]
if best_of_clothing:
    framed = np.pad(test_images, [(0, 0), (1, 1), (1, 1), (0, 0)])  # 30x30 pixels
    corners = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]  # of 28x28 pixels within
    looks = [framed[:, row : row + 28, column : column + 28] for row, column in corners]
    looks += [look[:, :, ::-1] for look in looks]
model.steps_per_execution = 1  # to predict many batches in one call takes more memory
probabilities = np.mean(  # of shape (images, 10)
    [model.predict(look, batch_size=250, verbose=0) for look in looks], axis=0
)
predicted_labels = probabilities.argmax(axis=1)
more_looks = {"test_accuracy_ten_looks": np.mean(predicted_labels == test_labels)}
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

run.save(
    model,
    history.history,
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
    **(more_looks if best_of_clothing else {}),
    val_accuracy=val["accuracy"],
    best_epoch=1 + int(np.argmax(history.history["val_accuracy"])),
    test_accuracy_of_best=np.mean(labels_of_best == test_labels),
)
report.write(args.out)
