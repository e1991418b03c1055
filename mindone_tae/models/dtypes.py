"""The types a model can compute in, by name."""

import mindspore as ms

_NAMES = {
    "float32": ms.float32,
    "fp32": ms.float32,
    "float16": ms.float16,
    "fp16": ms.float16,
    "bfloat16": ms.bfloat16,
    "bf16": ms.bfloat16,
}


def compute_dtype(dtype):
    """The MindSpore type of a name, or of itself, that the current device computes in.

    Args:
        dtype: "float32", "float16", "bfloat16", their short names "fp32", "fp16", "bf16", or a MindSpore type.

    Returns:
        A MindSpore type.

    Raises:
        ValueError: for another name, and for bfloat16 on a CPU, where MindSpore has no kernels for it.
    """
    found = _NAMES.get(dtype) if isinstance(dtype, str) else dtype
    if found not in set(_NAMES.values()):
        raise ValueError(f"dtype is {dtype!r}; it must be float32, float16 or bfloat16: use one of those")
    if found == ms.bfloat16 and ms.get_context("device_target") == "CPU":
        raise ValueError("dtype is bfloat16; MindSpore computes no bfloat16 convolution on a CPU: use float32 there")
    return found
