"""Checkpoints: weights that anything can load, and beside them the state that a resumed run needs.

    checkpoints/step_00000300.safetensors         the model's weights, under its own parameter names
    checkpoints/step_00000300.ema.safetensors     their moving average, where the recipe asks for one
    checkpoints/step_00000300.state.safetensors   optimizer, loss scale, EMA's counter
    checkpoints/latest.json                       which set is the last whole one, and which the best

Another trained network, such as a discriminator, has files of its own: step_00000300.discriminator.safetensors and so on.
latest.json is moved into place after the files it names, so that a kill at any moment leaves a whole set.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import save_file

from .atomic_file import remove_temporaries, replacing
from .errors import UserError
from .parameter_arrays import read_arrays

# The network whose files bear no name of their own.
MODEL = "model"
PARTS = ("weights", "ema", "state")
_STEP = re.compile(r"step_(\d+)\.(?:\w+\.)*safetensors")


@dataclass(frozen=True)
class Saved:
    """A checkpoint read back.

    Attributes:
        step: optimizer steps made.
        networks: network to part (weights, ema, state) to name to array; a part that was not saved is None.
    """

    step: int
    networks: dict


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are.
        keep: last sets kept; older ones are removed, but for the best.
        metadata: text values written into every file.
        writes: whether this process writes and removes files; others only keep count of what there is.

    Attributes:
        step: of the last whole set; None where there is none.
        evaluated: the last step whose evaluation is on record; None before the first.
        best: the best set so far, a dict with step, metric, value, and the file names weights and ema; None without one.

    Raises:
        UserError: latest.json is damaged.
    """

    def __init__(self, folder, keep, metadata=None, writes=True):
        self.folder = Path(folder)
        self.keep = keep
        self.writes = writes
        self.metadata = dict(metadata or {})
        self._latest = _read_pointer(self.folder / "latest.json")
        self.step = self._latest["step"]
        self.evaluated = self._latest.get("evaluated", self.step)
        self.best = self._latest.get("best")

    @property
    def weights(self):
        """The path of the last whole set's model weights; None where there is none."""
        return None if self.step is None else self.folder / self._latest["weights"]

    def save(self, step, networks):
        """Writes one set and removes the oldest.

        Args:
            step: optimizer steps made.
            networks: network to part (weights, ema, state) to name to array; "model" is the one that is evaluated. None for a
                part that there is not.

        Raises:
            UserError: the folder cannot be written.
        """
        files = {network: self._write_parts(step, network, parts) for network, parts in networks.items()}
        own = files.pop(MODEL)
        self._latest = {**own, "networks": files}
        self.step = step
        self._point()

    def record_evaluation(self, step, metric=None, value=None):
        """Notes that a step's evaluation is on record.

        Args:
            step: the step.
            metric, value: given where it is the best so far; the set of this step must have been saved.

        Raises:
            UserError: the folder cannot be written.
        """
        self.evaluated = step
        if metric is not None:
            self.best = {"step": step, "metric": metric, "value": value, "weights": self._latest["weights"], "ema": self._latest["ema"]}
        if self.step is not None:
            self._point()

    def latest(self):
        """The last whole set.

        Returns:
            Saved, or None where the folder holds no checkpoint.

        Raises:
            UserError: a file of the set is missing or damaged.
        """
        if self.step is None:
            return None
        files = {MODEL: self._latest, **self._latest.get("networks", {})}
        networks = {
            network: {part: read_arrays(self.folder / names[part]) if names[part] else None for part in PARTS} for network, names in files.items()
        }
        return Saved(self.step, networks)

    def clean(self):
        """Removes what a killed run left half done: temporary files, and sets that were begun after the last whole one."""
        if not self.writes:
            return
        remove_temporaries(self.folder)
        for step, paths in self._sets().items():
            if self.step is not None and step > self.step:
                _remove(paths)

    def _write_parts(self, step, network, parts):
        """Part to file name, None for a part that there is not."""
        files = dict.fromkeys(PARTS)
        for part in PARTS:
            arrays = parts.get(part)
            if arrays is not None:
                owner = () if network == MODEL else (network,)
                files[part] = ".".join([f"step_{step:08d}", *owner, *(() if part == "weights" else (part,)), "safetensors"])
                content = part if network == MODEL else f"{network} {part}"
                self._write(self.folder / files[part], arrays, {**self.metadata, "step": str(step), "content": content})
        return files

    def _write(self, path, arrays, metadata):
        if not self.writes:
            return
        with replacing(path) as temporary:
            try:
                save_file(arrays, temporary, metadata)
            except SafetensorError as error:  # its way of saying that the disk is full
                raise OSError(str(error)) from error

    def _point(self):
        if not self.writes:
            return
        latest = {**self._latest, "step": self.step, "evaluated": self.evaluated, "best": self.best}
        with replacing(self.folder / "latest.json") as temporary:
            temporary.write_text(json.dumps(latest, indent=1) + "\n", encoding="utf-8")
        sets = self._sets()
        # A later step than the last is not ours to judge: this run will come to it and write it anew.
        past = sorted(step for step in sets if step <= self.step)
        for step in past[: -self.keep]:
            if self.best is None or step != self.best["step"]:
                _remove(sets[step])

    def _sets(self):
        """Step to the paths of its files."""
        found = {}
        for path in self.folder.glob("step_*.safetensors"):
            match = _STEP.fullmatch(path.name)
            if match:
                found.setdefault(int(match[1]), []).append(path)
        return found


def _remove(paths):
    for path in paths:
        path.unlink(missing_ok=True)


def _read_pointer(path):
    """The content of latest.json; with nothing but a step of None where there is no such file."""
    if not path.exists():
        return {"step": None}
    try:
        latest = json.loads(path.read_text(encoding="utf-8"))
        for part in PARTS:
            if not isinstance(latest[part], (str, type(None))):
                raise TypeError(f"{part} is {latest[part]!r}")
        latest["step"] = int(latest["step"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); it must name a checkpoint's files: remove it to start afresh") from error
    return latest


def weights_file(path):
    """The weights of a file, a run's folder or its checkpoints folder; the moving average where there is one.

    Raises:
        UserError: there are none.
    """
    path = Path(path)
    if path.is_file():
        return path
    for folder in (path, path / "checkpoints"):
        if (folder / "latest.json").exists():
            latest = _read_pointer(folder / "latest.json")
            return folder / (latest["ema"] or latest["weights"])
    raise UserError(f"{path} holds no weights; it must be a .safetensors file or a run's folder: check --ckpt_path")
