"""What tests do with a browser, whatever it shows."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["LivePageInBrowser", "keep_picture"]


def keep_picture(browser: Any, name: str) -> None:
    """Keep what it shows for a user to look at, where one asks for it by ``LEGM_PICTURES``."""
    if folder := os.environ.get("LEGM_PICTURES"):
        browser.save_screenshot(f"{folder}/{name}.png")


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

    def keep_picture(self, name: str) -> None:
        """Keep what is shown, where one asks for pictures."""
        keep_picture(self.browser, name)
