"""What cannot be inflated is listed completely in one error, and nothing is written."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from mindone_tae.weights import inflate
from mindone_tae.zoo.errors import UserError

GROUPS = {"norm_num_groups": 2}


def spoilt(arrays):
    """One tensor missing, one too many, one of another shape."""
    del arrays["encoder.down_blocks.0.resnets.0.norm2.bias"]
    arrays["encoder.down_blocks.0.attentions.0.to_q.weight"] = np.zeros((4, 4), np.float32)
    arrays["decoder.conv_norm_out.weight"] = np.zeros(5, np.float32)
    return arrays


def test_everything_wrong_with_a_source_is_told_in_one_error_and_nothing_is_written(tmp_path, source):
    path = source(change=spoilt)
    with pytest.raises(UserError) as caught:
        inflate(path, tmp_path / "tae.safetensors", **GROUPS)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "1 missing (encoder.down.0.block.0.norm2.beta)" in message
    assert "1 unexpected (encoder.down.0.attentions.0.to_q.weight)" in message
    assert "1 of another shape (decoder.norm_out.gamma is (5,) in the file and (4,) in the model)" in message
    assert not (tmp_path / "tae.safetensors").exists()


def test_the_source_and_another_models_config_are_not_replaced(tmp_path, source):
    file = source(name="vae/diffusion_pytorch_model.safetensors")
    (tmp_path / "link").symlink_to(tmp_path / "vae")
    before = file.read_bytes()
    for src, target in ((file, file), (file, tmp_path / "vae"), (tmp_path / "vae", f"{tmp_path}/link/")):
        with pytest.raises(UserError, match="the image VAE there would be replaced"):
            inflate(src, target, **GROUPS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(UserError, match="another model's config.json there would be replaced"):
        inflate(file, tmp_path / "other", **GROUPS)
    assert file.read_bytes() == before and len(list((tmp_path / "other").iterdir())) == 1
    for _ in range(2):  # an earlier result is replaced
        inflate(file, tmp_path / "tae", **GROUPS)


def test_an_older_vae_with_quant_convs_is_refused(tmp_path, source):
    def change(arrays):
        return {
            **arrays,
            "quant_conv.weight": np.zeros((6, 6, 1, 1), np.float32),
            "quant_conv.bias": np.zeros(6, np.float32),
        }

    with pytest.raises(UserError, match=r"it has quant_conv.bias, quant_conv.weight, as older VAEs have"):
        inflate(source(change=change), tmp_path / "tae.safetensors", **GROUPS)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"act_fn": "relu"}, "act_fn is 'relu', not 'silu'"),
        ({"use_quant_conv": True}, "use_quant_conv is True, not False"),
        ({"latents_mean": [0.0]}, "latents_mean is"),
        (
            {"down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]},
            "down_block_types has 'AttnDownEncoderBlock2D'",
        ),
        ({"norm_num_groups": "2"}, "norm_num_groups is '2', which is no number"),
        ({"block_out_channels": 4}, "block_out_channels is 4, which is no list of widths"),
        ({"norm_num_groups": 2, "layers_per_block": 2}, r"missing \(encoder\.down\.0\.block\.1"),
    ],
)
def test_a_config_of_another_kind_of_vae_is_refused(tmp_path, source, config, complaint):
    path = source(name="diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=complaint):
        inflate(path, tmp_path / "tae.safetensors")


def test_a_tae_is_not_inflated_again(tmp_path, source):
    inflate(source(), tmp_path / "tae.safetensors", **GROUPS)
    with pytest.raises(UserError, match="it is a TAE already"):
        inflate(tmp_path / "tae.safetensors", tmp_path / "again.safetensors", **GROUPS)


def test_weights_of_something_else_hold_no_image_vae(tmp_path):
    save_file({"layers.0.weight": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="other.safetensors: no image VAE is in it"):
        inflate(tmp_path / "other.safetensors", tmp_path / "tae.safetensors")


@pytest.mark.parametrize("target", ["tae.pth", "tae.safetensor"])
def test_a_target_of_no_known_format_is_refused_before_the_work(tmp_path, target):
    with pytest.raises(UserError, match=r"weights are saved as \.safetensors or \.ckpt"):
        inflate(tmp_path / "not even there", tmp_path / target)
