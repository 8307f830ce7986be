# %% [markdown]
"""
# 01 Fashion-MNIST: which piece of clothing is this?

Train your first *neural network*. It looks at an image of a piece of clothing and says which of ten
*classes* it belongs to: sneaker, coat, bag and so on. That task is called *classification*. Here is
the whole program in plain Keras (`x` are the images, `y` their classes). You need not understand it
yet: the lesson explains it in seven steps, which every later lesson repeats.

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

The last line prints the *accuracy* on 10,000 new images, the *test* images: the fraction that the
network gets right. Training involves chance; the *seed* is the number that fixes all random draws,
and another seed gives a slightly different result.

Expect: test accuracy 0.876 (0.876 to 0.881), median and range of three seeds.

    python 01_fashion_mnist_classification.py
    python 01_fashion_mnist_classification.py --hidden 300 100 --optimizer sgd --epochs 30
"""

# %%
from frame import Lesson

# `lesson` is this collection's helper. Each argument below is a setting with its default. You
# change it with a flag, such as `--epochs 5`, and the code reads it as `lesson.epochs`.
# (`--optimizer` accepts one of the three names; the first is the default.) `lesson` also sets the
# seed, and saves figures and results to a folder whose name it prints. It also configures Keras, so
# it comes before Keras is imported.
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
# Fashion-MNIST holds 70,000 grayscale images of clothing: 60,000 to train with and 10,000 for the
# final test. An image is an array of 28x28 numbers (*pixels*), from 0 (black, the empty background)
# to 255 (white). It comes with a *label*, the number of its class from 0 to 9.
#
# Look at your data before you train on it. Are the shapes and the range of the values what you
# expect? Is every class equally frequent? Would you recognize the images yourself?

# %%
CLASS_NAMES = [
    "T-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
]  # fmt: skip

(images, labels), (test_images, test_labels) = lesson.load("fashion_mnist")
print("training images:", images.shape, images.dtype)
print("values from", images.min(), "to", images.max())
print("training images in each class:", np.bincount(labels, minlength=10))
titles = [CLASS_NAMES[label] for label in labels[:25]]
lesson.save_figure("samples", plots.image_grid(images[:25], titles))

# %% [markdown]
# ## 2 Prepare
# Before training, we set a tenth of the 60,000 training images aside as *validation data*. The
# network never learns from them; they show, while it trains, how well it does on new images.
#
# Why not use the test images for that? Because you will try other settings, the *hyperparameters*
# (how many layers, how long to train), and keep those with the best score. If that score comes from
# the test images, each choice fits your model to them a little, and their accuracy becomes too
# optimistic. The test images are used once, at the very end.
#
# The 54,000 images that are left are shown to the network in *batches* of 32. One pass over all of
# them is an *epoch*.

# %%
# `stratify` draws the same fraction of every class; `random_state` makes the split reproducible.
train_images, val_images, train_labels, val_labels = train_test_split(
    images, labels, test_size=0.1, stratify=labels, random_state=lesson.seed
)
# As with `batch_size=32` above, every epoch has a new random order. Here the seed fixes them all.
train = lesson.batches(train_images, train_labels)

# %% [markdown]
# ## 3 Define
# A neural network is a stack of *layers*. Each layer takes the numbers that the layer before it
# produced and computes new ones. Ours has four; `Input` only says what an image looks like.
#
# - `Rescaling` maps the pixels from 0..255 to 0..1. Training works best with small inputs (lesson
#   03 shows why).
# - `Flatten` lays the 28x28 pixels out in one row of 784 numbers.
# - `Dense(128)` has 128 *neurons* (Keras says *units*). Each neuron multiplies every input by a
#   *weight* of its own, adds the products up, and adds one more number, its *bias*.
# - `Dense(10)` computes one score per class.
#
# Weights and biases are the *parameters*: the numbers that training finds. A layer between input
# and output is called *hidden*. Our hidden layer has 784·128 weights and 128 biases, together
# 100,480 parameters. (The flag `--hidden 300 100` makes two hidden layers, of 300 and of 100
# neurons.) `model.summary()` prints a table of the layers; `None` in a shape stands for the number
# of images.
#
# What a neuron has computed goes through an *activation function*. `relu` replaces negative numbers
# by 0. Without it, two Dense layers in a row could do no more than one, because a weighted sum of
# weighted sums is again a weighted sum.
#
# `softmax` turns the ten scores into ten probabilities: it raises e to the power of each score and
# divides by the sum, so that they add up to 1. Three scores 2, 1, 0 become 0.67, 0.24, 0.09. The
# scores before softmax are called *logits*.

