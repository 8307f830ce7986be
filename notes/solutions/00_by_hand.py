"""A network of three units that computes XOR with weights found on paper."""

import numpy as np

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
w1, b1 = np.array([[1, 1], [1, 1]]), np.array([-0.5, -1.5])  # "a or b", "a and b"
w2, b2 = np.array([[1], [-1]]), -0.5  # "or, but not and"

h = np.where(x @ w1 + b1 > 0, 1, 0)
answers = np.where(h @ w2 + b2 > 0, 1, 0)
for (a, b), (either, both), (answer,) in zip(x, h, answers, strict=True):
    print(f"a {a}, b {b}: or {either}, and {both} -> {answer}")
assert answers.ravel().tolist() == [0, 1, 1, 0]
