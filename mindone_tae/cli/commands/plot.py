"""`mindone-tae plot`."""

from pathlib import Path


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "plot",
        help="draw the curves of one or several runs",
        description="Draws loss terms, metrics (the baseline's too), learning rate and seconds per step into one PNG.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a folder that train made; it may still be running")
    parser.add_argument("--output_path", metavar="PNG", help="default: curves.png in the first run's folder")
    parser.set_defaults(command=run)


def run(options, console):
    """Draws."""
    from mindone_tae.zoo import UserError
    from mindone_tae.zoo.run.curves import read_curves

    path = Path(options.output_path) if options.output_path else Path(options.runs[0]) / "curves.png"
    if path.suffix.lower() != ".png":
        raise UserError(f"--output_path is {path}; a PNG is written: end it in .png")
    runs = [read_curves(run) for run in options.runs]

    from mindone_tae.zoo.run.plot import draw_curves

    draw_curves(path, runs)
    console.print(path)
