"""Checkpoints: weights that anything can load, and beside them the state that a resumed run needs.

    checkpoints/step_00000300.safetensors         the model's weights, under its own parameter names
    checkpoints/step_00000300.ema.safetensors     their moving average, where the recipe asks for one
    checkpoints/step_00000300.state.safetensors   optimizer, loss scale, EMA's counter
    checkpoints/latest.json                       which of them is the last whole set

latest.json is moved into place after the files it names, so that a kill at any moment leaves a whole set.
"""

import json
import re
from pathlib import Path

import numpy as np

import mindspore as ms
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from .atomic_file import replacing
from .errors import UserError

_STEP = re.compile(r"step_(\d+)\.(?:state\.|ema\.)?safetensors")


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are.
        keep: sets kept; older ones are removed.
        metadata: text values written into every weights file.
    """

    def __init__(self, folder, keep, metadata=None):
        self.folder = Path(folder)
        self.keep = keep
        self.metadata = dict(metadata or {})

    def save(self, step, weights, ema, state):
        """Writes one set and removes the oldest.

        Args:
            step: optimizer steps made.
            weights: name to array.
            ema: name to array, or None.
            state: name to array.

        Returns:
            The path of the weights.

        Raises:
            UserError: the folder cannot be written.
        """
        stem = f"step_{step:08d}"
        parts = {"weights": (f"{stem}.safetensors", weights), "ema": (f"{stem}.ema.safetensors", ema)}
        parts["state"] = (f"{stem}.state.safetensors", state)
        latest = {"step": step}
        for part, (name, arrays) in parts.items():
            latest[part] = name if arrays is not None else None
            if arrays is not None:
                with replacing(self.folder / name) as temporary:
                    save_file(arrays, temporary, {**self.metadata, "step": str(step), "content": part})
        with replacing(self.folder / "latest.json") as temporary:
            temporary.write_text(json.dumps(latest) + "\n", encoding="utf-8")
        self._remove_old()
        return self.folder / latest["weights"]

    def latest(self):
        """The last whole set.

        Returns:
            step, weights, ema (or None) and state; or None where the folder holds no checkpoint.

        Raises:
            UserError: a file of the set is missing or damaged.
        """
        pointer = self.folder / "latest.json"
        if not pointer.exists():
            return None
        try:
            latest = json.loads(pointer.read_text(encoding="utf-8"))
            names = [latest["weights"], latest["ema"], latest["state"]]
            step = int(latest["step"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{pointer} is damaged ({error}); it must name a checkpoint's files: remove it to start afresh") from error
        return (step, *(read_arrays(self.folder / name) if name else None for name in names))

    def _remove_old(self):
        files = {}
        for path in self.folder.glob("step_*.safetensors"):
            match = _STEP.fullmatch(path.name)
            if match:
                files.setdefault(int(match[1]), []).append(path)
        for step in sorted(files)[: -self.keep]:
            for path in files[step]:
                path.unlink(missing_ok=True)


def read_arrays(path):
    """Name to array of a safetensors file.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read: {error}; it must be a whole safetensors file: use an earlier checkpoint") from error


def arrays_of(parameters, rename=lambda name: name):
    """Name to array of parameters."""
    return {rename(parameter.name): np.atleast_1d(parameter.asnumpy()).reshape(parameter.shape) for parameter in parameters}


def restore(parameters, arrays, source, rename=lambda name: name):
    """Sets parameters from arrays; every one must be there with its shape.

    Args:
        parameters: MindSpore parameters.
        arrays: name to array.
        source: what the arrays came from, for the error.
        rename: from a parameter's name to the array's.

    Raises:
        UserError: names or shapes do not match; all of them are listed.
    """
    parameters = list(parameters)
    problems = []
    for parameter in parameters:
        found = arrays.get(rename(parameter.name))
        if found is None:
            problems.append(f"{rename(parameter.name)} is missing")
        elif tuple(found.shape) != tuple(parameter.shape):
            problems.append(f"{rename(parameter.name)} is {found.shape}, the model has {tuple(parameter.shape)}")
    if problems:
        shown = "; ".join(problems[:10]) + (f"; and {len(problems) - 10} more" if len(problems) > 10 else "")
        raise UserError(f"{source} does not fit this recipe: {shown}: use the recipe it was made with, or start afresh in another folder")
    for parameter in parameters:
        value = arrays[rename(parameter.name)]
        parameter.set_data(ms.Tensor(value, dtype=parameter.dtype))


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
            latest = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
            return folder / (latest["ema"] or latest["weights"])
    raise UserError(f"{path} holds no weights; it must be a .safetensors file or a run's folder: check --ckpt_path")
