"""A still image read as a video of one frame."""

from __future__ import annotations

import warnings

import numpy as np
from PIL import Image, ImageOps

from .reader_base import UnreadableVideo, VideoReader


class ImageReader(VideoReader):
    """One frame from an image file; of an animated one, the first.

    The camera's orientation tag is applied, transparency is dropped, grey becomes RGB, 16-bit grey is scaled to 8 bits.
    """

    def __init__(self, path):
        super().__init__(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(self.path) as image:
                    self._frame = _rgb(ImageOps.exif_transpose(image))
        except Image.UnidentifiedImageError:
            raise UnreadableVideo(self.path, "not an image that Pillow knows") from None
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ...
            raise UnreadableVideo(self.path, f"not an image: {error}") from error
        self.size = self._frame.shape[:2]

    def __len__(self):
        return 1

    def _read_sorted(self, indices):
        return np.repeat(self._frame[None], len(indices), axis=0)


def _rgb(image):
    """A Pillow image as uint8 (h, w, 3)."""
    if image.mode.startswith("I;16"):  # Pillow would clip these at 255 rather than scale them
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return np.asarray(image.convert("RGB"))
