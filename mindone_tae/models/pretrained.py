"""The values a new model starts with: `pretrained=...`, or `start=...`.

Of `models`, only this module imports `mindone_tae.weights`, and inside functions: importing `models` needs MindSpore
alone.
"""

from .layers.start import check_start, start_linear

# What a shipped file notes of its network, in the order of `with_shipped`.
_SIZES = "latent_channels block_out_channels layers_per_block norm_num_groups scaling_factor shift_factor".split()


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
            return [noted.get(name, size) for name, size in zip(_SIZES, sizes, strict=True)]
    return sizes


def initialize(model, pretrained, start, norm_num_groups):
    """Sets a new model's parameters to those of `pretrained`, every name of which must match, or else as `start` says.

    Args:
        model: as its layers initialized it.
        pretrained: as a model takes it.
        start: as a model takes it.
        norm_num_groups: of its norms.

    Raises:
        ValueError: start is unknown.
    """
    check_start(start)
    if pretrained is not None:
        from mindone_tae.weights import load_weights

        load_weights(model, pretrained)
    elif start == "linear":
        start_linear(model, norm_num_groups)
