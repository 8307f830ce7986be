"""Solution 3 of lesson 37: a GAN draws digits, and the judge of the newest run reads them."""

from saved import load_data_of, newest_run

folder = newest_run("37_diffusion")

import keras
import numpy as np
from keras import layers

EPOCHS, BATCH, NOISE = 20, 64, 64

(images, labels), _ = load_data_of(folder, "mnist")
keras.utils.set_random_seed(42)
random = np.random.default_rng(42)


def network(inputs, outputs, activation, dropout):
    """Build a dense network that also gets a label."""
    first, label = keras.Input((inputs,)), keras.Input((), dtype="int32")
    x = layers.Concatenate()([first, layers.Embedding(10, 10)(label)])
    for units in (256, 512):
        x = layers.Dense(units)(x)
        x = layers.Dropout(dropout)(layers.LeakyReLU(0.2)(x))
    return keras.Model([first, label], layers.Dense(outputs, activation=activation)(x))


generator = network(NOISE, 784, "tanh", 0)
discriminator = network(784, 1, "sigmoid", 0.3)
# Less momentum than by default (0.9) and the dropout of the discriminator keep the two in balance.
discriminator.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), "binary_crossentropy")
judged = discriminator([generator.output, generator.inputs[1]])
both = keras.Model(generator.inputs, judged)  # noise and label to "is it real?"
both.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), "binary_crossentropy")


def noise_for(count):
    return random.normal(size=(count, NOISE)).astype("float32")


real = (images.reshape(-1, 784) / 127.5 - 1).astype("float32")
labels = labels.astype("int32")
ones, zeros = np.ones((BATCH, 1), "float32"), np.zeros((BATCH, 1), "float32")
for epoch in range(EPOCHS):
    losses = []
    order = random.permutation(len(real))
    for rows in np.split(order, range(BATCH, len(order), BATCH))[: len(order) // BATCH]:
        drawn = generator.predict_on_batch([noise_for(BATCH), labels[rows]])
        discriminator.trainable = True  # it learns to tell drawn images from real ones ...
        pair = [np.concatenate([real[rows], drawn]), np.tile(labels[rows], 2)]
        loss = discriminator.train_on_batch(pair, np.concatenate([ones, zeros]))
        discriminator.trainable = False  # ... and the generator to be taken for real
        losses.append([loss, both.train_on_batch([noise_for(BATCH), labels[rows]], ones)])
    discriminator_loss, generator_loss = np.mean(losses, axis=0).round(2)
    print(f"epoch {epoch + 1}: discriminator {discriminator_loss}, generator {generator_loss}")

judge = keras.models.load_model(folder / "judge.keras")
wanted = np.arange(1000, dtype="int32") % 10
drawn = generator.predict([noise_for(1000), wanted], verbose=0).reshape(-1, 28, 28, 1)
answers = judge.predict(np.round(drawn * 127.5 + 127.5).astype("uint8"), verbose=0).argmax(axis=1)
print(f"{np.mean(answers == wanted):.3f} of the drawn digits are read as asked")