# %%
model = keras.Sequential([
    keras.Input((28, 28), dtype="uint8"),  # pixels are single bytes; float32 would need four
    layers.Rescaling(1 / 255),
    layers.Flatten(),
    *[layers.Dense(units, activation="relu") for units in lesson.hidden],  # one layer of 128
    layers.Dense(10, activation="softmax"),
])
model.summary()

# %% [markdown]
# ## 4 Compile
# `compile` puts together what training needs: a loss, an optimizer and metrics.
#
# **The loss.** All weights start as small random numbers, so the first predictions are guesses. To
# improve them we need a number that says how wrong they are: the *loss*. For one image it is
# -log(p), where p is the probability that the network gave to the true class and log is the natural
# logarithm. It is 0.1 for p = 0.9 and 2.3 for p = 0.1, and so a network that finds all ten classes
# equally probable has a loss of 2.3. This loss is called *cross-entropy*: *categorical* if one of
# several classes is right, and *sparse* if each label is a single number, such as 3. (The
# alternative is a row with a 1 in the place of the class, 0 0 0 1 0 0 0 0 0 0, a *one-hot* label.
# And some programs leave softmax out of the model and let the loss apply it, with
# `from_logits=True`; `predict` then returns logits.)
#
# **Gradient descent.** Training repeats one small step. Take a batch and compute its average loss.
# Then compute the *gradient*: for every parameter, the derivative of the loss, that is, how fast
# the loss would rise if that parameter grew. (*Backpropagation* finds them all, with the chain
# rule, going from the last layer back to the first: lesson 00.) Multiply the derivative by a small
# number, the *learning rate*, and subtract the product from the parameter: with a derivative of 2
# and a rate of 0.01 the parameter becomes smaller by 0.02, and the loss falls. Too low a rate makes
# training slow. Too high a rate overshoots: the step jumps past the lowest point, and the loss may
# even rise.
#
# **The optimizer** carries out that step. `sgd` (*stochastic* gradient descent, because batches are
# random) does just that. `rmsprop` divides a parameter's derivative by its average size in recent
# steps, so that all parameters move at a similar pace. `adam` does so too, and replaces the
# derivative by an average of the recent ones (*momentum*), which varies less from batch to batch.
# Start with `adam`; its learning rate is 0.001 unless you choose another one, as in
# `keras.optimizers.Adam(0.01)`.
#
# **The metric.** Why not train on accuracy itself? A tiny change of one weight almost never changes
# which class wins, so the derivative of the accuracy is zero nearly everywhere and shows no
# direction. We only watch it: it is a *metric*, computed but not minimized.

# %%
model.compile(
    optimizer=lesson.optimizer,
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    steps_per_execution=len(train),  # all steps of an epoch before returning to Python: faster
)

# %% [markdown]
# ## 5 Fit
# `fit` trains. An epoch has 1,688 steps: 54,000 / 32, rounded up. After each epoch, one line shows
# accuracy and loss of the training images, then (`val_`) of the validation images. `fit` returns
# these numbers, the *history*: `history.history["val_accuracy"]` has one value per epoch, and
# `history.epoch` counts the epochs from 0.

# %%
history = model.fit(
    train,
    validation_data=(val_images, val_labels),
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),  # called after every epoch: they save the training
    verbose=2,
)

figure, axes = plt.subplots()
epochs = [epoch + 1 for epoch in history.epoch]
axes.plot(epochs, history.history["accuracy"], "o-", label="training")
axes.plot(epochs, history.history["val_accuracy"], "o-", label="validation")
axes.set(xlabel="epoch", ylabel="accuracy", title="accuracy during training")
axes.legend()
lesson.save_figure("accuracy", figure)

