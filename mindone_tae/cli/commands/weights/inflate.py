"""`mindone-tae inflate`."""

from ... import flags


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "inflate",
        help="convert an SD3.5 image VAE into a TAE to train from",
        description="Adds temporal layers to an image VAE's weights, so that images are encoded as before.",
    )
    parser.add_argument(
        "--src",
        required=True,
        metavar="PATH",
        help="the VAE: .safetensors, .ckpt or torch's .bin, .pt, .pth, a diffusers vae/ folder, "
        "organisation/name on Hugging Face, or tiny_image_vae (shipped with the package)",
    )
    parser.add_argument(
        "--target",
        required=True,
        metavar="PATH",
        help="file to write, .safetensors or .ckpt; any other name makes a diffusers folder",
    )
    parser.add_argument(
        "--check", action="store_true", help="prove on generated images that the result computes what the VAE does"
    )
    groups = "groups of the norms, if no config.json gives them (default: 32)"
    flags.add_number(parser, "--norm_num_groups", groups, 1)
    start = (
        "how each halving of time starts: identity keeps the first of two frames (published); average takes their "
        "mean, which is closer on moving video before training and the same on images"
    )
    flags.add_choice(parser, "--temporal_downsample", start, ("identity", "average"))
    parser.set_defaults(command=run)


def run(options, console):
    """Inflates."""
    console.quiet()
    from mindone_tae.weights import inflate

    inflate(
        options.src,
        options.target,
        options.check,
        options.norm_num_groups,
        report=console.print,
        temporal_downsample=options.temporal_downsample,
    )
