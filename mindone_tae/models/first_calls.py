"""Announces the first call of each shape in graph mode, which compiles before it computes."""

import logging
from contextlib import contextmanager

import mindspore as ms

_logger = logging.getLogger(__name__)


@contextmanager
def _log(what):
    # a warning, so that a notebook without logging set up shows it
    _logger.warning("compiling %s: as a rule 5 s to 2 minutes; later calls of this shape start at once", what)
    yield


# Context manager around a call that compiles. The command line replaces it with its own.
show = _log


def call(network, part, phase, x, seen):
    """Calls network(x), inside `show` if the call compiles.

    Args:
        network: a callable.
        part: "encode" or "decode".
        phase: the encoder's or decoder's; MindSpore compiles a graph for each.
        x: Tensor.
        seen: set of the calls compiled so far, kept by the caller; gets this one.
    """
    key = part, phase, tuple(x.shape), str(x.dtype)
    if key in seen or ms.get_context("mode") != ms.GRAPH_MODE:
        return network(x)
    seen.add(key)
    with show(f"the {part[:-1]}er for {'x'.join(map(str, x.shape))}"):
        return network(x)
