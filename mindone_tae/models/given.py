"""Arguments of an autoencoder's methods: Tensors, NumPy arrays, uint8 pixels, paths. Results are of the same kind."""

from __future__ import annotations

import os
import warnings

import numpy as np

import mindspore as ms

from .layers.dtypes import check_floating

# Pixels lie in [-1, 1]; resizing may overshoot a little, but never this far.
_FAR = 2.0
PIXELS = ("float", "uint8")


class Given:
    """One argument, and the conversion of results back to its kind.

    Args:
        value: a Tensor or an array.
        name: of the argument, for errors.
        pixels: "float" for numbers in [-1, 1]; "uint8" for bytes from 0 to 255.

    Attributes:
        tensor: the value as a floating Tensor.

    Raises:
        ValueError: it is neither, or its type is not the one `pixels` names.
    """

    def __init__(self, value, name: str, pixels: str = "float"):
        if pixels not in PIXELS:
            raise ValueError(
                f"pixels is {pixels!r}; it must be {' or '.join(map(repr, PIXELS))}: "
                "leave it out for numbers in [-1, 1]"
            )
        if not isinstance(value, (ms.Tensor, np.ndarray)):
            raise ValueError(_no_array(value, name))
        self._is_array, self._pixels = isinstance(value, np.ndarray), pixels
        is_bytes = value.dtype == (np.uint8 if self._is_array else ms.uint8)
        if pixels == "uint8":
            if not is_bytes:
                raise ValueError(
                    f"{name} holds {value.dtype} and pixels is 'uint8'; bytes from 0 to 255 are needed: "
                    "leave pixels out"
                )
            value = value.astype(np.float32 if self._is_array else ms.float32) / 127.5 - 1
        elif self._is_array and is_bytes:
            raise ValueError(
                f"{name} holds uint8; pixels are numbers in [-1, 1]: "
                f"say pixels='uint8' for bytes, or give {name} / 127.5 - 1"
            )
        elif self._is_array and "float" not in value.dtype.name:  # bfloat16 is ml_dtypes', not one of np.floating
            raise ValueError(f"{name} holds {value.dtype}; it must be floating: give {name}.astype(numpy.float32)")
        if self._is_array:
            self._array = np.ascontiguousarray(value, np.float32)
            self.tensor = ms.Tensor(self._array)
        else:
            check_floating(value, name)
            self.tensor = value

    def warn_if_far_outside(self, stacklevel=3) -> bool:
        """Warns if an array holds numbers far outside [-1, 1], as pixels never do; returns whether it warned.

        Args:
            stacklevel: of the caller to blame, as `warnings.warn` counts.
        """
        low, high = (
            (float(self._array.min()), float(self._array.max())) if self._is_array and self._array.size else (0, 0)
        )
        if not (-np.inf < low < -_FAR or _FAR < high < np.inf):  # so also for NaN
            return False
        warnings.warn(
            f"x holds numbers from {low:.4g} to {high:.4g}; pixels lie in [-1, 1]: "
            "give x / 127.5 - 1 for numbers from 0 to 255 (this warning is shown once)",
            stacklevel=stacklevel,
        )
        return True

    def back(self, result: ms.Tensor) -> ms.Tensor | np.ndarray:
        """A result as an array where an array was given, as a Tensor where a Tensor was."""
        return result.asnumpy() if self._is_array else result

    def pixels_back(self, recon: ms.Tensor) -> ms.Tensor | np.ndarray:
        """Pixels as an array or a Tensor like the argument, as uint8 where it was uint8."""
        recon = self.back(recon)
        if self._pixels == "float":
            return recon
        if self._is_array:
            return np.rint((recon + 1) * 127.5).clip(0, 255).astype(np.uint8)
        return ((recon + 1) * 127.5).round().clamp(0, 255).astype(ms.uint8)


def warn_of_first(model, x):
    """Warns as `Given.warn_if_far_outside` of a model's first Tensor; for later ones a device would have to wait."""
    if not model._looked:
        model._looked = True
        model._warned = model._warned or Given(x.astype(ms.float32).asnumpy(), "x").warn_if_far_outside(stacklevel=4)


def _no_array(value, name):
    kind = type(value).__module__.partition(".")[0] + "." + type(value).__name__
    remedy = f"mindspore.Tensor({name}) or a NumPy array"
    if isinstance(value, (list, tuple)):
        kind, remedy = f"a {type(value).__name__} of {len(value)}", f"numpy.stack({name}), with axes (b, c, t, h, w)"
        if name == "z" and isinstance(value, tuple):
            remedy = "z[0], which is the latent in what encode returns"
    elif hasattr(value, "numpy"):
        remedy = f"{name}.numpy()"
    return f"{name} is {kind.removeprefix('builtins.')}; it must be one array or Tensor: give {remedy}"


def video_of(value):
    """Pixels (1, c, t, h, w) of a path, at the file's own size; anything else as it is."""
    if not isinstance(value, (str, os.PathLike)):
        return value
    from mindone_tae.data import read_video

    return read_video(value)[0]
