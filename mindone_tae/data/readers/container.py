"""Opening a video file with FFmpeg's libraries, and decoding from its current position."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from math import inf

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from .base import UnreadableVideo

av.logging.set_level(None)  # FFmpeg's messages on broken files; exceptions carry the reason

# Containers that hold their own frames. A playlist under a video's name would have FFmpeg open what it lists.
_CONTAINERS = (
    "mov,matroska,avi,mpeg,mpegts,mpegvideo,m4v,flv,asf,ogg,gif,h264,hevc,av1,obu,ivf,mxf,nut,rm,dv,mjpeg,"
    "jpeg_pipe,yuv4mpegpipe"
)
# Packets of all streams that are compared where the file states no rates; a cover has one.
_FIRST_PACKETS = 500
# FFmpeg's AV_CODEC_FLAG_UNALIGNED: crop at the left exactly, not to columns that suit the processor.
_UNALIGNED = 1
# 8192x8192; a damaged header can declare sides that would fill memory.
_LARGEST_PIXELS = 2**26


class MissedSeek(Exception):
    """A seek did not lead to the wanted keyframe."""


def open_container(path: str, strict: bool = True) -> tuple[InputContainer, VideoStream]:
    """Open a file and pick its best video stream, the one of most bits a second.

    Args:
        path: the file.
        strict: damage is an error; otherwise the decoder conceals it in the frame.

    Returns:
        The PyAV container and the stream; the caller closes the container.

    Raises:
        UnreadableVideo: not a video, no video stream, or no decoder for it.
    """
    try:
        container = _opened(path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(path, f"not a video: {short(error)}") from error
    attached = av.stream.Disposition.attached_pic
    videos = [stream for stream in container.streams.video if not stream.disposition & attached]
    decodable = [stream for stream in videos if stream.codec_context is not None]
    if not decodable:
        container.close()
        raise UnreadableVideo(path, "no decoder for its video stream" if videos else "no video stream")
    best = max(map(_rank, decodable))
    tied = {stream.index: stream for stream in decodable if _rank(stream) == best}
    stream = tied[_largest(path, list(tied)) if len(tied) > 1 else min(tied)]
    height, width = stream.codec_context.height, stream.codec_context.width
    if height * width > _LARGEST_PIXELS:
        container.close()
        raise UnreadableVideo(path, f"its frames are {height}x{width}; at most {_LARGEST_PIXELS} pixels are read")
    # With several threads FFmpeg reports an error with another frame; loaders read many files in parallel anyway.
    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= _UNALIGNED
    if strict:
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    return container, stream


def _opened(path):
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    # absolute: what stands before a colon in a relative path is a protocol to FFmpeg
    return av.open(os.path.join(os.getcwd(), path), metadata_errors="replace", options=options)


def _rank(stream):
    """decord's order of streams, which is that of FFmpeg 4; newer ones put the stream marked as default first."""
    return min(stream.frames or 5, 5), stream.codec_context.bit_rate or 0


def _largest(path, indices):
    """Of the streams of these indices, whose rates the file does not state, the one of most bytes at the beginning."""
    counts, sizes = Counter(), Counter()
    with _opened(path) as container, suppress(av.error.FFmpegError):
        for packet in islice(container.demux(*indices), _FIRST_PACKETS):
            counts[packet.stream.index] += 1
            sizes[packet.stream.index] += packet.size
    return max(indices, key=lambda index: (min(counts[index], 5), sizes[index]))


def packets(container: InputContainer, stream: VideoStream) -> Iterator:
    """Packets of a stream; a truncated file's stream ends without an error."""
    try:
        yield from container.demux(stream)
    except (av.error.FFmpegError, IndexError):  # PyAV's, at the end, where streams were found behind the beginning
        pass


def decode(
    container: InputContainer,
    stream: VideoStream,
    key: int | None = None,
    shown: Callable[[int | None], bool] = lambda time: True,
    counted: bool = False,
) -> Iterator[tuple]:
    """Decode from a container's current position.

    An error in a frame that is not shown does not count: frames before the first keyframe that refer to frames removed
    by a cut cannot be decoded. After an error in a frame that is shown, no frame up to the next keyframe is trusted.

    Args:
        container: of `open_container`.
        stream: of `open_container`.
        key: timestamp of the keyframe to start at, which a seek led to or before; None starts with the next packet.
        shown: whether the frame of a timestamp is one of the video.
        counted: frames are numbered by counting alone, so that none after a missing one can be trusted.

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
        except av.error.PermissionError:
            continue  # Theora's headers again, where files were joined
        except av.error.FFmpegError as error:
            if not packet.is_discard and shown(packet.pts) and (key is None or packet.pts is None or packet.pts >= key):
                trusted_from, reason = inf, short(error)
            continue
        if packet.is_keyframe and trusted_from == inf and packet.pts is not None and not counted:
            trusted_from = packet.pts
        for frame in frames:
            trusted = trusted_from == -inf or (frame.pts is not None and frame.pts >= trusted_from)
            yield frame, "it is damaged" if frame.is_corrupt else None if trusted else reason
    if not started:
        raise MissedSeek
    if not ended:
        with suppress(av.error.FFmpegError):  # what does not come is missed by who counts the frames
            for frame in stream.decode(None):
                yield frame, None if trusted_from == -inf else reason


def harmless_errors(path: str) -> frozenset:
    """Timestamps of packets before the second keyframe whose errors do not change any frame.

    After a cut, H.264 asks the decoder to drop pictures that it never had. A strict decoder reports that as an error
    and continues. Real damage differs: a strict decoder leaves the picture incomplete or out, another conceals it.

    Args:
        path: the file.

    Returns:
        Empty where it is no H.264, a failed packet's frame does not come, or strict and other decoding give different
        frames.
    """
    container, stream = open_container(path)
    with container:
        if stream.codec_context.codec.canonical_name != "h264":
            return frozenset()
    frames, failed = _first_group(path, strict=True)
    harmless = frames.keys() >= set(failed) and frames == _first_group(path, strict=False)[0]
    return frozenset(failed) if harmless else frozenset()


def _first_group(path, strict):
    """Checksums by timestamp of the frames before the second keyframe, and timestamps of the packets that failed."""
    frames, failed, keyframes = {}, [], 0
    container, stream = open_container(path, strict)
    with container:
        for packet in packets(container, stream):
            keyframes += packet.is_keyframe
            if keyframes > 1:
                break
            try:
                decoded = packet.decode()
            except av.error.FFmpegError:
                failed.append(packet.pts)
                continue
            frames.update((frame.pts, zlib.crc32(frame.to_ndarray(format="rgb24"))) for frame in decoded)
    return frames, failed


def short(error: Exception) -> str:
    """FFmpeg's message of an error, without its number and the path."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]
