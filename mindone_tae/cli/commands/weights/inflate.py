"""`mindone-tae inflate`."""


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "inflate",
        help="an SD3.5 image VAE made into a TAE to train from",
        description="Gives an image VAE's weights temporal layers that start as the identity.",
    )
    parser.add_argument(
        "--src",
        required=True,
        metavar="PATH",
        help="the VAE: .safetensors, .ckpt or torch's .bin, .pt, .pth, a diffusers vae/ folder, "
        "or organisation/name on Hugging Face",
    )
    parser.add_argument(
        "--target",
        required=True,
        metavar="PATH",
        help="ends in .safetensors or .ckpt; anything else is a diffusers folder",
    )
    parser.add_argument(
        "--check", action="store_true", help="prove on generated images that the result computes what the VAE does"
    )
    parser.add_argument(
        "--norm_num_groups",
        type=int,
        metavar="N",
        help="groups of the norms, where no config.json says them; 32 unless given",
    )
    parser.add_argument(
        "--temporal_downsample",
        choices=("identity", "average"),
        default="identity",
        help="what halving of time starts with: identity keeps the first of two frames (published), average takes "
        "their mean: closer to moving video before any training, the same on images",
    )
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
