"""`mindone-tae encode` and `mindone-tae decode`."""

from pathlib import Path

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
    parser.add_argument("--config", help=f"{flags.CONFIG}; without it, that of the run --ckpt_path names")
    parser.add_argument("--output_path", required=True, metavar="DIR", help="gets a file for each clip, in the same subfolder")
    flags.add_data(parser)
    flags.add_model(parser)
    parser.set_defaults(command=run_encode, takes_overrides=True)

    parser = commands.add_parser(
        "decode",
        help="latents back to videos",
        description="Turns what `encode` wrote back into videos of the same length and frame rate, images into images.",
    )
    parser.add_argument("--config", help=f"{flags.CONFIG}; without it, that of the run --ckpt_path names")
    parser.add_argument("--latent_folder", "--latent_path", required=True, metavar="DIR", help="what `encode` wrote; searched with its subfolders")
    parser.add_argument("--output_path", required=True, metavar="DIR", help="gets a video for each latent, in the same subfolder")
    flags.add_model(parser)
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
    from .streams import encoded

    model, folder = start(recipe), Path(options.output_path)
    clips = Clips(recipe.dataset, folder)
    written = 0
    with Progress("encode", clips.total_frames, "frames") as progress:
        for clip in clips:
            shape, frames = None, 0

            def counted():
                nonlocal shape, frames
                for chunk in clip.chunks():
                    shape, frames = chunk.shape, frames + chunk.shape[1]
                    yield chunk
                    progress.advance(count=chunk.shape[1])

            mean, logvar = encoded(model, counted())
            path = folder / f"{clip.name}{_SUFFIX}"
            latent = LatentClip(
                mean=mean,
                logvar=logvar,
                frames=frames,
                fps=clip.fps,
                size=tuple(shape[2:]),
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
    options.csv_path = options.video_folder = options.num_frames = options.image_size = None
    recipe = load(options, [], "tae/infer/default")
    console.quiet(folder)
    from mindone_tae.data import read_latents
    from mindone_tae.zoo.progress import Progress

    from .clips import start

    clips = [(path, read_latents(path)) for path in paths]
    model = start(recipe)
    with Progress("decode", sum(clip.frames for _, clip in clips), "frames") as progress:
        for path, clip in clips:
            name = path.relative_to(source) if source.is_dir() else Path(path.name)
            _write_decoded(model, clip, folder / str(name).removesuffix(_SUFFIX), progress)
    console.print(f"{len(clips)} videos: {folder}")


def _write_decoded(model, clip, target, progress):
    """Writes one clip; a source that cannot be written under its own ending becomes NAME.mp4, or NAME.png for an image."""
    from mindone_tae.data import VideoWriter, to_pixels
    from mindone_tae.zoo.atomic_file import replacing
    from PIL import Image

    from .streams import decoded

    suffix = target.suffix.lower()
    if clip.frames == 1 and suffix in _IMAGES:
        if suffix != ".png":
            target = target.with_name(f"{target.name}.png")
        (frames,) = decoded(model, clip.mean, 1)
        with replacing(target) as temporary:
            Image.fromarray(to_pixels(frames)[0]).save(temporary)
        progress.advance()
        return
    if suffix not in _VIDEO:
        target = target.with_name(f"{target.name}.mp4")
    with VideoWriter(target, clip.fps or 1.0) as writer:
        for chunk in decoded(model, clip.mean, clip.frames):
            for frame in to_pixels(chunk):
                writer.write(frame)
            progress.advance(count=chunk.shape[1])
