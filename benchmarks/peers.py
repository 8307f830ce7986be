"""scikit-learn models on the same rows as the lessons: the baselines that a network must beat.

    python benchmarks/peers.py                  both, a few minutes
    python benchmarks/peers.py --only auto_mpg

imdb      TF-IDF of words and word pairs, then logistic regression; its penalty is chosen on a tenth
          of the training reviews, then it is trained on all of them
auto_mpg  gradient boosting and a random forest, on the ten splits with seeds 42 to 51; they need no
          validation rows, so they are trained on those too

Gradient boosting for churn is part of churn/churn.py. Writes results/peers.csv, one row per model
and seed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, Parser, machine, replace_rows

parser = Parser(__doc__)
TASKS = ["imdb", "auto_mpg"]
parser.add_argument(
    "--only", nargs="+", choices=TASKS, default=TASKS, metavar="TASK", help="imdb or auto_mpg"
)
args = parser.parse_args()  # before the slow imports below

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from datasets import find_dataset


def imdb() -> list[dict]:
    """Measure the accuracy on the 25,000 test reviews, with the split of seed 42."""
    (train_reviews, train_labels), (test_reviews, test_labels), _ = find_dataset(
        "imdb", "real", None
    )[0]
    train_texts, test_texts = (
        [" ".join(map(str, review)) for review in reviews]
        for reviews in (train_reviews, test_reviews)
    )
    texts, val_texts, labels, val_labels = train_test_split(
        train_texts, train_labels, test_size=0.1, stratify=train_labels, random_state=42
    )
    tfidf = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2))

    def logistic(strength: float) -> LogisticRegression:
        return LogisticRegression(C=strength, solver="liblinear")

    features, val_features = tfidf.fit_transform(texts), tfidf.transform(val_texts)
    scores = {
        strength: logistic(strength).fit(features, labels).score(val_features, val_labels)
        for strength in (1, 10, 100, 1000)
    }
    best = max(scores, key=scores.get)
    model = logistic(best).fit(tfidf.fit_transform(train_texts), train_labels)
    accuracy = model.score(tfidf.transform(test_texts), test_labels)
    name = f"TF-IDF and logistic regression, C = {best}"
    return [row("imdb", name, 42, "test_accuracy", accuracy)]


def auto_mpg() -> list[dict]:
    """Measure the mean absolute error on the test cars, for ten splits."""
    cars = find_dataset("auto_mpg", "real", None)[0].dropna()
    features = cars.drop(columns=["mpg", "car_name", "origin"])
    for number, name in enumerate(["USA", "Europe", "Japan"], 1):
        features[name] = cars.origin == number
    rows = []
    for seed in range(42, 52):
        train_features, test_features, train_mpg, test_mpg = train_test_split(
            features, cars.mpg, test_size=0.2, random_state=seed
        )
        for model in (
            HistGradientBoostingRegressor(random_state=seed),
            RandomForestRegressor(random_state=seed),
        ):
            predicted = model.fit(train_features, train_mpg).predict(test_features)
            error = np.abs(predicted - test_mpg).mean()
            rows.append(row("auto_mpg", type(model).__name__, seed, "test_mae", error))
    return rows


def row(task: str, model: str, seed: int, metric: str, value: float) -> dict:
    """Return a row of the table."""
    return {
        "task": task,
        "model": model,
        "seed": seed,
        "metric": metric,
        "value": round(float(value), 4),
        "machine": machine(),
    }


tasks = {task.__name__: task for task in (imdb, auto_mpg)}
rows = [row for name in args.only for row in tasks[name]()]
for each in rows:
    print(*list(each.values())[:-1], sep="  ")
replace_rows(RESULTS / "peers.csv", rows, "task")
