"""A square root whose gradient is finite everywhere."""

from mindspore import ops

# Far below the square of the smallest difference that float32 arithmetic on pixels or latents resolves.
_TINY = 1e-20


def safe_sqrt(x):
    """Square root with value and gradient 0 at 0, where the plain one's gradient is infinite.

    Args:
        x: any shape, float32, not negative.

    Returns:
        the same shape, float32; 0 where x is below 1e-20.
    """
    positive = x > _TINY
    # The inner where keeps 1/sqrt(0) out of the gradient: multiplied by zero afterwards it would give NaN.
    root = ops.sqrt(ops.where(positive, x, ops.ones_like(x)))
    return ops.where(positive, root, ops.zeros_like(x))
