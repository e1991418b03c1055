"""A report's page."""

import pytest
from grey_reports import FRAMES, record

from mindone_tae.cli.report.page import write_page


@pytest.fixture(scope="session")
def one_clip(tmp_path_factory):
    """The page of one clip."""
    folder = record(tmp_path_factory.mktemp("one"), {"greys.mp4": FRAMES})
    return write_page(folder / "report.html", [folder])
