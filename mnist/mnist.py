# %% [markdown]
"""
# MNIST: which digit is this? Twelve networks answer

Twelve networks for one task, from a single hidden layer to convolutions with *augmentation*:
training on randomly changed copies of the images. Most differ from another one in a single idea.
Every run is added to a report that compares them; mnist/README.md says what they teach.

Expect: test accuracy 0.9826 (0.9822 to 0.9833) with mlp_one_layer, median and range of three seeds.

    python mnist/mnist.py                          # mlp_one_layer, the simplest
    python mnist/mnist.py -m conv_net              # another model
    python mnist/mnist.py -m conv_net_fast         # as accurate, in 5 epochs instead of 60
    python mnist/mnist.py -m all                   # all of them in turn; Ctrl-C stops
    python mnist/mnist.py -m all --resume          # continue after a stop
    python mnist/mnist.py --report                 # compare the runs so far
    python mnist/mnist.py -m conv_net --dataset fashion_mnist
"""

# %%
import sys
from pathlib import Path

script = globals().get("__file__", "mnist.py")  # a notebook has no `__file__`
sys.path.insert(0, str(Path(script).resolve().parent.parent))  # parent of common/ and mnist/

from frame import Flag, Lesson
from mnist.flags import act_on
from mnist.precision import PRECISION
from mnist.recipes import NAMES

lesson = Lesson(
    __doc__,
    epochs=None,  # no default here: set by the model's recipe
    batch_size=256,
    model=Flag(
        [*NAMES, "all"],
        "model in models.py; all: train every model in turn",
        short="-m",
        role="name",
    ),
    dataset=["mnist", "fashion_mnist"],
    optimizer=["adam", "rmsprop", "sgd"],
    schedule=Flag(
        None, "learning-rate schedule (see recipes.py)", choices=["constant", "one_cycle"]
    ),
    peak=Flag(
        float, "peak rate of one_cycle as a multiple of the optimizer's default (see recipes.py)"
    ),
    label_smoothing=Flag(float, "amount of label smoothing (see recipes.py)", at_least=0, below=1),
    precision=PRECISION,
    report=Flag(False, "only write the report of all runs, without training"),
    on_flags=act_on,  # handles --report and -m all, and applies the model's recipe
)

import keras
import numpy as np
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from common import plots
from common.callbacks import ModelCheckpoint
from mnist import report
from mnist.convolutions import quicken_convolutions
from mnist.figures import CLASS_NAMES, surest_mistakes, variants
from mnist.models import MODELS

# %% [markdown]
# ## 1 Load
# There are 70,000 grayscale images of 28x28 pixels with values from 0 to 255, each with a label
# from 0 to 9. Convolutions, layers that slide a small window of weights over the image, expect one
# more axis, for the colors; here its length is 1. Look at some images before you train on them.

# %%
class_names = CLASS_NAMES[lesson.dataset]
(train_images, train_labels), (test_images, test_labels) = lesson.load(lesson.dataset)
train_images, test_images = train_images[..., np.newaxis], test_images[..., np.newaxis]
titles = [class_names[label] for label in train_labels[:25]]
lesson.save_figure("samples", plots.image_grid(train_images[:25, ..., 0], titles))

# %% [markdown]
# ## 2 Prepare
# A tenth of the training images is held out for validation. The published results in
# mnist/README.md were validated on the test images; we use those neither to train nor to choose.
#
# For label smoothing (step 4) we turn the labels into one-hot labels, rows of nine zeros and a 1.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images, train_labels, test_size=0.1, random_state=lesson.seed, stratify=train_labels
)
targets = [train_labels, val_labels, test_labels]
if lesson.label_smoothing:
    targets = [np.eye(10, dtype="float32")[labels] for labels in targets]  # 2: 0 0 1 0 0 0 0 0 0 0
train_targets, val_targets, test_targets = targets
train = lesson.batches(train_images, train_targets)
print("training, validation, test images:", len(train_images), len(val_images), len(test_images))

# %% [markdown]
# ## 3 Define
# The model is a function in models.py; compare it with the others there. The summary shows the
# parameters of each layer and the shape of its output, where None stands for the batch size.
#
# If the processor or the GPU has instructions for them, the layers multiply 16-bit numbers,
# `bfloat16`. Their range is that of 32-bit numbers, but they have two to three significant digits
# instead of seven. The weights are kept in 32 bits, or many small updates would be lost in
# rounding. `quicken_convolutions` replaces an operation of TensorFlow that is slow on some
# processors, with equal results up to rounding.
#
# If the model uses augmentation, a figure shows 16 variants of one image. Would you still give each
# the same label?

