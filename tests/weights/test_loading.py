"""Loading weights into a model: every kind of file, and errors that list every difference."""

import logging
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import mindspore as ms
from mindspore import nn

from mindone_tae.models.autoencoder import TemporalAutoencoder
from mindone_tae.models.baselines.sd3_vae import SD3VAE
from mindone_tae.weights import load_weights, read_model, save_weights
from mindone_tae.zoo.errors import UserError


def assert_equal(model, arrays, atol=0.0):
    parameters = dict(model.parameters_and_names())
    assert parameters.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(parameters[name].asnumpy(), array, atol=atol, rtol=0)


@pytest.mark.parametrize("as_path", [str, lambda path: path])
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_what_was_saved_loads_into_another_model(tmp_path, make_tae, arrays_of, suffix, as_path):
    arrays = arrays_of(make_tae(0))
    save_weights(arrays, tmp_path / f"a{suffix}")
    tae = make_tae(1)
    load_weights(tae, as_path(tmp_path / f"a{suffix}"))
    assert_equal(tae, arrays)


def published_style(arrays):
    """As the published checkpoint has them: wrapped names, dead entries."""
    entries = [
        {"name": f"autoencoder.{name.replace('.block.', '._backbone.block.')}", "data": ms.Tensor(array)}
        for name, array in arrays.items()
    ]
    blocks = {name.rpartition(".norm1")[0] for name in arrays if name.endswith("norm1.gamma")}
    for block in sorted(blocks):
        for leaf, shape in (("weight", (4, 512)), ("bias", (4,))):
            entries.append(
                {"name": f"autoencoder.{block}.temb_proj.{leaf}", "data": ms.Tensor(np.ones(shape, np.float32))}
            )
    return entries


def test_the_published_checkpoints_names_and_dead_entries_load(tmp_path, make_tae, arrays_of, caplog):
    arrays = arrays_of(make_tae(0))
    ms.save_checkpoint(published_style(arrays), str(tmp_path / "published.ckpt"))
    tae = make_tae(1)
    with caplog.at_level(logging.INFO, "mindone_tae"):
        load_weights(tae, tmp_path / "published.ckpt")
    assert_equal(tae, arrays)
    assert "encoder.mid.block_1.temb_proj.weight" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 11), ("bfloat16", 8)])
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_half_precision_loads_into_a_float32_model_and_back(tmp_path, make_tae, arrays_of, suffix, dtype, bits):
    arrays = arrays_of(make_tae(0))
    save_weights(arrays, tmp_path / f"a{suffix}", dtype=dtype)
    tae = make_tae(1)
    load_weights(tae, tmp_path / f"a{suffix}")
    found = arrays_of(tae)
    for name, array in arrays.items():
        assert found[name].dtype == np.float32
        assert np.all(np.abs(found[name] - array) <= np.abs(array) * 2.0**-bits + 1e-7)
        assert np.any(found[name] != array) or array.size < 4 or not array.any()
    save_weights(tae, tmp_path / f"b{suffix}", dtype=dtype)
    load_weights(make_tae(2), tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("kind", [ms.float16, ms.bfloat16])
def test_parameters_in_half_precision_keep_their_type(tmp_path, kind):
    class Scale(nn.Cell):
        def __init__(self):
            super().__init__()
            self.weight = ms.Parameter(ms.Tensor(np.zeros(2, np.float32)).astype(kind), name="weight")

    save_weights({"weight": np.array([1.5, -2], np.float32)}, tmp_path / "a.safetensors")
    model = Scale()
    load_weights(model, tmp_path / "a.safetensors")
    assert model.weight.dtype == kind and model.weight.float().asnumpy().tolist() == [1.5, -2]


@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
@pytest.mark.parametrize("layout", ["diffusers", "original"])
def test_an_image_vae_loads_from_either_layout(tmp_path, image_vae, tiny, layout, prefix):
    arrays = {f"{prefix}{name}": array for name, array in image_vae(layout).items()}
    if prefix:
        arrays["model.diffusion_model.x"] = np.zeros(3, np.float32)
    save_file(arrays, tmp_path / "vae.safetensors")
    vae = SD3VAE(**tiny, pretrained=str(tmp_path / "vae.safetensors"))
    found = {parameter.name: parameter.asnumpy() for parameter in vae.get_parameters()}
    for name, array in image_vae("original").items():
        ours = name.replace("weight", "gamma").replace("bias", "beta") if "norm" in name else name
        np.testing.assert_array_equal(found.pop(ours), array)
    assert not found


def test_pretrained_is_loaded_by_the_model_itself(tmp_path, make_tae, arrays_of, tiny):
    arrays = arrays_of(make_tae(0))
    save_weights(arrays, tmp_path / "a.safetensors")
    assert_equal(TemporalAutoencoder(**tiny, pretrained=str(tmp_path / "a.safetensors")), arrays)


def test_a_path_is_a_file_and_never_the_name_of_shipped_weights(tmp_path, monkeypatch, make_tae, arrays_of, tiny):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="tiny: no such file or folder"):
        TemporalAutoencoder(**tiny, pretrained=Path("tiny"))
    arrays = arrays_of(make_tae(0))
    save_weights(arrays, tmp_path / "tiny" / "a.safetensors")
    assert_equal(TemporalAutoencoder(**tiny, pretrained=Path("tiny")), arrays)


