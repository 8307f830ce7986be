"""Read one picture file, whatever its format, size and colors, or say why it cannot be read."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Image.init()  # fills Image.OPEN; the oldest version of Pillow that we allow has no AVIF
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
FORMATS = [name for name in FORMATS if name in Image.OPEN]
MOST_PIXELS = 120_000_000  # four bytes each while a picture is open: half a gigabyte


class UnreadableError(Exception):
    """A file is no picture, is damaged, or is too large; the message says which."""


def read_picture(path: Path, side: int):
    """Read a picture, turn it upright, and crop and scale it to a square.

    Args:
        path: the file; its name may have any ending, since the content tells the format.
        side: height and width of the square [pixels].

    Returns:
        A uint8 array of shape (side, side, 3), red, green and blue from 0 to 255; and a list of
        what had to be done to the picture, such as "turned upright".

    Raises:
        UnreadableError: if the file has no picture that can be read.
    """
    done = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that are allowed here, of damaged Exif data
            with Image.open(path, formats=FORMATS) as image:  # reads only the beginning
                if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                    done.append("animated or of several pages, the first taken")
                image.draft(None, (2 * side, 2 * side))  # JPEG: decode to a half, quarter or eighth
                if image.width * image.height > MOST_PIXELS:
                    raise UnreadableError(f"too large, {image.width}x{image.height} pixels")
                image.load()
                if image.getexif().get(0x0112, 1) in range(2, 9):  # the camera's orientation
                    ImageOps.exif_transpose(image, in_place=True)
                    done.append("turned upright")
                if min(image.size) < side:
                    done.append("enlarged")
                image = to_rgb(image, done)
                square = ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)
    except UnreadableError:
        raise
    except UnidentifiedImageError:
        raise UnreadableError(why_unknown(path)) from None
    except Image.DecompressionBombError:
        raise UnreadableError("too large") from None
    except MemoryError:
        raise UnreadableError("too large for the memory") from None
    except OSError as error:
        raise UnreadableError(error.strerror or f"damaged ({error})") from None
    except Exception as error:  # of a damaged file Pillow may raise any type
        raise UnreadableError(f"damaged ({error})") from None
    return np.asarray(square), done


def to_rgb(image, done: list[str]):
    """Convert an open picture to red, green and blue; append what was done to `done`."""
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise UnreadableError("has fractions as pixels, not colors")
    if image.mode.startswith("I"):  # 16 bits; `convert` would make everything above 255 white
        done.append("reduced from 16 bits to 8")
        return Image.fromarray((np.asarray(image) // 256).clip(0, 255).astype("uint8")).convert(
            "RGB"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < 255:  # many screenshots are fully opaque
            done.append("put on white, as it was transparent")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    if image.mode == "CMYK":
        done.append("converted from printing colors (CMYK)")
    elif image.mode in ("1", "L"):
        done.append("gray, its three channels equal")
    return image.convert("RGB")


def why_unknown(path: Path) -> str:
    """Say why a file was not recognized as a picture."""
    with path.open("rb") as file:
        begin = file.read(32)
    if not begin:
        return "empty"
    if begin[4:8] == b"ftyp":
        return "HEIC or a video: export it as JPEG"
    return "not a picture"
