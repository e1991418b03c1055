"""Video and images in and out: readers, data sets, transforms, writers, sample clips.

Importing this package imports nothing heavy; each name's module is imported on first use, and none imports MindSpore.
"""

from mindone_tae.lazy import lazy_names

# Public name: module, relative to this package.
_LAZY = {
    "ImageWriter": ".video_out.writer",
    "Item": ".files.collection",
    "LatentClip": ".latents.clip",
    "LatentsDataset": ".tae_latents",
    "MixtureDataset": ".mixture",
    "TAEVideoDataset": ".tae_video",
    "UnreadableVideo": ".readers.base",
    "VideoReader": ".readers.base",
    "VideoWriter": ".video_out.writer",
    "contact_sheet": ".video_out.sheet",
    "crop_box": ".transforms",
    "crop_resize": ".transforms",
    "from_pixels": ".transforms",
    "make_sample_clips": ".samples.sample_clips",
    "open_video": ".readers.opening",
    "parse_size": ".transforms",
    "read_collection": ".files.collection",
    "read_latents": ".latents.clip_file",
    "side_by_side": ".video_out.writer",
    "to_pixels": ".transforms",
    "write_contact_sheet": ".video_out.sheet",
    "write_latents": ".latents.clip_file",
    "write_video": ".video_out.writer",
}

__all__ = list(_LAZY)

__getattr__, __dir__ = lazy_names(__name__, _LAZY)
