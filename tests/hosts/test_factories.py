"""The TAE from factories that stock code has: mindcv's table of models, and mindone's {target, params}."""

import subprocess
import sys

import mindcv
import numpy as np
import pytest
from omegaconf import OmegaConf

from mindone.utils.config import instantiate_from_config

from mindone_tae import TemporalAutoencoder
from mindone_tae.hosts import mindcv_models  # importing it registers
from mindone_tae.models.baselines.sd3_vae import SD3VAE
from mindone_tae.weights import save_weights
from mindone_tae.zoo import UserError


def test_mindcv_knows_the_models_after_one_import():
    code = (
        "import mindcv\nassert not mindcv.list_models('*tae*')\nimport mindone_tae.hosts.mindcv_models\n"
        "assert {'tae', 'sd3_vae'} <= set(mindcv.list_models()), mindcv.list_models()\nimport os\nos._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "expected"), [("tae", TemporalAutoencoder), ("sd3_vae", SD3VAE)])
def test_mindcv_builds_them_with_their_own_keywords(two_levels, name, expected):
    assert name in mindcv_models.__all__ and name in mindcv.list_models(module="mindcv_models")
    model = mindcv.create_model(name, **two_levels, sample_deterministic=True)
    assert type(model) is expected and model.sample_deterministic and model.latent_channels == 3


@pytest.mark.parametrize("keyword", ["pretrained", "checkpoint_path"])
def test_mindcv_loads_weights_by_either_of_its_keywords(two_levels, randomised, arrays_of, tmp_path, keyword):
    saved = arrays_of(randomised(TemporalAutoencoder(**two_levels)))
    save_weights(saved, tmp_path / "tae.ckpt")
    loaded = arrays_of(mindcv.create_model("tae", **two_levels, **{keyword: str(tmp_path / "tae.ckpt")}))
    assert saved.keys() == loaded.keys() and all(np.array_equal(saved[name], loaded[name]) for name in saved)


def test_mindcvs_pretrained_true_says_that_there_is_nothing_to_download(two_levels):
    with pytest.raises(UserError, match="pretrained is True; mindcv has no weights of tae to download: give the file"):
        mindcv.create_model("tae", pretrained=True, **two_levels)


@pytest.mark.parametrize("read", [dict, OmegaConf.create], ids=["dict", "omegaconf"])
def test_instantiate_from_config_builds_by_target_and_params(two_levels, read):
    params = {**two_levels, "block_out_channels": list(two_levels["block_out_channels"]), "dtype": "float16"}
    model = instantiate_from_config(read({"target": "mindone_tae.TemporalAutoencoder", "params": params}))
    assert type(model) is TemporalAutoencoder and str(model.dtype) == "Float16" and model.block_out_channels == (4, 8)
