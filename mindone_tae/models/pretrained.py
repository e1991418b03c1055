"""`pretrained=...`: the one place where a model asks the weights room for something."""


def load_pretrained(model, path):
    """Loads a .ckpt, .safetensors or folder into a model; every name must match.

    The import waits until it is called, so that the models room depends on nothing but MindSpore.
    """
    from mindone_tae.weights import load_weights

    load_weights(model, path)


def with_shipped(pretrained, **keywords):
    """Constructor keywords, those of the package's own weights where `pretrained` names them: nobody has to look their widths up.

    Args:
        pretrained: as a model takes it.
        **keywords: what the model was built with.

    Returns:
        The values, in the order given.
    """
    if isinstance(pretrained, str):
        from mindone_tae.weights import finding, read_model

        if pretrained in finding.SHIPPED:
            noted = read_model(pretrained)
            keywords = {name: noted.get(name, value) for name, value in keywords.items()}
    return keywords.values()
