"""PyTorch's files of LPIPS's weights made into the one that LPIPS is read from; neither PyTorch nor MindSpore is needed."""

import numpy as np
from safetensors.numpy import save_file

from mindone_tae.weights.formats.torch import open_torch
from mindone_tae.zoo.atomic_file import replacing
from mindone_tae.zoo.errors import UserError

from .weights_file import STAGES, shapes

_FROM = {"vgg": "torchvision's VGG16 (vgg16-397923af.pth)", "linear": "the linear layers (weights/v0.1/vgg.pth of the lpips package)"}


def convert_lpips(vgg, linear, target):
    """Writes one safetensors file of VGG16's convolutions and LPIPS's linear layers, float32.

    Args:
        vgg: torchvision's file of VGG16; its classifier is left out.
        linear: the lpips package's file of linear layers, version 0.1.
        target: file to write, ending in .safetensors.

    Returns:
        Number of tensors written.

    Raises:
        UserError: a file is missing, damaged, holds more than tensors, or lacks a tensor; all that are lacking are listed.
    """
    if not str(target).endswith(".safetensors"):
        raise UserError(f"the target is {str(target)!r}; it must end in .safetensors: name it lpips_vgg.safetensors")
    sources = {"vgg": open_torch(vgg), "linear": open_torch(linear)}
    wanted, faults, arrays = shapes(), [], {}
    for name, (part, stored_name) in _origins().items():
        stored = sources[part]
        tensor = stored.tensors.get(stored_name)
        if tensor is None:
            faults.append(f"{stored.path} has no {stored_name}, which {_FROM[part]} has")
        elif tensor.shape != wanted[name]:
            faults.append(f"{stored_name} of {stored.path} is {tensor.shape}, must be {wanted[name]}")
    if faults:
        raise UserError(f"{'; '.join(faults)}: give the two files by --vgg and --linear as they were published")
    for name, (part, stored_name) in _origins().items():
        arrays[name] = sources[part].tensors[stored_name].read().astype(np.float32)
    with replacing(target) as temporary:
        save_file(arrays, temporary)
    return len(arrays)


def _origins():
    """Name in the target -> (which file, name in it)."""
    origins = {}
    for stage, layers in enumerate(STAGES, start=1):
        for layer in layers:
            for kind in ("weight", "bias"):
                origins[f"net.slice{stage}.{layer}.{kind}"] = ("vgg", f"features.{layer}.{kind}")
        name = f"lin{stage - 1}.model.1.weight"
        origins[name] = ("linear", name)
    return origins
