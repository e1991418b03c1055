"""How close tiled results are to untiled ones on real clips, and whether a viewer could see where tiles meet.

    python tools/benchmark/tiling.py --ckpt_path outputs/tiny --csv_path videos/test.csv --video_folder videos
    python tools/benchmark/tiling.py --random_weights --csv_path videos/test.csv
    python tools/benchmark/tiling.py --ckpt_path outputs/tiny --csv_path videos/test.csv --frames 32 --size 256 448 \\
        --along width

Tiles have their default sizes. For each clip: PSNR of tiled against untiled decoding of one latent, with each tile's
own norm statistics ("apart") and with statistics shared by the tiles of a frame, and of everything tiled against
nothing tiled, in dB over pixels in [-1, 1] (range 2, not clipped); then PSNR of the untiled reconstruction.
Where tiles cut no frame nothing is shared, and both decodings are the same. The last line gives the time that sharing
costs.

The seam is the mean absolute difference between neighbouring frames (with --along width or height: between neighbouring
columns or rows) where a tile begins or ends, over the same elsewhere. It is to be compared with the source's own. A
network shows steps every 8 frames without tiles too, so the last lines compare borders only with other places where
latents meet, and show how tiling changes the untiled reconstruction's differences.
"""

import argparse
import os
import sys
import time
import zlib
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")

import numpy as np

import mindspore as ms

from mindone_tae import TemporalAutoencoder
from mindone_tae.data import TAEVideoDataset
from mindone_tae.weights import read_model

AXES = {"time": 2, "height": 3, "width": 4}


def randomise(model):
    """Sets random weights of variance 1 / fan-in: a new model's temporal layers would be the identity."""
    for parameter in model.get_parameters():
        drawn = np.random.default_rng(zlib.crc32(parameter.name.encode())).standard_normal(parameter.shape)
        if parameter.name.endswith("gamma"):
            drawn = 1 + 0.1 * drawn
        else:
            drawn = drawn * 0.05 if len(parameter.shape) == 1 else drawn / np.sqrt(np.prod(parameter.shape[1:]))
        parameter.set_data(ms.Tensor(drawn.astype(np.float32)))


def load(options):
    """The autoencoder that the command line asks for, tiling off."""
    if options.random_weights:
        model = TemporalAutoencoder(block_out_channels=(16, 32, 64, 64), layers_per_block=1, norm_num_groups=8)
        randomise(model)
    else:
        keywords = {key: value for key, value in read_model(options.ckpt_path).items() if key != "name"}
        model = TemporalAutoencoder(**keywords, pretrained=options.ckpt_path)
    return model.set_train(False)


def psnr(a, b):
    """dB over a whole clip of pixels in [-1, 1]."""
    return 10 * np.log10(4 / max(np.mean((a.astype(np.float64) - b) ** 2), 1e-20))


def borders(length, tile, stride):
    """Positions at which a tile begins or ends, the clip's own ends left out."""
    starts = range(0, max(length - tile + stride, 1), stride)
    return sorted({p for start in starts for p in (start, start + tile) if 0 < p < length})


def steps(x, axis):
    """Mean absolute difference of neighbours along an axis, (length - 1,); entry p - 1 is of positions p - 1 and p."""
    return np.abs(np.diff(x, axis=axis)).mean(tuple(i for i in range(5) if i != axis))


def seam(differences, at, every=1):
    """Mean difference at borders over the mean elsewhere, there only at multiples of `every`."""
    elsewhere = [p for p in range(every, len(differences) + 1, every) if p not in at]
    return mean_at(differences, at) / mean_at(differences, elsewhere)


def mean_at(differences, positions):
    """Mean of the differences that lie just before some positions."""
    return np.mean([differences[p - 1] for p in positions])


