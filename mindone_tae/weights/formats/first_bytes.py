"""Recognizes a file's format by its first bytes, whatever its name."""

from __future__ import annotations

import re
from pathlib import Path

from mindone_tae.zoo.errors import UserError

TORCH_SUFFIXES = (".bin", ".pt", ".pth")
# By suffix, a format's name and what its files begin with.
_FORMATS = {
    # the header's length, below 4 GB, and its brace
    ".safetensors": (".safetensors file", re.compile(rb".{4}\0{4}\{", re.DOTALL)),
    # a zip archive, or the opcode that a bare pickle of protocol 2 to 5 begins with
    ".pt": ("file of torch.save", re.compile(rb"PK\x03\x04|\x80[\x02-\x05]")),
    # the first entry's length, and then its name
    ".ckpt": (".ckpt file of MindSpore", re.compile(rb"\n[\x80-\xff]*[\x00-\x7f]\n")),
}
_START_BYTES = 16


def looks_pickled(start: bytes) -> bool:
    """Whether a file that starts with these bytes may be PyTorch's; its older weights end in .ckpt too."""
    return bool(_FORMATS[".pt"][1].match(start))


def damaged(suffix: str, path: Path, what: str) -> UserError:
    """The error for a file that cannot be read as one of a format, or is of another and misnamed.

    Args:
        suffix: of the format it was read as.
        path: the file.
        what: is wrong with it.
    """
    with open(path, "rb") as file:
        start = file.read(_START_BYTES)
    if start.startswith(b"version "):
        return UserError(f"{path}: it is a Git LFS pointer and not the weights: fetch them with git lfs pull")
    held = next((ending for ending, (_, marks) in _FORMATS.items() if marks.match(start)), suffix)
    name = _FORMATS[held][0]
    if held != suffix:
        return UserError(f"{path}: it is a {name} and no {path.suffix} file: rename it to end in {held}")
    return UserError(f"{path}: not a whole {name}: {what}: download or copy it again")
