"""The flags that commands share, and the recipe keys that they set."""

import re
from argparse import ArgumentTypeError
from contextlib import suppress
from math import inf
from pathlib import Path

# Longer ones are no size, and Python reads none of over 4300 digits.
_SIDE = re.compile("[0-9]{1,9}")
# Flags that are on when bare, and take true or false; see `parser._joined`.
SWITCHES = ("--enable_tile", "--use_outlier_penalty_loss")
SWITCH_VALUES = {"true": True, "false": False}
_PAPERS_OPL_WEIGHT = 1e5
# Clips are whole, from the first frame and the centre, unflipped, whatever the recipe trained on.
WHOLE_CLIPS = [
    ("dataset.sample_n_frames", -1),
    ("dataset.deterministic_sample", True),
    ("dataset.random_crop", False),
    ("dataset.random_flip", False),
    ("dataset.mixed_strategy", None),
    ("dataset.mixed_lengths", None),
    ("dataset.clips_per_video", 1),
    ("dataset.check_files", True),
]


def add_number(parser, flag, help, least, most=inf, default=None, metavar="N"):
    """A flag of a number from least to most, of the type of least; its help ends with the default."""
    kind = type(least)

    def number(text):
        with suppress(ValueError):
            value = kind(text)
            if least <= value <= most:
                return value
        noun = "a whole number" if kind is int else "a number"
        bounds = f"from {least:.12g} up" if most == inf else f"from {least:.12g} to {most:.12g}"
        raise ArgumentTypeError(f"is {text or repr(text)}; it must be {noun} {bounds}, or left out")

    help += "" if default is None else f" (default: {default:.12g})"
    parser.add_argument(flag, type=number, default=default, metavar=metavar, help=help)


def add_choice(parser, flag, help, choices, default=None):
    """A flag of one of some words, by default the first; its help ends with the default."""
    default = default or choices[0]
    parser.add_argument(flag, choices=choices, default=default, help=f"{help} (default: {default})")


def add_output_path(parser, help, default=None, required=False):
    """The flag of the folder that a command writes to; its help ends with the default."""
    help += f" (default: {default})" if default else ""
    parser.add_argument("--output_path", default=default, required=required, metavar="DIR", help=help)


def add_videos(parser):
    """Videos named one by one, for a command that takes them so; see `parser._separate_videos`."""
    parser.add_argument(
        "videos", nargs="*", metavar="FILE_OR_FOLDER", help="videos, images, or folders to search for them"
    )


def add_data(parser):
    """Flags that choose clips, their frames and their size."""
    parser.add_argument("--csv_path", metavar="CSV", help="table with the videos' paths in its column `video`")
    parser.add_argument(
        "--video_folder",
        "--folder",
        metavar="DIR",
        help="base folder of the table's paths; without a table, a folder of videos, or one video",
    )
    parser.add_argument("--video_column", metavar="NAME", help="the table's column of paths (default: video)")
    parser.add_argument("--num_frames", type=int, metavar="N", help="frames per clip; -1 takes all")
    parser.add_argument(
        "--image_size",
        metavar="SIZE",
        help="in pixels: 256 (a square), 480,832 (height,width) or 256px (shorter side, aspect kept)",
    )


def add_trained(parser):
    """Flags that choose the model and the clips, for a command that does not train."""
    _add_config(parser)
    add_model(parser)
    add_data(parser)


def add_weights(parser):
    """Which model, for a command that runs it on no clips."""
    _add_config(parser)
    _add_ckpt_path(parser)


def add_model(parser):
    """Flags that choose weights, batch size and tiling."""
    add_number(parser, "--batch_size", "clips per batch", 1)
    _add_ckpt_path(parser)
    tiles = "work in tiles of time and space, to save memory (sets model.use_tile); the bare flag means true"
    _add_switch(parser, "--enable_tile", tiles)


def add_outlier_penalty(parser):
    """The guide's flag of the outlier penalty, for the command that trains."""
    penalty = "add the paper's outlier penalty (loss.opl_weight 1e5); False sets the weight to 0"
    _add_switch(parser, "--use_outlier_penalty_loss", penalty)


def _add_switch(parser, flag, help):
    """A flag of SWITCHES."""
    parser.add_argument(flag, type=_true_or_false, metavar="BOOL", help=help)


def _add_config(parser):
    parser.add_argument(
        "--config",
        help="name of a recipe (see mindone-tae list) or a file; default: the recipe of the run in --ckpt_path",
    )


def _add_ckpt_path(parser):
    parser.add_argument(
        "--ckpt_path",
        metavar="PATH",
        help="weights: a run's folder, .safetensors, .ckpt, torch's .bin, .pt, .pth, a diffusers folder, "
        "organisation/name on Hugging Face, or tiny (shipped with the package)",
    )


def data_keywords(options):
    """The data flags as keywords of a dataset, those that are given."""
    videos, table, folder = getattr(options, "videos", None), options.csv_path, options.video_folder
    found = {}
    if videos:
        found = {"csv_path": None, "folder": videos[0] if len(videos) == 1 else videos}
    elif table is not None or folder is not None:
        found = {"csv_path": table, "folder": str(Path(table).parent) if folder is None else folder}
    others = {
        "video_column": options.video_column,
        "sample_n_frames": options.num_frames,
        "size": size(options.image_size),
    }
    return found | {key: value for key, value in others.items() if value is not None}


def data_overrides(options, section="dataset"):
    """The data flags as (dotted path, value) pairs of a section."""
    return [(f"{section}.{key}", value) for key, value in data_keywords(options).items()]


def names_clips(options):
    """Whether the command line says which clips are meant, by a flag or a key of the dataset section."""
    keys = {text.partition("=")[0] for text in options.overrides}
    places = {"dataset", *(f"dataset.{key}" for key in ("csv_path", "folder", "path", "manifest_path", "name"))}
    return bool(getattr(options, "videos", None) or options.csv_path or options.video_folder or keys & places)


def output_folder(options, command):
    """--output_path; without it outputs/COMMAND, and below it the name of the one video or folder that was named."""
    if options.output_path:
        return Path(options.output_path)
    videos = options.videos if len(options.videos) == 1 else []
    paths = [Path(video).resolve() for video in videos]
    return Path("outputs", command, *(path.name if path.is_dir() else path.stem for path in paths))


def model_overrides(options):
    """The model flags as (dotted path, value) pairs."""
    pairs = []
    if options.ckpt_path is not None:
        pairs.append(("model.pretrained", options.ckpt_path))
    if getattr(options, "enable_tile", None) is not None:
        pairs.append(("model.use_tile", options.enable_tile))
    return pairs


def loss_overrides(options):
    """The flag of the outlier penalty as (dotted path, value) pairs."""
    asked = options.use_outlier_penalty_loss
    return [] if asked is None else [("loss.opl_weight", _PAPERS_OPL_WEIGHT if asked else 0.0)]


def _true_or_false(text):
    if text.lower() not in SWITCH_VALUES:
        raise ArgumentTypeError(f"{text!r} is neither True nor False: write the flag bare, =True or =False")
    return SWITCH_VALUES[text.lower()]


def size(text):
    """--image_size as recipes write a size; None where it is not given."""
    if text is None:
        return None
    numbers = text.replace("x", ",").split(",")
    if all(_SIDE.fullmatch(number.strip()) for number in numbers):
        sides = [int(number) for number in numbers]
        return sides[0] if len(sides) == 1 else sides
    return text
