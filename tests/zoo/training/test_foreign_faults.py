"""What is wrong in another package's loss or model is told as that package's, with what would mend it."""

import numpy as np
import pytest
from runs import train

from mindone_tae.zoo import UserError
from mindone_tae.zoo.protocols import reconstruct

LOSS = """
from mindspore import nn


class NeedsCaption(nn.Cell):
    def construct(self, outputs, x, caption):
        return (outputs - x).abs().mean()


class Refuses(nn.Cell):
    def construct(self, outputs, x):
        raise TypeError("this loss wants captions")
"""


@pytest.fixture
def with_losses(foreign_recipe, foreign_folder):
    """The foreign recipe, beside another package whose losses cannot be computed."""
    info = foreign_folder / "losses-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: losses\nVersion: 1.0\n")
    points = "needs_caption = foreign_package.losses:NeedsCaption\nrefuses = foreign_package.losses:Refuses\n"
    (info / "entry_points.txt").write_text(f"[mindone.losses]\n{points}")
    (foreign_folder / "foreign_package" / "losses.py").write_text(LOSS)
    return foreign_recipe


@pytest.mark.parametrize(
    "loss, why, takes",
    [
        ("needs_caption", "cannot be called: missing a required argument: 'caption'", "outputs, x, caption"),
        ("refuses", "raised TypeError: this loss wants captions", "outputs, x"),
    ],
)
def test_a_losss_own_type_error_names_it_its_arguments_and_the_columns(with_losses, tmp_path, loss, why, takes):
    with pytest.raises(UserError) as told:
        train(with_losses, tmp_path / "run", f"loss.name={loss}", "env.mode=1")
    message = str(told.value)
    assert f"loss '{loss}' {why}" in message and f"its construct takes ({takes})" in message
    assert "the dataset's columns, column 0:" in message


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
