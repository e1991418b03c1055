"""Trains the shipped weights from scratch: `make weights CLIPS=folder`.

    python tools/make_weights.py --clips FOLDER --work DIR

FOLDER has the videos to train on and tables of them, train.csv and optionally train_more.csv (column `video`, paths
relative to FOLDER), and test.csv, which is only measured. Clips that the package generates and the photographs in the
wheels of scikit-image, scikit-learn and matplotlib are added. It takes hours on two cores and may be killed at any
moment: called again, it resumes from DIR. The steps are the guide's: train a small image VAE, inflate it, train the TAE
on clips and images. `--steps 2` tries the whole way in minutes, and leaves the package's weights as they are.
"""

import argparse
import csv
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from mindone_tae.data.samples.sample_clips import make_sample_clips
from mindone_tae.weights import read_metadata, read_model, read_weights, save_weights

SHIPPED = Path(__file__).parent.parent / "mindone_tae" / "weights" / "shipped"
# Pictures in wheels that are installed anyway; chelsea and coffee are left out, as the demo shows them as unseen.
PHOTOGRAPHS = {
    "skimage": "data/{astronaut,brick,camera,cell,clock_motion,coins,color,grass,gravel,horse,ihc,microaneurysms,moon,"
    "motorcycle_left,page,phantom,text}.png data/{hubble_deep_field,retina,rocket}.jpg",
    "sklearn": "datasets/images/{china,flower}.jpg",
    "matplotlib": "mpl-data/sample_data/grace_hopper.jpg",
}
# The norms' statistics are those of a whole frame: what trained on 32x32 gains 1.2 dB on 64x64 within 125 steps.
FRAMES_OF_64 = ["dataset.size=[64,64]", "dataset.augment_scales=[1.0,1.5,2.0]", "train.batch_size=5"]
FRAMES_OF_64 += ["train.steps=500", "scheduler.lr=6.0e-5", "scheduler.warmup_steps=20"]
# The first stage of the TAE learns motion and loses some sharpness of still clips. The second, at a higher rate and on
# more filmed clips than generated ones, gains both.
LONGER = ["train.steps=6800", "train.seed=14", "train.ema_decay=0.999", "dataset.mixed_image_ratio=0.1"]
LONGER += ["scheduler.lr=5.0e-5", "scheduler.warmup_steps=200"]
# What trained on 8 frames alone loses 1 to 2 dB on longer passes, whose norms' statistics are others.
LENGTHS = ["train.steps=5400", "train.seed=21", "train.ema_decay=0.999", "dataset.mixed_strategy=mixed_video_random"]
LENGTHS += ["dataset.sample_n_frames=16", "dataset.mixed_lengths=[1,8,12,16]", "scheduler.lr=3.5e-5"]
LENGTHS += ["scheduler.warmup_steps=300", "eval.dataset.mixed_lengths=null", "eval.dataset.sample_n_frames=8"]
# Moving clips come out best 8 frames at a time: 32 frames, 96x96, at 23.6 dB; 23.4 in one go.
TILES = {"encode_tile": 8, "decode_tile": 8, "decode_overlap": 0}
MADE = {"seed": 1, "train": 72, "test": 2, "size": (144, 192), "frames": 32}


