# %% [markdown]
"""
# 37 Diffusion: how do digits come out of noise?

Today's image generators, such as Stable Diffusion, begin with pure noise and remove it step by
step, until a new image is left. In this lesson you build a small *diffusion model* that draws the
handwritten digit you ask for. A second network reads the drawn digits, and a distance tells how far
they are from real ones.

Expect: 99.0% of the drawn digits are read as asked; Fréchet distance 36, real ones 30: medians.
Takes: about 14 minutes on two CPU cores, at full length.

    python 37_diffusion.py
    python 37_diffusion.py --digits 2 0 2 6
    python 37_diffusion.py --steps 5 --guidance 1
"""

# %%
from frame import Flag, Lesson

lesson = Lesson(
    __doc__,
    epochs=Flag(3, sample=6),
    batch_size=64,
    steps=Flag(20, "steps from noise to digit", at_most=100),
    guidance=Flag(2.0, "how strongly the label guides the drawing", at_least=0),
    digits=Flag([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "what to draw", role="free", at_least=0, at_most=9),
    scored=Flag(1_000, "digits to draw for each score", at_least=100, at_most=10_000, sample=100),
    judge_epochs=Flag(2, "epochs of the network that reads the digits", sample=8),
)

import itertools

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from common import plots
from diffusion.animation import save_animation
from diffusion.scores import frechet_distance, image_reader
from mnist.models import conv_net_fast

# %% [markdown]
# ## 1 Load
# The digits of MNIST, this time with their labels: they will tell the network what to draw.

# %%
(images, labels), (test_images, test_labels) = lesson.load("mnist")
labels, test_labels = labels.astype("int32"), test_labels.astype("int32")

# %% [markdown]
# ## 2 Prepare
# **The forward process** turns an image into noise. At time t = 0 there is only the image, at t = 1
# only noise: in every pixel a random number from a normal distribution with mean 0 and variance 1.
# In between, the two are mixed. (We scale pixels to -1 to 1, so that image and noise are about
# equally large.)
#
#     noisy image = signal(t) * image + spread(t) * noise
#
# with signal(t) = cos(t·π/2), which falls from 1 to 0, and spread(t) = sin(t·π/2), which rises from
# 0 to 1. This is the *noise schedule*. Since signal² + spread² = 1, the network always sees numbers
# of about the same size. At t = 0.5 both are 0.707: a pixel of 0.8 with noise -0.5 becomes
# 0.707·0.8 - 0.707·0.5 = 0.21. Other texts add a little noise a thousand times. That is not needed:
# a sum of normal noises is again normal noise, so the formula gives the image at any time at once.
# The figure `noising` shows three digits.


# %%
def signal(t):
    return ops.cos(t * np.pi / 2)


def spread(t):
    return ops.sin(t * np.pi / 2)


rng = np.random.default_rng(lesson.seed)
times = np.linspace(0, 1, 8, dtype="float32").reshape(-1, 1, 1)
rows = []
for image in images[:3]:
    noise = rng.normal(size=(28, 28)).astype("float32")
    rows.append(signal(times) * (image / 127.5 - 1) + spread(times) * noise)
noisy = ops.convert_to_numpy(ops.concatenate(rows))
titles = [f"t = {t:.2f}" for t in times.ravel()]
lesson.save_figure("noising", plots.image_grid(noisy * 127.5 + 127.5, titles * 3, columns=8))

# %% [markdown]
# **The reverse process** is what we want to learn: from noise to image. No network can tell which
# image was behind strong noise: too many would fit. But it can guess: given a noisy image and its
# time, it *denoises* (lesson 31). If there is little noise, the guess is nearly perfect. If there
# is nothing but noise, every digit is possible, and the guess with the smallest mean squared error
# is the average of all, a gray cloud. So we take a small step toward the guess, guess again, and so
# on. With each step fewer digits are possible, and the guess becomes sharper.
#
# So an image, a random time and random noise make a training example: the input is the noisy image,
# the target the clean one. (Many diffusion models guess the noise instead; by the formula above,
# either gives the other.)

# %%
# Images and labels are both inputs. A batch also needs targets: the labels again, unused.
train = lesson.batches((images, labels), labels)

# %% [markdown]
# ## 3 Define
# **The time** changes the task: in strong noise the network has to invent a shape, in weak noise
# only to clean the details. A network can hardly tell two close numbers apart, so instead of t it
# gets sines and cosines of t at 16 frequencies, as a clock has hands for hours, minutes and
# seconds. This *time embedding* and an `Embedding` of the label become the *condition*, which every
# block sees.
#
# **The network** is a *U-Net*: a diagram of it looks like a U. On the way down, convolutions with a
# stride of 2 halve height and width, 28 to 14 to 7 pixels, so that the units at the bottom see the
# whole image. On the way up the size is doubled again. *Skip connections* let the details bypass
# the bottom: what was computed at 14 x 14 on the way down is appended on the way up.
#
# **A residual block** adds to its input what two convolutions make of it (lesson 28). Between them,
# a dense layer turns the condition into one number per filter, which is added at every pixel. The
# second convolution starts with zeros, so that at first the block adds nothing. *Group
# normalization* brings the outputs of each of 8 groups of filters to mean 0 and variance 1,
# separately in each image. Batch normalization (lesson 04) would mix images of all noise levels.


# %%
FREQUENCIES = np.geomspace(1, 100, 16, dtype="float32") * np.float32(2 * np.pi)
NO_LABEL = 10  # the eleventh label: "any digit"


def residual_block(x, condition, filters):
    """Return x, shape (n, height, width, channels), with `filters` channels."""
    if x.shape[-1] != filters:
        x = layers.Conv2D(filters, 1)(x)  # a sum needs the same number of channels
    y = ops.silu(layers.GroupNormalization(8)(x))
    y = layers.Conv2D(filters, 3, padding="same")(y)
    y = y + layers.Reshape((1, 1, filters))(layers.Dense(filters)(condition))
    y = ops.silu(layers.GroupNormalization(8)(y))
    return x + layers.Conv2D(filters, 3, padding="same", kernel_initializer="zeros")(y)


def build_network(width):
    """Build a U-Net that guesses clean images.

    Its inputs are the noisy images, shape (n, 28, 28, 1), their times, (n, 1), and labels, (n,).
    """
    noisy = keras.Input((28, 28, 1))
    t = keras.Input((1,))
    label = keras.Input((), dtype="int32")

    waves = ops.concatenate([ops.sin(t * FREQUENCIES), ops.cos(t * FREQUENCIES)], axis=1)
    condition = layers.Dense(4 * width)(waves) + layers.Embedding(11, 4 * width)(label)
    condition = layers.Dense(4 * width, activation="silu")(ops.silu(condition))

    x = layers.Conv2D(width, 3, strides=2, padding="same")(noisy)  # 14 x 14
    skip = x = residual_block(x, condition, width)
    x = layers.Conv2D(2 * width, 3, strides=2, padding="same")(x)  # 7 x 7
    for _ in range(3):
        x = residual_block(x, condition, 2 * width)
    x = layers.UpSampling2D()(layers.Conv2D(width, 1)(x))  # 14 x 14
    x = layers.Concatenate()([x, skip])
    for _ in range(2):
        x = residual_block(x, condition, width)
    x = ops.silu(layers.GroupNormalization(8)(x))
    guess = layers.Conv2DTranspose(1, 4, strides=2, padding="same")(x)  # 28 x 28
    return keras.Model([noisy, t, label], guess)


# %% [markdown]
# `silu`, x · sigmoid(x), is a smooth relative of `relu`. `Conv2DTranspose` is the opposite of a
# convolution with a stride: from each pixel it paints a patch of 4 x 4 pixels.
#
# **Training** needs a class that makes the examples: `call` draws a time for each image and mixes
# the image with noise. The loss is the mean squared error of the guess. As in lesson 32 we override
# `compute_loss`.
#
# **Guidance.** In a tenth of the examples we replace the label by `NO_LABEL`. So the same network
# also learns to denoise without knowing the digit. Later we ask it twice, with and without label:
# the difference of the guesses is what the label changes, and we exaggerate it. This is
# *classifier-free guidance*.


# %%
class Diffusion(keras.Model):
    """Trains a network that guesses clean images."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.random = keras.random.SeedGenerator(lesson.seed)

    def call(self, inputs):
        """Return the images, from -1 to 1, and the guesses that the network makes of them."""
        images, labels = inputs
        images = ops.expand_dims(ops.cast(images, "float32"), -1) / 127.5 - 1
        count = ops.shape(images)[0]
        t = keras.random.uniform((count, 1), seed=self.random)
        noise = keras.random.normal(ops.shape(images), seed=self.random)
        hidden = keras.random.uniform((count,), seed=self.random) < 0.1
        labels = ops.where(hidden, NO_LABEL, labels)
        times = ops.reshape(t, (-1, 1, 1, 1))
        noisy = signal(times) * images + spread(times) * noise
        return images, self.network([noisy, t, labels])

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        """Return the mean squared error of the guesses."""
        images, guesses = y_pred
        return ops.mean((images - guesses) ** 2)


network = build_network(24)
model = Diffusion(network)
print(f"{network.count_params():,} parameters")

# %% [markdown]
# ## 4 Compile
# The loss of a batch depends on the noise and times drawn, so the weights fluctuate. Their average
# usually draws better. `use_ema=True` keeps an *exponential moving average* of each weight: after
# every batch, 99.5% of the old average and 0.5% of the new weight. When training ends, `fit` puts
# the averages in the place of the weights. Warmup and cosine are as in lesson 28.

# %%
batches = len(train) * lesson.epochs
schedule = keras.optimizers.schedules.CosineDecay(
    0.0, 19 * batches // 20 + 1, warmup_target=0.004, warmup_steps=batches // 20
)
model.compile(keras.optimizers.Adam(schedule, use_ema=True, ema_momentum=0.995))

# %% [markdown]
# ## 5 Fit

# %%
history = model.fit(
    train, epochs=lesson.epochs, callbacks=lesson.callbacks(training="diffusion"), verbose=0
)

# %% [markdown]
# ## 6 Evaluate
# **Drawing.** We begin with noise at t = 1. In each step the network guesses the clean image.
# Solved for the noise, the formula of section 2 says: noise = (noisy image - signal · guess) /
# spread. Then we mix guess and noise again, for a slightly smaller t. No fresh noise is added, so
# the same start and label always give the same image. This way of drawing is called *DDIM*; the
# older *DDPM* adds a little fresh noise in each step, and needs many more steps.
#
# The guidance w says how strongly the label acts: the guess is now (guess without label) + w ·
# (guess with label - guess without). With w = 0 the label is ignored, with w = 1 the guess is the
# one with label, and above 1 the difference is exaggerated: if a pixel is 0.1 without and 0.3 with
# label, w = 2 gives 0.1 + 2·0.2 = 0.5.


# %%
def guess_images(noisy, t, labels, guidance):
    """Guess the clean images, shape (n, 28, 28, 1), from -1 to 1."""
    times = np.full((len(noisy), 1), t, "float32")
    nothing = np.full(len(noisy), NO_LABEL, "int32")
    # With w = 0 or w = 1 a single guess is enough; the difference below is then 0.
    inputs = {0: [nothing], 1: [labels]}.get(guidance, [nothing, labels])
    guesses = [network.predict([noisy, times, one], batch_size=500, verbose=0) for one in inputs]
    return np.clip(guesses[0] + guidance * (guesses[-1] - guesses[0]), -1, 1)


def draw(labels, steps, guidance):
    """Draw digits; return the images after each step, uint8 of shape (steps, n, 28, 28)."""
    rng = np.random.default_rng(lesson.seed)
    x = rng.normal(size=(len(labels), 28, 28, 1)).astype("float32")
    frames = []
    for t, smaller in itertools.pairwise(np.linspace(1, 0, steps + 1)):
        guess = guess_images(x, t, labels, guidance)
        angle, next_angle = t * np.pi / 2, smaller * np.pi / 2  # their cosine is the signal
        noise = (x - np.cos(angle) * guess) / np.sin(angle)
        x = np.float32(np.cos(next_angle) * guess + np.sin(next_angle) * noise)
        frames.append(
            np.clip(x[..., 0] * 127.5 + 128, 0, 255).astype("uint8")
        )  # 127.5 + 0.5, to round
    return np.stack(frames)


# %% [markdown]
# **A judge.** Are they digits, and the right ones? We train a convolutional network of mnist/ on
# the real digits and let it read the drawn ones.
#
# **The Fréchet distance** asks more: are they as varied as real ones? A generator that draws the
# same perfect seven whenever a seven is wanted satisfies the judge. So we compare *distributions*.
# The judge's last convolution turns each image into 512 numbers, its *features*. We take their
# means m and covariances C (how much each two features vary together), for real and for drawn
# digits, and compute
#
#     |m1 - m2|² + trace(C1 + C2 - 2·(C1·C2)^½)
#
# The first term compares the means, the second how features vary. The trace is the sum of a
# matrix's diagonal, and X^½ times itself is X. This is the squared *Fréchet distance* (below
# simply: the distance). It is 0 if both means and covariances are equal. With the features of a
# network trained on photographs, this is the *FID* (Fréchet inception distance), by which image
# generators are ranked.

# %%
judge = conv_net_fast()
judge_train = lesson.batches(images[..., np.newaxis], labels, 64)
rate = keras.optimizers.schedules.CosineDecay(0.002, lesson.judge_epochs * len(judge_train))
judge.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
judge.fit(
    judge_train, epochs=lesson.judge_epochs, callbacks=lesson.callbacks(training="judge"), verbose=0
)
judge.save(lesson.folder / "judge.keras")
read = image_reader(judge)  # takes images, returns their features and what the judge reads

# %% [markdown]
# We draw 1,000 digits with each setting, always from the same noise. All distances are to 10,000
# training images. Even that of real test digits is not 0: they are other images, and 1,000 of them
# give means and covariances only roughly. So compare with their row.

# %%
real_features, _ = read(images[:10_000])
test_features, test_answers = read(test_images[: lesson.scored])
scores = [
    (
        "real test digits",
        np.mean(test_answers == test_labels[: lesson.scored]),
        frechet_distance(test_features, real_features),
    )
]
wanted = np.arange(lesson.scored, dtype="int32") % 10
settings = [(5, 2), (10, 2), (20, 2), (20, 0), (20, 1), (20, 4)]  # steps and guidance
settings.insert(0, (lesson.steps, lesson.guidance))
for number, guidance in dict.fromkeys(settings):  # without duplicates, in this order
    digits = draw(wanted, number, guidance)[-1]
    features, answers = read(digits)
    name = f"{number} steps, guidance {guidance:g}"
    scores.append((name, np.mean(answers == wanted), frechet_distance(features, real_features)))
    if len(scores) == 2:  # the setting of the flags
        drawn, drawn_answers = digits, answers
scores = pd.DataFrame(scores, columns=["digits", "read as asked", "Fréchet distance"])
lesson.save_table("scores", scores.round(4))

colors = list(np.where(drawn_answers == wanted, "black", "tab:red"))
figure = plots.image_grid(drawn[:50], [str(one) for one in drawn_answers[:50]], colors, columns=10)
lesson.save_figure("drawn", figure)
np.savez(lesson.folder / "drawn.npz", images=drawn, labels=wanted)

# %% [markdown]
# <!-- results: lesson-37-scores -->
# 1,000 digits each, medians and ranges of three seeds:
#
# | digits               | read as asked          | Fréchet distance |
# | -------------------- | ---------------------- | ---------------- |
# | real test digits     | 0.987 (0.987 to 0.988) | 30 (29 to 30)    |
# | 20 steps, guidance 2 | 0.990 (0.990 to 0.992) | 36 (35 to 39)    |
# | 5 steps, guidance 2  | 0.995 (0.992 to 0.998) | 47 (45 to 50)    |
# | 10 steps, guidance 2 | 0.992 (0.991 to 0.992) | 39 (38 to 41)    |
# | 20 steps, guidance 0 | 0.099 (0.097 to 0.112) | 91 (87 to 91)    |
# | 20 steps, guidance 1 | 0.893 (0.890 to 0.899) | 28 (27 to 28)    |
# | 20 steps, guidance 4 | 0.999 (0.999 to 1.000) | 71 (69 to 74)    |
# <!-- end -->
#
# - *Guidance makes digits clear, and less real.* With w = 1 the digits are even a little nearer to
#   the training digits than real test digits are, which is no contradiction: the network learned
#   from just these. But the judge reads one in ten as another digit than we asked for. With w = 2
#   it reads nearly all as asked, with w = 4 practically all. Yet the distance grows, so the judge
#   alone would mislead.
# - *Ten steps are nearly as good as 20.* With 5, the distance grows, although the judge reads even
#   more of them as asked. And neither score tells whether a digit is new: copies of training images
#   would do well in both. To find out, look for the nearest training image of some drawn digits.
#
# How good is the VAE of lesson 32, by the same distance (`python benchmarks/generators.py`)?
#
# <!-- results: lesson-37-generators -->
# 1,000 digits each, medians and ranges of three seeds:
#
# | digits           | Fréchet distance |
# | ---------------- | ---------------- |
# | real test digits | 30 (29 to 30)    |
# | VAE              | 118 (110 to 139) |
# | diffusion        | 36 (35 to 39)    |
# <!-- end -->
#
# The digits of the VAE have about three times the (squared) distance. But diffusion knew the
# labels: without them, with w = 0, most of the advantage is gone. And diffusion is slow: 20 steps
# with guidance are 40 predictions for one image, where the VAE needs one.
#
# ## 7 Predict
# Draw any number: `--digits 2 0 2 6`. The figure `denoising` shows each digit on its way out of the
# noise, from top to bottom, and `denoising.gif` shows it moving.

# %%
wish = np.array(lesson.digits, dtype="int32")
frames = draw(wish, lesson.steps, lesson.guidance)
shown = np.linspace(0, lesson.steps - 1, min(8, lesson.steps)).astype(int)
titles = [f"step {step + 1}" for step in shown for _ in wish]
figure = plots.image_grid(np.concatenate(frames[shown]), titles, columns=len(wish))
lesson.save_figure("denoising", figure)
save_animation(lesson.folder / "denoising.gif", frames)
lesson.tell("animation", "denoising.gif")

real, generated = scores.iloc[0], scores.iloc[1]
measured = {"judge_accuracy": real["read as asked"], "frechet_real": real["Fréchet distance"]}
measured |= {"as_asked": generated["read as asked"], "frechet": generated["Fréchet distance"]}
lesson.finish(network, history, training="diffusion", **measured)

# %% [markdown]
# ## Remember
# - A diffusion model learns to denoise: from a noisy image, its time and a label it guesses the
#   clean image. The loss is a mean squared error.
# - To draw, begin with noise and go step by step toward the guess. Guidance exaggerates what the
#   label changes: the digits become clearer, and less like real ones.
# - Measure what a generator draws: does it match what was asked, and is it distributed as real
#   images are?
#
# On your own images, try first: a pretrained diffusion model, fine-tuned with LoRA (lesson 30).
# Training one from scratch for photographs takes many images and a GPU.

# %% [markdown]
# ## Exercises
# 1. Load the saved network and draw with one step, with 2, with 20. What does a single step draw,
#    and why?
# 2. Where does the digit come from, the noise or the label? Draw all ten digits from the same
#    noise.
# 3. A *GAN* (generative adversarial network) is another generator: one network draws, a second one
#    tells drawn images from real ones, and each learns from the other. Write one with two small
#    networks and `train_on_batch`. How many of its digits are read as asked?
#
# Solutions: notes/solutions/37_diffusion.md
