"""latest.json, which says of a run's checkpoints which set is the last whole one; see `checkpoints`, which writes it."""

import json
from pathlib import Path

from ..errors import UserError

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
        for part in PARTS:
            if not isinstance(latest[part], (str, type(None))):
                raise TypeError(f"{part} is {latest[part]!r}")
        if latest["step"] is not None or latest["weights"] is not None:
            latest["step"] = int(latest["step"])
            if latest["weights"] is None:
                raise TypeError(f"step is {latest['step']} and weights is None")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); it must name a checkpoint's files: train --resume writes it anew") from error
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
            latest = read_pointer(folder / "latest.json")
            if latest["step"] is None:
                raise UserError(f"{path} holds a run that has saved no checkpoint yet; it must hold one: wait, or go on with it by --resume")
            return folder / (latest["ema"] or latest["weights"])
    raise UserError(f"{path} holds no weights; it must be a .safetensors file or a run's folder: check --ckpt_path")
