"""Reading video with PyAV: exact frame numbers from the packets' own timestamps."""

from __future__ import annotations

import os
from bisect import bisect_right
from functools import lru_cache
from itertools import chain, islice

import av
import numpy as np

from .base import HDR_TRANSFERS, UnreadableVideo, VideoReader
from .colour.frame_to_rgb import FrameToRGB, transfer_of
from .container import MissedSeek, decode, harmless_errors, open_container
from .file_stamp import stamp_of
from .orientation import display_matrix, upright
from .packet_index import index_by_decoding, index_frames

# FFmpeg's types of pictures that refer to no other: not told, I, and switching I.
_ALONE = (0, 1, 5)


class PyAVReader(VideoReader):
    """Random access by frame number: decoding starts at the nearest keyframe before it.

    The count of frames is that of packets whose frames are shown, never the container's own; a frame's number is the
    rank of its timestamp. Where timestamps are ambiguous, frames are counted from the start instead.

    Args:
        path: the file.
        tone_map: whether HDR is converted to SDR; otherwise its code values are read as they are.

    Attributes:
        index: FrameIndex.
        container, pixels: FFmpeg's names of the container's format and the pixels'.
    """

    name = "pyav"

    def __init__(self, path: str | os.PathLike, tone_map: bool = False):
        super().__init__(path)
        self._container = self._rotation = self._matrix = None
        try:
            self._use(index_frames(self.path))
            if not self._begins_as_indexed():
                self._use(_index_by_decoding(self.path, stamp_of(self.path)))
            frame = self._frame(0)
            self.codec = self._stream.codec_context.codec.canonical_name
            self.container, self.pixels = self._container.format.name, self._stream.codec_context.pix_fmt
            self.transfer = transfer_of(self._stream.codec_context)
            self._to_rgb = FrameToRGB(self.transfer if tone_map and self.transfer in HDR_TRANSFERS else "")
            self.size = self._pixels(frame).shape[:2]
        except BaseException:
            self.close()
            raise

    def _use(self, index):
        self.index, self.keyframes = index, index.keyframes
        self.fps, self.fps_is_guess = index.fps, index.fps_is_guess
        self._number_of = None if index.times is None else {time: number for number, time in enumerate(index.times)}
        self._held, self._harmless = None, frozenset()
        self._start()

    def _begins_as_indexed(self):
        """Whether the first two frames are those of the index. They are not where each field has its own packet."""
        if self._number_of is None:
            return True
        first = list(islice(self._frames, 2))
        self._frames = chain(first, self._frames)
        numbers = [number for number, _, _ in first]
        if list(self.keyframes[:2]) == [0, 1] and numbers == [0, 1] and first[1][1].pict_type not in _ALONE:
            self.keyframes = ()  # every packet is marked, as in an MP4 without a table of keyframes
        return any(problem for _, _, problem in first) or numbers == list(range(min(2, len(self))))

    def __len__(self):
        return self.index.count

    def _start(self, sought: int | None = None, keyframe: int | None = None):
        """Start decoding at a keyframe.

        Args:
            sought: number of the keyframe to seek to, `keyframe` or an earlier one; None reopens the file and decodes
                from its first packet, which works where seeking does not.
            keyframe: number.
        """
        if sought is None:
            if self._container is not None:
                self._container.close()
            self._container, self._stream = open_container(self.path)
            key, self._next = None, 0
        else:
            self._container.seek(self.index.times[sought], stream=self._stream, backward=True)
            key, self._next = self.index.times[keyframe], keyframe
        counted = self._number_of is None
        self._frames = self._numbered(decode(self._container, self._stream, key, self._counts, counted))

    def _counts(self, time):
        """Whether an error in the packet of a timestamp affects frames that are shown."""
        if self._number_of is None:
            return self._next > 0
        return time in self._number_of and time not in self._harmless

    def _numbered(self, frames):
        """Yields (number, frame, problem); the number is None for frames that are not shown."""
        for counted, (frame, problem) in enumerate(frames):
            yield counted if self._number_of is None else self._number_of.get(frame.pts), frame, problem

    def _starts(self, index):
        """Yields arguments of `_start` that lead to a frame, the nearest keyframe first.

        A seek may land after its keyframe, and a keyframe may not be decodable by itself (intra refresh).
        """
        position = bisect_right(self.keyframes, index) - 1
        for sought, start in ((position, position), (position - 1, position), (position - 2, position - 1)):
            if sought >= 0:
                yield self.keyframes[sought], self.keyframes[start]
        yield None, None
        if not self._harmless:
            self._harmless = _harmless_errors(self.path, stamp_of(self.path))
            if self._harmless:
                yield None, None

    def _frame(self, index):
        """One decoded frame."""
        if self._container is None:
            raise ValueError(f"{self.path} was closed: open it again to read")
        if self._held is not None and self._held[0] == index:
            return self._held[1]
        crosses_keyframe = bisect_right(self.keyframes, index) > bisect_right(self.keyframes, self._next)
        starts, problem = self._starts(index), "it is missing"
        found = None if index < self._next or crosses_keyframe else self._decoded(index)
        while found is None or found[1] is not None:
            problem = found[1] if found else problem
            try:
                self._start(*next(starts))
            except StopIteration:
                raise UnreadableVideo(self.path, f"frame {index} of {len(self)} cannot be decoded: {problem}") from None
            except av.error.FFmpegError:
                continue
            found = self._decoded(index)
        self._held = index, found[0]
        return found[0]

    def _decoded(self, index):
        """(frame, problem) of a number, decoding from the current position; None where it does not come."""
        try:
            for number, frame, problem in self._frames:
                if number is None:
                    continue
                self._next = number + 1
                if number >= index:
                    return (frame, problem) if number == index else (None, problem or "it is missing")
        except MissedSeek:
            pass
        return None

    def _pixels(self, frame):
        """A decoded frame upright, uint8 (h, w, 3)."""
        try:
            if frame.rotation != self._rotation:
                # not for every frame: PyAV's side data refers to its frame, which then waits for the garbage collector
                self._rotation, self._matrix = frame.rotation, display_matrix(frame)
            pixels = upright(self._to_rgb(frame), self._matrix)
        except ValueError as error:
            raise UnreadableVideo(self.path, str(error)) from None
        if self.size != (0, 0) and pixels.shape[:2] != self.size:
            sizes = " to ".join("{}x{}".format(*size) for size in (self.size, pixels.shape[:2]))
            raise UnreadableVideo(self.path, f"its frames change size from {sizes}")
        return pixels

    def _read_sorted(self, indices):
        frames = np.empty((len(indices), *self.size, 3), np.uint8)
        for position, index in enumerate(indices):
            frames[position] = self._pixels(self._frame(index))
        return frames

    def close(self):
        if self._container is not None:
            self._frames = self._held = None
            self._container.close()
            self._container = None


@lru_cache(maxsize=1024)
def _index_by_decoding(path, stamp):
    """`index_by_decoding`, cached until the file changes."""
    return index_by_decoding(path)


@lru_cache(maxsize=1024)
def _harmless_errors(path, stamp):
    """`harmless_errors`, cached until the file changes."""
    return harmless_errors(path)
