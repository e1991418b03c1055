"""Norms that use the statistics of all tiles of a frame instead of those of one tile.

GroupNorm's mean and variance run over whole frames. Computed tile by tile they differ from tile to tile, so that
neighbours come out brighter or darker and a border shows between them. Here a network runs over the tiles twice: in
the first pass every norm sums its statistics, in the second all tiles are normalized by their mean. "Tiled VAE"
(pkuliyi2015/multidiffusion-upscaler-for-automatic1111) does likewise for image VAEs, in one pass that stops every tile
at each norm.
"""

import copy

import mindspore as ms
from mindspore import Parameter, Tensor, ops

from ..kernels.norm import normalized
from ..kernels.operands import computed, float32
from ..kernels.recompute import keep_activations
from ..layers.frames import FramesCell
from ..layers.normalization import GroupNorm

_LARGEST = 3e38  # float32 ends at 3.4e38


class SharedGroupNorm(FramesCell):
    """A GroupNorm of one video that either sums its statistics or normalizes by the mean of those summed.

    Args:
        norm: the GroupNorm whose parameters it shares.
        measured: number of tiles whose statistics have been summed; 0 during that pass.

    Attributes:
        statistics: (2, groups), sums of the tiles' means and mean squares.
    """

    def __init__(self, norm, measured):
        super().__init__()
        self.gamma, self.beta = norm.gamma, norm.beta
        self.measured = measured
        self.statistics = Parameter(
            ops.zeros((2, norm.num_groups), ms.float32), name=f"{norm.gamma.name}.statistics", requires_grad=False
        )
        self.num_groups = norm.num_groups
        self.eps = norm.eps
        self.dtype = norm.dtype

    def frames(self, x, b):
        """(t, c, h, w) to (t, c, h, w); b is 1."""
        t, c, h, w = x.shape
        g = self.num_groups
        x = computed(x, self.dtype)
        kind, x = x.dtype, ops.cast(x, ms.float32)
        # as products: a reduction takes four times as long on a CPU
        n = c // g * h * w
        sums = ops.matmul(ops.reshape(x, (t * g, n)), ops.ones((n, 1), ms.float32))
        rows = ops.reshape(x, (t * g, 1, n))
        squares = ops.BatchMatMul(transpose_b=True)(rows, rows)
        own = ops.reshape(ops.cat((sums, ops.reshape(squares, (t * g, 1))), axis=1), (t, g, 2))
        own = ops.transpose(own.sum(axis=0), (1, 0)) / (t * n)
        shared = self.statistics / ops.maximum(self.measured, ops.ones_like(self.measured))
        taken = ops.where(self.measured > 0, shared, own)
        ops.assign_add(self.statistics, ops.where(self.measured > 0, ops.zeros_like(own), own))
        mean, square = taken[0], taken[1]
        # bounded, since infinity less infinity is NaN
        variance = ops.maximum(square - ops.minimum(mean * mean, ops.full_like(mean, _LARGEST)), ops.zeros_like(mean))
        mean, variance = self.by_channel(mean, c), self.by_channel(variance, c)
        return ops.cast(normalized(x, mean, variance, float32(self.gamma), float32(self.beta), self.eps), kind)

    def by_channel(self, groups, c):
        """(groups,) to (c,), each group's value for every channel of it."""
        return ops.reshape(ops.tile(ops.reshape(groups, (-1, 1)), (1, c // self.num_groups)), (c,))


class SharedStatistics:
    """A network over tiles that share the statistics of their norms.

    Cells that contain norms are copied; all other layers and all parameters are the original's.

    Args:
        network: of cells over one video, its norms GroupNorm.

    Attributes:
        original: the network.
        norms: how many norms share; without one there is nothing to measure.
    """

    def __init__(self, network):
        self.original = network
        self._measured = Parameter(Tensor([0.0], ms.float32), name="tiles_measured", requires_grad=False)
        self._norms, kept = [], {id(parameter): parameter for parameter in network.get_parameters()}
        for _, cell in network.cells_and_names():
            if isinstance(cell, GroupNorm):
                self._norms.append(SharedGroupNorm(cell, self._measured))
                kept[id(cell)] = self._norms[-1]
            elif not any(isinstance(inner, GroupNorm) for _, inner in cell.cells_and_names()):
                kept[id(cell)] = cell
            # a cell deletes the graphs listed here when it is destroyed: copies must not list the original's
            kept[id(cell.compile_cache)] = set()
        self._network = copy.deepcopy(network, kept)
        for _, cell in self._network.cells_and_names():
            keep_activations(cell)
        self.norms = len(self._norms)

    def measure(self, run_tiles):
        """Measures the statistics that all calls use until the next measurement.

        Args:
            run_tiles: called with this object's network; runs it on each tile once.
        """
        for norm in self._norms:
            norm.statistics.set_data(ops.zeros_like(norm.statistics))
        self._measured.set_data(Tensor([0.0], ms.float32))
        tiles = 0

        def counted(x):
            nonlocal tiles
            tiles += 1
            return self(x)

        run_tiles(counted)
        self._measured.set_data(Tensor([float(tiles)], ms.float32))

    def __call__(self, x):
        """The network on one tile of one video, by the statistics measured."""
        if self._network.phase != self.original.phase:  # the original's set_train does not reach the copies
            self._network.set_train(self.original.training)
        return self._network(x)
