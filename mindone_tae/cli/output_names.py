"""Names of the files that commands write for clips."""

import hashlib
import os
from pathlib import Path

from mindone_tae.zoo.atomic_file import LONGEST_NAME

_DIGEST_CHARACTERS = 8


def output_file(folder, name, ending):
    """The output path of a clip: its whole name, in the same subfolder, plus an ending.

    So different clips never share a file: clip.avi becomes clip.avi.mp4, and clip.avi.mp4 becomes clip.avi.mp4.mp4.
    A name that would be longer than a file system takes is cut, with a digest of the whole one behind it.

    Args:
        folder: of the output; the path stays inside it.
        name: of the clip, its path relative to where it was found.
        ending: of the kind of file, with its dot.
    """
    parent, last = os.path.split(os.path.normpath(os.path.join(os.sep, name)).lstrip(os.sep))
    held = os.fsencode(last)
    if len(held) + len(ending) > LONGEST_NAME:
        digest = f"~{hashlib.sha256(held).hexdigest()[:_DIGEST_CHARACTERS]}"
        last = os.fsdecode(held[: LONGEST_NAME - len(ending) - len(digest)]) + digest
    return Path(folder, parent, last + ending)
