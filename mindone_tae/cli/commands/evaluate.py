"""`mindone-tae evaluate`."""

import re
from pathlib import Path

from .. import flags

# Metrics whose weights are fetched by a command of their name, and which no recipe switches on by itself.
_NEED_WEIGHTS = ("lpips", "rfvd")
# Of a protocol, up to a comma or semicolon outside brackets.
_FIRST_CLAUSE = re.compile(r"(?:\([^)]*\)|[^,;])*")


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure PSNR and SSIM on fixed clips, with baselines",
        description="Measures a model on fixed clips: first frames, centre crop, deterministic. Writes "
        "evaluation.json, pictures, and report.html, a page with synchronized players and metrics of every frame.",
    )
    flags.add_videos(parser)
    flags.add_output_path(
        parser, "where to write evaluation.json and the pictures (default: below the run's folder, or outputs/evaluate)"
    )
    flags.add_trained(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Evaluates."""
    from ..inference import load, take_default_weights

    take_default_weights(options, console)
    pairs = flags.data_overrides(options, "eval.dataset")
    if options.batch_size is not None:
        pairs.append(("eval.batch_size", options.batch_size))
    recipe = load(options, pairs, "tae/eval/default")
    evaluate(recipe, _folder(options), console)


def evaluate(recipe, folder, console):
    """Measures a recipe's model, prints the table and writes evaluation.json and the pictures."""
    console.quiet(folder)
    from mindone_tae.zoo import Evaluator
    from mindone_tae.zoo.device import environment
    from mindone_tae.zoo.protocols import build_model
    from mindone_tae.zoo.run.folder import write_json

    from ..clips import Clip, warn_if_random
    from ..pictures import write_pictures
    from ..report.showing import Showing

    warn_if_random(recipe)
    ranks = environment.start(recipe.env, recipe.model, recipe.train.seed)
    evaluator = Evaluator(recipe.eval, ranks=ranks)
    model = build_model(recipe.model)
    showing = Showing(folder, "evaluate", recipe, model) if ranks.first else None

    def show(index, x, recon):
        showing.show(Clip.of(evaluator.dataset, index), x, recon)

    result = evaluator.run(model, on_clip=show if showing else None)
    if not ranks.first:
        return
    written = write_pictures(Path(folder) / "pictures", result.pop("pictures"))
    result["model"] = {"name": recipe.model["name"], "pretrained": recipe.model.get("pretrained")}
    result["dataset"] = recipe.eval.dataset
    write_json(Path(folder) / "evaluation.json", result)

    console.print(*table(result))
    for name, protocol in result["protocol"].items():
        console.print(f"{name}: {_FIRST_CLAUSE.match(protocol)[0]}")  # whole in evaluation.json
        facts = {key: value for key, value in result["sets"].get(name, {}).items() if key != "warnings"}
        if facts:
            console.print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in facts.items()))
    off = [name for name in _NEED_WEIGHTS if name not in result["mean"]]
    if off:
        commands = " and ".join(f"mindone-tae {name}-weights" for name in off)
        console.print(f"off: {', '.join(off)}; {commands} fetch their weights and say how to switch them on")
    if result["unreadable"]:
        console.print(
            f"{len(result['unreadable'])} unreadable files left out: "
            + "; ".join(f"{path}: {why}" for path, why in result["unreadable"])
        )
    console.print("", Path(folder) / "evaluation.json", *([Path(folder) / "pictures"] if written else []))
    page = showing.write(page_rows(result))
    if page:
        console.print(f"open in a browser: {page}")


def page_rows(result):
    """The rows of the report's table, of an evaluator's result."""
    others = [("model", result["clips"]), *((baseline["name"], baseline["clips"]) for baseline in result["baselines"])]
    metrics = [name for name in result["mean"] if name not in result["sets"]]
    return [
        {
            "name": row["path"],
            "frames": row["frames"],
            "size": row["size"],
            "figures": {name: {metric: rows[i][metric] for metric in metrics} for name, rows in others},
        }
        for i, row in enumerate(result["clips"])
    ]


def table(result):
    """The lines of the table: a row for each clip and one for all, with the figures of the model and the baselines."""
    metrics, baselines = list(result["mean"]), result["baselines"]
    owners = [result["model"]["name"], *(baseline["name"] for baseline in baselines)]
    last = "mean, or whole set" if result["sets"] else "mean over clips"
    width = max([len(last), *(len(row["path"]) for row in result["clips"])])
    column = max([9, *(len(metric) + 1 for metric in metrics)])
    groups = [max(column * len(metrics), len(name) + 2) for name in owners]
    lines = [" " * (width + 13) + "".join(name.rjust(group) for name, group in zip(owners, groups))]
    lines.append(
        f"{'clip':<{width}}  {'t x h x w':>11}"
        + "".join("".join(f"{metric:>{column}}" for metric in metrics).rjust(group) for group in groups)
    )

    def row(label, shape, *figures):
        # A metric of the whole set has no figure for a clip.
        texts = [[f"{values[m]:.3f}" if m in values else "-" for m in metrics] for values in figures]
        cells = ["".join(f"{text:>{column}}" for text in line).rjust(group) for line, group in zip(texts, groups)]
        return f"{label:<{width}}  {shape:>11}" + "".join(cells)

    for clip, *others in zip(result["clips"], *(baseline["clips"] for baseline in baselines)):
        shape = "x".join(map(str, (clip["frames"], *clip["size"])))
        lines.append(row(clip["path"], shape, clip, *others))
    lines.append(row(last, "", result["mean"], *(baseline["mean"] for baseline in baselines)))
    return lines


def _folder(options):
    run = Path(options.ckpt_path) if options.ckpt_path else None
    if options.output_path or not run or not run.is_dir():
        return flags.output_folder(options, "evaluate")
    return run / "evaluation"
