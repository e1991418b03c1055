"""serve in headless Chromium: a clip is uploaded, and its report is seen."""

import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mindone_tae.data import write_video

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def served(browser, tmp_path_factory):  # browser: first, as without one nothing is started
    """Address and folder of a server."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "out/uploads").mkdir(parents=True)
    (folder / "out/uploads/mine.mp4").touch()  # a folder of the user's own
    words = ["serve", "--port", "0", "--output_path", "out", "--max_mb", "1", "--max_frames", "16"]
    server = subprocess.Popen(
        [sys.executable, "-m", "mindone_tae", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
    assert address, server.stderr.read()
    yield address[0], folder
    server.send_signal(signal.SIGINT)
    assert server.wait(20) == 130
    assert "the reports that were made are kept" in server.stderr.read()
    assert (folder / "out/uploads/mine.mp4").exists() and not list((folder / "out").glob(".uploads-*"))


@pytest.fixture(scope="module")
def report(browser, served):
    """The browser, in which a clip was dropped on the page and worked on."""
    address, folder = served
    frames = np.random.default_rng(0).integers(0, 255, (8, 64, 96, 3), np.uint8)
    write_video(folder / "my clip.mp4", frames, fps=10)
    browser.set_window_size(1440, 1000)
    browser.get(address)
    upload(browser, folder / "my clip.mp4")
    browser.find_element("id", "go").click()
    wait(browser, "return document.querySelector('#report[src]')", 240)
    return browser


def wait(browser, script, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = browser.execute_script(script)
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(
        f"still not after {seconds} s: {script}; {browser.find_element('tag name', 'body').text[:500]}"
    )


def upload(browser, path):
    wait(browser, "return document.querySelector('#size').value === '96px'")
    browser.execute_script("document.querySelector('#size').value = '64px'")
    browser.find_element("id", "file").send_keys(str(path))
    wait(browser, "return !document.querySelector('#go').disabled")


def test_an_uploaded_clip_becomes_a_report_with_players(report, served):
    _, folder = served
    report.switch_to.frame(report.find_element("css selector", "#report"))
    try:
        wait(report, "return document.body.dataset.frame !== undefined")
        names = report.execute_script(
            "return [...document.querySelectorAll('#side figure')].map((figure) => figure.dataset.name)"
        )
    finally:
        report.switch_to.default_content()
    assert names[0] == "source" and {"model", "linear_code", "average_pooling", "error"} <= set(names)
    assert sorted(path.name for path in (folder / "out").glob("[!.]*")) == ["0001", "uploads"]
    assert (folder / "out/0001/video.mp4").exists()


def test_a_file_that_is_no_video_is_told_on_the_page(report, served):
    address, folder = served
    (folder / "text.mp4").write_text("not a video")
    report.get(address)
    upload(report, folder / "text.mp4")
    report.find_element("id", "go").click()
    wait(report, "return document.body.innerText.includes('the file cannot be used')", 60)
    assert sorted(path.name for path in (folder / "out").glob("[!.]*")) == ["0001", "uploads"]
