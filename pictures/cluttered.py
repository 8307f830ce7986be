"""Draw colored letters that are hard to read.

They are turned, slanted and blurred, with lines and shapes behind them and in front.
Lesson 34 learns from them.
"""

import functools
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from pictures.letters import LETTERS, fonts

SEED = 34
SCENES = 6  # pictures of each letter in each font


def draw_series(folder: Path) -> None:
    """Draw a sub-folder for each letter, and in it one for each font, the same on every call."""
    random = np.random.default_rng(SEED + 1)
    for letter in LETTERS:
        for font in fonts():
            series = folder / letter / font.stem
            series.mkdir(parents=True, exist_ok=True)
            for scene in range(SCENES):
                size = tuple(random.integers(70, 120, 2).tolist())
                draw_scene(letter, random, size, font).save(series / f"{scene:02}.png")


def draw_array(letters: str, each: int, side: int):
    """Draw letters without files, the same on every call.

    Returns:
        A uint8 array of shape (pictures, side, side, 3), and the places of their letters.
    """
    random = np.random.default_rng(SEED + 2)
    labels = np.repeat(np.arange(len(letters), dtype="uint16"), each)
    pictures = [draw_scene(letters[label], random, (side, side)) for label in labels]
    return np.array([np.asarray(picture) for picture in pictures]), labels


read_font = functools.cache(ImageFont.truetype)


def draw_scene(letter: str, random, size: tuple, font: Path | None = None):
    """Draw a picture of a letter.

    Args:
        letter: the letter.
        random: NumPy's random generator.
        size: width and height of the picture.
        font: the file of its font, by default a random one.
    """
    font = font or random.choice(fonts())
    small = min(size)
    background, ink = draw_colors(random)
    paper = background + random.normal(0, random.uniform(5, 20), (5, 5, 3))
    paper = Image.fromarray(paper.clip(0, 255).astype("uint8"))
    paper = paper.resize(size, Image.Resampling.BICUBIC)
    for _ in range(random.integers(1, 5)):
        draw_shape(paper, random)
    across = random.uniform(0.6, 0.95) * small  # of the letter [pixels]
    center = random.uniform(0.4, 0.6, 2) * size
    angle, slant = random.normal(0, 10), random.normal(0, 0.12)
    in_front = [draw_line(size, random, 0.03) for _ in range(random.integers(0, 3))]
    blur, grain = random.uniform(0, 0.014) * small, random.uniform(2, 10)
    x, y = center + random.normal(0, 0.008 * small, 2)
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).text((x, y), letter, 255, read_font(font, round(across)), anchor="mm")
    turn = angle + random.normal(0, 0.5)
    mask = mask.rotate(turn, Image.Resampling.BILINEAR, center=(x, y))
    slanted = (1, slant, -slant * y, 0, 1, 0)
    mask = mask.transform(size, Image.Transform.AFFINE, slanted, Image.Resampling.BILINEAR)
    paper.paste(tuple(map(int, ink)), mask=mask)
    for ends, color, width in in_front:
        ImageDraw.Draw(paper).line(ends, color, width)
    pixels = np.asarray(paper.filter(ImageFilter.GaussianBlur(blur)), "float32")
    pixels = pixels * random.normal(1, 0.05) + random.normal(0, grain, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def draw_colors(random):
    """Draw the color of the background and that of the letter, which is darker."""
    while True:
        background, ink = random.uniform(90, 240, 3), random.uniform(0, 160, 3)
        if background.mean() - ink.mean() > 60:
            return background, ink


def draw_line(size: tuple, random, widest: float):
    """Draw the ends, color and width of a line; `widest` is a fraction of the smaller side."""
    ends = [tuple(random.uniform(0, 1, 2) * size) for _ in range(2)]
    color = tuple(map(int, random.uniform(0, 255, 3)))
    return ends, color, max(1, int(random.uniform(0.3, 1) * widest * min(size)))


def draw_shape(picture, random) -> None:
    """Draw a line, or the outline of an ellipse or a rectangle, anywhere on a picture."""
    draw, small = ImageDraw.Draw(picture), min(picture.size)
    ends, color, width = draw_line(picture.size, random, 0.07)
    if random.random() < 0.5:
        draw.line(ends, color, width)
        return
    (x, y), (a, b) = ends[0], random.uniform(0.05, 0.25, 2) * small
    outline = draw.ellipse if random.random() < 0.5 else draw.rectangle
    outline([x - a, y - b, x + a, y + b], outline=color, width=width)
