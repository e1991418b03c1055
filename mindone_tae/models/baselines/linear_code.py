"""The best linear code at a TAE's ratio: principal components of blocks of pixels.

Each block of time_ratio x space_ratio x space_ratio pixels becomes as many numbers as a TAE's latent has for it. Of all
linear codes of single blocks, none has a smaller mean squared error on the data it was fitted to (Eckart and Young,
1936). It is fitted in seconds, so a network that does not beat it has learned little.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

# Rows of blocks that are coded at once.
_STRIP = 8
_SHIPPED = Path(__file__).parents[2] / "weights" / "shipped"


class LinearCode:
    """Mean and leading principal components of blocks of pixels.

    A clip that does not divide into blocks is padded by repeating its last frame, row and column, and cropped at the
    end.

    Args:
        time_ratio: frames a block.
        space_ratio: pixels a block, in height and in width.
        latent_channels: numbers kept of each block.
        pretrained: a file that `save` wrote; None takes the one shipped for these keywords, fitted to the clips that
            the shipped weights were trained on.

    Attributes:
        mean: float32 (3 * time_ratio * space_ratio**2,), of blocks laid out (c, t, h, w).
        components: float32 (latent_channels, 3 * time_ratio * space_ratio**2), orthonormal rows, the largest variance
            first.

    Raises:
        ValueError: there is no such file, or it was fitted with other keywords.
    """

    def __init__(
        self, time_ratio: int = 8, space_ratio: int = 8, latent_channels: int = 16, pretrained: str | None = None
    ):
        self.block = (time_ratio, space_ratio, space_ratio)
        self.latent_channels = latent_channels
        path = pretrained or _SHIPPED / f"linear_code_{time_ratio}x{space_ratio}x{space_ratio}.safetensors"
        self.mean, self.components = self._load(Path(path), pretrained is None)

    @classmethod
    def fit(
        cls, clips: Iterable[np.ndarray], time_ratio: int = 8, space_ratio: int = 8, latent_channels: int = 16
    ) -> LinearCode:
        """Fits one to clips.

        Args:
            clips: (c, t, h, w) each, in [-1, 1]; what does not fill a block is left out.
            time_ratio, space_ratio, latent_channels: as the class takes them.

        Returns:
            LinearCode.

        Raises:
            ValueError: there are fewer blocks than components.
        """
        code = cls.__new__(cls)
        code.block, code.latent_channels = (time_ratio, space_ratio, space_ratio), latent_channels
        number, total, products = 0, 0.0, 0.0
        for clip in clips:
            blocks = code._blocks(np.asarray(clip, np.float64)[None]).reshape(-1, clip.shape[0] * np.prod(code.block))
            number += len(blocks)
            total = total + blocks.sum(axis=0)
            products = products + blocks.T @ blocks
        if number <= latent_channels:
            raise ValueError(
                f"the clips hold {number} blocks; {latent_channels} components need more: give more or larger clips"
            )
        mean = total / number
        _, vectors = np.linalg.eigh(products / number - np.outer(mean, mean))
        components = vectors[:, : -latent_channels - 1 : -1].T
        # a component and its negative are the same code; the largest entry is made positive
        components = (
            components
            * np.where(components[np.arange(len(components)), abs(components).argmax(axis=1)] < 0, -1, 1)[:, None]
        )
        code.mean, code.components = mean.astype(np.float32), np.ascontiguousarray(components, dtype=np.float32)
        return code

    def save(self, path: str | os.PathLike) -> None:
        """Writes a .safetensors file: `mean` and `components` as float32, and the keywords in its metadata."""
        keywords = {"time_ratio": self.block[0], "space_ratio": self.block[1], "latent_channels": self.latent_channels}
        notes = {"linear_code": json.dumps(keywords)}
        Path(path).write_bytes(save({"mean": self.mean, "components": self.components}, notes))

    def _load(self, path, shipped):
        keywords = {"time_ratio": self.block[0], "space_ratio": self.block[1], "latent_channels": self.latent_channels}
        if not path.is_file():
            what = f"none is shipped for {keywords}" if shipped else f"{path} is no file"
            raise ValueError(
                f"linear_code has nothing to load: {what}: "
                "fit one with `mindone-tae linear-code` and give it as pretrained"
            )
        try:
            with safe_open(path, "np") as file:
                fitted = json.loads((file.metadata() or {}).get("linear_code", "{}"))
                arrays = {name: file.get_tensor(name).astype(np.float32) for name in ("mean", "components")}
            if not isinstance(fitted, dict):
                raise ValueError("its note is no mapping")
            if arrays["mean"].ndim != 1 or arrays["components"].shape[1:] != arrays["mean"].shape:
                raise ValueError("its arrays are not of one size of blocks")
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is no linear code: {error}: make it with `mindone-tae linear-code`") from error
        components = arrays["components"][: self.latent_channels]  # the leading ones are a smaller code
        if (
            fitted != {**keywords, "latent_channels": fitted.get("latent_channels")}
            or len(components) < self.latent_channels
        ):
            raise ValueError(f"{path} was fitted with {fitted} and is wanted with {keywords}: fit one with those")
        size = 3 * math.prod(self.block)
        if arrays["mean"].size != size:
            raise ValueError(
                f"{path} is no linear code: its blocks are not of {size} numbers: "
                "make it with `mindone-tae linear-code`"
            )
        return arrays["mean"], components

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Pixels (b, c, t, h, w) in [-1, 1] to (b, latent_channels, lt, lh, lw), lt = ceil(t/time_ratio) and so on."""
        padding = [(0, -side % block) for side, block in zip(x.shape[2:], self.block)]
        blocks = self._blocks(np.pad(x, [(0, 0), (0, 0), *padding], mode="edge"))
        z = (blocks - self.mean) @ self.components.T
        return np.moveaxis(z, -1, 1)

    def decode(self, z: np.ndarray) -> np.ndarray:
        """(b, latent_channels, lt, lh, lw) to (b, c, time_ratio*lt, space_ratio*lh, space_ratio*lw)."""
        blocks = np.moveaxis(z, 1, -1) @ self.components + self.mean
        b, lt, lh, lw, size = blocks.shape
        bt, bh, bw = self.block
        c = size // (bt * bh * bw)
        x = blocks.reshape(b, lt, lh, lw, c, bt, bh, bw).transpose(0, 4, 1, 5, 2, 6, 3, 7)
        return x.reshape(b, c, lt * bt, lh * bh, lw * bw)

    def __call__(self, x):
        """Pixels to pixels.

        Args:
            x: array (b, c, t, h, w) in [-1, 1].

        Returns:
            Array of the same shape, float32.
        """
        x = np.asarray(x, np.float32)
        t, h, w = x.shape[2:]
        found = np.empty_like(x)
        # in strips of the frames: a code holds several copies of what it is given
        for top in range(0, h, _STRIP * self.block[1]):
            strip = slice(top, min(top + _STRIP * self.block[1], h))
            found[:, :, :, strip] = self.decode(self.encode(x[:, :, :, strip]))[
                :, :, :t, : strip.stop - strip.start, :w
            ]
        return found

    def _blocks(self, x):
        """(b, c, t, h, w) to (b, lt, lh, lw, c*bt*bh*bw); what does not fill a block is left out."""
        b, c = x.shape[:2]
        counts = [side // block for side, block in zip(x.shape[2:], self.block)]
        x = x[:, :, : counts[0] * self.block[0], : counts[1] * self.block[1], : counts[2] * self.block[2]]
        split = x.reshape(b, c, *(part for pair in zip(counts, self.block) for part in pair))
        return split.transpose(0, 2, 4, 6, 1, 3, 5, 7).reshape(b, *counts, -1)
