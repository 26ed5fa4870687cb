"""The fenced blocks of the documentation's pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PRINTED = re.compile(r"^\s*print\(.*\)  # (.+)$", re.MULTILINE)

FILE = re.compile(r"# (\w+\.(?:py|yaml))\n")  # a block that begins so is that file


@dataclass(frozen=True)
class Block:
    """A fenced block: ``line`` lines of the page come before its text."""

    language: str
    text: str
    line: int
    output: str
    """What it prints by the page: comments behind print(), or a text block right after it."""


def blocks(page: Path, language: str | None = None) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        after = BLOCK.match(text, match.end() + 2)
        shown = after[2] if after and after[1] == "text" else "\n".join(PRINTED.findall(match[2]))
        found.append(Block(match[1], match[2], text.count("\n", 0, match.start(2)), shown))
    return [block for block in found if language in (None, block.language)]
