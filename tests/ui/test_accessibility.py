"""The live page for all users: nothing that axe-core calls serious, at every width, by the keyboard alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from legm import ExperimentHandler
from tests.support.browsing import LivePageInBrowser
from tests.support.live_page import served_page
from tests.support.paths import ROOT
from tests.support.waiting import until

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="needs signals")]

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (390, 820, 1400, 2560)
MOST_SHIFT = 0.1  # the sum of the layout shifts that Web Vitals calls good
LOADED = {
    "overview": "return document.querySelectorAll('.card').length > 0",
    "board": "return document.querySelectorAll('#curves-plot .main-svg').length > 0",
    "compare": "return document.querySelector('#compared-code') !== null",
    "configuration": "return document.querySelector('#configuration-parts .runs-part a') !== null",
    "run": "return document.querySelectorAll('#run-curves .main-svg').length > 0",
}
AUDIT = """
const done = arguments[0];
axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => done(violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).slice(0, 4).join(" | ")}`)));
"""

TOO_WIDE = """
return [...document.querySelectorAll("main *, header *")]
    .filter((one) => one.offsetParent && one.getBoundingClientRect().right > innerWidth + 1)
    .filter((one) => !one.closest(".scroll, .frame, #parallel-frame"))
    .slice(0, 3).map((one) => `${one.tagName}#${one.id}.${one.className}`);
"""


def logged(root: Path, number: int) -> None:
    handler = ExperimentHandler(root, "net with a name")
    names = [f"model.encoder.layers.{part}.attention.dropout_probability" for part in range(4)]
    handler.set_dict_params({name: (number % (part + 2)) / 10 for part, name in enumerate(names)})
    handler.set_dict_params({"optimizer.parameters.learning_rate": number / 1000, "seed": number})
    handler.disable_param("seed")
    handler.name_params([*names, "optimizer.parameters.learning_rate"])
    handler.start()
    for step in range(4):
        handler.set_dict_metrics({"validation/loss": 1 / (1 + number + step), "f1": number + step}, step=step)
    if number % 20 == 3:
        handler.end("failed", "RuntimeError: out of memory")
    else:
        handler.log()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long") / "results"
    for number in range(40):
        logged(folder, number)
    return folder


@pytest.fixture
def page(browser: Any, root: Path, tmp_path: Path) -> Iterator[LivePageInBrowser]:
    browser.get_log("browser")
    with served_page(root, tmp_path) as served:
        browser.get(served.address)
        yield LivePageInBrowser(browser)
        browser.get("about:blank")
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def views(page: LivePageInBrowser) -> Iterator[str]:
    """Open each view in turn, and say which it is."""
    until(lambda: page.view() == "overview" and page.texts(".card"))
    yield "overview"
    page.click(".card a")
    until(lambda: page.view() == "board" and len(page.rows()) > 10)
    until(lambda: page.run("return document.querySelectorAll('#curves-plot .main-svg').length > 0"))
    page.run("document.getElementById('relations').scrollIntoView()")
    until(lambda: page.run("return document.querySelectorAll('#relations-plot .main-svg').length > 0"))
    page.run("scrollTo(0, 0)")
    yield "board"
    page.run("location.hash = document.getElementById('compare-ticked').getAttribute('href')")
    until(lambda: page.view() == "compare" and page.texts("#compared-code"))
    yield "compare"
    page.run("location.hash = document.querySelector('#compared thead a').getAttribute('href')")
    until(lambda: page.view() == "configuration" and page.texts("#configuration-parts .runs-part a"))
    yield "configuration"
    page.click("#configuration-parts .runs-part a")
    until(lambda: page.view() == "run" and page.texts("#run-curves .main-svg"))
    yield "run"


SHIFTS = """
const done = arguments[0];
const before = [];
const observer = new PerformanceObserver((list) => before.push(...list.getEntries()));
observer.observe({type: "layout-shift", buffered: true});
requestAnimationFrame(() => requestAnimationFrame(() => {
    const shifts = [...before, ...observer.takeRecords()];
    const of = ({node}) => node?.id || node?.className || node?.parentElement?.id || node?.nodeName;
    const unexpected = shifts.filter((one) => !one.hadRecentInput);
    done(unexpected.map((one) => [one.value, one.sources.map(of).join(", ")]));
}));
"""


def test_nothing_jumps_while_a_page_is_loaded(page):
    found: dict[str, list[tuple[float, str]]] = {}
    addresses: dict[str, str] = {}
    for name in views(page):
        addresses[name] = page.browser.current_url
    for width in (1400, 390):
        look(page, "light", width)
        for name, address in addresses.items():
            page.browser.get("about:blank")
            page.browser.get(address)
            until(lambda name=name: page.run(LOADED[name]))
            found[f"{name} at {width}"] = page.browser.execute_async_script(SHIFTS)
    jumping = {
        name: shifts for name, shifts in found.items() if sum(value for value, _ in shifts) > MOST_SHIFT
    }
    assert jumping == {}, json.dumps(jumping, indent=1)


def look(page: LivePageInBrowser, theme: str, width: int) -> None:
    features = [
        {"name": "prefers-color-scheme", "value": theme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm install")
def test_axe_finds_nothing_serious_and_every_width_fits(page):
    found: dict[str, list[str]] = {}
    wide: list[str] = []
    script = AXE.read_text(encoding="utf-8")
    for name in views(page):
        for theme in ("light", "dark"):
            look(page, theme, 1400)
            page.run(script)
            problems = page.browser.execute_async_script(AUDIT)
            if problems:
                found[f"{name} {theme}"] = problems
            page.keep_picture(f"ui-{name}-1400-{theme}")
        for width in WIDTHS:
            look(page, "light", width)
            try:  # plots follow the window a little later
                until(lambda width=width: page.run("return document.documentElement.scrollWidth") <= width, 5)
            except AssertionError:
                wide.append(f"{name} at {width}: {page.run(TOO_WIDE)}")
            page.keep_picture(f"ui-{name}-{width}-light")
        look(page, "light", 1400)
    assert found == {}
    assert wide == []
    moving = (
        "return [...document.querySelectorAll('*')]"
        ".filter((one) => parseFloat(getComputedStyle(one).transitionDuration) > 0).length"
    )
    assert page.run(moving) == 0


def test_long_names_stay_different_and_the_keyboard_reaches_everything(page):
    for name in views(page):
        if name == "board":
            break
    look(page, "light", 1400)
    rows = page.rows()
    assert len(set(rows)) == len(rows)
    assert all(len(row) <= 60 for row in rows)
    heads = "return [...document.querySelectorAll('#table thead [data-column^=\"p:\"] span[title]')]"
    shown = page.run(f"{heads}.map((one) => one.textContent)")
    whole = page.run(f"{heads}.map((one) => one.title)")
    assert len(set(shown)) == len(shown) == 5
    assert "model.encoder.layers.0.attention.dropout_probability" in whole
    reached = set()
    page.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    from selenium.webdriver.common.keys import Keys

    for _ in range(160):
        page.browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(
            page.run(
                "const one = document.activeElement;"
                "return one.id || one.dataset.column || one.closest('[id]')?.id || one.tagName"
            )
        )
        if "higher" in reached and "x-axis" in reached:
            break
    assert {"home", "theme", "metric", "where", "search", "columns", "higher"} <= reached
    page.run("document.querySelector('#table .open').focus()")
    page.browser.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: page.texts("#table .detail"))
    assert page.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