def main():
    """Runs what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder with train.csv and test.csv")
    parser.add_argument(
        "--work", type=Path, default=Path("outputs/weights"), help="folder for all that is made (outputs/weights)"
    )
    parser.add_argument(
        "--steps", type=int, help="of each training, to try the script; the weights go to DIR/shipped, not the package"
    )
    options = parser.parse_args()
    work = options.work
    shipped = SHIPPED if options.steps is None else work / "shipped"
    shipped.mkdir(parents=True, exist_ok=True)
    short = [] if options.steps is None else [f"train.steps={options.steps}", "scheduler.warmup_steps=0"]
    videos, filmed, images = tables(options.clips, work / "data")
    test = [f"eval.dataset.csv_path={options.clips / 'test.csv'}", f"eval.dataset.folder={options.clips}"]

    train("tiny_image_vae", work / "small_frames", images, [*test, *short])
    train(
        "tiny_image_vae",
        work / "image_vae",
        images,
        [*test, f"model.pretrained={work / 'small_frames'}", *FRAMES_OF_64, *short],
    )
    inflated = work / "inflated.safetensors"
    run(
        "inflate",
        *("--src", work / "image_vae", "--target", inflated, "--temporal_downsample", "average", "--check"),
    )
    train("tiny_weights", work / "motion", videos, [*test, f"model.pretrained={inflated}", *short])
    train("tiny_weights", work / "still", filmed, [*test, f"model.pretrained={work / 'motion'}", *LONGER, *short])
    train("tiny_weights", work / "tae", filmed, [*test, f"model.pretrained={work / 'still'}", *LENGTHS, *short])

    ship(work / "image_vae", shipped / "tiny_image_vae.safetensors")
    ship(work / "tae", shipped / "tiny.safetensors", **TILES)
    for ratio, table in ((8, options.clips / "train.csv"), (1, options.clips / "train.csv")):
        file = shipped / f"linear_code_{ratio}x8x8.safetensors"
        run("linear-code", "--csv_path", table, "--time_ratio", ratio, "--output_path", file)
    for size, frames in ((64, 8), (128, 16), (64, 1)):
        clips = ["--csv_path", options.clips / "test.csv", "--image_size", size, "--num_frames", frames]
        run(
            "evaluate",
            "--ckpt_path",
            shipped / "tiny.safetensors",
            *clips,
            "--output_path",
            work / f"evaluation_{size}x{size}x{frames}",
        )


def tables(clips, folder):
    """Writes videos.csv, filmed.csv and images.csv, absolute paths, and gives their paths."""
    made, _ = make_sample_clips(folder / "made", **MADE)
    videos = [
        clips / name
        for table in ("train.csv", "train_more.csv")
        if (clips / table).exists()
        for name in column(clips / table)
    ]
    made = [folder / "made" / name for name in column(made)]
    photographs = [path for package, patterns in PHOTOGRAPHS.items() for path in installed(package, patterns)]
    # still pictures show more at a time than neighbouring frames of one video
    written = []
    for name, paths in (
        ("videos", videos + made),
        ("filmed", 4 * videos + made),
        ("images", 2 * videos + 2 * photographs + made[::2]),
    ):
        with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["video"], *([str(path.resolve())] for path in paths)])
        written.append(folder / f"{name}.csv")
    return written


def column(table):
    """The `video` column of a table."""
    with open(table, encoding="utf-8", newline="") as file:
        return [row["video"] for row in csv.DictReader(file)]


def installed(package, patterns):
    """Files of an installed package; `a/{b,c}.png` means a/b.png and a/c.png."""
    root = Path(find_spec(package).submodule_search_locations[0])
    for pattern in patterns.split():
        before, _, rest = pattern.partition("{")
        names, _, after = rest.partition("}")
        yield from (root / f"{before}{name}{after}" for name in names.split(","))


def train(recipe, folder, table, settings):
    """Trains, or goes on training."""
    where = ["--csv_path", table, "dataset.folder=null", "dataset.allow_outside=true"]
    run("train", "--resume", "--config", f"tae/train/{recipe}", "--output_path", folder, *where, *settings)


def ship(source, file, **keywords):
    """Writes weights as float16: half the bytes, and within a hundredth of a dB.

    Args:
        source: a run's folder.
        file: to write.
        **keywords: of the model, that the file notes beside the run's own.
    """
    noted = json.dumps(read_model(source) | keywords)
    save_weights(read_weights(source), file, {**read_metadata(source), "model": noted}, "float16")


def run(*words):
    """Runs one command of the package, to its end."""
    command = [sys.executable, "-m", "mindone_tae", *map(str, words)]
    print(" ".join(command), flush=True)
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
