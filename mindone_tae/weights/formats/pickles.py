"""Recognizes PyTorch's pickles by their first bytes; `torch` reads them without running anything in them."""

from __future__ import annotations

from pathlib import Path

from mindone_tae.zoo.errors import UserError

TORCH_SUFFIXES = (".bin", ".pt", ".pth")
# A zip archive, which torch.save writes, and the opcodes that a bare pickle of protocol 2 to 5 begins with.
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def misnamed_pickle(path: Path) -> UserError:
    """The error for a pickle under the name of another format."""
    return UserError(
        f"{path}: it is a PyTorch pickle and no {path.suffix} file: "
        "rename it to end in .pt, and it is read without running what it holds"
    )


def looks_pickled(start: bytes) -> bool:
    """Whether a file that starts with these bytes may be a pickle; older PyTorch weights end in .ckpt too."""
    return start.startswith(_PICKLE_STARTS)
