"""Memory addresses in texts of parameters, which differ from process to process."""

from __future__ import annotations

import re

from legm.records import Plain

__all__ = ["plain_without_addresses", "without_addresses"]

_ADDRESS = re.compile(r"\s*\bat 0x[0-9a-fA-F]+(?=\W|$)")


def without_addresses(text: str) -> str:
    """A text without the memory addresses of objects: ``<Net object at 0x7f12>`` is ``<Net object>``."""
    return _ADDRESS.sub("", text) if "0x" in text else text


def plain_without_addresses(value: Plain) -> Plain:
    """A plain value whose texts have no memory addresses."""
    if isinstance(value, str):
        return without_addresses(value)
    if isinstance(value, list):
        return [plain_without_addresses(one) for one in value]
    if isinstance(value, dict):
        return {name: plain_without_addresses(one) for name, one in value.items()}
    return value
