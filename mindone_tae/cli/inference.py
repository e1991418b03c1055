"""The recipe of a command that runs a model without training it."""

import logging
from dataclasses import replace
from pathlib import Path

from mindone_tae.zoo import UserError, load_recipe
from mindone_tae.zoo.recipe.files import find_recipe, read_recipe, recipe_names
from mindone_tae.zoo.recipe.yaml_marks import parse
from mindone_tae.zoo.registry import signature

from . import flags

_logger = logging.getLogger(__name__)


# The shipped weights, for a command that is given none.
DEFAULT_WEIGHTS = "tiny"


def take_default_weights(options, console):
    """Sets --ckpt_path to the shipped weights where the options name no model, and prints that."""
    from mindone_tae.weights.architecture import SHARED_KEYS

    keys = {text.partition("=")[0] for text in options.overrides}
    another = {"model", "model.name", "model.pretrained", *(f"model.{key}" for key in SHARED_KEYS)}
    if options.config or options.ckpt_path or keys & another:
        return
    options.ckpt_path = DEFAULT_WEIGHTS
    console.print(f"no --ckpt_path is given; using the package's small weights (--ckpt_path {DEFAULT_WEIGHTS})")


def load(options, pairs, default, wanted=()):
    """The recipe of an inference command.

    The first of: --config; the recipe in the run's folder; `default`, with the architecture stored with the weights, if
    there is one.

    Args:
        options: parsed arguments.
        pairs: (dotted path, value) from flags.
        default: name of the recipe that comes with the package.
        wanted: (dotted path, value) of what the command sets on the dataset, of those keywords that it takes.

    Returns:
        Recipe. On a CPU it runs in PyNative mode unless the user wrote env.mode: each clip length would compile its own
        graph.
    """
    ckpt = Path(options.ckpt_path) if options.ckpt_path else None
    config, model = options.config, []
    own = ckpt / "config.yaml" if config is None and ckpt else None
    if own and _is_whole(own):
        config = own
    elif config is None:
        config = default
        model = [(f"model.{key}", value) for key, value in _architecture(options.ckpt_path).items()]
    given = pairs + flags.model_overrides(options)
    if config == own and pairs:
        given = _without_manifest(config, pairs) + given
    if wanted:
        recipe = load_recipe(config, model + given + options.overrides)
        given = _taken(recipe.dataset["name"], wanted) + given
    recipe = load_recipe(config, model + given + options.overrides)
    if recipe.env.device_target == "CPU" and not _user_wrote_mode(options, recipe.path):
        recipe = replace(recipe, env=replace(recipe.env, mode=1))
    return recipe


def _without_manifest(config, pairs):
    """For the clips that a command line names: that they are not those of the run's manifest, where it has one."""
    sections = {path.rpartition(".")[0] for path, _ in pairs if path.endswith((".csv_path", ".folder"))}
    tree = parse(read_recipe(config), str(config))[0]

    def mapping(section):  # one that is no mapping gets its error later
        return section if isinstance(section, dict) else {}

    training, evaluation = mapping(tree.get("dataset")), mapping(mapping(tree.get("eval")).get("dataset"))
    if evaluation.get("name", training.get("name")) == training.get("name"):
        evaluation = {**training, **evaluation}
    held = {"dataset": training, "eval.dataset": evaluation}
    return [(f"{section}.manifest_path", None) for section in sorted(sections) if held[section].get("manifest_path")]


def _taken(dataset, wanted):
    """Of the keywords that a command wants, those that a dataset takes; the others are told."""
    taken = signature("mindone.datasets", dataset, imports=True)
    refused = [path for path, _ in wanted if taken and not taken.takes(path.partition(".")[2])]
    if refused:
        names = ", ".join(path.partition(".")[2] for path in refused)
        _logger.warning("dataset '%s' takes no %s: its clips are used as it gives them", dataset, names)
    return [(path, value) for path, value in wanted if path not in refused]


def _is_whole(config):
    """Whether a run's config.yaml exists and can be read; otherwise the model is taken from the weights."""
    if not config.exists():
        return False
    try:
        if isinstance(parse(read_recipe(config), str(config))[0], dict):
            return True
        problem = f"{config} holds no sections"
    except UserError as error:
        problem = error
    _logger.warning(
        "%s; the model is taken from its weights, and everything else from a recipe that comes with the package",
        problem,
    )
    return False


def _user_wrote_mode(options, path):
    """Whether env.mode is on the command line, or in the recipe at `path` that --config names."""
    return any(text.startswith("env.mode=") for text in options.overrides) or (
        options.config is not None and _states_mode(path)
    )


def _states_mode(path):
    """Whether env.mode is in a recipe that a user wrote: not a shipped one, nor a run's, which has every key."""
    shipped = any(path.samefile(find_recipe(name)) for name in recipe_names())
    if shipped or (path.name == "config.yaml" and path.with_name("environment.json").exists()):
        return False
    env = parse(read_recipe(path), str(path))[0].get("env")
    return isinstance(env, dict) and "mode" in env


def _architecture(path):
    """The model section stored with weights; empty where there is none."""
    if path is None:
        return {}
    from mindone_tae.weights.reading import check_note, noted_model, open_weights

    try:
        stored = open_weights(path)
        noted = noted_model(stored)
    except UserError:  # loading will report it; a model of another package may read other formats
        return {}
    check_note(stored, noted)
    return noted
