"""`pretrained=...`: the only module of `models` that imports `mindone_tae.weights`."""

# What a shipped file notes of its network, in the order of `with_shipped`.
_SIZES = "latent_channels block_out_channels layers_per_block norm_num_groups scaling_factor shift_factor".split()


def load_pretrained(model, path):
    """Loads a .ckpt, .safetensors or folder into a model; every name must match.

    The import is inside the function, so that importing `models` needs MindSpore alone.
    """
    from mindone_tae.weights import load_weights

    load_weights(model, path)


def with_shipped(pretrained, *sizes):
    """Constructor keywords, replaced by those stored with the shipped weights where `pretrained` names such weights.

    Args:
        pretrained: as a model takes it.
        *sizes: the constructor's latent_channels, block_out_channels, layers_per_block, norm_num_groups, scaling_factor
            and shift_factor.

    Returns:
        The values in that order.
    """
    if isinstance(pretrained, str):
        from mindone_tae.weights import finding, read_model

        if pretrained in finding.SHIPPED:
            noted = read_model(pretrained)
            return [noted.get(name, size) for name, size in zip(_SIZES, sizes)]
    return sizes
