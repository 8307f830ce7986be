"""Draw a folder of colored letters, for those who have no pictures of their own at hand."""

import functools
import math
import re
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

SEED = 33
LETTERS = "ABEFPR"
SCENES = 60  # for each letter
FONTS = r"(DejaVuSans|DejaVuSerif|STIXGeneral)(?!Display).*|cm(b|r|ss|ti|tt)10.*"


@functools.cache
def fonts() -> list[Path]:
    """Return the font files of Matplotlib that have all letters."""
    found = sorted(Path(get_data_path(), "fonts", "ttf").glob("*.ttf"))
    return [font for font in found if re.match(FONTS, font.name)]


def draw_letters(folder: Path) -> None:
    """Draw a sub-folder of PNG files for each letter, the same on every call.

    As people take two or three pictures of the same thing, most letters are drawn several times
    with small differences. Some files are odd, as in any folder.
    """
    random = np.random.default_rng(SEED)
    for letter in LETTERS:
        (folder / letter).mkdir(parents=True, exist_ok=True)
        for scene in range(SCENES):
            for shot, picture in enumerate(draw_scene(letter, random.choice(fonts()), random)):
                picture.save(folder / letter / f"{scene:02}_{shot}.png")
    add_odd_files(folder)


def draw_scene(letter: str, font: Path, random):
    """Yield one to three pictures of a letter, of the same scene."""
    width, height = random.integers(70, 120, 2)
    background, ink = draw_colors(random)
    blobs = random.uniform(0, 1, (5, 5, 3)) * random.uniform(20, 70)
    across = random.uniform(0.6, 0.95) * min(width, height)  # of the letter [pixels]
    center = np.array([width, height]) * random.uniform(0.44, 0.56, 2)
    angle = random.normal(0, 6)
    for _ in range(random.integers(1, 4)):
        paper = background + blobs - blobs.mean() + random.normal(0, 1.5, (5, 5, 3))
        paper = Image.fromarray(paper.clip(0, 255).astype("uint8"))
        paper = paper.resize((width, height), Image.Resampling.BICUBIC)
        mask = Image.new("L", (width, height))
        place = center + random.normal(0, 0.8, 2)
        draw = ImageDraw.Draw(mask)
        draw.text(place, letter, 255, ImageFont.truetype(font, across), anchor="mm")
        mask = mask.rotate(angle + random.normal(0, 0.5), Image.Resampling.BILINEAR)
        light = random.normal(1, 0.08)
        paper.paste(tuple(int(min(255, light * part)) for part in ink), mask=mask)
        yield paper


def draw_colors(random):
    """Draw the color of the background and that of the letter, which are not alike."""
    while True:
        background, ink = random.uniform(110, 240, 3), random.uniform(10, 140, 3)
        if math.dist(background, ink) > 110:
            return background, ink


def add_odd_files(folder: Path) -> None:
    """Add files as they occur in any folder: damaged, renamed, lying on the side, without color."""
    first = folder / LETTERS[0]
    whole = (first / "00_0.png").read_bytes()
    (first / "cut off.png").write_bytes(whole[: len(whole) // 2])
    (first / "empty.jpg").touch()
    (folder / LETTERS[1] / "a list, renamed.jpg").write_text("A\nB\n")
    with Image.open(first / "01_0.png") as picture:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90 degrees
        picture.rotate(90, expand=True).save(first / "on its side.jpg", exif=exif, quality=90)
        picture.convert("CMYK").save(first / "for printing.jpg", quality=90)
        picture.convert("L").save(first / "gray.png")
