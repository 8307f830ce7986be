"""Which classes does the newest model of lesson 01 confuse with each other most often?"""

from saved import load_data_of, newest_run

folder = newest_run("01_fashion_mnist_classification")

import keras
import numpy as np

NAMES = [
    "T-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
]  # fmt: skip
_, (images, labels) = load_data_of(folder, "fashion_mnist")
model = keras.models.load_model(folder / "model.keras")
predicted = model.predict(images, batch_size=1000, verbose=0).argmax(axis=1)

counts = np.zeros((10, 10), int)
np.add.at(counts, (labels, predicted), 1)
both = counts + counts.T  # shirts taken for coats, and coats taken for shirts
pairs = [(both[a, b], NAMES[a], NAMES[b]) for a in range(10) for b in range(a)]
for count, a, b in sorted(pairs, reverse=True)[:3]:
    print(f"{a} and {b}: {count} times")
