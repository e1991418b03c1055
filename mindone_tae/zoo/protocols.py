"""The interfaces that the host expects of components, which any package can provide.

Only the names below are used; no base class is needed. Pixels are float32 in [-1, 1].

Dataset (group `mindone.datasets`)
    len(dataset), dataset[i]        a tuple of arrays (or one array); the first is the pixels (c, t, h, w)
    sample(i, rng, choice)          optional: the same with all randomness from a numpy.random.Generator
    step_choice(rng)                optional: drawn once per step and passed to each of its samples, so that a batch has
                                    one shape
    unreadable                      optional: list of (path, reason), which the host reports and records
    describe(i)                     optional: dict with at least "path", for reports

Model (group `mindone.models`)
    model(x)                        maps pixels (b, c, t, h, w) to the reconstruction, or to a tuple that begins with it
    reconstruct(x)                  optional: the same, deterministic; evaluation prefers it
    encode(x)                       optional: (z, mean, logvar), Tensors (b, zc, lt, lh, lw), which latents are written
                                    and shown of
    training_inputs(batch, rng)     optional: the model's inputs in a training step, for one item, with a batch axis of
                                    one; without this method the input is the first column of the batch
    `pretrained` keyword            optional: a file or folder of weights; without this keyword the host loads by
                                    parameter names
    Models that are not MindSpore cells (baselines) take and return NumPy arrays.

Loss (group `mindone.losses`), a MindSpore cell
    loss(outputs, *batch)           a scalar, or a tuple (total, *terms)
    term_names                      names of the terms, for the log
    notes                           optional: sentences shown before training

Discriminator (group `mindone.blocks`), a MindSpore cell
    discriminator(x)                maps pixels to logits of any shape; positive means real
    generator_loss(fake)            the model's adversarial loss, a scalar, from the logits of its reconstruction
    discriminator_loss(real, fake)  the discriminator's loss, a scalar

Metric (group `mindone.metrics`), of one of two kinds: per clip, or of a whole set
    metric(recon, x)                per clip: maps (c, t, h, w) arrays to a number; the host takes the mean over clips
    collect(recon, x)               whole set: a clip's statistics, as JSON values, kept in memory for every clip
    finish(collected)               whole set: maps the list of all clips' statistics to a number
    describe(collected)             optional, whole set: dict of facts for the report; its list "warnings" is
                                    logged once
    min_clips                       optional, whole set: smallest number of clips that can be measured
    name, protocol                  for the table; higher_is_better for comparisons
"""

import copy

import numpy as np

import mindspore as ms
from mindspore import nn

from . import registry
from .errors import UserError
from .run.arrays import read_arrays, restore
from .run.checkpoints import weights_file


def build_model(section: dict):
    """Builds a recipe's model, weights included, in inference mode.

    Args:
        section: the recipe's model section. The host loads the weights of a model without a `pretrained` keyword.

    Returns:
        The model.
    """
    spec = copy.copy(section)  # with its marks, for messages
    path = spec.get("pretrained")
    signature = registry.signature("mindone.models", spec["name"], imports=True)
    takes = signature is None or signature.takes("pretrained")
    if not takes:
        spec.pop("pretrained", None)
    model = registry.build("mindone.models", spec)
    if path is not None and not takes:
        file = weights_file(path)
        restore(model.parameters_dict(), read_arrays(file), file)
    if isinstance(model, nn.Cell):
        model.set_train(False)
    return model


def reconstruct(model, x: np.ndarray) -> np.ndarray:
    """Runs a model on pixels.

    Args:
        model: follows the protocol above.
        x: array (b, c, t, h, w).

    Returns:
        Array of the same shape, float32.

    Raises:
        UserError: the model's output is not a reconstruction.
    """
    run = getattr(model, "reconstruct", model)
    output = run(ms.Tensor(x)) if isinstance(model, nn.Cell) else run(x)
    recon = output[0] if isinstance(output, (tuple, list)) and output else output
    recon = recon.asnumpy() if isinstance(recon, ms.Tensor) else recon
    given = f"of shape {np.shape(recon)}" if isinstance(recon, np.ndarray) else f"a {type(recon).__name__}"
    if not isinstance(recon, np.ndarray) or recon.shape != x.shape:
        raise UserError(
            f"{type(model).__name__} does not reconstruct: for pixels {x.shape} it gave {given}; "
            "a model gives pixels of their shape, alone or first of a tuple: give it a method reconstruct(x)"
        )
    return np.asarray(recon, np.float32)


def posterior(model, x: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and logvar of pixels (b, c, t, h, w), arrays; None of a model whose encode gives something else, or none."""
    if not isinstance(model, nn.Cell) or not hasattr(model, "encode"):
        return None
    moments = model.encode(ms.Tensor(x))
    if not isinstance(moments, tuple) or len(moments) != 3 or not all(isinstance(each, ms.Tensor) for each in moments):
        return None
    mean, logvar = moments[1:]
    if mean.ndim != 5 or mean.shape != logvar.shape:  # such as (z, loss, codes) of a quantizer
        return None
    return mean.asnumpy(), logvar.asnumpy()


def unreadable_files(dataset) -> list[list[str]]:
    """The [path, reason] of each file that a dataset could not read, JSON values."""
    return [[str(path), str(reason)] for path, reason in getattr(dataset, "unreadable", ())]


def is_set_metric(metric) -> bool:
    """Whether a metric measures a whole set of clips rather than each."""
    return hasattr(metric, "collect") and hasattr(metric, "finish")


def model_inputs(model, batch: tuple, rngs: list[np.random.Generator]) -> tuple:
    """The model's inputs in a training step.

    Args:
        model: follows the protocol above.
        batch: the dataset's columns.
        rngs: a numpy.random.Generator for each item, so that its inputs do not depend on the other items.
    """
    prepare = getattr(model, "training_inputs", None)
    if not prepare:
        return (batch[0],)
    items = [prepare(tuple(column[i : i + 1] for column in batch), rng) for i, rng in enumerate(rngs)]
    return tuple(np.concatenate(arrays) for arrays in zip(*items))
