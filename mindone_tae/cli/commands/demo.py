"""`mindone-tae demo`: runs the main commands as a user would type them, on generated clips."""

import shlex
import shutil
import time
from pathlib import Path

from mindone_tae.zoo import UserError

from .. import flags

RECIPE = "tae/train/tiny_weights"
# Short, and of one shape, so that one graph is compiled.
SHORT_TRAINING = (
    "train.steps=100",
    "train.ema_decay=null",
    "scheduler.warmup_steps=10",
    "dataset.mixed_strategy=null",
    "train.eval_every=0",
    "train.keep_best=null",
    "train.save_every=100",
)


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "demo",
        help="run everything on generated clips: reconstruct, measure, inflate, train, encode, decode",
        description="Generates sample clips; reconstructs some that the shipped weights have not seen; inflates the "
        "shipped image VAE, trains it for a short while and measures it before and after; encodes and decodes. Prints "
        "each command, so that you can repeat it. To train on your own clips give --csv_path and --video_folder; for "
        "another recipe, --config.",
    )
    flags.add_output_path(parser, "where to write everything", "outputs/demo")
    parser.add_argument("--config", default=RECIPE, help=f"training recipe, by name or file; default: {RECIPE}")
    parser.add_argument("--force", action="store_true", help="first delete what an earlier demo left in --output_path")
    flags.add_data(parser)
    flags.add_model(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Runs the demo."""
    from mindone_tae.data import make_sample_clips

    started, folder = time.monotonic(), Path(options.output_path)
    _make_room(folder, options.force)
    console.print(f"sample clips: {folder / 'clips'}")
    train_csv, test_csv = make_sample_clips(folder / "clips")
    for title, words in _steps(options, folder, Path(train_csv), Path(test_csv)):
        if title:
            console.print("", title)
        console.print("", "$ mindone-tae " + shlex.join(map(str, words)))
        _run_command(words, console)
    picture = _draw(folder / "unseen.png", Path(test_csv).parent / "test", folder / "unseen")
    minutes = (time.monotonic() - started) / 60
    console.print(
        "",
        f"{minutes:.1f} minutes. Look at:",
        f"  {picture}  the picture of the README",
        f"  {folder / 'unseen' / 'report.html'}  clips that the shipped weights have not seen, players in step",
        f"  {folder / 'run' / 'evaluation' / 'report.html'}  the model trained here; "
        f"{folder / 'inflated'} has what it started from",
        f"  {folder / 'decoded'}  videos decoded from the latents",
    )


def _steps(options, folder, train_csv, test_csv):
    """(title or None, words of a command) in their order."""
    shipped = ["--ckpt_path", options.ckpt_path or "tiny", *(["--enable_tile"] if options.enable_tile else [])]
    clips = ["--csv_path", test_csv, "--video_folder", test_csv.parent]
    size = ["--num_frames", options.num_frames or 8, "--image_size", options.image_size or 64]
    mine = ["--csv_path", options.csv_path] if options.csv_path else []
    mine += ["--video_column", options.video_column] if options.video_column else []
    mine += ["--video_folder", options.video_folder] if options.video_folder else []
    inflated, averaged = folder / "inflated.safetensors", folder / "averaged.safetensors"
    train = ["--config", options.config, *(mine or ["--csv_path", train_csv, "--video_folder", train_csv.parent])]
    train += ["--batch_size", options.batch_size] if options.batch_size else []
    train += [f"model.pretrained={averaged}", "--output_path", folder / "run", *SHORT_TRAINING, *options.overrides]

    def measure(weights, place):
        return ["evaluate", *clips, *weights, *size, "--output_path", folder / place]

    return [
        (
            "1. Clips that the weights have not seen, beside the best linear code of the same size",
            ["reconstruct", *clips, *shipped, "--image_size", 96, "--output_path", folder / "unseen"],
        ),
        (None, measure(shipped, "measured")),
        (
            "2. MindONE's way: an image VAE inflated. Untrained, it repeats one frame of eight",
            ["inflate", "--src", "tiny_image_vae", "--target", inflated],
        ),
        (None, measure(["--ckpt_path", inflated], "inflated")),
        (
            "Halvings of time averaged, and trained on video for a short while",
            ["inflate", "--src", "tiny_image_vae", "--temporal_downsample", "average", "--target", averaged],
        ),
        (None, ["train", *train]),
        (None, measure(["--ckpt_path", folder / "run"], "run/evaluation")),
        (
            "3. Latents, and back",
            ["encode", test_csv.parent / "test", *shipped, "--image_size", 96, "--output_path", folder / "latents"],
        ),
        (None, ["decode", *shipped, "--latent_folder", folder / "latents", "--output_path", folder / "decoded"]),
    ]


def _run_command(words, console):
    """One command as the command line would run it, in this process."""
    from ..parser import parse

    options = parse([*map(str, words)])
    options.command(options, console)


def _draw(path, sources, folder):
    """Draws source, TAE, linear code and averaging of the first clip in rows; returns the picture's path."""
    from mindone_tae.data import read_video, to_pixels, write_contact_sheet
    from mindone_tae.zoo import build

    from ..pictures import sheet_rows

    clip = sorted(sources.iterdir())[0]
    rebuilt, _ = read_video(next(folder.glob(f"reconstruction/**/{clip.name}*")))
    x, _ = read_video(clip, size=rebuilt.shape[3:], num_frames=rebuilt.shape[2])
    beside = {name: build("mindone.models", {"name": name})(x) for name in ("linear_code", "average_pooling")}
    pixels = {"TAE": rebuilt, **{name.replace("_", " "): each for name, each in beside.items()}}
    write_contact_sheet(
        path, sheet_rows(to_pixels(x[0]), *((name, to_pixels(each[0])) for name, each in pixels.items())), 5
    )
    return path


def _make_room(folder, force):
    """Empties an earlier demo's folder if forced; raises UserError for any other folder that is not empty."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    made_here = {"clips", "unseen", "unseen.png", "measured", "inflated", "run", "latents", "decoded"}
    made_here |= {"inflated.safetensors", "averaged.safetensors"}
    made_here |= {"reconstructions", "evaluation", ".lock"}  # by versions before
    if not force or {entry.name for entry in folder.iterdir()} - made_here:
        remedy = "add --force to replace an earlier demo" if not force else "it holds other things than a demo"
        raise UserError(
            f"{folder} is not empty; the demo needs a folder of its own: {remedy}, or choose another --output_path"
        )
    for name in made_here:
        path = folder / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
