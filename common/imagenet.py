"""A network that others trained on ImageNet's 1.3 million pictures, and its names for a picture."""

from pathlib import Path

import keras
import numpy as np

from common.errors import fail

SIDE = 224  # pixels: what both networks were trained on


def name_picture(path: Path, network: str = "MobileNetV2") -> list[tuple[str, float]]:
    """Print the five likeliest names of what is on a picture.

    Args:
        path: a picture that Pillow can read.
        network: a name in `keras.applications`, such as "MobileNetV2" or "ResNet50". Its weights are
            downloaded once, into the Keras cache.

    Returns:
        Pairs of a name and its probability, the likeliest first.

    Raises:
        SystemExit: if the picture cannot be read (2), or the weights cannot be downloaded (1).
    """
    try:
        picture = keras.utils.load_img(
            path, target_size=(SIDE, SIDE), interpolation="bilinear", keep_aspect_ratio=True
        )
    except (OSError, ValueError, SyntaxError) as error:  # Pillow's own kinds are among these
        fail(f"--imagenet {path}: cannot be read as a picture ({error}); give a JPEG or PNG file")
    family = {
        "MobileNetV2": keras.applications.mobilenet_v2,
        "ResNet50": keras.applications.resnet50,
    }
    try:
        model = getattr(keras.applications, network)(weights="imagenet")
        pixels = keras.utils.img_to_array(picture)[np.newaxis]
        answer = model.predict(family[network].preprocess_input(pixels), verbose=0)
        (names,) = family[network].decode_predictions(answer, top=5)
    except Exception as error:  # `get_file` raises a bare Exception
        if "URL fetch failure" not in str(error):
            raise
        fail(
            f"--imagenet: the weights of {network} could not be downloaded ({error}); "
            "go online once, then they are in the Keras cache",
            1,
        )
    for _, name, probability in names:
        print(f"{probability:6.1%}  {name.replace('_', ' ')}")
    return [(name, float(probability)) for _, name, probability in names]
