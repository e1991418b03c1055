"""Components by name: found by installed metadata alone, one plugin at a time."""

import subprocess
import sys
import textwrap

import pytest

from mindone_tae.zoo import UserError, build, get, names
from mindone_tae.zoo.recipe.yaml_marks import Mark, MarkedDict
from mindone_tae.zoo.registry import GROUPS


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package into its own folder on sys.path: install("pkg", {"mindone.models": {...}}, source)."""
    installed = []

    def install(package, entry_points, source, folder=None):
        root = tmp_path / (folder or package)
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").write_text(textwrap.dedent(source))
        info = root / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [
            f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in found.items()) for group, found in entry_points.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(str(root))
        installed.append(package)

    yield install
    for name in [module for module in sys.modules if module.partition(".")[0] in installed]:
        del sys.modules[name]


TOY = """
    class Toy:
        def __init__(self, width: int, rate: float = 0.1, size: tuple[int, int] = (4, 4), name_of: str | None = None):
            if width < 0:
                raise ValueError(f"width is {width}; it must be positive: use 8")
            self.width, self.rate, self.size = width, rate, size
"""


@pytest.fixture
def toy(install):
    install("toy_plugin", {"mindone.models": {"toy_model": "toy_plugin:Toy"}}, TOY)


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("models", "tae"),
        ("blocks", "tae_encoder"),
        ("blocks", "tae_decoder"),
        ("blocks", "conv2_5d"),
        ("datasets", "tae_video"),
        ("losses", "tae_loss"),
        ("metrics", "psnr"),
        ("metrics", "ssim"),
        ("metrics", "lpips"),
    ],
)
def test_the_projects_own_components_are_installed(group, name):
    assert name in names(group), "install the project first: pip install -e ."


def test_a_package_put_on_the_path_is_listed_got_and_built(toy):
    assert "toy_model" in names("mindone.models")
    assert get("models", "toy_model").__name__ == "Toy"
    assert build("model", {"name": "toy_model", "width": 3}).width == 3


def test_names_are_sorted_and_seen_without_importing(install):
    install("listed_plugin", {"mindone.losses": {"zz_loss": "listed_plugin:A", "aa_loss": "listed_plugin:B"}}, "1 / 0")
    found = [name for name in names("losses") if name in ("aa_loss", "zz_loss")]
    assert found == ["aa_loss", "zz_loss"]
    assert "listed_plugin" not in sys.modules


def test_importing_zoo_imports_neither_mindspore_nor_mindone():
    code = (
        "import mindone_tae.zoo as z, sys; z.names('models'); "
        "print(sorted({'mindspore', 'mindone'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_there_are_five_groups_and_an_unknown_one_is_told_with_the_nearest():
    assert len(GROUPS) == 5
    with pytest.raises(UserError, match="unknown group 'modles'.*did you mean 'models'.*mindone.metrics"):
        names("modles")


def test_an_unknown_name_is_told_with_group_nearest_and_all_known(toy):
    with pytest.raises(UserError) as raised:
        get("models", "toy_modle")
    message = str(raised.value)
    assert "mindone.models" in message and "did you mean 'toy_model'" in message
    for name in names("models"):
        assert name in message


def test_two_packages_claiming_one_name_are_both_named(install):
    install(
        "first_plugin", {"mindone.metrics": {"contested": "first_plugin:A", "mine": "first_plugin:A"}}, "class A: pass"
    )
    install("second_plugin", {"mindone.metrics": {"contested": "second_plugin:B"}}, "class B: pass")
    with pytest.raises(UserError, match="first_plugin.*second_plugin|second_plugin.*first_plugin"):
        get("metrics", "contested")
    assert names("metrics").count("contested") == 1
    assert get("metrics", "mine").__name__ == "A"


def test_packages_whose_folders_are_named_with_hyphens_are_still_two(install, tmp_path):
    """Of a folder hyphened-one-1.0.dist-info Python takes "hyphened" for the package's name."""
    for name in ("hyphened_one", "hyphened_two"):
        install(name, {"mindone.models": {"hyphened": f"{name}:A"}}, "class A: pass")
        info = tmp_path / name / f"{name}-1.0.dist-info"
        info.rename(info.with_name(f"{name.replace('_', '-')}-1.0.dist-info"))
    with pytest.raises(UserError, match="hyphened_one.*hyphened_two|hyphened_two.*hyphened_one"):
        get("models", "hyphened")


