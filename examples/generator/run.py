"""From sample clips to videos that a model made up: clips, latents, training, samples, videos.

    pip install ./examples/generator
    python examples/generator/run.py --output_path outputs/generator

Every command is printed, to be typed again. What follows as section.key=value goes to `mindone-tae train`.
"""

import argparse
import shlex
import sys
from pathlib import Path

from latent_flow import sampling

from mindone_tae import cli
from mindone_tae.data import make_sample_clips

RECIPE = Path(__file__).with_name("latent_flow.yaml")
FPS = 16
CONVENTION = "diffusers"  # the recipe's


def main(words=None):
    """Runs everything; gives the exit status, 0 where all went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_path", default="outputs/generator", help="outputs/generator")
    parser.add_argument("--clips", type=int, default=96, help="sample clips to learn from (96)")
    parser.add_argument("--image_size", type=int, default=64, help="pixels a side (64)")
    parser.add_argument("--count", type=int, default=8, help="videos to make (8)")
    parser.add_argument("--steps", type=int, default=50, help="from noise to a latent (50)")
    options, overrides = parser.parse_known_args(words)
    folder, size = Path(options.output_path), options.image_size

    make_sample_clips(folder / "clips", train=options.clips, test=1, size=(size, size), frames=16, fps=FPS)
    latents, run, samples, videos = (folder / name for name in ("latents", "run", "samples", "videos"))
    # clips of one shape: one graph encodes 16 at a time
    encode = ["--video_folder", folder / "clips" / "train", "--image_size", size, "--batch_size", 16]
    encode += ["--output_path", latents, "env.mode=0"]
    train = ["--config", RECIPE, "--resume", "--output_path", run, f"dataset.folder={latents}", *overrides]
    sample = ["--ckpt_path", run, "--count", options.count, "--steps", options.steps, "--output_path", samples]
    decode = ["--latent_folder", samples, "--convention", CONVENTION, "--fps", FPS, "--output_path", videos]
    for command in (
        ["mindone-tae", "encode", "--ckpt_path", "tiny", *encode],
        ["mindone-tae", "train", *train],
        ["python", "-m", "latent_flow.sampling", *sample],
        ["mindone-tae", "decode", "--ckpt_path", "tiny", *decode],
    ):
        command = [str(word) for word in command]
        print("\n$", shlex.join(command), flush=True)
        status = cli.run(command[1:]) if command[0] == "mindone-tae" else sampling.main(command[3:])
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
