"""Opening a video file with FFmpeg's libraries, and decoding on from where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

import av

from .base import UnreadableVideo

av.logging.set_level(None)  # FFmpeg's remarks on broken files; the reason travels in the exception

# Containers that hold their own frames. A playlist under a video's name would have FFmpeg open what it lists.
_CONTAINERS = (
    "mov,matroska,avi,mpeg,mpegts,mpegvideo,m4v,flv,asf,ogg,gif,h264,hevc,av1,obu,ivf,mxf,nut,rm,dv,mjpeg,yuv4mpegpipe"
)
# 8192x8192; a damaged header can declare sides that would fill the memory.
_LARGEST_PIXELS = 2**26


class MissedSeek(Exception):
    """The container does not stand where it was sent."""


def open_container(path: str):
    """Open a file and pick its best video stream, the one of most bits a second.

    Returns:
        The PyAV container and the stream; the caller closes the container.

    Raises:
        UnreadableVideo: not a video, no video stream, or no decoder for it.
    """
    try:
        options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
        container = av.open(path, metadata_errors="replace", options=options)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(path, f"not a video: {short(error)}") from error
    attached = av.stream.Disposition.attached_pic
    videos = [stream for stream in container.streams.video if not stream.disposition & attached]
    decodable = [stream for stream in videos if stream.codec_context is not None]
    if not decodable:
        container.close()
        raise UnreadableVideo(path, "no decoder for its video stream" if videos else "no video stream")
    stream = max(decodable, key=_rank)
    height, width = stream.codec_context.height, stream.codec_context.width
    if height * width > _LARGEST_PIXELS:
        container.close()
        raise UnreadableVideo(path, f"its frames are {height}x{width}; at most {_LARGEST_PIXELS} pixels are read")
    # Threads that decode several frames at once report an error with some other frame. Loaders read many files at a time.
    stream.codec_context.thread_count = 1
    # Damage is an error, not something to paint over. A decoder not told so shows the frame with what it could save.
    stream.codec_context.options = {"err_detect": "explode"}
    return container, stream


def _rank(stream):
    """decord's order of streams, which is that of FFmpeg 4; newer ones put the stream marked as default first."""
    return min(stream.frames or 5, 5), stream.codec_context.bit_rate or 0


def packets(container, stream) -> Iterator:
    """Packets of a stream; one that ends early, as of a file that is cut off, ends quietly."""
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        pass


def decode(
    container, stream, key: int | None = None, shown: Callable[[int | None], bool] = lambda time: True
) -> Iterator[tuple]:
    """Decode on from where a container stands.

    An error in a frame that is not shown is none: a decoder cannot decode frames that precede the first keyframe and refer
    to what a cut removed. After an error in a frame that is shown, no frame can be trusted up to the next keyframe.

    Args:
        container: of `open_container`.
        stream: of `open_container`.
        key: timestamp of the keyframe to start at, which a seek led to or before; None starts with the next packet.
        shown: whether the frame of a timestamp is one of the video.

    Yields:
        (frame, reason): a frame, and None or why it cannot be trusted.

    Raises:
        MissedSeek: the keyframe does not come.
    """
    trusted_from, reason = -inf, None
    started, ended = key is None, False
    for packet in packets(container, stream):
        if not started and packet.is_keyframe and packet.pts is not None and packet.pts > key:
            raise MissedSeek
        started = started or (packet.is_keyframe and packet.pts == key)
        if not started:
            continue
        ended = not packet.size
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if not packet.is_discard and shown(packet.pts) and (key is None or packet.pts is None or packet.pts >= key):
                trusted_from, reason = inf, short(error)
            continue
        if packet.is_keyframe and trusted_from == inf and packet.pts is not None:
            trusted_from = packet.pts
        for frame in frames:
            trusted = trusted_from == -inf or (frame.pts is not None and frame.pts >= trusted_from)
            yield frame, "it is damaged" if frame.is_corrupt else None if trusted else reason
    if not started:
        raise MissedSeek
    if not ended:
        for frame in stream.decode(None):
            yield frame, None if trusted_from == -inf else reason


def short(error: Exception) -> str:
    """FFmpeg's own words for an error, without its number and the path."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]
