"""The page as bytes, and as a browser shows it."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sweeps

from mnist_sweep.analysis.summary import Summary
from mnist_sweep.reports.page.page import report_html

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_SECTIONS = ["next", "ranking-section", "curves", "effects", "heat-map", "all-axes", "trades", "confusion-matrix"]


def _sections(page: bytes) -> list[str]:
    return re.findall(r'<section id="([\w-]+)"', page.decode())


def _values(page: bytes) -> Any:
    match = re.search(r'<script type="application/json" id="values">(.*?)</script>', page.decode(), re.DOTALL)
    assert match
    return json.loads(match[1])


def test_the_page_has_its_sections_in_order() -> None:
    """From the decision to how to read it; confirmations stand where there are some."""
    assert [*_SECTIONS, "confirmed", "reading"] == _sections(report_html(sweeps.several_axes(), "out"))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (sweeps.nothing_yet, ["next", "missing"]),
        (sweeps.all_failed, ["next", "missing"]),
        (sweeps.one_combination, ["ranking-section", "curves", "confusion-matrix", "reading"]),
        (sweeps.one_repeat, [*_SECTIONS, "reading"]),
    ],
)
def test_sections_that_have_nothing_to_say_are_left_out(kind: Callable[[], Summary], expected: list[str]) -> None:
    """A page of little has few sections and no script that it does not need."""
    page = report_html(kind(), "out")
    assert expected == _sections(page)
    assert ("ranking-section" in expected) == (len(page) > 500_000)


def test_hostile_text_is_only_text() -> None:
    """A name, a goal and a reason that try to be markup stay text, in HTML and within scripts."""
    page = report_html(sweeps.hostile(), sweeps.HOSTILE).decode()
    assert "<script>alert" not in page
    assert "<!--" not in page
    assert "<b>&amp;\u2028" not in page
    assert 3 == page.count("</script>")
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page


def test_reloading_is_asked_for() -> None:
    """The page loads itself again only where it is told to, and gives no advice while trainings run."""
    summary = sweeps.several_axes()
    assert None is _values(report_html(summary, "out"))["refresh_s"]
    running = report_html(summary, "out", refresh_s=30)
    assert 30 == _values(running)["refresh_s"]
    assert "next" not in _sections(running)


def test_a_page_of_a_part_says_who_leads() -> None:
    """While trials are left, the page decides nothing, advises nothing but to go on, and calls nothing safe to drop."""
    page = report_html(sweeps.in_part(), "out").decode()
    assert "<h1>Leading so far (2 of 3 combinations have all their repeats): 2×64 relu" in page
    assert "<li>1 trial left to train: run the same command again.</li></ul>" in page
    assert "1 combination lacks repeats, and is in no ranking and no chart." in page
    for words in ("Take 2", "safe to drop", "Nothing else", "may be as good.", "try larger", "the choice"):
        assert words not in page


def test_a_page_marks_what_max_epochs_cut() -> None:
    """It is told below the decision, marked in the ranking and explained; and the first advice is about it."""
    page = report_html(sweeps.cut(), "out").decode()
    assert '<p class="cut">max_epochs ended 6 of 6 trainings before early stopping did: ' in page
    assert 3 == page.count("<em>cut\N{NO-BREAK SPACE}2/2</em>")
    assert "Cut 1/3: of three trainings max_epochs ended one" in page
    assert "<ul><li>Raise max_epochs in the sweep file from 2 to 12 or more" in page
    assert "cut" not in re.findall(r"<h1>.*?<main>", report_html(sweeps.several_axes(), "out").decode(), re.DOTALL)[0]


def test_a_large_sweep_gives_a_page_of_bearable_size() -> None:
    """2,000 combinations are all in the table, the first 300 in the parallel coordinates, in less than 6 MB."""
    page = report_html(sweeps.many(n_rates=10), "out")
    assert len(page) < 6_000_000
    text = page.decode()
    assert 2000 == len(re.findall(r'<tr class="(?:first|tied|behind)">', text))
    assert "Show all 2,000" in text
    assert "The first 300 of 2,000 combinations" in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """Chromium without a window, which keeps what it logs and what it asks the network for."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("chromium or chromedriver is not installed")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with Chrome(options=options, service=Service(shutil.which("chromedriver"))) as chrome:
        yield chrome


def _open(
    browser: Chrome, summary: Summary, *, width: int = 1200, night: bool = False, refresh_s: int | None = None
) -> None:
    """Show a summary's page, and wait until every chart that can be seen is drawn."""
    path = Path("report.html").resolve()
    path.write_bytes(report_html(summary, "out", refresh_s=refresh_s))
    scheme = {"name": "prefers-color-scheme", "value": "dark" if night else "light"}
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())
    _wait_for_charts(browser)


