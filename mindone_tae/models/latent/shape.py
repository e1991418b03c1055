"""The shape of a latent and checks of inputs, both from the number of halvings."""

from __future__ import annotations

import operator


def latent_size(input_size: tuple[int, int, int], halvings: int = 3) -> tuple[int, int, int]:
    """Shape of the latent of a video.

    Args:
        input_size: frames, height and width in pixels.
        halvings: how often the network halves time and space.

    Returns:
        Latent frames, height and width.

    Raises:
        ValueError: for no frame, or a height or width that is not a multiple of 2**halvings.
    """
    t, h, w = input_size
    ratio = 2**halvings
    if t < 1:
        raise ValueError(f"the video has {t} frames; it must have at least 1: give it frames")
    for name, side in (("height", h), ("width", w)):
        if side < ratio or side % ratio:
            nearest = max(round(side / ratio), 1) * ratio
            raise ValueError(f"{name} is {side} pixels; it must be a multiple of {ratio}: resize or crop to {nearest}")
    return -(-t // ratio), h // ratio, w // ratio


def check_pixels(shape: tuple[int, ...], channels: int, halvings: int) -> None:
    """Raises ValueError unless a tensor of this shape is a video the encoder takes."""
    if len(shape) != 5:
        raise ValueError(f"x has shape {tuple(shape)}; a video has five axes (b, c, t, h, w): add the missing ones")
    if shape[1] != channels:
        raise ValueError(
            f"x has shape {tuple(shape)}, so {shape[1]} channels; the model takes {channels}: give x as (b, c, t, h, w)"
        )
    if shape[0] < 1:
        raise ValueError(f"x has shape {tuple(shape)}, so no video; a batch holds at least one: leave the call out")
    latent_size(shape[2:], halvings)


def check_latents(shape: tuple[int, ...], channels: int) -> None:
    """Raises ValueError unless a tensor of this shape is a latent the decoder takes."""
    if len(shape) != 5 or shape[1] != channels or min(shape) < 1:
        raise ValueError(
            f"z has shape {tuple(shape)}; a latent is (b, {channels}, lt, lh, lw): give it as the encoder does"
        )


def whole_number(name: str, value: object) -> int:
    """Any integer type as an int; raises ValueError for anything else."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; it must be a whole number: give an int") from None


def size_to_generate(input_size: tuple[int, int, int], halvings: int = 3) -> tuple[int, int, int]:
    """Shape of the latent to generate for a video of about this size.

    As `latent_size` for every video that the encoder takes. Other sides are cut to a multiple of 2**halvings, since
    MindONE's Movie Gen demo asks for 256x455.

    Args:
        input_size: frames, height and width in pixels.
        halvings: how often the network halves time and space.

    Returns:
        Latent frames, height and width.

    Raises:
        ValueError: for no frame, or a side shorter than one latent position.
    """
    t, h, w = input_size
    ratio = 2**halvings
    return latent_size((t, *(side - side % ratio if side > ratio else side for side in (h, w))), halvings)