def test_a_model_inside_a_wrapper_is_loaded_under_its_own_names(tmp_path, make_tae, arrays_of):
    arrays = arrays_of(make_tae(0))
    save_weights(arrays, tmp_path / "a.safetensors")

    class Trained(nn.Cell):
        def __init__(self):
            super().__init__()
            self.autoencoder = make_tae(1)

    trained = Trained()
    load_weights(trained, tmp_path / "a.safetensors")
    assert_equal(trained, {f"autoencoder.{name}": array for name, array in arrays.items()})


def spoilt(arrays):
    """Two names missing, one left over, one of another shape."""
    arrays = dict(arrays)
    del arrays["encoder.conv_in.conv_temp.bias"], arrays["decoder.norm_out.gamma"]
    arrays["discriminator.weight"] = np.zeros(3, np.float32)
    arrays["encoder.norm_out.beta"] = np.zeros(5, np.float32)
    return arrays


def test_every_difference_is_told_in_one_error_and_nothing_is_loaded(tmp_path, make_tae, arrays_of):
    tae = make_tae(1)
    before = arrays_of(tae)
    save_weights(spoilt(arrays_of(make_tae(0))), tmp_path / "spoilt.safetensors")
    with pytest.raises(UserError) as caught:
        load_weights(tae, tmp_path / "spoilt.safetensors")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'spoilt.safetensors'}: its weights do not fit TemporalAutoencoder: ")
    assert "2 missing (encoder.conv_in.conv_temp.bias, decoder.norm_out.gamma)" in message
    assert "1 unexpected (discriminator.weight)" in message
    assert "1 of another shape (encoder.norm_out.beta is (5,) in the file and (8,) in the model)" in message
    assert "strict=False" in message and "\n" not in message
    assert_equal(tae, before)


def test_without_strict_the_differences_are_a_warning_and_the_rest_is_loaded(tmp_path, make_tae, arrays_of, caplog):
    tae, arrays = make_tae(1), arrays_of(make_tae(0))
    before = arrays_of(tae)
    save_weights(spoilt(arrays), tmp_path / "spoilt.safetensors")
    load_weights(tae, tmp_path / "spoilt.safetensors", strict=False)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "2 missing" in warning and "1 unexpected" in warning and "1 of another shape" in warning
    kept = ("encoder.conv_in.conv_temp.bias", "decoder.norm_out.gamma", "encoder.norm_out.beta")
    assert_equal(tae, {name: before[name] if name in kept else array for name, array in arrays.items()})


