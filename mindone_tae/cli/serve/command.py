"""`mindone-tae serve`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mindone_tae.zoo import UserError

from .. import flags
from ..inference import DEFAULT_WEIGHTS
from .jobs import Jobs, Limits
from .server import HOST, Server
from .waiting import WaitingLine

_MOST_WAITING = 8


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "serve",
        help="serve a local page that takes a video and shows its report",
        description="Serves a page on 127.0.0.1, reachable from this machine only: drop a video, pick size, frames and "
        "weights, and see the report that reconstruct makes.",
    )
    flags.add_output_path(parser, "holds a folder for each report", "outputs/serve")
    parser.add_argument(
        "--ckpt_path",
        nargs="+",
        default=[DEFAULT_WEIGHTS],
        metavar="PATH",
        help=f"weights to pick from, as reconstruct takes them (default: {DEFAULT_WEIGHTS})",
    )
    flags.add_number(parser, "--port", "port of the page; 0 takes a free one", 0, 65_535, 7860)
    flags.add_number(parser, "--max_mb", "largest upload, in megabytes", 1.0, 10_000, 100.0, "MB")
    flags.add_number(parser, "--max_frames", "largest number of frames to reconstruct", 1, 150, 150)
    flags.add_number(parser, "--max_pixels", "largest frame of an upload, in pixels", 1, 2**28, 4096 * 2304)
    parser.set_defaults(command=run)


def run(options, console):
    """Serves until Ctrl-C."""
    limits = Limits(options.max_mb, options.max_frames, options.max_pixels)
    # absolute, as `reconstruct` runs in the report's folder
    weights = [str(Path(path).resolve()) if Path(path).exists() else path for path in options.ckpt_path]
    folder = Path(options.output_path)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = Jobs(folder, limits)
    with TemporaryDirectory(prefix=".uploads-", dir=folder, ignore_cleanup_errors=True) as uploads:
        try:
            server = Server(options.port, jobs, WaitingLine(jobs.run, _MOST_WAITING), weights, limits, Path(uploads))
        except OSError as error:
            raise UserError(f"--port is {options.port}: {error.strerror}: take another, or 0 for any") from None
        try:
            console.print(f"open in a browser: http://{HOST}:{server.server_port} (Ctrl-C ends it)")
            server.serve_forever()
        finally:
            server.server_close()
            jobs.close()
