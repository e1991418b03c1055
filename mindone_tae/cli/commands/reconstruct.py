"""`mindone-tae reconstruct`."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mindone_tae.zoo.atomic_file import remove_unfinished

from .. import flags
from ..output_names import output_file
from ..sigterm import stoppable


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "reconstruct",
        help="videos through the model and back, to look at",
        description="Writes for each clip the reconstruction, a side-by-side video and a PNG sheet of frames.",
    )
    parser.add_argument("--output_path", required=True, metavar="DIR", help="gets reconstruction/, side_by_side/ and sheets/")
    parser.add_argument("--format", choices=("mp4", "gif"), default="mp4", help="of the videos")
    flags.add_trained(parser)
    flags.add_data(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Reconstructs every clip."""
    from ..inference import load

    recipe = load(options, whole_clips(options), "tae/infer/default")
    reconstruct(recipe, options.output_path, console, options.format, options.batch_size or 1)


def whole_clips(options):
    """The data flags; clips are whole, from the first frame and the centre, whatever the recipe trained on."""
    return [
        ("dataset.sample_n_frames", -1),
        ("dataset.deterministic_sample", True),
        ("dataset.random_crop", False),
        ("dataset.random_flip", False),
        ("dataset.mixed_strategy", None),
        ("dataset.mixed_lengths", None),
        *flags.data_overrides(options),
    ]


@stoppable()
def reconstruct(recipe, folder, console, suffix="mp4", batch_size=1):
    """Reconstructs the clips of a recipe's dataset; one that cannot be read is left out, and listed."""
    console.quiet(folder)
    from mindone_tae.zoo.progress import Progress

    from ..clips import Clips, one_by_one, start
    from ..streams import batched, reconstructed

    model, folder = start(recipe), Path(folder)
    clips = Clips(recipe.dataset, folder)
    remove_unfinished(folder)
    written, failed = [], []
    with Progress("reconstruct", clips.total_frames, "frames") as progress:

        def write(group):
            with progress.attempt(), ExitStack() as files:
                outputs = [files.enter_context(Output(folder, clip, suffix)) for clip in group]
                for x, recon in reconstructed(model, batched(group)):
                    for output, source, rebuilt in zip(outputs, x, recon):
                        output.write(source, rebuilt)
                    progress.advance(count=len(group) * x.shape[2])
            written.extend(group)

        for group in clips.groups(batch_size):
            one_by_one(group, write, failed)
    console.print(f"{len(written)} clips: {folder / 'reconstruction'}, {folder / 'side_by_side'}, {folder / 'sheets'}")
    clips.report(console, failed)


class Output:
    """The files of one clip, written as its frames come.

    Args:
        folder: gets reconstruction/, side_by_side/ and sheets/.
        clip: a Clip.
        suffix: "mp4" or "gif".
    """

    def __init__(self, folder, clip, suffix):
        self._sheet = output_file(folder / "sheets", clip.name, ".png")
        kinds = "reconstruction", "side_by_side"
        self._paths = [output_file(folder / kind, clip.name, f".{suffix}") for kind in kinds]
        self._fps = clip.fps or 1.0
        self._shown = set(np.linspace(0, clip.frames - 1, min(6, clip.frames)).round().astype(int).tolist()) or {0}
        self._number, self._kept = 0, []

    def __enter__(self):
        from mindone_tae.data import VideoWriter

        self._files = ExitStack()
        self._alone, self._pair = (self._files.enter_context(VideoWriter(path, self._fps)) for path in self._paths)
        return self

    def write(self, x, recon):
        """Adds frames, (c, t, h, w) in [-1, 1] each."""
        from mindone_tae.data import side_by_side, to_pixels

        for source, rebuilt in zip(to_pixels(x), to_pixels(recon)):
            self._alone.write(rebuilt)
            self._pair.write(side_by_side(source, rebuilt))
            if self._number in self._shown:
                self._kept.append((self._number, source, rebuilt))
            self._number += 1

    def __exit__(self, kind, *exception):
        from mindone_tae.data import write_contact_sheet

        from ..pictures import sheet_rows

        self._files.__exit__(kind, *exception)
        if kind is None:
            numbers, sources, rebuilt = zip(*self._kept)
            write_contact_sheet(self._sheet, sheet_rows(np.stack(sources), np.stack(rebuilt)), frame_numbers=numbers)
