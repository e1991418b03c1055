"""MINDIR files: which form of the network a file may hold."""

import os

import pytest

import mindspore as ms

from mindone_tae.export.mindir import write_mindir
from mindone_tae.zoo.errors import UserError


def test_a_cpus_form_is_refused_on_another_device(tmp_path, monkeypatch, small):
    asked = ms.get_context
    monkeypatch.setattr(ms, "get_context", lambda name: "Ascend" if name == "device_target" else asked(name))
    with pytest.raises(UserError, match="the device is Ascend.*env.device_target=CPU, or the portable form"):
        write_mindir(small.decoder, (1, 3, 1, 2, 2), tmp_path / "decoder.mindir", "cpu")
    assert os.listdir(tmp_path) == []
