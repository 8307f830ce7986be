# %% [markdown]
"""
# 31 Autoencoder: what can a network learn without labels?

Images are plentiful, labels are not. An *autoencoder* needs none. It learns to return the image
that it is given, but on the way it must squeeze the image into a few numbers. To manage that, it
has to learn what pieces of clothing look like. In this lesson you use one for three things: to
compress images, to remove noise, and to find images of something else.

Expect: median test MSE: autoencoder 0.0089, PCA 0.0151; ROC AUC of digits 0.98 and 0.97.

    python 31_autoencoder.py
    python 31_autoencoder.py --code 2
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=20,
    batch_size=128,
    code=Flag(32, "how many numbers an image is squeezed into", at_most=784),
)

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import layers
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from common import plots

# %% [markdown]
# ## 1 Load
# The clothing of lesson 01. We ignore the labels (`_`): learning without any is *unsupervised
# learning*. The test images of MNIST, handwritten digits, are for section 6: no network sees one in
# training.

# %%
(images, _), (test_images, _) = lesson.load("fashion_mnist")
_, (digits, _) = lesson.load("mnist")
images, test_images, digits = (part / np.float32(255) for part in (images, test_images, digits))

# %% [markdown]
# ## 2 Prepare
# The input is an image, and the target is the same image: `train` has it twice.
#
# For the second task we need *noise*: we add to each pixel a random number from a normal
# distribution with mean 0 and standard deviation 0.3.

# %%
NOISE = 0.3
random = np.random.default_rng(lesson.seed)


def add_noise(images):
    """Return images, float32 of shape (n, 28, 28), with a random number added to each pixel."""
    return images + random.normal(0, NOISE, images.shape).astype("float32")


train_images, val_images = train_test_split(images, test_size=0.1, random_state=lesson.seed)
train = lesson.batches(train_images, train_images)
noisy_val_images, noisy_test_images = add_noise(val_images), add_noise(test_images)

# %% [markdown]
# ## 3 Define
# An autoencoder has two halves. The *encoder* maps an image to its *code*, 32 numbers. The
# *decoder* maps the code back to 784 pixels, which a sigmoid keeps between 0 and 1. What comes out
# is the *reconstruction*.
#
# The code is a *bottleneck*. Without it the task would be pointless: a network with 784 units in
# each layer could pass every pixel on and learn nothing. To rebuild 784 pixels from 32 numbers, it
# must find out what images of clothing have in common. A sleeve on the left, for example, makes one
# on the right likely, so the code need not store both.
#
# A *denoising autoencoder* differs in one layer. `GaussianNoise` adds noise to the image, new noise
# in every step, while the target is still the clean image. Noise has no pattern to learn; clothing
# has. Like `Dropout`, the layer acts only in training; with deviation 0 it does nothing, so one
# function builds both networks.


# %%
def build_model(noise):
    """Return an autoencoder of 28x28 pixels that trains on noise with this deviation."""
    encoder = keras.Sequential([
        keras.Input((28, 28)),
        layers.Flatten(),
        layers.Dense(256, activation="relu"),
        layers.Dense(lesson.code),
    ])
    decoder = keras.Sequential([
        keras.Input((lesson.code,)),
        layers.Dense(256, activation="relu"),
        layers.Dense(784, activation="sigmoid"),
        layers.Reshape((28, 28)),
    ])
    return keras.Sequential([keras.Input((28, 28)), layers.GaussianNoise(noise), encoder, decoder])


model, denoiser = build_model(0.0), build_model(NOISE)
model.summary()

# %% [markdown]
# ## 4 Compile
# The loss is the mean squared error between the pixels of the image and of its reconstruction: if
# every pixel is off by 0.1, it is 0.01.

# %%
for network in (model, denoiser):
    # `steps_per_execution`: return to Python once per epoch, which is faster.
    network.compile("adam", "mse", steps_per_execution=len(train))

# %% [markdown]
# ## 5 Fit
# In validation `GaussianNoise` adds no noise, so `denoiser` gets images that are noisy already.

# %%
histories = {}
trainings = {"plain": (model, val_images), "denoising": (denoiser, noisy_val_images)}
for name, (network, val_inputs) in trainings.items():
    histories[name] = network.fit(
        train,
        validation_data=(val_inputs, val_images),
        validation_batch_size=1000,
        epochs=lesson.epochs,
        callbacks=lesson.callbacks(training=name),
        verbose=0,
    ).history
    print(f"{name}: validation MSE {histories[name]['val_loss'][-1]:.4f}")

# %% [markdown]
# ## 6 Evaluate
# Are these errors small? Our baseline needs no network: *principal component analysis* (*PCA*). It
# writes an image as the mean image plus 32 fixed images, the *principal components*, each
# multiplied by a number. These 32 numbers are its code. It chooses the components that make the
# squared error on the training images smallest. We compare PCA and both networks in three tasks:
#
# - **Compression**: how large is the squared error on the test images?
# - **Noise**: given noisy images, how large is the squared error against the *clean* ones?
# - **Anomalies**: an *anomaly* is an example unlike those in training. A network that has learned
#   clothing should fail to return a digit, so we take the squared error as its *anomaly score*. How
#   well does it separate test images and digits? *ROC AUC* (area under the ROC curve) is the
#   probability that a random digit has a higher score than a random piece of clothing: 1 is
#   perfect, 0.5 is a coin toss.
#
# The last task needs a second baseline. Most pixels of a digit are 0, so perhaps the mean pixel
# alone gives it away. Digits are darker and should get the higher score, so the score `brightness`
# is minus that mean.


# %%
def squared_errors(images, outputs):
    """Return the mean squared error of each image, shape (n,)."""
    return ((images - outputs) ** 2).mean(axis=(1, 2))


def auc(clothing_scores, digit_scores):
    """Return the probability that a digit has a higher score than a piece of clothing."""
    is_digit = [False] * len(clothing_scores) + [True] * len(digit_scores)
    return roc_auc_score(is_digit, np.concatenate([clothing_scores, digit_scores]))


def by_pca(images):
    """Return images after PCA, from the image to the code and back."""
    codes = pca.transform(images.reshape(len(images), 784))
    return pca.inverse_transform(codes).reshape(images.shape)


size = min(lesson.code, len(train_images))  # no more components than training images
pca = PCA(size, svd_solver="covariance_eigh")  # exact, where some other solvers are random
pca.fit(train_images.reshape(-1, 784))
methods = {
    "pca": by_pca,
    "plain": lambda images: model.predict(images, batch_size=1000, verbose=0),
    "denoising": lambda images: denoiser.predict(images, batch_size=1000, verbose=0),
}
results = {}
for name, reconstruct in methods.items():
    errors = squared_errors(test_images, reconstruct(test_images))
    results[name] = {
        "mse": errors.mean(),
        "mse_of_noisy": squared_errors(test_images, reconstruct(noisy_test_images)).mean(),
        "auc": auc(errors, squared_errors(digits, reconstruct(digits))),
    }
results["brightness"] = {"auc": auc(-test_images.mean((1, 2)), -digits.mean((1, 2)))}
table = pd.DataFrame(results).T.round(4)
lesson.save_table("results", table.reset_index(names="method"))

# %% [markdown]
# The figure `reconstructions` shows what becomes of eight test images.

# %%
clean, noisy = test_images[:8], noisy_test_images[:8]
rows = {"original": clean, "PCA": by_pca(clean), "autoencoder": methods["plain"](clean)}
rows |= {"noisy": noisy, "PCA of noisy": by_pca(noisy), "denoised": methods["denoising"](noisy)}
titles = np.repeat(list(rows), 8)
grid = 255 * np.concatenate(list(rows.values()))
lesson.save_figure("reconstructions", plots.image_grid(grid, titles, columns=8))

# %% [markdown]
# <!-- results: lesson-31-scores -->
# Medians of three seeds, and for the ROC AUC the range:
#
# | method                | squared error | squared error, noisy | ROC AUC of digits      |
# | --------------------- | ------------- | -------------------- | ---------------------- |
# | PCA                   | 0.0151        | 0.0188               | 0.973 (0.973 to 0.973) |
# | autoencoder           | 0.0089        | 0.0171               | 0.975 (0.974 to 0.979) |
# | denoising autoencoder | 0.0099        | 0.0119               | 0.986 (0.986 to 0.987) |
# | brightness            | -             | -                    | 0.877 (0.877 to 0.877) |
#
# With the threshold of section 7, 4.8% of the clothing and 88.0% of the digits raise an alarm.
# <!-- end -->
#
# The autoencoder compresses with little more than half of PCA's error. PCA can only add up fixed
# images; the activation functions let the network do more. Given noise, the network that was
# trained on noise is far ahead. For anomalies, brightness alone reaches 0.877, and the plain
# autoencoder is hardly better than PCA. A small error is not the aim here: a method that returns
# *everything* well, digits too, finds none. The denoiser is ahead, although it compresses a little
# worse.
#
# ## 7 Predict
# From which score on should an image raise an alarm? To choose the threshold we need no anomalies:
# we take the score that 95% of the validation images stay below. Then about 5% of new clothing will
# be false alarms. We do this with the plain autoencoder; with `methods["denoising"]` the same lines
# use the denoiser. The figure `errors` shows the scores, `strangest` the ten pieces of clothing
# with the highest.

# %%
reconstruct = methods["plain"]
threshold = np.quantile(squared_errors(val_images, reconstruct(val_images)), 0.95)
errors = squared_errors(test_images, reconstruct(test_images))
digit_errors = squared_errors(digits, reconstruct(digits))
false_alarms, found = np.mean(errors > threshold), np.mean(digit_errors > threshold)
print(f"alarms: {false_alarms:.1%} of the clothing, {found:.1%} of the digits")

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
bins = np.linspace(0, np.quantile(digit_errors, 0.99), 60)
axes.hist(errors, bins, density=True, alpha=0.6, label="clothing")
axes.hist(digit_errors, bins, density=True, alpha=0.6, label="digits")
axes.axvline(threshold, color="gray", linestyle="--", label="threshold")
axes.set(xlabel="squared error of the image", ylabel="density", title="anomaly scores")
axes.legend()
lesson.save_figure("errors", figure)
strangest = np.argsort(errors)[::-1][:10]
titles = [f"error {error:.3f}" for error in errors[strangest]]
lesson.save_figure("strangest", plots.image_grid(255 * test_images[strangest], titles))
lesson.finish(
    model,
    histories["plain"],
    units={"loss": "mean squared error of the pixels"},
    training="plain",
    test_mse=results["plain"]["mse"],
    **{f"{key}_{name}": value for name, row in results.items() for key, value in row.items()},
    false_alarms=false_alarms,
    found=found,
)

# %% [markdown]
# ## Remember
# - An autoencoder needs no labels: its target is its input, and a bottleneck forces it to learn
#   what the images have in common.
# - For denoising, add noise to the input and keep the target clean.
# - What it reconstructs badly is probably unlike its training data, but some anomalies it
#   reconstructs well.
#
# On your own data, try first: PCA with as many components as your code has numbers. It takes
# seconds.

# %% [markdown]
# ## Exercises
# 1. What do more numbers change? Compare `--code 2` and `--code 128`: for which is the network's
#    advantage over PCA larger, and what becomes of the ROC AUC?
# 2. Remove the activation functions, `"relu"` twice and `"sigmoid"`. How close does the network
#    come to PCA?
# 3. Exchange the data sets: train on digits, and find clothing. Change the two lines with
#    `lesson.load`, and the sign of `brightness`.
#
# Solutions: notes/solutions/31_autoencoder.md
