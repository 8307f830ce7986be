"""Count the parameters and multiplications of well-known convolutional networks.

    python benchmarks/architectures.py         a minute

The networks are those of `keras.applications`, without trained weights, besides LeNet in the
form of mnist/models.py and AlexNet, which is written out below. Writes results/architectures.csv.
"""

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # parent of benchmarks/

from benchmarks.measure import RESULTS, Parser, write_table
from common.startup import start_keras

APPLICATIONS = [
    "VGG16", "InceptionV3", "ResNet50", "MobileNet", "DenseNet121", "EfficientNetB0",
    "ConvNeXtTiny",
]  # fmt: skip


def alex_net():
    """Build AlexNet (2012), without its normalization. Two GPUs had half of the filters each."""
    import keras
    from keras import layers

    return keras.Sequential([
        keras.Input((227, 227, 3)),
        layers.Conv2D(96, 11, strides=4, activation="relu"),
        layers.MaxPooling2D(3, strides=2),
        layers.Conv2D(256, 5, padding="same", groups=2, activation="relu"),
        layers.MaxPooling2D(3, strides=2),
        layers.Conv2D(384, 3, padding="same", activation="relu"),
        layers.Conv2D(384, 3, padding="same", groups=2, activation="relu"),
        layers.Conv2D(256, 3, padding="same", groups=2, activation="relu"),
        layers.MaxPooling2D(3, strides=2),
        layers.Flatten(),
        layers.Dense(4096, activation="relu"),
        layers.Dense(4096, activation="relu"),
        layers.Dense(1000, activation="softmax"),
    ])


def multiplications(model) -> int:
    """Count the multiplications for one image in dense layers and convolutions.

    A layer uses each of its weights once at every position of its output.
    """
    return sum(
        multiplications(layer)
        if hasattr(layer, "layers")  # a model inside the model
        else math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
        for layer in model.layers
        if hasattr(layer, "layers") or hasattr(layer, "kernel")
    )


def main() -> None:
    """Count and write the table."""
    Parser(__doc__).parse_args()
    start_keras()
    import keras

    from mnist.models import le_net

    builders = {"le_net": le_net, "AlexNet": alex_net}
    builders |= {name: getattr(keras.applications, name) for name in APPLICATIONS}
    rows = []
    for name, build in builders.items():
        model = build(weights=None) if name in APPLICATIONS else build()
        rows.append({
            "model": name,
            "side": model.input_shape[1],
            "parameters": model.count_params(),
            "multiplications": multiplications(model),
            "keras": keras.__version__,
        })
        print(*rows[-1].values(), sep="  ", flush=True)
        keras.utils.clear_session()
    write_table(RESULTS / "architectures.csv", rows)


if __name__ == "__main__":
    main()
