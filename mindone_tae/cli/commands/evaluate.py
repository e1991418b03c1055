"""`mindone-tae evaluate`."""

from pathlib import Path

from .. import flags


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "evaluate",
        help="PSNR and SSIM on fixed clips, beside the simplest baseline",
        description="Measures a model on fixed clips: first frames, centre crop, no chance involved.",
    )
    parser.add_argument("--output_path", metavar="DIR", help="where evaluation.json and the pictures go (default: below the run's folder, or outputs/evaluate)")
    flags.add_trained(parser)
    flags.add_data(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Evaluates."""
    from ..inference import load

    pairs = flags.data_overrides(options, "eval.dataset")
    if options.batch_size is not None:
        pairs.append(("eval.batch_size", options.batch_size))
    recipe = load(options, pairs, "tae/eval/default")
    evaluate(recipe, _folder(options), console)


def evaluate(recipe, folder, console):
    """Measures a recipe's model, prints the table and writes evaluation.json and the pictures.

    Returns:
        The evaluator's result.
    """
    console.quiet(folder)
    from mindone_tae.zoo import Evaluator
    from mindone_tae.zoo.device import environment
    from mindone_tae.zoo.protocols import build_model
    from mindone_tae.zoo.run.folder import RunFolder

    from ..clips import warn_if_random
    from ..pictures import write_pictures

    warn_if_random(recipe)
    ranks = environment.start(recipe.env, recipe.model, recipe.train.seed)
    evaluator = Evaluator(recipe.eval, ranks=ranks)
    model = build_model(recipe.model)
    result = evaluator.run(model)
    if not ranks.first:
        return result
    written = write_pictures(Path(folder) / "pictures", result.pop("pictures"))
    result["model"] = {"name": recipe.model["name"], "pretrained": recipe.model.get("pretrained")}
    result["dataset"] = recipe.eval.dataset
    RunFolder(folder).write_json(Path(folder) / "evaluation.json", result)

    for line in table(result):
        console.print(line)
    for name, protocol in result["protocol"].items():
        console.print(f"{name}: {protocol}")
    if result["unreadable"]:
        console.print(f"{len(result['unreadable'])} unreadable files left out: " + "; ".join(f"{path}: {why}" for path, why in result["unreadable"]))
    console.print("", Path(folder) / "evaluation.json", *([Path(folder) / "pictures"] if written else []))
    return result


def table(result):
    """The lines of the table: a row for each clip and one for the mean, the model's figures beside the baseline's."""
    metrics, baseline = list(result["mean"]), result["baseline"]
    owners = [result["model"]["name"]] + ([baseline["name"]] if baseline else [])
    width = max([len("mean over clips"), *(len(row["path"]) for row in result["clips"])])
    groups = [max(9 * len(metrics), len(name) + 2) for name in owners]
    lines = [" " * (width + 13) + "".join(name.rjust(group) for name, group in zip(owners, groups))]
    lines.append(f"{'clip':<{width}}  {'t x h x w':>11}" + "".join("".join(f"{metric:>9}" for metric in metrics).rjust(group) for group in groups))

    def row(label, shape, *figures):
        cells = ["".join(f"{values[m]:>9.3f}" for m in metrics).rjust(group) for values, group in zip(figures, groups)]
        return f"{label:<{width}}  {shape:>11}" + "".join(cells)

    others = baseline["clips"] if baseline else [None] * len(result["clips"])
    for clip, other in zip(result["clips"], others):
        shape = "x".join(map(str, (clip["frames"], *clip["size"])))
        lines.append(row(clip["path"], shape, *([clip, other] if other else [clip])))
    lines.append(row("mean over clips", "", *([result["mean"], baseline["mean"]] if baseline else [result["mean"]])))
    return lines


def _folder(options):
    if options.output_path:
        return options.output_path
    run = Path(options.ckpt_path) if options.ckpt_path else None
    return run / "evaluation" if run and run.is_dir() else Path("outputs/evaluate")
