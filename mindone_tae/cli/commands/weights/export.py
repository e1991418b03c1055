"""`mindone-tae export`: the network for those who run it without this package."""

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from mindone_tae.zoo import UserError

from ... import flags

_PARTS = ("encoder", "decoder")
_OF_MINDIR = ("batch_size", "num_frames", "image_size", "dtype", "form")


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "export",
        help="write encoder and decoder as ONNX or MINDIR files",
        description="Writes the encoder and the decoder to one file each, runs the files and prints how far they are "
        "from the model. ONNX takes any batch, length and size, in float32, and runs without MindSpore (writing it "
        "needs the package onnx, and comparing it onnxruntime). MINDIR is compiled for one shape, given by "
        "--batch_size, --num_frames and --image_size.",
    )
    parser.add_argument("--format", choices=("onnx", "mindir"), required=True, help="format of the files")
    flags.add_output_path(parser, "where to write the files", "outputs/export")
    flags.add_weights(parser)
    flags.add_number(parser, "--batch_size", "MINDIR: videos per batch (default: 1)", 1)
    flags.add_number(parser, "--num_frames", "MINDIR: frames per video", 1)
    parser.add_argument(
        "--image_size", metavar="SIZE", help="MINDIR: in pixels: 256 (square) or 480,832 (height,width)"
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16"),
        help="MINDIR: compute type (default: float32); inputs and outputs are float32",
    )
    parser.add_argument(
        "--form",
        choices=("portable", "cpu"),
        help="MINDIR: portable (default) uses operators that every device has; cpu uses those chosen for a CPU",
    )
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Exports."""
    from ...inference import load, take_default_weights

    size = _fixed_size(options)
    if options.format == "onnx":
        from mindone_tae.export.requirements import require_onnx

        require_onnx()
    take_default_weights(options, console)
    recipe = load(options, [], "tae/infer/default")
    if recipe.model["name"] != "tae":
        raise UserError(
            f"model.name is {recipe.model['name']}; export knows the graph of tae alone: give a TAE's weights by "
            f"--ckpt_path"
        )
    folder = Path(options.output_path)
    console.quiet(folder)
    from ...clips import start

    # tiles are the host's doing, and a file is computed in one type
    keywords = {key: value for key, value in recipe.model.items() if key not in ("encode_dtype", "decode_dtype")}
    recipe = replace(recipe, model={**keywords, "dtype": "float32"})
    model = start(recipe)
    model.set_train(False)
    if options.format == "onnx":
        _onnx(model, options, folder, console)
    else:
        shape = (options.batch_size or 1, model.in_channels, options.num_frames, *size)
        _mindir(model, recipe, options, shape, folder, console)


def _onnx(model, options, folder, console):
    import onnx  # after MindSpore, see export.requirements

    from mindone_tae.export.onnx_check import compare_onnx
    from mindone_tae.export.onnx_file import onnx_model
    from mindone_tae.export.requirements import has_onnxruntime
    from mindone_tae.zoo.atomic_file import replacing

    facts = _facts(model, options)
    with ExitStack() as written:
        files = {part: written.enter_context(replacing(folder / f"{part}.onnx")) for part in _PARTS}
        for part, file in files.items():
            onnx.save_model(onnx_model(part, model, facts), str(file))
        if has_onnxruntime():
            for shape, told in compare_onnx(model, **files):
                console.print(f"pixels {_axes(shape)}, in onnxruntime: {_said(told)}")
        else:
            console.print("onnxruntime is not installed, so the files were not run: pip install 'mindone_tae[onnx]'")
    for part in _PARTS:
        _print_file(folder / f"{part}.onnx", "any batch, length and size", console)


def _mindir(model, recipe, options, shape, folder, console):
    from mindone_tae.export.agreement import differences, example_pixels, model_results
    from mindone_tae.export.mindir import Moments, run_mindir, write_mindir
    from mindone_tae.zoo.atomic_file import replacing
    from mindone_tae.zoo.protocols import build_model

    dtype, form = options.dtype or "float32", options.form or "portable"
    lt, lh, lw = model.latent_size(shape[2:])
    latent = (shape[0], model.latent_channels, lt, lh, lw)
    # a model of its own, which no other call has compiled
    exported = build_model({**recipe.model, "dtype": dtype})
    x = example_pixels(shape)
    expected = model_results(model, x)
    told = {}
    with ExitStack() as written:
        files = {part: written.enter_context(replacing(folder / f"{part}.mindir")) for part in _PARTS}
        write_mindir(Moments(exported.encoder), shape, files["encoder"], form)
        write_mindir(exported.decoder, latent, files["decoder"], form)
        found = dict(zip(("mean", "logvar"), run_mindir(files["encoder"], x)))
        (found["recon"],) = run_mindir(files["decoder"], expected["mean"])
        told = differences(found, expected, dtype, "a MINDIR, loaded back,")
        facts = {**_facts(model, options), "pixels_shape": shape, "latents_shape": latent, "dtype": dtype, "form": form}
        written.enter_context(replacing(folder / "mindir.json")).write_text(
            json.dumps(facts, indent=1) + "\n", encoding="utf-8"
        )
    console.print(f"pixels {_axes(shape)}, loaded back: {_said(told)}")
    for part, taken in (("encoder", shape), ("decoder", latent)):
        _print_file(folder / f"{part}.mindir", f"takes {_axes(taken)}, {dtype}, {form} form", console)


def _fixed_size(options):
    """(height, width) that a MINDIR is compiled for; None for ONNX.

    Raises:
        UserError: it is not said, or said of ONNX.
    """
    given = [name for name in _OF_MINDIR if getattr(options, name) is not None]
    if options.format == "onnx":
        if given:
            raise UserError(
                f"--{given[0]} is given with --format onnx; ONNX files take any shape, in float32: leave "
                f"--{given[0]} out, or say --format mindir"
            )
        return None
    if options.num_frames is None or options.image_size is None:
        raise UserError(
            "--format mindir is compiled for one shape; --num_frames and --image_size must say which: add, say, "
            "--num_frames 16 --image_size 256"
        )
    size = flags.size(options.image_size)
    if isinstance(size, str) or (isinstance(size, list) and len(size) != 2):
        raise UserError(
            f"--image_size is {options.image_size}; a MINDIR is of one shape: give 256 for a square, or 480,832 "
            f"for height,width"
        )
    return (size, size) if isinstance(size, int) else tuple(size)


def _facts(model, options):
    from mindone_tae.export.facts import facts
    from mindone_tae.weights.digest import weights_sha256

    return facts(model, options.ckpt_path or "", weights_sha256(model))


def _axes(shape):
    return "x".join(map(str, shape))


def _said(told):
    """The largest differences, by name, in words."""
    return ", ".join(f"{name} differs by {value:.1e}" for name, value in told.items()) + " at most"


def _print_file(path, what, console):
    console.print(f"{path}: {path.stat().st_size:,} bytes, {what}")
