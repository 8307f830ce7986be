"""Data files in the published formats, generated from the samples, and damage to files."""

import io
import json
import tarfile

import numpy as np

from datasets import FILES, samples

PARTS = ("train", "test")
DATA_FILES = [(name, file) for name, files in FILES.items() for file in files]


def write_data_files(folder):
    """Write the samples in the file formats that --data-dir expects."""
    for name in ("fashion_mnist", "mnist"):
        arrays = {}
        for part, (images, labels) in zip(PARTS, samples.MAKERS[name](), strict=True):
            arrays |= {f"x_{part}": images, f"y_{part}": labels}
        np.savez_compressed(folder / f"{name}.npz", **arrays)
    *parts, word_index = samples.make_reviews(200, 100)
    arrays = {}
    for part, (reviews, labels) in zip(PARTS, parts, strict=True):
        arrays[f"{part}_words"] = np.concatenate(reviews)
        arrays[f"{part}_lengths"] = np.array([len(review) for review in reviews], np.int32)
        arrays[f"{part}_labels"] = labels
    np.savez_compressed(folder / "imdb.npz", **arrays)
    (folder / "imdb_word_index.json").write_text(json.dumps(word_index))
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


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_web_page(path):
    """Write what a network with a login page may send in place of the file."""
    path.write_text("<!DOCTYPE html>\n<html><body>Please log in</body></html>\n")


def pack(texts: dict[str, str]) -> bytes:
    """Pack texts, given by file name, into an archive like the published one of reviews."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in texts.items():
            member = tarfile.TarInfo(f"aclImdb/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()
