"""`mindone-tae linear-code`: fits the baseline `linear_code` to clips."""

from ... import flags


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "linear-code",
        help="fit the best linear code of a TAE's size to clips, as a baseline",
        description="Fits the principal components of pixel blocks to random crops, reproducibly, "
        "and writes a file for a recipe's `eval.baseline: {name: linear_code, pretrained: FILE}`. Two are "
        "shipped with the package: 8x8x8 for video, 1x8x8 for images.",
    )
    parser.add_argument("--output_path", required=True, metavar="FILE", help="file to write, ending in .safetensors")
    flags.add_data(parser)
    flags.add_number(parser, "--crops", "number of random crops to fit", 1, default=4000)
    flags.add_number(parser, "--time_ratio", "frames per block", 1, default=8)
    flags.add_number(parser, "--space_ratio", "pixels per block, in height and in width", 1, default=8)
    flags.add_number(parser, "--latent_channels", "numbers kept of each block", 1, default=16)
    parser.set_defaults(command=run)


def run(options, console):
    """Fits."""
    import numpy as np

    from mindone_tae.data.tae_video import TAEVideoDataset
    from mindone_tae.models.baselines.linear_code import LinearCode
    from mindone_tae.zoo import UserError
    from mindone_tae.zoo.atomic_file import replacing
    from mindone_tae.zoo.progress import Progress

    blocks = (options.time_ratio, options.space_ratio, options.latent_channels)
    if not options.output_path.endswith(".safetensors"):
        raise UserError(
            f"--output_path is {options.output_path}; a linear code is a .safetensors file: end the name in that"
        )
    keywords = {"sample_n_frames": options.time_ratio, "size": (64, 64), **flags.data_keywords(options)}
    dataset = TAEVideoDataset(random_crop=True, random_flip=True, cache_mb=2048, **keywords)

    def crops():
        with Progress("linear-code", options.crops, "crops") as progress:
            for number in range(options.crops):
                lap, index = divmod(number, len(dataset))
                yield dataset.sample(index, np.random.default_rng([lap, index]))[0]
                progress.advance()

    code = LinearCode.fit(crops(), *blocks)
    with replacing(options.output_path) as temporary:
        code.save(temporary)
    console.print(options.output_path)
