"""The arguments of every command."""

import argparse
import re
import sys
from pathlib import Path

from mindone_tae.version import __version__
from mindone_tae.zoo import UserError
from mindone_tae.zoo.errors import did_you_mean

from . import flags
from .commands import (
    check_data,
    decode,
    demo,
    encode,
    evaluate,
    inflate,
    latent_stats,
    linear_code,
    listing,
    plot,
    published_weights,
    reconstruct,
    report,
    train,
)

# a key by its dotted path, with or without dashes; or a whole section, which dashes would make a flag
_KEY = re.compile(r"(?:--)?(?P<key>[a-z_]+(?:\.[a-z_0-9]+)+)(?:=.*)?|(?P<section>[a-z_]+)=.*", re.DOTALL)

_EPILOG = """\
Any key of a recipe can be changed on the command line by its dotted path:
  mindone-tae train --config tae/train/tiny_64x64x8 --output_path outputs/tiny train.steps=300 model.dtype=float16
and a whole section by its name: "discriminator={name: patchgan_3d}"

Recipes are named (mindone-tae list) or given as files. Exit status: 0 success, 2 a mistake you can mend, 128 + n ended by signal n, 1 anything else.
"""

# In the order of --help.
_COMMANDS = (
    *(listing, train, evaluate, reconstruct, encode, decode, latent_stats),
    *(inflate, linear_code, published_weights, plot, report, demo, check_data),
)


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are ours: one line, status 2; flags are whole words."""

    def __init__(self, *args, **keywords):
        super().__init__(*args, **{**keywords, "allow_abbrev": False})

    def error(self, message):
        raise UserError(f"{message}: see {self.prog} --help")


def parse(arguments):
    """Options of one command: `command` to call, `overrides` as (dotted path, YAML text) pairs, and the flags.

    Raises:
        UserError: an argument that no command takes, or --output_path is no folder and cannot become one.
    """
    parser = _Parser(
        prog="mindone-tae",
        description="Movie Gen's Temporal Autoencoder on MindSpore: train, evaluate, reconstruct, encode and decode video.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mindone_tae {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="name", parser_class=_Parser)
    for module in _COMMANDS:
        module.add_to(commands)
    if not arguments:
        parser.print_help(sys.stdout)
        raise SystemExit(2)
    options, rest = parser.parse_known_args(_joined(flags.with_switch_values(arguments)))
    if options.name is None:
        raise UserError("no command is given: see mindone-tae --help")
    command = commands.choices[options.name]
    if hasattr(options, "videos"):
        options.videos, rest = _separate_videos([*options.videos, *rest])
    options.overrides = _overrides(rest, command, getattr(options, "takes_overrides", False))
    _check_videos(options)
    if (
        any(action.dest == "output_path" and action.metavar == "DIR" for action in command._actions)
        and options.output_path
    ):
        _check_folder(Path(options.output_path))
    return options


def _joined(words):
    """The words with "--a.b c" made "--a.b=c": argparse would take c for a video."""
    joined, words = [], list(words)
    while words:
        word = words.pop(0)
        match = _KEY.fullmatch(word)
        takes_next = match and match["key"] and word.startswith("--") and "=" not in word and words
        joined.append(f"{word}={words.pop(0)}" if takes_next else word)
    return joined


def _separate_videos(words):
    """Videos, and what else stood between them: flags that are not known and key=value."""
    is_video = [not word.startswith("-") and (Path(word).exists() or "=" not in word) for word in words]
    videos = [word for word, video in zip(words, is_video) if video]
    return videos, [word for word, video in zip(words, is_video) if not video]


def _check_videos(options):
    videos = getattr(options, "videos", [])
    missing = [word for word in videos if not Path(word).exists()]
    if missing:
        raise UserError(f"{missing[0]}: no such file or folder; videos are named by their paths: check the name")
    flag = next(
        (f"--{name}" for name in ("csv_path", "video_folder") if getattr(options, name, None) is not None), None
    )
    if videos and flag:
        raise UserError(f"videos are given twice, as {videos[0]} and by {flag}: leave one of the two out")


def _check_folder(path):
    """Here, before the first command writes there: each would stumble at another file, and say it in other words."""
    there = next((place for place in (path, *path.parents) if place.exists()), None)
    if there is not None and not there.is_dir():
        inside = "" if there == path else f", and {there} is a file"
        raise UserError(
            f"--output_path is {path}{inside or ', which is a file'}; it must be a folder, or a name that is free: choose another --output_path"
        )


def _overrides(words, parser, taken):
    """Texts "key=value" from `a.b=c`, `--a.b=c`, `--a.b c` and `a={b: c}`."""
    found, words = [], list(words)
    while words:
        word = words.pop(0)
        match = _KEY.fullmatch(word)
        if match is None or not taken:
            known = [flag for action in parser._actions for flag in action.option_strings]
            raise UserError(f"unknown argument {word!r}{did_you_mean(word, known)}: see {parser.prog} --help")
        path, (_, sign, value) = match["key"] or match["section"], word.partition("=")
        if not sign:
            if not word.startswith("--") or not words:
                raise UserError(f"{word} has no value: write {path}=VALUE")
            value = words.pop(0)
        found.append(f"{path}={value}")
    return found
