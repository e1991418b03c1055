"""Sample clips to train on at once: camera moves over photographs, and moving shapes. Nothing is downloaded."""

from __future__ import annotations

import os
from importlib.util import find_spec
from itertools import cycle

import numpy as np
from PIL import Image

from mindone_tae.zoo.errors import UserError
from mindone_tae.zoo.spreadsheet import write_table

from ..video_out.writer import VideoWriter
from .camera_moves import MOTIONS, camera_move
from .moving_shapes import moving_shapes

# Photographs inside scikit-image's wheel; those for testing show other subjects than those for training.
TRAIN_PHOTOGRAPHS = (
    "astronaut.png", "rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg", "ihc.png", "camera.png", "coins.png",
    "brick.png", "gravel.png",
)  # fmt: skip
TEST_PHOTOGRAPHS = ("chelsea.png", "coffee.png")
# Every so many clips, one shows shapes instead of a photograph.
_SHAPES_EVERY = 6
# Close to lossless: the clips stand for real footage, not for a codec's blocks.
_CRF = 10


def make_sample_clips(
    folder: str | os.PathLike,
    seed: int = 0,
    train: int = 24,
    test: int = 6,
    size: tuple[int, int] = (96, 128),
    frames: int = 32,
    fps: float = 16.0,
) -> tuple[str, str]:
    """Write train and test clips with a csv each (columns video, motion, source); the same seed gives the same files.

    Args:
        folder: gets train.csv, test.csv, train/*.mp4 and test/*.mp4.
        seed: of all draws.
        train: clips to train on.
        test: clips to test on, of photographs that no training clip shows.
        size: (h, w) of the clips, even numbers.
        frames: in each clip.
        fps: frames a second.

    Returns:
        The paths of train.csv and test.csv.

    Raises:
        UserError: scikit-image or its photographs are not installed, or a number is out of range.
    """
    for name, value in (("train", train), ("test", test), ("frames", frames)):
        if value < 1:
            raise UserError(f"{name} is {value}; it must be 1 or more: use {8 if name == 'frames' else 6}")
    if min(size) < 16 or size[0] % 2 or size[1] % 2:
        raise UserError(f"size is {tuple(size)}; sample clips need even sides of 16 or more: use (96, 128)")
    seeds = np.random.SeedSequence(seed).spawn(2)
    tables = []
    for name, clips, photographs, sequence in (
        ("train", train, TRAIN_PHOTOGRAPHS, seeds[0]),
        ("test", test, TEST_PHOTOGRAPHS, seeds[1]),
    ):
        plan = _plan(clips, _installed(photographs))
        for number, (child, (motion, source)) in enumerate(zip(sequence.spawn(clips), plan)):
            rng = np.random.default_rng(child)
            pictures = (
                moving_shapes(frames, size, rng)
                if source is None
                else camera_move(_load(source), motion, frames, size, rng)
            )
            path = os.path.join(folder, name, f"{number:02d}_{motion}.mp4")
            with VideoWriter(path, fps, _CRF, reproducible=True) as writer:
                for picture in pictures:
                    writer.write(picture)
        tables.append(_write_table(os.path.join(folder, f"{name}.csv"), name, plan))
    return tuple(tables)


def photograph_folder() -> str:
    """Where the installed scikit-image keeps its photographs.

    Raises:
        UserError: scikit-image is not installed.
    """
    spec = find_spec("skimage")  # found, not imported: only its files are wanted
    if spec is None:
        raise UserError(
            "sample clips show the photographs of scikit-image, which is not installed: pip install scikit-image"
        )
    return os.path.join(spec.submodule_search_locations[0], "data")


def _installed(photographs):
    paths = [os.path.join(photograph_folder(), name) for name in photographs]
    there = [path for path in paths if os.path.isfile(path)]
    if not there:
        names = ", ".join(photographs)
        raise UserError(f"scikit-image has none of {names} in {photograph_folder()}: pip install scikit-image again")
    return there


def _plan(clips, photographs):
    """(motion, path of the photograph or None) for each clip: the photographs in turn, each time in another motion."""
    shown = cycle(
        (MOTIONS[(place + lap) % len(MOTIONS)], path)
        for lap in range(len(MOTIONS))
        for place, path in enumerate(photographs)
    )
    return [("shapes", None) if number % _SHAPES_EVERY == _SHAPES_EVERY - 1 else next(shown) for number in range(clips)]


def _load(path):
    with Image.open(path) as image:
        return image.convert("RGB")


def _write_table(path, name, plan):
    rows = (
        (f"{name}/{number:02d}_{motion}.mp4", motion, os.path.basename(source or "drawn"))
        for number, (motion, source) in enumerate(plan)
    )
    write_table(path, ("video", "motion", "source"), rows)
    return path
