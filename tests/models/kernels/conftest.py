"""The forms that kernels take, each for a test of its own."""

import contextlib

import pytest

from mindone_tae.models.kernels.device import portable


@pytest.fixture(params=["cpu", "portable"])
def form(request):
    """Runs a test in each form of the kernels, and gives its name."""
    with portable() if request.param == "portable" else contextlib.nullcontext():
        yield request.param
