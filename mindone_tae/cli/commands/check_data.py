"""`mindone-tae check-data`: lists the usable files of a collection, with lengths and sizes."""

import os
import shlex
from pathlib import Path

from mindone_tae.zoo import UserError

from .. import flags

_MOST_WORKERS = 1024
_FLAG_OF = {
    "set dataset.allow_outside=true": "add --allow_outside",
    "dataset.video_column": "--video_column",
    "dataset.folder": "--video_folder",
}


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "check-data",
        help="check which videos can be used, and write a manifest",
        description="Opens every file in a separate process, so that a bad one cannot hang or crash the command. "
        "Writes a manifest for datasets (dataset.manifest_path), a summary and a picture of histograms. With --resume, "
        "a repeated call checks only files that are new or changed.",
    )
    parser.add_argument(
        "collection",
        metavar="CSV_OR_FOLDER",
        help="table (csv, tsv, jsonl, parquet) with one file per row, or folder to search",
    )
    flags.add_output_path(
        parser, "where to write manifest.csv or .parquet, summary.json, histograms.png", required=True
    )
    parser.add_argument(
        "--video_folder",
        "--folder",
        metavar="DIR",
        help="base folder of the table's paths (default: the table's own folder)",
    )
    parser.add_argument(
        "--video_column", default="video", metavar="NAME", help="the table's column of paths (default: video)"
    )
    flags.add_choice(parser, "--format", "format of the manifest; parquet needs pyarrow", ("csv", "parquet"))
    decode = "frames to decode: the first; first, middle and last; all"
    flags.add_choice(parser, "--decode", decode, ("first", "ends", "all"), "ends")
    parser.add_argument("--reader", default="auto", help="auto (pyav), pyav, decord or image (default: auto)")
    flags.add_number(parser, "--workers", "files checked in parallel (default: the number of cores)", 1, _MOST_WORKERS)
    flags.add_choice(parser, "--hdr", "whether HDR counts as usable", ("refuse", "tonemap"))
    flags.add_number(parser, "--timeout_s", "seconds that opening or reading may take", 0.001, 86400, 60.0, "S")
    flags.add_number(parser, "--memory_mb", "megabytes that each process may take", 256.0, 2**20, 2048.0, "MB")
    parser.add_argument(
        "--allow_outside", action="store_true", help="allow absolute paths and links that lead out of the folder"
    )
    parser.add_argument("--resume", action="store_true", help="continue from what --output_path holds")
    parser.set_defaults(command=run)


def run(options, console):
    """Checks a collection; bad files are only an error if there are no others."""
    from mindone_tae.data.files.checking import CollectionCheck
    from mindone_tae.data.files.collection import read_collection
    from mindone_tae.data.files.manifest import write_manifest
    from mindone_tae.data.files.summary import summarize, write_histograms
    from mindone_tae.data.files.tables import import_parquet
    from mindone_tae.data.readers.opening import check_reader_name
    from mindone_tae.zoo.progress import Progress
    from mindone_tae.zoo.run.folder import write_json

    check_reader_name(options.reader)
    if options.format == "parquet":
        import_parquet()  # before the work, not after
    given = Path(options.collection)
    if not given.exists():
        raise UserError(f"{given} does not exist; check-data takes a table or a folder of videos: check the name")
    table = None if given.is_dir() else str(given)
    if table is None and options.video_folder:
        raise UserError(
            f"--video_folder is {options.video_folder}, but {given} is a folder already; it is the base of a table's "
            "paths: leave it out"
        )
    root = options.video_folder or str(given if table is None else given.parent)
    try:
        items = read_collection(
            table,
            options.video_folder if table else root,
            options.video_column,
            True if options.allow_outside else None,
        )
    except UserError as error:
        raise UserError(_by_flags(str(error))) from error

    folder = Path(options.output_path)
    journal, manifest = folder / "checked.jsonl", folder / f"manifest.{options.format}"
    if journal.exists() and not options.resume:
        raise UserError(
            f"{folder} holds an earlier check; a new one needs a folder of its own: "
            "add --resume to go on with it, or choose another --output_path"
        )
    check = CollectionCheck(
        items,
        os.path.abspath(root),
        journal,
        options.reader,
        options.timeout_s,
        options.decode,
        options.hdr,
        options.memory_mb,
    )
    done, bad = check.resume(), 0
    if done:
        console.print(f"{done} of {len(check.items)} files were checked before")
    with Progress("check", len(check.items), "files", done) as progress:

        def looked_at(row):
            nonlocal bad
            bad += bool(row["reason"])
            progress.advance({"bad": str(bad)})

        rows = check.run(options.workers or min(len(os.sched_getaffinity(0)), _MOST_WORKERS), looked_at)
    write_manifest(str(manifest), rows)
    summary = summarize(rows)
    write_json(folder / "summary.json", {"collection": str(given), "folder": os.path.abspath(root), **summary})
    write_histograms(folder / "histograms.png", rows)
    # files with absolute paths are outside the folder, which data sets refuse without allow_outside
    outside = options.allow_outside or any(os.path.isabs(row["path"]) for row in rows)
    keys = [f"dataset.manifest_path={manifest}", f"dataset.folder={root}"]
    keys += ["dataset.allow_outside=true"] if outside else []
    keys += ["dataset.hdr=tonemap"] if options.hdr == "tonemap" else []
    _tell(rows, summary, console)
    console.print(f"written: {manifest}, summary.json, histograms.png. Train on it: {shlex.join(keys)}")
    if not summary["readable"]:
        raise UserError(
            f"none of the {len(rows)} files can be used; a data set needs at least one: see the reasons in {manifest}"
        )


def _by_flags(text):
    """An error of a recipe's data set, its keys replaced by this command's flags."""
    for key, flag in _FLAG_OF.items():
        text = text.replace(key, flag)
    return text


def _tell(rows, summary, console):
    for row in rows:
        if row["reason"]:
            console.print(f"bad  {row['path']}: {row['reason']}")
    console.print(
        f"{summary['readable']} of {summary['files']} files can be used: "
        f"{summary['frames']} frames, {summary['hours']:.3g} hours"
    )
    if summary["fps_guessed"]:
        console.print(
            f"the rate of {summary['fps_guessed']} files is a guess: they hold no times (fps_is_guess in the manifest)"
        )
    for name in ("sizes", "codecs", "readers", "transfers"):
        most = list(summary[name].items())
        more = f", {len(most) - 6} more" if len(most) > 6 else ""
        console.print(f"{name:<10}" + ", ".join(f"{kind} ({count})" for kind, count in most[:6]) + more)