def reconstructions(model, x):
    """What four ways make of a clip, and the seconds that each decoding took, by name."""
    x = ms.Tensor(x)
    found, seconds = {}, {}

    def decode(name, mean):
        start = time.perf_counter()
        found[name] = model.decode(mean, x.shape[2]).asnumpy()
        seconds[name] = time.perf_counter() - start

    mean = model.encode(x)[1]
    decode("untiled", mean)
    model.enable_tiling(share_statistics=False)
    decode("decoded apart", mean)
    model.enable_tiling(share_statistics=True)
    decode("decoded in tiles", mean)
    decode("all in tiles", model.encode(x)[1])
    model.disable_tiling()
    return found, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--ckpt_path", help="a run's folder or a .safetensors that notes its model")
    weights.add_argument("--random_weights", action="store_true", help="a small model, each weight drawn")
    parser.add_argument("--csv_path", required=True, help="the clips")
    parser.add_argument("--video_folder", help="what the table's paths are relative to; its own folder unless given")
    parser.add_argument("--frames", type=int, default=64, help="frames of each clip")
    parser.add_argument("--size", type=int, nargs=2, default=(128, 128), help="height and width in pixels")
    parser.add_argument("--along", choices=AXES, default="time", help="the axis whose borders are looked at")
    parser.add_argument("--max_clips", type=int, help="take only the first ones")
    options = parser.parse_args()
    ms.set_context(mode=ms.PYNATIVE_MODE, device_target="CPU")
    ms.set_seed(0)
    model, axis = load(options), AXES[options.along]
    folder = options.video_folder or str(Path(options.csv_path).parent)
    clips = TAEVideoDataset(options.csv_path, folder, tuple(options.size), options.frames, deterministic_sample=True)
    sizes = model.tile_sizes
    if options.along == "time":
        tile, stride = sizes.decode_tile, sizes.decode_tile - sizes.decode_overlap
    else:
        tile, stride = (
            getattr(sizes, f"tile_sample_min_{options.along}"),
            getattr(sizes, f"tile_sample_stride_{options.along}"),
        )
    at = borders((options.frames, *options.size)[axis - 2], tile, stride)
    if not at:
        parser.error(f"one tile of {tile} covers the clips along {options.along}; ask for more")
    print(
        f"{options.frames} frames of {options.size[0]}x{options.size[1]}; "
        f"tiles of {tile} every {stride} along {options.along}, borders at {at}"
    )
    print(f"{'':28}{'PSNR of untiled':^30}{'of source':>10}{'seam':^50}")
    print(
        f"{'clip':28}{'apart':>10}{'decoded':>10}{'all':>10}{'untiled':>10}"
        f"{'source':>10}{'untiled':>10}{'apart':>10}{'decoded':>10}{'all':>10}"
    )

    def row(title, quality, seams):
        print(
            f"{title:28}"
            + "".join(f"{value:10.1f}" for value in quality)
            + "".join(f"{value:10.3f}" for value in seams),
            flush=True,
        )

    tiled = ("decoded apart", "decoded in tiles", "all in tiles")
    differences, qualities, took = {}, [], []
    for number in range(min(options.max_clips or len(clips), len(clips))):
        x = clips[number][0][None]
        found, seconds = reconstructions(model, x)
        found = {"source": x, **found}
        took.append([seconds["decoded in tiles"], seconds["decoded apart"]])
        along = {name: steps(value, axis) for name, value in found.items()}
        for name, value in along.items():
            differences.setdefault(name, []).append(value)
        untiled = found["untiled"]
        qualities.append([*(psnr(found[name], untiled) for name in tiled), psnr(untiled, x)])
        row(
            str(clips.describe(number).get("relative_path", number))[:27],
            qualities[-1],
            [seam(value, at) for value in along.values()],
        )
    together = {name: np.mean(values, 0) for name, values in differences.items()}
    row("together", np.mean(qualities, 0), [seam(value, at) for value in together.values()])
    ratio = 2**model.halvings
    for title, every in (("anywhere else", 1), ("elsewhere between latents", ratio)):
        own = seam(together["source"], at, every)
        told = ", ".join(
            f"{name} {seam(value, at, every) / own:.3f}" for name, value in together.items() if name != "source"
        )
        print(f"seam against {title}, over the source's own: {told}")
    elsewhere = [p for p in range(1, len(together["source"]) + 1) if p not in at]
    for title, positions in (("at borders", at), ("elsewhere", elsewhere)):
        told = ", ".join(
            f"{name} {mean_at(together[name], positions) / mean_at(together['untiled'], positions):.3f}"
            for name in tiled
        )
        print(f"differences {title}, over those of the untiled: {told}")
    shared, apart = np.sum(took, 0)
    print(f"decoding with statistics shared over apart: {shared:.1f} s over {apart:.1f} s, {shared / apart:.2f}")
    sys.stdout.flush()
    os._exit(0)  # MindSpore's own teardown at times aborts a finished process on a CPU


if __name__ == "__main__":
    main()