def _wait_for_charts(browser: Chrome) -> None:
    missing = (
        "return [...document.querySelectorAll('.chart')].filter(c => !c.closest('[hidden]') && !c.querySelector('svg'))"
    )
    deadline = time.monotonic() + 30
    while browser.execute_script(f"{missing}.length"):
        assert time.monotonic() < deadline, browser.execute_script(f"{missing}.map(c => c.id + c.textContent)")
        time.sleep(0.05)


def _log(browser: Chrome, kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def _requests(browser: Chrome) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in _log(browser, "performance")]
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [params["request"]["url"] for params in sent]


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("kind", sweeps.KINDS)
def test_every_page_is_drawn_without_a_complaint(browser: Chrome, kind: Callable[[], Summary], width: int) -> None:
    """On a desk and on a phone every chart is drawn, nothing scrolls sideways, nothing is logged or fetched."""
    _open(browser, kind(), width=width)
    assert [] == _log(browser, "browser")
    assert [] == [url for url in _requests(browser) if not url.startswith(("file:", "data:"))]
    page = "document.documentElement"
    assert 0 == browser.execute_script(f"return {page}.scrollWidth - {page}.clientWidth")


def test_a_click_on_a_header_sorts(browser: Chrome) -> None:
    """A click sorts by numbers and says so to a screen reader, a second one turns the order round."""
    _open(browser, sweeps.several_axes())
    sizes = (
        "return [...document.querySelectorAll('#ranking tbody tr')].map(r => +r.cells[8].textContent.replace(',', ''))"
    )
    header = browser.find_elements("css selector", "#ranking thead th")[8]
    for order in ("ascending", "descending"):
        header.find_element("tag name", "button").send_keys("\n")
        assert sorted(browser.execute_script(sizes), reverse=order == "descending") == browser.execute_script(sizes)
        assert [order] == browser.execute_script(
            "return [...document.querySelectorAll('#ranking th[aria-sort]')].map(h => h.getAttribute('aria-sort'))"
        )


def test_a_reader_chooses_metric_and_axes(browser: Chrome) -> None:
    """Another metric shows its sentences and plots, other axes another heat map, without an error."""
    _open(browser, sweeps.several_axes())
    for id_, value in (("metric", "train_time"), ("heat-x", "batch_size"), ("heat-y", "hidden_width")):
        choose = "const s = document.getElementById(arguments[0]);"
        choose += "s.value = arguments[1]; s.dispatchEvent(new Event('change'))"
        browser.execute_script(choose, id_, value)
    _wait_for_charts(browser)
    assert ["train_time"] == browser.execute_script(
        "return [...document.querySelectorAll('.by-metric:not([hidden])')].map(p => p.dataset.metric)"
    )
    label = browser.find_element("id", "chart-heat").get_attribute("aria-label")
    assert "Mean validation accuracy by Batch size and Width." == label
    assert [] == _log(browser, "browser")


def test_a_large_table_shows_fifty_rows_until_all_are_asked_for(browser: Chrome) -> None:
    """Of many rows the first 50 are seen, in whatever order; a button shows all."""
    _open(browser, sweeps.many(n_rates=1))
    seen = "return [...document.querySelectorAll('#ranking tbody tr')].filter(r => r.offsetHeight).length"
    assert 50 == browser.execute_script(seen)
    browser.find_elements("css selector", "#ranking thead button")[1].send_keys("\n")
    assert 50 == browser.execute_script(seen)
    browser.find_element("id", "all").send_keys("\n")
    assert 200 == browser.execute_script(seen)


def test_a_page_that_loads_itself_again_stays_where_the_reader_is(browser: Chrome) -> None:
    """What was chosen and how far it was scrolled are as before, and the page says that it reloads."""
    _open(browser, sweeps.several_axes(), refresh_s=2)
    # One script, not an element that is asked later: the page may load itself again in between.
    assert "every 2 seconds" in browser.execute_script("return document.getElementById('written').textContent")
    choose = "const s = document.getElementById('metric'); s.value = 'test_loss'; s.dispatchEvent(new Event('change'));"
    browser.execute_script(f"{choose} window.before = true; scrollTo(0, 700)")
    deadline = time.monotonic() + 20
    while browser.execute_script("return window.before || document.readyState !== 'complete'"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ["test_loss", 700] == browser.execute_script("return [document.getElementById('metric').value, scrollY]")


def test_the_page_is_dark_where_the_reader_wants_it(browser: Chrome) -> None:
    """By night the paper is dark and the words in the charts are light."""
    colours = (
        "const t = document.querySelector('.chart svg text');"
        "return [getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(t).fill]"
    )
    found = []
    for night in (False, True):
        _open(browser, sweeps.one_combination(), night=night)
        found.append([sum(map(int, re.findall(r"\d+", colour))) for colour in browser.execute_script(colours)])
    (paper, ink), (night_paper, night_ink) = found
    assert paper > 600
    assert ink < 380
    assert night_paper < 120
    assert night_ink > 380
