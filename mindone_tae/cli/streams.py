"""Clips through a model chunk by chunk; a model that cannot stream gets them whole.

Chunks carry a batch axis: clips of one shape go together.
"""

import mindspore as ms
import numpy as np


def batched(clips):
    """Yields chunks (b, c, t_chunk, h, w) of clips that have the same shape."""
    for parts in zip(*(clip.chunks() for clip in clips), strict=True):
        yield np.stack(parts)


def reconstructed(model, chunks):
    """Yields (x, recon), arrays (b, c, t_chunk, h, w)."""
    if hasattr(model, "reconstruct_frames"):
        yield from model.reconstruct_frames(chunks)
    else:
        from mindone_tae.zoo.protocols import reconstruct

        x = np.concatenate(list(chunks), axis=2)
        yield x, reconstruct(model, x)


def posteriors(model, chunks):
    """Yields mean and logvar, arrays (b, zc, lt_chunk, lh, lw)."""
    if hasattr(model, "encode_frames"):
        for _, mean, logvar in model.encode_frames(chunks):
            yield mean, logvar
    else:
        _, mean, logvar = model.encode(ms.Tensor(np.concatenate(list(chunks), axis=2)))
        yield mean.asnumpy(), logvar.asnumpy()


def encoded(model, chunks):
    """Mean and logvar, arrays (b, zc, lt, lh, lw)."""
    means, logvars = [], []
    for mean, logvar in posteriors(model, chunks):
        means.append(mean)
        logvars.append(logvar)
    mean = np.concatenate(means, axis=2)
    means.clear()  # of a long video this is half of the memory
    return mean, np.concatenate(logvars, axis=2)


def decoded(model, latents, frames):
    """Yields arrays (b, c, t_chunk, h, w) of latents (b, zc, lt, lh, lw)."""
    if hasattr(model, "decode_frames"):
        chunk_frames = 4  # latent frames
        chunks = (latents[:, :, start : start + chunk_frames] for start in range(0, latents.shape[2], chunk_frames))
        yield from model.decode_frames(chunks, frames)
    else:
        yield model.decode(ms.Tensor(latents)).asnumpy()[:, :, :frames]
