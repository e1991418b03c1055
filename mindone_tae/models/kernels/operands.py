"""The types that kernels are called with, whatever MindSpore's mixed precision, put around a network, has cast."""

import mindspore as ms
from mindspore import ops

_LOWER = (ms.float16, ms.bfloat16)


def operands(dtype, x, *parameters):
    """What a layer gives a kernel, which computes in x's type.

    `amp.auto_mixed_precision`, `amp.custom_mixed_precision` and `to_float` cast the inputs and parameters of cells to a lower type, in graph
    mode and PyNative mode in different places. A layer of float32 follows them in x, as they ask for.

    Args:
        dtype: the layer's type to compute in.
        x: any floating type.
        *parameters: the layer's own.

    Returns:
        x in the type to compute in, and the parameters in float32.
    """
    computed = x.dtype if dtype == ms.float32 and x.dtype in _LOWER else dtype
    return (ops.cast(x, computed), *[ops.cast(parameter, ms.float32) for parameter in parameters])
