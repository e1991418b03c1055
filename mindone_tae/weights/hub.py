"""Repositories on Hugging Face, taken from the local cache where possible."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

from mindone_tae.zoo.errors import UserError

from .formats.first_bytes import TORCH_SUFFIXES
from .name_lists import shortened

_logger = logging.getLogger(__name__)

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(/[\w.-]+)*")
# Anchored at the repository's root or subfolder: a generator's own weights, many times larger, lie in other folders.
_WANTED = ("config.json", "diffusion_pytorch_model*.safetensors", "diffusion_pytorch_model.safetensors.index*.json")


def is_repository(text: str) -> bool:
    """Whether a text could be "organisation/name" or "organisation/name/subfolder" and not a file's name."""
    return (
        bool(_REPOSITORY.fullmatch(text))
        and ".." not in text
        and not text.endswith((".safetensors", ".ckpt", ".json", *TORCH_SUFFIXES))
    )


def download(text: str, find: Callable):
    """The result of `find` on a repository's folder, from the cache or else the network.

    Args:
        text: "organisation/name" or "organisation/name/subfolder".
        find: takes a folder; raises UserError where no weights are in it.

    Raises:
        UserError: neither cached nor reachable, or no weights in it.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise UserError(
            f"{text}: no such file or folder; to take it as a repository on Hugging Face huggingface_hub must be "
            "installed: pip install huggingface_hub, or give a local path"
        ) from None
    organisation, name, *subfolders = text.split("/")
    repository, subfolder = f"{organisation}/{name}", "/".join(subfolders)
    folders = (f"{subfolder}/",) if subfolder else ("", "vae/")
    wanted = [f"{folder}{pattern}" for folder in folders for pattern in _WANTED]

    def fetch(**keywords):
        return find(Path(huggingface_hub.snapshot_download(repository, allow_patterns=wanted, **keywords)) / subfolder)

    try:
        return fetch(local_files_only=True)
    except Exception as error:  # by version the library raises its own errors, requests' or OSError
        _logger.info("%s is not in the cache of Hugging Face: %s", text, error)
    try:
        try:
            return fetch()
        except UserError:
            return _lone_file(huggingface_hub, repository, subfolder, find)
    except UserError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{text}: no such file or folder, and as a repository on Hugging Face it is neither cached nor reachable "
            f"({type(error).__name__}: {reason}): check the name and the connection, or give a local path"
        ) from error


def _lone_file(huggingface_hub, repository, subfolder, find):
    """The only checkpoint at a repository's root or in its subfolder, whatever its name."""
    prefix = f"{subfolder}/" if subfolder else ""
    inside = [name[len(prefix) :] for name in huggingface_hub.list_repo_files(repository) if name.startswith(prefix)]
    files = [prefix + name for name in inside if "/" not in name and name.endswith((".safetensors", ".ckpt"))]
    if len(files) != 1:
        held = shortened(files) or "none"
        raise UserError(
            f"{repository}: one .safetensors or .ckpt file must be in its folder {prefix or '/'}, and there are "
            f"{held}: download the one you mean and give its path"
        )
    return find(huggingface_hub.hf_hub_download(repository, files[0]))