def test_one_package_seen_twice_on_the_path_is_no_conflict_and_the_first_counts(install):
    install("double_plugin", {"mindone.models": {"double": "double_plugin:Stale"}}, "class Stale: pass", "behind")
    install("double_plugin", {"mindone.models": {"double": "double_plugin:Fresh"}}, "class Fresh: pass", "in_front")
    assert get("models", "double").__name__ == "Fresh"


def test_two_packages_claiming_one_name_for_one_thing_are_both_named_too(install):
    install("meant_plugin", {"mindone.models": {"meant": "meant_plugin:A"}}, "class A: pass")
    install("echo_plugin", {"mindone.models": {"meant": "meant_plugin:A"}}, "")
    with pytest.raises(UserError, match="echo_plugin.*meant_plugin|meant_plugin.*echo_plugin"):
        get("models", "meant")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_module_anywhere", "no_such_module_anywhere"),
        ("def broken(:", "SyntaxError"),
        ("class Other: pass", "has no attribute 'A'"),
        ("raise RuntimeError('no licence')", "no licence"),
    ],
)
def test_a_broken_plugin_spoils_only_itself(install, toy, source, cause):
    install("broken_plugin", {"mindone.models": {"broken": "broken_plugin:A"}}, source)
    assert {"broken", "toy_model"} <= set(names("models"))
    assert get("models", "toy_model").__name__ == "Toy"
    with pytest.raises(UserError, match="(?s)model 'broken'.*broken_plugin:A.*package broken_plugin") as raised:
        get("models", "broken")
    assert cause in str(raised.value)
    assert raised.value.__cause__ is not None


def test_a_package_with_unreadable_metadata_spoils_only_itself(toy, tmp_path, monkeypatch, caplog):
    info = tmp_path / "garbled" / "garbled-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: garbled\nVersion: 1.0\n")
    (info / "entry_points.txt").write_bytes(b"[mindone.models]\nx = \xff\xfe\n")
    monkeypatch.syspath_prepend(str(info.parent))
    assert "toy_model" in names("models")
    assert "garbled" in caplog.text


def test_an_unknown_keyword_is_told_with_the_nearest_and_where_it_stands(toy):
    spec = MarkedDict({"name": "toy_model", "width": 3, "rat": 1}, marks={"rat": Mark("r.yaml", 7)})
    with pytest.raises(
        UserError, match="r.yaml:7: model 'toy_model': rat: .*did you mean 'rate'.*width, rate, size, name_of"
    ):
        build("models", spec)


def test_all_wrong_keywords_are_told_at_once(toy):
    with pytest.raises(UserError) as raised:
        build("models", {"name": "toy_model", "rate": "fast", "size": [1]})
    message = str(raised.value)
    assert message.count("\n") == 2
    assert "rate: must be float, not 'fast'" in message
    assert "size: must be tuple[int, int]" in message
    assert "width: is required" in message


def test_values_are_converted_as_the_annotations_ask(toy):
    model = build("models", {"name": "toy_model", "width": 3, "rate": "1e-5", "size": [2, 6]})
    assert (model.rate, model.size) == (1e-5, (2, 6))


def test_a_constructors_refusal_names_the_component(toy):
    with pytest.raises(UserError, match="^model 'toy_model': width is -1; it must be positive: use 8$") as raised:
        build("models", {"name": "toy_model", "width": -1})
    assert type(raised.value.__cause__) is ValueError


def test_several_mistakes_inside_a_component_are_a_line_each():
    with pytest.raises(UserError) as raised:
        build("datasets", {"name": "mixture", "components": [{"name": "tae_video", "sise": 8, "folders": "here"}]})
    first, second = str(raised.value).splitlines()
    assert first.startswith("dataset 'mixture': dataset 'tae_video': sise: ") and "folders" in second


def test_what_the_host_adds_wins_and_may_be_of_any_type(toy):
    assert build("models", {"name": "toy_model", "width": 3, "rate": 0.5}, rate=min).rate is min


def test_a_mapping_without_a_name_is_told_the_known_names(toy):
    with pytest.raises(UserError, match="model has no name.*toy_model"):
        build("models", {"width": 3})


def test_an_entry_point_that_names_no_class_is_told(install):
    install("value_plugin", {"mindone.models": {"value": "value_plugin:A"}}, "A = 5")
    with pytest.raises(UserError, match="value_plugin:A.*is a int; an entry point must name a class or a function"):
        get("models", "value")
