"""The baselines of lesson 29: language models that count words, pairs and triples."""

import numpy as np


def ngram_probabilities(train, words, vocabulary: int) -> np.ndarray:
    """Return what counts in a training text say about each word of another text.

    Args:
        train, words: integers of shape (n,) and (m,), from 0 to vocabulary - 1.
        vocabulary: number of different words.

    Returns:
        float64 array of shape (3, m - 2): the probability of each word from the third one on, by
        its own frequency (unigram), after the word before it (bigram) and after the two words
        before it (trigram); 0 where the training text has no such pair or triple.
    """
    train, words = np.asarray(train, "int64"), np.asarray(words, "int64")
    single = np.bincount(train, minlength=vocabulary) + 1  # no word has probability 0
    pairs, triples = keys(train, 2, vocabulary), keys(train, 3, vocabulary)
    pair, triple = keys(words, 2, vocabulary), keys(words, 3, vocabulary)
    unigram = single[words[2:]] / single.sum()
    bigram = occurrences(pairs, pair[1:]) / single[words[1:-1]]
    trigram = occurrences(triples, triple) / np.maximum(occurrences(pairs, pair[:-1]), 1)
    return np.stack([unigram, bigram, trigram])


def keys(words: np.ndarray, n: int, vocabulary: int) -> np.ndarray:
    """Number each run of n words, so that equal runs have equal numbers; int64."""
    count = len(words) - n + 1
    return sum(words[i : i + count] * vocabulary ** (n - 1 - i) for i in range(n))


def occurrences(among: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Count how often each wanted key occurs among others."""
    found, counts = np.unique(among, return_counts=True)
    places = np.minimum(np.searchsorted(found, wanted), len(found) - 1)
    return np.where(found[places] == wanted, counts[places], 0)


def interpolation_weights(probabilities: np.ndarray, rounds: int = 50) -> np.ndarray:
    """Find the weights of a mixture of models under which a text is most probable.

    This is the expectation-maximization algorithm: how much each model contributed to the
    probability of each word is, on average, its next weight.

    Args:
        probabilities: array of shape (models, words), such as `ngram_probabilities` returns for a
            text that none of the models was trained on.

    Returns:
        Array of shape (models,), whose sum is 1.
    """
    weights = np.full(len(probabilities), 1 / len(probabilities))
    for _ in range(rounds):
        parts = weights[:, np.newaxis] * probabilities
        weights = (parts / parts.sum(axis=0)).mean(axis=1)
    return weights


def perplexity(probabilities: np.ndarray) -> float:
    """Return the exponential of the average of -log p over all words."""
    return float(np.exp(-np.log(probabilities).mean()))
