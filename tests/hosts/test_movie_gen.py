"""The TAE in place of the one in MindONE's Movie Gen scripts, called as they call theirs."""

import numpy as np
import pytest

import mindspore as ms
from mindspore import amp, mint, nn, ops

from mindone_tae import TemporalAutoencoder

pytestmark = pytest.mark.apart

SCRIPTS_KEYWORDS = """
tae:
  pretrained: null
  use_recompute: false
  sample_deterministic: true
  use_tile: true
  encode_tile: 16
  decode_tile: 16
  decode_overlap: 8
  dtype: fp16
  block_out_channels: [4, 4, 4, 8]
  norm_num_groups: 2
  layers_per_block: 1
"""


@pytest.fixture
def jsonargparse():
    """What the Movie Gen scripts read their arguments with."""
    return pytest.importorskip("jsonargparse", reason="jsonargparse is not installed: pip install jsonargparse")


@pytest.fixture(params=[ms.PYNATIVE_MODE, ms.GRAPH_MODE], ids=["pynative", "graph"])
def in_mode(request):
    """in_mode(function, *arguments) calls it in PyNative or in graph mode; in_mode.compiles says which."""

    def call(function, *arguments):
        ms.set_context(mode=request.param)
        try:
            return function(*arguments)
        finally:
            ms.set_context(mode=ms.PYNATIVE_MODE)

    call.compiles = request.param == ms.GRAPH_MODE
    return call


def video(*shape):
    return ms.Tensor(np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32))


def test_a_parser_reads_the_scripts_keywords_from_the_signature(jsonargparse, tmp_path):
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action=jsonargparse.ActionConfigFile)
    parser.add_class_arguments(TemporalAutoencoder, "tae", instantiate=False)
    (tmp_path / "config.yaml").write_text(SCRIPTS_KEYWORDS)
    args = parser.parse_args(["--config", str(tmp_path / "config.yaml"), "--tae.decode_tile", "24"])
    tae = TemporalAutoencoder(**args.tae).set_train(False)
    assert tae.dtype == ms.float16 and tae.use_tiling and tae.sample_deterministic
    assert tae.tile_sizes.encode_tile == 16 and tae.tile_sizes.decode_tile == 24 and tae.tile_sizes.decode_overlap == 8
    with pytest.raises(jsonargparse.ArgumentError, match="encode_tile"):
        parser.parse_args(["--tae.encode_tile", "many"])
    with pytest.raises(jsonargparse.ArgumentError, match="encode_tiles"):
        parser.parse_args(["--tae.encode_tiles", "8"])


def test_a_parser_takes_the_class_by_its_public_path(jsonargparse):
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(TemporalAutoencoder, "tae", instantiate=False, required=False)
    args = parser.parse_args(["--tae", "mindone_tae.TemporalAutoencoder", "--tae.use_tile", "true"])
    assert args.tae.init_args.use_tile is True and args.tae.init_args.dtype == "float32"


def test_the_attributes_the_scripts_read_are_there(four_levels):
    tae = TemporalAutoencoder(**{**four_levels, "latent_channels": 5}, scaling_factor=2.0, shift_factor=0.5)
    assert (tae.out_channels, tae.scale_factor, tae.shift_factor, tae.dtype) == (5, 2.0, 0.5, ms.float32)


def test_the_latent_size_asked_of_an_instance_is_its_own(two_levels):
    tae = TemporalAutoencoder(**two_levels)
    assert tae.get_latent_size((5, 8, 12)) == tae.encode(video(1, 3, 5, 8, 12))[1].shape[2:] == (3, 4, 6)


def test_a_size_to_generate_is_cut_to_what_the_network_divides_as_the_demo_asks_for_455_pixels():
    assert TemporalAutoencoder.get_latent_size((32, 256, 455)) == (4, 32, 56)
    with pytest.raises(ValueError, match="width is 7 pixels"):
        TemporalAutoencoder.get_latent_size((1, 256, 7))


class Diffusion(nn.Cell):
    """What the training script does with a video, and the inference pipeline with its latent."""

    def __init__(self, tae):
        super().__init__()
        self.tae = tae

    def construct(self, x):
        z = ops.stop_gradient(self.tae.encode(mint.permute(x, (0, 2, 1, 3, 4)))[0]).to(ms.float32)
        z = mint.permute((z - self.tae.shift_factor) * self.tae.scale_factor, (0, 2, 1, 3, 4))
        unscaled = mint.permute(z, (0, 2, 1, 3, 4)) / self.tae.scale_factor + self.tae.shift_factor
        return z, self.tae.decode(unscaled, target_num_frames=3)


def test_a_diffusion_network_encodes_and_decodes_with_it_inside(in_mode, two_levels, randomised):
    """As a recipe has it whose mode is 0 and whose use_tile is True: in a graph nothing is cut into tiles."""
    tae = randomised(TemporalAutoencoder(**two_levels, sample_deterministic=True, use_tile=True))
    x = video(2, 3, 3, 4, 8)
    _, mean, _ = tae.encode(x.transpose(0, 2, 1, 3, 4))
    expected, decoded = (mean.asnumpy() - 0.0609) * 1.5305, tae.decode(mean, 3).asnumpy()
    if in_mode.compiles:
        tae.enable_tiling(4, 4, None, 2, 2)
        tae.enable_slicing()
    z, recon = in_mode(Diffusion(tae), x)
    np.testing.assert_allclose(z.asnumpy(), expected.transpose(0, 2, 1, 3, 4), atol=1e-5)
    np.testing.assert_allclose(recon.asnumpy(), decoded, atol=1e-4)


def test_mixed_precision_put_around_it_changes_no_names_and_computes_close_to_float32(in_mode, two_levels, randomised):
    plain = randomised(TemporalAutoencoder(**two_levels, sample_deterministic=True))
    tae = randomised(TemporalAutoencoder(**two_levels, sample_deterministic=True, dtype="fp16"))
    black_list = amp.get_black_list() + [nn.GroupNorm, nn.AvgPool2d, nn.Upsample]
    amp.custom_mixed_precision(tae, black_list=black_list, dtype=tae.dtype)
    assert [p.name for p in tae.get_parameters()] == [p.name for p in plain.get_parameters()]
    assert {p.dtype for p in tae.get_parameters()} == {ms.float32}
    x = video(1, 3, 3, 4, 8)
    found = in_mode(tae, x)
    assert [item.shape for item in found] == [(1, 3, 3, 4, 8)] + 3 * [(1, 3, 2, 2, 4)]
    for item, exact in zip(found, plain(x), strict=True):
        np.testing.assert_allclose(item.asnumpy().astype(np.float32), exact.asnumpy(), atol=0.02)
