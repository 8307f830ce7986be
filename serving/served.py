"""A saved model for serving: its name, inputs, outputs and predictions."""

import json
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from common.errors import fail

LARGEST_BATCH = 64  # rows; more are predicted in several batches


class NoAnswer(Exception):
    """A request that cannot be answered, with an HTTP status and a message for the client."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


class Field(NamedTuple):
    """An input or output: its name, dtype, and shape of a row, in which None is any size."""

    name: str
    dtype: str
    shape: tuple

    def takes(self, shape: tuple) -> bool:
        """Return whether rows may have this shape."""
        return len(shape) == len(self.shape) and all(
            size in (None, given) for size, given in zip(self.shape, shape, strict=True)
        )


class ServedModel:
    """A model loaded in safe mode, which rejects files that contain code.

    Args:
        path: a `.keras` file.
        name: the model's name in URLs.

    Attributes:
        inputs, outputs: lists of `Field`.
        classes: the names of the classes, if the model's run recorded them, else None.

    Raises:
        SystemExit: if the file cannot be loaded, or the model has no variable batch size.
    """

    def __init__(self, path: Path, name: str):
        self.name = name
        try:
            self.model = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # for a damaged file Keras may raise any type
            fail(f"{path}: cannot be loaded as a model ({error}); give the model.keras of a run")
        for tensor in (*self.model.inputs, *self.model.outputs):
            if tuple(tensor.shape[:1]) != (None,):
                fail(f"{path}: {tensor.name} has no batch axis of variable size: cannot be served")
        chain = isinstance(self.model, keras.Sequential)
        self.structure = (
            self.model.inputs[0] if chain else self.model.input
        )  # the nesting of its inputs
        self.inputs = [
            Field(
                tensor.name, keras.backend.standardize_dtype(tensor.dtype), tuple(tensor.shape[1:])
            )
            for tensor in self.model.inputs
        ]
        names = [self.model.layers[-1].name] if chain else self.model.output_names
        self.outputs = [
            Field(name, keras.backend.standardize_dtype(tensor.dtype), tuple(tensor.shape[1:]))
            for name, tensor in zip(names, self.model.outputs, strict=True)
        ]

        self.takes_text = any(field.dtype == "string" for field in self.inputs)
        self.classes = class_names(path.parent / "run.json", self.outputs)

    @property
    def reads_digits(self) -> bool:
        """Whether the model classifies MNIST images as digits; if so, it gets a page to draw on."""
        (field, *others) = self.inputs
        pictures = not others and field.dtype == "uint8" and field.shape[:2] == (28, 28)
        pictures = pictures and field.shape[2:] in ((), (1,))
        return pictures and bool(self.classes) and set(self.classes) <= set("0123456789")

    def warm_up(self) -> None:
        """Compile the model for every batch size, so that no client has to wait for it."""
        if self.takes_text or any(None in field.shape for field in self.inputs):
            return  # not compiled, or compiled again for every input size
        rows = 1
        while rows <= LARGEST_BATCH:
            self.predict({
                field.name: np.zeros((rows, *field.shape), field.dtype) for field in self.inputs
            })
            rows *= 2

    def predict(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predict rows.

        Args:
            columns: for each input, an array of shape (n, ...) with its dtype.

        Returns:
            For each output, an array of shape (n, ...).

        Raises:
            NoAnswer: if a value is not in the model's vocabulary.
        """
        count = len(next(iter(columns.values())))
        parts = [
            self._predict({
                name: values[start : start + LARGEST_BATCH] for name, values in columns.items()
            })
            for start in range(0, count, LARGEST_BATCH)
        ]
        return {
            field.name: np.concatenate([part[field.name] for part in parts])
            for field in self.outputs
        }

    def _predict(self, columns: dict) -> dict:
        """Predict up to LARGEST_BATCH rows, padded to a power of two: few sizes to compile."""
        count = len(next(iter(columns.values())))
        size = 1 << (count - 1).bit_length()
        filled = {
            name: np.concatenate([values, np.repeat(values[:1], size - count, axis=0)])
            for name, values in columns.items()
        }
        if self.takes_text:  # not supported by predict_on_batch
            filled = {name: keras.ops.convert_to_tensor(values) for name, values in filled.items()}
            call = self.model
        else:
            call = self.model.predict_on_batch
        try:
            answers = call(
                keras.tree.map_structure(lambda tensor: filled[tensor.name], self.structure)
            )
        except Exception as error:
            if type(error).__name__ != "InvalidArgumentError":
                raise
            value = "text" if self.takes_text else "number"
            raise NoAnswer(f"a {value} is not in the model's vocabulary") from None
        return {
            field.name: keras.ops.convert_to_numpy(answer)[:count]
            for field, answer in zip(self.outputs, keras.tree.flatten(answers), strict=True)
        }


def class_names(record: Path, outputs: list[Field]) -> list[str] | None:
    """Return the class names in a run's record, or None if there are none for these outputs."""
    try:
        names = json.loads(record.read_text(encoding="utf-8"))["classes"]
        right = [field.shape for field in outputs] == [(len(names),)]
        return [str(name) for name in names] if right else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
