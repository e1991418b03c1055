"""Images with an ICC profile of their own to sRGB, by littleCMS, which Pillow carries."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

# Pillow's modes of the colours that a profile's signature names.
_MODE_OF = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
# A profile that moves no colour further than this, in levels, is sRGB itself: its colours stay as they are.
_SAME = 1
_LEVELS = (0, 32, 96, 160, 224, 255)


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """An image in sRGB; a profile that is damaged, or of another kind of image, is ignored, as viewers do.

    Args:
        image: of any mode; transparency is dropped.
        profile: ICC.

    Returns:
        Mode RGB.
    """
    mode, transform = _transform(profile)
    if mode == "RGB" and image.mode not in ("CMYK", "LAB"):
        image = image.convert("RGB")
    elif mode == "L" and image.mode in ("1", "LA", "I", "F"):
        image = image.convert("L")
    if transform is None or image.mode != mode:
        return image.convert("RGB")
    return ImageCms.applyTransform(image, transform)


@lru_cache(maxsize=32)
def _transform(profile):
    """(mode that it takes, transform to RGB); the transform is None where there is nothing to convert."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODE_OF.get(source.profile.xcolor_space.strip(), "")
        if not mode:
            return "", None
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return "", None
    return mode, None if mode == "RGB" and _moves_nothing(transform) else transform


def _moves_nothing(transform):
    grid = np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS), axis=-1).astype(np.uint8).reshape(1, -1, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(grid), transform))
    return np.abs(moved.astype(int) - grid).max() <= _SAME
