"""A headless Chromium for measures of pages, and when parts of them are to be seen."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["ViewMarks", "free_port", "open_browser", "process_and_children", "until_true"]

_LONGEST_WAIT = 120.0  # seconds after which a page is given up,
_LONGEST_SILENCE = 10.0  # and after this the browser, if it does not answer any more
_MARKING = """
const selectors = %s;
globalThis.seenAt = {};
const look = () => {
    for (const [name, selector] of Object.entries(selectors)) {
        if (name in seenAt || !document.querySelector(selector)) continue;
        seenAt[name] = null;
        requestAnimationFrame(() => setTimeout(() => {
            seenAt[name] = performance.timeOrigin + performance.now();
        }));
    }
};
new MutationObserver(look).observe(document, { childList: true, subtree: true });
"""
_SEEN = "return globalThis.seenAt ?? {}"


@contextlib.contextmanager
def open_browser() -> Iterator[Any]:
    """A headless Chromium with a profile of its own.

    Raises:
        ImportError: it is not installed.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        raise ImportError("chromium and chromedriver are not installed")
    from selenium import webdriver
    from urllib3.exceptions import HTTPError

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
        opened.set_window_size(1500, 1000)
        try:
            yield opened
        finally:
            with contextlib.suppress(HTTPError):  # it was given up
                opened.quit()


class ViewMarks:
    """Notes in the browser itself when elements are to be seen: asking from outside would wait for its work.

    Args:
        browser: the browser.
        selectors: by name, what is looked for on each page.
    """

    def __init__(self, browser: Any, selectors: Mapping[str, str]) -> None:
        self._browser = browser
        self._names = set(selectors)
        source = _MARKING % json.dumps(dict(selectors))
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})

    def open(self, address: str, longest: float = _LONGEST_WAIT) -> dict[str, float]:
        """Open a page.

        Args:
            address: the page's.
            longest: how long to wait (s).

        Returns:
            by name, the seconds until a picture had what is looked for.

        Raises:
            RuntimeError: it did not come.
        """
        from selenium.common.exceptions import WebDriverException
        from urllib3.exceptions import HTTPError

        def is_seen() -> bool:
            seen: dict[str, Any] = self._browser.execute_script(_SEEN)
            return self._names <= {name for name, at in seen.items() if at is not None}

        self._browser.set_page_load_timeout(longest)
        self._browser.set_script_timeout(longest)
        self._browser.get("about:blank")
        began = time.time()
        giving_up = threading.Timer(longest + _LONGEST_SILENCE, _kill_browser, [self._browser])
        giving_up.start()
        try:
            self._browser.get(address)
            until_true(is_seen, longest, pause=0.02)
        except (WebDriverException, HTTPError) as cause:  # the page is too busy to answer
            raise RuntimeError("what was expected did not come to the page") from cause
        finally:
            giving_up.cancel()
        return {name: at / 1000 - began for name, at in self._browser.execute_script(_SEEN).items()}


def _kill_browser(browser: Any) -> None:
    """End a browser whose driver waits for a busy page for minutes, whatever its limits are."""
    for pid in process_and_children(browser.service.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def process_and_children(pid: int) -> list[int]:
    """A process and all that it has begun, as far as they are there."""
    found = [pid]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # the process, or the thread, has ended
                found += map(int, path.read_text().split())
    return found


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def until_true(condition: Callable[[], Any], longest: float = _LONGEST_WAIT, pause: float = 0.005) -> None:
    """Wait until a condition holds.

    Args:
        condition: called again and again.
        longest: how long to wait (s).
        pause: between two calls (s).

    Raises:
        RuntimeError: it never did.
    """
    end = time.monotonic() + longest
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("what was expected did not come to the page")
        time.sleep(pause)
