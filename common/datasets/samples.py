"""Built-in stand-ins for the real data sets: same columns, shapes and kinds of value, far smaller.

The digits are real: scikit-learn brings 1,797 of them. Garments are drawn, reviews are put
together from word lists, cars and customers are computed. All are the same on every computer,
and each has a pattern that a network can learn, with some noise that it cannot.
"""

import numpy as np

SEED = 20


def make_digits():
    """Scale scikit-learn's 8x8 digits to 28x28.

    Returns:
        `(train_images, train_labels), (test_images, test_labels)`: 1,497 and 300 images as in
        `common.datasets.readers.read_images`.
    """
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = zoom(images.reshape(-1, 8, 8), (1, 2.5, 2.5), order=1) * (255 / 16)
    images = np.pad(images, ((0, 0), (4, 4), (4, 4))).round().astype(np.uint8)
    # The original order follows the writers: the last ones become the test set.
    labels = labels.astype(np.uint8)
    return (images[:-300], labels[:-300]), (images[-300:], labels[-300:])


# Outlines of garments: polygons in a square from -1 to 1, x to the right and y down.
BODY = [(-0.45, -0.8), (0.45, -0.8), (0.45, 0.85), (-0.45, 0.85)]
SHORT_SLEEVES = [
    (-0.45, -0.8),
    (0.45, -0.8),
    (0.95, -0.3),
    (0.7, -0.05),
    (0.45, -0.3),
    (-0.45, -0.3),
    (-0.7, -0.05),
    (-0.95, -0.3),
]
LONG_SLEEVES = [
    (-0.45, -0.8),
    (0.45, -0.8),
    (0.9, 0.65),
    (0.62, 0.75),
    (0.4, -0.1),
    (-0.4, -0.1),
    (-0.62, 0.75),
    (-0.9, 0.65),
]
LOW_SHOE = [(-0.9, 0.45), (-0.9, 0.0), (-0.5, -0.15), (0.0, 0.1), (0.8, 0.2), (0.95, 0.45)]
GARMENTS = [
    [BODY, SHORT_SLEEVES],  # T-shirt
    [
        [(-0.4, -0.9), (0.4, -0.9), (0.45, 0.9), (0.1, 0.9), (0.0, -0.3), (-0.1, 0.9), (-0.45, 0.9)]
    ],  # trouser
    [BODY, LONG_SLEEVES],  # pullover
    [[(-0.25, -0.9), (0.25, -0.9), (0.2, -0.2), (0.5, 0.9), (-0.5, 0.9), (-0.2, -0.2)]],  # dress
    [
        [
            (-0.5, -0.85),
            (0.5, -0.85),
            (0.55, 0.95),
            (0.05, 0.95),
            (0.0, 0.3),
            (-0.05, 0.95),
            (-0.55, 0.95),
        ],
        LONG_SLEEVES,
    ],  # coat
    [
        [(-0.9, 0.4), (0.95, 0.4), (0.95, 0.55), (-0.9, 0.55)],
        [(-0.6, 0.4), (-0.1, -0.2), (0.05, -0.15), (-0.4, 0.4)],
        [(0.3, 0.4), (0.55, 0.0), (0.7, 0.05), (0.5, 0.4)],
    ],  # sandal
    [BODY, [(x * 0.92, y) for x, y in LONG_SLEEVES]],  # shirt: hard to tell from a pullover
    [LOW_SHOE],  # sneaker
    [
        [(-0.85, -0.2), (0.85, -0.2), (0.8, 0.8), (-0.8, 0.8)],
        [
            (-0.4, -0.2),
            (-0.3, -0.75),
            (0.3, -0.75),
            (0.4, -0.2),
            (0.28, -0.2),
            (0.2, -0.6),
            (-0.2, -0.6),
            (-0.28, -0.2),
        ],
    ],  # bag
    [LOW_SHOE, [(-0.9, 0.2), (-0.85, -0.85), (-0.25, -0.85), (-0.2, 0.2)]],  # ankle boot
]


