"""The pages of finished runs in a headless Chromium: alone, whole, narrow, printed and dark."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import FinishedRun
from test_reporting import Page
from test_viz import SWITCHES

PHONE, LAPTOP = (390, 844), (1280, 800)
PAPER_PX = 680
"""Width of A4 between its margins, 180 mm, in CSS pixels."""
LARGEST = 5_000_000
RUNS = {
    "finished_run": "cry_verification",
    "finished_speakers": "speaker_verification",
    "finished_identification": "speaker_identification",
    "finished_screams": "cry_scream_ensemble",
    "finished_respiratory": "respiratory_scl",
}
PAGES = [
    *((run, "report.html") for run in RUNS),
    ("finished_run", "inspection.html"),
    ("finished_speakers", "inspection.html"),
]
PLACES = """
const box = document.querySelector('.number').getBoundingClientRect();
return [box.top, box.bottom, document.documentElement.scrollWidth];
"""
WIDE = """
return [...document.querySelectorAll('table, pre, img, dl')]
  .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(one => one.tagName + ': ' + one.textContent.trim().slice(0, 60));
"""
IMAGES = """
return [...document.images].map(one => [one.complete && one.naturalWidth > 100, one.alt.trim()]);
"""
DARK = """
const told = getComputedStyle(document.documentElement);
return [told.backgroundColor, told.color];
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A window whose requests and console messages are kept."""
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        if os.environ.get("BODYSOUNDS_REQUIRE_BROWSER"):
            pytest.fail("chromium and chromedriver are required here and not installed")
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    for switch in (*SWITCHES.split(), f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()


def resize(browser: Any, width: int, height: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )


def requested(browser: Any) -> list[str]:
    """The addresses asked for since the last call; what is inside the page is not."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    return [address for address in addresses if not address.startswith("data:")]


@pytest.fixture(params=PAGES, ids=lambda page: f"{RUNS[page[0]]}-{page[1].split('.')[0]}")
def page(request: pytest.FixtureRequest) -> Path:
    run, name = request.param
    finished: FinishedRun = request.getfixturevalue(run)
    return finished.latest("08_reporting", name)


@pytest.mark.browser
def test_a_page_stands_alone_and_is_read_anywhere(browser: Any, page: Path) -> None:
    assert page.stat().st_size < LARGEST
    checked = Page(page.read_text(encoding="utf-8"))
    assert checked.open == []  # every tag is closed where it was opened

    browser.get("about:blank")
    requested(browser), browser.get_log("browser")
    resize(browser, *PHONE)
    browser.get(page.as_uri())
    images = browser.execute_script(IMAGES)
    assert len(images) >= 4
    assert all(loaded and told for loaded, told in images)
    assert len({told for _, told in images}) == len(images)
    assert requested(browser) == [page.as_uri()]
    assert browser.get_log("browser") == []

    # the figure and its interval come first, and nothing is cut off sideways
    for width, height in (PHONE, LAPTOP):
        resize(browser, width, height)
        top, bottom, whole = browser.execute_script(PLACES)
        assert 0 < top < 200
        assert bottom < height / 2
        assert whole <= width

    levels = [
        int(heading[1])
        for heading in browser.execute_script(
            "return [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(one => one.tagName)"
        )
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
    dead = browser.execute_script(
        "return [...document.querySelectorAll('nav a')]"
        ".filter(one => !document.querySelector(one.getAttribute('href'))).length"
    )
    assert dead == 0
    assert len(browser.execute_script("return document.querySelectorAll('nav a')")) == levels.count(
        2
    )


@pytest.mark.browser
def test_a_page_is_printed_whole_and_read_in_the_dark(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    resize(browser, PAPER_PX, 1000)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script(WIDE) == []
    hidden = "return getComputedStyle(document.querySelector('nav')).display"
    assert browser.execute_script(hidden) == "none"  # links are of no use on paper
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    dark = {"media": "", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    paper, ink = browser.execute_script(DARK)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})

    def brightness(colour: str) -> float:
        return sum(float(part) for part in colour.strip("rgba()").split(",")[:3]) / 3

    assert brightness(paper) < 60
    assert brightness(ink) > 200
