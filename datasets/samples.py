"""Built-in samples with the columns, shapes and dtypes of the real data sets, but far smaller.

The digits are real: 1,797 images from scikit-learn. The garments are drawn, the reviews are random
words, and the cars, customers and districts are simulated. All are identical on every computer, and
each has a pattern that a network can learn, plus noise. Every function returns the same types as
the function that reads the real files (see `datasets.readers`).
"""

import numpy as np

from datasets.readers import AUTO_MPG_COLUMNS

SEED = 20


def make_digits():
    """Return scikit-learn's 8x8 digits, resized to 28x28: 1,497 training and 300 test images."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = zoom(images.reshape(-1, 8, 8), (1, 2.5, 2.5), order=1) * (255 / 16)
    images = np.pad(images, ((0, 0), (4, 4), (4, 4))).round().astype(np.uint8)
    # The images are ordered by writer: the last writers form the test set.
    labels = labels.astype(np.uint8)
    return (images[:-300], labels[:-300]), (images[-300:], labels[-300:])


# Polygons in the square from -1 to 1, as lists of corners "x,y"; y points down, as in SVG.
POLYGONS = {
    "body": "-.45,-.8 .45,-.8 .45,.85 -.45,.85",
    "short sleeves": "-.45,-.8 .45,-.8 .95,-.3 .7,-.05 .45,-.3 -.45,-.3 -.7,-.05 -.95,-.3",
    "long sleeves": "-.45,-.8 .45,-.8 .9,.65 .62,.75 .4,-.1 -.4,-.1 -.62,.75 -.9,.65",
    "slim sleeves": "-.414,-.8 .414,-.8 .828,.65 .5704,.75 .368,-.1 -.368,-.1 -.5704,.75 -.828,.65",
    "legs": "-.4,-.9 .4,-.9 .45,.9 .1,.9 0,-.3 -.1,.9 -.45,.9",
    "dress": "-.25,-.9 .25,-.9 .2,-.2 .5,.9 -.5,.9 -.2,-.2",
    "open coat": "-.5,-.85 .5,-.85 .55,.95 .05,.95 0,.3 -.05,.95 -.55,.95",
    "sole": "-.9,.4 .95,.4 .95,.55 -.9,.55",
    "front strap": "-.6,.4 -.1,-.2 .05,-.15 -.4,.4",
    "back strap": ".3,.4 .55,0 .7,.05 .5,.4",
    "low shoe": "-.9,.45 -.9,0 -.5,-.15 0,.1 .8,.2 .95,.45",
    "shaft": "-.9,.2 -.85,-.85 -.25,-.85 -.2,.2",
    "bag": "-.85,-.2 .85,-.2 .8,.8 -.8,.8",
    "handle": "-.4,-.2 -.3,-.75 .3,-.75 .4,-.2 .28,-.2 .2,-.6 -.2,-.6 -.28,-.2",
}
GARMENTS = [
    ["body", "short sleeves"],  # T-shirt
    ["legs"],  # trouser
    ["body", "long sleeves"],  # pullover
    ["dress"],
    ["open coat", "long sleeves"],  # coat
    ["sole", "front strap", "back strap"],  # sandal
    ["body", "slim sleeves"],  # shirt: hard to distinguish from a pullover
    ["low shoe"],  # sneaker
    ["bag", "handle"],  # bag
    ["low shoe", "shaft"],  # ankle boot
]


def make_garments(train: int = 2000, test: int = 500):
    """Draw garments of ten classes, slightly stretched and shifted, with shading and noise."""
    from matplotlib.path import Path as Outline

    random = np.random.default_rng(SEED)
    y, x = np.mgrid[-1:1:28j, -1:1:28j]
    points = np.column_stack([x.ravel(), y.ravel()])
    outlines = {
        part: Outline(np.array(corners.replace(",", " ").split(), float).reshape(-1, 2))
        for part, corners in POLYGONS.items()
    }
    labels = random.integers(10, size=train + test, dtype=np.uint8)
    images = np.zeros((train + test, 28 * 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        moved = (points - random.normal(0, 0.06, 2)) / random.normal(0.95, 0.1, 2)
        parts = [outlines[part].contains_points(moved) for part in GARMENTS[label]]
        inside = np.any(parts, axis=0)
        shade = random.uniform(70, 230) * (1 + random.normal(0, 0.25) * points[:, 1])
        shade = shade + random.normal(0, 30, 28 * 28)
        image[inside] = np.clip(shade[inside], 20, 255)
    images = images.reshape(-1, 28, 28)
    return (images[:train], labels[:train]), (images[train:], labels[train:])


FILLERS = """the a this that of and in it was is with for to on we they he she there here very quite
rather always never once again scene moment actor director minutes people time evening cinema friend
while because although after before then still about through first second last whole every some
which who when where much more most almost really simply watched saw thought felt remember expected
""".split()
SUBJECTS = """film movie story plot acting cast script music ending direction camera dialogue hero
""".split()
GOOD = """great wonderful brilliant moving superb funny charming gripping beautiful perfect fresh
clever""".split()
BAD = """awful boring terrible weak dull silly wooden predictable lame tedious clumsy pointless
""".split()


def make_reviews(train: int = 2500, test: int = 1000):
    """Generate reviews of 15 to 300 words, most of which are neutral.

    In positive reviews, positive words are three times as frequent as negative ones; in negative
    reviews, it is the reverse.
    """
    random = np.random.default_rng(SEED)
    words = np.array([*FILLERS, *SUBJECTS, *GOOD, *BAD])
    sizes = [len(FILLERS), len(SUBJECTS), len(GOOD), len(BAD)]
    labels = random.integers(2, size=train + test, dtype=np.uint8)
    reviews = []
    for label in labels:
        length = int(np.clip(random.lognormal(4.2, 0.6), 15, 300))
        opinions = (0.06, 0.02) if label else (0.02, 0.06)
        shares = np.repeat(np.divide([0.8, 0.12, *opinions], sizes), sizes)
        reviews.append(random.choice(len(words), size=length, p=shares))
    counts = np.bincount(np.concatenate(reviews[:train]), minlength=len(words))
    ranks = np.empty(len(words), np.int32)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(1, len(words) + 1)
    word_index = {str(word): int(rank) for word, rank in zip(words, ranks, strict=True)}
    reviews = [ranks[review] for review in reviews]
    return (reviews[:train], labels[:train]), (reviews[train:], labels[train:]), word_index


def make_cars(count: int = 398):
    """Simulate cars whose MPG depends on weight, power, year and origin; 6 lack horsepower."""
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
    mpg = np.round(mpg + random.normal(0, 1.8, count), 1)
    names = [f"sample car {number}" for number in range(count)]
    numbers = mpg, cylinders, displacement, horsepower, weight, acceleration, model_year, origin
    return pd.DataFrame(dict(zip(AUTO_MPG_COLUMNS, [*numbers, names], strict=True)))


def make_customers(count: int = 2000):
    """Simulate a bank's customers, a fifth of whom leave, more often the old and the inactive."""
    import pandas as pd

    random = np.random.default_rng(SEED)
    country = random.choice(["France", "Germany", "Spain"], count, p=[0.5, 0.25, 0.25])
    age = random.gamma(14, 2.8, count).astype(int).clip(18, 92)
    empty = random.random(count) < 0.36
    balance = np.where(empty, 0, random.normal(120_000, 30_000, count).clip(0))
    products = random.choice([1, 2, 3, 4], count, p=[0.51, 0.455, 0.03, 0.005])
    active = random.integers(2, size=count)
    gender = random.choice(["Female", "Male"], count)
    logit = -1.6 + 0.075 * (age - 39) - active + 0.8 * (country == "Germany")
    logit = logit - 0.9 * (products == 2) + 2.2 * (products > 2) + 0.5 * (gender == "Female")
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
        "Exited": (random.random(count) < 1 / (1 + np.exp(-logit))).astype(int),
    })


def make_districts(count: int = 2000):
    """Simulate districts whose house values depend on income, distance to the sea and crowding."""
    import pandas as pd

    random = np.random.default_rng(SEED)
    longitude = random.uniform(-124, -115, count)
    latitude = 37 - 0.9 * (longitude + 119.5) + random.normal(0, 0.8, count)
    distance = np.abs(latitude - 36.4 + 0.9 * (longitude + 119.5))  # in degrees
    income = random.lognormal(1.2, 0.45, count)
    households = random.lognormal(6, 0.6, count).round() + 1
    population = (households * random.normal(2.9, 0.5, count).clip(1)).round()
    rooms = households * (3 + 0.6 * income + random.normal(0, 0.6, count)).clip(1)
    bedrooms = (rooms * random.normal(0.2, 0.02, count)).clip(1)
    value = 45_000 * income * np.exp(-0.35 * distance) - 12_000 * population / households
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
