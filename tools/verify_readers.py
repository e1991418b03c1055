"""Compares every way of reading, on every kind of video, with sequential decoding by PyAV and by ffmpeg's command.

    python tools/verify_readers.py                    # about three minutes; ffmpeg is used where it is installed
    python tools/verify_readers.py --match x264_open  # the files whose names hold this
    python tools/verify_readers.py --markdown         # the table as docs/readers.md has it

Ways: forward, one by one at random, every third, backward, repeated and out of order, through the frame cache twice,
and in a process of its own that is lost and replaced. A file is right where all of them give the same frames as
sequential decoding, and as many; a damaged one also where it gives the first of them, or is refused. A wrong one makes
the exit status 1.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from fractions import Fraction

import av
import numpy as np
from reader_cases import all_cases

from mindone_tae.data import UnreadableVideo, open_video
from mindone_tae.data.clips.cached_reader import KeptReader
from mindone_tae.data.clips.frame_cache import FrameCache
from mindone_tae.data.readers.file_stamp import stamp_of
from mindone_tae.data.readers.isolated.bounded_reader import BoundedReader
from mindone_tae.data.readers.isolated.reader_pool import ReaderPool

# Levels by which a frame may differ from the truth: mean over pixels, and of all pixels' mean. Chroma location varies.
_TOLERANCE = {"pyav": (2.0, 0.5), "decord": (3.0, 0.7)}
_FFMPEG_TOLERANCE = 3.0  # versions of FFmpeg place chroma differently; other frames differ by some fifty
# Red and blue weights of each matrix.
_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
_BT601 = (0.299, 0.114)


def sequential(path):
    """Frames uint8 or float (t, h, w, 3) as PyAV decodes them in a row, and their times in seconds."""
    frames, times = [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in demuxed(container, stream):
            try:
                decoded = packet.decode()
            except av.error.FFmpegError:
                continue  # as ffmpeg's command goes on
            for frame in decoded:
                frames.append(exact_rgb(frame))
                times.append(None if frame.pts is None else float(frame.pts * stream.time_base))
    return frames, times


def demuxed(container, stream):
    """Packets up to where a file is cut off."""
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        return


def exact_rgb(frame):
    """A frame as float RGB, by ITU-R BT.601, 709 and 2020; chroma is left-aligned, and between luma's rows."""
    form = frame.format
    if not form.name.startswith("yuv"):
        return frame.to_ndarray(format="rgb24").astype(np.float32)
    y, u, v = (_plane(frame, number) for number in range(3))
    height, width = y.shape
    u, v = (_upsampled(plane, height, width) for plane in (u, v))
    depth = 2 ** (form.components[0].bits - 8)
    if form.name.startswith("yuvj") or frame.color_range == 2:
        top = 256 * depth - 1
        y, u, v = (255 * y / top, 255 * (u - 128 * depth) / top, 255 * (v - 128 * depth) / top)
    else:
        y, u, v = (255 / 219 * (y / depth - 16), 255 / 224 * (u / depth - 128), 255 / 224 * (v / depth - 128))
    red, blue = _WEIGHTS.get(int(frame.colorspace), _BT601)
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.stack([r, g, b], axis=-1), 0, 255).astype(np.float32)


def _plane(frame, number):
    plane = frame.planes[number]
    kind = np.uint8 if frame.format.components[number].bits == 8 else np.uint16
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
    return rows[:, : plane.width].astype(np.float64)


def _upsampled(plane, height, width):
    """Chroma at the places of luma, linearly between its samples."""
    rows = (
        (np.arange(height) + 0.5) * plane.shape[0] / -(-height // 2) / 2 - 0.5
        if plane.shape[0] < height
        else np.arange(height)
    )
    columns = np.arange(width) / 2 if plane.shape[1] < width else np.arange(width)
    return _between(_between(plane, rows).T, columns).T


def _between(plane, places):
    places = np.clip(places, 0, len(plane) - 1)
    low = np.floor(places).astype(int)
    part = (places - low)[:, None]
    return plane[low] * (1 - part) + plane[np.minimum(low + 1, len(plane) - 1)] * part


def by_ffmpeg(path, size):
    """Frames uint8 (t, h, w, 3) as ffmpeg's command shows them."""
    exact = "scale=flags=bilinear+accurate_rnd+full_chroma_int,format=rgb24"
    words = [
        "ffmpeg",
        "-v",
        "quiet",
        "-i",
        str(path),
        "-map",
        "0:v:0",
        "-vf",
        exact,
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-",
    ]
    raw = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, *size, 3)


def ways(path, reader, count):
    """(name, numbers, frames) of each way to read."""
    rng = np.random.default_rng(count)
    numbers = list(range(count))
    with open_video(path, reader) as video:
        yield "forward", numbers, list(video.frames())
        for name, order in (("random", rng.permutation(count).tolist()), ("backward", numbers[::-1])):
            yield name, order, [video.read([number])[0] for number in order]
        for name, order in (("strided", numbers[::3]), ("repeated", rng.integers(0, count, 12).tolist())):
            yield name, order, list(video.read(order))
        size, box = video.size, (0, 0, video.size[1], video.size[0])
    cache, stamp = FrameCache(64), stamp_of(path)
    for _ in range(2):
        for start in rng.integers(0, max(1, count - 4), 3).tolist():
            order = list(range(start, min(start + 5, count)))
            with KeptReader(str(path), lambda: open_video(path, reader), stamp, cache, stretches=True) as video:
                yield "cached", order, list(video.read_resized(order, size, box))


