"""What an autoencoder's methods are given: Tensors, NumPy arrays, bytes where they are named so, a path. Results come back alike."""

from __future__ import annotations

import os
import warnings

import numpy as np

import mindspore as ms

from .layers.dtypes import check_floating

# Pixels end at 1 and latents rarely pass 10. What lies beyond this is no pixel in [-1, 1], whatever a resize may add.
_FAR = 2.0
PIXELS = ("float", "uint8")


class Given:
    """One argument, and in which kind its results go back.

    Args:
        value: a Tensor or an array.
        name: of the argument, for errors.
        pixels: "float" for numbers in [-1, 1]; "uint8" for bytes from 0 to 255.

    Attributes:
        tensor: the value as a floating Tensor.

    Raises:
        ValueError: it is neither, or holds other numbers than `pixels` says.
    """

    def __init__(self, value, name, pixels="float"):
        if pixels not in PIXELS:
            raise ValueError(
                f"pixels is {pixels!r}; it must be {' or '.join(map(repr, PIXELS))}: leave it out for numbers in [-1, 1]"
            )
        if not isinstance(value, (ms.Tensor, np.ndarray)):
            raise ValueError(_no_array(value, name))
        self._is_array, self._pixels = isinstance(value, np.ndarray), pixels
        is_bytes = value.dtype == (np.uint8 if self._is_array else ms.uint8)
        if pixels == "uint8":
            if not is_bytes:
                raise ValueError(
                    f"{name} holds {value.dtype} and pixels is 'uint8'; bytes from 0 to 255 are needed: leave pixels out"
                )
            value = value.astype(np.float32 if self._is_array else ms.float32) / 127.5 - 1
        elif self._is_array and is_bytes:
            raise ValueError(
                f"{name} holds uint8; pixels are numbers in [-1, 1]: say pixels='uint8' for bytes, or give {name} / 127.5 - 1"
            )
        elif self._is_array and not np.issubdtype(value.dtype, np.floating):
            raise ValueError(f"{name} holds {value.dtype}; it must be floating: give {name}.astype(numpy.float32)")
        if self._is_array:
            self._array = np.ascontiguousarray(value, np.float32)
            self.tensor = ms.Tensor(self._array)
        else:
            check_floating(value, name)
            self.tensor = value

    def warn_if_far_outside(self, stacklevel=3):
        """Whether some numbers of an array lie far outside [-1, 1], which pixels do not; warns where they do.

        Args:
            stacklevel: of who gave them, as `warnings.warn` counts.
        """
        low, high = (
            (float(self._array.min()), float(self._array.max())) if self._is_array and self._array.size else (0, 0)
        )
        if low >= -_FAR and high <= _FAR:
            return False
        warnings.warn(
            f"x holds numbers from {low:.4g} to {high:.4g}; pixels lie in [-1, 1], and a model makes nothing of others: "
            "x / 127.5 - 1 brings numbers from 0 to 255 there (said once)",
            stacklevel=stacklevel,
        )
        return True

    def back(self, result):
        """A result in the kind of what was given: array for array, Tensor for Tensor."""
        return result.asnumpy() if self._is_array else result

    def pixels_back(self, recon):
        """Pixels in the kind of what was given, bytes for bytes."""
        recon = self.back(recon)
        if self._pixels == "float":
            return recon
        if self._is_array:
            return np.rint((recon + 1) * 127.5).clip(0, 255).astype(np.uint8)
        return ((recon + 1) * 127.5).round().clamp(0, 255).astype(ms.uint8)


def warn_of_first(model, x):
    """Warns as `Given.warn_if_far_outside` of the first Tensor that a model is given; later ones are not looked at, as a device would wait."""
    if not model._looked:
        model._looked = True
        model._warned = model._warned or Given(x.astype(ms.float32).asnumpy(), "x").warn_if_far_outside(stacklevel=4)


def _no_array(value, name):
    kind = type(value).__module__.partition(".")[0] + "." + type(value).__name__
    remedy = f"mindspore.Tensor({name}) or a NumPy array"
    if isinstance(value, (list, tuple)):
        kind, remedy = f"a {type(value).__name__} of {len(value)}", f"numpy.stack({name}), with axes (b, c, t, h, w)"
    elif hasattr(value, "numpy"):
        remedy = f"{name}.numpy()"
    return f"{name} is {kind.removeprefix('builtins.')}; it must be one array or Tensor: give {remedy}"


def video_of(value):
    """Pixels (1, c, t, h, w) of a path, at the file's own size; anything else as it is."""
    if not isinstance(value, (str, os.PathLike)):
        return value
    from mindone_tae.data import read_video

    return read_video(value)[0]
