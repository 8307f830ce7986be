# %% [markdown]
"""
# Clothing: how far does one network get on Fashion-MNIST?

The images of lesson 01 again, and the best network that we found for them: `conv_net_best` of
mnist.py, changed for clothing. It has more filters, its training images are mirrored, and in the
end it looks at each test image ten times. Read mnist.py first: the rest is explained there.

    python mnist/clothing.py
    python mnist/clothing.py --epochs 3
"""

# %%
import sys
from pathlib import Path

script = globals().get("__file__", "clothing.py")  # a notebook has no `__file__`
sys.path.insert(0, str(Path(script).resolve().parent.parent))  # parent of common/ and mnist/

from frame import Lesson
from mnist.precision import PRECISION, choose_precision

lesson = Lesson(__doc__, epochs=14, batch_size=256, precision=PRECISION, on_flags=choose_precision)

import keras
import numpy as np
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from common import plots
from common.callbacks import ModelCheckpoint
from mnist.convolutions import quicken_convolutions
from mnist.figures import CLASS_NAMES, surest_mistakes, variants
from mnist.models import conv_net_best_of_clothing

# %% [markdown]
# ## 1 Load
# 70,000 grayscale images of 28x28 pixels, in ten classes. They are as large as the digits and as
# many, but harder to tell apart: a shirt can look just like a T-shirt, a pullover or a coat.

# %%
class_names = CLASS_NAMES["fashion_mnist"]
(train_images, train_labels), (test_images, test_labels) = lesson.load("fashion_mnist")
train_images, test_images = train_images[..., np.newaxis], test_images[..., np.newaxis]

# %% [markdown]
# ## 2 Prepare
# A tenth of the training images is held out for validation. Labels become *one-hot* rows, which
# label smoothing needs (step 4).

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images, train_labels, test_size=0.1, random_state=lesson.seed, stratify=train_labels
)
train_targets, val_targets, test_targets = (
    np.eye(10, dtype="float32")[labels] for labels in (train_labels, val_labels, test_labels)
)
train = lesson.batches(train_images, train_targets)

# %% [markdown]
# ## 3 Define
# The last function in models.py: compare it with `conv_net_best` above it. A mirrored shoe is a
# shoe, while a mirrored 2 is no 2. So `RandomFlip` mirrors half of the training images. The figure
# `augmentation` shows one of them in 16 variants.

# %%
keras.config.set_dtype_policy("mixed_bfloat16" if lesson.precision == "bfloat16" else "float32")
model = conv_net_best_of_clothing()
quicken_convolutions(model)
model.summary()
lesson.save_figure("augmentation", variants(model, train_images[0]))

# %% [markdown]
# ## 4 Compile
# The recipe of `conv_net_best`, with a lower peak: the learning rate rises from a tenth of 0.002 to
# 0.002 in three tenths of the time and falls to 0, the optimizer averages the weights over about
# the last twentieth of the steps, and labels are smoothed by 0.05.

# %%
steps = len(train) * lesson.epochs
peak = 2 * float(keras.optimizers.Adam().learning_rate)  # twice the usual rate
rate = keras.optimizers.schedules.CosineDecay(
    peak / 10, warmup_steps=0.3 * steps, warmup_target=peak, decay_steps=0.7 * steps
)
window = max(1, steps / 20)  # of the average, in steps
model.compile(
    optimizer=keras.optimizers.Adam(rate, use_ema=True, ema_momentum=1 - 1 / window),
    loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.05),
    metrics=["accuracy"],
    steps_per_execution=len(train),  # a whole epoch in one call: faster
)

# %% [markdown]
# ## 5 Fit
# The model of the best epoch is kept as `best.keras`, as in mnist.py.

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
# A coat in the mirror is a coat, and so is one that stands a pixel further left. The network has
# trained on such images. So it looks at each test image in five places, and at each of these in the
# mirror as well, and the mean of its ten answers counts. This is *test-time augmentation*. It takes
# ten times as long to predict, and no training.

# %%
del train, train_images  # frees 42 MB
val = model.evaluate(val_images, val_targets, batch_size=250, verbose=0, return_dict=True)
test = model.evaluate(test_images, test_targets, batch_size=250, verbose=0, return_dict=True)

framed = np.pad(test_images, [(0, 0), (1, 1), (1, 1), (0, 0)])  # 30x30 pixels
corners = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]  # top left corners of 28x28-pixel crops
looks = [framed[:, row : row + 28, column : column + 28] for row, column in corners]
looks += [look[:, :, ::-1] for look in looks]  # mirrored
model.steps_per_execution = 1  # predicting many batches in one call needs more memory
probabilities = np.mean(  # (images, 10)
    [model.predict(look, batch_size=250, verbose=0) for look in looks], axis=0
)
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
# The mistakes that the network was surest of, after ten looks. Would you have known better?

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
    test_accuracy_ten_looks=np.mean(predicted_labels == test_labels),
    val_accuracy=val["accuracy"],
    best_epoch=1 + int(np.argmax(history.history["val_accuracy"])),
    test_accuracy_of_best=np.mean(labels_of_best == test_labels),
)
