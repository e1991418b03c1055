"""`mindone-tae reconstruct`."""

from pathlib import Path

import numpy as np

from . import flags


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "reconstruct",
        help="videos through the model and back, to look at",
        description="Writes for each clip the reconstruction, a side-by-side video and a PNG sheet of frames.",
    )
    parser.add_argument("--config", help=f"{flags.CONFIG}; without it, that of the run --ckpt_path names")
    parser.add_argument("--output_path", required=True, metavar="DIR", help="gets reconstruction/, side_by_side/ and sheets/")
    parser.add_argument("--format", choices=("mp4", "gif"), default="mp4", help="of the videos")
    flags.add_data(parser)
    flags.add_model(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Reconstructs every clip."""
    from .inference import load

    recipe = load(options, whole_clips(options), "tae/infer/default")
    reconstruct(recipe, options.output_path, console, options.format)


def whole_clips(options):
    """The data flags; clips are whole, from the first frame and the centre, whatever the recipe trained on."""
    return [
        ("dataset.sample_n_frames", -1),
        ("dataset.deterministic_sample", True),
        ("dataset.random_crop", False),
        ("dataset.random_flip", False),
        ("dataset.mixed_strategy", None),
        *flags.data_overrides(options),
    ]


def reconstruct(recipe, folder, console, suffix="mp4"):
    """Reconstructs the clips of a recipe's dataset.

    Returns:
        The paths of the sheets.
    """
    console.quiet(folder)
    from mindone_tae.data import VideoWriter, side_by_side, to_pixels, write_contact_sheet
    from mindone_tae.zoo.progress import Progress

    from .clips import Clips, start
    from .pictures import sheet_rows
    from .streams import reconstructed

    model, folder = start(recipe), Path(folder)
    clips = Clips(recipe.dataset, folder)
    sheets = []
    with Progress("reconstruct", clips.total_frames, "frames") as progress:
        for clip in clips:
            shown = set(np.linspace(0, clip.frames - 1, min(6, clip.frames)).round().astype(int).tolist())
            number, kept = 0, []
            rebuilt = folder / "reconstruction" / f"{clip.name}.{suffix}"
            beside = folder / "side_by_side" / f"{clip.name}.{suffix}"
            with VideoWriter(rebuilt, clip.fps or 1.0) as alone, VideoWriter(beside, clip.fps or 1.0) as pair:
                for x, recon in reconstructed(model, clip.chunks()):
                    for source, result in zip(to_pixels(x), to_pixels(recon)):
                        alone.write(result)
                        pair.write(side_by_side(source, result))
                        if number in shown:
                            kept.append((number, source, result))
                        number += 1
                    progress.advance(count=x.shape[1])
            sheets.append(folder / "sheets" / f"{clip.name}.png")
            numbers = [entry[0] for entry in kept]
            rows = sheet_rows(np.stack([entry[1] for entry in kept]), np.stack([entry[2] for entry in kept]))
            write_contact_sheet(sheets[-1], rows, frame_numbers=numbers)
    console.print(f"{len(sheets)} clips: {folder / 'reconstruction'}, {folder / 'side_by_side'}, {folder / 'sheets'}")
    clips.report(console)
    return sheets
