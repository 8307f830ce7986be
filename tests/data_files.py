"""Data files in the published formats, made from the samples."""

import io
import tarfile

import numpy as np

from common.datasets import samples


def write_real_looking(folder):
    """Write files in the formats of a --data-dir, from the samples."""
    for name, file in (("fashion_mnist", "fashion_mnist.npz"), ("mnist", "mnist.npz")):
        (train_images, train_labels), (test_images, test_labels) = samples.MAKERS[name]()
        np.savez_compressed(
            folder / file,
            x_train=train_images,
            y_train=train_labels,
            x_test=test_images,
            y_test=test_labels,
        )
    (train, train_labels), (test, test_labels), word_index = samples.make_reviews(200, 100)
    arrays = {}
    for part, reviews, labels in (("train", train, train_labels), ("test", test, test_labels)):
        arrays[f"{part}_words"] = np.concatenate(reviews)
        arrays[f"{part}_lengths"] = np.array([len(review) for review in reviews], np.int32)
        arrays[f"{part}_labels"] = labels
    np.savez_compressed(folder / "imdb.npz", **arrays)
    (folder / "imdb_word_index.json").write_text(str(word_index).replace("'", '"'))
    cars = samples.make_cars()
    lines = [
        f"{car.mpg}   {car.cylinders}   {car.displacement}   "
        f"{'?' if np.isnan(car.horsepower) else car.horsepower}   {car.weight}   "
        f'{car.acceleration}   {car.model_year}   {car.origin}\t"{car.car_name}"'
        for car in cars.itertuples()
    ]
    (folder / "auto-mpg.data").write_text("\n".join(lines) + "\n")
    districts = samples.make_districts().to_numpy()
    np.savez(folder / "california_housing.npz", x=districts[:, :8], y=districts[:, 8])
    samples.make_customers(10_000).to_csv(folder / "Churn_Modelling.csv", index=False)


def pack(texts: dict[str, str]) -> bytes:
    """Pack texts as the published archive of reviews does."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in texts.items():
            member = tarfile.TarInfo(f"aclImdb/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
