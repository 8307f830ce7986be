# %% [markdown]
"""
# MNIST: which digit did they write? Twelve networks answer

Twelve models for one task, from one hidden layer to convolutions with augmented images. Most differ
from a sibling in one idea. Every run adds to a report that compares them; README.md tells what they
teach.

Expect: test accuracy 0.9826 (0.9822 to 0.9833) with mlp_one_layer, median and range of three seeds.

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
# 70,000 grey images of 28x28 pixels, values 0 to 255, each with a label from 0 to 9. Convolutions
# expect a last axis for the colours: here there is one. Look at
# some images before you train on them.

# %%
class_names = CLASS_NAMES[lesson.dataset]
(train_images, train_labels), (test_images, test_labels) = lesson.load(lesson.dataset)
train_images, test_images = train_images[..., np.newaxis], test_images[..., np.newaxis]
titles = [class_names[label] for label in train_labels[:25]]
lesson.save_figure("samples", plots.image_grid(train_images[:25, ..., 0], titles))

# %% [markdown]
# ## 2 Prepare
# A tenth of the training images is held out for validation. The figures that others published (see
# README.md) were validated on the test images; ours use them neither to train nor to choose.
#
# To smooth labels (step 4) each becomes a row of ten numbers, of which one is 1: *one-hot* labels.

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
# The model is a function in models.py: read it beside its siblings. The summary shows the shape
# that leaves each layer, without the number of images (None), and the layer's parameters.
#
# With 16 bits the layers multiply `bfloat16` numbers: as large and as small as 32-bit ones, with
# two to three significant digits instead of seven. The weights themselves are kept in 32 bits, or
# many small steps would be rounded away. On some processors TensorFlow is slow at one part of that;
# `quicken_convolutions` computes it another way, with the same result but for rounding.
#
# Does the model augment its training images? Then look at one of them in 16 variants. Would you
# still give each the same label?

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
# One label out of ten: softmax and (sparse) categorical cross-entropy. Sigmoid would be for labels
# that do not exclude each other.
#
# *Label smoothing* asks for a little less than certainty: with 0.05, for 0.955 at the right digit
# and 0.005 at each other one. To come ever closer to 1 a network would have to make its weights
# ever larger; now that no longer pays.
#
# The learning rate is the size of the steps. At a constant one training never settles: the last
# steps are as large as the first. `one_cycle` begins with small steps, since the first gradients
# are wild, grows them to `--peak` times the usual size in three tenths of the time, and shrinks
# them to 0 along half a wave of the cosine. With it the optimizer also keeps a running average of
# the weights (*EMA*, exponential moving average) over about the last twentieth of the steps; when
# `fit` ends, the average becomes the model. The end of training is then its best moment.

# %%
optimizer = keras.optimizers.get(lesson.optimizer)
if lesson.schedule == "one_cycle":
    steps = len(train) * lesson.epochs
    peak = lesson.peak * float(optimizer.learning_rate)
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 10, warmup_steps=0.3 * steps, warmup_target=peak, decay_steps=0.7 * steps
    )
    window = max(1, steps / 20)  # of the average, in steps
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
# `ModelCheckpoint` keeps the model of the best epoch so far, by its validation accuracy. The last
# one is kept as `model.keras`. (It is Keras' callback, but the file stays whole at every moment.)

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
# The figure to compare is that of the last epoch, as the published ones are. The model of the best
# epoch is measured too: is it better on images that did not choose it? (With `one_cycle` it holds
# the weights of a single step, not their average.)

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
# The mistakes that the model was surest of. Some of these images would puzzle a person too.

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
