"""A video's frames as its packets tell them: how many, when each is shown, which can be decoded alone, and whether one is missing."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np

from .base import UnreadableVideo

# FFmpeg's names of containers whose timestamps do not order the frames: AVI stores no display times, so those of B-frames come
# out shuffled; a GIF's frame is drawn over the one before it, whatever its packet says of keyframes.
_WITHOUT_ORDER = ("avi", "gif")
# Fewer gaps than this between frames say nothing about a steady rate, and more holes than this share of them is no steady rate.
_FEWEST_GAPS = 8
_MOST_HOLES = 0.1
# A gap this much longer than the usual one holds at least one frame more.
_HOLE = 1.5


@dataclass(frozen=True)
class PacketIndex:
    """What the packets of one stream tell.

    Attributes:
        count: frames shown.
        times: the frames' timestamps in the order shown; None where the file gives none, or none that order the frames.
        keyframes: numbers of the frames that can be decoded alone, rising; empty where times is None.
        even_delay: keyframes are all shown equally long after they are decoded, as in nearly every file.
    """

    count: int
    times: list[int] | None
    keyframes: list[int]
    even_delay: bool = True


def index_packets(path: str, container, stream) -> PacketIndex:
    """Read all packets of a stream; decodes nothing, and leaves the container at its end.

    The frames counted are the whole packets in the file, never the container's own claim, so that a file cut off near its end
    is a shorter video.

    Raises:
        UnreadableVideo: no frames, or some are missing between the others.
    """
    times, durations, keyframes, delays = [], [], [], []
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:  # an edit list hides frames that only help to decode others
                times.append(packet.pts)
                durations.append(packet.duration or 0)
                if packet.is_keyframe:
                    keyframes.append(packet.pts)
                    delays.append(None if None in (packet.pts, packet.dts) else packet.pts - packet.dts)
    except av.error.FFmpegError:
        pass  # cut off: what came before the cut is the video
    if not times:
        raise UnreadableVideo(path, "no frames")
    if None in times or len(set(times)) < len(times) or container.format.name in _WITHOUT_ORDER:
        return PacketIndex(len(times), None, [])
    shown = sorted(times)
    hole = first_hole(shown, durations)
    if hole is not None:
        at = float((shown[hole] - shown[0]) * stream.time_base)
        raise UnreadableVideo(path, f"a frame is missing after frame {hole} ({at:.2f} s): it is cut off or damaged there")
    number_of = {time: number for number, time in enumerate(shown)}
    delays = [delay for delay in delays if delay is not None] or [0]
    even_delay = max(delays) - min(delays) <= (float(np.median(np.diff(shown))) if len(shown) > 1 else 0.0)
    return PacketIndex(len(shown), shown, sorted(number_of[time] for time in keyframes), even_delay)


def first_hole(times: list[int], durations: list[int]) -> int | None:
    """Where a video of steady rate lacks a frame.

    A rate is steady where nearly all gaps between frames are alike. A frame that is meant to stay longer (variable rate) says
    so by its duration; durations come in the order of decoding, so only their sum is held against the gaps.

    Args:
        times: of the frames, rising, in any unit.
        durations: of the same frames in any order, 0 where the file tells none.

    Returns:
        The number of the frame before the first hole; None where there is no hole, or no steady rate.
    """
    gaps = np.diff(times)
    if len(gaps) < _FEWEST_GAPS:
        return None
    usual = float(np.median(gaps))
    long_gaps = gaps[gaps > _HOLE * usual]
    if not 0 < len(long_gaps) <= max(2, _MOST_HOLES * len(gaps)):
        return None
    if np.mean(np.abs(gaps - usual) <= max(1.0, 0.05 * usual)) < 1 - 2 * _MOST_HOLES:
        return None
    lengths = np.asarray(durations, np.float64)
    meant = lengths[lengths > _HOLE * usual]
    uncovered = np.sum(long_gaps - usual) - np.sum(meant - usual)
    return int(np.argmax(gaps > _HOLE * usual)) if uncovered > 0.5 * usual else None
