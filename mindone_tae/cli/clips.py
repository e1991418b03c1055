"""The clips and the model that a command works on."""

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

from mindone_tae.zoo import UserError, build

_logger = logging.getLogger(__name__)


def start(recipe):
    """Initializes MindSpore by the recipe's env section, and builds the recipe's model with its weights."""
    from mindone_tae.zoo.device import environment
    from mindone_tae.zoo.protocols import build_model

    environment.start(recipe.env, recipe.model, recipe.train.seed)
    warn_if_random(recipe)
    return build_model(recipe.model)


def warn_if_random(recipe):
    """Warns where a model that is not trained has no weights."""
    if recipe.model.get("pretrained", "") is None:
        _logger.warning("no weights are given, so %s has random ones: add --ckpt_path", recipe.model["name"])


@dataclass(frozen=True)
class Clip:
    """One clip.

    Attributes:
        name: the path relative to where it was found.
        frames: number of frames; 0 where its dataset does not say.
        fps: frames a second; 0.0 for an image.
        size: (h, w) of the source, None where its dataset does not say.
        path: of the source, None where its dataset does not say.
        dataset, index: the dataset and the index in it.
        file_bytes: the file's size when its manifest was written, 0 without one.
    """

    name: str
    frames: int
    fps: float
    size: Any
    path: Any
    dataset: Any
    index: int
    file_bytes: int = 0

    @classmethod
    def of(cls, dataset, index, stride=1):
        """A dataset's clip; stride, the source's frames for each of the clip's, is for datasets without clip_fps."""
        facts = dataset.describe(index) if hasattr(dataset, "describe") else {}
        frames = dataset.clip_frames(index) if hasattr(dataset, "clip_frames") else 0
        name = str(facts.get("relative_path", index))
        fps = dataset.clip_fps(index) if hasattr(dataset, "clip_fps") else facts.get("fps", 0.0) / stride
        size = tuple(facts["size"]) if facts.get("size") else None
        file_bytes = dataset.bytes_when_checked(index) if hasattr(dataset, "bytes_when_checked") else 0
        return cls(name, frames, fps, size, facts.get("path"), dataset, index, file_bytes)

    @property
    def streams(self):
        """Whether its dataset gives it in chunks."""
        return hasattr(self.dataset, "stream")

    def chunks(self):
        """Yields arrays (c, t_chunk, h, w)."""
        if self.streams:
            yield from self.dataset.stream(self.index)
        else:
            item = self.dataset[self.index]
            yield item[0] if isinstance(item, tuple) else item


class Clips:
    """All clips of a dataset section, in order.

    Args:
        section: the recipe's dataset section.
        folder: the output folder, which gets the list of unreadable files.
        part: put into that list's name, where several processes write one each.
    """

    def __init__(self, section, folder, part=""):
        from mindone_tae.zoo.run.folder import RunFolder

        self.dataset = build("mindone.datasets", section)
        self.run_folder = RunFolder(folder)
        self.run_folder.unreadable = self.run_folder.path / f"unreadable{part}.csv"
        self.run_folder.write_unreadable(getattr(self.dataset, "unreadable", ()))
        stride = section.get("sample_stride", 1)
        self.clips = [Clip.of(self.dataset, index, stride) for index in range(len(self.dataset))]
        twice = [name for name, count in Counter(clip.name for clip in self.clips).items() if count > 1]
        if twice:
            raise UserError(
                f"{', '.join(sorted(twice)[:3])} is listed more than once; outputs are named after their source: "
                "list each clip once"
            )
        self.total_frames = sum(clip.frames for clip in self.clips) or None

    def groups(self, batch_size):
        """Yields lists of at most batch_size clips that have the same length and source size."""
        return in_groups(self.clips, batch_size, lambda clip: (clip.frames, clip.size) if clip.size else clip.index)

    def report(self, console, failed=()):
        """Lists the files that were left out.

        Args:
            console: to print on.
            failed: (path, reason) of files that failed after the dataset found them readable.
        """
        problems = [*getattr(self.dataset, "unreadable", ()), *failed]
        if problems:
            self.run_folder.write_unreadable(problems)
            count = len(problems)
            told = "1 file cannot be used and was" if count == 1 else f"{count} files cannot be used and were"
            console.print(f"{told} left out, listed in {self.run_folder.unreadable}")


def over_groups(groups, run, failed, clip_of=lambda entry: entry):
    """Runs a function on groups of clips, one after another, while the next are read in a thread.

    Where it raises ValueError for a group it is called again for each clip alone; one that is unreadable is left out.

    Args:
        groups: lists.
        run: called with a list and its chunks, see `streams.batched`.
        failed: gets the (path, reason) of those left out.
        clip_of: gives the Clip of a list's entry; by default the entry is one.

    Yields:
        A list, and what `run` returned for it.
    """
    from mindone_tae.data import UnreadableVideo

    from .streams import ReadAhead, batched

    def results(group, chunks):
        try:
            found = run(group, chunks)
        except ValueError as error:  # an unreadable clip, or one whose length or size has changed
            if len(group) == 1:
                if not isinstance(error, UnreadableVideo):
                    raise
                leave_out(error, failed)
                return
        else:
            yield group, found
            return
        for entry in group:
            yield from results([entry], batched([clip_of(entry)]))

    with ReadAhead([[clip_of(entry) for entry in group] for group in groups]) as ahead:
        for number, group in enumerate(groups):
            yield from results(group, ahead.chunks(number))


def leave_out(error, failed):
    """Logs the clip that an UnreadableVideo leaves out, and records its (path, reason)."""
    failed.append((error.path, error.reason))
    _logger.warning("left out: %s", error)


def in_groups(entries, batch_size, key):
    """Lists of at most batch_size entries of equal key, in the order of their keys' first occurrence."""
    alike = {}
    for entry in entries:
        alike.setdefault(key(entry), []).append(entry)
    return [group[start : start + batch_size] for group in alike.values() for start in range(0, len(group), batch_size)]
