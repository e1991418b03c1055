"""`mindone-tae train`."""

from pathlib import Path

from mindone_tae.zoo import UserError

from .. import flags


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser(
        "train",
        help="train the model of a recipe",
        description="Trains the model of a recipe on its dataset; override any key with section.key=value.",
    )
    parser.add_argument(
        "--config",
        help="name of a recipe (see mindone-tae list) or a file; with --resume, default: the run's own",
    )
    flags.add_output_path(parser, "the run's folder: config, log, metrics, checkpoints, pictures", required=True)
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in --output_path; start one if there is none"
    )
    flags.add_data(parser)
    flags.add_model(parser)
    flags.add_outlier_penalty(parser)
    parser.set_defaults(command=run, takes_overrides=True)


def run(options, console):
    """Trains a recipe and prints the paths of its files."""
    from mindone_tae.zoo import load_recipe

    pairs = flags.data_overrides(options) + flags.model_overrides(options) + flags.loss_overrides(options)
    if options.batch_size is not None:
        pairs.append(("train.batch_size", options.batch_size))
    pairs += options.overrides
    recipe = load_recipe(_config(options), pairs)
    if sizes := _shipped_sizes(recipe.model):
        recipe = load_recipe(_config(options), pairs + sizes)
    console.quiet(options.output_path)
    from mindone_tae.zoo import Trainer

    from ..pictures import write_pictures

    def draw(step, pictures):
        folder = trainer.run_folder.pictures / f"step_{step:08d}"
        write_pictures(folder, pictures)
        return folder

    trainer = Trainer(recipe, options.output_path, resume=options.resume, on_pictures=draw)
    saved = trainer.run()
    if not trainer.ranks.first:
        return
    if saved is None:
        made, asked = trainer.checkpoints.step, trainer.steps
        state = "has made all its steps"
        if made != asked:
            state = f"is at step {made}, past the {asked} that the recipe asks for, and is left as it is"
        console.print(f"nothing to do: {options.output_path} {state}; raise train.steps to go on")
    else:
        console.print(f"weights   {saved}")
        console.print(f"metrics   {trainer.run_folder.metrics}")
        console.print(f"log       {trainer.run_folder.path / 'log.txt'}")
    best = trainer.best
    if best:
        weights = trainer.checkpoints.weights(best["step"])
        console.print(f"best      {weights} ({best['metric']} {best['value']:.4g} at step {best['step']})")


def _shipped_sizes(model):
    """(dotted path, value) of the sizes of shipped weights, which the model takes whatever the recipe says.

    The run's config.yaml and its checkpoints must say them too, or the run's own weights would not fit them.
    """
    from mindone_tae.weights.reading import shipped_model

    noted = shipped_model(model)
    sizes = ("latent_channels", "block_out_channels", "layers_per_block", "norm_num_groups")
    return [(f"model.{key}", noted[key]) for key in sizes if key in noted and noted.get("name") == model["name"]]


def _config(options):
    """The recipe to train: that of --config, or on --resume the run's own config.yaml."""
    if options.config is not None:
        return options.config
    own = Path(options.output_path) / "config.yaml"
    if options.resume and own.is_file():
        return own
    where = f"; --resume takes that of a run, and {own} is not there" if options.resume else ""
    raise UserError(f"--config is not given{where}: add --config with a recipe's name (see mindone-tae list) or file")
