"""Unpacks a model's outputs: a tensor, or a tuple (recon, z, mean, logvar) of which the tail may be missing."""

import mindspore as ms
from mindspore import ops

from mindone_tae.zoo.errors import UserError


# constexpr: graph mode can only raise built-in exceptions; these functions run in Python while the graph is compiled.
@ops.constexpr
def _check_count(count, needed, wants, remedy):
    if count < needed:
        raise UserError(
            f"the model returned {count} tensor{'s' if count > 1 else ''}; {wants} needs (recon, z, mean, logvar): "
            f"{remedy}"
        )


@ops.constexpr
def _check_shapes(recon_shape, x_shape):
    if len(x_shape) != 5:
        raise UserError(
            f"the batch's shape is {x_shape}; the loss takes (b, c, t, h, w): put the video first in output_columns"
        )
    if recon_shape != x_shape:
        raise UserError(
            f"the reconstruction's shape is {recon_shape} and the batch's {x_shape}; they must be equal: "
            "have the model drop the frames beyond the input's"
        )


def pixels_of(outputs, batch):
    """The reconstruction and its target, both in float32.

    Args:
        outputs: what the model returned: recon (b, c, t, h, w), or a tuple whose first item it is.
        batch: the dataset's columns; the first is x (b, c, t, h, w).

    Returns:
        (recon, x), each (b, c, t, h, w) float32.

    Raises:
        UserError: if the two differ in shape.
    """
    recon = outputs[0] if isinstance(outputs, (tuple, list)) else outputs
    x = batch[0]
    _check_shapes(recon.shape, x.shape)
    return ops.cast(recon, ms.float32), ops.cast(x, ms.float32)


def latent_of(outputs, needed, wants, remedy):
    """The tensors after the reconstruction, checked to be enough.

    Args:
        outputs: what the model returned.
        needed: how many tensors it must hold, the reconstruction included.
        wants: the term that needs them, for the error.
        remedy: what a user can do without them, for the error.

    Returns:
        tuple of needed - 1 tensors in float32, from z, mean, logvar.

    Raises:
        UserError: if outputs holds fewer.
    """
    count = len(outputs) if isinstance(outputs, (tuple, list)) else 1
    _check_count(count, needed, wants, remedy)
    latent = ()
    for i in range(1, needed):
        latent = latent + (ops.cast(outputs[i], ms.float32),)
    return latent
