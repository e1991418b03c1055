"""An image file read as a video: a still one of one frame, an animated WebP or PNG of all its frames."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from .base import UnreadableVideo, VideoReader
from .colour.icc_profile import to_srgb
from .colour.image_transfer import image_transfer

_ANIMATED = ("webp", "png", "avif")
# Frames a second of an animation whose frames have no duration: browsers show each for a tenth, FFmpeg those of a GIF.
_RATE_OF_NONE = 10.0
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # tags of a TIFF


class ImageReader(VideoReader):
    """Frames of an image file.

    The camera's orientation tag is applied, an ICC profile is converted to sRGB, transparency is dropped, grey becomes
    RGB, 12-bit and 16-bit grey is scaled to 8 bits.

    Attributes:
        is_animated_gif: only the first frame is read here; PyAVReader reads all.
    """

    name = "image"

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        with _reasons(self.path):
            self._image = Image.open(self.path)
            try:
                self.codec = (self._image.format or "").lower()
                self._check_range()
                self.transfer = image_transfer(self.path, self.codec)
                self.is_animated_gif = self.codec == "gif" and self._image.is_animated
                # a PNG may hold a default image for viewers that do not animate, which is not a frame
                self._first = int(bool(self._image.info.get("default_image")))
                self._count = getattr(self._image, "n_frames", 1) - self._first if self.codec in _ANIMATED else 1
                self.fps = self._rate()
                self._frame = self._decoded(0)
            except BaseException:
                self._image.close()
                raise
        self.size = self._frame.shape[:2]
        if self._count == 1:
            self._image.close()

    def _check_range(self):
        """Raises UnreadableVideo where black and white are unknown. Older Pillows call 16-bit PNG "I" too."""
        if self._image.mode == "F" or (self._image.mode == "I" and self.codec not in ("png", "ppm")):
            told = f"its grey is of mode {self._image.mode} (32 bits or signed), whose level of white is unknown"
            raise UnreadableVideo(self.path, f"{told}: save it with 8 or 16 bits")

    def _rate(self):
        """Mean frames a second: each frame of an animation has a duration of its own."""
        milliseconds = 0.0
        for index in range(self._count if self._count > 1 else 0):
            self._show(index)
            milliseconds += self._image.info.get("duration", 0)
        if self._count > 1 and not milliseconds:
            self.fps_is_guess = True
            return _RATE_OF_NONE
        return 1000.0 * self._count / milliseconds if milliseconds else 0.0

    def __len__(self):
        return self._count

    def _show(self, index):
        # Of an APNG, Pillow's way back ends in errors, and a loaded frame that is to be undone is not undone whole.
        undone = self._image.info.get("disposal") == PngImagePlugin.Disposal.OP_PREVIOUS
        if undone or self._first + index < self._image.tell():
            self._image.close()
            self._image = Image.open(self.path)
        self._image.seek(self._first + index)
        self._image.load()

    def _decoded(self, index):
        """One frame, uint8 (h, w, 3)."""
        if self._count > 1:
            self._show(index)
        return rgb(self._image)

    def _read_sorted(self, indices):
        if self._count == 1:
            return np.repeat(self._frame[None], len(indices), axis=0)
        frames = np.empty((len(indices), *self.size, 3), np.uint8)
        for position, index in enumerate(indices):
            with _reasons(self.path, f"frame {index} of {self._count} cannot be decoded"):
                frames[position] = self._decoded(index)
        return frames

    def close(self):
        self._image.close()


@contextmanager
def _reasons(path, problem="not an image"):
    """Converts everything that Pillow raises to UnreadableVideo."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UnreadableVideo:
        raise
    except Image.UnidentifiedImageError:
        raise UnreadableVideo(path, "not an image that Pillow knows") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, EOFError, ...
        raise UnreadableVideo(path, f"{problem}: {str(error) or type(error).__name__}") from error


def rgb(image: Image.Image) -> np.ndarray:
    """A Pillow image upright as uint8 (h, w, 3) of sRGB."""
    tags = getattr(image, "tag_v2", {})
    image, profile = ImageOps.exif_transpose(image), image.info.get("icc_profile")
    if image.mode.startswith("I"):  # Pillow would clip these at 255 rather than scale them
        grey = (np.asarray(image) >> tags.get(_BITS_PER_SAMPLE, (16,))[0] - 8).astype(np.uint8)
        image = Image.fromarray(255 - grey if tags.get(_PHOTOMETRIC) == 0 else grey)  # 0 is white there
    return np.asarray(to_srgb(image, profile) if profile else image.convert("RGB"))
