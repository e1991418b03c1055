"""What each new length of clip costs in graph mode: seconds of the first call, which compiles, and of the second.

    python tools/benchmark/compile_cost.py                                  # small widths, a minute or two
    python tools/benchmark/compile_cost.py --widths 128,256,512,512

The encoder compiles once for every length t, the decoder once for every ceil(t/8). Padding clips to multiples of 8
would avoid the former but change results: GroupNorm's statistics and the temporal attention run over all frames.
`padded` shows by how much: the largest difference of the posterior's mean, over the mean's standard deviation, with the
last frame repeated up to a multiple of 8.
"""

import argparse
import os
import sys

os.environ.setdefault("GLOG_v", "3")

import numpy as np
from contenders import groups_of
from tiling import randomise
from worker import timed

import mindspore as ms

from mindone_tae import TemporalAutoencoder

LENGTHS = (1, 8, 13, 16, 17)
SIDE = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", default="16,32,64,64", help="block_out_channels")
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS, help="frames of the clips, in this order")
    options = parser.parse_args()
    widths = tuple(map(int, options.widths.split(",")))
    ms.set_context(mode=ms.GRAPH_MODE, device_target="CPU")
    model = TemporalAutoencoder(block_out_channels=widths, norm_num_groups=groups_of(widths), sample_deterministic=True)
    randomise(model)
    model.set_train(False)
    rng = np.random.default_rng(0)
    print(
        f"widths {options.widths}, {SIDE}x{SIDE}, graph mode, seconds\n"
        f"{'frames':>6}{'encode':>9}{'again':>8}{'decode':>9}{'again':>8}{'padded':>9}"
    )
    for t in options.lengths:
        x = rng.uniform(-1, 1, (1, 3, t, SIDE, SIDE)).astype(np.float32)

        def encode(clip=x):
            return model.encode(ms.Tensor(clip))[1].asnumpy()

        def decode(t=t):
            return model.decode(ms.Tensor(mean), t).asnumpy()

        encode_first, mean = timed(encode)
        encode_again, decode_first, decode_again = timed(encode)[0], timed(decode)[0], timed(decode)[0]
        padded = encode(np.concatenate([x, x[:, :, -1:].repeat(-t % 8, 2)], 2))
        print(
            f"{t:6}{encode_first:9.1f}{encode_again:8.2f}{decode_first:9.1f}{decode_again:8.2f}"
            f"{np.abs(padded - mean).max() / mean.std():9.2f}",
            flush=True,
        )
    print(
        f"graphs compiled: {len(model.encoder.compile_cache)} of the encoder, "
        f"{len(model.decoder.compile_cache)} of the decoder"
    )
    sys.stdout.flush()
    os._exit(0)  # MindSpore's own teardown at times aborts a finished process on a CPU


if __name__ == "__main__":
    main()