def test_a_long_list_is_cut_and_counted(tmp_path, make_tae):
    save_weights({f"other.{i}": np.zeros(1, np.float32) for i in range(25)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"25 unexpected \(other\.0, .*, and 5 more\)"):
        load_weights(make_tae(), tmp_path / "other.safetensors")


def test_another_width_is_told_as_such(tmp_path, make_tae, tiny):
    save_weights(make_tae(), tmp_path / "a.safetensors")
    with pytest.raises(
        UserError,
        match=r"encoder.conv_out.conv_spat.bias is \(6,\) in the file and \(8,\) in the model.*latent_channels",
    ):
        TemporalAutoencoder(**{**tiny, "latent_channels": 4}, pretrained=str(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_eight_bit_floats_load(tmp_path, make_tae, arrays_of, dtype):
    arrays = {name: array.astype(dtype) for name, array in arrays_of(make_tae(0)).items()}
    save_weights(arrays, tmp_path / "a.safetensors")
    tae = make_tae(1)
    load_weights(tae, tmp_path / "a.safetensors")
    assert_equal(tae, {name: array.astype(np.float32) for name, array in arrays.items()})


@pytest.mark.parametrize("path", [None, 5, ""])
def test_what_is_no_path_is_refused(make_tae, path):
    with pytest.raises(UserError, match=f"the path of the weights is {path!r}; it must name a file or folder"):
        load_weights(make_tae(), path)


@pytest.mark.parametrize("layout", ["diffusers", "original"])
def test_an_image_vae_given_to_a_tae_is_recognised(tmp_path, make_tae, image_vae, layout):
    save_file(image_vae(layout), tmp_path / "vae.safetensors")
    with pytest.raises(UserError, match=r"this is an image VAE.*mindone-tae inflate --src .*vae\.safetensors"):
        load_weights(make_tae(), tmp_path / "vae.safetensors")


def test_two_tensors_for_one_parameter_are_refused(tmp_path, make_tae, arrays_of):
    arrays = arrays_of(make_tae())
    arrays["autoencoder.encoder.conv_in.conv_temp.bias"] = arrays["encoder.conv_in.conv_temp.bias"]
    save_weights(arrays, tmp_path / "a.safetensors")
    with pytest.raises(
        UserError, match="autoencoder.encoder.conv_in.conv_temp.bias .*are both|are both encoder.conv_in.conv_temp.bias"
    ):
        load_weights(make_tae(), tmp_path / "a.safetensors")


def test_the_model_that_training_notes_with_weights_is_read_but_for_where_it_started(tmp_path, make_tae):
    save_weights(
        make_tae(),
        tmp_path / "a.safetensors",
        {"model": {"name": "tae", "latent_channels": 3, "pretrained": "b.safetensors"}},
    )
    assert read_model(tmp_path / "a.safetensors") == {"name": "tae", "latent_channels": 3}
    save_weights(make_tae(), tmp_path / "b.safetensors")
    assert read_model(tmp_path / "b.safetensors") == {}
    save_weights(make_tae(), tmp_path / "c.safetensors", {"model": "none of it"})
    with pytest.raises(UserError, match="c.safetensors: its note of the model is no JSON object"):
        read_model(tmp_path / "c.safetensors")


class GeneratorWithLoss(nn.Cell):
    """MindONE's: the autoencoder beside what its loss holds."""

    def __init__(self, autoencoder):
        super().__init__()
        self.autoencoder = autoencoder
        self.perceptual_loss = nn.Conv2d(3, 4, 1)
        self.logvar = ms.Parameter(ms.Tensor([0.5], ms.float32), name="logvar")


def test_a_whole_training_steps_checkpoint_loads(tmp_path, make_tae, arrays_of):
    step = GeneratorWithLoss(make_tae(0))
    optimizer = nn.AdamWeightDecay(step.trainable_params())
    scale = ms.Parameter(ms.Tensor(1024.0, ms.float32), name="scale_sense")
    held = {parameter.name: parameter for parameter in (*step.get_parameters(), *optimizer.get_parameters(), scale)}
    assert {"logvar", "perceptual_loss.weight", "autoencoder.encoder.conv_in.conv_spat.weight"} <= held.keys()
    assert len(held) > 3 * len(arrays_of(step.autoencoder))
    ms.save_checkpoint(
        [{"name": name, "data": ms.Tensor(p.asnumpy())} for name, p in held.items()], str(tmp_path / "step.ckpt")
    )
    tae = make_tae(1)
    load_weights(tae, tmp_path / "step.ckpt")
    assert_equal(tae, arrays_of(step.autoencoder))


def test_an_optimizers_entries_beside_an_autoencoders_own_names_are_left_out(tmp_path, make_tae, arrays_of):
    tae = make_tae(0)
    optimizer = nn.Adam(tae.trainable_params())
    held = {parameter.name: parameter.asnumpy() for parameter in (*tae.get_parameters(), *optimizer.get_parameters())}
    save_weights(held, tmp_path / "all.ckpt")
    again = make_tae(1)
    load_weights(again, tmp_path / "all.ckpt")
    assert_equal(again, arrays_of(tae))


def test_what_an_error_suggests_for_weights_that_do_not_fit_can_be_called(tmp_path, make_tae, arrays_of, tiny):
    arrays = arrays_of(make_tae(0))
    del arrays["encoder.conv_in.conv_spat.bias"]
    save_weights(arrays, tmp_path / "short.safetensors")
    with pytest.raises(UserError, match=r"mindone_tae\.weights\.load_weights\(model, path, strict=False\)"):
        TemporalAutoencoder(**tiny, pretrained=str(tmp_path / "short.safetensors"))
    tae = make_tae(1)
    kept = tae.encoder.conv_in.conv_spat.bias.asnumpy().copy()
    load_weights(tae, tmp_path / "short.safetensors", strict=False)
    assert_equal(tae, {**arrays, "encoder.conv_in.conv_spat.bias": kept})
