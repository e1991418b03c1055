"""Clips through a model chunk by chunk; a model that cannot stream gets them whole.

Chunks carry a batch axis: clips of one shape go together.
"""

import numpy as np

import mindspore as ms


def batched(clips):
    """Yields chunks (b, c, t_chunk, h, w) of clips that have the same shape."""
    for parts in zip(*(clip.chunks() for clip in clips), strict=True):
        yield np.stack(parts)


def reconstructed(model, chunks, on_latent=None):
    """Yields (x, recon), arrays (b, c, t_chunk, h, w).

    Args:
        model: by the host's protocol.
        chunks: see `batched`.
        on_latent: called with the posterior's mean, arrays (b, zc, lt_chunk, lh, lw), where the model encodes.
    """
    if hasattr(model, "reconstruct_frames"):
        yield from model.reconstruct_frames(chunks, on_latent=on_latent)
    else:
        from mindone_tae.zoo.protocols import reconstruct

        x = np.concatenate(list(chunks), axis=2)
        if on_latent is not None and hasattr(model, "encode"):
            on_latent(model.encode(ms.Tensor(x))[1].asnumpy())
        yield x, reconstruct(model, x)


def posteriors(model, chunks):
    """Yields mean and logvar, arrays (b, zc, lt_chunk, lh, lw)."""
    if hasattr(model, "encode_frames"):
        for _, mean, logvar in model.encode_frames(chunks):
            yield mean, logvar
    else:
        _, mean, logvar = model.encode(ms.Tensor(np.concatenate(list(chunks), axis=2)))
        yield mean.asnumpy(), logvar.asnumpy()


def joined(parts, latent_frames=None):
    """Mean and logvar of a whole clip, arrays (b, zc, lt, lh, lw).

    Args:
        parts: (mean, logvar) of its chunks, see `posteriors`.
        latent_frames: expected number, to allocate the result once instead of holding all parts twice; None where it is
            not known. A file that has changed may give more or fewer.
    """
    whole, filled, beyond = (), 0, []
    for part in parts:
        end = filled + part[0].shape[2]
        if not whole and latent_frames:
            whole = tuple(np.empty((*array.shape[:2], latent_frames, *array.shape[3:]), array.dtype) for array in part)
        if beyond or not whole or end > latent_frames:
            beyond.append(part)
            continue
        for array, chunk in zip(whole, part):
            array[:, :, filled:end] = chunk
        filled = end
    whole = tuple(array[:, :, :filled] for array in whole)
    if not beyond:
        return whole
    return tuple(np.concatenate(chunks, axis=2) for chunks in zip(*([whole] if whole else []), *beyond))


def decoded(model, chunks, frames):
    """Yields arrays (b, c, t_chunk, h, w) of latents that come in chunks (b, zc, lt_chunk, lh, lw)."""
    if hasattr(model, "decode_frames"):
        yield from model.decode_frames(chunks, frames)
    else:
        yield model.decode(ms.Tensor(np.concatenate(list(chunks), axis=2))).asnumpy()[:, :, :frames]
