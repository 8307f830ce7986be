"""A saved model, ready to answer: its name, what it takes, what it gives."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from common.errors import fail

LARGEST_BATCH = 64  # rows; more are answered in several goes


class BadRequest(Exception):
    """A request that cannot be answered: a status of 400 to 499, and a sentence for the client."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


class Field(NamedTuple):
    """One input or output: its name, dtype, and shape without the number of rows."""

    name: str
    dtype: str
    shape: tuple


class ServedModel:
    """A model in safe mode: a file that holds code is refused.

    Args:
        path: a `.keras` file.
        name: the name that clients call it by.

    Attributes:
        inputs, outputs: lists of `Field`.

    Raises:
        SystemExit: if the file cannot be loaded.
    """

    def __init__(self, path: Path, name: str):
        self.name = name
        try:
            self.model = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # a damaged file makes Keras raise any kind
            fail(f"{path}: cannot be loaded as a model ({error}); give the model.keras of a run")
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

    def warm_up(self) -> None:
        """Let the back-end compile every size of batch, so that no client waits for it."""
        if self.takes_text:  # such a model is not compiled
            return
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
            For each output, a float array of shape (n, ...).
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
            if self.takes_text and type(error).__name__ == "InvalidArgumentError":
                raise BadRequest("a text is none of those that the model knows") from None
            raise
        return {
            field.name: keras.ops.convert_to_numpy(answer)[:count]
            for field, answer in zip(self.outputs, keras.tree.flatten(answers), strict=True)
        }
