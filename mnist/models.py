"""The models of the zoo, each written out in full: compare two functions and you see the idea.

Every model takes images of shape (28, 28, 1), uint8, values 0 to 255, and answers with ten
probabilities, float32. The name of the function is the value of `--model` and begins the name of
the run's folder. (The last function, for pieces of clothing, belongs to clothing.py.)

The last activation is a layer of its own and always computes in 32 bits: with fewer, probabilities
close to 1 could not be told apart.
"""

import keras
from keras import layers


def mlp_one_layer():
    """One hidden layer. Each of its 512 units sees all 784 pixels at once."""
    return keras.Sequential([
        keras.Input((28, 28, 1), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(10),
        layers.Activation("softmax", dtype="float32"),
    ])


def mlp_two_layers():
    """As `mlp_one_layer`, with a second hidden layer."""
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
    """As `mlp_two_layers`; in training every hidden unit is left out half of the time."""
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
    """Three convolutions look at small windows; a dense layer puts together what they found."""
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
    """As `conv_net`, with dropout behind the first pooling and behind the dense layer."""
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
    """As `conv_net`; behind the first pooling and the dense layer the values are normalised.

    In training each unit, or each of the 32 channels that the windows make, is brought to mean 0
    and variance 1 over the batch, then scaled and shifted by two learnt numbers. To predict,
    running averages of training are used.
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
    """As `conv_net`; the loss grows by 0.0001 times the sum of the hidden layers' |weights|."""
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
    """As `conv_net_l1`, but the squares of the weights are added up."""
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
    """Two convolutions with windows of 5x5 and a wide dense layer, after LeCun's of 1998."""
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
    """As `conv_net`; in training every image is turned, moved, slanted and scaled.

    `RandomShear` holds the top row and pushes the lower ones sideways, the lowest by up to 8
    pixels. The four layers do nothing when the model predicts. They compute in 32 bits, since they
    work with positions of pixels. What they uncover is black, as the ground of the images is.
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
    """Made for a short training: what `conv_net` needs 60 epochs for, in 5.

    Images are moved by up to two whole pixels. Starting weights by He's rule keep the values of a
    `relu` network about equally large from layer to layer. Normalisation makes learning quick; it
    stands behind the second pooling layer and before the last layer, where few values are left.
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
    """Made for the highest accuracy, in about the time that a plain script takes for `conv_net`.

    Six convolutions, and only one pooling: without padding each makes the picture two pixels
    smaller, until 3x3 are left, whose mean is taken. Digits are turned and moved before, and about
    half of them distorted: `RandomPerspective` pulls at the corners, and so scales and slants in
    one step. Each such step blurs; moving by whole pixels, `nearest`, does not.
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
    """As `conv_net_best`, for pieces of clothing: what clothing.py trains.

    Clothing is not written by hand: it is mirrored, and moved by one pixel at most. Pieces of
    clothing differ in more than digits do, in cloth and cut, so every convolution has one and a
    half times as many filters. To train so many in few epochs, the values of every convolution are
    normalised, and dropout is lighter.
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


MODELS = {
    function.__name__: function
    for function in [
        mlp_one_layer, mlp_two_layers, mlp_two_layers_dropout,
        conv_net, conv_net_dropout, conv_net_batch_norm, conv_net_l1, conv_net_l2,
        le_net, conv_net_augmented, conv_net_fast, conv_net_best,
    ]
}  # fmt: skip
