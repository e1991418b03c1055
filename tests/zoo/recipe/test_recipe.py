"""Recipes: read, overridden and checked as a whole before anything heavy is imported."""

import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest

from mindone_tae.zoo import UserError, load_recipe

PACKAGE = "recipe_plugin"
SOURCE = """
    raise SystemExit("a component was imported")
    class Model:
        def __init__(
            self, width: int = 8, rate: float = 0.1, dtype: str = "float32", pretrained: str | None = None
        ): pass
    class Clips:
        def __init__(self, csv_path: str, size: int | tuple[int, int] = 64, random: bool = True): pass
    class Other:
        def __init__(self, folder: str): pass
    class Loss:
        def __init__(self, weight: float = 1.0): pass
    class Score:
        def __init__(self, window: int = 7): pass
"""
ENTRY_POINTS = f"""
    [mindone.models]
    fake_model = {PACKAGE}:Model
    [mindone.datasets]
    fake_clips = {PACKAGE}:Clips
    other_clips = {PACKAGE}:Other
    [mindone.losses]
    fake_loss = {PACKAGE}:Loss
    [mindone.metrics]
    fake_score = {PACKAGE}:Score
"""
GOOD = """
    model:
      name: fake_model
      rate: 1e-5
    dataset:
      name: fake_clips
      csv_path: train.csv
      size: [64, 48]
    loss: {name: fake_loss, weight: 2}
    scheduler: {lr: 1e-5}
    train:
      steps: 10
    eval:
      dataset: {csv_path: test.csv, random: false}
      metrics: [{name: fake_score, window: 9}]
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path_factory, monkeypatch):
    root = tmp_path_factory.mktemp("plugin")
    (root / f"{PACKAGE}.py").write_text(textwrap.dedent(SOURCE))
    info = root / f"{PACKAGE}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(ENTRY_POINTS))
    monkeypatch.syspath_prepend(str(root))
    return root


@pytest.fixture
def load(tmp_path):
    """load(text, *overrides) -> Recipe."""

    def load(text, *overrides):
        path = tmp_path / "r.yaml"
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return load_recipe(path, overrides)

    return load


@pytest.fixture
def mistakes(load, tmp_path):
    """The lines of what load(text, *overrides) raises, without the folder."""

    def mistakes(text, *overrides):
        with pytest.raises(UserError) as raised:
            load(text, *overrides)
        return str(raised.value).replace(f"{tmp_path}/", "").splitlines()

    return mistakes


def test_a_good_recipe_gives_its_values_and_the_defaults(load):
    recipe = load(GOOD)
    assert recipe.model == {"name": "fake_model", "rate": 1e-5}
    assert recipe.loss == {"name": "fake_loss", "weight": 2.0}
    assert recipe.scheduler == {"name": "constant", "lr": 1e-5}
    assert recipe.optimizer == {"name": "adamw_re"}
    assert (recipe.train.steps, recipe.train.epochs, recipe.train.batch_size, recipe.train.seed) == (10, None, 1, 42)
    assert (recipe.env.mode, recipe.env.device_target, recipe.env.jit_level) == (0, "Ascend", "O1")
    assert (recipe.loader.num_workers, recipe.loader.shuffle) == (2, True)
    assert recipe.eval.metrics == [{"name": "fake_score", "window": 9}]
    assert recipe.eval.baseline is None


def test_the_eval_dataset_is_the_dataset_with_what_differs(load):
    expected = {"name": "fake_clips", "csv_path": "test.csv", "size": [64, 48], "random": False}
    assert load(GOOD).eval.dataset == expected
    assert load(GOOD, "eval.dataset={random: false}").eval.dataset["csv_path"] == "train.csv"
    assert load(GOOD, "eval.dataset=null").eval.dataset == load(GOOD).dataset


def test_an_eval_dataset_of_another_name_inherits_nothing(load, mistakes):
    recipe = load(GOOD, "eval.dataset={name: other_clips, folder: f}")
    assert recipe.eval.dataset == {"name": "other_clips", "folder": "f"}
    assert (
        "eval.dataset.folder: dataset 'other_clips': is required"
        in mistakes(GOOD, "eval.dataset={name: other_clips}")[0]
    )


def test_the_resolved_recipe_reloads_as_an_equal_one(load, tmp_path):
    recipe = load(GOOD, "model.dtype='1e-5'", "eval.baseline={name: fake_model}", "optimizer.betas=[0.9, 0.95]")
    (tmp_path / "resolved.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "resolved.yaml") == recipe
    assert load(GOOD) != recipe


def test_every_mistake_is_told_in_one_error_with_its_line(mistakes):
    found = mistakes(
        """
        env:
          mode: 2
          device_target: ascend
        modle: {}
        model:
          name: fake_model
          widht: 4
          rate: fast
        dataset:
          name: fake_clip
        optimizer:
          name: adamx
          lr: 1e-4
        train:
          steps: 10
          batch_size: 0
          save_evry: 5
          ema_decay: 1.0
        eval:
          metrics: [fake_skore]
          baseline: 5
        """
    )
    expected = [
        ("r.yaml:2: env.mode: must be one of 0, 1, not 2", ""),
        ("r.yaml:3: env.device_target: ", "did you mean 'Ascend'?"),
        ("r.yaml:4: modle: no such section", "did you mean 'model'?"),
        ("r.yaml:7: model.widht: model 'fake_model': no such keyword", "did you mean 'width'?"),
        ("r.yaml:8: model.rate: model 'fake_model': must be float, not 'fast'", ""),
        ("r.yaml:10: dataset.name: unknown dataset 'fake_clip'", "did you mean 'fake_clips'"),
        ("r.yaml:12: optimizer.name: unknown optimizer 'adamx'", "did you mean 'adam'"),
        ("r.yaml:13: optimizer.lr: ", "scheduler.lr"),
        ("r.yaml:16: train.batch_size: must be 1 or more, not 0", ""),
        ("r.yaml:17: train.save_evry: no such keyword", "did you mean 'save_every'"),
        ("r.yaml:18: train.ema_decay: must be below 1, not 1.0", ""),
        ("r.yaml:20: eval.metrics[0].name: unknown metric 'fake_skore'", "did you mean 'fake_score'?"),
        ("r.yaml:21: eval.baseline: must be dict or list or None, not 5", ""),
    ]
    assert len(found) == len(expected)
    for line, (start, remedy) in zip(found, expected):
        assert line.startswith(start) and remedy in line


def test_a_metric_is_there_once_as_figures_go_by_its_name(mistakes):
    (found,) = mistakes(GOOD, "eval.metrics=[fake_score, {name: fake_score, window: 9}]")
    assert "eval.metrics[1]: 'fake_score' is there already" in found


@pytest.mark.skipif(
    find_spec("mindone") is None, reason="the keywords are read from mindone's source, and mindone is not installed"
)
def test_optimizer_and_scheduler_take_mindones_own_keywords(load, mistakes):
    assert load(GOOD, "optimizer.betas=[0.9, 0.95]", "scheduler.milestones=null").optimizer["betas"] == [0.9, 0.95]
    assert (
        "optimizer.weight_dekay: no such keyword; did you mean 'weight_decay'?"
        in mistakes(GOOD, "optimizer.weight_dekay=0")[0]
    )
    assert "scheduler.warmup_steps: must be int, not 1.5" in mistakes(GOOD, "scheduler.warmup_steps=1.5")[0]
    assert "scheduler.total_steps: follows from train.steps" in mistakes(GOOD, "scheduler.total_steps=5")[0]


@pytest.mark.skipif(
    find_spec("mindone") is None, reason="the keywords are read from mindone's source, and mindone is not installed"
)
@pytest.mark.parametrize(
    "override, said",
    [
        ("optimizer.weight_decay=-1", "must be 0 or more, not -1.0"),
        ("optimizer.betas=[0.9]", "must be 2 numbers, 0 or more and below 1, not [0.9]: write such as [0.9, 0.999]"),
        ("optimizer.betas=[0.9, 1.5]", "must be 2 numbers, 0 or more and below 1, not [0.9, 1.5]"),
        (
            "optimizer={name: adam, betas: [0, 0.9]}",
            "optimizer.betas: must be 2 numbers, above 0 and below 1, not [0.0, 0.9]",
        ),
        ("optimizer={name: came, betas: [0.9, 0.99]}", "optimizer.betas: must be 3 numbers"),
        ("optimizer.eps=-1", "must be above 0, not -1.0"),
        ("optimizer.eps=[1e-30, -1]", "must be above 0, not -1.0"),
        ("scheduler.lr=-1", "must be 0 or more, not -1.0"),
        ("scheduler.warmup_steps=-5", "must be 0 or more, not -5"),
        ("scheduler.decay_steps=-5", "must be 0 or more, not -5"),
        ("scheduler.warmup_steps=1000000000", "must be 10000000 or less, not 1000000000"),
        ("train.batch_size=1e30", "must be int, not 1e+30"),
        ("train.batch_size=1000000000000000000000000000000", "not a whole number that fits 64 bits"),
        ("train.batch_size=1000000000", "must be 65536 or less, not 1000000000"),
        ("train.steps=1e400", "must be int or None, not inf"),
        ("train.steps=1000000000", "must be 10000000 or less, not 1000000000"),
        ("train.seed=4294967296", "must be 4294967295 or less, not 4294967296"),
        ("loader.num_workers=1000000000", "must be 1024 or less, not 1000000000"),
        ("adversarial.optimizer={name: adam, betas: [0.5]}", "adversarial.optimizer.betas: must be 2 numbers"),
    ],
)
def test_numbers_that_no_optimizer_or_scheduler_can_use_are_told(mistakes, override, said):
    found = [line for line in mistakes(GOOD, override) if "without a discriminator" not in line]
    assert len(found) == 1 and override.partition("=")[0] in found[0] and said in found[0]


def test_an_optimizers_betas_may_be_zero_where_it_takes_them(load):
    assert (
        load(GOOD, "optimizer={name: adamw_re, betas: [0, 0.9], weight_decay: 0}", "scheduler.lr=0").optimizer["betas"][
            0
        ]
        == 0
    )


def test_missing_sections_and_keywords_are_told(mistakes):
    found = mistakes("dataset: {name: fake_clips}\ntrain:\n")
    assert found[0].startswith("r.yaml: model: the section is missing") and "fake_model" in found[0]
    assert found[1].startswith("r.yaml:1: dataset.csv_path: dataset 'fake_clips': is required and not given")
    assert found[2].startswith("r.yaml:2: train: the section is missing")


def test_a_component_without_a_name_or_given_as_a_word_is_told(mistakes):
    assert mistakes(GOOD, "model={nmae: x}") == ["command line: model.nmae: no such keyword; did you mean 'name'?"]
    assert "model: has no name" in mistakes(GOOD, "model={width: 4}")[0]
    assert "write {name: fake_model}" in mistakes(GOOD, "model=fake_model")[0]


def test_steps_on_the_command_line_displace_the_files_epochs_and_the_other_way_round(load):
    train = load(GOOD, "train.epochs=3").train
    assert (train.steps, train.epochs) == (None, 3)
    train = load(GOOD.replace("steps: 10", "epochs: 3"), "train.steps=7").train
    assert (train.steps, train.epochs) == (7, None)
    assert load(GOOD, "train.epochs=null").train.steps == 10


def test_a_train_section_without_keys_is_a_mistake_on_the_command_line_too(mistakes):
    text = GOOD.replace("train:\n      steps: 10", "train: 10 epochs")
    assert any("must be keys and values, not '10 epochs'" in line for line in mistakes(text, "train.steps=7"))


@pytest.mark.parametrize("steps, epochs, said", [("null", "null", "neither steps nor epochs"), ("5", "5", "both set")])
def test_exactly_one_of_steps_and_epochs_is_set(mistakes, steps, epochs, said):
    (line,) = mistakes(GOOD, f"train.steps={steps}", f"train.epochs={epochs}")
    assert said in line


def test_overrides_set_what_is_there_and_what_is_valid_though_absent(load):
    recipe = load(
        GOOD,
        "train.steps=5",
        "model.dtype=float16",
        "eval.metrics=[fake_score]",
        "env.mode=1",
        "eval.dataset.csv_path=x.csv",
    )
    assert (recipe.train.steps, recipe.model["dtype"], recipe.eval.metrics, recipe.env.mode) == (
        5,
        "float16",
        ["fake_score"],
        1,
    )
    assert (recipe.eval.dataset["csv_path"], recipe.dataset["csv_path"]) == ("x.csv", "train.csv")


def test_an_override_given_as_a_pair_is_taken_as_it_is(load):
    assert load(GOOD, ("dataset.csv_path", "/a: [b].csv")).dataset["csv_path"] == "/a: [b].csv"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "model.dtpye=float16",
            "command line: model.dtpye: model 'fake_model': no such keyword; did you mean 'dtype'?",
        ),
        ("trian.steps=5", "command line: trian: no such section; did you mean 'train'?"),
        ("train.steps=ten", "command line: train.steps: must be int or None, not 'ten' (str)"),
        ("train.steps.x=5", "command line: train.steps.x: train.steps holds 10, which has no keys"),
        ("train.steps", "command line: 'train.steps' sets nothing: write section.key=value"),
        ("model.dtype=[a", "command line: model.dtype: value '[a' is not YAML"),
        (
            "model.dtype=!!python/name:os.system x",
            "command line: model.dtype: tag tag:yaml.org,2002:python/name:os.system is not allowed",
        ),
    ],
)
def test_a_wrong_override_says_that_it_came_from_the_command_line(mistakes, override, said):
    (line,) = mistakes(GOOD, override)
    assert line.startswith(said)


def test_an_override_does_not_reach_through_a_yaml_anchor(load):
    text = GOOD.replace("dataset:\n      name", "dataset: &d\n      name").replace(
        "{csv_path: test.csv, random: false}", "*d"
    )
    recipe = load(text, "eval.dataset.csv_path=x.csv")
    assert (recipe.dataset["csv_path"], recipe.eval.dataset["csv_path"]) == ("train.csv", "x.csv")


def test_a_component_exchanged_on_the_command_line_is_told_once_with_the_cure(mistakes, load):
    (line, of_eval) = mistakes(GOOD, "dataset.name=other_clips")
    assert line == (
        "command line: dataset: dataset 'other_clips' is named on the command line, and what the recipe says of "
        "another (csv_path, size) is none of its keywords: give the section whole, "
        '"dataset={name: other_clips, folder: ...}"'
    )
    assert of_eval.startswith("command line: eval.dataset: ") and "(csv_path, random)" in of_eval
    whole = "dataset={name: other_clips, folder: a}", "eval.dataset={name: other_clips, folder: b}"
    recipe = load(GOOD, *whole)
    assert (recipe.dataset["folder"], recipe.eval.dataset["folder"]) == ("a", "b")


def test_a_key_given_twice_is_told_with_both_lines(mistakes):
    (line,) = mistakes(GOOD + "    loader:\n      shuffle: true\n      shuffle: false\n")
    assert line == "r.yaml:17: shuffle: given twice, first in line 16: keep one"


def test_python_tags_and_broken_yaml_are_refused_with_their_line(mistakes):
    assert (
        "python/object/apply:os.system is not allowed"
        in mistakes("model: !!python/object/apply:os.system [ls]\n" + textwrap.dedent(GOOD))[0]
    )
    (line,) = mistakes("model: {name: fake_model\ntrain: 5\n")
    assert line.startswith("r.yaml:2: not YAML")


@pytest.mark.parametrize("text", ["", "- a\n", "5"])
def test_a_file_that_is_no_mapping_is_told(mistakes, text):
    assert "a recipe is a mapping of sections" in mistakes(text)[0]


def test_require_tells_what_to_add(load):
    recipe = load(GOOD, "loss=null")
    assert recipe.loss is None and load(GOOD).require("loss")["name"] == "fake_loss"
    with pytest.raises(UserError, match="r.yaml: loss: .*add loss: {name: ...}.*fake_loss"):
        recipe.require("loss")


@pytest.mark.parametrize("override", ["train.steps=5", "train.stebs=5", "model.name=tea"])
def test_nothing_heavy_is_imported_by_a_good_or_a_failing_load(plugin, tmp_path, override):
    path = tmp_path / "r.yaml"
    path.write_text(textwrap.dedent(GOOD))
    code = f"""
import sys
from mindone_tae.zoo import load_recipe
try:
    load_recipe({str(path)!r}, [{override!r}])
    print("loaded", end=" ")
except ValueError:
    print("failed", end=" ")
print(sorted({{"mindspore", "mindone", "numpy", {PACKAGE!r}}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(plugin)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ("loaded []" if override == "train.steps=5" else "failed []")


def test_several_baselines_are_checked_each_and_a_name_stands_for_itself(load):
    recipe = load(GOOD, "eval.baseline=[fake_model, {name: average_pooling, time_ratio: 1}]")
    assert recipe.eval.baseline == [{"name": "fake_model"}, {"name": "average_pooling", "time_ratio": 1}]

    with pytest.raises(UserError) as raised:
        load(GOOD, "eval.baseline=[fake_model, fake_model, {name: average_pooling, time_rato: 1}]")
    assert "eval.baseline[1]: 'fake_model' is there already" in str(raised.value)
    assert "eval.baseline[2].time_rato" in str(raised.value) and "time_ratio" in str(raised.value)
