"""What is on a picture? A network that others have trained on ImageNet answers.

python notes/solutions/11_imagenet.py cat.jpg
python notes/solutions/11_imagenet.py cat.jpg --network ResNet50

The weights are downloaded once, into the Keras cache: 14 MB for MobileNetV2, 103 MB for ResNet50.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))  # there common/ is

from common.errors import fail
from common.flags import Parser
from common.startup import start_keras

parser = Parser(prog="11_imagenet.py", description=__doc__)
parser.add_argument("picture", type=Path, help="a JPEG or PNG file")
parser.add_argument("--network", choices=["MobileNetV2", "ResNet50"], default="MobileNetV2")
flags = parser.parse_args()
start_keras()

import keras
import numpy as np

if flags.network == "MobileNetV2":
    new_network, family = keras.applications.MobileNetV2, keras.applications.mobilenet_v2
else:
    new_network, family = keras.applications.ResNet50, keras.applications.resnet50

try:
    picture = keras.utils.load_img(
        flags.picture,
        target_size=(224, 224),  # what the networks were trained on
        interpolation="bilinear",
        keep_aspect_ratio=True,
    )
except (OSError, ValueError, SyntaxError) as error:  # Pillow's own are among these
    fail(f"{flags.picture}: cannot be read as a picture ({error}); give a JPEG or PNG file")
images = keras.utils.img_to_array(picture)[np.newaxis]  # (1, 224, 224, 3)

try:
    model = new_network(weights="imagenet")
    probabilities = model.predict(family.preprocess_input(images), verbose=0)  # (1, 1000)
    (names,) = family.decode_predictions(probabilities, top=5)  # downloads the names
except Exception as error:  # Keras raises a bare Exception if a download fails
    if "URL fetch failure" not in str(error):
        raise
    fail(
        f"the weights of {flags.network} could not be downloaded ({error}); "
        "go online once, then they are in the Keras cache",
        1,
    )
for _, name, probability in names:
    print(f"{probability:6.1%}  {name.replace('_', ' ')}")
