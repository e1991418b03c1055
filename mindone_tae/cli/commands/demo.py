"""`mindone-tae demo`: the whole way on clips it makes itself."""

import shutil
import time
from pathlib import Path

from mindone_tae.zoo import UserError

from .. import flags

RECIPE = "tae/train/tiny_64x64x8"


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "demo",
        help="make sample clips, train a small TAE on them, look at it and measure it",
        description="Makes sample clips, trains a small TAE on them (or on --csv_path, --video_folder) for a few minutes, reconstructs and "
        "evaluates clips it has not seen.",
    )
    parser.add_argument("--output_path", default="outputs/demo", metavar="DIR", help="default: outputs/demo")
    parser.add_argument("--config", default=RECIPE, help=f"a recipe's name or file; default: {RECIPE}")
    parser.add_argument("--force", action="store_true", help="empty --output_path of an earlier demo first")
    flags.add_data(parser)
    flags.add_model(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Runs the demo."""
    from mindone_tae.data import make_sample_clips
    from mindone_tae.zoo import load_recipe

    started, folder = time.monotonic(), Path(options.output_path)
    _make_room(folder, options.force)

    console.print(f"1/4  sample clips: {folder / 'clips'}")
    train_csv, test_csv = make_sample_clips(folder / "clips")
    clips = {"csv_path": str(train_csv), "folder": str(folder / "clips")}
    pairs = [(f"dataset.{key}", value) for key, value in clips.items()]
    pairs += [("eval.dataset.csv_path", str(test_csv)), ("eval.dataset.folder", clips["folder"])]
    pairs += flags.data_overrides(options) + flags.model_overrides(options)
    if options.batch_size is not None:
        pairs.append(("train.batch_size", options.batch_size))
    recipe = load_recipe(options.config, pairs + options.overrides)

    console.print(f"2/4  training, {recipe.train.steps} steps: {folder / 'run'}")
    from .train import train

    train(recipe, folder / "run", console)
    trained = load_recipe(folder / "run" / "config.yaml", [("model.pretrained", str(folder / "run")), ("env.mode", 1)])

    console.print(f"3/4  reconstructing clips it has not seen: {folder / 'reconstructions'}")
    from .reconstruct import reconstruct

    held_out = [("dataset." + key, value) for key, value in trained.eval.dataset.items() if key != "name"]
    whole = load_recipe(
        folder / "run" / "config.yaml",
        [("model.pretrained", str(folder / "run")), ("env.mode", 1), *held_out, ("dataset.sample_n_frames", -1)],
    )
    page = reconstruct(whole, folder / "reconstructions", console)

    console.print("4/4  evaluating")
    from .evaluate import evaluate

    evaluate(trained, folder / "evaluation", console)
    minutes = (time.monotonic() - started) / 60
    console.print("", f"{minutes:.1f} minutes. Open {page} in a browser: players in step, figures of every frame, learning curves.")


def _make_room(folder, force):
    """An earlier demo's folder is emptied on request, and nothing else ever is."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    made_here = {"clips", "run", "reconstructions", "evaluation"}
    if not force or {entry.name for entry in folder.iterdir()} - made_here:
        remedy = "add --force to replace an earlier demo" if not force else "it holds other things than a demo"
        raise UserError(f"{folder} is not empty; the demo needs a folder of its own: {remedy}, or choose another --output_path")
    for name in made_here:
        shutil.rmtree(folder / name, ignore_errors=True)
