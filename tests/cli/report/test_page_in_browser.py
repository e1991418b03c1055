"""The report page in headless Chromium: opens from the disk, plays, seeks, keeps in step, fetches nothing."""

import json
import time

import pytest
from grey_reports import FRAMES, level, number_of, record

from mindone_tae.cli.report.page import write_page

pytestmark = pytest.mark.apart

# The middle pixel of every player and the frame that the page says it shows, taken at one moment.
SHOWN = """
const grey = (canvas) => canvas.getContext("2d").getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data[1];
const players = [...document.querySelectorAll("#side figure")].map(
  (figure) => [figure.dataset.name, grey(figure.querySelector("canvas"))]);
return [Object.fromEntries(players), Number(document.body.dataset.frame)];
"""
CONTESTANTS = ("source", "model", "average_pooling")


class Page:
    """A page in the browser."""

    def __init__(self, driver, path, width=1440, height=1000):
        self.driver = driver
        driver.set_window_size(width, height)
        driver.get_log("performance"), driver.get_log("browser")
        driver.get(f"file://{path}")
        self.wait("return document.body.dataset.frame !== undefined")
        self.run("document.activeElement.blur(); document.querySelector('#play.playing')?.click()")
        self.wait("return !document.querySelector('#play.playing')")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.run(script):
                return
            time.sleep(0.02)
        raise AssertionError(f"still not after {seconds} seconds: {script}")

    def press(self, keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(keys).perform()

    def seek(self, number):
        self.run(
            "const seek = document.getElementById('seek'); seek.value = arguments[0];"
            "seek.dispatchEvent(new Event('input'))",
            number,
        )
        return self.at(number)

    def at(self, number):
        self.wait(f"return document.body.dataset.frame === '{number}'")
        greys, told = self.run(SHOWN)
        assert told == number
        assert {name: number_of(name, greys[name]) for name in CONTESTANTS} == dict.fromkeys(CONTESTANTS, number)
        return greys


@pytest.fixture(scope="module")
def opened(browser, one_clip):
    return Page(browser, one_clip)


@pytest.fixture
def page(opened):
    opened.run(
        "document.querySelector('#mode [data-value=side]').click();"
        "document.querySelector('#zoom [data-value=\"1\"]').click()"
    )
    return opened


def test_every_player_shows_the_frame_that_was_sought_whatever_the_order(page):
    for number in (5, 0, FRAMES - 1, 7, 8, 6, 22, 1):
        greys = page.seek(number)
        assert all(
            abs(greys[name] - level(name, number)) <= 3 for name in CONTESTANTS
        )  # colours come through the video, too


def test_the_error_is_as_bright_as_its_scale_says(page):
    greys = page.seek(3)
    scale = page.run("return JSON.parse(document.getElementById('report').textContent).errorScale")
    error = min(abs(level("source", 3) - level("model", 3)) / scale, 1)
    assert greys["error"] == pytest.approx(error * 0xB2, abs=6)  # the colour's green


def test_players_stay_in_step_while_they_play_and_go_round(page):
    page.seek(0)
    samples = page.driver.execute_async_script(
        f"const done = arguments[0], samples = [], shown = () => {{ {SHOWN} }};"
        "document.getElementById('play').click();"
        "const look = () => { samples.push(shown()); samples.length < 150 ? setTimeout(look, 20) : done(samples) };"
        "look();"
    )
    page.run("document.getElementById('play').click()")
    seen = []
    for greys, told in samples:
        assert {number_of(name, greys[name]) for name in CONTESTANTS} == {told}
        if seen[-1:] != [told]:
            seen.append(told)
    assert len(set(seen)) > FRAMES // 2  # a busy machine may drop some
    assert any(later < earlier for earlier, later in zip(seen, seen[1:]))  # 3 seconds of a clip of 2


def test_keys_play_step_and_switch(page):
    from selenium.webdriver.common.keys import Keys

    page.run("document.activeElement.blur()")
    page.seek(4)
    page.press(Keys.ARROW_RIGHT)
    page.at(5)
    page.press(Keys.ARROW_LEFT + Keys.ARROW_LEFT)
    page.at(3)
    page.press(Keys.HOME)
    page.at(0)
    page.press(Keys.ARROW_LEFT)
    page.at(FRAMES - 1)
    page.press(" ")
    page.wait("return document.querySelector('#play.playing')")
    page.press(" ")
    page.wait("return !document.querySelector('#play.playing')")
    page.press("w")
    page.wait("return document.getElementById('side').hidden && !document.getElementById('wipe').hidden")


def test_a_wipe_shows_one_left_and_another_right_of_its_edge(page):
    page.seek(6)
    page.run("document.querySelector('#mode [data-value=wipe]').click()")
    page.run(
        "const [left, right] = document.querySelectorAll('#wipe select');"
        "left.value = 'average_pooling'; right.value = 'model';"
        "for (const select of [left, right]) select.dispatchEvent(new Event('change'));"
        "const slider = document.querySelector('#wipe input'); slider.value = 30;"
        "slider.dispatchEvent(new Event('input'))"
    )
    greys = page.run(
        "const canvas = document.querySelector('#wipe canvas'), pen = canvas.getContext('2d');"
        "return [.1, .25, .35, .9].map("
        "(share) => pen.getImageData(share * canvas.width, canvas.height / 2, 1, 1).data[1])"
    )
    assert [abs(grey - level("average_pooling", 6)) <= 3 for grey in greys] == [True, True, False, False]
    assert [abs(grey - level("model", 6)) <= 3 for grey in greys] == [False, False, True, True]


def test_a_click_in_a_plot_goes_to_that_frame(page):
    from selenium.webdriver.common.action_chains import ActionChains

    page.seek(0)
    plot, wanted = page.driver.find_element("css selector", "#plots svg"), 17
    page.run("arguments[0].scrollIntoView({block: 'center'})", plot)
    place = "const box = arguments[0].getBoundingClientRect(); return [box.left, box.top, box.width]"
    before = None
    while before != (before := page.run(place, plot)):  # a busy machine may still be laying the page out
        time.sleep(0.2)
    across = 42 + (before[2] - 52) * wanted / (FRAMES - 1)  # the plot's margins are 42 and 10 pixels
    ActionChains(page.driver).move_to_element_with_offset(plot, across - before[2] / 2, 0).click().perform()
    page.at(wanted)


def test_players_are_at_least_256_pixels_high_and_everything_has_a_name_for_a_screen_reader(page):
    heights = page.run(
        "return [...document.querySelectorAll('#side canvas')].map((canvas) => canvas.getBoundingClientRect().height)"
    )
    assert len(heights) == 5 and min(heights) >= 256
    named = page.driver.find_elements("css selector", "button, select, input, canvas, svg, section, nav")
    nameless = [
        entry.get_attribute("outerHTML")[:80] for entry in named if entry.is_displayed() and not entry.accessible_name
    ]
    assert nameless == []
    assert page.run("return [document.documentElement.lang, document.querySelectorAll('h1').length]") == ["en", 1]
    assert page.run("return document.getElementById('seek').getAttribute('aria-valuetext')").startswith("frame ")


def test_a_narrow_screen_needs_no_scrolling_to_the_side_and_begins_with_the_wipe(browser, one_clip):
    page = Page(browser, one_clip, width=500, height=850)  # as narrow as a headless window gets
    assert page.run(
        "return [document.documentElement.scrollWidth - innerWidth, document.getElementById('wipe').hidden]"
    ) == [0, False]


def test_the_table_sorts_by_a_column_and_opens_a_clip(browser, tmp_path):
    folder = record(tmp_path, {"long.mp4": 24, "b.mp4": 3, "</script><b>.mp4": 9, "still.png": 1})
    page = Page(browser, write_page(tmp_path / "report.html", [folder]))

    def names():
        return [row.text for row in page.driver.find_elements("css selector", "#table tbody th")]

    def sort_by(column):
        page.run("document.querySelectorAll('#table thead button')[arguments[0]].click()", column)
        return page.run(
            "return [...document.querySelectorAll('#table [aria-sort]')].map((head) => head.getAttribute('aria-sort'))"
        )[column]

    assert names() == ["long.mp4", "b.mp4", "</script><b>.mp4", "still.png"]
    assert sort_by(1) == "ascending" and names() == ["still.png", "b.mp4", "</script><b>.mp4", "long.mp4"]
    assert sort_by(1) == "descending" and names()[0] == "long.mp4"
    figures = {
        row["name"]: row["figures"]["model"]["psnr"]
        for row in json.loads((folder / "report/report.json").read_text())["table"]
    }
    assert sort_by(3) == "descending" and names() == sorted(figures, key=figures.get, reverse=True)
    page.run("[...document.querySelectorAll('#table .link')].find((link) => link.textContent === 'still.png').click()")
    page.wait("return document.getElementById('clip-name').textContent === 'still.png'")
    page.wait("return document.getElementById('number').textContent === 'one frame'")
    assert page.run(SHOWN)[0]["source"] == level("source", 0)  # an image is shown without loss


def test_reports_of_two_models_show_the_same_clips_side_by_side_and_their_curves(browser, tmp_path):
    folders = [
        record(tmp_path / name, {"a.mp4": 9, "b.mp4": 3}, name, seed) for seed, name in enumerate(("first", "second"))
    ]
    for name, best in (("first", 20.0), ("second", 25.0)):
        lines = [{"step": step, "loss": 1 / step, "learning_rate": 1e-4} for step in range(1, 30)]
        lines += [{"step": 30, "eval": {"psnr": best}, "baseline": {"psnr": 21.0}, "baseline_name": "average_pooling"}]
        (tmp_path / name / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    page = Page(browser, write_page(tmp_path / "both.html", folders, folders))
    players = page.run("return [...document.querySelectorAll('#side figure')].map((figure) => figure.dataset.name)")
    assert players == ["source", "model0", "model1", "average_pooling", "error", "latent"]
    assert len(page.driver.find_elements("css selector", "#clips button")) == 2
    assert [caption.text.split()[0] for caption in page.driver.find_elements("css selector", "#curves strong")] == [
        "PSNR",
        "Loss,",
    ]
    assert "second 25.00 dB" in page.driver.find_element("css selector", "#curves figcaption").text


def test_nothing_is_fetched_and_nothing_goes_wrong(browser, one_clip):
    Page(browser, one_clip).seek(3)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert asked[0] == f"file://{one_clip}"
    assert [url for url in asked[1:] if not url.startswith(("blob:", "data:"))] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
