"""Solution 3 of lesson 33: odd picture files, and what the lesson's reader makes of them."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))  # pictures/ is there

import numpy as np
from PIL import Image

from pictures.files import UnreadableError, read_picture

rows, columns = np.mgrid[0:90, 0:120]
photo = Image.fromarray(np.stack([2 * columns, 2 * rows, rows + columns], -1).astype("uint8"))
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "a text.jpg").write_text("Dear Keras,")
    photo.save(folder / "photo.jpg")
    content = (folder / "photo.jpg").read_bytes()
    (folder / "half a photo.jpg").write_bytes(content[: len(content) // 2])
    exif = Image.Exif()
    exif[0x0112] = 6  # the orientation that viewers write: turn it by 90 degrees to look at it
    photo.save(folder / "turned.jpg", exif=exif)
    photo.convert("RGBA").save(folder / "screenshot.png")
    photo.save(folder / "animated.gif", save_all=True, append_images=[photo.rotate(90)])
    for path in sorted(folder.iterdir()):
        try:
            image, done = read_picture(path, 64)
            print(f"{path.name}: {image.shape}, {', '.join(done) or 'unchanged'}")
        except UnreadableError as error:
            print(f"{path.name}: left out, {error}")
