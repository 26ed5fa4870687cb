"""Reading back what a report's page holds."""

from __future__ import annotations

import json
import re


def content_of(page: bytes) -> dict:
    """What the page holds for its script."""
    found = re.search(rb'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    assert found is not None

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(found[1], parse_constant=refuse)
