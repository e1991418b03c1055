"""Casts of a layer's input and parameters to the types kernels expect, also under MindSpore's mixed precision.

`amp.auto_mixed_precision`, `amp.custom_mixed_precision` and `to_float` cast inputs and parameters of cells to a lower
type, at different places in graph mode and in PyNative mode.

One function for each tensor, without lists: a list comprehension over the parameters of each layer was half of all
functions that the compiler specialized for the network.
"""

import mindspore as ms
from mindspore import ops

_cast = ops.Cast()


def computed(x, dtype):
    """A layer's input in the type that the layer computes in.

    Args:
        x: any floating type.
        dtype: the layer's. A float32 layer whose x was cast to a lower type computes in that.

    Returns:
        x in `dtype`, or as it is.
    """
    if dtype == ms.float32 and (x.dtype == ms.float16 or x.dtype == ms.bfloat16):
        return x
    return _cast(x, dtype)


def float32(parameter):
    """A layer's parameter as kernels take it."""
    return _cast(parameter, ms.float32)
