"""Which column matters most to the newest model of lesson 03? Shuffles one at a time."""

from saved import load_data_of, newest_run

folder = newest_run("03_autompg_regression")

import json

import keras
import numpy as np
from sklearn.model_selection import train_test_split

cars = load_data_of(folder, "auto_mpg")
cars = cars.dropna(subset="horsepower")
features = cars.drop(columns=["mpg", "car_name", "origin"])
for number, name in enumerate(["USA", "Europe", "Japan"], 1):
    features[name] = cars.origin == number
features, mpg = features.astype("float32"), cars.mpg.to_numpy("float32")
seed = json.loads((folder / "run.json").read_text())["seed"]  # of the lesson's split
_, features, _, mpg = train_test_split(features, mpg, test_size=0.2, random_state=seed)
model = keras.models.load_model(folder / "model.keras")


def error(table) -> float:
    """Compute the mean absolute error in MPG."""
    return np.abs(model.predict(table, batch_size=1000, verbose=0)[:, 0] - mpg).mean()


random, usual = np.random.default_rng(0), error(features)
print(f"mean absolute error: {usual:.2f} MPG; with a column shuffled, it grows by")
growth = {}
for column in features:
    shuffled = features.assign(**{column: random.permutation(features[column])})
    growth[column] = error(shuffled) - usual
for column in sorted(growth, key=growth.get, reverse=True):
    print(f"{growth[column]:6.2f}  {column}")
