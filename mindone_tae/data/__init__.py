"""Video and images in and out: readers, data sets, transforms, writers, sample clips.

Importing this package imports nothing heavy; each name's module is imported on first use, and none imports MindSpore.
"""

from importlib import import_module

# Public name: module, relative to this package.
_LAZY = {
    "ImageWriter": ".writer",
    "Item": ".collection",
    "LatentClip": ".latent_clip",
    "LatentsDataset": ".latents_dataset",
    "MixtureDataset": ".mixture",
    "TAEVideoDataset": ".tae_video",
    "UnreadableVideo": ".reader_base",
    "VideoReader": ".reader_base",
    "VideoWriter": ".writer",
    "contact_sheet": ".sheet",
    "crop_box": ".transforms",
    "crop_resize": ".transforms",
    "from_pixels": ".transforms",
    "make_sample_clips": ".sample_clips",
    "open_video": ".readers",
    "parse_size": ".transforms",
    "read_collection": ".collection",
    "read_latents": ".latent_files",
    "side_by_side": ".writer",
    "to_pixels": ".transforms",
    "write_contact_sheet": ".sheet",
    "write_latents": ".latent_files",
    "write_video": ".writer",
}

__all__ = list(_LAZY)


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __name__), name)


def __dir__():
    return sorted({*globals(), *__all__})
