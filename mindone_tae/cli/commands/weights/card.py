"""`mindone-tae card`."""

from pathlib import Path

from mindone_tae.zoo import UserError


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "card",
        help="write a model card for a training run",
        description="Writes README.md into a run's folder: what the weights are, how to load them, what they were "
        "trained on, scaling factors, and the figures of `evaluate` with their protocol. A README.md written by hand "
        "is kept.",
    )
    parser.add_argument("run", metavar="RUN", help="a folder that train made")
    parser.add_argument(
        "--evaluation",
        metavar="JSON",
        help="an evaluation.json (default: RUN/evaluation/evaluation.json, if evaluate wrote one)",
    )
    parser.add_argument(
        "--data", metavar="TEXT", help="description of the clips and their licences, which the run does not record"
    )
    parser.add_argument("--title", metavar="TEXT", help="name of the weights (default: the folder's name)")
    parser.set_defaults(command=run)


def run(options, console):
    """Writes the card."""
    from mindone_tae.weights.card import CARD, model_card, read_evaluation, write_card
    from mindone_tae.weights.reading import shipped_model
    from mindone_tae.zoo import load_recipe
    from mindone_tae.zoo.run.checkpoints import Checkpoints

    folder = Path(options.run)
    config = folder / "config.yaml"
    if not config.is_file():
        raise UserError(f"{folder} has no config.yaml; a card is written for a folder that train made: check the name")
    recipe = load_recipe(config)
    if recipe.model["name"] != "tae":
        raise UserError(
            f"{config}: model.name is {recipe.model['name']!r}; a card tells of a TAE's weights: give the run of one"
        )
    network = dict(recipe.model)
    network.update(shipped_model(network))
    evaluation = options.evaluation or folder / "evaluation/evaluation.json"
    saved = Checkpoints(folder / "checkpoints", keep=1, writes=False)
    measured = read_evaluation(evaluation) if options.evaluation or evaluation.is_file() else None
    text = model_card(
        options.title or folder.resolve().name,
        network,
        _loading(folder, network),
        _data(recipe.dataset, options.data),
        _training(recipe, saved),
        measured,
    )
    path = write_card(folder, text)
    if path is None:
        raise UserError(f"{folder / CARD} was written by hand, and is kept: move it away to have a card in its place")
    console.print(path)
    if measured is None:
        console.print(f"nothing was measured: mindone-tae evaluate --ckpt_path {folder}, then this again")
    elif saved.step is not None and saved.weights(saved.step).stat().st_mtime > Path(evaluation).stat().st_mtime:
        console.print(
            f"the figures are older than step {saved.step}: mindone-tae evaluate --ckpt_path {folder}, then this again"
        )
    if options.data is None:
        console.print("what the clips are, and under which licences, only you can tell: --data TEXT")


def _loading(folder, model):
    from mindone_tae.weights.card import differing_keywords

    keywords = "".join(f", {key}={value!r}" for key, value in differing_keywords(model).items())
    return (
        "from mindone_tae import TemporalAutoencoder\n"
        f'tae = TemporalAutoencoder(pretrained="{folder.resolve().name}"{keywords}).set_train(False)\n'
        "z, mean, logvar = tae.encode(x)"
    )


def _data(dataset, told):
    """A sentence of what the recipe says, after what the user does; of paths only the names."""
    names = [Path(str(dataset[key])).name for key in ("csv_path", "folder") if dataset.get(key)]
    cut = [f"{key} {dataset[key]}" for key in ("size", "sample_n_frames") if dataset.get(key) is not None]
    said = f"`{dataset['name']}`" + "".join(f", `{name}`" for name in names) + "".join(f", {part}" for part in cut)
    return f"{told or 'What the clips are, and under which licences, was not told.'}\n\nThe recipe: {said}."


def _training(recipe, saved):
    length = f"{recipe.train.steps} steps" if recipe.train.steps is not None else f"{recipe.train.epochs} epochs"
    if saved.step is not None and recipe.train.steps not in (None, saved.step):
        length = f"{saved.step} of {length}"
    clips = recipe.train.batch_size * recipe.train.gradient_accumulation_steps
    start = recipe.model.get("pretrained")
    return (
        f"{length} of {clips} clip{'s' * (clips > 1)} a card, `{recipe.loss['name']}`, `{recipe.optimizer['name']}`, "
        f"learning rate {recipe.scheduler.get('lr')}, seed {recipe.train.seed}; "
        f"from {f'`{Path(str(start)).name}`' if start else 'nothing'}. "
        "`config.yaml` has every key."
    )
