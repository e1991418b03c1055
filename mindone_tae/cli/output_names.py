"""What the files are called that a command makes of clips."""

import os
from pathlib import Path


def output_file(folder, name, ending):
    """Where a command writes what it makes of a clip: the clip's whole name, in the same subfolder, and the ending after it.

    So different clips have different files whatever they are called: clip.avi becomes clip.avi.mp4, and clip.avi.mp4 becomes
    clip.avi.mp4.mp4.

    Args:
        folder: of the output, which no name leaves.
        name: of the clip, its path relative to where it was found.
        ending: of the kind of file, with its dot.
    """
    return Path(folder) / (os.path.normpath(os.path.join(os.sep, name)).lstrip(os.sep) + ending)