# %%
keras.config.set_dtype_policy("mixed_bfloat16" if lesson.precision == "bfloat16" else "float32")
model = MODELS[lesson.model]()
quicken_convolutions(model)
lines = []
model.summary(print_fn=lines.append)
lesson.save_text("summary", "\n".join(lines))
figure = variants(model, train_images[0])
if figure:  # None if the model has no augmentation
    lesson.save_figure("augmentation", figure)

# %% [markdown]
# ## 4 Compile
# An image has one label out of ten, so we use softmax and (sparse) categorical cross-entropy.
# Sigmoid would be for labels that do not exclude each other.
#
# *Label smoothing* lowers the target a little below certainty: with 0.05 it is 0.955 for the right
# digit and 0.005 for each of the others. Without it, a network can always reduce the loss by larger
# weights, which bring the probability closer to 1. With it, that no longer pays.
#
# If the learning rate is constant, training never settles: the last steps are as large as the
# first. `one_cycle` starts with a low rate, because the first gradients are unreliable. For three
# tenths of the training it raises the rate to `--peak` times the optimizer's default; then it
# lowers it to 0 along a cosine. The optimizer also keeps an *exponential moving average* (EMA) of
# the weights, over about the last twentieth of the steps, in which the random errors of single
# steps partly cancel. When `fit` ends, this average replaces the weights.

# %%
optimizer = keras.optimizers.get(lesson.optimizer)
if lesson.schedule == "one_cycle":
    steps = len(train) * lesson.epochs
    peak = lesson.peak * float(optimizer.learning_rate)
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 10, warmup_steps=0.3 * steps, warmup_target=peak, decay_steps=0.7 * steps
    )
    window = max(1, steps / 20)  # length of the average, in steps
    optimizer = type(optimizer)(rate, use_ema=True, ema_momentum=1 - 1 / window)
loss = "sparse_categorical_crossentropy"
if lesson.label_smoothing:  # for one-hot labels
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=lesson.label_smoothing)
model.compile(
    optimizer=optimizer,
    loss=loss,
    metrics=["accuracy"],
    steps_per_execution=len(train),  # a whole epoch in one call: faster
)

# %% [markdown]
# ## 5 Fit
# `ModelCheckpoint` saves the model with the highest validation accuracy so far; the final one is
# saved as `model.keras`. (The callback is Keras' own, but a crash leaves no broken file.)

# %%
best = ModelCheckpoint(
    lesson.folder / "best.keras", monitor="val_accuracy", mode="max", save_best_only=True
)
history = model.fit(
    train,
    validation_data=lesson.batches(val_images, val_targets, 250, shuffle=False),
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(best),
    verbose=2,
)

# %% [markdown]
# ## 6 Evaluate
# The published accuracies were measured after the last epoch, so compare them with ours after the
# last epoch. Is the model of the best epoch better, on images that were not used to choose it?
# (With `one_cycle` it holds the weights of a single step, not their average.)

# %%
del train, train_images  # frees 42 MB
val = model.evaluate(val_images, val_targets, batch_size=250, verbose=0, return_dict=True)
test = model.evaluate(test_images, test_targets, batch_size=250, verbose=0, return_dict=True)
model.steps_per_execution = 1  # predicting many batches in one call needs more memory
probabilities = model.predict(test_images, batch_size=250, verbose=0)  # (images, 10)
predicted_labels = probabilities.argmax(axis=1)
best_model = keras.models.load_model(lesson.folder / "best.keras", compile=False)
labels_of_best = best_model.predict(test_images, batch_size=250, verbose=0).argmax(axis=1)
text = classification_report(
    test_labels, predicted_labels, target_names=class_names, digits=4, zero_division=0
)
lesson.save_text("classification_report", text)
figure = plots.confusion_matrix(test_labels, predicted_labels, class_names)
lesson.save_figure("confusion_matrix", figure)

# %% [markdown]
# ## 7 Predict
# A figure shows the mistakes that the model was most confident about. Some of these images would
# puzzle a person too.

# %%
figure = surest_mistakes(test_images, test_labels, probabilities, class_names)
if figure:  # None if there are no mistakes
    lesson.save_figure("mistakes", figure)

lesson.finish(
    model,
    history,
    classes=class_names,
    test_loss=test["loss"],
    test_accuracy=test["accuracy"],
    val_accuracy=val["accuracy"],
    best_epoch=1 + int(np.argmax(history.history["val_accuracy"])),
    test_accuracy_of_best=np.mean(labels_of_best == test_labels),
)
report.write(lesson.out)
