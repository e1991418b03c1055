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
        self._paths = [os.path.join(self.path, name) for name in self._ordered(names)]
        with ImageReader(self._paths[0]) as first:
            self.size, self.codec = first.size, first.codec

    def _ordered(self, names):
        if not names:
            raise UnreadableVideo(
                self.path, "a folder without images; as a video it needs numbered ones, such as 0001.png"
            )
        matches = [_NUMBERED.fullmatch(name) for name in names]
        for name, match in zip(names, matches):
            if match is None:
                raise UnreadableVideo(
                    self.path, f"{name} has no number; the images of a video are numbered, such as 0001.png"
                )
        if len({(match[1], match[3]) for match in matches}) > 1:
            raise UnreadableVideo(
                self.path, "its images are of several names or kinds; those of one video differ in their number alone"
            )
        by_number = {int(match[2]): name for name, match in zip(names, matches)}
        if len(by_number) < len(names):
            raise UnreadableVideo(self.path, "two of its images have the same number")
        missing = next((number for number in range(min(by_number), max(by_number)) if number not in by_number), None)
        if missing is not None:
            raise UnreadableVideo(
                self.path, f"image {missing} is missing between {min(by_number)} and {max(by_number)}"
            )
        return [by_number[number] for number in sorted(by_number)]

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
