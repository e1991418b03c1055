"""The file LPIPS is read from: which tensors it holds, and how to make one."""

from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, deserialize

from mindone_tae.zoo.errors import UserError

# VGG16's convolutions as the `lpips` package numbers them, stage by stage, and each stage's width.
STAGES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
WIDTHS = (64, 128, 256, 512, 512)

# The package saves its linear layers twice, and the two constants of the input scaling.
_IGNORED = ("lins.", "scaling_layer.")

_DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}

_VGG = "https://download.pytorch.org/models/vgg16-397923af.pth"
_LINEAR = "lpips/weights/v0.1/vgg.pth of https://github.com/richzhang/PerceptualSimilarity"


def how_to_get(key):
    """One sentence on making the file and naming it in a recipe.

    Args:
        key: the recipe's key that points at it.
    """
    return (
        f"download {_VGG} and {_LINEAR}, run python tools/convert_lpips.py --vgg vgg16-397923af.pth --linear vgg.pth "
        f"--target lpips_vgg.safetensors (in this package's source; it needs no PyTorch), and set {key} to the file it writes"
    )


def shapes():
    """Name to shape of every tensor in the file, named as in `lpips.LPIPS(net='vgg').state_dict()`."""
    named = {}
    before = 3
    for stage, (layers, width) in enumerate(zip(STAGES, WIDTHS), start=1):
        for layer in layers:
            named[f"net.slice{stage}.{layer}.weight"] = (width, before, 3, 3)
            named[f"net.slice{stage}.{layer}.bias"] = (width,)
            before = width
        named[f"lin{stage - 1}.model.1.weight"] = (1, width, 1, 1)
    return named


def read(path, key):
    """Read LPIPS's weights (VGG16, v0.1) from a safetensors file.

    Args:
        path: file with the tensors of `lpips.LPIPS(net='vgg').state_dict()`, float32, float16 or bfloat16; None: none was named.
        key: the recipe's key that points at it, for the errors.

    Returns:
        dict of name to float32 array, shaped as in the file.

    Raises:
        UserError: if there is no such file, it is no safetensors file, or any tensor is missing, misshapen or left over.
    """
    if path is None:
        raise UserError(f"{key} is not set; LPIPS needs its weights: {how_to_get(key)}")
    if not Path(path).is_file():
        raise UserError(f"{key} is {str(path)!r}; no such file is there: {how_to_get(key)}")
    try:
        tensors = dict(deserialize(Path(path).read_bytes()))
    except SafetensorError as error:
        raise UserError(f"{key} is {str(path)!r}; it must be a safetensors file ({error}): {how_to_get(key)}") from error

    wanted = shapes()
    faults = [f"{name} is missing" for name in wanted if name not in tensors]
    weights = {}
    for name, tensor in tensors.items():
        if name.startswith(_IGNORED):
            continue
        shape = tuple(tensor["shape"])
        if name not in wanted:
            faults.append(f"{name} is unknown")
        elif shape != wanted[name]:
            faults.append(f"{name} is {shape}, must be {wanted[name]}")
        elif tensor["dtype"] not in _DTYPES:
            faults.append(f"{name} is {tensor['dtype']}, must be one of {', '.join(_DTYPES)}")
        else:
            # By hand, for bfloat16: NumPy alone does not know it, so neither does safetensors' own reader.
            raw = np.frombuffer(bytes(tensor["data"]), _DTYPES[tensor["dtype"]])
            weights[name] = raw.reshape(shape).astype(np.float32)
    if faults:
        raise UserError(
            f"{key} is {str(path)!r}; it must hold LPIPS's VGG16 weights and no others, but {'; '.join(faults)}: {how_to_get(key)}"
        )
    return weights
