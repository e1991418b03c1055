"""All components of this package registered in registries like those of other hosts."""

import configparser
from functools import wraps
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mindone_tae import TemporalAutoencoder
from mindone_tae.hosts import AutoencoderKLTAE, register_into, registries
from mindone_tae.losses.tae_loss import TAELoss
from mindone_tae.zoo import UserError

SETUP = configparser.ConfigParser()
SETUP.read(Path(__file__).parents[2] / "setup.cfg")
# kind to the names that setup.cfg gives it
WRITTEN = {
    group.removeprefix("mindone."): {line.split("=")[0].strip() for line in lines.strip().splitlines()}
    for group, lines in SETUP["options.entry_points"].items()
    if group.startswith("mindone.")
}


@pytest.fixture
def two_arguments():
    """A registry of MindFormers' shape: both arguments have defaults, `type:` names the class in a recipe."""

    class Register:
        registry = {}

        @classmethod
        def register(cls, module_type="tools", alias=None, legacy=True, search_names=None):
            def keep(class_):
                cls.registry.setdefault(module_type, {})[alias or class_.__name__] = class_
                return class_

            return keep

        @classmethod
        def get_instance_from_cfg(cls, cfg, module_type):
            cfg = dict(cfg)
            return cls.registry[module_type][cfg.pop("type")](**cfg)

    return Register


@pytest.fixture
def one_argument():
    """A registry of Open-Sora-PKU's shape."""

    class ModelRegistry:
        models = {}

        @classmethod
        def register(cls, model_name):
            def keep(class_):
                cls.models[model_name] = class_
                return class_

            return keep

        @classmethod
        def get_model(cls, model_name):
            return cls.models.get(model_name)

    return ModelRegistry


def test_a_registry_of_mindformers_shape_gets_every_name_under_its_kind_and_builds_by_type(two_arguments, two_levels):
    done = register_into(two_arguments.register)
    assert {kind: set(entries) - {"AutoencoderKLTAE"} for kind, entries in two_arguments.registry.items()} == WRITTEN
    assert {"tae", "AutoencoderKLTAE"} <= set(two_arguments.registry["models"])
    assert len(done) == sum(map(len, two_arguments.registry.values()))
    tae = two_arguments.get_instance_from_cfg({"type": "tae", **two_levels}, "models")
    assert type(tae) is TemporalAutoencoder and tae.latent_channels == 3


def test_kinds_are_called_as_the_host_calls_them(two_arguments):
    done = register_into(two_arguments.register, {"models": "models", "losses": "loss"})
    assert set(two_arguments.registry) == {"models", "loss"}
    assert two_arguments.registry["loss"]["tae_loss"] is TAELoss and ("loss", "tae_loss") in done


def test_one_kind_may_be_given_as_it_is(two_arguments):
    done = register_into(two_arguments.register, "metrics")
    assert set(done) == {("metrics", name) for name in WRITTEN["metrics"]} and set(two_arguments.registry) == {
        "metrics"
    }


def test_a_registry_of_open_sora_shape_gets_the_models_and_loads_a_folder(
    one_argument, two_levels, randomised, arrays_of, tmp_path
):
    register_into(one_argument.register, ["models"])
    assert one_argument.get_model("tae") is TemporalAutoencoder and one_argument.get_model("psnr") is None
    model = one_argument.get_model("AutoencoderKLTAE")
    assert model is AutoencoderKLTAE
    saved = randomised(model(**two_levels))
    saved.save_pretrained(tmp_path / "tae")
    loaded = arrays_of(model.from_pretrained(tmp_path / "tae"))
    assert all((array == loaded[name]).all() for name, array in arrays_of(saved).items())
    assert model.from_config(saved.config).config["latent_channels"] == 3


def test_a_registry_of_names_alone_gets_every_kind(one_argument):
    register_into(one_argument.register)
    assert set.union(*WRITTEN.values()) | {"AutoencoderKLTAE"} == set(one_argument.models)


@pytest.mark.parametrize(
    ("register", "expected"),
    [
        (lambda name: None, ("tae",)),
        (lambda kind, name: None, ("models", "tae")),
        (lambda kind, name, force=False: None, ("models", "tae")),
        (lambda name, force=False: None, ("tae",)),
        (lambda name=None, force=False, module=None: None, ("tae",)),
        (lambda module_type="tools", alias=None: None, ("models", "tae")),
    ],
)
def test_the_signature_tells_how_many_arguments_a_host_takes(register, expected):
    calls = []

    @wraps(register)
    def recorded(*given):
        calls.append(given)
        return lambda class_: class_

    register_into(recorded, ["models"])
    assert expected in calls


@pytest.mark.parametrize(
    "register", [lambda: None, lambda *words: None, lambda a, b, c: None, lambda a=1, b=2: None, dict]
)
def test_a_registration_of_another_shape_is_refused_with_the_remedy(register):
    with pytest.raises(UserError, match=r"must take \(name\) or \(kind, name\).*lambda"):
        register_into(register)


def test_an_unknown_kind_is_told_with_the_nearest():
    with pytest.raises(UserError, match="unknown kind 'model'; did you mean 'models'"):
        register_into(lambda name: lambda class_: class_, ["model"])


def test_one_name_in_two_kinds_is_refused_where_the_host_has_no_kinds(monkeypatch):
    class Distribution:
        entry_points = [EntryPoint("lpips", "a:A", "mindone.metrics"), EntryPoint("lpips", "a:B", "mindone.losses")]

    monkeypatch.setattr(registries, "distribution", lambda name: Distribution)
    with pytest.raises(UserError, match="'lpips' is a name in losses and in metrics"):
        register_into(lambda name: lambda class_: class_)
