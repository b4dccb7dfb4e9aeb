"""The page in a real browser, from a file and without a network."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rotary_mae.report.page import Page, write_page
from rotary_mae.report.sections import classification_sections, embedding_section, reconstruction_sections
from tests.report.held_out_examples import CLASSES, HOSTILE, classifier_predictions, interpolator_predictions

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium, chromium-browser or google-chrome here")

LAPTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, list[str]]]:
    """Open the page; also return the list of errors and of network requests, which grows."""
    from playwright.sync_api import Error, sync_playwright

    path = tmp_path_factory.mktemp("report") / "page.html"
    samples, _ = reconstruction_sections(interpolator_predictions())
    classes, _ = classification_sections(classifier_predictions())
    embeddings = embedding_section(classifier_predictions())
    assert embeddings is not None
    write_page(path, Page("A page", "of several sections", [*samples, *classes, embeddings]))
    errors: list[str] = []
    with sync_playwright() as playwright:
        # as root, as in most containers, chromium starts only without its sandbox
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"{CHROMIUM} does not start: {error.message.splitlines()[0]}")
        page = browser.new_context(viewport=LAPTOP, offline=True).new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("file:") else errors.append(request.url))
        page.goto(path.as_uri())
        yield page, errors
        browser.close()


def picture(page: Any) -> np.ndarray:
    """Return a picture (height, width, 3) of the whole page."""
    return np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB"))


def until(page: Any, condition: str) -> None:
    """Wait for a condition up to 10 seconds; the policy of the page forbids the wait of playwright."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not true after 10 seconds: {condition}")


def middle_of_a_dot(page: Any, chart: str, trace: int, dot: int) -> tuple[float, float]:
    """Scroll to a dot and return its place on the screen."""
    page.locator(f"#{chart}").scroll_into_view_if_needed()
    x, y = page.evaluate(
        """([name, trace, dot]) => {
            const chart = document.getElementById(name), layout = chart._fullLayout, data = chart._fullData[trace];
            const box = chart.getBoundingClientRect();
            return [box.x + layout.xaxis._offset + layout.xaxis.d2p(data.x[dot]),
                    box.y + layout.yaxis._offset + layout.yaxis.d2p(data.y[dot])];
        }""",
        [chart, trace, dot],
    )
    return x, y


def is_shown_over(page: Any, expected: str, chart: str, trace: int, dot: int) -> bool:
    """Return True if the mouse over a dot shows a text within 3 seconds."""
    x, y = middle_of_a_dot(page, chart, trace, dot)
    page.mouse.move(x - 40, y - 40)
    page.mouse.move(x, y, steps=4)
    for _ in range(30):
        if expected in "".join(page.locator(f"#{chart} .hoverlayer .hovertext").all_text_contents()):
            return True
        page.wait_for_timeout(100)
    return False


def test_the_page_opens_without_errors_and_without_a_network(opened: tuple[Any, list[str]]) -> None:
    page, errors = opened
    assert page.locator(".chart .main-svg").count() >= 6
    assert not errors
    assert page.evaluate("window.hacked") is None


def test_the_mouse_shows_the_id_of_a_dot(opened: tuple[Any, list[str]]) -> None:
    page, _ = opened
    # the dots of a class are every third sample
    label = sorted(CLASSES).index(CLASSES[1])
    for dot in (0, 5):
        sample = 1 + 3 * dot
        assert is_shown_over(page, f"{HOSTILE[sample % 6]} {sample}{CLASSES[1]}", "map", label, dot)


def test_the_buttons_and_keys_change_the_sample(opened: tuple[Any, list[str]]) -> None:
    page, errors = opened
    bar, values = page.locator(".chooser"), "document.getElementById('samples')._fullData[3].y[0]"
    assert bar.locator("option").all_text_contents() == HOSTILE
    first = page.evaluate(values)
    bar.locator(".next").click()
    second = page.evaluate(values)
    assert bar.locator(".count").text_content() == "2 of 6"
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    third = page.evaluate(values)
    assert bar.locator("select").evaluate("list => list.selectedIndex") == 2
    bar.locator("select").select_option(index=0)
    assert page.evaluate(values) == first
    assert len({first, second, third}) == 3
    bar.locator(".previous").click()
    assert bar.locator(".count").text_content() == "6 of 6"
    assert not errors


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_page_fits_the_screen(opened: tuple[Any, list[str]], size: dict[str, int], scheme: str) -> None:
    page, errors = opened
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    until(page, "document.querySelector('#map .main-svg').clientWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    shown = picture(page)
    brightness = shown.mean(2)
    # mostly paper, with ink and colour on it
    assert (np.median(brightness) < 60) == (scheme == "dark")
    assert brightness.std() > 5
    assert len(np.unique(shown[::3, ::3].astype(np.int64) @ [1, 256, 65536])) > 50
    ink = page.evaluate("document.querySelector('#map .xtick text').style.fill")
    assert ink == {"light": "rgb(27, 36, 48)", "dark": "rgb(230, 235, 241)"}[scheme]
    assert not errors
