"""Give each column of a matrix mean 0 and variance 1, without a loop."""

import numpy as np
import tensorflow as tf

matrix = tf.random.normal((1000, 3), mean=[0.0, 50.0, -7.0], stddev=[1.0, 10.0, 0.1], seed=1)
mean = tf.reduce_mean(matrix, axis=0)  # (3,)
deviation = tf.math.reduce_std(matrix, axis=0)  # (3,)
standard = (matrix - mean) / deviation  # (1000, 3): the vectors are stretched over the rows

print("before:", mean.numpy().round(2), deviation.numpy().round(2))
print("after: ", *[abs(x.round(2)) for x in (standard.numpy().mean(0), standard.numpy().std(0))])
assert np.allclose(standard.numpy().mean(axis=0), 0, atol=1e-3)
assert np.allclose(standard.numpy().std(axis=0), 1, atol=1e-3)
