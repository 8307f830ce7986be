# %% [markdown]
"""
# 01 Fashion-MNIST: which piece of clothing is this?

Train your first image classifier. It looks at a 28x28-pixel image of a piece of clothing and says
which of ten *classes* it belongs to: sneaker, coat, bag and so on. Here is the whole program in
plain Keras (x are the images, y their labels); the lesson explains each of its seven steps and adds
a few options.

    import keras
    from keras import layers

    (x, y), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    model = keras.Sequential([
        keras.Input((28, 28)),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=10, validation_split=0.1)
    model.evaluate(x_test, y_test)

TensorFlow's own tutorial reports a test accuracy of about 0.88.

Expect: test accuracy 0.880 (0.879 to 0.884), median and range of three seeds.

    python 01_fashion_mnist_classification.py
    python 01_fashion_mnist_classification.py --hidden 300 100 --optimizer sgd --epochs 30
"""

# %%
from common.lesson import Lesson

lesson = Lesson(
    __doc__, epochs=10, batch_size=32, hidden=[128], optimizer=["adam", "rmsprop", "sgd"]
)

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from common import plots

# %% [markdown]
# ## 1 Load
# Fashion-MNIST holds 70,000 grayscale images: 60,000 for training, 10,000 for the final test. An
# image is an array of 28x28 numbers from 0 to 255, and has a *label*, the number of its class. Look
# at data before you train on it: at the shapes, at the range of the values, at the number of images
# in each class, and at some of the images.

# %%
CLASS_NAMES = [
    "T-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
]  # fmt: skip

(train_images, train_labels), (test_images, test_labels) = lesson.load("fashion_mnist")
print("training images:", train_images.shape, train_images.dtype)
print("test images:", test_images.shape, test_images.dtype)
print("values from", train_images.min(), "to", train_images.max())
print("training images in each class:", np.bincount(train_labels, minlength=10))
titles = [CLASS_NAMES[label] for label in train_labels[:25]]
lesson.save_figure("samples", plots.image_grid(train_images[:25], titles))

# %% [markdown]
# ## 2 Prepare
# The network sees the training images many times. One pass over all of them is an *epoch*. It sees
# them in groups of 32, the *batches*, in a new random order in every epoch.
#
# A tenth of the training images is set aside as *validation data*. The network never learns from
# them; after every epoch they tell how well it does on images that it has not seen. By that you
# choose your settings, and each choice fits your model to those images a little. So the test images
# are used once, at the very end, and the final score is honest.
#
# `stratify` keeps the share of each class the same in both parts.

# %%
train_images, val_images, train_labels, val_labels = train_test_split(
    train_images, train_labels, test_size=0.1, stratify=train_labels, random_state=lesson.seed
)
train = lesson.batches(train_images, train_labels)

# %% [markdown]
# ## 3 Define
# A neural network is a stack of *layers*. Each takes the numbers of the layer before it and
# computes new ones.
#
# - `Rescaling` maps pixels from 0..255 to 0..1: training works best when inputs are small numbers.
#   Until then the pixels stay bytes, a quarter of the memory of 32-bit floats.
# - `Flatten` lays the 28x28 pixels out as a row of 784 numbers.
# - `Dense(128)` has 128 *neurons* (Keras says *units*). Each multiplies every input by a *weight*
#   of its own, adds everything up, and adds one more number, its *bias*. The *activation function*
#   `relu` then replaces negative results by 0. Without it, two Dense layers in a row could do no
#   more than one.
# - `Dense(10)` gives a score for each class, and `softmax` turns ten scores into ten probabilities.
#
# Weights and biases are the *parameters*, the numbers that training finds. Layers between input and
# output are called *hidden*. The hidden layer has 784·128 + 128 = 100,480 parameters, the last one
# 128·10 + 10 = 1,290.

# %%
model = keras.Sequential([
    keras.Input((28, 28), dtype="uint8"),
    layers.Rescaling(1 / 255),
    layers.Flatten(),
    *[layers.Dense(units, activation="relu") for units in lesson.hidden],
    layers.Dense(10, activation="softmax"),
])
model.summary()

