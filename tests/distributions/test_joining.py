"""Another package's command, block and metric: one file and one line of setup.cfg each, and no change here."""

import configparser
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from mindone_tae.cli import run
from mindone_tae.data import write_video
from mindone_tae.zoo import build, load_recipe, names

PLUGIN = Path(__file__).resolve().parents[2] / "examples/plugin"


def entry_points():
    settings = configparser.ConfigParser()
    settings.read(PLUGIN / "setup.cfg")
    return {group: lines.strip() for group, lines in settings["options.entry_points"].items()}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs one module of the example plugin under the line that setup.cfg has for it, or under another line."""

    def install_one(group, line=None):
        line = line or entry_points()[group]
        assert len(line.splitlines()) == 1
        module = line.partition("=")[2].strip().partition(":")[0].rpartition(".")[2]
        package, info = tmp_path / "my_tae_plugin", tmp_path / "my_tae_plugin-0.1.0.dist-info"
        package.mkdir()
        info.mkdir()
        for file in ("__init__.py", f"{module}.py"):
            shutil.copy(PLUGIN / "my_tae_plugin" / file, package)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_tae_plugin\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{line}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        return package / f"{module}.py"

    yield install_one
    for name in [name for name in sys.modules if name.startswith("my_tae_plugin")]:
        del sys.modules[name]


def test_a_command(install, tmp_path, capsys):
    install("mindone_tae.commands")
    write_video(tmp_path / "clip.mp4", np.zeros((5, 32, 32, 3), np.uint8), 8)
    assert run(["--help"]) == 0
    assert "of package my_tae_plugin" in capsys.readouterr().out
    assert "my_tae_plugin" not in sys.modules, "help imports no plugin"
    assert run(["count-frames", str(tmp_path / "clip.mp4")]) == 0
    assert capsys.readouterr().out.endswith("clip.mp4: 5 frames\n")
    assert run(["count-frames"]) == 2
    assert "mindone-tae count-frames --help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "source", "said"),
    [
        (None, "raise RuntimeError('gone wrong')", "gave RuntimeError: gone wrong; mend or uninstall it"),
        (None, "def add_to(commands):\n    commands.add_parser('other')", "adds no command of that name"),
        ("train = my_tae_plugin.count_frames", "raise RuntimeError('never imported')", "see mindone-tae train --help"),
    ],
    ids=["broken", "of another name", "of a name that is ours"],
)
def test_a_command_that_cannot_be_added_spoils_itself_only(install, capsys, line, source, said):
    file = install("mindone_tae.commands", line)
    file.write_text(source)
    assert run([line.split()[0] if line else "count-frames"]) == 2
    shown = capsys.readouterr().err
    assert said in shown and len(shown.splitlines()) == 1
    assert run(["list"]) == 0


def test_a_block(install, tmp_path):
    import mindspore as ms

    install("mindone.blocks")
    assert "frame_critic" in names("blocks")
    recipe = load_recipe("tae/train/tiny_64x64x8", overrides=["discriminator={name: frame_critic, width: 4}"])
    critic = build("blocks", recipe.discriminator)
    x = ms.Tensor(np.random.default_rng(0).uniform(-1, 1, (2, 3, 5, 8, 12)).astype(np.float32))
    logits = critic(x)
    assert logits.shape == (10, 1, 4, 6)
    # a frame's logits are its own: those of the clip's last frame, alone
    alone = critic(x[1:, :, 4:])
    np.testing.assert_allclose(alone.asnumpy(), logits.asnumpy()[9:], rtol=1e-5, atol=1e-6)
    difference = critic.discriminator_loss(logits, logits + 1)
    np.testing.assert_allclose(difference.asnumpy(), 1, rtol=1e-5)


def test_a_metric(install):
    install("mindone.metrics")
    recipe = load_recipe("tae/eval/default", overrides=["eval.metrics=[psnr,worst_pixel]"])
    metric = build("metrics", recipe.eval.metrics[1])
    x = np.zeros((3, 2, 8, 8), np.float32)
    recon = x.copy()
    recon[1, 1, 3, 4], recon[0, 0, 0, 0] = -0.5, 0.25
    assert metric(recon, x) == 0.5 and metric(x, x) == 0.0


def test_two_packages_of_one_command_are_both_named(install, tmp_path, capsys):
    install("mindone_tae.commands")
    info = tmp_path / "rival-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mindone_tae.commands]\ncount-frames = rival.counting\n")
    assert run(["count-frames", "x"]) == 2
    shown = capsys.readouterr().err
    assert "my_tae_plugin (my_tae_plugin.count_frames)" in shown and "rival (rival.counting)" in shown
