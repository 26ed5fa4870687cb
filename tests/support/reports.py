"""Reading back what a report's page holds."""

from __future__ import annotations

import base64
import json
import re

import numpy as np


def content_of(page: bytes) -> dict:
    """What the page holds for its script."""
    found = re.search(rb'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    assert found is not None

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(found[1], parse_constant=refuse)


def decoded_numbers(text: str) -> np.ndarray:
    """The numbers of an encoded array."""
    code, _, data = text.partition(":")
    return np.frombuffer(base64.b64decode(data), f"<{code}")
