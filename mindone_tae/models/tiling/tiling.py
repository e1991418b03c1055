"""Tiles in time and space around the encoder and the decoder.

Cutting and blending run in plain Python and NumPy on the host, outside any graph: each network runs on tiles of one
shape, so that a whole video compiles at most two graphs, and memory depends on the tile, not on the video. Encoding
blends the posterior's moments, decoding blends pixels.
"""

from __future__ import annotations

import dataclasses
import numbers

import mindspore as ms
from mindspore import ops

from .. import first_calls
from .blending import blend_tiles, gather
from .memory import activation_bytes, tile_within
from .shared_norms import SharedStatistics
from .sizes import Grid, TileSizes, check_multiple


class Tiling:
    """An autoencoder's methods that reduce its memory, under mindone.diffusers' names.

    The class it is mixed into has encoder, decoder, halvings, block_out_channels, an empty dict `_shared` and an empty
    set `_called`. Tiles pass through the host, so no gradient flows through a tiled call; `construct`, which training
    uses, never tiles.
    """

    use_tiling = False
    use_slicing = False
    tile_sizes = TileSizes()

    def set_tile_sizes(self, sizes: TileSizes) -> None:
        """Sets the tiles' sizes, leaving tiling on or off; streams use those in time. ValueError for bad sizes."""
        sizes.check(2**self.halvings)
        self.tile_sizes = sizes

    def enable_tiling(
        self,
        tile_sample_min_height: int | None = None,
        tile_sample_min_width: int | None = None,
        tile_sample_min_num_frames: int | None = None,
        tile_sample_stride_height: int | None = None,
        tile_sample_stride_width: int | None = None,
        tile_sample_stride_num_frames: int | None = None,
        memory_budget_gb: float | None = None,
        share_statistics: bool | None = None,
    ) -> None:
        """Encodes and decodes in tiles from now on, outside graphs: tiles pass through the host. None changes nothing.

        A video that fits one tile is computed exactly as without tiling. In longer ones the norms' statistics are those
        of a tile in time, so that the result is close to the untiled one but not the same.

        Args:
            tile_sample_min_height: pixels a tile; 256 by default.
            tile_sample_min_width: pixels a tile; 256 by default.
            tile_sample_min_num_frames: frames a tile, in encoding and decoding; 32 by default.
            tile_sample_stride_height: pixels from tile to tile; neighbours blend over their overlap. By default 192, or
                three quarters of the tile where only the tile is given.
            tile_sample_stride_width: pixels from tile to tile, likewise.
            tile_sample_stride_num_frames: frames from tile to tile in decoding. By default 16, or half of the tile
                where only the tile is given. In encoding tiles overlap by the constructor's `encode_overlap`.
            memory_budget_gb: GB (1e9 bytes) that one pass's activations may take, instead of the sizes in pixels: a
                call that fits, by the estimate in `memory`, is not tiled; otherwise tiles are as large as fits and
                overlap by a quarter. Sizes in pixels given later end the budget.
            share_statistics: where frames are cut, the norms use the statistics of the whole frames, gathered over the
                tiles in a first pass; True by default. False saves that pass, up to half of the time, but borders may
                show.

        Raises:
            ValueError: for sizes that are not multiples of 8, tiles with gaps between them, or both sizes in pixels and
                a budget.
        """
        pixels = {
            "tile_sample_min_height": tile_sample_min_height,
            "tile_sample_min_width": tile_sample_min_width,
            "tile_sample_stride_height": tile_sample_stride_height,
            "tile_sample_stride_width": tile_sample_stride_width,
        }
        changes = {name: value for name, value in pixels.items() if value is not None}
        for side in ("height", "width"):
            tile, stride = pixels[f"tile_sample_min_{side}"], f"tile_sample_stride_{side}"
            if isinstance(tile, numbers.Integral) and stride not in changes:
                ratio = 2**self.halvings
                changes[stride] = max(tile * 3 // 4 // ratio, 1) * ratio
        if memory_budget_gb is not None:
            if changes:
                raise ValueError(
                    f"memory_budget_gb is {memory_budget_gb} and {next(iter(changes))} is given too; a budget chooses "
                    f"those itself: give one or the other"
                )
            changes["memory_budget_gb"] = memory_budget_gb
        elif changes:
            changes["memory_budget_gb"] = None
        if share_statistics is not None:
            changes["share_statistics"] = share_statistics
        changes.update(self._sizes_in_time(tile_sample_min_num_frames, tile_sample_stride_num_frames))
        self.set_tile_sizes(dataclasses.replace(self.tile_sizes, **changes))
        self.use_tiling = True

    def disable_tiling(self) -> None:
        """Encodes and decodes whole videos from now on; the sizes are kept for the next `enable_tiling()`."""
        self.use_tiling = False

    def enable_slicing(self) -> None:
        """Runs the networks on one video of a batch at a time from now on."""
        self.use_slicing = True

    def disable_slicing(self) -> None:
        """Runs the networks on whole batches from now on."""
        self.use_slicing = False

    def _sizes_in_time(self, tile, stride):
        """The constructor's tile and overlap, in frames, from diffusers' tile and stride."""
        if tile is None and stride is None:
            return {}
        changes = {} if tile is None else {"encode_tile": tile, "decode_tile": tile}
        ratio = 2**self.halvings
        tile = self.tile_sizes.decode_tile if tile is None else tile
        check_multiple("tile_sample_min_num_frames", tile, ratio, ratio)
        stride = max(tile // 2 // ratio, 1) * ratio if stride is None else stride
        check_multiple("tile_sample_stride_num_frames", stride, ratio, ratio)
        if stride > tile:
            raise ValueError(
                f"tile_sample_stride_num_frames is {stride}; it must be at most tile_sample_min_num_frames, which is "
                f"{tile}, or tiles leave gaps: use {tile} or less"
            )
        return {**changes, "decode_overlap": tile - stride}

    def networks_changed(self) -> None:
        """Call after changing or replacing cells inside the encoder or decoder: discards copies and graphs of them."""
        self._shared.clear()
        self._called.clear()
        for cell in (self, self.encoder, self.decoder):
            cell.compile_cache.clear()

    def _in_parts(self, part, x, length):
        """One pass over a whole video, in tiles and slices where these are on and needed.

        Args:
            part: "encode" or "decode".
            x: pixels (b, c, t, h, w) or latent (b, zc, lt, lh, lw).
            length: latent frames (encoding) or frames (decoding) to return; tiles past them are not computed.

        Returns:
            Moments (b, 2*zc, lt, lh, lw) or pixels (b, c, t, h, w), a Tensor.
        """
        if self.use_tiling and not self._in_one_tile(part, x.shape):
            pieces = self._tiled(part, [x.astype(ms.float32).asnumpy()], lambda: length)
            return ms.Tensor.from_numpy(gather(pieces, 2, length))
        result = self._announced(lambda x: self._in_slices(part, x), part, x)
        return result if result.shape[2] == length else result[:, :, :length]

    def _announced(self, run, part, x):
        """run(x), which runs the part's network; announced if it compiles."""
        return first_calls.call(run, part, self._network(part).phase, x, self._called)

    def _network(self, part):
        return self.encoder if part == "encode" else self.decoder

    def _in_slices(self, part, x):
        network = self._network(part)
        if self.use_slicing and x.shape[0] > 1:
            return ops.cat([network(x[i : i + 1]) for i in range(x.shape[0])], axis=0)
        return network(x)

    def _tiled(self, part, chunks, most=lambda: None):
        """The pass over a stream of arrays (b, c, t_chunk, h, w): a stream of the network's results, float32.

        Args:
            part: "encode" or "decode".
            chunks: the arrays.
            most: asked before each tile in time: how many frames of the whole result are wanted, as far as is known.
                Later ones of a tile are dropped before tiles in space are joined: a picture is decoded to eight frames.
        """
        ratio = 2**self.halvings
        tile, overlap = (frames // ratio for frames in self.tile_sizes.in_time(part))
        return blend_tiles(chunks, lambda x: self._frames_tiled(part, x, most()), 2, tile, overlap, *self._scales(part))

    def _frames_tiled(self, part, x, most):
        """The pass over one tile in time, (b, c, t, h, w), whole frames in and out: the first `most`, or all."""
        grid = self._grid(part, x.shape)
        ratio = self._scales(part)[0]
        if self.tile_sizes.share_statistics and any(
            side > tile * ratio for side, tile in zip(x.shape[3:], grid.tile[1:])
        ):
            shared = self._shared_statistics(part)
            if shared.norms:
                videos = (self._frames_shared(part, x[i : i + 1], grid, shared, most) for i in range(x.shape[0]))
                return gather(videos, 0, x.shape[0])
        return self._over_tiles(part, x, lambda tile: self._in_slices(part, tile), grid.tile, grid.overlap, most)

    def _frames_shared(self, part, x, grid, shared, most):
        """`_frames_tiled` for one video: a pass over tiles without overlap for the statistics, then one using them."""
        shared.measure(lambda network: self._over_tiles(part, x, network, grid.tile, (0, 0, 0), most=0))
        return self._over_tiles(part, x, shared, grid.tile, grid.overlap, most)

    def _shared_statistics(self, part):
        """The encoder's or decoder's SharedStatistics; made on first use, and again when the network was replaced."""
        network = self._network(part)
        found = self._shared.get(part)
        if found is None or found.original is not network:
            found = self._shared[part] = SharedStatistics(network)
        return found

    def _over_tiles(self, part, x, network, tiles, overlaps, most):
        """Runs a network on tiles in height and width and joins the first `most` frames of the results, or all."""
        scales = self._scales(part)

        def on_device(tile):
            result = self._announced(network, part, ms.Tensor(tile)).asnumpy()
            # a copy, or the frames past `most` would stay alive
            return result if most is None or most >= result.shape[2] else result[:, :, :most].copy()

        def along(axis, run):
            def joined(x):
                pieces = blend_tiles([x], run, axis, tiles[axis - 2], overlaps[axis - 2], *scales)
                return gather(pieces, axis, x.shape[axis] // scales[0] * scales[1])

            return joined

        return along(3, along(4, on_device))(x)

    def _scales(self, part):
        """Input and output positions of a latent position."""
        ratio = 2**self.halvings
        return (ratio, 1) if part == "encode" else (1, ratio)

    def _video_shape(self, part, shape):
        """(b, t, h, w) of an input, in frames and pixels; b is the batch the network runs on."""
        b, _, *size = shape
        factor = self._scales(part)[1]
        return (1 if self.use_slicing else b, *(side * factor for side in size))

    def _in_one_tile(self, part, shape):
        """Whether a whole input of this shape is computed at once."""
        video = self._video_shape(part, shape)
        budget = self.tile_sizes.memory_budget_gb
        if budget is not None and activation_bytes(part, self.block_out_channels, video) <= budget * 1e9:
            return True
        ratio = 2**self.halvings
        return all(side <= tile * ratio for side, tile in zip(video[1:], self._grid(part, shape).tile))

    def _grid(self, part, shape):
        """The tiles for an input of this shape."""
        ratio, sizes = 2**self.halvings, self.tile_sizes
        b, t, h, w = self._video_shape(part, shape)
        frames, shared = sizes.in_time(part)
        if not self.use_tiling:
            tile, overlap = (h // ratio, w // ratio), (0, 0)
        elif sizes.memory_budget_gb is None:
            tile = sizes.tile_sample_min_height // ratio, sizes.tile_sample_min_width // ratio
            stride = sizes.tile_sample_stride_height // ratio, sizes.tile_sample_stride_width // ratio
            overlap = tile[0] - stride[0], tile[1] - stride[1]
        else:
            time_tile = (b, min(t, frames), h, w)
            tile = tile_within(sizes.memory_budget_gb, part, self.block_out_channels, time_tile, ratio)
            overlap = tile[0] // 4, tile[1] // 4
        return Grid((frames // ratio, *tile), (shared // ratio, *overlap))
