"""Latents scaled to about unit variance for a generator, in the two conventions in use.

They differ, and mixing them up spoils a generator without an error, so the convention is always named:

    "mindone":   scaled = scale * z + shift          z = (scaled - shift) / scale      (MindONE's TAE guide)
    "diffusers": scaled = (z - shift) * scale        z = scaled / scale + shift        (Diffusers, SD3, MindONE's Movie Gen)
"""

CONVENTIONS = ("mindone", "diffusers")


def scale_latents(z, convention, scaling_factor, shift_factor):
    """Latents as a generator takes them.

    Args:
        z: latents as the encoder gives them, any shape, a Tensor or array.
        convention: "mindone" or "diffusers".
        scaling_factor: TAE_CONFIG["scaling_factor"] for the published model.
        shift_factor: TAE_CONFIG["shift_factor"] for the published model.

    Returns:
        The scaled latents, same shape.

    Raises:
        ValueError: for a convention that is neither.
    """
    if _check(convention) == "mindone":
        return scaling_factor * z + shift_factor
    return (z - shift_factor) * scaling_factor


def unscale_latents(scaled, convention, scaling_factor, shift_factor):
    """The inverse of `scale_latents`: latents as the decoder takes them."""
    if _check(convention) == "mindone":
        return (scaled - shift_factor) / scaling_factor
    return scaled / scaling_factor + shift_factor


def _check(convention):
    if convention not in CONVENTIONS:
        raise ValueError(f'convention is {convention!r}; it must be "mindone" (scale * z + shift) or "diffusers" ((z - shift) * scale)')
    return convention
