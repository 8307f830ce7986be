"""The models, each written out in full, so that comparing two functions shows what differs.

Every model takes uint8 images of shape (28, 28, 1) with values 0 to 255 and returns ten float32
probabilities. The name of the function is the value of `--model` and the first part of the run
folder's name. (The last function belongs to clothing.py.)

The softmax is a separate layer that always computes in 32 bits, because with fewer bits
probabilities close to 1 would be indistinguishable.
"""

import keras
from keras import layers

from mnist.recipes import NAMES


def mlp_one_layer():
    """Build an MLP with one hidden layer, whose 512 units are each connected to all 784 pixels."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def mlp_two_layers():
    """Build `mlp_one_layer` with a second hidden layer."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(512, activation="relu"),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def mlp_two_layers_dropout():
    """Build `mlp_two_layers` with dropout, which sets half of the hidden units to 0 in training."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(512, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def conv_net():
    """Build a CNN: three convolutions detect local features, a dense layer combines them."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def conv_net_dropout():
    """Build `conv_net` with dropout after the first pooling layer and after the dense layer."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def conv_net_batch_norm():
    """Build `conv_net` with batch normalization after the first pooling and the dense layer.

    In training, each unit of the dense layer and each of the 32 channels is normalized to mean 0
    and variance 1 over the batch, then scaled and shifted by two learned parameters. For
    prediction, the running averages from training are used instead.
    """
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.BatchNormalization(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def conv_net_l1():
    """Build `conv_net` with an L1 penalty: 0.0001 times the sum of the hidden |weights|."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu", kernel_regularizer=keras.regularizers.L1(1e-4)),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu", kernel_regularizer=keras.regularizers.L1(1e-4)),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu", kernel_regularizer=keras.regularizers.L1(1e-4)),
        layers.Flatten(),
        layers.Dense(64, activation="relu", kernel_regularizer=keras.regularizers.L1(1e-4)),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def conv_net_l2():
    """Build `conv_net` with an L2 penalty: 0.0001 times the sum of the squared hidden weights."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
        layers.Flatten(),
        layers.Dense(64, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def le_net():
    """Build a variant of LeCun's LeNet (1998): two 5x5 convolutions and a wide dense layer."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(20, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(50, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(500, activation="relu"),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def conv_net_augmented():
    """Build `conv_net` with augmentation: training images are rotated, shifted, sheared, zoomed.

    `RandomShear` keeps the top row and shifts the lower ones sideways, the lowest by up to 8
    pixels. The four layers are inactive in prediction. They compute in 32 bits because they work
    with pixel coordinates. Uncovered areas are filled with black, like the background.
    """
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.RandomRotation(8 / 360, fill_mode="constant", dtype="float32"),  # 8 degrees
        layers.RandomTranslation(0.08, 0.08, fill_mode="constant", dtype="float32"),
        layers.RandomShear((0, 0.3), fill_mode="constant", dtype="float32"),
        layers.RandomZoom(0.08, fill_mode="constant", dtype="float32"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def conv_net_fast():
    """Build a CNN that reaches in 5 epochs what `conv_net` needs 60 for.

    Images are shifted by up to two whole pixels. He initialization keeps the scale of the
    activations of a `relu` network about equal from layer to layer. Batch normalization speeds up
    training; it comes after the second pooling layer and before the last layer, where it is cheap
    because few values are left.
    """
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.RandomTranslation(
            0.08, 0.08, fill_mode="constant", interpolation="nearest", dtype="float32"
        ),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu", kernel_initializer="he_normal"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu", kernel_initializer="he_normal"),
        layers.Conv2D(64, 3, activation="relu", kernel_initializer="he_normal"),
        layers.MaxPooling2D(2),
        layers.BatchNormalization(),
        layers.Conv2D(128, 3, activation="relu", kernel_initializer="he_normal"),
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.Dropout(0.4),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def conv_net_best():
    """Build the most accurate CNN that trains about as long as `conv_net` in a plain script.

    It has six convolutions and only one pooling layer. Without padding, each convolution shrinks
    the image by two pixels, until 3x3 are left and averaged. Before that, digits are rotated and
    shifted, and about half of them distorted: `RandomPerspective` moves the corners, which scales
    and shears in one step. Each interpolation blurs; shifting by whole pixels (`nearest`) does not.
    """
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.RandomRotation(12 / 360, fill_mode="constant", dtype="float32"),  # 12 degrees
        layers.RandomPerspective(1.0, 0.3, dtype="float32"),
        layers.RandomTranslation(
            0.12, 0.12, fill_mode="constant", interpolation="nearest", dtype="float32"
        ),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu", kernel_initializer="he_normal"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu", kernel_initializer="he_normal"),
        layers.Conv2D(64, 3, activation="relu", kernel_initializer="he_normal"),
        layers.BatchNormalization(),
        layers.Conv2D(96, 3, activation="relu", kernel_initializer="he_normal"),
        layers.Conv2D(128, 3, activation="relu", kernel_initializer="he_normal"),
        layers.BatchNormalization(),
        layers.Conv2D(128, 3, activation="relu", kernel_initializer="he_normal"),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.4),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def conv_net_best_of_clothing():
    """Build `conv_net_best` adapted to clothing, for clothing.py.

    Unlike handwritten digits, clothing can be mirrored, and it is shifted by at most one pixel. It
    varies more than digits do, in fabric and cut, so every convolution has 1.5 times as many
    filters. To train these in few epochs, batch normalization follows every convolution, and the
    dropout rate is lower.
    """
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.RandomFlip("horizontal", dtype="float32"),
        layers.RandomTranslation(
            0.04, 0.04, fill_mode="constant", interpolation="nearest", dtype="float32"
        ),
        layers.Rescaling(1 / 255),
        layers.Conv2D(48, 3, activation="relu", kernel_initializer="he_normal"),
        layers.MaxPooling2D(2),
        layers.BatchNormalization(),
        layers.Conv2D(96, 3, activation="relu", kernel_initializer="he_normal"),
        layers.BatchNormalization(),
        layers.Conv2D(96, 3, activation="relu", kernel_initializer="he_normal"),
        layers.BatchNormalization(),
        layers.Conv2D(144, 3, activation="relu", kernel_initializer="he_normal"),
        layers.BatchNormalization(),
        layers.Conv2D(192, 3, activation="relu", kernel_initializer="he_normal"),
        layers.BatchNormalization(),
        layers.Conv2D(192, 3, activation="relu", kernel_initializer="he_normal"),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.25),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


MODELS = {name: globals()[name] for name in NAMES}
