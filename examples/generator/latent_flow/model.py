"""A transformer over latent positions that learns the velocity from data to noise (flow matching, arXiv 2210.02747).

Letters: b batch, n tokens (lt*lh*lw), d width; z latent (b, zc, lt, lh, lw), scaled; time from 0 (data) to 1 (noise).
"""

import numpy as np

from mindspore import Parameter, Tensor, nn, ops


class LatentFlow(nn.Cell):
    """The model `latent_flow`.

    Args:
        latent_size: (lt, lh, lw) of every latent.
        latent_channels: zc.
        width: of the transformer, a multiple of num_heads.
        depth: its blocks.
        num_heads: of its attention.
    """

    def __init__(
        self,
        latent_size: tuple[int, int, int],
        latent_channels: int = 16,
        width: int = 128,
        depth: int = 4,
        num_heads: int = 4,
    ):
        super().__init__()
        if width % (2 * num_heads):
            raise ValueError(f"width is {width}; it must be a multiple of 2 * num_heads: use {2 * num_heads * 16}")
        self.shape = (latent_channels, *latent_size)
        self.network = Velocity(latent_size, latent_channels, width, depth, num_heads)

    def training_inputs(self, batch, rng):
        """What the trainer calls the model with: a latent, noise of its shape, and a time, most often in the middle."""
        z = batch[0]
        if z.shape[1:] != self.shape:
            raise ValueError(f"the latents are {z.shape[1:]}; model.latent_size allows {self.shape}: set it to theirs")
        noise = rng.standard_normal(z.shape, dtype=np.float32)
        time = 1 / (1 + np.exp(-rng.standard_normal(1, dtype=np.float32)))
        return z, noise, time

    def construct(self, z, noise, time):
        """The velocity on the straight line from z to noise: predicted, and true."""
        at = time.reshape(-1, 1, 1, 1, 1)
        return self.network((1 - at) * z + at * noise, time), noise - z

    def sample(self, count, steps, rng):
        """Latents (count, zc, lt, lh, lw), scaled: from noise back to data in Euler's steps."""
        x = Tensor(rng.standard_normal((count, *self.shape), dtype=np.float32))
        times = np.linspace(1, 0, steps + 1, dtype=np.float32)
        for now, then in zip(times[:-1], times[1:]):
            x = x + float(then - now) * self.network(x, Tensor(np.full(count, now)))
        return x.asnumpy()


class Velocity(nn.Cell):
    """A transformer; each latent position is a token. Arguments as LatentFlow's."""

    def __init__(self, latent_size, latent_channels, width, depth, num_heads):
        super().__init__()
        lt, lh, lw = latent_size
        places = {"frame": (lt, 1, 1), "row": (1, lh, 1), "column": (1, 1, lw)}
        start = {axis: np.random.normal(0, 0.5, (1, *size, width)) for axis, size in places.items()}
        self.frame, self.row, self.column = (
            Parameter(Tensor(value.astype(np.float32)), name=axis) for axis, value in start.items()
        )
        self.frequencies = Tensor(1000 * np.exp(-np.log(10000) * np.linspace(0, 1, width // 2)).astype(np.float32))
        self.embed_time = nn.SequentialCell(nn.Dense(width, width), nn.SiLU(), nn.Dense(width, width), nn.SiLU())
        self.embed = nn.Dense(latent_channels, width)
        self.blocks = nn.CellList([Block(width, num_heads) for _ in range(depth)])
        self.norm = nn.LayerNorm((width,))
        self.out = nn.Dense(width, latent_channels, weight_init="zeros")

    def construct(self, x, time):
        """Velocity (b, zc, lt, lh, lw) of x (b, zc, lt, lh, lw) at time (b,)."""
        b, zc, lt, lh, lw = x.shape
        angles = time.reshape(-1, 1) * self.frequencies
        time = self.embed_time(ops.cat((ops.sin(angles), ops.cos(angles)), axis=1))  # (b, d)
        tokens = self.embed(x.transpose(0, 2, 3, 4, 1)) + self.frame + self.row + self.column
        tokens = tokens.reshape(b, lt * lh * lw, -1)  # (b, n, d)
        for block in self.blocks:
            tokens = block(tokens, time)
        return self.out(self.norm(tokens)).reshape(b, lt, lh, lw, zc).transpose(0, 4, 1, 2, 3)


class Block(nn.Cell):
    """Attention and a perceptron, each shifted, scaled and gated by time (adaLN-zero of arXiv 2212.09748)."""

    def __init__(self, width, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.by_time = nn.Dense(width, 6 * width, weight_init="zeros")
        self.norms = nn.CellList([nn.LayerNorm((width,)) for _ in range(2)])
        self.query_key_value = nn.Dense(width, 3 * width)
        self.project = nn.Dense(width, width)
        self.perceptron = nn.SequentialCell(nn.Dense(width, 4 * width), nn.GELU(), nn.Dense(4 * width, width))

    def construct(self, x, time):
        """x (b, n, d) and the embedded time (b, d) to (b, n, d)."""
        shift, scale, gate, shift2, scale2, gate2 = ops.chunk(self.by_time(time).expand_dims(1), 6, axis=2)
        x = x + gate * self.attention(self.norms[0](x) * (1 + scale) + shift)
        return x + gate2 * self.perceptron(self.norms[1](x) * (1 + scale2) + shift2)

    def attention(self, x):
        """Every token sees every other."""
        b, n, d = x.shape
        heads = self.query_key_value(x).reshape(b, n, 3, self.num_heads, -1).transpose(2, 0, 3, 1, 4)
        query, key, value = heads[0], heads[1], heads[2]  # (b, heads, n, d/heads)
        weights = ops.softmax(ops.matmul(query, key.swapaxes(2, 3)) * query.shape[-1] ** -0.5, axis=-1)
        return self.project(ops.matmul(weights, value).transpose(0, 2, 1, 3).reshape(b, n, d))
