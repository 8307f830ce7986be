"""Read a folder of pictures with one sub-folder per class, and report which files were odd."""

import os
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.errors import fail
from common.files import atomic_write
from datasets import REAL
from pictures.duplicates import group_near_duplicates
from pictures.files import UnreadableError, read_picture
from pictures.letters import draw_letters

FEWEST = 10  # pictures per class, so that each part of a split has some
FEWEST_GROUPS = 5  # of near-duplicates, likewise
SHOWN = 10  # files that the report names, of each kind


class Found(NamedTuple):
    """What a folder contains.

    Attributes:
        images: uint8 array of shape (n, side, side, 3), red, green and blue from 0 to 255.
        labels: uint16 array of shape (n,), the places of the classes in `classes`.
        classes: the names of the sub-folders, in alphabetical order.
        files: the name of each picture's file, with its sub-folder.
        report: the files left out and the files changed, by what it says of them; first, with no
            files, how many pictures each class has.
        seconds: how long reading took.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: list[str]
    files: list[str]
    report: dict[str, list[str]]
    seconds: float


def load_pictures(lesson, draw=draw_letters):
    """Load the pictures in the folder given by `--pictures`, by default letters that are drawn.

    The report is saved as `files.txt`, the letters as `letters/`, both in the run's folder. What is
    printed names only the first files of each kind.

    Args:
        lesson: the `frame.lesson.Lesson`.
        draw: draws the letters into a folder.

    Returns:
        The images, labels, classes and files of `Found`.

    Raises:
        SystemExit: with code 2, if the folder does not suit, or a run is resumed with others.
    """
    if lesson.pictures:
        found = vars(lesson).pop("found", None) or read_folder(lesson.pictures, lesson.side)
        where = printable(lesson.pictures.resolve())
    else:
        draw(lesson.folder / "letters")
        found = read_folder(lesson.folder / "letters", lesson.side)
        where = f"drawn by {draw.__module__.replace('.', '/')}.py"
    source = f"{where}, {len(found.images)} pictures"
    earlier = lesson.run.data_sets.get("pictures", (REAL, source))[1]
    if lesson.resume and earlier != source:
        fail(f"--resume: {lesson.folder} was started on {earlier}, not on {source}; start anew")
    for name in ("pictures", "made by the lesson"):  # of an earlier call, in a notebook
        lesson.run.data_sets.pop(name, None)
    lesson.run.loaded("pictures", REAL, source, found.seconds)
    with atomic_write(lesson.folder / "files.txt") as temporary:
        temporary.write_text("\n".join(as_lines(found.report)) + "\n", encoding="utf-8")
    print("\n".join(as_lines(found.report, SHOWN)))
    lesson.tell("full list", "files.txt")
    return found.images, found.labels, found.classes, found.files


def read_folder(folder: Path, side: int) -> Found:
    """Read all pictures in the sub-folders of a folder, scaled to `side` x `side` pixels.

    Raises:
        SystemExit: with code 2, if there are not two classes with enough different pictures.
    """
    began = time.perf_counter()
    files = find_files(folder)
    classes = [printable(name) for name in files]
    count = sum(map(len, files.values()))
    print(f"reading {count} files in {printable(folder)} ...", flush=True)
    images, labels, names = [], [], []
    unreadable, changed = {}, defaultdict(list)
    for label, (name, paths) in enumerate(files.items()):
        for path in paths:
            file = printable(path.relative_to(folder))
            try:
                image, done = read_picture(path, side)
            except UnreadableError as error:
                unreadable[file] = str(error)
                continue
            images.append(image)
            labels.append(label)
            names.append(file)
            for what in done:
                changed[what].append(file)
        if labels.count(label) < FEWEST:
            own = [f"; {file}: {why}" for file, why in unreadable.items() if file.startswith(name)]
            few = f"{labels.count(label)} of {len(paths)} files can be read as pictures"
            few += f", give at least {FEWEST} per class" + "".join(own[:1])
            fail(f"--pictures {folder / name}: {few}")
    images, labels = np.array(images), np.array(labels, "uint16")
    groups = group_near_duplicates(images)
    for label, name in enumerate(files):
        if (different := len(set(groups[labels == label]))) < FEWEST_GROUPS:
            few = f"{different} different pictures, the others are near-duplicates"
            fail(f"--pictures {folder / name}: {few}; give at least {FEWEST_GROUPS} per class")
    sizes = zip(classes, np.bincount(labels), strict=True)
    sizes = ", ".join(f"{name} {size}" for name, size in sizes)
    report = {f"{len(images)} of {count} files are pictures: {sizes}": []}
    if unreadable:
        report["left out"] = [f"{file}: {why}" for file, why in unreadable.items()]
    report |= changed
    return Found(images, labels, classes, names, report, time.perf_counter() - began)


def find_files(folder: Path) -> dict[str, list[Path]]:
    """Return the files in each sub-folder, and in those below it, but no hidden ones."""
    try:
        names = sorted(
            path.name
            for path in folder.iterdir()
            if path.is_dir() and path.name[0] != "." and path.name != "__MACOSX"
        )
        files = {
            name: sorted(
                Path(place, file)
                for place, _, inside in os.walk(folder / name)
                if not any(part[0] == "." for part in Path(place).relative_to(folder).parts)
                for file in inside
                if not file.startswith(".") and Path(place, file).is_file()
            )
            for name in names
        }
    except (FileNotFoundError, NotADirectoryError):
        fail(f"--pictures {folder}: no such folder; give one with a sub-folder for each class")
    except OSError as error:
        fail(f"--pictures {folder}: cannot be read ({error.strerror})")
    files = {name: paths for name, paths in files.items() if paths}
    if len(files) < 2:
        found = ", ".join(files) or "none"
        fail(f"--pictures {folder}: needs two or more sub-folders with files, has {found}")
    return files


def as_lines(report: dict[str, list[str]], shown: int | None = None) -> list[str]:
    """Return the lines of a report, with at most `shown` files of each kind."""
    lines = []
    for what, files in report.items():
        lines.append(f"{what}: {len(files)}" if files else what)
        lines += [f"  {file}" for file in files[:shown]]
        if len(files) > len(files[:shown]):
            lines.append(f"  and {len(files) - shown} more")
    return lines


def printable(path) -> str:
    """Return a path as text; bytes in it that are no characters become question marks."""
    return str(path).encode("utf-8", "replace").decode()
