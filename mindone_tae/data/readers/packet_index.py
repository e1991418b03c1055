"""Index of the frames a video shows: count, timestamps, keyframes; from its packets if possible, else by decoding."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import av
import numpy as np

from .base import UnreadableVideo
from .container import decode, open_container, packets
from .timing import PacketTime, first_hole, mean_rate, recordings

# FFmpeg's names of formats without timestamps: bare streams, whose rate is a guess.
_BARE_STREAMS = ("h264", "hevc", "m4v", "mpegvideo", "obu", "av1", "mjpeg", "jpeg_pipe")
# Containers that are joined by appending one file to another; their clocks then start anew.
_JOINED = ("mpegts", "mpeg")
# In these a longer gap means nothing: AVI and GIF show no frame late, they leave the one before.
_WITHOUT_HOLES = ("avi", "gif")

# Frames that are shown after one that is decoded after them: of H.264 and H.265 at most this many.
_MOST_REORDERED = 16
# Ticks between frames from which the half of them can be told.
_LEAST_HALVED = 8


@dataclass(frozen=True)
class FrameIndex:
    """The frames that a video shows.

    Attributes:
        count: how many.
        times: their timestamps in the order shown; None where these are not unique, so that frames can only be counted.
        keyframes: numbers of the frames that can be decoded alone, rising; empty where times is None.
        fps: mean frames a second.
        fps_is_guess: the rate does not come from timestamps.
        simple: no frame is shown before the keyframe that it is stored after, and all keyframes are shown equally long
            after they are decoded.
    """

    count: int
    times: list[int] | None
    keyframes: list[int]
    fps: float
    fps_is_guess: bool
    simple: bool = False


def index_frames(path: str) -> FrameIndex:
    """Index a video by its packets, decoding at most its beginning; by decoding all of it where packets are not enough.

    Not counted as frames: a truncated packet at the end, packets that only help to decode others, and frames before the
    first keyframe that a decoder drops because a cut removed the frames they refer to.

    Args:
        path: of the file.

    Raises:
        UnreadableVideo: no frames, or some are missing between the others.
    """
    container, stream = open_container(path)
    with container:
        if container.format.name in _BARE_STREAMS or (
            container.format.name == "avi" and stream.codec_context.codec.reorder
        ):
            return index_by_decoding(path)
        found = _times(path, container, stream)
        shown = _shown(path, found)
        times = sorted(packet.pts for packet in shown) if shown else []
        if not times or len(set(times)) < len(times):
            return index_by_decoding(path)
        if _may_be_fields(stream, times):
            by_decoding = index_by_decoding(path)
            if by_decoding.times is not None:  # of a damaged file the packets tell more
                return by_decoding
        fps, guess = _rate(path, container, stream, shown, len(found))
        keyframes = _numbers_of_keyframes(shown, times)
        # an AVI without an index, as a recording that was cut off, marks every packet as a keyframe
        unmarked = container.format.name == "avi" and len(keyframes) == len(times) > 1
        codec = stream.codec_context.codec
        if unmarked and not codec.intra_only and codec.canonical_name != "ffv1":  # of FFV1 the reader sees it
            keyframes = []
        if container.format.name == "gif" or stream.codec_context.pix_fmt == "pal8":
            # a GIF's frame is drawn over the one before it, even where its packet is marked as key; a palette may come
            # with an earlier packet than the keyframe
            keyframes = []
        return FrameIndex(len(times), times, keyframes, fps, guess, _is_simple(shown, times))


def index_by_decoding(path: str) -> FrameIndex:
    """Index a video by decoding all of it: where there are no timestamps, or ambiguous ones.

    Args:
        path: of the file.

    Raises:
        UnreadableVideo: no frames, or some are missing between the others.
    """
    decoded, clean = [], True
    container, stream = open_container(path)
    with container:
        for frame, problem in decode(container, stream, None, lambda _: bool(decoded), counted=True):
            decoded.append(frame.pts)
            clean = clean and problem is None
    if not decoded:
        raise UnreadableVideo(path, "no frame of it can be decoded")
    container, stream = open_container(path)
    with container:
        found = _times(path, container, stream)
        bare = container.format.name in (*_BARE_STREAMS, "avi")
        if container.format.name == "avi":  # AVI stores decoding times only; FFmpeg invents the times of display
            found = [packet._replace(pts=packet.dts) for packet in found]
        distinct = set(decoded)
        exact = not bare and clean and None not in decoded and len(distinct) == len(decoded)
        # of several packets of one time, as an edit list leaves before its start, one frame is shown
        shown = list({packet.pts: packet for packet in found if packet.pts in distinct}.values()) if exact else found
        fps, guess = _rate(path, container, stream, shown, len(found))
        if not exact:
            return FrameIndex(len(decoded), None, [], fps, guess)
        return FrameIndex(len(decoded), decoded, _numbers_of_keyframes(shown, decoded), fps, guess)


def _may_be_fields(stream, times):
    """Whether some packets may hold one field each, as of interlaced H.264 whose other pictures are whole frames."""
    gaps = np.diff(times)
    if stream.codec_context.codec.canonical_name != "h264" or not gaps.size or gaps.max() < _LEAST_HALVED:
        return False
    halved = np.abs(2 * gaps - gaps.max()) <= 2
    # fields at the beginning the reader sees itself; a steady rate that lacks a frame looks alike
    return bool(halved.any() and not halved[0] and np.all(halved | (gaps.max() - gaps <= 2)))


def _times(path, container, stream):
    """The PacketTime of each packet, in the order of decoding."""
    found, cut = [], False
    for packet in packets(container, stream):
        if packet.size:
            times = packet.pts, packet.dts, packet.duration or 0
            found.append(PacketTime(*times, packet.is_keyframe, packet.is_discard))
            cut = packet.is_corrupt
    found = found[:-1] if cut else found
    if not found:
        raise UnreadableVideo(path, "no frames")
    return found


def _shown(path, found):
    """The packets whose frames are shown; [] where that cannot be decided from packets."""
    first_key = next((packet for packet in found if packet.is_keyframe), None)
    if first_key is None or first_key.pts is None:
        return []
    start = found.index(first_key)
    # pictures shown before a keyframe follow it directly; behind the next one, a recording was joined
    end = next((number for number in range(start + 1, len(found)) if found[number].is_keyframe), len(found))
    early = {
        number
        for number, packet in enumerate(found)
        if number < start or packet.pts is None or (number < end and packet.pts < first_key.pts)
    }
    if any(not found[number].is_discard for number in early):
        decodable = _decoded_before(path, first_key.pts)
        early = {number for number in early if found[number].pts not in decodable}
    return [packet for number, packet in enumerate(found) if number not in early and not packet.is_discard]


def _decoded_before(path, time):
    """Timestamps, below the first keyframe's, of the frames that a decoder gives."""
    container, stream = open_container(path)
    kept: set[int] = set()
    with container:
        for frame, problem in decode(container, stream, shown=lambda _: False):
            if frame.pts is not None and frame.pts >= time:
                break
            if problem is None and frame.pts is not None:
                kept.add(frame.pts)
    return kept


