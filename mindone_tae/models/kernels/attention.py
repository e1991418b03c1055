"""Softmax attention and the products around it."""

import math

import mindspore as ms
from mindspore import ops

# Most scores held at once, 128 MB of float32; with more, queries are processed in blocks.
_SCORES = 2**25


def attend(query, key, value):
    """Softmax attention, scores and softmax in float32.

    Args:
        query: (n, length, c).
        key: (n, length, c).
        value: (n, length, c).

    Returns:
        (n, length, c) in the type of value.
    """
    n, length, _ = query.shape
    if length == 1:
        # Softmax over one element is 1. Besides, in MindSpore 2.8.0's PyNative mode the gradient is wrong where such a
        # softmax follows another softmax.
        return value
    at_once = queries_at_once(n, length)
    if at_once >= length:
        return _attend(query, key, value)
    turn = _attend(query[:, :at_once], key, value)
    turns = (turn,)
    for start in range(at_once, length, at_once):
        # one after another, so that a graph holds the scores of one turn at a time
        turn = _attend(ops.depend(query[:, start : start + at_once], turn), key, value)
        turns = turns + (turn,)
    return ops.cat(turns, axis=1)


def queries_at_once(n, length):
    """How many queries of each of n sequences are scored against all keys at once."""
    return max(_SCORES // (n * length), 1)


def _attend(query, key, value):
    # cast before the product: a sum over the channels can overflow float16
    scores = ops.BatchMatMul(transpose_b=True)(ops.cast(query, ms.float32), ops.cast(key, ms.float32))
    scores = scores * (1.0 / math.sqrt(query.shape[-1]))
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)
    return ops.BatchMatMul()(weights, value)


def linear(x, weight, bias):
    """x W^T + b.

    Args:
        x: (rows, c).
        weight: (out, c), float32.
        bias: (out,), float32.

    Returns:
        (rows, out) in x's type.
    """
    y = ops.MatMul(transpose_b=True)(x, ops.cast(weight, x.dtype))
    return ops.BiasAdd()(y, ops.cast(bias, x.dtype))
