"""A model's repr in four lines, where MindSpore would print every layer."""

import math


def described(model, weights) -> str:
    """Sizes, types, tiling and weights of a TemporalAutoencoder.

    Args:
        model: a TemporalAutoencoder.
        weights: its keyword `pretrained`.

    Returns:
        Four lines.
    """
    parameters = sum(math.prod(parameter.shape) for parameter in model.get_parameters())
    ratio = 2**model.halvings
    widths = ", ".join(map(str, model.block_out_channels))
    return "\n".join(
        [
            f"{type(model).__name__}: {ratio}x{ratio}x{ratio} pixels to {model.latent_channels} numbers, "
            f"widths {widths}",
            f"  {parameters:,} parameters, {_dtypes(model)}",
            f"  {_tiling(model)}",
            f"  weights: {'random' if weights is None else weights}",
        ]
    )


def _dtypes(model):
    parts = {part: str(getattr(model, part).dtype).lower() for part in ("encoder", "decoder")}
    if len(set(parts.values())) == 1:
        return f"computes in {parts['encoder']}"
    return "computes in " + ", ".join(f"{dtype} ({part})" for part, dtype in parts.items())


def _tiling(model):
    if not model.use_tiling:
        return "tiling off"
    sizes = model.tile_sizes
    if sizes.memory_budget_gb is not None:
        return f"tiling where activations would take over {sizes.memory_budget_gb:g} GB"
    height, width = sizes.tile_sample_min_height, sizes.tile_sample_min_width
    return f"tiling: {sizes.decode_tile} frames of {height}x{width}, {sizes.decode_overlap} frames shared"
