"""For each task, a plain Keras script as in tutorials: defaults, and `fit(x, y)` on arrays.

    python benchmarks/plain.py churn --seed 43

Data, split, model, epochs and batch size are those of the corresponding lesson. Arrays and tables
have the dtypes that are usual in tutorials. No progress is shown, since that would take time too.
Prints one line of JSON: the seconds of `fit`, the metric, the peak memory.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of common/

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.model_selection import train_test_split

from common.runs import peak_memory_mb
from datasets import find_dataset


def load(name: str):
    """Load a real data set."""
    return find_dataset(name, "real", None)[0]


def timed_fit(model, features, targets, **options) -> tuple[float, keras.callbacks.History]:
    """Fit silently and measure the seconds as the lessons do, from just before `fit` to its last
    callback. So neither side counts the time that Keras needs to return from `fit`."""
    stopped = []
    clock = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: stopped.append(time.perf_counter())
    )
    callbacks = [*options.pop("callbacks", []), clock]
    began = time.perf_counter()
    history = model.fit(features, targets, verbose=0, callbacks=callbacks, **options)
    return stopped[0] - began, history


def fashion_mnist(seed: int, epochs: int = 10) -> dict:
    """Train as 01_fashion_mnist_classification.py does."""
    (images, labels), (test_images, test_labels) = load("fashion_mnist")
    images, test_images = images / 255, test_images / 255
    train_images, val_images, train_labels, val_labels = train_test_split(
        images, labels, test_size=0.1, random_state=seed, stratify=labels
    )
    model = keras.Sequential([
        keras.Input((28, 28)),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    seconds, _ = timed_fit(
        model, train_images, train_labels, validation_data=(val_images, val_labels), epochs=epochs
    )
    test = model.evaluate(test_images, test_labels, verbose=0, return_dict=True)
    return {"fit_seconds": seconds, "figure": test["accuracy"]}


def xor(seed: int, epochs: int = 500) -> dict:
    """Train as xor/xor.py does."""
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype="float32")
    targets = np.array([[0], [1], [1], [0]], dtype="float32")
    model = keras.Sequential([
        keras.Input((2,)),
        layers.Dense(8, activation="relu"),
        layers.Dense(4, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    seconds, _ = timed_fit(model, inputs, targets, batch_size=1, epochs=epochs)
    right = (model.predict(inputs, verbose=0) > 0.5) == targets
    return {"fit_seconds": seconds, "figure": float(right.mean())}


def churn(seed: int, epochs: int = 100) -> dict:
    """Train as churn/churn.py does for its first network, including the flaw."""
    customers = load("churn")
    exited = customers.pop("Exited").to_numpy()
    customers = customers.drop(columns=["RowNumber", "CustomerId", "Surname"])
    columns = pd.get_dummies(customers, columns=["Geography", "Gender"], drop_first=True)
    columns = columns.astype(float)
    features = ((columns - columns.mean()) / columns.std()).to_numpy()
    model = keras.Sequential([
        keras.Input((11,)),
        layers.Dense(6, activation="relu"),
        layers.Dense(6, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    seconds, _ = timed_fit(model, features, exited, batch_size=10, epochs=epochs)
    answers = model.predict(features, verbose=0)[:, 0] > 0.5
    return {"fit_seconds": seconds, "figure": float((answers == exited).mean())}


def auto_mpg(seed: int, epochs: int = 1000) -> dict:
    """Train as 03_autompg_regression.py does, without early stopping."""
    cars = load("auto_mpg").dropna()
    features = cars.drop(columns=["mpg", "car_name", "origin"])
    for number, name in enumerate(["USA", "Europe", "Japan"], 1):
        features[name] = cars.origin == number
    features, mpg = features.astype(float), cars.mpg
    rest, test_features, rest_mpg, test_mpg = train_test_split(
        features, mpg, test_size=0.2, random_state=seed
    )
    train_features, val_features, train_mpg, val_mpg = train_test_split(
        rest, rest_mpg, test_size=0.2, random_state=seed
    )
    normalization = layers.Normalization()
    normalization.adapt(train_features.to_numpy())
    model = keras.Sequential([
        keras.Input((9,)),
        normalization,
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(1),
    ])
    model.compile(optimizer=keras.optimizers.RMSprop(0.001), loss="mse", metrics=["mae", "mse"])
    seconds, _ = timed_fit(
        model, train_features, train_mpg, validation_data=(val_features, val_mpg), epochs=epochs
    )
    test = model.evaluate(test_features, test_mpg, verbose=0, return_dict=True)
    return {"fit_seconds": seconds, "figure": test["mae"]}


def imdb(seed: int, epochs: int = 10) -> dict:
    """Train as 02_imdb_binary_classification.py does."""
    (train_reviews, train_labels), (test_reviews, test_labels), _ = load("imdb")

    def to_numbers(reviews):
        rows = [np.where(review < 9_999, review + 1, 1) for review in reviews]
        return keras.utils.pad_sequences(rows, 256, padding="post")

    train_numbers, val_numbers, train_labels, val_labels = train_test_split(
        to_numbers(train_reviews),
        train_labels,
        test_size=0.4,
        stratify=train_labels,
        random_state=seed,
    )
    test_numbers = to_numbers(test_reviews)
    model = keras.Sequential([
        keras.Input((256,)),
        layers.Embedding(10_000, 16, mask_zero=True),
        layers.GlobalAveragePooling1D(),
        layers.Dense(16, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    seconds, _ = timed_fit(
        model,
        train_numbers,
        train_labels,
        validation_data=(val_numbers, val_labels),
        batch_size=512,
        epochs=epochs,
    )
    test = model.evaluate(test_numbers, test_labels, verbose=0, return_dict=True)
    return {"fit_seconds": seconds, "figure": test["accuracy"]}


def mlp_one_layer(seed: int, epochs: int = 5) -> dict:
    """Train as `python mnist/mnist.py -m mlp_one_layer` does."""
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])
    return digits(model, seed, epochs)


def conv_net(seed: int, epochs: int = 5) -> dict:
    """Train as `python mnist/mnist.py -m conv_net` does."""
    return digits(conv_net_model(), seed, epochs)


def conv_net_model() -> keras.Model:
    """Build the published network with three convolutions."""
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ])


def digits(model: keras.Model, seed: int, epochs: int) -> dict:
    """Train on 90 % of the training images and validate on the rest."""
    (train_images, train_labels), (test_images, test_labels) = mnist_arrays()
    train_images, val_images, train_labels, val_labels = train_test_split(
        train_images, train_labels, test_size=0.1, random_state=seed, stratify=train_labels
    )
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    seconds, _ = timed_fit(
        model,
        train_images,
        train_labels,
        validation_data=(val_images, val_labels),
        batch_size=256,
        epochs=epochs,
    )
    test = model.evaluate(test_images, test_labels, verbose=0, return_dict=True)
    return {"fit_seconds": seconds, "figure": test["accuracy"]}


def mnist_arrays():
    """Prepare MNIST as tutorials do: float32 pixels from 0 to 1 and one-hot labels."""
    (train_images, train_labels), (test_images, test_labels) = load("mnist")
    train_images = train_images[..., np.newaxis].astype("float32") / 255
    test_images = test_images[..., np.newaxis].astype("float32") / 255
    return (
        (train_images, keras.utils.to_categorical(train_labels, 10)),
        (test_images, keras.utils.to_categorical(test_labels, 10)),
    )


def published_recipe(seed: int, epochs: int = 60) -> dict:
    """Train conv_net as published: on all 60,000 images, validated on the test images.

    Returns:
        The same as the other functions, plus, per epoch, `test_accuracies` and `seconds` since the
        start of `fit`.
    """
    (train_images, train_labels), test = mnist_arrays()
    model = conv_net_model()
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    ends = []
    began = time.perf_counter()
    clock = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter() - began)
    )
    seconds, history = timed_fit(
        model,
        train_images,
        train_labels,
        validation_data=test,
        batch_size=256,
        epochs=epochs,
        callbacks=[clock],
    )
    accuracies = history.history["val_accuracy"]
    return {
        "fit_seconds": seconds,
        "figure": accuracies[-1],
        "test_accuracies": accuracies,
        "seconds": ends,
    }


TASKS = {
    task.__name__: task
    for task in (
        fashion_mnist,
        xor,
        churn,
        auto_mpg,
        mlp_one_layer,
        conv_net,
        imdb,
        published_recipe,
    )
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--epochs", type=int, help="number of epochs, for a trial run")
    flags = parser.parse_args()
    keras.utils.set_random_seed(flags.seed)
    options = {"epochs": flags.epochs} if flags.epochs else {}
    result = TASKS[flags.task](flags.seed, **options)
    result["peak_memory_mb"] = peak_memory_mb()
    print(json.dumps(result))
