"""What tests do with a browser, whatever it shows."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["keep_picture"]


def keep_picture(browser: Any, name: str) -> None:
    """Keep what it shows for a user to look at, where one asks for it by ``LEGM_PICTURES``."""
    if folder := os.environ.get("LEGM_PICTURES"):
        browser.save_screenshot(f"{folder}/{name}.png")
