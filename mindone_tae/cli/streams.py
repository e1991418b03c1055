"""Clips through a model chunk by chunk; a model that cannot stream gets the clip whole."""

import mindspore as ms
import numpy as np


def reconstructed(model, chunks):
    """Yields (x, recon), arrays (c, t_chunk, h, w), of one clip's chunks."""
    if hasattr(model, "reconstruct_frames"):
        for x, recon in model.reconstruct_frames(chunk[None] for chunk in chunks):
            yield x[0], recon[0]
    else:
        from mindone_tae.zoo.protocols import reconstruct

        x = np.concatenate(list(chunks), axis=1)
        yield x, reconstruct(model, x[None])[0]


def encoded(model, chunks):
    """Mean and logvar of one clip's chunks, arrays (zc, lt, lh, lw)."""
    if hasattr(model, "encode_frames"):
        parts = [(mean[0], logvar[0]) for _, mean, logvar in model.encode_frames(chunk[None] for chunk in chunks)]
    else:
        _, mean, logvar = model.encode(ms.Tensor(np.concatenate(list(chunks), axis=1)[None]))
        parts = [(mean.asnumpy()[0], logvar.asnumpy()[0])]
    return tuple(np.concatenate(part, axis=1) for part in zip(*parts))


def decoded(model, latent, frames):
    """Yields arrays (c, t_chunk, h, w) of a latent (zc, lt, lh, lw)."""
    if hasattr(model, "decode_frames"):
        chunk_frames = 4  # latent frames
        chunks = (latent[None, :, start : start + chunk_frames] for start in range(0, latent.shape[1], chunk_frames))
        for recon in model.decode_frames(chunks, frames):
            yield recon[0]
    else:
        yield model.decode(ms.Tensor(latent[None])).asnumpy()[0][:, :frames]
