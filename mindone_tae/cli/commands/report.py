"""`mindone-tae report`."""

from argparse import Namespace
from pathlib import Path

from mindone_tae.zoo import UserError


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "report",
        help="write a page with players, for one or several runs, checkpoints or outputs",
        description="Writes one HTML file that shows the output of reconstruct, evaluate, demo or train: "
        "synchronized players, metrics of every frame, the latent, learning curves. With several folders, it shows the "
        "same clips side by side. If the last checkpoint of a training run was not evaluated yet, this is done first.",
    )
    parser.add_argument(
        "places", nargs="+", metavar="RUN_OR_FOLDER", help="folders that these commands wrote, or a run's checkpoints"
    )
    parser.add_argument(
        "--output_path",
        metavar="HTML",
        help="default: report.html in the folder; with several folders, comparison.html in the first",
    )
    parser.set_defaults(command=run)


def run(options, console):
    """Writes the page."""
    from ..report.page import write_page
    from ..report.showing import PAGE, run_of
    from ..report.stored import open_reports

    path = Path(options.output_path) if options.output_path else None
    if path and path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output_path is {path}; a page is written: end it in .html")
    folders = [_with_report(Path(place), console) for place in options.places]
    runs = [
        run_of(report.facts["model"]["pretrained"]) or run_of(folder)
        for folder, report in zip(folders, open_reports(folders))
    ]
    path = path or folders[0] / (PAGE if len(folders) == 1 else "comparison.html")
    console.print(f"open in a browser: {write_page(path, folders, runs)}")


def _with_report(place, console):
    """The folder of a place's report; a training run is evaluated first where its report is missing or out of date.

    Raises:
        UserError: it is neither a report's folder, nor a run, nor a checkpoint in one.
    """
    from ..report.showing import run_of
    from ..report.stored import has_report, made_after

    if has_report(place):
        return place
    run, checkpoint = run_of(place), _checkpoint(place)
    if run is None or place not in (run, run / "checkpoints") and checkpoint is None:
        raise UserError(
            f"{place} holds no report; reconstruct, evaluate and demo leave one in their --output_path: "
            "give such a folder, a training run's, or a checkpoint in one"
        )
    from mindone_tae.zoo.run.checkpoints import weights_file

    folder = run / "evaluation" / (checkpoint or "")
    if not made_after(folder, weights_file(place if checkpoint else run)):
        _evaluate(run, place if checkpoint else run, folder, console)
    return folder


def _checkpoint(place):
    """The name of a checkpoint, a step's folder or a file of weights; None for anything else."""
    if place.is_file():
        names = {"weights": place.parent.name, "ema": f"{place.parent.name}_ema"}
        return names.get(place.stem, place.stem)
    return place.name if (place / "weights.safetensors").is_file() else None


def _evaluate(run, weights, folder, console):
    from ..inference import load
    from .evaluate import evaluate

    options = Namespace(config=run / "config.yaml", ckpt_path=str(weights), enable_tile=None, overrides=[])
    evaluate(load(options, [], "tae/eval/default"), folder, console)
    if not (folder / "report").exists():
        raise UserError(f"{run}: no clip of its eval.dataset could be shown: see {folder / 'evaluation.json'}")
