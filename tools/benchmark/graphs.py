"""Counts a compiled graph's transposes, operators and bytes moved, from the text that MindSpore writes of it.

Bytes are those of the tensors each operator reads and writes; an estimate of memory traffic, not a measurement.
Operators that move nothing (a reshape, a tuple, control) are left out.
"""

import math
import re
from pathlib import Path

_BYTES = {"Float32": 4, "Float16": 2, "BFloat16": 2, "Int32": 4, "Int64": 8, "Bool": 1, "UInt8": 1, "Float64": 8}
_STILL = (
    "Reshape",
    "MakeTuple",
    "TupleGetItem",
    "Return",
    "Depend",
    "Load",
    "UpdateState",
    "StopGradient",
    "ExpandDims",
    "Squeeze",
)
_NODE = re.compile(r"^\s*%\d+\(\w+\) = (?:PrimFunc_)?(\w+)\(")
_TENSOR = re.compile(r"Tensor\[(\w+)\]\]?, \(([\d, ]*)\)")


def final_graphs(folder):
    """The text of each graph in a folder as it runs."""
    return sorted(Path(folder).rglob("graph_build_*.ir"))


def tensor_bytes(text):
    """Bytes of every tensor type written out in a line."""
    total = 0
    for kind, shape in _TENSOR.findall(text):
        total += _BYTES.get(kind, 4) * math.prod(int(side) for side in shape.replace(" ", "").split(",") if side)
    return total


def traffic(path):
    """Operators, transposes and bytes of one graph's text.

    Returns:
        Dict with operators, transposes, bytes and transpose_bytes.
    """
    found = {"operators": 0, "transposes": 0, "bytes": 0, "transpose_bytes": 0}
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    for line, types in zip(lines, lines[1:] + [""]):
        node = _NODE.match(line)
        if not node or node[1] in _STILL or ":" not in types:
            continue
        moved = tensor_bytes(types)
        found["operators"] += 1
        found["bytes"] += moved
        if node[1] == "Transpose":
            found["transposes"] += 1
            found["transpose_bytes"] += moved
    return found
