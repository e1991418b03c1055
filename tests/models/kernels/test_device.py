"""Which form kernels take, and what is said of a MindSpore whose convolutions are slow on a CPU."""

import logging

import pytest

from mindone_tae.models.kernels import device


@pytest.mark.parametrize("slow, name", [(False, "cpu"), (True, "products")])
def test_the_form_on_a_cpu_is_the_versions(monkeypatch, caplog, slow, name):
    monkeypatch.setattr(device, "_SLOW_CONVOLUTIONS", slow)
    monkeypatch.setattr(device, "_warned", [])
    with caplog.at_level(logging.WARNING, "mindone_tae"):
        found = [device.as_products() for _ in range(3)]
    assert found == [slow] * 3 and device.on_cpu() and device._form() == name
    assert len(caplog.records) == slow  # once, not at every convolution
    assert all("mindspore==2.8.0" in record.getMessage() for record in caplog.records)


def test_a_form_that_is_opened_wins_and_is_closed_again(monkeypatch):
    before = device._form()
    with device.portable():
        assert not device.on_cpu() and not device.as_products()
        with device.form("products"):
            assert device.on_cpu() and device.as_products()
        assert not device.on_cpu()
    assert device._form() == before