def isolated(path, reader, count, pool):
    """As `ways`: a process of its own, lost after the first reading."""
    for name, order in (("isolated", [count - 1, 0, count // 2]), ("restarted", [count // 2, count - 1, 0])):
        with BoundedReader(path, reader, 60.0, pool) as video:
            yield name, order, list(video.read(order))
            if name == "isolated":
                os.kill(video._process.pid, 9)
                try:
                    video.read([0])
                except UnreadableVideo:
                    pass


def verify(case, folder, reader, pool, with_ffmpeg):
    """("right", ""), ("refused", reason) or ("WRONG", what) of one case."""
    path = case.write(folder)
    truth, times = sequential(path)
    try:
        with open_video(path, reader) as video:
            count, size, fps = len(video), video.size, video.fps
        if count > len(truth) or (count < len(truth) and not case.damaged):
            return "WRONG", f"{count} frames, and {len(truth)} are shown"
        for source in (ways(path, reader, count), isolated(path, reader, count, pool)):
            for way, numbers, frames in source:
                for number, frame in zip(numbers, frames, strict=True):
                    off = frame - truth[number]
                    pixels, all_together = np.abs(off).mean(), abs(off.mean())
                    if pixels > _TOLERANCE[reader][0] or all_together > _TOLERANCE[reader][1]:
                        return (
                            "WRONG",
                            f"{way}: frame {number} is off by {pixels:.2f}, all in all by {all_together:.2f}",
                        )
    except UnreadableVideo as error:
        return "refused", error.reason
    if not rate_is_right(case, times, fps):
        return "WRONG", f"rate {fps:.4f}"
    if with_ffmpeg and not case.damaged:
        shown = by_ffmpeg(path, size)
        if len(shown) != len(truth):
            return "WRONG", f"ffmpeg shows {len(shown)} frames, PyAV {len(truth)}"
        off = max(np.abs(one - other).mean() for one, other in zip(shown.astype(np.float32), truth))
        if off > _FFMPEG_TOLERANCE:
            return "WRONG", f"ffmpeg's frames are off by {off:.2f}"
    return "right", ""


def rate_is_right(case, times, fps):
    """Whether a rate agrees with the timestamps within one frame; where these do not rise, with the case's rate."""
    rising = None not in times and all(later > earlier for earlier, later in zip(times, times[1:]))
    if case.damaged or len(times) < 3:
        return True
    if not rising or case.name.endswith("avi"):
        rate = case.rate if case.source is None else case.source.rate
        return rate is None or abs(fps / float(rate or Fraction(30)) - 1) < 0.01
    span = times[-1] - times[0]
    return (len(times) - 1.5) / span < fps < (len(times) - 0.5) / span


def main():
    """Prints the table; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--match", default="", help="only files whose names hold this")
    parser.add_argument("--readers", nargs="+", default=["pyav", "decord"])
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="a line for each file")
    options = parser.parse_args()
    with_ffmpeg = shutil.which("ffmpeg") is not None
    os.environ.setdefault("SVT_LOG", "1")  # errors alone
    found, reasons, wrong, pool = {}, Counter(), [], ReaderPool()
    with tempfile.TemporaryDirectory() as folder:
        for case in all_cases(with_ffmpeg):
            if options.match not in case.name:
                continue
            for reader in options.readers:
                try:
                    outcome, why = verify(case, folder, reader, pool, with_ffmpeg and reader == "pyav")
                except Exception as error:  # the encoder's, or one that no reader may let through
                    outcome, why = "WRONG", f"{type(error).__name__}: {error}"
                found.setdefault((case.group, reader), Counter())[outcome] += 1
                if outcome == "WRONG":
                    wrong.append((case.name, reader, why))
                elif outcome == "refused":
                    reasons[reader, why.partition(":")[0]] += 1
                if options.verbose:
                    print(f"{outcome:<8}{reader:<8}{case.name:<34}{why}", flush=True)
    pool.close()
    edge, bar = ("| ", " | ") if options.markdown else ("", "  ")
    rows = [("files", "reader", "tried", "right", "refused", "wrong")]
    rows += [
        (group, reader, counts.total(), counts["right"], counts["refused"], counts["WRONG"])
        for (group, reader), counts in found.items()
    ]
    for number, row in enumerate(rows):
        print(edge + bar.join(str(cell).ljust(width) for cell, width in zip(row, (20, 8, 6, 6, 8, 6))) + edge[::-1])
        if options.markdown and not number:
            print("|---|---|---|---|---|---|")
    for (reader, reason), count in reasons.most_common():
        print(f"{reader} refuses {count}: {reason}")
    for entry in wrong:
        print("WRONG", *entry)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