# %% [markdown]
# ## 4 Compile
# The *loss* measures how wrong the predictions are. For one image it is -log(p), where p is the
# probability that the network gave to the true class: 0.1 if p = 0.9, but 2.3 if p = 0.1. This is
# *cross-entropy*; *sparse* means that labels are numbers (3), not rows such as 0 0 0 1 0 0 0 0 0 0.
#
# One step of training: take a batch, compute its average loss and the *gradient*, which tells for
# every parameter how fast the loss would rise if that parameter grew. Then move each parameter a
# little the other way. The *optimizer* decides how far; `adam` is a good first choice. *Accuracy*,
# the fraction of correct answers, is what we want to know, but a tiny change of a weight almost
# never changes it: its gradient is zero nearly everywhere.

# %%
model.compile(
    optimizer=lesson.optimizer,
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # a whole epoch in one call: faster
)

# %% [markdown]
# ## 5 Fit
# Compare training and validation accuracy. Where training goes on improving and validation does
# not, the network *overfits*: it *memorizes* the training images instead of learning what
# *generalizes* to new ones. `fit` returns the history of both.

# %%
history = model.fit(
    train,
    validation_data=(val_images, val_labels),
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),  # they time every epoch, and keep what a stopped run needs
    verbose=2,
)

figure, axes = plt.subplots()
epochs = [epoch + 1 for epoch in history.epoch]
axes.plot(epochs, history.history["accuracy"], "o-", label="training")
axes.plot(epochs, history.history["val_accuracy"], "o-", label="validation")
axes.set(xlabel="epoch", ylabel="accuracy")
axes.legend()
lesson.save_figure("accuracy", figure)

# %% [markdown]
# ## 6 Evaluate
# Only now do we use the test images. *Precision*: of the images that the network called "shirt",
# the fraction that really are shirts. *Recall*: of the real shirts, the fraction that it found. The
# *F1 score* combines both, 2PR / (P + R); *support* is the number of images. In the *confusion
# matrix* a row is the true class, a column the prediction: shirts, T-shirts, pullovers and coats
# are often confused.

# %%
test_loss, test_accuracy = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0)
probabilities = model.predict(test_images, batch_size=1000, verbose=0)  # (images, 10)
predicted_labels = probabilities.argmax(axis=1)
print(
    classification_report(
        test_labels, predicted_labels, target_names=CLASS_NAMES, digits=3, zero_division=0
    )
)
figure = plots.confusion_matrix(test_labels, predicted_labels, CLASS_NAMES)
lesson.save_figure("confusion_matrix", figure)

# %% [markdown]
# ## 7 Predict
# `predict` gave ten probabilities for each test image. We print the three highest of the first
# image, and show 25 images with the predictions, the wrong ones in red with the true class below.
# Is the network less sure where it is wrong? Not always: a high probability is no guarantee.

# %%
highest = probabilities[0].argsort()[::-1][:3]
print("first test image:", *[f"{CLASS_NAMES[i]} {probabilities[0, i]:.3f}" for i in highest])
titles, colors = [], []
for i in range(25):
    predicted, true = predicted_labels[i], test_labels[i]
    title = f"{CLASS_NAMES[predicted]} {probabilities[i, predicted]:.0%}"
    titles.append(title if predicted == true else f"{title}\n(is {CLASS_NAMES[true]})")
    colors.append("tab:blue" if predicted == true else "tab:red")
lesson.save_figure("predictions", plots.image_grid(test_images[:25], titles, colors))
lesson.finish(model, history, test_loss=test_loss, test_accuracy=test_accuracy)

# %% [markdown]
# ## Exercises
# 1. How many parameters does `--hidden 300 100` have? Count first, then look at the summary.
# 2. Remove the hidden layer with `--hidden`. How much accuracy do you lose?
# 3. Which two classes are confused with each other most often? Write a short script that finds out
#    from the saved model.
#
# Solutions: notes/solutions/01_fashion_mnist_classification.md
