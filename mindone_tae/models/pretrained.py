"""`pretrained=...`: the only module of `models` that imports `mindone_tae.weights`."""


def load_pretrained(model, path):
    """Loads a .ckpt, .safetensors or folder into a model; every name must match.

    The import is inside the function, so that importing `models` needs MindSpore alone.
    """
    from mindone_tae.weights import load_weights

    load_weights(model, path)


def with_shipped(
    pretrained, latent_channels, block_out_channels, layers_per_block, norm_num_groups, scaling_factor, shift_factor
):
    """Constructor keywords, replaced by those stored with the shipped weights where `pretrained` names such weights.

    Args:
        pretrained: as a model takes it.
        latent_channels, block_out_channels, ...: the constructor's keywords.

    Returns:
        The values from latent_channels to shift_factor.
    """
    keywords = {
        "latent_channels": latent_channels,
        "block_out_channels": block_out_channels,
        "layers_per_block": layers_per_block,
        "norm_num_groups": norm_num_groups,
        "scaling_factor": scaling_factor,
        "shift_factor": shift_factor,
    }
    if isinstance(pretrained, str):
        from mindone_tae.weights import finding, read_model

        if pretrained in finding.SHIPPED:
            noted = read_model(pretrained)
            keywords = {name: noted.get(name, value) for name, value in keywords.items()}
    return keywords.values()