# %% [markdown]
# Compare the two curves. (At first validation may even be ahead: the training accuracy is an
# average over the epoch, during which the network improves.) The training accuracy keeps rising;
# the validation accuracy rises more slowly, wavers, and falls behind. A gap that widens while
# validation no longer improves means that the network *overfits*: it *memorizes* details of the
# training images instead of learning what *generalizes* to new ones. Lesson 04 shows what helps.
#
# ## 6 Evaluate
# Now, and only now, the test images. Accuracy is one number for all classes; a report per class
# shows where the mistakes are. Suppose the network says "shirt" 800 times and is right 600 times,
# and there are 1,000 real shirts:
#
# - *Precision* is the fraction of its "shirts" that really are shirts: 600 / 800 = 0.75.
# - *Recall* is the fraction of the real shirts that it found: 600 / 1,000 = 0.60.
# - The *F1 score* combines precision P and recall R: 2PR / (P + R) = 0.67. It is high only if both
#   are.
# - *Support* is the number of images of that class. The last rows sum up: the accuracy, the plain
#   average over the classes (`macro avg`), and the average weighted by support.
#
# The *confusion matrix* shows which classes are mistaken for which: each row is a true class, each
# column a prediction, and correct predictions lie on the diagonal.

# %%
# Nothing is learned here, so the batch size changes only the speed.
test_loss, test_accuracy = model.evaluate(test_images, test_labels, batch_size=1000, verbose=0)
probabilities = model.predict(test_images, batch_size=1000, verbose=0)  # one row of 10 per image
predicted_labels = probabilities.argmax(axis=1)  # the class with the highest probability
report = classification_report(
    test_labels, predicted_labels, target_names=CLASS_NAMES, digits=3, zero_division=0
)  # the precision of a class that was never predicted would be 0/0: report 0
print(report)
figure = plots.confusion_matrix(test_labels, predicted_labels, CLASS_NAMES)
lesson.save_figure("confusion_matrix", figure)

# %% [markdown]
# Shirts have the lowest precision and recall: they are confused with T-shirts, pullovers and coats.
#
# ## 7 Predict
# `predict` wants a batch, even for one image: shape (1, 28, 28), not (28, 28). `np.newaxis` adds
# the first dimension.

# %%
image = test_images[0]
probabilities_of_one = model.predict(image[np.newaxis], verbose=0)[0]  # the first and only row
for label in probabilities_of_one.argsort()[::-1][:3]:  # the three most probable classes
    print(f"first test image: {CLASS_NAMES[label]} {probabilities_of_one[label]:.1%}")

titles, colors = [], []
for i in range(25):
    predicted, true = predicted_labels[i], test_labels[i]
    title = f"{CLASS_NAMES[predicted]} {probabilities[i, predicted]:.0%}"
    titles.append(title if predicted == true else f"{title}\n(is {CLASS_NAMES[true]})")
    colors.append("tab:blue" if predicted == true else "tab:red")
lesson.save_figure("predictions", plots.image_grid(test_images[:25], titles, colors))
# Save the model and the names of its classes.
lesson.finish(model, history, classes=CLASS_NAMES, test_loss=test_loss, test_accuracy=test_accuracy)

# %% [markdown]
# The figure shows 25 predictions with their probabilities, the wrong ones in red. Is the network
# less sure where it is wrong? Often, but not always: a high probability is no guarantee.
#
# A photo of your own must look like the training images: gray, 28x28, bright clothing on a
# background of 0. Add these lines to the end of this script; they classify a square photo of dark
# clothing on white paper. (A script of your own would load the `model.keras` from the run's folder
# with `keras.models.load_model`.)
#
#     photo = keras.utils.load_img("photo.png", color_mode="grayscale", target_size=(28, 28))
#     image = 255 - np.array(photo)  # dark becomes bright
#     image[image < 100] = 0  # paper is light gray in a photo; try other limits than 100
#     print(CLASS_NAMES[model.predict(image[np.newaxis], verbose=0)[0].argmax()])
#
# ## Remember
# - A network is a stack of layers; gradient descent finds the parameters that make the loss small.
# - Learn from the training data, choose by the validation data, judge once by the test data.
# - One of several classes is right: softmax in the last layer, cross-entropy as the loss.
#
# For images of your own, change the size in `Input`, the units of the last layer (one per class)
# and `CLASS_NAMES` (lesson 33 reads folders of pictures). Begin with one hidden layer of 128,
# `adam`, batches of 32, and a look at the confusion matrix.

# %% [markdown]
# ## Exercises
# 1. How many parameters does the network with `--hidden 300 100` have? Count first, then look at
#    the summary.
# 2. Remove the hidden layer: give `--hidden` without a number. How much accuracy do you lose?
# 3. Which two classes are confused with each other most often? Write a short script that finds out
#    from the saved model; `keras.models.load_model` reads it.
#
# Solutions: notes/solutions/01_fashion_mnist_classification.md
