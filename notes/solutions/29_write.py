"""Solution 2 of lesson 29: its newest network goes on writing, without being trained again."""

from saved import load_data_of, newest_run

folder = newest_run("29_language_model")

import textwrap

import keras
import numpy as np

from datasets import split_words

PROMPTS = ["the best film i have", "the worst film i have", "my grandmother"]

_, _, word_index = load_data_of(folder, "imdb")
number_of = {word: rank + 1 for word, rank in word_index.items() if rank < 9_999}
word_of = {number: word for word, number in number_of.items()}
model = keras.models.load_model(folder / "model.keras")
no_word = np.setdiff1d(np.arange(10_000), list(word_of))
draw = np.random.default_rng(42)
for prompt in PROMPTS:
    text = [0, *(number_of.get(word, 1) for word in split_words(prompt))]
    for _ in range(40):
        window = np.zeros((1, model.input_shape[1]), "int32")
        window[0, : len(text)] = text
        logits = np.array(model.predict_on_batch(window)[0, len(text) - 1]) / 0.7  # temperature
        logits[no_word] = -np.inf
        p = np.exp(logits - logits.max())
        text.append(int(draw.choice(len(p), p=p / p.sum())))
    written = " ".join(word_of.get(number, "?") for number in text[1:])
    print(textwrap.fill(written, 100), end="\n\n")
