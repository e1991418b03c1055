"""The types a model can compute in, by name."""

import mindspore as ms
from mindspore import ops

from ..kernels.device import has_kernels_of

_NAMES = {
    "float32": ms.float32,
    "fp32": ms.float32,
    "float16": ms.float16,
    "fp16": ms.float16,
    "bfloat16": ms.bfloat16,
    "bf16": ms.bfloat16,
}
_FLOATING = (ms.float32, ms.float16, ms.bfloat16, ms.float64)
# Pixels lie within 1 and latents within about 10, so no real input reaches this bound. Activations between the norms
# scale with the input; from this bound they may grow 64-fold before they pass float16's maximum, 65504.
_FLOAT16_BOUND = 1024.0


def compute_dtype(dtype, name="dtype"):
    """The MindSpore type of a name, or of itself, that the current device computes in.

    Args:
        dtype: "float32", "float16", "bfloat16", their short names "fp32", "fp16", "bf16", or a MindSpore type.
        name: what the user calls it, for the error.

    Returns:
        A MindSpore type.

    Raises:
        ValueError: for another name, and for bfloat16 on a CPU, where MindSpore has no kernels for it.
    """
    found = _NAMES.get(dtype) if isinstance(dtype, str) else dtype
    if found not in list(_NAMES.values()):
        raise ValueError(f"{name} is {dtype!r}; it must be float32, float16 or bfloat16: use one of those")
    if not has_kernels_of(found):
        raise ValueError(
            f"{name} is bfloat16; MindSpore computes no bfloat16 convolution, norm or matmul on a CPU: "
            "use float32 there, or float16"
        )
    return found


def check_floating(x, name):
    """Raises ValueError unless x is a Tensor of a floating type."""
    if x.dtype not in _FLOATING:
        raise ValueError(
            f"{name} holds {x.dtype}; it must be a Tensor of a floating type: give "
            f"mindspore.Tensor({name}, mindspore.float32), and for bytes that / 127.5 - 1"
        )


def network_input(x, dtype):
    """Casts pixels or latents to the type a network computes in.

    Args:
        x: any shape and floating type.
        dtype: the type computed in. For float16, values are clamped to [-1024, 1024]: larger ones overflow to infinity
            inside the network, and the next norm turns infinity into NaN.

    Returns:
        The same shape, of that type.

    Raises:
        ValueError: x is not floating, such as pixels from 0 to 255.
    """
    check_floating(x, "x")
    if dtype == ms.float16:
        x = ops.clamp(x, -_FLOAT16_BOUND, _FLOAT16_BOUND)
    return ops.cast(x, dtype)
