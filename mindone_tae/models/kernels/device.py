"""Which form the kernels take, the CPU's or the portable one for all other devices; decided when a network first runs.

The portable form consists of MindSpore's operators with their own gradients, which every device implements. The CPU's
form replaces those that are slow on a CPU. With MindSpore 2.9 and later a CPU's form is "products": convolutions of 3x3
are slow there, and pointwise ones and matrix products take their place.
"""

import contextlib
import logging

import mindspore as ms
from mindspore.ops import PrimitiveWithInfer, constexpr

_logger = logging.getLogger(__name__)
_SLOW_CONVOLUTIONS = tuple(int(part) for part in ms.__version__.split(".")[:2]) >= (2, 9)
_forced = []  # of each `form()` that is open, its name
_warned = []


@contextlib.contextmanager
def form(name):
    """Context in which kernels take this form, whatever the device and the version.

    A graph keeps the form it was compiled in: open this before a network's first run, or around `mindspore.export`.

    Args:
        name: "cpu", "products" or "portable".
    """
    _forced.append(name)
    try:
        yield
    finally:
        _forced.pop()


def portable():
    """Context in which kernels take the portable form on a CPU too, for exporting and for tests; see `form`."""
    return form("portable")


@constexpr(reuse_result=False)
def on_cpu():
    """Whether kernels take a CPU's form."""
    return _form() != "portable"


@constexpr(reuse_result=False)
def as_products():
    """Whether convolutions of several taps are computed as matrix products; the first time, a warning says why."""
    if _form() != "products":
        return False
    if not _forced and not _warned:
        _warned.append(True)
        _logger.warning(
            "MindSpore %s has no fast 3x3 convolution on a CPU; products take its place: mindspore==2.8.0 is faster",
            ms.__version__,
        )
    return True


def _form():
    if _forced:
        return _forced[-1]
    if ms.get_context("device_target") != "CPU":
        return "portable"
    return "products" if _SLOW_CONVOLUTIONS else "cpu"


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
