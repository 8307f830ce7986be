"""Solutions 1 and 2 of lesson 37: the newest network draws again, without being trained."""

from saved import newest_run

folder = newest_run("37_diffusion")

import itertools

import keras
import numpy as np

network = keras.models.load_model(folder / "model.keras")
judge = keras.models.load_model(folder / "judge.keras")
labels = np.repeat(np.arange(10, dtype="int32"), 20)  # twenty of each digit
nothing = np.full_like(labels, 10)


def draw(noise, steps, guidance):
    """Return the images, from -1 to 1, shape (200, 28, 28, 1)."""
    x = noise
    for now, then in itertools.pairwise(np.linspace(1, 0, steps + 1)):
        t = np.full((len(x), 1), now, "float32")
        guess, asked = (network.predict([x, t, one], verbose=0) for one in (nothing, labels))
        guess = np.clip(guess + guidance * (asked - guess), -1, 1)
        noise = (x - np.cos(now * np.pi / 2) * guess) / np.sin(now * np.pi / 2)
        x = np.cos(then * np.pi / 2) * guess + np.sin(then * np.pi / 2) * noise
        x = x.astype("float32")
    return x


random = np.random.default_rng(0)
noises = {
    "its own noise": random.normal(size=(200, 28, 28, 1)),
    "the same noise": np.tile(random.normal(size=(20, 28, 28, 1)), (10, 1, 1, 1)),  # per digit
}
for name, noise in noises.items():
    for steps in (1, 2, 5, 50):
        images = draw(noise.astype("float32"), steps, guidance=2)
        pixels = np.round(images * 127.5 + 127.5).astype("uint8")
        right = judge.predict(pixels, verbose=0).argmax(axis=1) == labels
        # How far are the twenty drawings of a digit from their mean?
        groups = images.reshape(10, 20, -1)
        variety = np.mean((groups - groups.mean(axis=1, keepdims=True)) ** 2)
        print(f"{name}, {steps} steps: {right.mean():.2f} read as asked, variance {variety:.3f}")
