"""Samples of a trained run as .npy, for `mindone-tae decode`.

python -m latent_flow.sampling --ckpt_path RUN --output_path DIR
"""

import argparse
from pathlib import Path

import numpy as np

from mindone_tae.zoo import load_recipe
from mindone_tae.zoo.device import environment
from mindone_tae.zoo.protocols import build_model


def main(words=None):
    """Writes DIR/sample.npy, (count, zc, lt, lh, lw), scaled as the latents were that it was trained on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ckpt_path", required=True, help="the run's folder")
    parser.add_argument("--output_path", required=True, help="gets sample.npy")
    parser.add_argument("--count", type=int, default=8, help="videos")
    parser.add_argument("--steps", type=int, default=50, help="from noise to data")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)

    recipe = load_recipe(Path(options.ckpt_path) / "config.yaml", [("model.pretrained", options.ckpt_path)])
    environment.start(recipe.env, recipe.model, options.seed)
    model = build_model(recipe.model)  # with the moving average of the weights, where the recipe keeps one
    latents = model.sample(options.count, options.steps, np.random.default_rng(options.seed))
    Path(options.output_path).mkdir(parents=True, exist_ok=True)
    np.save(Path(options.output_path) / "sample.npy", latents)


if __name__ == "__main__":
    main()
