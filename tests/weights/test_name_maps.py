"""Names by rules, against names written out by hand or published."""

from pathlib import Path

import numpy as np
import pytest

from mindone_tae.weights.name_maps import inflated_name, is_temporal, rename, torch_layout

PUBLISHED = Path(__file__).parents[1] / "models" / "golden" / "parameters_ch32.txt"


def published():
    lines = [line.split() for line in PUBLISHED.read_text().splitlines()]
    return {name: tuple(map(int, shape.split("x"))) for name, shape in lines}


def renamed(*names):
    """Our names for names in a file, in order."""
    return list(rename(dict.fromkeys(names, (4, 4, 3, 3))).kept)


def test_our_own_names_stay():
    kept = rename(published()).kept
    assert {name: (name, shape) for name, shape in published().items()} == kept


@pytest.mark.parametrize(
    "wrap",
    ["autoencoder.{}", "_backbone.{}", "autoencoder._backbone.{}", "_orig_mod.module.{}", "module.autoencoder.{}"],
)
def test_what_trainers_put_before_a_name_is_taken_off(wrap):
    kept = rename({wrap.format(name): shape for name, shape in published().items()}).kept
    assert kept.keys() == published().keys()


def test_backbone_is_taken_out_of_a_name():
    assert renamed("autoencoder.encoder._backbone.down.0._backbone.block.1.conv1.conv_spat.weight") == [
        "encoder.down.0.block.1.conv1.conv_spat.weight"
    ]


def test_dead_weight_is_named_and_left_out():
    dead = "autoencoder.decoder.up.0.block.1.temb_proj.weight"
    found = rename({dead: (32, 512), "decoder.conv_in.conv_temp.bias": (32,)})
    assert list(found.kept) == ["decoder.conv_in.conv_temp.bias"]
    assert found.skipped == {dead: "dead weight of the published checkpoint"}


def test_two_tensors_for_one_name_are_a_clash():
    found = rename({"autoencoder.encoder.conv_in.conv_temp.bias": (4,), "encoder.conv_in.conv_temp.bias": (4,)})
    assert found.clashes == [
        "autoencoder.encoder.conv_in.conv_temp.bias and encoder.conv_in.conv_temp.bias "
        "are both encoder.conv_in.conv_temp.bias"
    ]


@pytest.mark.parametrize("widths", [(4, 8), (4, 8, 8, 16)])
def test_diffusers_names_become_the_original_ones_with_the_same_numbers(image_vae, widths):
    theirs, original = image_vae("diffusers", widths, layers=2), image_vae("original", widths, layers=2)
    kept = rename({name: array.shape for name, array in theirs.items()}).kept
    expected = rename({name: array.shape for name, array in original.items()}).kept
    assert kept.keys() == expected.keys()
    for name, (source, shape) in kept.items():
        np.testing.assert_array_equal(theirs[source].reshape(shape), original[expected[name][0]])


def test_of_the_original_names_only_the_norms_leaves_change(image_vae):
    for name, (source, _) in rename({name: array.shape for name, array in image_vae("original").items()}).kept.items():
        assert name.replace("gamma", "weight").replace("beta", "bias") == source
        assert ("norm" in name) == name.endswith(("gamma", "beta"))


def test_diffusers_older_attention_names_are_known():
    prefix = "encoder.mid_block.attentions.0"
    assert renamed(*(f"{prefix}.{leaf}.weight" for leaf in ("group_norm", "query", "key", "value", "proj_attn"))) == [
        f"encoder.mid.attn_1.{leaf}" for leaf in ("norm.gamma", "q.weight", "k.weight", "v.weight", "proj_out.weight")
    ]


@pytest.mark.parametrize("prefix", ["first_stage_model.", "vae."])
def test_of_a_whole_checkpoint_only_the_vae_is_taken(prefix):
    others = ["model.diffusion_model.joint_blocks.0.x", "text_encoders.clip_l.y", "encoder.block.0.layer.0.weight"]
    found = rename({f"{prefix}encoder.conv_in.weight": (4, 3, 3, 3), **dict.fromkeys(others, (4, 4))})
    assert list(found.kept) == ["encoder.conv_in.weight"]
    assert found.skipped == {
        others[0]: "of another network (model.diffusion_model)",
        others[1]: "of another network (text_encoders.clip_l)",
        others[2]: "of another network (encoder)",
    }


def test_every_spatial_name_of_a_tae_is_an_image_vaes_inflated(image_vae):
    sources = rename(
        {name: array.shape for name, array in image_vae("original", (4, 8, 16, 16), layers=2).items()}
    ).kept
    inflated = {inflated_name(name) for name in sources}
    # the published model is narrower at no other place than the image VAE here: 1 to 2, 2 to 4, 4 to 4
    assert inflated == {name for name in published() if not is_temporal(name)}


def test_the_layout_of_pytorch_is_read_back_as_ours():
    arrays = {name: np.zeros(shape) for name, shape in published().items()}
    torch = {name: array.shape for name, array in torch_layout(arrays).items()}
    assert torch["encoder.down.0.downsample_temp.conv.weight"] == (32, 32, 3)
    assert torch["decoder.up.0.block.0.nin_shortcut.conv_temp.weight"] == (32, 32, 1)
    assert torch["encoder.mid.attn_1.1.to_q.weight"] == (128, 128)
    assert {name: shape for name, (_, shape) in rename(torch).kept.items()} == published()
