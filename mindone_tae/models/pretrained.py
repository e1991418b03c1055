"""`pretrained=...`: the one place where a model asks the weights room for something."""


def load_pretrained(model, path):
    """Loads a .ckpt, .safetensors or folder into a model; every name must match.

    The import waits until it is called, so that the models room depends on nothing but MindSpore.
    """
    from mindone_tae.weights import load_weights

    load_weights(model, path)
