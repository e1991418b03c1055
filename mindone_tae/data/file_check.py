"""Opening every file of a collection once, to learn what it holds and which ones are bad."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .readers import UnreadableVideo, open_video


@dataclass(frozen=True)
class ClipInfo:
    """What a readable file holds.

    Attributes:
        frames: count.
        fps: frames a second, 0.0 for images.
        size: (h, w) in pixels.
    """

    frames: int
    fps: float
    size: tuple[int, int]


def inspect_file(path: str, reader: str = "auto") -> ClipInfo:
    """Open a file and decode its first frame.

    Raises:
        UnreadableVideo: it cannot be done.
    """
    with open_video(path, reader) as video:
        video.read([0])
        return ClipInfo(len(video), video.fps, tuple(video.size))


def inspect_files(paths: list[str], reader: str = "auto", num_threads: int = 4) -> dict[str, ClipInfo | UnreadableVideo]:
    """Inspect many files in threads, each path once.

    Returns:
        For each path what it holds, or what is wrong with it.
    """

    def inspect(path):
        try:
            return inspect_file(path, reader)
        except UnreadableVideo as error:
            return error

    distinct = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(num_threads, thread_name_prefix="check-files") as pool:
        return dict(zip(distinct, pool.map(inspect, distinct)))
