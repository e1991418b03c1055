"""The nodes: load, encode, decode, tiled decode.

IMAGE is (frames, height, width, 3) in [0, 1], LATENT {"samples": (1, zc, lt, lh, lw)}, both torch's tensors, which
ComfyUI brings along; torch is imported only to hand a result over.
"""

from pathlib import Path

import numpy as np

from .onnx_tae import CONVENTIONS, OnnxTAE

_CATEGORY = "latent/video/TAE"
_CONVENTION = (
    list(CONVENTIONS),
    {
        "default": "none",
        "tooltip": "How the latents are scaled: none inside ComfyUI, whose models scale latents themselves; "
        "diffusers is (z - shift) * scale, mindone scale * z + shift, for latents from or for other programs.",
    },
)


class TAELoad:
    """A TAE from the folder that holds its encoder.onnx and decoder.onnx."""

    RETURN_TYPES = ("TAE_ONNX",)
    RETURN_NAMES = ("tae",)
    FUNCTION = "load"
    CATEGORY = _CATEGORY

    @classmethod
    def INPUT_TYPES(cls):
        """What ComfyUI shows."""
        folder = {"default": "tae", "tooltip": "A path, or a folder's name inside ComfyUI's models folder."}
        return {"required": {"folder": ("STRING", folder), "device": (["auto", "cpu"], {"default": "auto"})}}

    def load(self, folder, device):
        """Gives the TAE."""
        return (OnnxTAE(_found(folder), device),)


class TAEEncode:
    """A video's frames to its latent."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "encode"
    CATEGORY = _CATEGORY

    @classmethod
    def INPUT_TYPES(cls):
        """What ComfyUI shows."""
        return {"required": {"tae": ("TAE_ONNX",), "pixels": ("IMAGE",), "convention": _CONVENTION}}

    def encode(self, tae, pixels, convention):
        """Gives the latent and how many frames it was made of; sides that 8 does not divide are cut at both ends."""
        frames = _array(pixels)[..., :3]  # (t, h, w, 3)
        ratio = int(tae.encoder.get_modelmeta().custom_metadata_map["space_ratio"])
        frames = _centre(_centre(frames, 1, ratio), 2, ratio)
        x = 2 * frames.transpose(3, 0, 1, 2)[None] - 1  # (1, 3, t, h, w)
        return ({"samples": _tensor(tae.encode(x, convention)), "frames": len(frames)},)


class TAEDecode:
    """A latent to a video's frames, in one piece."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "decode"
    CATEGORY = _CATEGORY

    @classmethod
    def INPUT_TYPES(cls):
        """What ComfyUI shows."""
        frames = {
            "default": 0,
            "min": 0,
            "max": 100_000,
            "tooltip": "Frames wanted; 0: as many as were encoded, or all.",
        }
        return {
            "required": {
                "tae": ("TAE_ONNX",),
                "samples": ("LATENT",),
                "convention": _CONVENTION,
                "num_frames": ("INT", frames),
            }
        }

    def decode(self, tae, samples, convention, num_frames):
        """Gives the frames of all videos of the batch, one video after the other."""
        return (_images(tae.decode(_array(samples["samples"]), convention), samples, num_frames),)


class TAEDecodeTiled(TAEDecode):
    """A latent to a video's frames, in tiles, for videos that do not fit into the memory as a whole."""

    @classmethod
    def INPUT_TYPES(cls):
        """What ComfyUI shows; names as in its own VAEDecodeTiled."""
        shown = super().INPUT_TYPES()
        for name, default, tip in (
            ("tile_size", 256, "Pixels a tile, in height and width."),
            ("overlap", 64, "Pixels that neighbouring tiles share."),
            ("temporal_size", 32, "Frames a tile."),
            ("temporal_overlap", 16, "Frames that neighbouring tiles share."),
        ):
            lowest = 0 if "overlap" in name else 8
            shown["required"][name] = (
                "INT",
                {"default": default, "min": lowest, "max": 4096, "step": 8, "tooltip": tip},
            )
        return shown

    def decode(self, tae, samples, convention, num_frames, tile_size, overlap, temporal_size, temporal_overlap):
        """Gives the frames as TAEDecode does."""
        tile, shared = (temporal_size, tile_size, tile_size), (temporal_overlap, overlap, overlap)
        return (_images(tae.decode(_array(samples["samples"]), convention, tile, shared), samples, num_frames),)


NODE_CLASS_MAPPINGS = {
    "MindOneTAELoad": TAELoad,
    "MindOneTAEEncode": TAEEncode,
    "MindOneTAEDecode": TAEDecode,
    "MindOneTAEDecodeTiled": TAEDecodeTiled,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "MindOneTAELoad": "Load TAE (ONNX)",
    "MindOneTAEEncode": "TAE Encode",
    "MindOneTAEDecode": "TAE Decode",
    "MindOneTAEDecodeTiled": "TAE Decode (Tiled)",
}


def _images(recon, samples, num_frames):
    """IMAGE of pixels (b, 3, t, h, w) in [-1, 1]."""
    held = recon.shape[2]
    # a latent that was cut since holds fewer than were encoded
    wanted = num_frames or min(samples.get("frames", held), held)
    if wanted > held:
        raise ValueError(f"num_frames is {wanted}; the latent holds {held}: ask for 0 to {held}")
    frames = recon[:, :, :wanted].transpose(0, 2, 3, 4, 1).reshape(-1, *recon.shape[3:], 3)
    return _tensor(np.clip(frames / 2 + 0.5, 0, 1))


def _centre(frames, axis, ratio):
    """Frames whose side is cut at both ends to a multiple of the ratio; ValueError where it is shorter."""
    side = frames.shape[axis]
    if side < ratio:
        raise ValueError(
            f"the frames are {frames.shape[1]}x{frames.shape[2]} pixels; each side must be {ratio} or more: resize them"
        )
    start = side % ratio // 2
    return frames.take(range(start, start + side - side % ratio), axis)


def _found(folder):
    """A path as it is, or inside ComfyUI's models folder."""
    if Path(folder).is_dir():
        return folder
    try:
        import folder_paths  # ComfyUI's
    except ImportError:
        return folder
    return Path(folder_paths.models_dir, folder)


def _array(tensor):
    """A torch tensor as a float32 array."""
    return np.asarray(tensor.detach().cpu().float().numpy())


def _tensor(array):
    """An array as a torch tensor."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
