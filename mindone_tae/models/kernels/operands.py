"""Casts of a layer's input and parameters to the types kernels expect, also under MindSpore's mixed precision."""

import mindspore as ms
from mindspore import ops

_LOWER = (ms.float16, ms.bfloat16)


def operands(dtype, x, *parameters):
    """The arguments of a kernel, which computes in x's type.

    `amp.auto_mixed_precision`, `amp.custom_mixed_precision` and `to_float` cast inputs and parameters of cells to a
    lower type, at different places in graph mode and in PyNative mode. A float32 layer whose x was cast so computes in
    that lower type.

    Args:
        dtype: the layer's type to compute in.
        x: any floating type.
        *parameters: the layer's own.

    Returns:
        x in the type to compute in, and the parameters in float32.
    """
    computed = x.dtype if dtype == ms.float32 and x.dtype in _LOWER else dtype
    return (ops.cast(x, computed), *[ops.cast(parameter, ms.float32) for parameter in parameters])
