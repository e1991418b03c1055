"""A report's page, and a browser to open it in."""

import shutil

import pytest
from grey_reports import FRAMES, record

from mindone_tae.cli.report.page import write_page


@pytest.fixture(scope="session")
def one_clip(tmp_path_factory):
    """The page of one clip."""
    folder = record(tmp_path_factory.mktemp("one"), {"greys.mp4": FRAMES})
    return write_page(folder / "report.html", [folder])


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium by way of selenium, which logs what it requests; skipped where either is missing."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="no browser test: selenium is not installed (pip install '.[test]')"
    )
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if None in programs.values():
        pytest.skip("no browser test: chromium or chromedriver is missing (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    quiet = "disable-background-networking no-first-run disable-sync disable-component-update disable-default-apps"
    for word in f"headless=new no-sandbox disable-gpu hide-scrollbars force-device-scale-factor=1 {quiet}".split():
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs["chromedriver"]))
    driver.set_script_timeout(30)
    yield driver
    driver.quit()
