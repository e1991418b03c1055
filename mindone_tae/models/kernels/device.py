"""Which form the kernels take, the CPU's or the portable one for all other devices; decided when a network first runs.

The portable form consists of MindSpore's operators with their own gradients, which every device implements. The CPU's
form replaces those that are slow on a CPU.
"""

import contextlib

import mindspore as ms
from mindspore.ops import PrimitiveWithInfer, constexpr

_forced = []  # "portable" for each `portable()` that is open


@contextlib.contextmanager
def portable():
    """Context in which kernels take the portable form on a CPU too, for exporting and for tests.

    A graph keeps the form it was compiled in: open this before a network's first run, or around `mindspore.export`.
    """
    _forced.append("portable")
    try:
        yield
    finally:
        _forced.pop()


@constexpr(reuse_result=False)
def on_cpu():
    """Whether kernels take the CPU's form."""
    return not _forced and ms.get_context("device_target") == "CPU"


def has_kernels_of(dtype):
    """Whether the current device computes in this type: MindSpore's CPU kernels lack bfloat16."""
    return dtype != ms.bfloat16 or ms.get_context("device_target") != "CPU"


class _Compiling(PrimitiveWithInfer):
    """True in a graph, where the compiler infers its value; False in plain Python, where it is called."""

    def __init__(self):
        super().__init__("compiling")
        self.set_const_prim(True)
        self.add_prim_attr("constexpr_prim", True)

    def __infer__(self):
        return {"dtype": None, "shape": None, "value": True}

    def __call__(self):
        return False


compiling = _Compiling()