def _rate(path, container, stream, shown, packet_count):
    """Frames a second, and whether that is a guess."""
    declared = [rate for rate in (stream.average_rate, stream.guessed_rate) if rate]
    if container.format.name not in _BARE_STREAMS and all(packet.pts is not None for packet in shown):
        parts = recordings(shown, stream.time_base, container.format.name in _JOINED)
        for part in parts if container.format.name not in _WITHOUT_HOLES else ():
            hole = first_hole(part)
            if hole is not None and not _was_cut_there(container, stream, part, hole, packet_count):
                at = float((part[hole].pts - part[0].pts) * stream.time_base)
                raise UnreadableVideo(
                    path, f"a frame is missing after frame {hole} ({at:.2f} s): it is cut off or damaged there"
                )
        fps = mean_rate(parts, stream.time_base, declared)
        if fps:
            return fps, False
    return float(declared[-1]) if declared else 0.0, True


def _was_cut_there(container, stream, part, hole, packet_count):
    """Whether a whole file ends at a hole, as `ffmpeg -t -c copy` leaves it where frames are stored out of order.

    Nothing is damaged then: the missing frames come after the cut in the order of decoding.
    """
    after, gap = part[hole + 1 :], part[1].pts - part[0].pts
    if max((packet.dts for packet in part if packet.dts is not None), default=0) > part[hole].pts + 0.5 * gap:
        return False  # what is missing should have been decoded before the last
    if len(after) > _MOST_REORDERED or any(packet.is_keyframe for packet in after):
        return False
    if container.format.name.startswith("mov"):
        return stream.frames == packet_count
    if container.format.name.startswith("matroska") and container.duration:
        end = float((after[-1].pts + 0.5 * gap) * stream.time_base)
        return container.duration / av.time_base <= end + float(after[-1].duration * stream.time_base)
    return False


def _numbers_of_keyframes(shown: Collection[PacketTime], times):
    number_of = {time: number for number, time in enumerate(times)}
    return sorted(number_of[packet.pts] for packet in shown if packet.is_keyframe)


def _is_simple(shown, times):
    """See FrameIndex; a first keyframe may lack the time of its decoding, which starts there in any case."""
    delays, latest_key = [], None
    for packet in shown:
        if packet.is_keyframe:
            latest_key = packet.pts
            delays.append(None if packet.dts is None else packet.pts - packet.dts)
        elif latest_key is None or packet.pts < latest_key:
            return False
    known = delays[1:] if delays and delays[0] is None else delays
    gap = (times[-1] - times[0]) / max(1, len(times) - 1)
    return None not in known and (not known or max(known) - min(known) <= gap)
