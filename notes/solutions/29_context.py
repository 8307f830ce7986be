"""Solution 1 of lesson 29: the perplexity if the network sees only the last words."""

from saved import load_data_of, newest_run

folder = newest_run("29_language_model")

import keras
import numpy as np

_, (reviews, _), _ = load_data_of(folder, "imdb")
model = keras.models.load_model(folder / "model.keras")
length = model.input_shape[1]
vectors = keras.Model(model.input, model.layers[-1].output)  # without the scores of all words
(words,) = (layer for layer in model.layers if isinstance(layer, keras.layers.ReversibleEmbedding))

text = np.concatenate([np.append(0, np.where(review < 9_999, review + 1, 1)) for review in reviews])
ends = np.random.default_rng(42).integers(length, len(text), 3_000)  # words to be predicted
for seen in (1, 2, 5, 20, 100, length):
    windows = np.zeros((len(ends), length), "int32")
    windows[:, :seen] = [text[end - seen : end] for end in ends]
    last = vectors.predict(windows, batch_size=50, verbose=0)[:, seen - 1]
    logits = words(last, reverse=True)
    losses = keras.losses.sparse_categorical_crossentropy(text[ends], logits, from_logits=True)
    print(f"{seen} words: perplexity {np.exp(np.mean(losses)):.0f}")
