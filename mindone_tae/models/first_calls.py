"""Says so before a network's first call of a shape in graph mode: it compiles, and nothing moves meanwhile."""

import logging
from contextlib import contextmanager

import mindspore as ms

_logger = logging.getLogger(__name__)


@contextmanager
def _log(what):
    # a warning, as it must be seen in a notebook that has set up no log
    _logger.warning("compiling %s: as a rule 5 s to 2 minutes; later calls of this shape start at once", what)
    yield


# How it is said: a context manager around the call. The command line puts its own there.
show = _log


def call(network, part, x, seen):
    """A network's value at x.

    Args:
        network: a callable.
        part: "encode" or "decode".
        x: Tensor.
        seen: set of the calls that are compiled, kept by the caller.
    """
    key = part, tuple(x.shape), str(x.dtype)
    if key in seen or ms.get_context("mode") != ms.GRAPH_MODE:
        return network(x)
    seen.add(key)
    with show(f"the {part[:-1]}er for {'x'.join(map(str, x.shape))}"):
        return network(x)
