"""Latents as webdataset tars, which generators' loaders read in a row from any storage; nothing here reads them back.

A sample is consecutive members that begin alike: KEY.latent.npy (what a generator learns: the mean, or the sample that
was kept), KEY.logvar.npy beside a mean, and KEY.json, everything else that is known. A loader takes what stands after a
name's first dot for the kind, so that KEY is the clip's name with its dots and percent signs written as in addresses:
a.mp4 becomes a%2Emp4.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mindone_tae.zoo.atomic_file import replacing_folder
from mindone_tae.zoo.errors import UserError

from .clip import LatentClip, StoredLatent


def write_tars(folder: Path, latents: Iterable[StoredLatent], tar_size_mb: float = 256.0) -> int:
    """Writes latents into latents-00000.tar and on; the folder appears when all are written.

    Args:
        folder: to appear; missing, or empty.
        latents: of `find_latents`; one at a time is in memory.
        tar_size_mb: megabytes after which the next tar begins.

    Returns:
        How many tars there are.

    Raises:
        UserError: the folder holds something or cannot be written, the size is none, or a latent cannot be read.
    """
    folder = Path(folder)
    if not tar_size_mb > 0:
        raise UserError(f"tar_size_mb is {tar_size_mb:g}; it must be above 0: 256 suits most")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there and not empty; tars need a folder of their own: choose another")
    tar, count = None, 0
    with replacing_folder(folder) as temporary, ExitStack() as open_tar:
        for latent in latents:
            if tar is None or tar.offset >= tar_size_mb * 1e6:
                open_tar.close()
                tar = open_tar.enter_context(tarfile.open(temporary / f"latents-{count:05d}.tar", "w"))
                count += 1
            for name, content in _members(latent.name, latent.read()):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return count


def _members(name: str, clip: LatentClip):
    """Yields (name in the tar, content) of a sample."""
    key = name.replace("%", "%25").replace(".", "%2E")
    arrays = {"latent": clip.mean, "logvar": clip.logvar} if clip.sample is None else {"latent": clip.sample}
    for kind, array in arrays.items():
        content = io.BytesIO()
        np.save(content, array)
        yield f"{key}.{kind}.npy", content.getvalue()
    yield f"{key}.json", json.dumps(clip.facts).encode()
