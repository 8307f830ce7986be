"""A saved model, ready to answer: its name, what it takes, what it gives."""

import json
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from common.errors import fail

LARGEST_BATCH = 64  # rows; more are answered in several goes


class NoAnswer(Exception):
    """A request that cannot be answered: the status, and a sentence for the client."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


class Field(NamedTuple):
    """One input or output: its name, dtype, and shape without the number of rows; None: any."""

    name: str
    dtype: str
    shape: tuple

    def takes(self, shape: tuple) -> bool:
        """Tell whether rows may have this shape."""
        return len(shape) == len(self.shape) and all(
            size in (None, given) for size, given in zip(self.shape, shape, strict=True)
        )


class ServedModel:
    """A model in safe mode: a file that holds code is refused.

    Args:
        path: a `.keras` file.
        name: the name that clients call it by.

    Attributes:
        inputs, outputs: lists of `Field`.
        classes: what they are called, if the run that left the model has said so; else None.

    Raises:
        SystemExit: if the file cannot be loaded, or the model does not answer row by row.
    """

    def __init__(self, path: Path, name: str):
        self.name = name
        try:
            self.model = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # a damaged file makes Keras raise any kind
            fail(f"{path}: cannot be loaded as a model ({error}); give the model.keras of a run")
        for tensor in (*self.model.inputs, *self.model.outputs):
            if tuple(tensor.shape[:1]) != (None,):
                fail(f"{path}: {tensor.name} has no axis for any number of rows: cannot be served")
        chain = isinstance(self.model, keras.Sequential)
        self.structure = (
            self.model.inputs[0] if chain else self.model.input
        )  # as it wants its inputs
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
        """Whether it takes MNIST's pictures and its classes are digits: it gets a page to draw."""
        (field, *others) = self.inputs
        pictures = not others and field.dtype == "uint8" and field.shape[:2] == (28, 28)
        pictures = pictures and field.shape[2:] in ((), (1,))
        return pictures and bool(self.classes) and set(self.classes) <= set("0123456789")

    def warm_up(self) -> None:
        """Let the back-end compile every size of batch, so that no client waits for it."""
        if self.takes_text or any(None in field.shape for field in self.inputs):
            return  # a model of texts is not compiled; one for any size, for each size anew
        rows = 1
        while rows <= LARGEST_BATCH:
            self.predict({
                field.name: np.zeros((rows, *field.shape), field.dtype) for field in self.inputs
            })
            rows *= 2

    def predict(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answer rows.

        Args:
            columns: for each input, an array of shape (n, ...) of its dtype.

        Returns:
            For each output, an array of shape (n, ...).

        Raises:
            NoAnswer: if the values are not those that the model knows.
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
        """Answer at most LARGEST_BATCH rows, filled up to a power of two: few sizes to compile."""
        count = len(next(iter(columns.values())))
        size = 1 << (count - 1).bit_length()
        filled = {
            name: np.concatenate([values, np.repeat(values[:1], size - count, axis=0)])
            for name, values in columns.items()
        }
        if self.takes_text:  # predict_on_batch takes none
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
            raise NoAnswer(f"a {value} is none of those that the model knows") from None
        return {
            field.name: keras.ops.convert_to_numpy(answer)[:count]
            for field, answer in zip(self.outputs, keras.tree.flatten(answers), strict=True)
        }


def class_names(record: Path, outputs: list[Field]) -> list[str] | None:
    """Read from a run's record what the classes are called; None if it does not say."""
    try:
        names = json.loads(record.read_text(encoding="utf-8"))["classes"]
        right = [field.shape for field in outputs] == [(len(names),)]
        return [str(name) for name in names] if right else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
