"""A reader that takes frames from a cache in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..files.inspection import info_of
from ..readers.base import UnreadableVideo, VideoReader
from .frame_cache import FrameCache

# Most frames between keyframes that are read together: FFmpeg's encoders make 250 by default.
_LONGEST_STRETCH = 300
# Frames read at once, so that one read takes no longer than that of a clip may.
_PIECE_FRAMES = 16


class KeptReader(VideoReader):
    """Frames of one file, which is opened at the first one that is not in memory.

    Decoders have to start at a keyframe. So the whole stretch between two keyframes is decoded once, where the cache
    has room for it, rather than its beginning at every draw.

    Args:
        path: the file.
        open_file: opens it.
        stamp: that the file has now, see `stamp_of`.
        cache: for its frames.
        stretches: whether to read whole stretches; useless where every draw asks for the same frames.

    Raises:
        UnreadableVideo: it cannot be opened, where it has to be.
    """

    def __init__(
        self,
        path: str,
        open_file: Callable[[], VideoReader],
        stamp: tuple[int, ...],
        cache: FrameCache,
        stretches: bool,
    ):
        self.path = path
        self._open_file, self._stamp, self._cache, self._stretches = open_file, stamp, cache, stretches
        self._reader = None
        self._kept = cache.file(path, stamp)
        if self._kept is None:
            self._reader = open_file()
        self._info = info_of(self._reader) if self._kept is None else self._kept.info
        self.name = self._info.reader
        for fact in ("fps", "fps_is_guess", "size", "codec", "transfer"):
            setattr(self, fact, getattr(self._info, fact))

    def __len__(self):
        return self._info.frames

    def _opened(self):
        """The reader of the file."""
        if self._reader is None:
            self._reader = self._open_file()
            # with another count or size, frame numbers in use would mean other frames
            if (len(self._reader), tuple(self._reader.size)) != (len(self), self.size):
                raise UnreadableVideo(self.path, "it changed while it was read")
        return self._reader

    def _read_sorted(self, indices):
        return self._opened()._read_sorted(indices)

    def read_resized(self, indices, size, box):
        wanted = self._valid(indices).tolist()
        form = tuple(size), tuple(box)
        frames = self._kept.frames.get(form, {}) if self._kept else {}
        if not all(number in frames for number in wanted):
            wanted_once = sorted(set(wanted))
            frames = self._with_stretch(wanted_once, form) or self._read(wanted_once, form)
        return np.stack([frames[number] for number in wanted]) if wanted else np.empty((0, *size, 3), np.uint8)

    def _read(self, numbers, form):
        """Frames by number; keeps them."""
        frames = dict(zip(numbers, self._opened().read_resized(numbers, *form)))
        self._cache.keep(self.path, self._stamp, self._info, form, frames)
        return frames

    def _with_stretch(self, wanted, form):
        """Frames by number, read with the stretch around them; None where the stretch is not read or is damaged."""
        if (
            not self._stretches
            or self._cache.without_stretches(self.path, self._stamp)
            or not self._cache.room_for(len(wanted), form[0])
        ):
            return None
        try:
            found = {}
            start, end = self._opened().stretch(wanted[0], wanted[-1])
            if end - start > _LONGEST_STRETCH or not self._cache.room_for(end - start, form[0]):
                return None
            for first in range(start, end, _PIECE_FRAMES):
                piece = self._read(range(first, min(first + _PIECE_FRAMES, end)), form)
                found.update((number, piece[number]) for number in wanted if number in piece)
            return found
        except UnreadableVideo:  # the clip itself may be readable: it is read alone from now on
            self.close()
            self._cache.leave_stretches(self.path, self._stamp)
            return None

    def close(self):
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
