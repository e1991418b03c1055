"""Clips through a model chunk by chunk; a model that cannot stream gets them whole.

Chunks carry a batch axis: clips of one shape go together.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import mindspore as ms

from mindone_tae.zoo import UserError

# Chunks that may lie ready, and their bytes. A chunk of 16 frames of 854x480 has 79 MB.
_MOST_READY, _READY_BYTES = 64, 160e6


def batched(clips):
    """Yields chunks (b, c, t_chunk, h, w) of clips that have the same shape."""
    for parts in zip(*(clip.chunks() for clip in clips), strict=True):
        yield np.stack(parts)


class ReadAhead:
    """The chunks of groups of clips, read in a thread while the model works on those before.

    Inside its `with` block as many chunks lie ready as fit into `ready_bytes` at the size of the largest so far; larger
    ones are read when they are asked for.

    Args:
        groups: lists of clips; those of one list have the same shape.
        ready_bytes: the most that may lie ready.
    """

    def __init__(self, groups, ready_bytes=_READY_BYTES):
        self._groups, self._ready_bytes = groups, ready_bytes
        self._items, self._ahead = self._read(), deque()  # what the thread reads, futures of what comes next
        self._current = self._largest = 0  # number of the group that is asked for; bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read ahead")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for future in self._ahead:
            future.cancel()
        self._thread.submit(self._items.close)
        self._thread.shutdown(wait=False)

    def chunks(self, number):
        """Yields what `batched` does for the group of this number; groups are taken in order, and may be left early."""
        self._current = number
        while True:
            of, item = self._next()
            if of < number:  # of a group that was left early
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _next(self):
        if not self._ahead:
            self._submit()
        of, item = self._ahead.popleft().result()
        self._largest = max(self._largest, getattr(item, "nbytes", 0))
        while len(self._ahead) < _MOST_READY and (len(self._ahead) + 1) * self._largest <= self._ready_bytes:
            self._submit()
        return of, item

    def _submit(self):
        self._ahead.append(self._thread.submit(next, self._items, (len(self._groups), None)))

    def _read(self):
        """Yields (number of the group, chunk), and after its chunks None, or the error that ended them."""
        for number, clips in enumerate(self._groups):
            chunks, end = batched(clips), None
            while number >= self._current:
                try:
                    found = [next(chunks)]
                except StopIteration:
                    break
                except BaseException as error:
                    end = error
                    break
                yield number, found.pop()  # not kept here while the next is waited for
            chunks.close()
            yield number, end


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
        from mindone_tae.zoo.protocols import posterior, reconstruct

        x = np.concatenate(list(chunks), axis=2)
        moments = posterior(model, x) if on_latent is not None else None
        if moments is not None:
            on_latent(moments[0])
        yield x, reconstruct(model, x)


def posteriors(model, chunks):
    """Yields mean and logvar, arrays (b, zc, lt_chunk, lh, lw)."""
    if hasattr(model, "encode_frames"):
        for _, mean, logvar in model.encode_frames(chunks):
            yield mean, logvar
    else:
        from mindone_tae.zoo.protocols import posterior

        moments = posterior(model, np.concatenate(list(chunks), axis=2))
        if moments is None:
            raise UserError(
                f"{type(model).__name__}.encode does not give (z, mean, logvar), which latents are written of: "
                "take another model"
            )
        yield moments


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
