"""Damaged copies of real clips through every reader: each must give frames of the right shape or a reason, in time.

    python tools/fuzz_readers.py videos --variants 500

Bytes are flipped, cut, swapped, repeated and overwritten, near the start (headers) and anywhere. Counted are files
read, refused, and those that hung or crashed a decoder; a wrong shape, or any other exception, makes the exit status 1.
"""

import argparse
import os
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from mindone_tae.data import UnreadableVideo, open_video
from mindone_tae.data.readers.opening import IMAGE_SUFFIXES, VIDEO_SUFFIXES

_HEADER_BYTES = 4096


def damage(data, rng):
    """A damaged copy of a file's bytes.

    Args:
        data: bytes of a whole file, at least 64.
        rng: numpy.random.Generator.

    Returns:
        (kind of damage, bytes)
    """
    data = bytearray(data)
    end = len(data) if rng.random() < 0.6 else min(len(data), _HEADER_BYTES)
    kind = ("flipped", "cut", "swapped", "overwritten", "repeated", "removed")[int(rng.integers(6))]
    length = int(min(rng.choice([1, 4, 64, 2048, 32768]), len(data) // 4))
    first, second = (int(place) for place in rng.integers(0, max(1, end - length), 2))
    if kind == "flipped":
        for place in rng.integers(0, end, int(rng.choice([1, 8, 64, 512]))):
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del data[int(rng.integers(1, len(data))) :]
    elif kind == "swapped":
        data[first : first + length], data[second : second + length] = (
            data[second : second + length],
            data[first : first + length],
        )
    elif kind == "overwritten":
        data[first : first + length] = bytes([int(rng.choice([0, 127, 255]))]) * length
    elif kind == "repeated":
        data[first:first] = data[second : second + length]
    else:
        del data[first : first + length]
    return kind, bytes(data)


def outcome(path, reader, rng, timeout_s):
    """What a reader makes of a file: "read", "refused", "hung", "crashed", or what is wrong, and the reason."""
    try:
        with open_video(path, reader, timeout_s) as video:
            last = len(video) - 1
            for numbers in (
                [0],
                [last],
                rng.integers(0, last + 1, 4).tolist(),
                list(range(max(0, last - 8), last + 1)),
                [0, last, 0],
            ):
                frames = video.read(numbers)
                if frames.shape != (len(numbers), *video.size, 3) or frames.dtype != np.uint8:
                    return "WRONG SHAPE", f"{frames.dtype} {frames.shape} for {len(numbers)} frames of {video.size}"
        return "read", ""
    except UnreadableVideo as error:
        kind = "hung" if "took more than" in error.reason else "crashed" if "crashed" in error.reason else "refused"
        return kind, error.reason
    except Exception as error:
        return "ESCAPED", f"{type(error).__name__}: {error}"


def write_pictures(folder):
    """Still and animated images of a moving square, to damage as well."""
    pictures = []
    for number in range(6):
        pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
        pixels[8:24, 4 * number : 4 * number + 16] = (255, 0, 0)
        pictures.append(Image.fromarray(pixels))
    for name in ("still.png", "still.jpg", "still.webp", "still.bmp"):
        pictures[0].save(folder / name)
    for name in ("moving.png", "moving.webp", "moving.gif"):
        pictures[0].save(folder / name, save_all=True, append_images=pictures[1:], duration=40)
    return sorted(folder.iterdir())


def fuzz(sources, variants, seed, timeout_s, workers, readers=("decord", "pyav")):
    """Outcomes of damaged copies of files.

    Yields:
        (source's name, kind of damage, {reader: (outcome, reason)}) of each variant.
    """
    contents = [(path, path.read_bytes()) for path in sources]

    def one(number):
        rng = np.random.default_rng([seed, number])
        source, data = contents[number % len(contents)]
        kind, damaged = damage(data, rng)
        path = os.path.join(folder, f"{number}{source.suffix}")
        Path(path).write_bytes(damaged)
        used = ("auto",) if source.suffix.lower() in IMAGE_SUFFIXES else readers
        found = {reader: outcome(path, reader, np.random.default_rng(number), timeout_s) for reader in used}
        os.unlink(path)
        return source.name, kind, found

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        yield from pool.map(one, range(variants))


def main():
    """Prints counts by reader and damage; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="real clips, searched with its subfolders")
    parser.add_argument("--variants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout_s", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="a line for each variant")
    options = parser.parse_args()
    clips = sorted(
        path for path in options.folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.stat().st_size > 64
    )
    by_reader, by_damage, painted_over, wrong, lost = {}, Counter(), 0, [], []
    with tempfile.TemporaryDirectory() as pictures:
        for number, (name, kind, found) in enumerate(
            fuzz(
                clips + write_pictures(Path(pictures)),
                options.variants,
                options.seed,
                options.timeout_s,
                options.workers,
            )
        ):
            by_damage[kind] += 1
            for reader, (what, reason) in found.items():
                by_reader.setdefault(reader, Counter())[what] += 1
                if what.isupper():
                    wrong.append((number, name, kind, reader, what, reason))
                if what in ("hung", "crashed"):
                    lost.append((number, name, kind, reader, reason))
            painted_over += found.get("decord", ("",))[0] == "read" and found["pyav"][0] == "refused"
            if options.verbose:
                print(number, name, kind, found, flush=True)
    print(f"{sum(by_damage.values())} variants of {len(clips)} clips and 7 pictures: {dict(by_damage)}")
    for reader, counts in by_reader.items():
        print(f"{reader:<8} {dict(counts)}")
    print(f"read by decord, refused by PyAV: {painted_over}")
    for entry in (*lost, *wrong):
        print(*entry)
    return 1 if wrong else 0


if __name__ == "__main__":
    status = main()
    raise SystemExit(status)
