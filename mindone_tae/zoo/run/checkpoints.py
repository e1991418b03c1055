"""Checkpoints: weights as plain .safetensors, and the state that a resumed run needs.

    checkpoints/step_00000300/weights.safetensors   the model's weights, under its own parameter names
    checkpoints/step_00000300/ema.safetensors       their moving average, if the recipe has one
    checkpoints/step_00000300/state.safetensors     optimizer, loss scale, EMA's counter

Another trained network, such as a discriminator, has files of its own: discriminator.weights.safetensors and so on.
A step's folder is written under a temporary name and renamed once, so that it is always complete.
"""

import json
import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import save_file

from ..atomic_file import aside, remove_temporaries, replacing_folder, set_aside
from ..errors import UserError
from .arrays import read_arrays, read_metadata
from .state import check_finite

_logger = logging.getLogger(__name__)

# The network whose files have no prefix.
MODEL = "model"
_STEP = re.compile(r"step_(\d+)")
_PARTS = ("weights", "ema", "state")


@dataclass(frozen=True)
class Saved:
    """A checkpoint read back.

    Attributes:
        step: optimizer steps made.
        networks: network to part (weights, ema, state) to name to array; parts that were not saved are missing.
        metadata: text values that were written into its files.
    """

    step: int
    networks: dict
    metadata: dict


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are.
        keep: number of last checkpoints kept; older ones are removed, except the best.
        metadata: text values written into every file.
        writes: whether this process writes and removes files; others only keep track of them.

    Attributes:
        step: of the last checkpoint; None without one.
        best_step: of the checkpoint that is kept whatever its age; None without one.
    """

    def __init__(self, folder: str | Path, keep: int, metadata: dict[str, str] | None = None, writes: bool = True):
        self.folder = Path(folder)
        self.keep = keep
        self.metadata = dict(metadata or {})
        self.writes = writes
        self.step = max(self.steps(), default=None)
        self.best_step = None

    @property
    def used(self) -> bool:
        """Whether the folder holds a run's checkpoints, complete or not."""
        return any(self.folder.glob("step_*"))

    def steps(self) -> list[int]:
        """The steps that have a folder."""
        found = (_STEP.fullmatch(path.name) for path in self.folder.glob("step_*") if path.is_dir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """The folder of a step."""
        return self.folder / f"step_{step:08d}"

    def weights(self, step: int) -> Path:
        """The file of a step's model weights, averaged where there is a moving average."""
        return weights_in(self.path(step))

    def save(self, step: int, networks: dict) -> None:
        """Writes one checkpoint and removes the oldest.

        Later ones, which could not be read when the run went on, are set aside, as the run may take another course.

        Args:
            step: optimizer steps made.
            networks: network to part (weights, ema, state) to name to array, or None for a missing part; "model" is
                the network that is evaluated.

        Raises:
            UserError: the folder cannot be written, or a number is not finite: then nothing is written or removed.
        """
        check_finite(networks, step)
        if self.writes:
            self._write(step, networks)
            shutil.rmtree(aside(self.path(step)), ignore_errors=True)
            for later in (later for later in self.steps() if later > step):
                _logger.warning("step %d of before is kept as %s", later, set_aside(self.path(later)))
        self.step = step
        self.prune()

    def prune(self) -> None:
        """Removes all but the last checkpoints and the best."""
        if not self.writes:
            return
        past = [step for step in self.steps() if step <= self.step]
        for step in past[: -self.keep]:
            if step != self.best_step:
                _remove(self.path(step))

    def latest(self) -> Saved | None:
        """The newest checkpoint that can be read.

        Returns:
            Saved, or None where the folder holds no checkpoint.

        Raises:
            UserError: there were checkpoints, and none of them is complete.
        """
        if not self.used:
            return None
        failures = []
        for step in reversed(self.steps()):
            try:
                saved = self._read(step)
            except UserError as error:
                failures.append(str(error))
                continue
            if failures:
                _logger.warning(
                    "%s; going on from step %d, the newest checkpoint that is whole", "; ".join(failures), step
                )
            self.step = step
            return saved
        why = (
            "; ".join(failures)
            or f"{self.folder} holds no folder such as step_00000300 (one of version 0.1.0 cannot be resumed)"
        )
        raise UserError(
            f"{why}; a run goes on from a whole checkpoint, and {self.folder} holds none: "
            "bring the files back from a copy, or start afresh with another --output_path"
        )

    def clean(self) -> None:
        """Removes a killed run's incomplete files."""
        if self.writes:
            remove_temporaries(self.folder)

    def _write(self, step, networks):
        files = {
            _file_name(network, part): (f"{network} {part}", arrays)
            for network, parts in networks.items()
            for part, arrays in parts.items()
            if arrays is not None
        }
        metadata = {**self.metadata, "step": str(step), "files": json.dumps(sorted(files))}
        with replacing_folder(self.path(step)) as temporary:
            for name, (content, arrays) in files.items():
                try:
                    save_file(arrays, temporary / name, {**metadata, "content": content})
                except SafetensorError as error:  # raised where the disk is full
                    raise OSError(str(error)) from error

    def _read(self, step):
        folder = self.path(step)
        weights = folder / _file_name(MODEL, "weights")
        networks = {MODEL: {"weights": read_arrays(weights, remedy=None)}}
        metadata = read_metadata(weights)
        for name in _listed_files(weights, metadata):
            network, part = _named(name)
            networks.setdefault(network, {})[part] = read_arrays(folder / name, remedy=None)
        return Saved(step, networks, metadata)


def weights_in(folder: Path) -> Path:
    """The model's weights in a step's folder, averaged where there is a moving average."""
    averaged = folder / _file_name(MODEL, "ema")
    return averaged if averaged.is_file() else folder / _file_name(MODEL, "weights")


def weights_file(path: str | Path) -> Path:
    """The weights of a file, a run's folder, its checkpoints folder or a step's; the moving average where there is one.

    Raises:
        UserError: there are none.
    """
    path = Path(path)
    if path.is_file():
        return path
    if weights_in(path).is_file():
        return weights_in(path)
    for folder in (path, path / "checkpoints"):
        checkpoints = Checkpoints(folder, keep=1, writes=False)
        if checkpoints.step is not None:
            return checkpoints.weights(checkpoints.step)
    raise UserError(
        f"{path} holds no weights; it must be a .safetensors file or the folder of a run that has saved a checkpoint: "
        "check --ckpt_path"
    )


def _file_name(network, part):
    return f"{part}.safetensors" if network == MODEL else f"{network}.{part}.safetensors"


def _named(name):
    """Network and part of a file's name."""
    *network, part = name.removesuffix(".safetensors").split(".")
    return network[0] if network else MODEL, part


def _listed_files(weights, metadata):
    try:
        names = json.loads(metadata["files"])
        if all(name == _file_name(*_named(name)) and _named(name)[1] in _PARTS for name in names):
            return names
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise UserError(f"{weights} does not say which files belong to it")


def _remove(folder):
    """Removes a folder after renaming it, so that a killed removal leaves no partial checkpoint."""
    doomed = folder.with_name(f".{folder.name}.0.tmp")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
