"""`mindone-tae encode`."""

import logging
import shutil
import time
from collections import Counter

from tqdm import tqdm

from mindone_tae.zoo import UserError

from .. import flags, rank_share
from ..encoding import CONVENTIONS, ClipEncoder, Counted, Sizes, Wanted

_logger = logging.getLogger(__name__)

# So much is held in memory before it is written.
_MOST_SHARD_MB = 10**6


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "encode",
        help="encode videos to latents",
        description="Writes the latent of each clip as safetensors: mean and logvar, or a sample, with frames, fps, "
        "size, crop, scaling and the weights' sha256. A repeated call encodes only clips that are missing, or that "
        "were encoded from another source, checkpoint or settings.",
    )
    flags.add_videos(parser)
    flags.add_output_path(
        parser, "where to write a file for each clip, in the same subfolder, or shards (default: outputs/encode/NAME)"
    )
    scaling = "scaling of the latents, for a generator; none leaves them as the encoder gives them"
    flags.add_choice(parser, "--convention", scaling, CONVENTIONS)
    parser.add_argument(
        "--sample",
        action="store_true",
        help="write a sample instead of mean and logvar; train.seed and the clip's name determine it",
    )
    shards = "put many clips into files of about this size, with an index.json; a kill loses only the unfinished file"
    flags.add_number(parser, "--shard_size_mb", f"{shards}; 256 suits most", 1e-6, _MOST_SHARD_MB, metavar="MB")
    verify = "afterwards encode N clips again, chosen by train.seed, and compare the results with their files"
    flags.add_number(parser, "--verify", verify, 0, default=0)
    rank_share.add_to(parser)
    flags.add_trained(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Encodes every clip that is not there yet."""
    from ..inference import load, take_default_weights

    if rank_share.leave_msrun():
        return
    rank, world = rank_share.rank_and_ranks(options)
    options.overrides = [*options.overrides, "env.distributed=false"]
    take_default_weights(options, console)
    recipe = load(options, flags.data_overrides(options), "tae/infer/default", flags.WHOLE_CLIPS)
    folder = flags.output_folder(options, "encode")
    console.quiet(folder if rank == 0 else None)
    from mindone_tae.data.latents.cache import LatentFiles
    from mindone_tae.data.latents.shard_cache import LatentShards
    from mindone_tae.zoo.atomic_file import locked

    from ..clips import Clips, start

    with locked(folder if world == 1 else folder / ".ranks" / f"{rank}of{world}"):
        size_mb = options.shard_size_mb
        cache = (
            LatentFiles(folder, rank, world)
            if size_mb is None
            else LatentShards(folder, int(size_mb * 1e6), rank, world)
        )
        encoder = ClipEncoder(
            start(recipe), recipe.model, options.convention, recipe.train.seed if options.sample else None
        )
        clips = Clips(recipe.dataset, folder, "" if world == 1 else f".{rank}of{world}")
        encoding = Encoding(encoder, cache, clips, console, f" of process {rank} of {world}" if world > 1 else "")
        encoding.run(folder, options.batch_size or 1)
        clips.report(console, encoding.failed)
        if options.verify:
            from ..verifying import verify

            verify(encoder, cache, encoding.wanted, options.verify, recipe.train.seed, console)


class Encoding:
    """One pass over a collection.

    Args:
        encoder: a ClipEncoder.
        cache: LatentFiles or LatentShards.
        clips: Clips.
        console: to print on.
        whose: name of this process's share in messages.

    Attributes:
        wanted: the Wanted of this process's clips.
        failed: (path, reason) of those that could not be read.
    """

    def __init__(self, encoder, cache, clips, console, whose):
        self._encoder, self._cache, self._clips, self._console, self._whose = encoder, cache, clips, console, whose
        self.failed, self.wanted = [], []

    def run(self, folder, batch_size):
        """Encodes what is missing or stale."""
        from mindone_tae.zoo.progress import Progress

        from ..clips import in_groups, over_groups

        todo = self._compare()
        estimate = self._announce(todo, folder)
        # In an order independent of the clips already encoded: shards come out the same after any number of kills.
        todo.sort(key=lambda wanted: (self._cache.place(wanted.name), wanted.shape, wanted.clip.index))
        groups = in_groups(todo, batch_size, lambda wanted: (self._cache.place(wanted.name), wanted.shape))
        figures = _Figures(estimate)
        with Progress("encode", _frames(todo) or None, "frames", shown=bool(todo)) as progress:

            def encode(group, chunks):
                with progress.attempt():
                    counted = Counted(chunks, lambda frames: progress.advance(figures.shown, frames))
                    return self._encoder.encode(group, counted)

            for _, latents in over_groups(groups, encode, self.failed, lambda wanted: wanted.clip):
                first = not figures.clips
                while latents:  # emptied, or they would live on while the next group is encoded
                    latent = latents.pop(0)
                    self._cache.write(latent.source, latent)
                    figures.add(latent)
                if first and _frames(todo) > figures.frames:
                    _logger.info(figures.forecast(_frames(todo) - figures.frames))
            self._cache.finish()
        scaling = "unscaled" if self._encoder.convention == "none" else f"scaled ({self._encoder.convention})"
        speed = f", {figures.speed:.3g} frames a second" if figures.clips else ""
        self._console.print(f"{figures.clips} latents, {megabytes(figures.bytes)}, {scaling}{speed}: {folder}")

    def _compare(self):
        """The Wanted of the clips that have to be encoded; prints the reasons."""
        from mindone_tae.data import UnreadableVideo
        from mindone_tae.data.latents.cache import DAMAGED, MISSING, why_to_encode

        from ..clips import leave_out

        todo, why, sizes = [], Counter(), Sizes()
        for clip in self._clips.clips:
            if not self._cache.mine(clip.name):
                continue
            try:
                if why_not := self._cache.cannot_hold(clip.name):
                    raise UnreadableVideo(clip.path or clip.name, why_not)
                wanted = Wanted(clip, sizes.of(clip), self._encoder.shared)
            except UnreadableVideo as error:
                leave_out(error, self.failed)
                continue
            self.wanted.append(wanted)
            damaged = wanted.name in self._cache.damaged
            reason = DAMAGED if damaged else why_to_encode(self._cache.latents.get(wanted.name), wanted.expected)
            why[reason] += 1
            if reason:
                todo.append(wanted)
        missing, damaged, fresh = (why.pop(reason, 0) for reason in (MISSING, DAMAGED, None))
        told = f" ({', '.join(f'{count} {reason}' for reason, count in sorted(why.items()))})" if why else ""
        left = len(self._cache.latents.keys() - {clip.name for clip in self._clips.clips})
        self._console.print(
            f"{len(self.wanted)} clips{self._whose}: {fresh} up to date, {missing} missing, "
            f"{why.total()} stale{told}, {damaged} damaged"
            + (f"; {left} latents of other clips are left alone" if left else "")
        )
        return todo

    def _announce(self, todo, folder):
        """Prints, before anything is encoded, and returns the bytes of the latents; None where the model cannot say."""
        sizes = [self._encoder.latent_bytes(wanted.clip.frames, wanted.size) for wanted in todo]
        free = shutil.disk_usage(folder).free
        estimate = None if None in sizes else sum(sizes)
        if todo:
            amount = (
                "an amount not known before"
                if estimate is None
                else f"about {megabytes(estimate)} for {_frames(todo)} frames"
            )
            self._console.print(f"to write: {amount}; the disk has {megabytes(free)} free")
        if estimate is not None and estimate > free:
            raise UserError(
                f"{folder} would get {megabytes(estimate)} and its disk has {megabytes(free)} free; it must hold them: "
                "free space, or choose another --output_path"
            )
        return estimate


class _Figures:
    """Speed and size of the clips encoded so far."""

    def __init__(self, estimate):
        self._start, self.clips, self.frames, self.bytes = time.monotonic(), 0, 0, 0
        self.speed = 0.0  # frames a second
        self._of = "" if estimate is None else f" of {megabytes(estimate)}"

    def add(self, clip):
        """Adds a LatentClip."""
        self.clips += 1
        self.frames += clip.frames
        self.bytes += sum(array.nbytes for array in clip.arrays.values())
        self.speed = self.frames / max(time.monotonic() - self._start, 1e-9)

    @property
    def shown(self):
        """Figures after the bar."""
        return (
            {"frames/s": f"{self.speed:.3g}", "written": f"{megabytes(self.bytes)}{self._of}"} if self.frames else None
        )

    def forecast(self, rest):
        """The time for the remaining frames, at the speed so far."""
        time_left = tqdm.format_interval(rest / self.speed)
        return f"{self.speed:.3g} frames a second in the first clips; about {time_left} for the other {rest} frames"


def _frames(todo):
    """Number of all frames; 0 where datasets do not say."""
    return sum(wanted.clip.frames for wanted in todo)


def megabytes(count):
    """Bytes as text, in MB or GB."""
    return f"{count / 1e6:.3g} MB" if count < 1e9 else f"{count / 1e9:.3g} GB"
