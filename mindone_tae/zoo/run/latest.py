"""latest.json, which says of a run's checkpoints which set is the last whole one; see `checkpoints`, which writes it."""

import json
import os
from pathlib import Path

from ..errors import UserError
from ..printable import shown

# The files of a set, which stand under these names.
PARTS = ("weights", "ema", "state")
# What it says before the first set.
NO_SET = dict.fromkeys(("step", *PARTS))


def read_pointer(path):
    """The content of latest.json; with a step of None before the first checkpoint.

    Raises:
        UserError: it is damaged.
    """
    try:
        latest = json.loads(path.read_text(encoding="utf-8"))
        _check(latest)
        for files in latest.get("networks", {}).values():
            _check_files(files, PARTS)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is damaged ({what}); it must name a checkpoint's files: train --resume writes it anew") from error
    return latest


def _check(latest):
    """Raises an error of any kind for what no run writes."""
    _check_files(latest, PARTS)
    step, best = latest["step"], latest.get("best")
    if not all(value is None or type(value) is int and value >= 0 for value in (step, latest.get("evaluated"))):
        raise ValueError(f"step is {shown(step)}, evaluated {shown(latest.get('evaluated'))}")
    if (step is None) != (latest["weights"] is None):
        raise ValueError(f"step is {step}, weights {shown(latest['weights'])}")
    if best is not None:
        _check_files(best, ("weights", "ema"))
        if type(best["step"]) is not int or not isinstance(best["metric"], str) or type(best["value"]) not in (int, float):
            raise ValueError(f"best is {shown(best)}")


def _check_files(files, parts):
    for part in parts:
        name = files[part]
        if name is not None and (not isinstance(name, str) or os.path.basename(name) != name or not name):
            raise ValueError(f"{part} is {shown(name)}")


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
            latest = read_pointer(folder / "latest.json")
            if latest["step"] is None:
                raise UserError(f"{path} holds a run that has saved no checkpoint yet; it must hold one: wait, or go on with it by --resume")
            return folder / (latest["ema"] or latest["weights"])
    raise UserError(f"{path} holds no weights; it must be a .safetensors file or a run's folder: check --ckpt_path")
