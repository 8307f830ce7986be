"""Counts the bytes in the int8 file of the newest run of lesson 36."""

from saved import newest_run

folder = newest_run("36_small_and_fast")

import keras
import numpy as np

from small.runners import load_litert

model = keras.models.load_model(folder / "model.keras")
shapes = [array.shape for array in model.get_weights()]
print("weights:", sum(np.prod(shape) for shape in shapes if len(shape) > 1), "of 1 byte")
print("biases: ", sum(np.prod(shape) for shape in shapes if len(shape) == 1), "of 4 bytes")

path = folder / "exported" / "original_int8.tflite"
interpreter = load_litert(path)
scales = [
    len(array["quantization_parameters"]["scales"])
    for array in interpreter.get_tensor_details()
    if array["dtype"] in (np.int8, np.int32)
]
print("scales: ", sum(scales), "of 4 bytes")
print("file:   ", path.stat().st_size, "bytes")
