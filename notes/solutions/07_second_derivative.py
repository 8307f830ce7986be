"""The second derivative of x³ at 2, by two tapes."""

import tensorflow as tf

x = tf.Variable(2.0)
with tf.GradientTape() as outer:
    with tf.GradientTape() as inner:
        y = x**3
    slope = inner.gradient(y, x)  # recorded by the outer tape
bend = outer.gradient(slope, x)

print(f"x³ at 2: {y.numpy():g}, slope {slope.numpy():g}, second derivative {bend.numpy():g}")
assert slope.numpy() == 3 * 2**2
assert bend.numpy() == 6 * 2
