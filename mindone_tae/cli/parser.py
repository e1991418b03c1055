"""The arguments of every command."""

import argparse
import os
import re
import sys
from importlib import metadata
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
    latent_stats,
    listing,
    plot,
    reconstruct,
    report,
    train,
)
from .commands.weights import card, export, inflate, linear_code, published_weights
from .serve import command as serve

# a key by its dotted path, with or without dashes; or a whole section, which dashes would make a flag
_KEY = re.compile(r"(?:--)?(?P<key>[a-z_]+(?:\.[a-z_0-9]+)+)(?:=.*)?|[a-z_]+=.*", re.DOTALL)

# a path in the home folder as the value of a flag or a key
_IN_HOME = re.compile(r"(-*[\w.]+=)~/")

_EPILOG = """\
Any key of a recipe can be changed on the command line by its dotted path:
  mindone-tae train --config tae/train/tiny_64x64x8 --output_path outputs/tiny train.steps=300 model.dtype=float16
and a whole section by its name: "discriminator={name: patchgan_3d}"

Give a recipe by its name (see mindone-tae list) or as a file. Exit status: 0 success, 2 a mistake you can correct,
128 + n ended by signal n, 1 anything else.
"""

# In the order of --help.
_COMMANDS = (
    *(listing, train, evaluate, reconstruct, encode, decode, latent_stats),
    *(inflate, export, linear_code, published_weights, plot, report, serve, card, demo, check_data),
)

# Entry points by which other packages add commands: each names a module with `add_to`, as those above have.
_GROUP = "mindone_tae.commands"


class _Parser(argparse.ArgumentParser):
    """argparse that raises UserError, and takes no abbreviated flags."""

    def __init__(self, *args, **keywords):
        super().__init__(*args, **{**keywords, "allow_abbrev": False})

    def error(self, message):
        message = re.sub("^argument ([^:]*): is ", r"\1 is ", message)  # of `flags.add_number`
        raise UserError(f"{message}: see {self.prog} --help")


def parse(arguments):
    """Options of one command: `command` to call, `overrides` as (dotted path, YAML text) pairs, and the flags.

    Raises:
        UserError: an unknown argument, one without a value, or --output_path is not a folder and cannot become one.
    """
    parser = _Parser(
        prog="mindone-tae",
        description="Movie Gen's Temporal Autoencoder on MindSpore: "
        "train, evaluate, reconstruct, encode and decode video.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mindone_tae {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="name")
    for module in _COMMANDS:
        module.add_to(commands)
    _add_others(commands, next((word for word in arguments if not word.startswith("-")), None))
    if not arguments:
        parser.print_help(sys.stdout)
    options, rest = parser.parse_known_args(_joined(arguments))
    if options.name is None:
        raise UserError("no command is given: see mindone-tae --help")
    try:
        os.getcwd()
    except OSError as error:
        raise UserError(f"the current folder was removed ({error.strerror}): change to another") from None
    command = commands.choices[options.name]
    if hasattr(options, "videos"):
        options.videos, rest = _separate_videos([*options.videos, *rest])
    options.overrides = _overrides(rest, command, getattr(options, "takes_overrides", False))
    _check_values(options, command)
    _check_videos(options)
    if any(action.dest == "output_path" and action.metavar == "DIR" for action in command._actions):
        if options.output_path is not None:
            _check_folder(Path(options.output_path))
    return options


def _check_values(options, command):
    """Raises UserError for an empty argument, such as a shell's variable that is not set."""
    for action in command._actions:
        value = getattr(options, action.dest, None)
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str) and not word.strip():
                flag = action.option_strings[0] if action.option_strings else action.metavar
                raise UserError(f"{flag} is {word!r}; it must name something: give it a value, or leave it out")


