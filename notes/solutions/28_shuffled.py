"""How much does lesson 28's newest model lose if the words of each test review are shuffled?"""

from saved import load_data_of, newest_run

folder = newest_run("28_transformer")

import keras
import numpy as np

_, (reviews, labels), _ = load_data_of(folder, "imdb")
model = keras.models.load_model(folder / "model.keras")

rows = [np.where(review < 9_999, review + 1, 1)[-200:] for review in reviews]  # as in the lesson
random = np.random.default_rng(42)
for name, order in {"as written": lambda row: row, "shuffled": random.permutation}.items():
    numbers = keras.utils.pad_sequences([order(row) for row in rows], 200, padding="post")
    answers = model.predict(numbers, batch_size=250, verbose=0)[:, 0] > 0.5
    print(f"{name}: test accuracy {np.mean(answers == labels):.4f}")
