"""`mindone-tae decode`, and the latents that commands take."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mindone_tae.zoo import UserError
from mindone_tae.zoo.atomic_file import remove_unfinished

from .. import flags
from ..encoding import CONVENTIONS
from ..output_names import output_file

_CHUNK_FRAMES = 4  # latent frames read at a time


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "decode",
        help="decode latents to videos",
        description="Decodes latents that `encode` wrote, as files or shards, to videos of the same length and frame "
        "rate, and images to images: all of them, or only the clips that --csv_path or --video_folder name. Also takes "
        "arrays from your own sampler, .npy or .safetensors of (zc, lt, lh, lw) or (b, zc, lt, lh, lw): give their "
        "scaling by --convention.",
    )
    parser.add_argument(
        "--latent_folder",
        required=True,
        metavar="DIR",
        help="what `encode` or a sampler wrote: a file, or a folder including subfolders",
    )
    flags.add_output_path(parser, "where to write a video for each latent, in the same subfolder", required=True)
    flags.add_choice(parser, "--format", "format of the videos; images become png", ("mp4", "gif"))
    parser.add_argument(
        "--convention",
        choices=CONVENTIONS,
        help="how the latents are scaled (default: as each file says); required for bare arrays",
    )
    fps = "frames per second, if the latent does not say, as in a bare array"
    # the writer's SLOWEST and FASTEST; it imports PyAV, which takes long
    flags.add_number(parser, "--fps", fps, 0.001, 1000, 24.0)
    flags.add_trained(parser)
    parser.set_defaults(command=run_decode, takes_overrides=True)


def run_decode(options, console):
    """Decodes every latent."""
    from ..inference import load, take_default_weights

    raw, folder = _raw_latents(options), Path(options.output_path)
    latents = [] if raw else _chosen(whole_latents(options.latent_folder, options.convention), options)
    length, size = _lengths(options.num_frames), flags.size(options.image_size)
    given = options.ckpt_path
    take_default_weights(options, console)
    recipe = load(options, [], "tae/infer/default")
    console.quiet(folder)
    from mindone_tae.data import to_pixels
    from mindone_tae.weights.digest import weights_sha256
    from mindone_tae.zoo.progress import Progress

    from ..clips import in_groups, start
    from ..streams import decoded

    model = start(recipe)
    remove_unfinished(folder)
    latents = latents or [_finished(latent, model, options) for latent in raw]
    sha256 = weights_sha256(model)
    noted = [latent.facts["model"] for latent in latents if latent.facts.get("model")]
    others = [each for each in noted if each.get("sha256") not in (None, sha256)]
    if others:
        theirs = f" (one was encoded with {others[0]['pretrained']})" if others[0].get("pretrained") else ""
        told = f"some of the latents come from other weights than these{theirs}"
        if options.ckpt_path != given:
            raise UserError(f"{told}: give those with --ckpt_path")
        console.print(f"{told}: videos are right only where their decoders agree; --ckpt_path takes others")
    _check_shapes(latents, model)
    with Progress("decode", sum(length(latent) for latent in latents), "frames") as progress:
        for group in in_groups(latents, options.batch_size or 1, lambda latent: (latent.facts["frames"], latent.shape)):
            with ExitStack() as files:
                outputs = [files.enter_context(_output(folder, latent, options.format)) for latent in group]
                for chunk in decoded(model, latent_chunks(group), length(group[0])):
                    for output, recon in zip(outputs, chunk):
                        for frame in _resized(to_pixels(recon), size):
                            output.write(frame)
                    progress.advance(count=len(group) * chunk.shape[2])
    console.print(f"{len(latents)} videos: {folder}")


def _raw_latents(options):
    """The bare arrays that --latent_folder names; none where it holds what `encode` wrote.

    Raises:
        UserError: --convention is missing.
    """
    from mindone_tae.data.latents.raw import find_raw

    raw = find_raw(Path(options.latent_folder)) if Path(options.latent_folder).exists() else []
    if raw and options.convention is None:
        known = ", ".join(CONVENTIONS)
        raise UserError(
            f"{raw[0].where} does not say how it is scaled; --convention must, one of {known}: "
            "give the one that its sampler learnt from"
        )
    return raw


def _finished(raw, model, options):
    """A bare array as a StoredLatent, with the model's ratios and factors.

    Raises:
        UserError: its number of channels is not the model's.
    """
    from mindone_tae.data.latents.raw import as_stored

    channels = getattr(model, "latent_channels", raw.shape[0])
    if raw.shape[0] != channels:
        raise UserError(
            f"{raw.where} has shape {raw.shape}; the model's latents are ({channels}, lt, lh, lw): "
            "reorder its axes, or take its own model"
        )
    many = 1024
    t, h, _ = model.latent_size((many, many, many)) if hasattr(model, "latent_size") else (many, many, many)
    factors = {name: getattr(model, name, None) for name in ("scaling_factor", "shift_factor")}
    return as_stored(raw, (many // t, many // h), options.fps, {"scaling_convention": options.convention, **factors})


def _check_shapes(latents, model):
    """Raises UserError where a latent's shape does not fit its clip's, for a model with latent_size."""
    if not hasattr(model, "latent_size"):
        return
    for latent in latents:
        frames, size, held = latent.facts["frames"], tuple(latent.facts["size"]), tuple(latent.shape[1:])
        wanted = tuple(model.latent_size((frames, *size)))
        if held != wanted:
            raise UserError(
                f"{latent.where} is noted as {frames} frames of {size[0]}x{size[1]}, which needs (lt, lh, lw) = "
                f"{wanted}; it holds {held}: decode it with the weights that encoded it (--ckpt_path), or encode the "
                "clip again"
            )


def _chosen(latents, options):
    """Those of the StoredLatents whose clips the data flags name; all without such flags."""
    from mindone_tae.data import read_collection

    if options.csv_path is None and options.video_folder is None:
        return latents
    named = {
        item.relative_path
        for item in read_collection(options.csv_path, options.video_folder, options.video_column or "video")
    }
    chosen = [latent for latent in latents if latent.name in named]
    if not chosen:
        raise UserError(
            f"{options.latent_folder} holds no latent of the {len(named)} clips of "
            f"{options.csv_path or options.video_folder}, but of others such as {latents[0].name}: "
            "give the table or folder that was encoded, or leave --csv_path and --video_folder out"
        )
    return chosen


def latent_chunks(group):
    """Yields arrays (b, zc, lt_chunk, lh, lw) of StoredLatents of one shape, unscaled, each read on demand."""
    latent_frames = group[0].shape[1]
    for start in range(0, latent_frames, _CHUNK_FRAMES):
        stop = min(start + _CHUNK_FRAMES, latent_frames)
        yield np.stack([unscaled_latent(latent.read_frames(start, stop), latent.where) for latent in group])


def _lengths(num_frames):
    """A function from a StoredLatent to the frames to write of it."""
    if num_frames is not None and num_frames != -1 and num_frames < 1:
        raise UserError(f"--num_frames is {num_frames}; it must be 1 or more, or -1 for all frames")
    most = None if num_frames == -1 else num_frames
    return lambda latent: min(latent.facts["frames"], most or latent.facts["frames"])


def _resized(frames, size):
    """Frames, uint8 (t, h, w, 3), cut and resized to a size as recipes write it; as they are where it is None."""
    from mindone_tae.data import crop_box, crop_resize, parse_size

    if size is None:
        return frames
    source = frames.shape[1:3]
    target = parse_size(size).of(*source)
    return crop_resize(frames, target, crop_box(*source, target))


def whole_latents(folder, convention=None):
    """The StoredLatents that --latent_folder names.

    Raises:
        UserError: there are none, one cannot be read, or is scaled by another convention than the one asked for.
    """
    from mindone_tae.data.latents.clip import check_convention
    from mindone_tae.data.latents.folder import find_latents

    if not Path(folder).exists():
        raise UserError(
            f"--latent_folder is {folder}, and there is no such folder; it takes the one that encode wrote: "
            "check the name"
        )
    latents, problems = find_latents(Path(folder))
    if problems:
        more = f" (and {len(problems) - 1} more files)" if len(problems) > 1 else ""
        raise UserError(f"{problems[0][1]}{more}")
    for latent in latents:
        check_convention(latent.where, latent.facts, convention)
    return latents


def unscaled(clip):
    """Mean and logvar of a LatentClip, unscaled by its own convention.

    Raises:
        UserError: it is a sample.
    """
    from mindone_tae.models.latent.scaling import unscale_posterior

    if clip.sample is not None:
        raise UserError(
            f"the latent of {clip.source} is a sample; mean and logvar are needed here: encode without --sample"
        )
    if clip.scaling_convention == "none":
        return clip.mean, clip.logvar
    return unscale_posterior(clip.mean, clip.logvar, clip.scaling_convention, clip.scaling_factor, clip.shift_factor)


def unscaled_latent(clip, where):
    """The sample or mean of a LatentClip, unscaled by its own convention: a decoder's input.

    Raises:
        UserError: it is not finite; `where` is what the error calls it.
    """
    from mindone_tae.data.latents.clip import finite
    from mindone_tae.models.latent.scaling import unscale_latents

    latent = clip.mean if clip.sample is None else clip.sample
    if clip.scaling_convention == "none":
        return finite(where, latent)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        unscaled = unscale_latents(latent, clip.scaling_convention, clip.scaling_factor, clip.shift_factor)
    return finite(where, unscaled)


def _output(folder, latent, suffix):
    """The writer of one clip: an image for that of an image file, else a video."""
    from mindone_tae.data import ImageWriter, VideoWriter
    from mindone_tae.data.readers.opening import IMAGE_SUFFIXES
    from mindone_tae.data.video_out.writer import writable_fps

    if latent.facts["frames"] == 1 and latent.name.lower().endswith(IMAGE_SUFFIXES):
        return ImageWriter(output_file(folder, latent.name, ".png"))
    fps = writable_fps(latent.facts["fps"], latent.where)
    return VideoWriter(output_file(folder, latent.name, f".{suffix}"), fps)
