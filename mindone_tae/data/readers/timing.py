"""A video's mean rate and missing frames, from its frames' timestamps."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

# A jump of decoding times this large, in containers of joined recordings, starts a new one, as in FFmpeg's command.
_JUMP_SECONDS = 10.0
# Where times of decoding are not known, those of display stand for them, and run back by less than this at B-frames.
_REORDERED_SECONDS = 1.0
# A declared rate is used where it agrees with the timestamps within their rounding.
_ROUNDING_TICKS = 1.5
# Fewer gaps between frames than this are too few to judge; with a larger share of holes the rate is not steady.
_FEWEST_GAPS = 8
_MOST_HOLES = 0.1
# A gap this much longer than the usual one holds at least one frame more.
_HOLE = 1.5
# Durations agree with the gaps between frames where their sums differ by this share.
_AGREE = 0.05


class PacketTime(NamedTuple):
    """The times of one packet, in ticks of the stream's clock; None where the file has none.

    Attributes:
        pts: when it is shown.
        dts: when it is decoded.
        duration: ticks, 0 where the file has none.
        is_keyframe: whether it can be decoded alone.
        is_discard: it only helps to decode others, as an edit list says.
    """

    pts: int | None
    dts: int | None
    duration: int
    is_keyframe: bool
    is_discard: bool = False


def recordings(packets: Sequence[PacketTime], tick: Fraction, joined: bool) -> list[list[PacketTime]]:
    """Split the packets of a stream where its clock restarts, as where files were joined by `cat`.

    Args:
        packets: in the order of decoding.
        tick: seconds.
        joined: whether the container is of a kind that is joined like that.

    Returns:
        For each recording its packets in the order shown.
    """
    parts, last = [[]], None
    for packet in packets:
        if None not in (last, packet.dts):
            ahead = float((packet.dts - last) * tick)
            back = ahead < 0 and (packet.is_keyframe or ahead < -_REORDERED_SECONDS)
            if back or (joined and ahead > _JUMP_SECONDS):
                parts.append([])
        last = packet.dts if packet.dts is not None else last
        parts[-1].append(packet)
    return [sorted(part, key=lambda packet: packet.pts) for part in parts]


def mean_rate(parts: list[list[PacketTime]], tick: Fraction, declared: Sequence[Fraction]) -> float:
    """Frames a second by the timestamps: count / (last - first + duration of the last).

    Args:
        parts: of `recordings`.
        tick: seconds.
        declared: the container's own estimates; one that agrees with the timestamps, which are rounded, is more exact.

    Returns:
        The mean; 0.0 where the timestamps do not give one.
    """
    count, ticks = sum(map(len, parts)), sum(map(_ticks, parts))
    if not ticks > 0:
        return 0.0
    for rate in declared:
        if abs(count / rate / tick - ticks) <= _ROUNDING_TICKS * len(parts):
            return float(rate)
    return float(count / (ticks * tick))


def _ticks(part):
    """How long one recording is shown."""
    span, known = part[-1].pts - part[0].pts, sum(packet.duration for packet in part[:-1])
    last = part[-1].duration
    if len(part) > 1 and (not last or abs(known - span) > _AGREE * span):
        last = Fraction(span, len(part) - 1)  # many containers store a nominal duration only
    return span + last


def first_hole(part: Sequence[PacketTime]) -> int | None:
    """Where a recording of steady rate lacks a frame.

    A rate is steady where nearly all gaps between frames are alike. A frame that is meant to stay longer (variable
    rate) has a longer duration; durations come in the order of decoding, so only their sum is compared with the gaps. A
    gap before a keyframe is a cut, with complete frames on both sides.

    Args:
        part: packets in the order shown.

    Returns:
        The number of the frame before the first hole; None where there is no hole, or no steady rate.
    """
    gaps = np.diff([packet.pts for packet in part])
    if len(gaps) < _FEWEST_GAPS:
        return None
    usual = float(np.median(gaps))
    long_gaps = gaps > _HOLE * usual
    if not 0 < np.sum(long_gaps) <= max(2, _MOST_HOLES * len(gaps)):
        return None
    if np.mean(np.abs(gaps - usual) <= max(1.0, 0.05 * usual)) < 1 - 2 * _MOST_HOLES:
        return None
    lengths = np.asarray([packet.duration for packet in part], np.float64)
    meant = lengths[lengths > _HOLE * usual]
    unexplained = long_gaps & ~np.asarray([packet.is_keyframe for packet in part[1:]])
    uncovered = np.sum(gaps[unexplained] - usual) - np.sum(meant - usual)
    return int(np.argmax(unexplained)) if uncovered > 0.5 * usual else None
