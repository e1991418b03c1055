"""Reading video with PyAV: exact frame numbers from the packets' own timestamps."""

from __future__ import annotations

from bisect import bisect_right

import av
import numpy as np

from .base import UnreadableVideo, VideoReader
from .packet_index import index_packets

av.logging.set_level(None)  # FFmpeg's remarks on broken files; the reason travels in the exception

# Several loader threads each hold a reader, so one reader takes few.
_DECODE_THREADS = 2
# Containers that hold their own frames. A playlist under a video's name would have FFmpeg open what it lists.
_CONTAINERS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,m4v,flv,asf,ogg,gif,h264,hevc,av1,ivf,mxf,nut,rm"
# 8192x8192; a damaged header can declare sides that would fill the memory.
_LARGEST_PIXELS = 2**26


def open_container(path: str):
    """Open a file and pick its best video stream, the one of most bits a second.

    Returns:
        The PyAV container and the stream; the caller closes the container.

    Raises:
        UnreadableVideo: not a video, no video stream, or no decoder for it.
    """
    try:
        # Packets that the end of a cut-off file has halved are not frames.
        container = av.open(
            path,
            metadata_errors="replace",
            options={"fflags": "+discardcorrupt", "format_whitelist": _CONTAINERS, "protocol_whitelist": "file"},
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(path, f"not a video: {_short(error)}") from error
    videos = [stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic]
    decodable = [stream for stream in videos if stream.codec_context is not None]
    if not decodable:
        container.close()
        raise UnreadableVideo(path, "no decoder for its video stream" if videos else "no video stream")
    stream = max(decodable, key=_rank)
    height, width = stream.codec_context.height, stream.codec_context.width
    if height * width > _LARGEST_PIXELS:
        container.close()
        raise UnreadableVideo(path, f"its frames are {height}x{width}; at most {_LARGEST_PIXELS} pixels are read")
    stream.codec_context.thread_count = _DECODE_THREADS
    stream.thread_type = "AUTO"
    # Damage is an error, not something to paint over. A decoder that is not told so shows the frame with what it could save.
    stream.codec_context.options = {"err_detect": "explode"}
    return container, stream


def _rank(stream):
    """decord's order of streams, which is that of FFmpeg 4; newer ones put the stream marked as default first."""
    return min(stream.frames or 5, 5), stream.codec_context.bit_rate or 0


class PyAVReader(VideoReader):
    """Random access by frame number: decode on from the nearest keyframe before it.

    The frames counted are the whole packets in the file, never the container's own claim; a frame's number is the rank of
    its timestamp. Where timestamps are missing or repeated, frames are counted from the start instead.
    """

    name = "pyav"

    def __init__(self, path):
        super().__init__(path)
        self._container, self._stream = open_container(self.path)
        try:
            self._index_packets()
            self.fps = float(self._stream.average_rate or 0.0)
            self.codec = self._stream.codec_context.codec.canonical_name
            self._seek(0)
            self.size = self._frame(0).shape[:2]
        except BaseException:
            self.close()
            raise

    def _index_packets(self):
        """Learn the frames' timestamps and which are keyframes."""
        index = index_packets(self.path, self._container, self._stream)
        self._count, self._timestamps, self.keyframes = index.count, index.times, index.keyframes
        self._number_of = {pts: number for number, pts in enumerate(index.times or ())}

    def __len__(self):
        return self._count

    def _restart(self):
        """Decode from the first frame on, through a fresh container: works where seeking does not."""
        self._container.close()
        self._container, self._stream = open_container(self.path)
        self._from_start, self._next = True, 0
        self._decoding = self._decode()

    def _seek(self, index):
        """Decode from the last keyframe at or before a frame."""
        position = bisect_right(self.keyframes, index)
        if not position:
            return self._restart()
        keyframe = self.keyframes[position - 1]
        self._container.seek(self._timestamps[keyframe], stream=self._stream, backward=True)
        self._from_start, self._next = False, keyframe
        self._decoding = self._decode()

    def _decode(self):
        """(number, frame) from where the container stands."""
        counted = 0
        for frame in self._container.decode(self._stream):
            number = counted if self._timestamps is None else self._number_of.get(frame.pts)
            counted += 1
            if number is not None:
                yield number, frame

    def _frame(self, index):
        """One frame, uint8 (h, w, 3)."""
        if self._container is None:
            raise ValueError(f"{self.path} was closed: open it again to read")
        keyframe_between = bisect_right(self.keyframes, index) > bisect_right(self.keyframes, self._next)
        if index < self._next or keyframe_between:
            try:
                self._seek(index)
            except av.error.FFmpegError:
                self._restart()
        reason = "it is missing"
        while True:
            try:
                for number, frame in self._decoding:
                    self._next = number + 1
                    if number == index and frame.is_corrupt:
                        raise UnreadableVideo(self.path, f"frame {index} of {self._count} is damaged")
                    if number == index:
                        return self._pixels(frame)
                    if number > index:
                        break
            except av.error.FFmpegError as error:
                reason = _short(error)
            if self._from_start:
                raise UnreadableVideo(self.path, f"frame {index} of {self._count} cannot be decoded: {reason}")
            self._restart()  # the seek landed behind the frame, or on a keyframe that does not decode by itself

    def _pixels(self, frame):
        """A decoded frame upright, uint8 (h, w, 3)."""
        pixels = frame.to_ndarray(format="rgb24")
        quarter_turns = round(frame.rotation / 90) % 4  # counter-clockwise, as rot90 has it
        if quarter_turns:
            pixels = np.ascontiguousarray(np.rot90(pixels, quarter_turns))
        if self.size != (0, 0) and pixels.shape[:2] != self.size:
            sizes = " to ".join("{}x{}".format(*size) for size in (self.size, pixels.shape[:2]))
            raise UnreadableVideo(self.path, f"its frames change size from {sizes}")
        return pixels

    def _read_sorted(self, indices):
        frames = np.empty((len(indices), *self.size, 3), np.uint8)
        for position, index in enumerate(indices):
            frames[position] = self._frame(index)
        return frames

    def close(self):
        if self._container is not None:
            self._decoding = None
            self._container.close()
            self._container = None


def _short(error):
    """FFmpeg's own words for an error, without its number and the path."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]
