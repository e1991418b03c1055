"""Runs `mindone-tae reconstruct` on one uploaded video at a time, in a separate process."""

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mindone_tae.zoo import UserError

_PROGRESS = re.compile(r"reconstruct (\d+)/(\d+) frames")
_LINES_KEPT = 20
_SECONDS_TO_END = 5.0
_PAGE = "report.html"


@dataclass(frozen=True)
class Limits:
    """Limits of an upload.

    Attributes:
        megabytes: largest file, in units of 1e6 bytes.
        frames: most frames that are reconstructed.
        pixels: most pixels of a frame of the upload, height * width.
    """

    megabytes: float
    frames: int
    pixels: int


@dataclass(frozen=True)
class Choice:
    """What the user picked on the page.

    Attributes:
        size: as for --image_size.
        frames: most frames to reconstruct.
        weights: as for --ckpt_path.
    """

    size: str
    frames: int
    weights: str


class Jobs:
    """Makes reports, each in a numbered folder.

    Args:
        folder: where the numbered folders are made.
        limits: Limits.
    """

    def __init__(self, folder, limits):
        self._folder, self._limits = Path(folder).resolve(), limits
        earlier = [int(path.name) for path in self._folder.glob("*") if path.name.isascii() and path.name.isdigit()]
        self._process, self._last = None, max(earlier, default=0)

    def run(self, upload, choice, tell=lambda share, text: None):
        """Reconstructs an upload.

        Args:
            upload: path of a file, which is moved.
            choice: Choice.
            tell: called with the share done, 0 to 1, and a description of the current step.

        Returns:
            The report's number.

        Raises:
            UserError: the file is over a limit or cannot be read, or the command failed.
        """
        number, folder = self._new_folder()
        video = self._taken(Path(upload), folder)
        try:
            tell(0.0, "looking at the file")
            frames = min(choice.frames, self._checked(video), self._limits.frames)
            words = ["reconstruct", video.name, "--ckpt_path", choice.weights, "--image_size", choice.size]
            self._call([*words, "--num_frames", str(frames), "--output_path", "."], folder, tell)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return number

    def _new_folder(self):
        """The next number that no other server has taken in the same folder, and its folder."""
        while True:
            self._last += 1
            folder = self._folder / f"{self._last:04d}"
            with suppress(FileExistsError):
                folder.mkdir(parents=True)
                return self._last, folder

    def page(self, number):
        """The path of a report's page; None if there is no such report."""
        path = self._folder / f"{number:04d}" / _PAGE
        return path if path.is_file() else None

    def close(self):
        """Ends the running process, if any."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()

    def _taken(self, upload, folder):
        """Moves the upload to a fixed name; only a known suffix of its own name is kept."""
        from mindone_tae.data.readers.opening import IMAGE_SUFFIXES, VIDEO_SUFFIXES

        suffix = upload.suffix.lower()
        if suffix not in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES):
            suffix = ""
        video = folder / f"video{suffix}"
        shutil.move(upload, video)
        return video

    def _checked(self, video):
        """The number of frames of a file within the limits; it is opened in a process that a timeout can end."""
        from mindone_tae.data import UnreadableVideo
        from mindone_tae.data.files.inspection import inspect_file

        limits, size = self._limits, video.stat().st_size
        if size > limits.megabytes * 1e6:
            raise UserError(
                f"the file has {size / 1e6:.6g} MB; at most {limits.megabytes:g} are taken: give a shorter video"
            )
        try:
            info = inspect_file(str(video), timeout_s=60.0)
        except UnreadableVideo as error:
            raise UserError(f"the file cannot be used: {error.reason}") from None
        height, width = info.size
        if height * width > limits.pixels:
            raise UserError(
                f"a frame has {width}x{height} pixels; at most {limits.pixels:,} in all are taken: give a smaller video"
            )
        return info.frames

    def _call(self, words, folder, tell):
        """Runs the command in a folder and reports its progress."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mindone_tae", *words],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        tell(0.05, "starting MindSpore")
        said = deque(maxlen=_LINES_KEPT)
        with self._process as process:
            for line in process.stderr:
                said.append(line.strip())
                match = _PROGRESS.search(line)
                if match:
                    done, total = map(int, match.groups())
                    tell(0.1 + 0.7 * done / total, f"{done} of {total} frames" if done < total else "making the page")
        if process.returncode or not (folder / _PAGE).is_file():
            errors = [line for line in said if line.startswith("error: ")] or list(said)[-1:]
            told = errors[-1].removeprefix("error: ") if errors else f"it ended with status {process.returncode}"
            raise UserError(f"the video could not be reconstructed: {told}")