def make_garments(train: int = 2000, test: int = 500):
    """Draw garments of ten kinds, each a little stretched, moved, shaded and grained.

    Returns:
        `(train_images, train_labels), (test_images, test_labels)` as in
        `common.datasets.readers.read_images`.
    """
    from matplotlib.path import Path as Outline

    random = np.random.default_rng(SEED)
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    points = np.column_stack([x.ravel(), y.ravel()])
    outlines = [[Outline(polygon) for polygon in polygons] for polygons in GARMENTS]
    labels = random.integers(10, size=train + test, dtype=np.uint8)
    images = np.zeros((train + test, 28 * 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        moved = (points - random.normal(0, 0.06, 2)) / random.normal(0.95, 0.1, 2)
        inside = np.any([outline.contains_points(moved) for outline in outlines[label]], axis=0)
        shade = random.uniform(70, 230) * (1 + random.normal(0, 0.25) * points[:, 1])
        shade = shade + random.normal(0, 30, 28 * 28)
        image[inside] = np.clip(shade[inside], 20, 255)
    images = images.reshape(-1, 28, 28)
    return (images[:train], labels[:train]), (images[train:], labels[train:])


SUBJECTS = (
    "film movie story plot acting cast script music ending direction camera dialogue hero".split()
)
GOOD = "great wonderful brilliant moving superb funny charming gripping beautiful perfect fresh clever".split()
BAD = (
    "awful boring terrible weak dull silly wooden predictable lame tedious clumsy pointless".split()
)
FILLERS = """the a this that of and in it was is with for to on we they he she there here very quite
rather always never once again scene moment actor director minutes people time evening cinema friend
while because although after before then still about through first second last whole every some
which who when where much more most almost really simply watched saw thought felt remember expected
""".split()


def make_reviews(train: int = 2500, test: int = 1000):
    """Put together reviews of 15 to 300 words, most of which say nothing about the film.

    Good words are three times as common as bad ones in positive reviews, and the other way round.

    Returns:
        `(train_reviews, train_labels), (test_reviews, test_labels), word_index` as in
        `common.datasets.readers.read_imdb`.
    """
    random = np.random.default_rng(SEED)
    words = np.array([*FILLERS, *SUBJECTS, *GOOD, *BAD])
    kinds = [len(FILLERS), len(SUBJECTS), len(GOOD), len(BAD)]
    labels = random.integers(2, size=train + test, dtype=np.uint8)
    reviews = []
    for label in labels:
        length = int(np.clip(random.lognormal(4.2, 0.6), 15, 300))
        praise = (0.06, 0.02) if label else (0.02, 0.06)
        shares = np.repeat(np.divide([0.8, 0.12, *praise], kinds), kinds)
        reviews.append(random.choice(len(words), size=length, p=shares))
    counts = np.bincount(np.concatenate(reviews[:train]), minlength=len(words))
    ranks = np.empty(len(words), np.int32)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(1, len(words) + 1)
    word_index = {str(word): int(rank) for word, rank in zip(words, ranks, strict=True)}
    reviews = [ranks[review] for review in reviews]
    return (reviews[:train], labels[:train]), (reviews[train:], labels[train:]), word_index


def make_cars(count: int = 398):
    """Compute cars whose fuel economy follows from weight, power, year and origin.

    Returns:
        A DataFrame as in `common.datasets.readers.read_auto_mpg`; 6 cars lack their horsepower.
    """
    import pandas as pd

    random = np.random.default_rng(SEED)
    origin = random.choice([1, 2, 3], count, p=[0.62, 0.18, 0.2])
    cylinders = np.where(origin == 1, random.choice([4, 6, 8], count, p=[0.3, 0.3, 0.4]), 4)
    displacement = np.round(cylinders * random.normal(34, 5, count) - 15)
    weight = np.round(1100 + 8.5 * displacement + random.normal(0, 250, count)).clip(1600)
    horsepower = np.round(35 + 0.4 * displacement + random.normal(0, 9, count)).clip(45)
    model_year = random.integers(70, 83, count)
    acceleration = np.round(24 - 0.08 * horsepower + random.normal(0, 1.5, count), 1)
    mpg = 62_000 / (weight + 6 * horsepower) + 0.7 * (model_year - 76) + 1.2 * (origin > 1)
    horsepower[random.choice(count, 6, replace=False)] = np.nan
    return pd.DataFrame({
        "mpg": np.round(mpg + random.normal(0, 1.8, count), 1),
        "cylinders": cylinders,
        "displacement": displacement,
        "horsepower": horsepower,
        "weight": weight,
        "acceleration": acceleration,
        "model_year": model_year,
        "origin": origin,
        "car_name": [f"sample car {number}" for number in range(count)],
    })


def make_customers(count: int = 2000):
    """Compute customers of a bank, of whom about a fifth leave: the older, the inactive.

    Returns:
        A DataFrame as in `common.datasets.readers.read_churn`.
    """
    import pandas as pd

    random = np.random.default_rng(SEED)
    country = random.choice(["France", "Germany", "Spain"], count, p=[0.5, 0.25, 0.25])
    age = random.gamma(14, 2.8, count).astype(int).clip(18, 92)
    balance = np.where(
        random.random(count) < 0.36, 0, random.normal(120_000, 30_000, count).clip(0)
    )
    products = random.choice([1, 2, 3, 4], count, p=[0.51, 0.455, 0.03, 0.005])
    active = random.integers(2, size=count)
    gender = random.choice(["Female", "Male"], count)
    leaning = (
        -1.6
        + 0.075 * (age - 39)
        - 1.0 * active
        + 0.8 * (country == "Germany")
        - 0.9 * (products == 2)
        + 2.2 * (products > 2)
        + 0.5 * (gender == "Female")
    )
    return pd.DataFrame({
        "RowNumber": np.arange(1, count + 1),
        "CustomerId": random.permutation(count) + 15_000_000,
        "Surname": [f"Sample{number}" for number in range(count)],
        "CreditScore": random.normal(650, 97, count).astype(int).clip(350, 850),
        "Geography": country,
        "Gender": gender,
        "Age": age,
        "Tenure": random.integers(11, size=count),
        "Balance": np.round(balance, 2),
        "NumOfProducts": products,
        "HasCrCard": (random.random(count) < 0.7).astype(int),
        "IsActiveMember": active,
        "EstimatedSalary": np.round(random.uniform(10, 200_000, count), 2),
        "Exited": (random.random(count) < 1 / (1 + np.exp(-leaning))).astype(int),
    })


def make_districts(count: int = 2000):
    """Compute districts whose house values follow from income, the way to the sea, and crowding.

    Returns:
        A DataFrame as in `common.datasets.readers.read_housing`.
    """
    import pandas as pd

    random = np.random.default_rng(SEED)
    longitude = random.uniform(-124, -115, count)
    latitude = 37 - 0.9 * (longitude + 119.5) + random.normal(0, 0.8, count)
    to_the_sea = np.abs(latitude - 36.4 + 0.9 * (longitude + 119.5))  # in degrees
    income = random.lognormal(1.2, 0.45, count)
    households = random.lognormal(6, 0.6, count).round() + 1
    population = (households * random.normal(2.9, 0.5, count).clip(1)).round()
    rooms = households * (3 + 0.6 * income + random.normal(0, 0.6, count)).clip(1)
    bedrooms = (rooms * random.normal(0.2, 0.02, count)).clip(1)
    value = 45_000 * income * np.exp(-0.35 * to_the_sea) - 12_000 * population / households
    value = (60_000 + value) * random.lognormal(0, 0.15, count)
    columns = {
        "longitude": longitude.round(2),
        "latitude": latitude.clip(32, 42).round(2),
        "housing_median_age": random.integers(1, 53, count),
        "total_rooms": rooms.round(),
        "total_bedrooms": bedrooms.round(),
        "population": population,
        "households": households,
        "median_income": income.round(4),
        "median_house_value": value.clip(15_000, 500_001).round(-2),
    }
    return pd.DataFrame(columns).astype("float32")


MAKERS = {
    "fashion_mnist": make_garments,
    "mnist": make_digits,
    "imdb": make_reviews,
    "auto_mpg": make_cars,
    "churn": make_customers,
    "california_housing": make_districts,
}
