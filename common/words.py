"""Texts to words."""

import string

# The apostrophe stays, so that "don't" is one word.
PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation.replace("'", "") + "\t\n", " "))


def split_words(text: str) -> list[str]:
    """Cut a text into words: lower case, with every punctuation mark taken for a space."""
    return [word for word in text.lower().translate(PUNCTUATION).split(" ") if word]
