"""Encoding and decoding of videos of any length, chunk by chunk.

Chunks go in and out as iterators. Tiles and results are those of `encode` and `decode` with tiling on; memory holds a
tile or two, however long the video. Frames come out as soon as no later tile can change them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

import mindspore as ms

from ..latent.shape import check_latents, check_pixels, whole_number


class Streaming:
    """Streaming methods of an autoencoder with `Tiling`.

    Time is always cut into the constructor's `encode_tile` and `decode_tile`; frames are cut where `enable_tiling()`
    says so.
    """

    def encode_frames(
        self, frames: Iterable, rng: np.random.Generator | None = None
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """Pixels to latent, as a stream.

        Args:
            frames: iterable of chunks (b, c, t_chunk, h, w) in [-1, 1], floating arrays or Tensors, of any lengths.
            rng: numpy.random.Generator of the posterior's noise; the noise of a latent frame does not depend on how
                the video is cut into chunks. None draws as `encode` does.

        Yields:
            z, mean and logvar, arrays (b, zc, lt_chunk, lh, lw), float32; lt_chunk add up to ceil(t/8).

        Raises:
            ValueError: for chunks the network does not take, chunks of different shapes, or no frame at all.
        """
        if rng is not None and not isinstance(rng, np.random.Generator):
            raise ValueError(
                f"rng is {rng!r}; the noise is drawn by a numpy.random.Generator: use numpy.random.default_rng(0)"
            )
        for moments in self._tiled("encode", self._pixel_chunks(frames)):
            noise = None
            if rng is not None:
                b, channels, lt, lh, lw = moments.shape
                drawn = rng.standard_normal((lt, b, channels // 2, lh, lw), dtype=np.float32)
                noise = ms.Tensor(np.ascontiguousarray(drawn.transpose(1, 2, 0, 3, 4)))
            yield tuple(item.asnumpy() for item in self._posterior(ms.Tensor(moments), noise))

    def decode_frames(self, latents: Iterable, num_frames: int | None = None) -> Iterator[np.ndarray]:
        """Latent to pixels, as a stream.

        Args:
            latents: iterable of chunks (b, zc, lt_chunk, lh, lw), unscaled, floating arrays or Tensors, of any lengths.
            num_frames: frames to return in all; later ones are dropped, and tiles past them not computed. None returns
                8 for each latent frame.

        Yields:
            Arrays (b, c, t_chunk, h, w), float32, about [-1, 1] and not clipped.

        Raises:
            ValueError: for chunks that are not latents or differ in shape, no latent at all, or fewer than num_frames
                need.
        """
        num_frames = None if num_frames is None else whole_number("num_frames", num_frames)
        if num_frames is not None and num_frames < 1:
            raise ValueError(f"num_frames is {num_frames}; it must be at least 1: leave it out for all frames")

        given = 0
        for recon in self._decoded(latents, lambda: num_frames):
            if num_frames is not None:
                recon = recon[:, :, : num_frames - given]
            given += recon.shape[2]
            held = [recon]
            del recon  # or what the caller has done with would live on here
            yield held.pop()
            if given == num_frames:
                return
        if num_frames is not None:
            raise ValueError(f"num_frames is {num_frames}; the latents held only {given}: ask for at most that many")

    def reconstruct_frames(
        self, frames: Iterable, rng: np.random.Generator | None = None, on_latent: Callable | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Encodes and decodes a stream, keeping its length.

        Args:
            frames: as `encode_frames` takes them.
            rng: as `encode_frames` takes it.
            on_latent: called with each chunk of the posterior's mean, (b, zc, lt_chunk, lh, lw), before it is decoded.

        Yields:
            x and recon, arrays (b, c, t_chunk, h, w): frames and their reconstruction.

        Raises:
            ValueError: as `encode_frames` does.
        """
        waiting = []  # chunks read but not yet reconstructed
        read_frames = 0

        def read():
            nonlocal read_frames
            for chunk in self._pixel_chunks(frames):
                waiting.append(chunk)
                read_frames += chunk.shape[2]
                yield chunk

        def latents():
            for z, mean, _ in self.encode_frames(read(), rng):
                if on_latent is not None:
                    on_latent(mean)
                yield z

        for recon in self._decoded(latents(), lambda: read_frames):
            # Only the last tile holds frames past the video's end, and it comes when all frames have been read.
            while recon.shape[2] and waiting:
                x = waiting.pop(0)
                t = min(x.shape[2], recon.shape[2])
                if t < x.shape[2]:
                    waiting.insert(0, x[:, :, t:])
                part, recon = recon[:, :, :t], recon[:, :, t:]
                if t:
                    yield x[:, :, :t], part

    def _pixel_chunks(self, frames):
        """Chunks of pixels as arrays that the encoder takes."""
        return _arrays(frames, "frames", lambda shape: check_pixels(shape, self.in_channels, self.halvings))

    def _decoded(self, latents, most):
        """`decode_frames` without an end; `most` as `_tiled` takes it."""
        chunks = _arrays(latents, "latents", lambda shape: check_latents(shape, self.latent_channels))
        return self._tiled("decode", chunks, most)


def _array(chunk):
    """A chunk as a float32 copy: its producer may reuse the memory, as readers do."""
    if not isinstance(chunk, (np.ndarray, ms.Tensor)):
        raise ValueError(
            f"a chunk is a {type(chunk).__name__}; chunks are arrays or Tensors (b, c, t_chunk, h, w): convert it first"
        )
    floating = chunk.is_floating_point() if isinstance(chunk, ms.Tensor) else "float" in chunk.dtype.name
    if not floating:
        raise ValueError(f"a chunk is {chunk.dtype}; chunks must be floating, pixels in [-1, 1]: convert it first")
    if isinstance(chunk, ms.Tensor):
        chunk = chunk.astype(ms.float32).asnumpy()
    return np.array(chunk, np.float32)


def _arrays(chunks, name, check):
    """Chunks as float32 arrays, checked to have one b, c, h and w; those without a frame are left out."""
    if isinstance(chunks, (np.ndarray, ms.Tensor)):
        raise ValueError(
            f"{name} is one array of shape {tuple(chunks.shape)}; a stream is an iterable of chunks: give it in a list"
        )
    first = None
    for number, chunk in enumerate(chunks):
        chunk = _array(chunk)
        if chunk.ndim == 5 and chunk.shape[2] == 0:
            continue
        check(chunk.shape)
        first = first or chunk.shape
        if chunk.shape[:2] + chunk.shape[3:] != first[:2] + first[3:]:
            raise ValueError(
                f"chunk {number} of {name} has shape {chunk.shape} and the first {first}; they may differ in length "
                "only: give the chunks of one video"
            )
        yield chunk
    if first is None:
        raise ValueError(f"{name} held no frame; a video has at least one: check where they come from")
