"""Latents of a manifest's clips by Ray Data: actors hold the model, and one that dies is replaced.

    python examples/ray_encode/encode.py --manifest outputs/checked/manifest.csv --video_folder videos --actors 2 \
        --ckpt_path tiny --image_size 256 --output_path outputs/latents

Flags that are not listed by --help are those of `mindone-tae encode`.
"""

import argparse
import math
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import ray
import ray.data

from mindone_tae.cli import flags
from mindone_tae.cli.clips import Clips, start
from mindone_tae.cli.console import Console
from mindone_tae.cli.encoding import ClipEncoder, Counted, Sizes, Wanted
from mindone_tae.cli.inference import load, take_default_weights
from mindone_tae.cli.mistakes import report
from mindone_tae.cli.parser import parse
from mindone_tae.cli.streams import batched
from mindone_tae.data import UnreadableVideo
from mindone_tae.data.latents.cache import LatentFiles, why_to_encode
from mindone_tae.data.latents.clip_file import SUFFIX, open_latents, write_latents
from mindone_tae.zoo import UserError
from mindone_tae.zoo.atomic_file import locked
from mindone_tae.zoo.printable import printable

WRITTEN, UP_TO_DATE = "written", "up to date"
NOT_HERE = ("shard_size_mb", "rank", "world", "verify", "batch_size")


class Encoder:
    """What an actor does: rows of the manifest to files of latents, by the model that it holds.

    Args:
        words: of `mindone-tae encode`.
        folder: that the words' relative paths start from: the driver's.
    """

    def __init__(self, words, folder):
        os.chdir(folder)
        options, recipe = understood(words, Console())
        self._folder, self._sizes = Path(options.output_path), Sizes()
        seed = recipe.train.seed if options.sample else None
        self._encoder = ClipEncoder(start(recipe), recipe.model, options.convention, seed)
        with tempfile.TemporaryDirectory() as unused:  # the driver lists what the manifest leaves out
            self._clips = Clips(recipe.dataset, unused).clips

    def __call__(self, batch):
        """The outcome of each row: WRITTEN, UP_TO_DATE, or why it was left out."""
        return {"row": batch["row"], "outcome": [self._outcome(self._clips[row]) for row in batch["row"]]}

    def _outcome(self, clip):
        try:
            return self.encode(clip)
        except UnreadableVideo as error:
            return printable(error.reason)

    def encode(self, clip):
        """Writes a clip's latent, unless it is there, by the same settings and from the same file.

        An actor's rows are all done again when it dies before it has returned them; files are written whole or not at
        all, so that those that it finished are found up to date.
        """
        if why_not := LatentFiles.cannot_hold(clip.name):
            raise UnreadableVideo(clip.path, why_not)
        wanted = Wanted(clip, self._sizes.of(clip), self._encoder.shared)
        path = self._folder / f"{wanted.name}{SUFFIX}"
        if why_to_encode(held(path, wanted.name), wanted.expected) is None:
            return UP_TO_DATE
        (latent,) = self._encoder.encode([wanted], Counted(batched([clip])))
        write_latents(path, latent)
        return WRITTEN


def held(path, name):
    """The latent that a file holds; None where there is none, or a damaged one."""
    try:
        return open_latents(path, name)
    except UserError:
        return None


def understood(words, console):
    """(options, recipe) of the words of `mindone-tae encode`.

    Raises:
        UserError: they are none, or name what is not done here.
    """
    options = parse(["encode", *words])
    for name in NOT_HERE:
        if getattr(options, name):
            raise UserError(f"--{name} is given; Ray's actors take one clip at a time, a file each: leave it out")
    if not options.output_path:
        raise UserError("--output_path is missing; the latents need a folder that every machine sees: give it")
    take_default_weights(options, console)
    return options, load(options, flags.data_overrides(options), "tae/infer/default", flags.WHOLE_CLIPS)


def encode_all(words, own, console, actor):
    """Encodes what is missing or stale, and prints how many clips came to which end."""
    options, recipe = understood(words, console)
    folder = Path(options.output_path)
    with locked(folder):
        clips = Clips(recipe.dataset, folder)
        LatentFiles(folder)  # refuses shards, and removes what killed actors left half-written
        count = len(clips.clips)
        if not ray.is_initialized():
            ray.init(address=own.address)
        rows = ray.data.from_items(
            [{"row": row} for row in range(count)], override_num_blocks=math.ceil(count / own.rows_at_a_time)
        )
        outcomes = rows.map_batches(
            actor,
            fn_constructor_args=(words, os.getcwd()),
            batch_size=None,  # a block
            # two blocks at a time: the first actor that is up leaves work to the others
            compute=ray.data.ActorPoolStrategy(size=own.actors, max_tasks_in_flight_per_actor=2),
            num_cpus=own.cpus,
            resources={"NPU": own.npus} if own.npus else None,
        )
        counts, failed = Counter(), []
        for row in outcomes.iter_rows():
            counts[row["outcome"]] += 1
            if row["outcome"] not in (WRITTEN, UP_TO_DATE):
                failed.append((clips.clips[row["row"]].path, row["outcome"]))
        LatentFiles(folder)
        console.print(f"{count} clips: {counts[WRITTEN]} latents written, {counts[UP_TO_DATE]} up to date: {folder}")
        clips.report(console, failed)


def main(words=None, actor=Encoder):
    """Encodes; gives the exit status, 2 for what its user can correct.

    Args:
        words: of the command line; None takes this process's.
        actor: what an actor does.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True, help="what mindone-tae check-data wrote")
    parser.add_argument("--actors", type=int, default=1, help="that hold the model, each a process (1)")
    parser.add_argument("--cpus", type=float, default=1, help="cores that Ray reserves for each (1)")
    parser.add_argument("--npus", type=int, default=0, help="NPUs that Ray gives each (0)")
    parser.add_argument("--rows_at_a_time", type=int, default=8, help="of the manifest, that an actor is handed (8)")
    parser.add_argument("--address", help="of a Ray cluster, or auto; without it, one is started on this machine")
    own, rest = parser.parse_known_args(words)
    if min(own.actors, own.rows_at_a_time) < 1:
        parser.error("--actors and --rows_at_a_time must be 1 or more")
    console = Console()
    try:
        encode_all([*rest, f"dataset.manifest_path={own.manifest}"], own, console, actor)
    except Exception as error:
        return report(error, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
