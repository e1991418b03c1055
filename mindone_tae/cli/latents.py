"""`mindone-tae decode`, and the latents that commands take."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mindone_tae.zoo import UserError

from . import flags
from .encoding import CONVENTIONS

_VIDEO = (".mp4", ".gif")
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "decode",
        help="latents back to videos",
        description="Turns what `encode` wrote, in either form, back into videos of the same length and frame rate, images into images.",
    )
    parser.add_argument("--latent_folder", required=True, metavar="DIR", help="what `encode` wrote; searched with its subfolders")
    parser.add_argument("--output_path", required=True, metavar="DIR", help="gets a video for each latent, in the same subfolder")
    parser.add_argument("--convention", choices=CONVENTIONS, help="what they must be scaled by; without it each file says it")
    flags.add_trained(parser)
    parser.set_defaults(command=run_decode, takes_overrides=True)


def run_decode(options, console):
    """Decodes every latent."""
    from .inference import load

    latents, folder = whole_latents(options.latent_folder, options.convention), Path(options.output_path)
    recipe = load(options, [], "tae/infer/default")
    console.quiet(folder)
    from mindone_tae.data import to_pixels
    from mindone_tae.weights.digest import weights_sha256
    from mindone_tae.zoo.progress import Progress

    from .clips import in_groups, start
    from .streams import decoded

    model = start(recipe)
    others = {latent.facts["model"].get("sha256") for latent in latents if latent.facts.get("model")} - {None, weights_sha256(model)}
    if others:
        console.print("some of the latents come from other weights than these: videos are right only where their decoders agree")
    with Progress("decode", sum(latent.facts["frames"] for latent in latents), "frames") as progress:
        for group in in_groups(latents, options.batch_size or 1, lambda latent: (latent.facts["frames"], latent.shape)):
            frames, z = group[0].facts["frames"], np.stack([unscaled_latent(latent.read()) for latent in group])
            with ExitStack() as files:
                outputs = [files.enter_context(_output(folder / latent.name, latent.facts)) for latent in group]
                for chunk in decoded(model, z, frames):
                    for output, recon in zip(outputs, chunk):
                        for frame in to_pixels(recon):
                            output.write(frame)
                    progress.advance(count=len(group) * chunk.shape[2])
    console.print(f"{len(latents)} videos: {folder}")


def whole_latents(folder, convention=None):
    """The StoredLatents that --latent_folder names.

    Raises:
        UserError: there are none, one cannot be read, or is scaled by another convention than the one asked for.
    """
    from mindone_tae.data.latent_clip import check_convention
    from mindone_tae.data.latent_folder import find_latents

    if not Path(folder).exists():
        raise UserError(f"--latent_folder is {folder}, and there is no such folder; it takes the one that encode wrote: check the name")
    latents, problems = find_latents(Path(folder))
    if problems:
        more = f" (and {len(problems) - 1} more files)" if len(problems) > 1 else ""
        raise UserError(f"{problems[0][1]}{more}")
    for latent in latents:
        check_convention(latent.where, latent.facts, convention)
    return latents


def unscaled(clip):
    """Mean and logvar of a LatentClip as the encoder gave them, by the convention that it carries.

    Raises:
        UserError: it is a sample.
    """
    from mindone_tae.models.latent_scaling import unscale_posterior

    if clip.sample is not None:
        raise UserError(f"the latent of {clip.source} is a sample; mean and logvar are needed here: encode without --sample")
    if clip.scaling_convention == "none":
        return clip.mean, clip.logvar
    return unscale_posterior(clip.mean, clip.logvar, clip.scaling_convention, clip.scaling_factor, clip.shift_factor)


def unscaled_latent(clip):
    """What a decoder takes of a LatentClip: its sample or its mean, by the convention that it carries."""
    from mindone_tae.models.latent_scaling import unscale_latents

    latent = clip.mean if clip.sample is None else clip.sample
    if clip.scaling_convention == "none":
        return latent
    return unscale_latents(latent, clip.scaling_convention, clip.scaling_factor, clip.shift_factor)


def _output(target, facts):
    """The writer of one clip; a source that cannot be written under its own ending becomes NAME.mp4, or NAME.png for an image."""
    from mindone_tae.data import ImageWriter, VideoWriter

    suffix = target.suffix.lower()
    if facts["frames"] == 1 and suffix in _IMAGES:
        return ImageWriter(target if suffix == ".png" else target.with_name(f"{target.name}.png"))
    return VideoWriter(target if suffix in _VIDEO else target.with_name(f"{target.name}.mp4"), facts["fps"] or 1.0)
