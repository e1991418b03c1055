"""`mindone-tae encode` and `mindone-tae decode`."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mindone_tae.zoo import UserError

from . import flags

_SUFFIX = ".safetensors"
_VIDEO = (".mp4", ".gif")
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def add_to(commands):
    """Adds both commands."""
    parser = commands.add_parser(
        "encode",
        help="videos to latents",
        description="Writes one safetensors file a clip: mean, logvar (unscaled), and frames, fps, size and scaling as metadata.",
    )
    parser.add_argument("--output_path", required=True, metavar="DIR", help="gets a file for each clip, in the same subfolder")
    flags.add_trained(parser)
    flags.add_data(parser)
    parser.set_defaults(command=run_encode, takes_overrides=True)

    parser = commands.add_parser(
        "decode",
        help="latents back to videos",
        description="Turns what `encode` wrote back into videos of the same length and frame rate, images into images.",
    )
    parser.add_argument("--latent_folder", required=True, metavar="DIR", help="what `encode` wrote; searched with its subfolders")
    parser.add_argument("--output_path", required=True, metavar="DIR", help="gets a video for each latent, in the same subfolder")
    flags.add_trained(parser)
    parser.set_defaults(command=run_decode, takes_overrides=True)


def run_encode(options, console):
    """Encodes every clip."""
    from .inference import load
    from .reconstruct import whole_clips

    recipe = load(options, whole_clips(options), "tae/infer/default")
    console.quiet(options.output_path)
    from mindone_tae.data import LatentClip, write_latents
    from mindone_tae.zoo.progress import Progress

    from .clips import Clips, start
    from .streams import batched, encoded

    model, folder = start(recipe), Path(options.output_path)
    clips = Clips(recipe.dataset, folder)
    written = 0
    with Progress("encode", clips.total_frames, "frames") as progress:
        for group in clips.groups(options.batch_size or 1):
            counted = _Counted(batched(group), progress)
            for clip, mean, logvar in zip(group, *encoded(model, counted)):
                path = folder / f"{clip.name}{_SUFFIX}"
                latent = LatentClip(
                    mean=mean,
                    logvar=logvar,
                    frames=counted.frames,
                    fps=clip.fps,
                    size=counted.size,
                    source=clip.name,
                    scaling_factor=getattr(model, "scaling_factor", None),
                    shift_factor=getattr(model, "shift_factor", None),
                    model={"name": recipe.model["name"], "pretrained": recipe.model.get("pretrained")},
                )
                write_latents(path, latent)
                written += path.stat().st_size
    console.print(f"{len(clips.clips)} latents, {written / 1e6:.1f} MB, unscaled: {folder}")
    clips.report(console)


def run_decode(options, console):
    """Decodes every latent."""
    from .inference import load

    source, folder = Path(options.latent_folder), Path(options.output_path)
    paths = sorted(source.rglob(f"*{_SUFFIX}")) if source.is_dir() else [source] if source.is_file() else []
    if not paths:
        raise UserError(f"{source} holds no {_SUFFIX} file; decode takes the folder that encode wrote: check --latent_folder")
    recipe = load(options, [], "tae/infer/default")
    console.quiet(folder)
    from mindone_tae.data import read_latents, to_pixels
    from mindone_tae.zoo.progress import Progress

    from .clips import in_groups, start
    from .streams import decoded

    clips = [(_target(path, source, folder), read_latents(path)) for path in paths]
    model = start(recipe)
    with Progress("decode", sum(clip.frames for _, clip in clips), "frames") as progress:
        for group in in_groups(clips, options.batch_size or 1, lambda entry: (entry[1].frames, entry[1].mean.shape)):
            frames = group[0][1].frames
            with ExitStack() as files:
                outputs = [files.enter_context(_output(target, clip)) for target, clip in group]
                for chunk in decoded(model, np.stack([clip.mean for _, clip in group]), frames):
                    for output, recon in zip(outputs, chunk):
                        for frame in to_pixels(recon):
                            output.write(frame)
                    progress.advance(count=len(group) * chunk.shape[2])
    console.print(f"{len(clips)} videos: {folder}")


class _Counted:
    """Chunks passed on, their frames counted and shown."""

    def __init__(self, chunks, progress):
        self.chunks, self.progress = chunks, progress
        self.frames, self.size = 0, None

    def __iter__(self):
        for chunk in self.chunks:
            self.frames, self.size = self.frames + chunk.shape[2], tuple(chunk.shape[3:])
            yield chunk
            self.progress.advance(count=len(chunk) * chunk.shape[2])


def _target(path, source, folder):
    """Where a latent's clip goes: its own subfolder and name."""
    name = path.relative_to(source) if source.is_dir() else Path(path.name)
    return folder / str(name).removesuffix(_SUFFIX)


def _output(target, clip):
    """The writer of one clip; a source that cannot be written under its own ending becomes NAME.mp4, or NAME.png for an image."""
    from mindone_tae.data import ImageWriter, VideoWriter

    suffix = target.suffix.lower()
    if clip.frames == 1 and suffix in _IMAGES:
        return ImageWriter(target if suffix == ".png" else target.with_name(f"{target.name}.png"))
    return VideoWriter(target if suffix in _VIDEO else target.with_name(f"{target.name}.mp4"), clip.fps or 1.0)
