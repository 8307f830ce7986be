"""Classify images of digits with a LiteRT model, without Keras: pip install ai-edge-litert

    python small/classify.py MODEL.tflite IMAGES.npy

IMAGES.npy holds an array (n, 28, 28) of uint8 pixels. Prints one digit per line.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

if len(sys.argv) != 3:
    print(__doc__, file=sys.stderr)
    sys.exit(2)
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
image, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
for pixels in np.load(sys.argv[2]):
    interpreter.set_tensor(image["index"], pixels.reshape(image["shape"]))
    interpreter.invoke()
    print(interpreter.get_tensor(answer["index"]).argmax())
