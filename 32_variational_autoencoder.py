# %% [markdown]
"""
# 32 Variational autoencoder: can a network draw new digits?

The decoder of lesson 31 turns a code of 32 numbers into an image. Could it draw new images? From
most codes it draws nothing that looks like clothing. A *variational autoencoder* (*VAE*) arranges
its codes so that even random ones work. In this lesson you write one, with a loss of two terms that
pull in opposite directions, and let it draw new digits.

Expect: negative ELBO 99.4 (99.1 to 99.7) nats per test image, median and range of three seeds.

    python 32_variational_autoencoder.py
    python 32_variational_autoencoder.py --latent 2
    python 32_variational_autoencoder.py --dataset fashion_mnist
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=20,
    batch_size=128,
    latent=Flag(20, "latent variables: numbers that describe an image", at_least=2, at_most=500),
    kl_weight=Flag(1.0, "weight of the second term of the loss", at_least=0),
    dataset=Flag(["mnist", "fashion_mnist"], "handwritten digits, or clothing"),
)

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from common import plots

# %% [markdown]
# ## 1 Load
# The digits of MNIST, with pixels from 0 to 1. The network gets no labels. Those of the test images
# only color a figure.

# %%
(images, _), (test_images, test_labels) = lesson.load(lesson.dataset)
images, test_images = images / np.float32(255), test_images / np.float32(255)

# %% [markdown]
# ## 2 Prepare
# As in lesson 31, each image is both input and target.

# %%
train_images, val_images = train_test_split(images, test_size=0.1, random_state=lesson.seed)
train = lesson.batches(train_images, train_images)

# %% [markdown]
# ## 3 Define
# **Why can the plain autoencoder not draw?** Its loss only asks that each training image comes
# back, wherever its code lies. So the codes leave gaps, in which the decoder was never trained.
#
# **A cloud instead of a point.** The encoder of a VAE gives each image a small cloud of codes. A
# code has 20 *latent variables* (latent means hidden: they describe the image, but are not in the
# data). For each of them the encoder returns the mean and the variance of a normal distribution,
# from which every training step *samples* a value (draws it at random). So the decoder must draw
# the same image for all codes of a cloud, and something in between where clouds meet. A variance
# must be positive, while a layer can return any number. So the encoder returns the logarithm of the
# variance, and exp(log variance / 2) is the standard deviation. With 20 latent variables it returns
# 40 numbers per image.
#
# **The gradient of a sample.** How can training change the means and variances, if a random pick
# has no derivative? We sample only `noise`, from a normal distribution with mean 0 and variance 1,
# which depends on no parameter. Then mean + deviation · noise is a sample from the cloud, and an
# ordinary formula with derivatives. This is the *reparameterization trick*.
#
# **The loss has two terms.** Both are in *nats*, the unit of -log(probability) with the natural
# logarithm.
#
# 1. *Reconstruction*: the binary cross-entropy of lesson 02 for each pixel, -t·log p - (1 -
#    t)·log(1 - p), summed over the 784 pixels. Here p is the sigmoid of the decoder's output, and t
#    is the gray value, read as a probability: a pixel of 0.8 counts as ink with probability 0.8.
#    (The mean squared error of lesson 31 is not in nats, and could not be added to the second
#    term.)
# 2. *KL divergence* (Kullback-Leibler): how far the cloud is from the *prior*, the normal
#    distribution with mean 0 and variance 1 from which we will sample new codes. For each latent
#    variable it is ½·(mean² + variance - log variance - 1), and we sum these. It is 0 for mean 0
#    and variance 1, but ½·(4 + 0.25 + 1.386 - 1) = 2.32 for mean 2 and variance 0.25.
#
# They pull in opposite directions. The reconstruction wants small clouds, far apart, so that the
# decoder can tell the images from each other. The KL divergence wants all clouds in the same place,
# so that a random code falls into one. Each latent variable has a price, its KL divergence, and
# training uses it only if it saves more in the reconstruction. Otherwise the encoder returns mean 0
# and variance 1 for this variable, whatever the image. The variable then says nothing, and the
# decoder ignores it. (The cloud of an image is also called its *posterior*. Here it has become the
# prior: *posterior collapse*.)
#
# The sum is the negative *ELBO* (evidence lower bound). A VAE also says how probable an image is:
# how likely it is to draw just this image if you sample a code from the prior and decode it. The
# logarithm of this probability is called the *evidence*. Nobody can compute it exactly, but it is
# never lower than the ELBO (without proof). So a smaller loss guarantees a higher probability. With
# the mean over the pixels, as in lesson 31, the first term would be 784 times too small, and no
# latent variable would be worth its price.
#
# **A loss for every back-end.** Only the loss is unusual: it needs three outputs of the model. So
# we override a single method, `compute_loss`, which `fit` and `evaluate` call. Unlike the tape of
# lesson 15, this works with every back-end. `y` is the target, `y_pred` what `call` returned. The
# two `Mean` metrics put both terms into the history. With a plain number in place of
# `SeedGenerator`, all steps would get the same noise.


# %%
@keras.saving.register_keras_serializable(package="lesson32")
class VAE(keras.Model):
    """A variational autoencoder of 28x28 pixels from 0 to 1, with this many latent variables."""

    def __init__(self, latent, kl_weight=1.0, **options):
        super().__init__(**options)
        self.latent, self.kl_weight = latent, kl_weight
        self.encoder = keras.Sequential([
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(500, activation="relu"),
            layers.Dense(250, activation="relu"),
            layers.Dense(2 * latent),
        ])
        self.decoder = keras.Sequential([
            keras.Input((latent,)),
            layers.Dense(250, activation="relu"),
            layers.Dense(500, activation="relu"),
            layers.Dense(784),
            layers.Reshape((28, 28)),
        ])
        self.random = keras.random.SeedGenerator(lesson.seed)
        self.reconstruction = keras.metrics.Mean("reconstruction")
        self.kl = keras.metrics.Mean("kl")

    def call(self, images):
        """Return logits of the pixels, and means and log variances of the latent variables."""
        means, log_variances = ops.split(self.encoder(images), 2, axis=1)
        deviations = ops.exp(log_variances / 2)
        noise = keras.random.normal(ops.shape(means), seed=self.random)
        return self.decoder(means + deviations * noise), means, log_variances

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        """Return the loss of a batch in nats per image, and update the metrics."""
        logits, means, log_variances = y_pred
        reconstruction = ops.binary_crossentropy(y, logits, from_logits=True)
        reconstruction = ops.sum(reconstruction, axis=(1, 2))
        kl = ops.sum(means**2 + ops.exp(log_variances) - log_variances - 1, axis=1) / 2
        self.reconstruction.update_state(reconstruction)
        self.kl.update_state(kl)
        return ops.mean(reconstruction + self.kl_weight * kl)

    def get_config(self):
        """Return the arguments of `__init__`, for `load_model` (lesson 05)."""
        return {**super().get_config(), "latent": self.latent, "kl_weight": self.kl_weight}


model = VAE(lesson.latent, lesson.kl_weight)

# %% [markdown]
# ## 4 Compile
# There is no `loss=`, since `compute_loss` computes it. The learning rate falls along a cosine
# (lesson 16).

# %%
steps = len(train)
model.compile(
    keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.002, lesson.epochs * steps)),
    steps_per_execution=steps,  # return to Python once per epoch: faster
    jit_compile=True if keras.backend.backend() == "tensorflow" else "auto",  # as in lesson 10
)

# %% [markdown]
# ## 5 Fit
# The figures `reconstruction` and `kl` show the two terms after each epoch.

# %%
history = model.fit(
    train,
    validation_data=(val_images, val_images),
    validation_batch_size=1000,
    epochs=lesson.epochs,
    callbacks=lesson.callbacks(),
    verbose=0,
)

# %% [markdown]
# ## 6 Evaluate
# We measure the negative ELBO of the test images, with one sampled code for each. Two numbers help
# to judge it: what the *mean image* of the training images costs as the reconstruction of every
# image, and the *floor*, the cost if every p equals its t. It is not 0: even with p = 0.8, a pixel
# of t = 0.8 costs 0.50 nats.


# %%
def cross_entropy(images, p):
    """Return the binary cross-entropy in nats per image."""
    p = np.clip(p, 1e-6, 1 - 1e-6)  # no logarithm of 0
    return -np.sum(images * np.log(p) + (1 - images) * np.log(1 - p)) / len(images)


test = model.evaluate(test_images, test_images, batch_size=1000, verbose=0, return_dict=True)
scores = {"test_loss": test["reconstruction"] + test["kl"]}  # the negative ELBO
scores |= {"test_reconstruction": test["reconstruction"], "test_kl": test["kl"]}
scores["mean_image"] = cross_entropy(test_images, train_images.mean(axis=0))
scores["floor"] = cross_entropy(test_images, test_images)
print("nats per image:", ", ".join(f"{name} {score:.2f}" for name, score in scores.items()))

# %% [markdown]
# <!-- results: lesson-32-terms -->
# Nats per test image, medians of three seeds, and of the negative ELBO the range:
#
# | images   | reconstruction | KL divergence | negative ELBO          | mean image | floor |
# | -------- | -------------- | ------------- | ---------------------- | ---------- | ----- |
# | digits   | 79.1           | 20.5          | 99.4 (99.1 to 99.7)    | 206        | 46    |
# | clothing | 226.3          | 12.8          | 239.1 (238.9 to 239.7) | 385        | 190   |
# <!-- end -->
#
# For digits, the codes save 206 - 79 = 127 nats in the reconstruction and cost 20.5. Where the code
# does not determine a pixel, the best p is its average over all images that fit the code. So the
# images are blurred, and this blur costs what lies above the floor: for digits 79 - 46 = 33 nats.
#
# The figure `latent_space` shows the means of the test images, colored by class. If there are more
# than two latent variables, PCA (lesson 31) finds the two directions in which they differ most.

# %%
outputs = model.encoder.predict(test_images, batch_size=1000, verbose=0)
codes = outputs[:, : lesson.latent]  # the means; the rest are log variances
points = codes if lesson.latent == 2 else PCA(2).fit_transform(codes)
figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
dots = axes.scatter(*points.T, c=test_labels, cmap="tab10", vmin=-0.5, vmax=9.5, s=4)
figure.colorbar(dots, ticks=range(10), label="class")
axes.set(title="means of the test images", aspect="equal")
lesson.save_figure("latent_space", figure)

# %% [markdown]
# ## 7 Predict
# The decoder alone draws `new_images` from codes sampled from the prior, and `interpolation` from
# codes on the straight line between the means of two images. A mixture of two codes is a digit that
# looks a little like each. With `--latent 2` it also draws a `map` of the codes from -2 to 2. You
# cannot ask this VAE for a 3: it knows no labels. And are the new digits good? They have no target
# to be compared with, so look at `new_images`; lesson 37 compares drawn digits with real ones by a
# number.


# %%
def decode(codes):
    """Return the images of codes, shape (n, 28, 28), with pixels from 0 to 255."""
    return 255 / (1 + np.exp(-model.decoder.predict(codes, verbose=0)))  # sigmoid


random = np.random.default_rng(lesson.seed)
new_images = decode(random.normal(size=(20, lesson.latent)).astype("float32"))
lesson.save_figure("new_images", plots.image_grid(new_images, [""] * 20, columns=10))

share = np.linspace(0, 1, 10, dtype="float32")[:, np.newaxis]
walks = [decode((1 - share) * codes[i] + share * codes[i + 1]) for i in (0, 2, 4)]
lesson.save_figure("interpolation", plots.image_grid(np.concatenate(walks), [""] * 30, columns=10))

if lesson.latent == 2:
    side = np.linspace(-2, 2, 20, dtype="float32")
    grid = decode(np.array([[x, y] for y in side[::-1] for x in side]))  # row by row, from the top
    picture = grid.reshape(20, 20, 28, 28).swapaxes(1, 2).reshape(560, 560)
    figure, axes = plt.subplots(figsize=(8, 8), layout="constrained")
    axes.imshow(picture, cmap="gray_r", extent=(-2.1, 2.1, -2.1, 2.1))
    axes.set(xlabel="first latent variable", ylabel="second", title="the image of each code")
    lesson.save_figure("map", figure)

nats = {name: f"{name} [nats per image]" for name in ("loss", "reconstruction", "kl")}
model.decoder.save(lesson.folder / "decoder.keras")  # all that drawing takes
lesson.finish(model, history, units=nats, **scores)

# %% [markdown]
# ## Remember
# - A VAE samples each code, mean + deviation · noise, so nearby codes give similar images. Its loss
#   is the reconstruction, summed over the pixels, plus the KL divergence.
# - The KL divergence keeps the codes near the prior, so that codes sampled from it give new images.
# - For an unusual loss, override `compute_loss`: it runs on every back-end.
#
# On your own images, try first: a plain autoencoder (lesson 31), unless you want to draw new ones.
# Today's image generators are diffusion models (lesson 37).

# %% [markdown]
# ## Exercises
# 1. What is the second term good for? Try `--kl-weight 0` and look at `new_images`, then
#    `--kl-weight 4`.
# 2. With `--latent 2`, where in `map` do digits turn into others, and which classes overlap in
#    `latent_space`? How much worse is the negative ELBO, and which of its terms?
# 3. With `--dataset fashion_mnist` the negative ELBO is more than twice as large. Is clothing so
#    much harder? Compare with the floor and the mean image.
#
# Solutions: notes/solutions/32_variational_autoencoder.md
