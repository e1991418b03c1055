"""Clips through a model chunk by chunk; a model that cannot stream gets them whole.

Chunks carry a batch axis: clips of one shape go together.
"""

import threading
from collections import deque

import numpy as np

import mindspore as ms

# Bytes of chunks that may lie ready. A chunk of 16 frames of 854x480 has 79 MB.
_READY_BYTES = 160e6


def batched(clips):
    """Yields chunks (b, c, t_chunk, h, w) of clips that have the same shape."""
    for parts in zip(*(clip.chunks() for clip in clips), strict=True):
        yield np.stack(parts)


class ReadAhead:
    """The chunks of groups of clips, read in a thread while the model works on those before.

    Reading ends with the `with` block. Chunks too large to lie ready are read when they are asked for.

    Args:
        groups: lists of clips; those of one list have the same shape.
        ready_bytes: the most that may lie ready.
    """

    def __init__(self, groups, ready_bytes=_READY_BYTES):
        self._groups, self._ready_bytes = groups, ready_bytes
        # (number of the group, chunk), and at its end None or the error instead of a chunk
        self._ready, self._changed = deque(), threading.Condition()
        self._asked, self._last_bytes, self._now, self._closed = False, 0, 0, False

    def __enter__(self):
        threading.Thread(target=self._read, name="read ahead", daemon=True).start()
        return self

    def __exit__(self, *error):
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def chunks(self, number):
        """Yields what `batched` does for the group of this number; groups are taken in order, and may be left early."""
        with self._changed:
            self._now = number
            self._changed.notify_all()
        while (chunk := self._take(number)) is not None:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    def _take(self, number):
        with self._changed:
            while True:
                while self._ready and self._ready[0][0] < number:
                    self._ready.popleft()
                self._asked = not self._ready
                self._changed.notify_all()
                if self._ready:
                    return self._ready.popleft()[1]
                self._changed.wait()

    def _read(self):
        for number, clips in enumerate(self._groups):
            chunks = batched(clips)
            end = None
            try:
                while self._may_read(number) and (chunk := next(chunks, None)) is not None:
                    self._give(number, chunk)
                    del chunk  # or it would live on here while the next is waited for
            except Exception as error:
                end = error
            finally:
                chunks.close()
            self._give(number, end)

    def _may_read(self, number):
        """Waits for room for one more chunk; False where nobody will take it."""
        with self._changed:
            while not (self._closed or number < self._now or self._asked or self._has_room()):
                self._changed.wait()
            return not self._closed and number >= self._now

    def _has_room(self):
        ready = sum(chunk.nbytes for _, chunk in self._ready if isinstance(chunk, np.ndarray))
        return ready + self._last_bytes <= self._ready_bytes

    def _give(self, number, chunk):
        with self._changed:
            if self._closed:
                return
            self._last_bytes = getattr(chunk, "nbytes", self._last_bytes)
            self._asked = False
            self._ready.append((number, chunk))
            self._changed.notify_all()


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
