"""How the words of a command line are understood."""

import shlex
from pathlib import Path

import pytest

from mindone_tae.cli import run
from mindone_tae.cli.flags import data_overrides, loss_overrides, model_overrides
from mindone_tae.cli.parser import parse
from mindone_tae.zoo import UserError, load_recipe

# The commands of MindONE's guide to its TAE and of the README that followed it, and ours in their place.
GUIDE = r"""
python inflate_vae_to_tae.py --src /path/to/sd3.5_vae/diffusion_pytorch_model.safetensors --target models/tae_vae2d.ckpt

python scripts/train_tae.py \
--config configs/tae/train/mixed_256x256x16.yaml \
--output_path=outputs/train_tae_256x256x16 \
--csv_path ../opensora_hpcai/datasets/mixkit-100videos/video_caption_train.csv  \
--video_folder ../opensora_hpcai/datasets/mixkit-100videos/mixkit \

python scripts/inference_vae.py \
--ckpt_path /path/to/tae.ckpt \
--batch_size 2 \
--num_frames=16  \
--image_size 256 \
--csv_path ../opensora_hpcai/datasets/mixkit-100videos/video_caption_test.csv  \
--video_folder ../opensora_hpcai/datasets/mixkit-100videos/mixkit \
--enable_tile=False \

python train_tae.py \
--config configs/tae/train/mixed_256x256x32.yaml \
--output_path /path/to/save_ckpt_and_log \
--csv_path /path/to/video_train.csv  \
--folder /path/to/video_root_folder  \
--use_outlier_penalty_loss True

python eval_tae.py \
--ckpt_path /path/to/tae.ckpt \
--batch_size 2 \
--num_frames 32  \
--image_size 256 \
--csv_path  /path/to/video_test.csv  \
--folder /path/to/video_root_folder  \
"""
COMMANDS = {
    "inflate_vae_to_tae": "inflate",
    "train_tae": "train",
    "inference_vae": "reconstruct",
    "eval_tae": "evaluate",
}
_MIXKIT = "../opensora_hpcai/datasets/mixkit-100videos"


def guide_lines():
    """Each command of the guide as words, ours first."""
    for command in GUIDE.strip().split("\n\n"):
        _, script, *words = shlex.split(f"{command}\n".replace("\\\n", " "))
        yield [COMMANDS[Path(script).stem], *words]


def test_the_guides_own_lines_say_what_they_say_there():
    inflating, training, inferring, training_later, evaluating = map(parse, guide_lines())
    assert (inflating.src, inflating.target) == (
        "/path/to/sd3.5_vae/diffusion_pytorch_model.safetensors",
        "models/tae_vae2d.ckpt",
    )
    assert training.output_path == "outputs/train_tae_256x256x16"
    clips = [("csv_path", f"{_MIXKIT}/video_caption_test.csv"), ("folder", f"{_MIXKIT}/mixkit")]
    sizes = [("sample_n_frames", 16), ("size", 256)]
    assert data_overrides(inferring) == [(f"dataset.{key}", value) for key, value in clips + sizes]
    assert model_overrides(inferring) == [("model.pretrained", "/path/to/tae.ckpt"), ("model.use_tile", False)]
    assert inferring.batch_size == evaluating.batch_size == 2
    assert model_overrides(evaluating) == [("model.pretrained", "/path/to/tae.ckpt")]
    assert (evaluating.num_frames, evaluating.video_folder) == (32, "/path/to/video_root_folder")
    assert training_later.output_path == "/path/to/save_ckpt_and_log"


@pytest.mark.parametrize(
    "place, csv_path, folder, frames, opl_weight",
    [
        (1, f"{_MIXKIT}/video_caption_train.csv", f"{_MIXKIT}/mixkit", 16, 0.0),
        (3, "/path/to/video_train.csv", "/path/to/video_root_folder", 32, 1e5),
    ],
)
def test_the_guides_training_lines_name_recipes_that_take_them(
    monkeypatch, place, csv_path, folder, frames, opl_weight
):
    monkeypatch.chdir(Path(__file__).parents[3])  # where --config is named from
    options = parse(list(guide_lines())[place])
    pairs = data_overrides(options) + model_overrides(options) + loss_overrides(options)
    recipe = load_recipe(options.config, pairs)
    assert (recipe.dataset["csv_path"], recipe.dataset["folder"]) == (csv_path, folder)
    assert (recipe.dataset["sample_n_frames"], recipe.dataset["size"]) == (frames, [256, 256])
    assert recipe.loss["opl_weight"] == opl_weight


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


def test_a_path_in_the_home_folder_is_found_behind_an_equals_sign(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    words = ["--config=~/r.yaml", "--output_path=~/run", "dataset.folder=~/v", "train.note=~", "train.other=a~/b"]
    options = parse(["train", *words])
    assert (options.config, options.output_path) == ("/home/somebody/r.yaml", "/home/somebody/run")
    assert options.overrides == ["dataset.folder=/home/somebody/v", "train.note=~", "train.other=a~/b"]


def test_a_flag_cut_short_is_no_flag(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["train", "--config", "tae/train/tiny_64x64x8", "--output_path", "out", "--resum"]) == 2
    assert "--resum" in capsys.readouterr().err and not list(tmp_path.iterdir())
