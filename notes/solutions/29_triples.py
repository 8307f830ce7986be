"""Solution 3 of lesson 29: how many sequences of three words are known?"""

from saved import load_data_of, newest_run

folder = newest_run("29_language_model")

from itertools import pairwise

import keras
import numpy as np

(reviews, _), (test_reviews, _), _ = load_data_of(folder, "imdb")
model = keras.models.load_model(folder / "model.keras")
length = model.input_shape[1]


def triples(text):
    """List the sequences of three words in a text that all have a number of their own."""
    runs = ((*two, last) for two, last in zip(pairwise(text), text[2:], strict=False))
    return [run for run in runs if min(run) > 1]


def numbers(review):
    return np.where(review < 9_999, review + 1, 1).tolist()


known = {run for review in reviews for run in triples(numbers(review))}


def report(name, texts):
    runs = [run for text in texts for run in triples(text)]
    print(f"{name}: {np.mean([run in known for run in runs]):.2f} of {len(runs)} runs are known")


report("test reviews", map(numbers, test_reviews[:1_000]))
draw = np.random.default_rng(42)
for temperature in (0.5, 0.8, 1, 1.5):
    texts = np.zeros((20, length), "int32")  # twenty texts at once
    for place in range(99):
        logits = keras.ops.convert_to_numpy(model.predict_on_batch(texts))[:, place]
        logits[:, :2] = -np.inf
        # Adding this noise and taking the largest draws by the probabilities ("Gumbel trick").
        texts[:, place + 1] = (logits / temperature + draw.gumbel(size=logits.shape)).argmax(axis=1)
    report(f"temperature {temperature}", texts[:, 1:100].tolist())
