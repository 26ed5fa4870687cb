"""What the README shows of trainers, as programs."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

__all__ = ["readme_program"]


def readme_program(integration: str) -> str:
    """The program of the README with an integration, which needs a model and data of the reader's."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    programs = re.findall(r"```text\n(from .*?)```", text, re.DOTALL)
    (found,) = [one for one in programs if f"legm.integrations.{integration} " in one]
    return found
