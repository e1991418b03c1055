"""The forms that kernels take, each for a test of its own."""

import pytest

from mindone_tae.models.kernels import device


@pytest.fixture(params=["cpu", "portable"])
def form(request):
    """Runs a test in each form of the kernels, and gives its name."""
    with device.form(request.param):
        yield request.param


@pytest.fixture(params=["cpu", "portable", "products"])
def every_form(request):
    """As `form`, with that of MindSpore 2.9 and later on a CPU."""
    with device.form(request.param):
        yield request.param
