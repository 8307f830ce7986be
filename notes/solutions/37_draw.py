"""Solutions 1 and 2 of lesson 37: the newest network draws again, without being trained."""

from saved import newest_run

folder = newest_run("37_diffusion")

import itertools

import keras
import numpy as np

from common import plots

network = keras.models.load_model(folder / "model.keras")
judge = keras.models.load_model(folder / "judge.keras")
labels = np.repeat(np.arange(10, dtype="int32"), 10)  # ten of each digit


def draw(noise, steps):
    """Return the images, from -1 to 1, shape (100, 28, 28, 1), without guidance."""
    x = noise
    for t, smaller in itertools.pairwise(np.linspace(1, 0, steps + 1)):
        times = np.full((len(x), 1), t, "float32")
        guess = np.clip(network.predict([x, times, labels], verbose=0), -1, 1)
        rest = (x - np.cos(t * np.pi / 2) * guess) / np.sin(t * np.pi / 2)
        x = np.cos(smaller * np.pi / 2) * guess + np.sin(smaller * np.pi / 2) * rest
        x = x.astype("float32")
    return x


random = np.random.default_rng(0)
noises = {
    "own": random.normal(size=(100, 28, 28, 1)),
    "same": np.tile(random.normal(size=(10, 28, 28, 1)), (10, 1, 1, 1)),  # ten for every digit
}
for name, noise in noises.items():
    for steps in (1, 2, 20):
        images = draw(noise.astype("float32"), steps)
        pixels = np.round(images * 127.5 + 127.5).astype("uint8")
        right = judge.predict(pixels, verbose=0).argmax(axis=1) == labels
        groups = images.reshape(10, 10, -1)  # digit, drawing, pixel
        variance = np.mean(groups.var(axis=1))
        ink = groups.mean(axis=2)
        alike = np.corrcoef(ink)[np.triu_indices(10, 1)].mean()  # over pairs of digits
        print(
            f"{name} noise, {steps} steps: {right.mean():.2f} read as asked, variance of a digit "
            f"{variance:.3f}, correlation of the ink of two digits {alike:.2f}"
        )
        figure = plots.image_grid(pixels[..., 0], [""] * 100, columns=10)
        plots.save(figure, folder / f"{name}_noise_{steps}_steps.png")
print(f"figures: {folder}")
