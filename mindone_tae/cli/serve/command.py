"""`mindone-tae serve`."""

import shutil
from pathlib import Path

from mindone_tae.zoo import UserError

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
    parser.add_argument(
        "--output_path",
        default="outputs/serve",
        metavar="DIR",
        help="holds a folder for each report (default: outputs/serve)",
    )
    parser.add_argument(
        "--ckpt_path",
        nargs="+",
        default=[DEFAULT_WEIGHTS],
        metavar="PATH",
        help=f"weights to pick from, as reconstruct takes them (default: {DEFAULT_WEIGHTS})",
    )
    parser.add_argument(
        "--port", type=int, default=7860, metavar="N", help="port of the page; 0 takes a free one (default: 7860)"
    )
    parser.add_argument(
        "--max_mb", type=float, default=100.0, metavar="MB", help="largest upload, in megabytes (default: 100)"
    )
    parser.add_argument(
        "--max_frames",
        type=int,
        default=150,
        metavar="N",
        help="largest number of frames to reconstruct (default: 150)",
    )
    parser.add_argument(
        "--max_pixels",
        type=int,
        default=4096 * 2304,
        metavar="N",
        help="largest frame of an upload, in pixels (default: 9437184)",
    )
    parser.set_defaults(command=run)


def run(options, console):
    """Serves until Ctrl-C."""
    limits = _limits(options)
    # absolute, as `reconstruct` runs in the report's folder
    weights = [str(Path(path).resolve()) if Path(path).exists() else path for path in options.ckpt_path]
    folder = Path(options.output_path)
    uploads = folder / "uploads"
    jobs = Jobs(folder, limits)
    try:
        server = Server(options.port, jobs, WaitingLine(jobs.run, _MOST_WAITING), weights, limits, uploads)
    except OSError as error:
        raise UserError(f"--port is {options.port}: {error.strerror}: take another, or 0 for any") from None
    shutil.rmtree(uploads, ignore_errors=True)  # leftovers of an earlier call
    uploads.mkdir(parents=True)
    try:
        console.print(f"open in a browser: http://{HOST}:{server.server_port} (Ctrl-C ends it)")
        server.serve_forever()
    finally:
        server.server_close()
        jobs.close()
        shutil.rmtree(uploads, ignore_errors=True)


def _limits(options):
    for name, most in (("max_mb", 10_000), ("max_frames", 150), ("max_pixels", 2**28), ("port", 65_535)):
        value, least = getattr(options, name), 0 if name == "port" else 1
        if not least <= value <= most:
            raise UserError(f"--{name} is {value:g}; it must be from {least} to {most}: leave it out if unsure")
    return Limits(options.max_mb, options.max_frames, options.max_pixels)
