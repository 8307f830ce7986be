"""How many steps does gradient descent need to reach the minimum of (x - 3)² + 1?"""

import tensorflow as tf

for rate in (0.1, 0.5, 1.1):
    x, steps = tf.Variable(0.0), 0
    while abs(x.numpy() - 3) > 0.001 and steps < 100:
        with tf.GradientTape() as tape:
            y = (x - 3) ** 2 + 1
        x.assign_sub(rate * tape.gradient(y, x))
        steps += 1
    print(f"rate {rate}: x = {x.numpy():.4g} after {steps} steps")