def _add_others(commands, word):
    """Adds the commands of other packages, which are imported only where they are the one that is given.

    Raises:
        UserError: the command that is given is claimed by two packages, or cannot be imported.
    """
    if word in commands.choices:
        return
    claims = {}
    for claim in metadata.entry_points(group=_GROUP):
        claims.setdefault(claim.name, {})[claim.value] = claim  # a package that is found twice counts once
    for name in sorted(claims.keys() - commands.choices.keys()):
        packages = " and ".join(f"{claim.dist.name} ({value})" for value, claim in claims[name].items())
        if name != word:
            commands.add_parser(name, help=f"of package {packages}")
        elif len(claims[name]) > 1:
            raise UserError(
                f"command '{name}' is claimed by {packages}: only one may have the name; uninstall the other"
            )
        else:
            _add_other(commands, name, *claims[name].values(), packages)


def _add_other(commands, name, claim, package):
    try:
        claim.load().add_to(commands)
    except (Exception, SystemExit) as error:  # a plugin that fails at import must not affect the others
        raise UserError(
            f"command '{name}' cannot be added: package {package} gave {type(error).__name__}: {error}; "
            "mend or uninstall it"
        ) from error
    if name not in commands.choices:
        raise UserError(
            f"command '{name}' of package {package} adds no command of that name: "
            f"its add_to must call add_parser('{name}')"
        )


def _joined(words):
    """The words with "--a.b c" joined to "--a.b=c", a bare switch made "--switch=True", and ~/ behind "=" expanded.

    argparse would take c for a video, and a video behind a switch for the switch's value; a shell expands ~ only where
    a word begins with it.
    """
    joined, words = [], list(words)
    while words:
        word = words.pop(0)
        if match := _IN_HOME.match(word):
            word = match[1] + os.path.expanduser(word[match.end(1) :])
        match = _KEY.fullmatch(word)
        if word in flags.SWITCHES:
            word += f"={words.pop(0)}" if words and words[0].lower() in flags.SWITCH_VALUES else "=True"
        elif match and match["key"] and word.startswith("--") and "=" not in word and words:
            word += f"={words.pop(0)}"
        joined.append(word)
    return joined


def _separate_videos(words):
    """(videos, other words): the others are unknown flags and key=value."""
    # os.path: a long override is no name of a file, and no error
    is_video = [os.path.exists(word) or not (word.startswith("-") or "=" in word) for word in words]
    videos = [word for word, video in zip(words, is_video) if video]
    return videos, [word for word, video in zip(words, is_video) if not video]


def _check_videos(options):
    videos = getattr(options, "videos", [])
    missing = [word for word in videos if not os.path.exists(word)]
    if missing:
        raise UserError(f"{missing[0]}: no such file or folder; videos are named by their paths: check the name")
    flag = next(
        (f"--{name}" for name in ("csv_path", "video_folder") if getattr(options, name, None) is not None), None
    )
    if videos and flag:
        raise UserError(f"videos are given twice, as {videos[0]} and by {flag}: leave one of the two out")


def _check_folder(path):
    """Raises UserError unless an output path is a folder or free; one check, with one message, for all commands."""
    there = next((place for place in (path, *path.parents) if place.exists()), None)
    if there is not None and not there.is_dir():
        inside = "" if there == path else f", and {there} is a file"
        raise UserError(
            f"--output_path is {path}{inside or ', which is a file'}; it must be a folder, or a name that is free: "
            "choose another --output_path"
        )


def _overrides(words, parser, taken):
    """Texts "key=value" from `a.b=c`, `--a.b=c` and `a={b: c}`."""
    for word in words:
        match = _KEY.fullmatch(word)
        if match is None or not taken:
            known = [flag for action in parser._actions for flag in action.option_strings]
            raise UserError(f"unknown argument {word!r}{did_you_mean(word, known)}: see {parser.prog} --help")
        if "=" not in word:
            raise UserError(f"{word} has no value: write {match['key']}=VALUE")
    return [word.removeprefix("--") for word in words]
