"""One clip for the page: its sheet as a video or picture, its thumbnail, its latents, and the video's own loss."""

import base64
import io

import numpy as np
from PIL import Image

from mindone_tae.zoo.errors import UserError

from . import sheet_video
from .frames_file import read_frames
from .recording import error_levels

# The error's brightest level is the smallest of these that all but the largest hundredth of the errors stay below.
_SCALES = (8, 16, 32, 64, 128, 255)
_BRIGHTER_SHARE = 0.01
# H.264 level 5.2, which phones play, allows 36,864 macroblocks of 256 pixels; larger sheets are shrunk.
_MOST_PIXELS = 36864 * 256
_THUMBNAIL_PX = 96
_SILENT_DB = 100.0
# A video's rate is written as a fraction, which a slower one would round to 0.
_SLOWEST_FPS = 0.001


def error_scale(counts):
    """Levels of 255 at which the error's colour is brightest, the same for the whole page.

    Args:
        counts: for each clip and model the number of pixels with an error of 0 to 255 levels.
    """
    if not counts:
        return _SCALES[-1]
    total = np.sum(counts, axis=0)
    beyond = total[::-1].cumsum()[::-1] / max(total.sum(), 1)  # share of the pixels that err by so many levels or more
    return next((scale for scale in _SCALES[:-1] if beyond[scale] < _BRIGHTER_SHARE), _SCALES[-1])


def clip_media(clip, keys, scale):
    """A clip's data for the page's script, and its file.

    Args:
        clip: a `stored.Clip`.
        keys: of the contestants that it has.
        scale: by `error_scale`.

    Returns:
        A dict and bytes, MP4 or, of an image, PNG.
    """
    pictures = {
        "source": read_frames(clip.folder / "source.mkv"),
        **{key: read_frames(clip.files[key]) for key in keys},
    }
    source = pictures["source"]
    differing = next((name for name, frames in pictures.items() if frames.shape != source.shape), None)
    if differing:
        shapes = f"{pictures[differing].shape} and the source {source.shape}"
        raise UserError(f"{clip.folder}: the frames of {differing} are {shapes}: run the command that wrote them again")
    errors = {f"error:{key}": error_levels(pictures[key], source) for key in keys}
    height, width = source.shape[1:3]
    factor = _shrinking(len(pictures) + len(errors), height, width)
    size = height // factor, width // factor
    sheet = sheet_video.Sheet([*pictures, *errors], size)

    def sheets():
        for number in range(len(source)):
            shown = {name: _shrunk(frames[number], factor) for name, frames in pictures.items()}
            shown |= {name: _shrunk(_grey(levels[number], scale), factor) for name, levels in errors.items()}
            yield sheet.frame(number, shown)

    fps = clip.facts["fps"] if clip.facts["fps"] >= _SLOWEST_FPS else 1.0  # an image has 0
    still = len(source) == 1
    content = sheet_video.encode_still(next(sheets())) if still else sheet_video.encode(sheets(), sheet.size, fps)
    entry = {
        **clip.facts,
        "fps": fps,
        "still": still,
        "bytes": len(content),
        "thumbnail": _data_url(_thumbnail(source[len(source) // 2]), "image/jpeg"),
        "sheet": {"size": sheet.size, "cells": sheet.cells, "band": sheet.band, "cell": size, "factor": factor},
        "codec": "PNG, without loss" if still else sheet_video.CODEC,
        "cost": {} if still else _cost(content, sheet, size, pictures, factor),
        "figures": {key: {name: _rounded(values) for name, values in clip.figures[key].items()} for key in keys},
        "latents": {key: _latent(*clip.latents[key]) for key in keys if key in clip.latents},
    }
    return entry, content


def _shrinking(cells, height, width):
    factor = 1
    while cells * (height // factor + 16) * (width // factor + 16) > _MOST_PIXELS and min(height, width) // factor > 64:
        factor += 1
    return factor


def _shrunk(picture, factor):
    if factor == 1:
        return picture
    height, width = (side // factor * factor for side in picture.shape[:2])
    blocks = picture[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)


def _grey(levels, scale):
    brightness = (levels.astype(np.uint16) * 255 // scale).clip(0, 255).astype(np.uint8)
    return np.repeat(brightness[..., None], 3, axis=-1)


def _cost(content, sheet, size, pictures, factor):
    """PSNR, dB, of the compressed video against its frames, by cell: mean over frames."""
    decibels = {name: [] for name in pictures}
    for number, frame in enumerate(sheet_video.decoded(content)):
        for name, frames in pictures.items():
            left, top = sheet.cells[name]
            shown = frame[top : top + size[0], left : left + size[1]].astype(np.float64)
            error = np.square(shown - _shrunk(frames[number], factor)).mean()
            decibels[name].append(min(10 * np.log10(255**2 / error), _SILENT_DB) if error else _SILENT_DB)
    return {name: round(float(np.mean(values)), 1) for name, values in decibels.items()}


def _latent(facts, folder):
    """A latent's data for the script, its pictures as data URLs."""
    numbers = int(np.prod(facts["shape"]))
    urls = {
        kind: _data_url((folder / f"latent_{kind}.png").read_bytes(), "image/png")
        for kind in ("components", "channels")
    }
    return {**facts, "numbers": numbers, **urls}


def _thumbnail(frame):
    image = Image.fromarray(frame)
    height = _THUMBNAIL_PX
    image = image.resize((max(round(image.width * height / image.height), 1), height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=82)
    return file.getvalue()


def _data_url(content, kind):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _rounded(values):
    return [round(value, 4) for value in values]
