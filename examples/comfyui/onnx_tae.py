"""encoder.onnx and decoder.onnx of one TAE, on NumPy arrays; needs onnxruntime and NumPy alone."""

from functools import cached_property
from pathlib import Path

import numpy as np

from .tiles import tiled

CONVENTIONS = ("none", "diffusers", "mindone")


class OnnxTAE:
    """A TAE from a folder of exported files; either file is read when it is first needed.

    Args:
        folder: holds encoder.onnx and decoder.onnx.
        device: "auto" takes CUDA where onnxruntime has it, "cpu" does not.

    Raises:
        ValueError: the folder holds neither file.
    """

    def __init__(self, folder, device="auto"):
        self.folder = Path(folder)
        self.device = device
        if not any((self.folder / f"{part}.onnx").is_file() for part in ("encoder", "decoder")):
            raise ValueError(
                f"{folder} holds no encoder.onnx and no decoder.onnx; a TAE is loaded from those: "
                "give the folder that mindone-tae export --format onnx wrote"
            )

    @cached_property
    def encoder(self):
        """The encoder's onnxruntime session."""
        return self._session("encoder")

    @cached_property
    def decoder(self):
        """The decoder's onnxruntime session."""
        return self._session("decoder")

    def encode(self, pixels, convention="none"):
        """Pixels to latents, the posterior's mean.

        Args:
            pixels: (b, 3, t, h, w) float32 in [-1, 1], h and w multiples of 8.
            convention: how the latents are to be scaled: "none", "diffusers" ((z - shift) * scale) or "mindone" (scale
                * z + shift).

        Returns:
            (b, zc, ceil(t / 8), h / 8, w / 8) float32.

        Raises:
            ValueError: another convention.
        """
        (mean,) = self.encoder.run(["mean"], {"x": np.ascontiguousarray(pixels, np.float32)})
        scale, shift = factors(self.encoder)
        if checked(convention) == "none":
            return mean
        return (scale * mean + shift if convention == "mindone" else (mean - shift) * scale).astype(np.float32)

    def decode(self, latents, convention="none", tile=None, overlap=None):
        """Latents to pixels.

        Args:
            latents: (b, zc, lt, lh, lw).
            convention: how the latents are scaled.
            tile: a tile's (frames, height, width) in pixels, rounded down to whole latent positions; None decodes in
                one piece.
            overlap: what neighbouring tiles share of them, blended linearly.

        Returns:
            (b, 3, 8 * lt, 8 * lh, 8 * lw) float32, about [-1, 1], not clipped.

        Raises:
            ValueError: latents of another model, another convention, or tiles that leave gaps.
        """
        z, channels = np.asarray(latents, np.float32), self.decoder.get_inputs()[0].shape[1]
        if z.ndim != 5 or z.shape[1] != channels:
            raise ValueError(
                f"the latents have shape {z.shape}; this TAE's are (b, {channels}, frames, height, width): "
                "connect what the TAE's encoder or a video model with its latents gave"
            )
        scale, shift = factors(self.decoder)
        if checked(convention) == "mindone":
            z = (z - shift) / scale
        elif convention == "diffusers":
            z = z / scale + shift
        if tile is None:
            return self._decoded(z)
        notes = self.decoder.get_modelmeta().custom_metadata_map
        ratios = [int(notes[name]) for name in ("time_ratio", "space_ratio", "space_ratio")]
        return tiled(self._decoded, z, tile, overlap, ratios)

    def _decoded(self, z):
        return self.decoder.run(["recon"], {"z": np.ascontiguousarray(z, np.float32)})[0]

    def _session(self, part):
        import onnxruntime

        path = self.folder / f"{part}.onnx"
        if not path.is_file():
            raise ValueError(f"{path} is not there; this node needs the {part}: copy it beside the other file")
        known = onnxruntime.get_available_providers()
        wanted = ["CUDAExecutionProvider"] if self.device == "auto" else []
        return onnxruntime.InferenceSession(
            str(path), providers=[*(name for name in wanted if name in known), "CPUExecutionProvider"]
        )


def factors(session):
    """scaling_factor and shift_factor, as a file notes them."""
    notes = session.get_modelmeta().custom_metadata_map
    return float(notes["scaling_factor"]), float(notes["shift_factor"])


def checked(convention):
    """The convention; raises ValueError where it is none of those known."""
    if convention not in CONVENTIONS:
        raise ValueError(f"convention is {convention!r}; it must be one of {', '.join(CONVENTIONS)}: choose one")
    return convention
