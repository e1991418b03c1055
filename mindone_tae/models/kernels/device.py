"""Which form the kernels take, asked when a network first runs: that of a CPU, or the portable one for every other device.

The portable form consists of MindSpore's own operators with their own gradients, which each device has kernels of its own for. The CPU's
replaces those that are slow there.
"""

import contextlib

import mindspore as ms
from mindspore.ops import PrimitiveWithInfer, constexpr

_forced = []  # "portable" for each `portable()` that is open


@contextlib.contextmanager
def portable():
    """Within it kernels take the portable form on a CPU too, for exporting and for tests.

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


class _Compiling(PrimitiveWithInfer):
    """True while a graph is compiled, which infers it; False in plain Python, which calls it."""

    def __init__(self):
        super().__init__("compiling")
        self.set_const_prim(True)
        self.add_prim_attr("constexpr_prim", True)

    def __infer__(self):
        return {"dtype": None, "shape": None, "value": True}

    def __call__(self):
        return False


compiling = _Compiling()
