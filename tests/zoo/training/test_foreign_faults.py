"""What is wrong in another package's loss or model is told as that package's, with what would mend it."""

import re

import numpy as np
import pytest
from runs import train

import mindspore as ms

from mindone_tae.zoo import UserError, build
from mindone_tae.zoo.protocols import posterior, reconstruct
from mindone_tae.zoo.training.evaluator import named

LOSS = """
from mindspore import nn, ops


class NeedsCaption(nn.Cell):
    def construct(self, outputs, x, caption):
        return (outputs - x).abs().mean()


class Refuses(nn.Cell):
    def construct(self, outputs, x):
        raise TypeError("this loss wants captions")


class CallsAnother(nn.Cell):
    def __init__(self):
        super().__init__()
        self.l1 = nn.L1Loss()

    def construct(self, outputs, x):
        return self.l1(outputs)


class CallsAFunction(nn.Cell):
    def construct(self, outputs, x):
        return ops.mse_loss(outputs, x, "mean", "none")


class AddsNothing(nn.Cell):
    def construct(self, outputs, x):
        return (outputs + None).mean()


class NoCell:
    def __call__(self, outputs, x):
        return (outputs - x).abs().mean()
"""
LOSSES = {
    "needs_caption": "NeedsCaption",
    "refuses": "Refuses",
    "calls_another": "CallsAnother",
    "calls_a_function": "CallsAFunction",
    "adds_nothing": "AddsNothing",
    "no_cell": "NoCell",
}


@pytest.fixture
def with_losses(foreign_recipe, foreign_folder):
    """The foreign recipe, beside another package whose losses cannot be computed."""
    info = foreign_folder / "losses-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: losses\nVersion: 1.0\n")
    points = "".join(f"{name} = foreign_package.losses:{cell}\n" for name, cell in LOSSES.items())
    (info / "entry_points.txt").write_text(f"[mindone.losses]\n{points}")
    (foreign_folder / "foreign_package" / "losses.py").write_text(LOSS)
    return foreign_recipe


def line_of(source):
    return 1 + next(number for number, line in enumerate(LOSS.split("\n")) if source in line)


def test_a_loss_that_takes_other_columns_is_told_with_its_arguments_and_the_columns(with_losses, tmp_path):
    with pytest.raises(UserError) as told:
        train(with_losses, tmp_path / "run", "loss.name=needs_caption")
    message = str(told.value)
    assert message.startswith("loss 'needs_caption' cannot be called: missing a required argument: 'caption'; ")
    assert "its construct takes (outputs, x, caption)" in message and "the dataset's columns, column 0:" in message


@pytest.mark.parametrize(
    "loss, source, why",
    [
        ("refuses", "raise TypeError", "this loss wants captions"),
        # each in Python's words, or in those of MindSpore's compiler
        ("calls_another", "self.l1(outputs)", r"(L1Loss\.construct\(\) missing|The parameters number of)"),
        ("calls_a_function", "ops.mse_loss", "(mse_loss|Function:mse_loss).* takes .* positional arguments"),
    ],
)
def test_a_losss_own_type_error_names_its_line_its_arguments_and_the_columns(
    mode, with_losses, tmp_path, loss, source, why
):
    with pytest.raises(UserError) as told:
        train(with_losses, tmp_path / "run", f"loss.name={loss}", f"env.mode={mode}")
    message = str(told.value)
    assert re.match(rf"loss '{loss}' raised (Type|Runtime)Error at .*losses\.py:{line_of(source)}: {why}", message)
    assert "its construct takes (outputs, x)" in message and "the dataset's columns, column 0:" in message
    assert "\n" not in message


def test_a_type_error_of_a_graph_that_names_no_line_names_the_loss_and_the_mode_that_does(with_losses, tmp_path):
    words = with_losses, tmp_path / "run", "loss.name=adds_nothing"
    with pytest.raises(UserError, match="loss 'adds_nothing' raised TypeError: .* takes .* columns.*: set env.mode=1"):
        train(*words, "env.mode=0")
    with pytest.raises(UserError, match=f"'adds_nothing' raised TypeError at .*losses.py:{line_of('None')}: "):
        train(*words, "env.mode=1")


@pytest.mark.parametrize(
    "output, given",
    [
        (lambda x: x[:, :1], r"of shape \(1, 1, 2, 4, 4\)"),
        (lambda x: {"recon": x}, "a dict"),
        (lambda x: (), "a tuple"),
        (lambda x: (x.mean(), x), "a float32"),
    ],
)
def test_a_model_that_gives_no_reconstruction_is_told_so(output, given):
    x = np.zeros((1, 3, 2, 4, 4), np.float32)
    with pytest.raises(UserError, match=f"function does not reconstruct: .* it gave {given}; .* reconstruct\\(x\\)"):
        reconstruct(output, x)


def test_a_model_or_loss_that_is_no_cell_is_told(with_losses, tmp_path):
    for section, name in (("model", "average_pooling"), ("loss", "no_cell")):
        with pytest.raises(UserError, match=f"{section}.name is {name} .*, which is no MindSpore cell; training needs"):
            train(with_losses, tmp_path / section, f"{section}={{name: {name}}}")


@pytest.mark.parametrize(
    "encode",
    [lambda x: x, lambda x: (x,), lambda x: {"z": x}, lambda x: (x, x.shape, None), lambda x: (x, x.mean(), x)],
)
def test_an_encode_of_another_kind_gives_no_posterior(encode):
    model = ms.nn.Cell()
    assert posterior(model, np.zeros((1, 3, 2, 4, 4), np.float32)) is None
    model.encode = encode
    assert posterior(model, np.zeros((1, 3, 2, 4, 4), np.float32)) is None


def test_a_metric_without_a_name_has_the_registrys():
    class SimpleFrozen:
        __slots__ = ()

    class Nameless:
        def __call__(self, recon, x):
            return 0.0

    assert named({"name": "theirs", "keyword": 1}, Nameless()).name == "theirs"
    with pytest.raises(UserError, match="metric 'frozen' has no name, and a SimpleFrozen takes none"):
        named("frozen", SimpleFrozen())
    told = named("psnr", build("metrics", {"name": "psnr"}))
    assert told.name == "psnr" and "mean_squared_error" in told.protocol
