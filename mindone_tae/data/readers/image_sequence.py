"""A folder of numbered images read as one video."""

from __future__ import annotations

import os
import re

import numpy as np

from .base import UnreadableVideo, VideoReader
from .image_reader import ImageReader

_NUMBERED = re.compile(r"(.*?)(\d+)(\.[^.]+)")


class ImageSequenceReader(VideoReader):
    """The images of a folder in the order of their numbers: frame_0001.png, frame_0002.png, ...

    Names differ in their last number alone, and no number is missing between the first and the last.

    Args:
        path: the folder.
        suffixes: what image files end in.
    """

    name = "images"

    def __init__(self, path: str | os.PathLike, suffixes: tuple[str, ...]):
        self.path = os.fspath(path)
        try:
            names = sorted(
                name for name in os.listdir(self.path) if name.lower().endswith(suffixes) and not name.startswith(".")
            )
        except OSError as error:
            raise UnreadableVideo(self.path, (error.strerror or str(error)).lower()) from error
        problem = _problem(names)
        if problem:
            raise UnreadableVideo(self.path, problem)
        names.sort(key=lambda name: int(_NUMBERED.fullmatch(name)[2]))
        self._paths = [os.path.join(self.path, name) for name in names]
        with ImageReader(self._paths[0]) as first:
            self.size, self.codec, self.transfer = first.size, first.codec, first.transfer

    def __len__(self):
        return len(self._paths)

    def _read_sorted(self, indices):
        frames = np.empty((len(indices), *self.size, 3), np.uint8)
        for position, index in enumerate(indices):
            with ImageReader(self._paths[index]) as image:
                if image.size != self.size:
                    sizes = " to ".join("{}x{}".format(*size) for size in (self.size, image.size))
                    raise UnreadableVideo(self.path, f"its frames change size from {sizes}")
                frames[position] = image.read([0])[0]
        return frames


def _problem(names):
    """Why images of these names are no video; None where they are one."""
    if not names:
        return "a folder without images; as a video it needs numbered ones, such as 0001.png"
    matches = [_NUMBERED.fullmatch(name) for name in names]
    if None in matches:
        name = names[matches.index(None)]
        return f"{name} has no number; the images of a video are numbered, such as 0001.png"
    if len({(match[1], match[3]) for match in matches}) > 1:
        return "its images are of several names or kinds; those of one video differ in their number alone"
    numbers = {int(match[2]) for match in matches}
    if len(numbers) < len(names):
        return "two of its images have the same number"
    first, last = min(numbers), max(numbers)
    missing = next((number for number in range(first, last) if number not in numbers), None)
    return None if missing is None else f"image {missing} is missing between {first} and {last}"
