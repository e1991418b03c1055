"""A square root whose gradient is finite everywhere."""

from mindspore import ops

# Far below the square of anything float32 arithmetic on pixels or latents can tell from zero.
_TINY = 1e-20


def safe_sqrt(x):
    """Square root with value and gradient 0 at 0, where the plain one's gradient is infinite.

    Args:
        x: any shape, float32, not negative.

    Returns:
        the same shape, float32; 0 where x is below 1e-20.
    """
    positive = x > _TINY
    # The inner choice keeps 1/sqrt(0) out of the gradient: multiplying it by zero afterwards would give NaN.
    root = ops.sqrt(ops.where(positive, x, ops.ones_like(x)))
    return ops.where(positive, root, ops.zeros_like(x))
