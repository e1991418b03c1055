"""`mindone-tae reconstruct`."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mindone_tae.zoo import UserError
from mindone_tae.zoo.atomic_file import remove_unfinished

from .. import flags
from ..output_names import output_file


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "reconstruct",
        help="encode and decode videos, for viewing",
        description="Writes for each clip the reconstruction, a side-by-side video and a PNG sheet of frames; and "
        "report.html, a page with synchronized players, metrics of every frame and the latent.",
    )
    flags.add_videos(parser)
    flags.add_output_path(
        parser,
        "where to write report.html, reconstruction/, side_by_side/, sheets/ (default: outputs/reconstruct/NAME)",
    )
    flags.add_choice(parser, "--format", "format of the videos", ("mp4", "gif"))
    flags.add_trained(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Reconstructs every clip."""
    from ..inference import load, take_default_weights

    take_default_weights(options, console)
    recipe = load(options, flags.data_overrides(options), "tae/infer/look", flags.WHOLE_CLIPS)
    folder = flags.output_folder(options, "reconstruct")
    if not flags.names_clips(options):
        _say_whose_clips(recipe, console)
    names_size = options.image_size is None and options.config is None
    reconstruct(recipe, folder, console, options.format, options.batch_size or 1, names_size)


def _say_whose_clips(recipe, console):
    """What is reconstructed where nobody named a video: the clips of the recipe, which a training recipe trains on.

    Raises:
        UserError: the recipe names none either.
    """
    found = [recipe.dataset[key] for key in ("csv_path", "folder", "path", "manifest_path") if recipe.dataset.get(key)]
    if recipe.dataset["name"] == "tae_video" and not found:
        raise UserError("no video is given: name files or folders, as in mindone-tae reconstruct my.mp4")
    where = f", {found[0]}" if found else ""
    console.print(f"no video is named: these are the clips that the recipe trains on{where}")


def reconstruct(recipe, folder, console, suffix, batch_size, names_size):
    """Reconstructs the clips of a recipe's dataset; one that cannot be read is left out, and listed.

    Args:
        recipe: a Recipe.
        folder: --output_path.
        console: to print on.
        suffix: "mp4" or "gif".
        batch_size: clips at a time.
        names_size: print the size that frames are resized to, where no flag gave it.
    """
    console.quiet(folder)
    from mindone_tae.zoo.progress import Progress

    from ..clips import Clips, over_groups, start
    from ..report.showing import Showing
    from ..streams import reconstructed

    model, folder = start(recipe), Path(folder)
    clips = Clips(recipe.dataset, folder)
    remove_unfinished(folder)
    if names_size:
        console.print(_size_taken(clips.clips, recipe.dataset.get("size")))
    showing = Showing(folder, "reconstruct", recipe, model)
    written, failed = [], []
    with Progress("reconstruct", clips.total_frames, "frames") as progress:

        def write(group, chunks):
            with progress.attempt(), ExitStack() as files:
                outputs = [files.enter_context(Output(folder, clip, suffix)) for clip in group]
                shown = [showing.clip(clip) for clip in group]

                def latents(mean):
                    for page, latent in zip(shown, mean):
                        if page:
                            page.add_latent(latent)

                for x, recon in reconstructed(model, chunks, latents):
                    for output, page, source, rebuilt in zip(outputs, shown, x, recon):
                        output.write(source, rebuilt)
                        if page:
                            page.add(source, {"model": rebuilt})
                    progress.advance(count=len(group) * x.shape[2])
            for page in filter(None, shown):
                page.finish()

        for group, _ in over_groups(clips.groups(batch_size), write, failed):
            written.extend(group)
    page = showing.write()
    count = "1 clip" if len(written) == 1 else f"{len(written)} clips"
    console.print(f"{count}: {folder / 'reconstruction'}, {folder / 'side_by_side'}, {folder / 'sheets'}")
    clips.report(console, failed)
    if page:
        console.print("", f"open in a browser: {page}")


def _size_taken(clips, size):
    """A line with the size that frames are resized to."""
    from mindone_tae.data import parse_size

    if size is None:
        return f"{len(clips)} clips"
    another = "--image_size 480px takes another"
    if len(clips) == 1 and clips[0].size:
        of, to = ("x".join(map(str, sides)) for sides in (clips[0].size, parse_size(size).of(*clips[0].size)))
        return f"{clips[0].name}: {clips[0].frames} frames of {of} (height x width), taken at {to}; {another}"
    return f"{len(clips)} clips, taken at {size if isinstance(size, str) else 'x'.join(map(str, size))}; {another}"


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
        self._clip = clip
        self._shown = set(np.linspace(0, clip.frames - 1, min(6, clip.frames)).round().astype(int).tolist()) or {0}
        self._number, self._kept = 0, []

    def __enter__(self):
        from mindone_tae.data import VideoWriter
        from mindone_tae.data.video_out.writer import writable_fps

        self._files, fps = ExitStack(), writable_fps(self._clip.fps, self._clip.name)
        self._alone, self._pair = (self._files.enter_context(VideoWriter(path, fps)) for path in self._paths)
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
