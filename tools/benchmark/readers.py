"""Frames a second of each way to read training clips, against OpenCV's frame-by-frame loop with seeking.

    python tools/benchmark/readers.py videos            # a folder of clips; about two minutes on two cores
    python tools/benchmark/readers.py videos --opens 2000   # and the memory of a reading process over so many opens

A clip is some neighbouring frames at a random place, centre-cropped and resized. Every contender reads the same clips,
in the same number of threads; they alternate, so that other load on the machine affects all alike, and ratios are of
medians over the rounds. "here" reads in this process, "bounded" as training does: in processes that can be killed if a
file hangs. OpenCV is compared where it is installed.
"""

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mindone_tae.data import crop_box, open_video
from mindone_tae.data.readers.isolated.bounded_reader import BoundedReader
from mindone_tae.data.readers.isolated.reader_pool import ReaderPool
from mindone_tae.data.readers.opening import VIDEO_SUFFIXES

try:
    import cv2
except ImportError:
    cv2 = None


def with_opencv(path, first, frames, size):
    """The plain loop: seek to each frame, read, convert, crop, resize."""
    video = cv2.VideoCapture(str(path))
    clip = np.empty((frames, *size, 3), np.uint8)
    for position in range(frames):
        video.set(cv2.CAP_PROP_POS_FRAMES, first + position)
        found, frame = video.read()
        if not found:
            raise RuntimeError(f"OpenCV gives no frame {first + position} of {path}")
        left, top, right, bottom = map(int, crop_box(*frame.shape[:2], size))
        frame = cv2.cvtColor(frame[top:bottom, left:right], cv2.COLOR_BGR2RGB)
        clip[position] = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA)
    video.release()
    return clip


def with_reader(reader, timeout_s):
    """A function that reads one clip."""

    def read(path, first, frames, size):
        with open_video(path, reader, timeout_s) as video:
            return video.read_resized(range(first, first + frames), size, crop_box(*video.size, size))

    return read


def contenders():
    """Name to function."""
    found = {"opencv": with_opencv} if cv2 else {}
    for reader in ("decord", "pyav"):
        for name, timeout_s in (("here", None), ("bounded", 60.0)):
            found[f"{reader} {name}"] = with_reader(reader, timeout_s)
    return found


def draw_clips(paths, count, frames, seed=0):
    """(path, first frame) of clips."""
    lengths = {}
    for path in paths:
        with open_video(path, "pyav") as video:
            lengths[path] = len(video)
    long_enough = [path for path in paths if lengths[path] >= frames]
    rng = np.random.default_rng(seed)
    return [
        (path, int(rng.integers(lengths[path] - frames + 1)))
        for path in (long_enough[n % len(long_enough)] for n in range(count))
    ]


def throughput(paths, clips, frames, size, threads, rounds):
    """Seconds of each contender in each round."""
    seconds = {name: [] for name in contenders()}
    jobs = draw_clips(paths, clips, frames)
    with ThreadPoolExecutor(threads) as pool:
        for number in range(rounds + 1):  # the first warms up: processes start, files come into the cache
            for name, read in contenders().items():
                started = time.perf_counter()
                list(pool.map(lambda job: read(*job, frames, size), jobs))
                if number:
                    seconds[name].append(time.perf_counter() - started)
    return seconds


def memory_over_opens(path, opens):
    """Megabytes that one reading process holds after a tenth, half and all of many opens, for each reader."""
    found = {}
    for reader in ("decord", "pyav"):
        pool, used = ReaderPool(), []
        for count in range(1, opens + 1):
            with BoundedReader(path, reader, 60.0, pool) as video:
                video.read_resized([0, len(video) - 1], (64, 64), (0, 0, *video.size[::-1]))
                if count in (opens // 10, opens // 2, opens):
                    used.append(int(Path(f"/proc/{video._process.pid}/statm").read_text().split()[1]) * 4096 / 2**20)
        pool.close()
        found[reader] = used
    return found


def main():
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="clips; subfolders are left out")
    parser.add_argument("--height", type=int, default=480, help="of the clips that take part, pixels (480)")
    parser.add_argument("--size", type=int, default=256, help="sides of a frame, pixels (256)")
    parser.add_argument("--frames", type=int, default=16, help="of a clip (16)")
    parser.add_argument("--clips", type=int, default=24, help="a round (24)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--opens", type=int, default=0, help="measure memory over so many opens (0: do not)")
    options = parser.parse_args()
    paths = []
    for path in sorted(options.folder.iterdir()):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            with open_video(path, "pyav") as video:
                if video.size[0] == options.height:
                    paths.append(path)
    size = (options.size, options.size)
    seconds = throughput(paths, options.clips, options.frames, size, options.threads, options.rounds)
    print(
        f"{len(paths)} files of height {options.height}, clips of {options.frames} frames of "
        f"{options.size}x{options.size}, {options.threads} threads"
    )
    base = statistics.median(seconds["opencv"]) if cv2 else None
    for name, times in seconds.items():
        middle = statistics.median(times)
        ratio = f"{base / middle:6.2f} x OpenCV" if base else ""
        print(f"{name:<16}{options.clips * options.frames / middle:9.0f} frames/s  {ratio}")
    if options.opens:
        for reader, used in memory_over_opens(paths[0], options.opens).items():
            print(
                f"{reader:<8}MB after a tenth, half and all of {options.opens} opens: "
                + ", ".join(f"{megabytes:.1f}" for megabytes in used)
            )


if __name__ == "__main__":
    main()
