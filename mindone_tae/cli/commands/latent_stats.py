"""`mindone-tae latent-stats`."""

from collections import Counter
from pathlib import Path

from mindone_tae.zoo import UserError

from .. import flags
from ..factors import check_save, how_far, save_factors


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "latent-stats",
        help="compute mean, std, scaling and shift factors of latents",
        description="Measures latents, per channel and overall, and prints the factors that scale them to mean 0 and "
        "standard deviation 1. Takes latents that `encode` wrote (--latent_folder), or videos and a model "
        "(--video_folder or --csv_path, with --ckpt_path or --config).",
    )
    parser.add_argument("--latent_folder", metavar="DIR", help="folder that `encode` wrote, including subfolders")
    flags.add_output_path(parser, "where to write latent_stats.json", "outputs/latent_stats")
    parser.add_argument(
        "--save",
        metavar="FILE",
        help="write --ckpt_path's weights with the factors stored in them, .safetensors or .ckpt; needs --convention",
    )
    parser.add_argument(
        "--convention", choices=("mindone", "diffusers"), help="convention of the factors that --save stores"
    )
    flags.add_trained(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Measures."""
    from mindone_tae.data.latents.clip import CONVENTIONS
    from mindone_tae.zoo.run.folder import write_json

    if bool(options.latent_folder) == bool(options.config or flags.names_clips(options)):
        raise UserError(
            "latent-stats takes either --latent_folder or videos with a model (--video_folder and --ckpt_path): "
            "give one of the two"
        )
    if options.save:
        check_save(options)
    statistics, source, given = _of_latents(options, console) if options.latent_folder else _of_videos(options, console)
    result = {"source": source, **statistics.summary(), "use": CONVENTIONS}
    path = Path(options.output_path) / "latent_stats.json"
    write_json(path, result)
    console.print(*table(result), *how_far(result["overall"], given), "", path)
    if options.save:
        save_factors(options, result)
        console.print(f"{options.save}: the weights, with factors for --convention {options.convention}")


def _of_latents(options, console):
    """Statistics of latents in files, their source, and the factors noted with them.

    Returns:
        LatentStatistics; a dict for JSON; and a list of (convention, scaling_factor, shift_factor).
    """
    from mindone_tae.models.latent.statistics import LatentStatistics
    from mindone_tae.zoo.progress import Progress

    from .decode import unscaled, whole_latents

    statistics, models, given = LatentStatistics(), [], Counter()
    latents = whole_latents(options.latent_folder)
    with Progress("latent-stats", len(latents), "clips") as progress:
        for latent in latents:
            clip = latent.read()
            statistics.add(*unscaled(clip), source=latent.where)
            if clip.model not in models:
                models.append(clip.model)
            given[clip.scaling_convention, clip.scaling_factor, clip.shift_factor] += 1
            progress.advance()
    if len(models) > 1:
        console.print(
            f"the latents come from {len(models)} models, which share no factors: {'; '.join(map(str, models))}"
        )
    for (convention, *factors), count in given.items():
        if convention != "none":
            console.print(
                f"{count} of the {len(latents)} latents are scaled, {convention} with {factors[0]:g} and "
                f"{factors[1]:g}; the figures are of the latents before that"
            )
    source = {"latent_folder": options.latent_folder, "clips": len(latents), "models": models}
    return statistics, source, list(given)


def _of_videos(options, console):
    """Statistics of a model's latents of videos, their source, and its factors, as `_of_latents` gives them."""
    from ..inference import load

    recipe = load(options, flags.data_overrides(options), "tae/infer/default", flags.WHOLE_CLIPS)
    console.quiet(options.output_path)
    from mindone_tae.models.latent.statistics import LatentStatistics
    from mindone_tae.zoo.progress import Progress

    from ..clips import Clips, over_groups, start
    from ..streams import posteriors

    model = start(recipe)
    clips, statistics = Clips(recipe.dataset, options.output_path), LatentStatistics()
    used_clips, failed = [], []

    def moments(group, chunks):
        return list(posteriors(model, chunks))  # a list: a clip that fails half way must not count

    with Progress("latent-stats", len(clips.clips), "clips") as progress:
        for group, found in over_groups(clips.groups(options.batch_size or 1), moments, failed):
            while found:  # emptied, or they would live on while the next group is encoded
                for clip, mean, logvar in zip(group, *found.pop(0)):
                    statistics.add(mean, logvar, source=clip.name)
            used_clips.extend(group)
            progress.advance(count=len(group))
    clips.report(console, failed)
    if not used_clips:
        raise UserError("no clip can be read, so there is nothing to measure: see what was left out")
    used = {"name": recipe.model["name"], "pretrained": recipe.model.get("pretrained")}
    given = ("none", getattr(model, "scaling_factor", None), getattr(model, "shift_factor", None))
    return statistics, {"dataset": recipe.dataset, "clips": len(used_clips), "models": [used]}, [given]


def table(result):
    """The lines of the table, and how to use it."""
    counts = f"{result['source']['clips']} clips, {result['values_per_channel']:,} values a channel"
    yield f"{counts}; the shift is by convention"
    yield f"{'channel':<9}{'mean':>10}{'std':>10}{'std of means':>14}{'scaling':>10}{'diffusers':>11}{'mindone':>10}"
    for name, entry in [("all", result["overall"]), *enumerate(result["channels"])]:
        factors = [entry["diffusers"], entry["mindone"]]
        shown = [f"{entry['mean']:>10.4f}{entry['std']:>10.4f}{entry['std_of_means']:>14.4f}"]
        if all(factors):
            diffusers, mindone = factors
            shown.append(
                f"{diffusers['scaling_factor']:>10.4f}{diffusers['shift_factor']:>11.4f}"
                f"{mindone['shift_factor']:>10.4f}"
            )
        yield f"{name:<9}" + "".join(shown)
    yield ""
    for convention, formula in result["use"].items():
        factors = result["overall"][convention]
        words = " ".join(f"model.{name}={value:.4f}" for name, value in factors.items())
        yield f"{convention}: {formula}; to copy: --convention {convention} {words}"
    by_channel = "by channel (Wan, Cosmos): (z - latents_mean) / latents_std"
    yield f"{by_channel}; the lists are in the file, AutoencoderKLTAE takes them"
    yield f"how: {result['how']}"
