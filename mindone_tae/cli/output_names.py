"""Names of the files that commands write for clips."""

import os
from pathlib import Path


def output_file(folder, name, ending):
    """The output path of a clip: its whole name, in the same subfolder, plus an ending.

    So different clips never share a file: clip.avi becomes clip.avi.mp4, and clip.avi.mp4 becomes clip.avi.mp4.mp4.

    Args:
        folder: of the output; the path stays inside it.
        name: of the clip, its path relative to where it was found.
        ending: of the kind of file, with its dot.
    """
    return Path(folder) / (os.path.normpath(os.path.join(os.sep, name)).lstrip(os.sep) + ending)
