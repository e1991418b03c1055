"""PyTorch's pickles, which are never opened: one can run any code on the machine that opens it."""

from __future__ import annotations

from pathlib import Path

from mindone_tae.zoo.errors import UserError

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle")
# A zip archive, which torch.save writes, and the opcodes that a bare pickle of protocol 2 to 5 begins with.
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def refuse_pickle(path: Path) -> None:
    """Raises UserError, which says how to convert the file where it is trusted."""
    target = path.with_suffix(".safetensors").name
    raise UserError(
        f"{path}: it is a PyTorch pickle, which can run code when opened, so it is not read; weights come as .safetensors or MindSpore's "
        f".ckpt: convert it where torch is installed, in Python: import torch, safetensors.torch; w = torch.load({path.name!r}, "
        "map_location='cpu', weights_only=True); w = w.get('state_dict', w); "
        f"safetensors.torch.save_file({{k: v.contiguous() for k, v in w.items()}}, {target!r})"
    )


def looks_pickled(start: bytes) -> bool:
    """Whether a file that begins so may be a pickle; older PyTorch weights are called .ckpt too."""
    return start.startswith(_PICKLE_STARTS)
