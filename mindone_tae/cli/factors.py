"""Latent scaling factors: check that they fit the model, and save them with its weights."""

import json
import logging
from pathlib import Path

import numpy as np

from mindone_tae.zoo import UserError

_logger = logging.getLogger(__name__)

# Metadata key of the latent statistics in a weights file.
_STATISTICS = "latent_statistics"


def warn_of_factors(section: dict, convention: str, factors: dict) -> None:
    """Warns if scaled latents will not have mean 0 and standard deviation 1, or if that is not known.

    Args:
        section: the recipe's model section.
        convention: scaling convention.
        factors: scaling_factor and shift_factor by name.
    """
    from mindone_tae.models.latent.scaling import SCALING_FACTOR, SHIFT_FACTOR, far_from_unit

    measured = saved_statistics(section.get("pretrained"))
    how = "mindone-tae latent-stats measures them, and its --save keeps them with the weights"
    if measured:
        far = far_from_unit(measured["mean"], measured["std"], convention, **factors)
        if far:
            _logger.warning(
                "--convention %s with factors %.4g and %.4g gives mean %.2f and deviation %.2f where 0 and 1 are "
                "wanted, by the statistics saved with the weights, whose factors are for %s",
                *(convention, factors["scaling_factor"], factors["shift_factor"], *far, measured["convention"]),
            )
    elif not {"scaling_factor", "shift_factor"} & section.keys() and tuple(factors.values()) == (
        SCALING_FACTOR,
        SHIFT_FACTOR,
    ):
        _logger.warning(
            "latents are scaled by the published factors %g and %g, as this model's own were never measured: %s",
            *(SCALING_FACTOR, SHIFT_FACTOR, how),
        )


def saved_statistics(pretrained):
    """The mean, std and convention that `latent-stats --save` wrote to a weights file; None if there are none."""
    if pretrained is None:
        return None
    from mindone_tae.weights import read_metadata

    try:
        noted = json.loads(read_metadata(pretrained).get(_STATISTICS, "null"))
        return {**{key: float(noted[key]) for key in ("mean", "std")}, "convention": str(noted["convention"])}
    except (UserError, ValueError, TypeError, KeyError):  # other weights, or no statistics in them
        return None


def how_far(overall, given):
    """One line for each set of factors that leaves latents more than 0.1 off mean 0 or standard deviation 1.

    Args:
        overall: "overall" of `LatentStatistics.summary`.
        given: (convention, scaling_factor, shift_factor) in use; convention "none" checks all conventions.
    """
    from mindone_tae.models.latent.scaling import CONVENTIONS, far_from_unit

    for convention, scaling_factor, shift_factor in given:
        if scaling_factor is None or shift_factor is None:
            continue
        for used in CONVENTIONS if convention == "none" else (convention,):
            far = far_from_unit(overall["mean"], overall["std"], used, scaling_factor, shift_factor)
            if far:
                yield (
                    f"the model's factors {scaling_factor:g} and {shift_factor:g} are off by more than a tenth: "
                    f"{used} brings these latents to mean {far[0]:.2f} and std {far[1]:.2f}"
                )


def check_save(options):
    """Raises UserError if an option that --save needs is missing. Called before anything is measured."""
    from mindone_tae.weights.saving import is_folder

    if not options.ckpt_path or options.convention is None:
        missing = "--convention" if options.ckpt_path else "--ckpt_path"
        raise UserError(
            f"--save is given without {missing}; it copies the weights of --ckpt_path and notes the factors of one "
            f"convention: add {missing}"
        )
    if is_folder(options.save) or Path(options.save).suffix not in (".safetensors", ".ckpt"):
        raise UserError(f"--save is {options.save}; weights are saved as .safetensors or .ckpt: end it so")


def save_factors(options, result):
    """Writes the weights of --ckpt_path to --save, with the factors that `latent-stats` found.

    Args:
        options: parsed arguments.
        result: what `latent-stats` computed.

    Raises:
        UserError: the measured latents come from other weights, or the file cannot be written.
    """
    from mindone_tae.weights import read_metadata, read_model, read_weights, save_weights

    arrays = read_weights(options.ckpt_path)
    _check_same(arrays, options.ckpt_path, result["source"]["models"])
    overall, factors = result["overall"], result["overall"][options.convention]
    statistics = {"mean": overall["mean"], "std": overall["std"], "clips": result["source"]["clips"]}
    notes = {
        **read_metadata(options.ckpt_path),
        "model": {**read_model(options.ckpt_path), **factors},
        _STATISTICS: {**statistics, "convention": options.convention},
    }
    notes.pop("config", None)  # superseded by `model`
    save_weights(arrays, options.save, notes)


def _check_same(arrays, path, models):
    """Raises UserError if the latents' metadata names other weights than these."""
    from mindone_tae.weights.digest import arrays_sha256

    noted = {model["sha256"] for model in models if model.get("sha256")}
    # the latents' checksum is of float32 parameters, whatever type the weights file holds
    if noted and noted != {arrays_sha256((name, arrays[name].astype(np.float32)) for name in sorted(arrays))}:
        raise UserError(
            f"the latents come from other weights than {path}; --save keeps factors with the weights that they are of: "
            "give those by --ckpt_path"
        )
