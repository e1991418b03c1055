"""Where recipes are found: by path, or by name among those that come with the package."""

import os
from pathlib import Path

from ..errors import UserError, did_you_mean, listed

_PACKAGE = Path(__file__).resolve().parents[2]
_SUFFIXES = (".yaml", ".yml")
_MOST_BYTES = 10**6


def recipe_names() -> list[str]:
    """The names of the recipes that come with the package, such as "tae/train/tiny_64x64x8", sorted."""
    return sorted(_known())


def purpose(name: str) -> str:
    """The first line of a recipe's opening comment, its purpose; "" without a comment."""
    first = read_recipe(find_recipe(name)).partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def find_recipe(name_or_path: str | Path) -> Path:
    """The file of a recipe.

    Args:
        name_or_path: a path; or a name, with or without ".yaml" or a leading "configs/".

    Returns:
        pathlib.Path of a file.

    Raises:
        UserError: neither a file nor a known name.
    """
    path = Path(os.path.expanduser(name_or_path))  # not Path.expanduser, which raises RuntimeError for an unknown user
    if path.is_file():
        return path
    known = _known()
    name = path.with_suffix("").as_posix() if path.suffix in _SUFFIXES else path.as_posix()
    name = name.removeprefix("configs/")
    if name not in known:
        if (path / "config.yaml").is_file():
            raise UserError(f"'{name_or_path}' is the folder of a run: give its recipe, {path / 'config.yaml'}")
        what = "a folder, not a recipe" if path.is_dir() else "neither a file nor the name of a recipe"
        holding = [full for full in sorted(known) if name and name.lower() in full.lower()]
        near = did_you_mean(name, known)
        if holding:
            near = "; did you mean " + " or ".join(f"'{full}'" for full in holding) + "?"
        raise UserError(f"'{name_or_path}' is {what}{near} (names: {listed(sorted(known))})")
    return known[name]


def read_recipe(path: Path) -> str:
    """The text of a recipe's file.

    Raises:
        UserError: it cannot be read, or is not UTF-8.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(
                f"{path}: it has {path.stat().st_size} bytes; a recipe has at most {_MOST_BYTES}: give a recipe"
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _folders():
    """`configs` inside the installed package, then beside it in a source checkout."""
    yield _PACKAGE / "configs"
    # Only beside our own setup.cfg: beside an installed package, `configs` would be somebody else's.
    if (_PACKAGE.parent / "setup.cfg").is_file():
        yield _PACKAGE.parent / "configs"


def _known():
    known = {}
    for folder in _folders():
        for suffix in _SUFFIXES:
            for path in folder.rglob(f"*{suffix}"):
                known.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return known
