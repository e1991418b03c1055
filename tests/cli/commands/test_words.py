"""How the words of a command line are understood."""

import pytest

from mindone_tae.cli import run
from mindone_tae.cli.flags import model_overrides
from mindone_tae.cli.parser import parse
from mindone_tae.zoo import UserError


@pytest.mark.parametrize("name", ["train", "evaluate", "reconstruct", "encode", "decode", "demo", "latent-stats"])
def test_the_flags_of_the_guide_are_taken_by_every_command_that_runs_a_model(name):
    words = (
        "--config a.yaml --output_path b --csv_path c --video_folder d --ckpt_path e --batch_size 2 --num_frames 3 "
        "--image_size 64 --enable_tile"
    )
    options = vars(parse([name, *words.split(), *(["--latent_folder", "f"] if name == "decode" else [])]))
    taken = {
        "config": "a.yaml",
        "output_path": "b",
        "csv_path": "c",
        "video_folder": "d",
        "ckpt_path": "e",
        "batch_size": 2,
    }
    assert (
        vars(
            parse(
                [
                    name,
                    *words.split(),
                    "--video_column",
                    "clip",
                    *(["--latent_folder", "f"] if name == "decode" else []),
                ]
            )
        )["video_column"]
        == "clip"
    )
    taken.update(num_frames=3, image_size="64", enable_tile=True)
    assert {key: options[key] for key in taken} == taken


@pytest.mark.parametrize("name", ["train", "evaluate", "reconstruct", "encode", "decode", "demo", "latent-stats"])
@pytest.mark.parametrize(
    "words, expected",
    [
        (["--enable_tile"], True),
        (["--enable_tile=True"], True),
        (["--enable_tile=False"], False),
        (["--enable_tile", "false"], False),
        (["--enable_tile", "--batch_size", "2"], True),
        ([], None),
    ],
)
def test_tiles_are_switched_on_and_off_as_the_guide_writes_it(name, words, expected):
    needed = ["--config", "a.yaml", "--output_path", "b", *(["--latent_folder", "f"] if name == "decode" else [])]
    options = parse([name, *needed, *words])
    assert options.enable_tile is expected
    assert model_overrides(options) == ([] if expected is None else [("model.use_tile", expected)])


def test_a_bare_switch_leaves_the_video_behind_it_a_video(tmp_path):
    video = tmp_path / "clip.mp4"
    video.touch()
    options = parse(["reconstruct", "--enable_tile", str(video)])
    assert options.enable_tile is True and options.videos == [str(video)]
    with pytest.raises(UserError, match="'maybe' is neither True nor False"):
        parse(["reconstruct", "--enable_tile=maybe"])


def test_keys_and_sections_of_a_recipe_are_set_in_every_spelling():
    words = ["train.steps=3", "--train.seed=4", "--train.note", "a=b", "discriminator={name: patchgan_3d}"]
    assert parse(["train", "--config", "r", *words, "--output_path", "x"]).overrides == [
        "train.steps=3",
        "train.seed=4",
        "train.note=a=b",
        "discriminator={name: patchgan_3d}",
    ]


def test_a_flag_cut_short_is_no_flag(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "out", "--resum"]) == 2
    assert "--resum" in capsys.readouterr().err and not list(tmp_path.iterdir())
