"""Checkpoints: weights that anything can load, and beside them the state that a resumed run needs.

    checkpoints/step_00000300.safetensors         the model's weights, under its own parameter names
    checkpoints/step_00000300.ema.safetensors     their moving average, where the recipe asks for one
    checkpoints/step_00000300.state.safetensors   optimizer, loss scale, EMA's counter
    checkpoints/latest.json                       which set is the last whole one, and which the best

Another trained network, such as a discriminator, has files of its own: step_00000300.discriminator.safetensors and so on.
latest.json is moved into place after the files it names, so that a kill at any moment leaves a whole set. It is there from a run's start, with
nulls before the first set: files without it are a run that lost it, not one that was killed while it saved for the first time.
"""

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import save_file

from ..atomic_file import remove_temporaries, replacing
from ..errors import UserError
from .arrays import read_arrays, read_metadata
from .latest import NO_SET, PARTS, read_pointer

_logger = logging.getLogger(__name__)

# The network whose files bear no name of their own.
MODEL = "model"
_STEP = re.compile(r"step_(\d+)\.(?:\w+\.)*safetensors")


@dataclass(frozen=True)
class Saved:
    """A checkpoint read back.

    Attributes:
        step: optimizer steps made.
        networks: network to part (weights, ema, state) to name to array; a part that was not saved is None.
        metadata: text values that were written into its files.
    """

    step: int
    networks: dict
    metadata: dict


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are.
        keep: last sets kept; older ones are removed, but for the best.
        metadata: text values written into every file.
        writes: whether this process writes and removes files; others only keep count of what there is.
        needed: network to the parts that a run cannot go on without; None: the model's weights and state.

    Attributes:
        step: of the last whole set; None where there is none.
        evaluated: the last step whose evaluation is on record; None before the first.
        best: the best set so far, a dict with step, metric, value, and the file names weights and ema; None without one.
        mended: whether the last whole set is another than latest.json names, because that or its own files are lost: then `mend` comes before
            anything else is written.
    """

    def __init__(self, folder, keep, metadata=None, writes=True, needed=None):
        self.folder = Path(folder)
        self.keep = keep
        self.writes = writes
        self.metadata = dict(metadata or {})
        self.needed = needed or {MODEL: ("weights", "state")}
        self._lost = ""
        self._latest = self._pointer()
        self.step = self._latest["step"]
        self.evaluated = self._latest.get("evaluated", self.step)
        self.best = self._latest.get("best")
        self.mended = False

    @property
    def used(self):
        """Whether the folder holds a run's checkpoints, whole or not."""
        return self.step is not None or bool(self._lost)

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

    def begin(self):
        """Notes that a run is here that has saved nothing yet.

        Raises:
            UserError: the folder cannot be written.
        """
        self._write_pointer()

    def latest(self):
        """The last whole set: the one that latest.json names, or where that or its files are lost, the newest that can be read.

        Returns:
            Saved, or None where the folder holds no checkpoint.

        Raises:
            UserError: there were checkpoints, and none of them is whole.
        """
        if not self.used:
            return None
        failures = [self._lost] if self._lost else []
        for step, files in self._candidates():
            try:
                saved = self._read(step, files)
            except UserError as error:
                failures.append(str(error))
                continue
            if failures:
                _logger.warning("%s; going on from step %d, the newest checkpoint that is whole", "; ".join(failures), step)
                self.step, self._latest, self.mended = step, files, True
            return saved
        raise UserError(
            f"{'; '.join(failures)}; no other checkpoint in {self.folder} is whole, and a run goes on from a whole one: "
            "bring the files back from a copy, or start afresh with another --output_path"
        )

    def mend(self, best):
        """Has latest.json name the set that `latest` gave in place of one that is lost. Removes nothing.

        Args:
            best: the best evaluation up to it that has a checkpoint, a dict with step, metric and value; None without one.

        Raises:
            UserError: the folder cannot be written.
        """
        self.best = best and {**best, **{part: self._existing(best["step"], MODEL)[part] for part in ("weights", "ema")}}
        self._write_pointer()

    def holds(self, step):
        """Whether a set of this step has everything that is needed."""
        return all(self._existing(step, network)[part] for network, parts in self.needed.items() for part in parts)

    def clean(self):
        """Removes what a killed run left half done: temporary files, and sets that were begun after the last whole one."""
        if not self.writes:
            return
        remove_temporaries(self.folder)
        if self.mended:  # a later set is not half done, but one that could not be read
            return
        for step, paths in self._sets().items():
            if self.step is not None and step > self.step:
                _remove(paths)

    def _write_parts(self, step, network, parts):
        """Part to file name, None for a part that there is not."""
        files = dict.fromkeys(PARTS)
        for part in PARTS:
            arrays = parts.get(part)
            if arrays is not None:
                files[part] = _file_name(step, network, part)
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
        self._write_pointer()
        sets = self._sets()
        # A later step than the last is not ours to judge: this run will come to it and write it anew.
        past = sorted(step for step in sets if step <= self.step)
        for step in past[: -self.keep]:
            if self.best is None or step != self.best["step"]:
                _remove(sets[step])

    def _write_pointer(self):
        if not self.writes:
            return
        latest = {**self._latest, "step": self.step, "evaluated": self.evaluated, "best": self.best}
        with replacing(self.folder / "latest.json") as temporary:
            temporary.write_text(json.dumps(latest, indent=1) + "\n", encoding="utf-8")

    def _pointer(self):
        """The content of latest.json; notes in `_lost` where it says nothing of the files beside it."""
        path = self.folder / "latest.json"
        try:
            if path.exists():
                return read_pointer(path)
            self._lost = f"{path} is missing, which names a run's last checkpoint" if self._sets() else ""
        except UserError as error:
            self._lost = str(error)
        return NO_SET

    def _candidates(self):
        """(step, files as latest.json has them) of what a run may go on from, the newest first."""
        if self.step is not None:
            yield self.step, self._latest
        for step in sorted(self._sets(), reverse=True):
            # A later set than latest.json names was not written to its end.
            if self.holds(step) and (self.step is None or step < self.step):
                files = {network: self._existing(step, network) for network in self.needed}
                yield step, {**files.pop(MODEL), "networks": files}

    def _existing(self, step, network):
        """Part to file name, None for a part that is not there."""
        names = {part: _file_name(step, network, part) for part in PARTS}
        return {part: name if (self.folder / name).is_file() else None for part, name in names.items()}

    def _read(self, step, files):
        networks = {
            network: {part: read_arrays(self.folder / names[part], remedy=None) if names[part] else None for part in PARTS}
            for network, names in {MODEL: files, **files.get("networks", {})}.items()
        }
        return Saved(step, networks, read_metadata(self.folder / files["weights"]))

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


def _file_name(step, network, part):
    owner = () if network == MODEL else (network,)
    return ".".join([f"step_{step:08d}", *owner, *(() if part == "weights" else (part,)), "safetensors"])
